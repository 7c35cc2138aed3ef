"""The URLs of a PyPI feed (contract, section 2; PEP 503, 691, 658, 740).

Redirects are only the syntactic ones (a missing slash, an un-normalised name): clients keep a 301 for ever.
"""

from collections.abc import Callable
from urllib.parse import quote

from proxy.feeds.keeper import How, Keeper, Offer
from proxy.feeds.pypi.feed import Page, PypiFeed
from proxy.model.problem import Problem
from proxy.pypi.names import is_valid, normalize
from proxy.pypi.negotiate import Form, negotiate
from proxy.pypi.xmlrpc import CONTENT_TYPE, fault
from proxy.web.accept import is_browser
from proxy.web.inbound import Inbound
from proxy.web.kinds.arriving import cache_of, file_answer
from proxy.web.outbound import (
    BlobAnswer,
    Bytes,
    Document,
    Outbound,
    Redirect,
)
from proxy.web.routes import Route
from proxy.web.verdicts import Verdicts
from proxy.web.why import Why

_XMLRPC_BYTES = 64 * 1024
_INTEGRITY = "application/vnd.pypi.integrity.v1+json"

Find = Callable[[str], PypiFeed | None]


class PypiEndpoints:
    """The handlers; `find` gives the feed of a name or alias as the settings are now."""

    def __init__(self, find: Find, keeper: Callable[[], Keeper], verdicts: Verdicts, why: Why) -> None:
        self._find = find
        self._why = why
        self._verdicts = verdicts
        self._keeper = keeper

    def routes(self) -> tuple[Route, ...]:
        """Return the kind's lines of the table."""
        get = ("GET",)
        return (
            Route(get, "/pypi/{feed}/simple/", self.names),
            Route(get, "/pypi/{feed}/simple", self.add_slash),
            Route(get, "/pypi/{feed}/simple/{project}/", self.page),
            Route(get, "/pypi/{feed}/simple/{project}", self.add_slash),
            Route(get, "/pypi/{feed}/packages/{path...}", self.file),
            Route(get, "/pypi/{feed}/files/{path...}", self.file),
            Route(get, "/pypi/{feed}/integrity/{project}/{version}/{filename}/provenance", self.provenance),
            Route(get, "/pypi/{feed}/pypi/{project}/json", self.json),
            Route(get, "/pypi/{feed}/pypi/{project}/json/", self.json),
            Route(get, "/pypi/{feed}/pypi/{project}/{version}/json", self.json),
            Route(get, "/pypi/{feed}/pypi/{project}/{version}/json/", self.json),
            Route(("POST",), "/pypi/{feed}/pypi", self.xmlrpc),
            Route(("POST",), "/pypi/{feed}/pypi/", self.xmlrpc),
            Route(("POST",), "/pypi/{feed}/RPC2", self.xmlrpc),
            Route(("POST", "PUT"), "/pypi/{feed}/legacy/", self.upload),
            Route(("POST", "PUT"), "/pypi/{feed}/legacy", self.upload),
            Route(("POST", "PUT"), "/pypi/{feed}/", self.upload),
            Route(("POST", "PUT"), "/pypi/{feed}", self.upload),
        )

    # -- index forms ---------------------------------------------------------------------------------------

    async def page(self, request: Inbound) -> Outbound:
        """A project page in the form the client prefers."""
        feed, name = self._feed(request), request.params["project"]
        normal = _normal(feed, name)
        if name != normal:
            return Redirect(location=f"../{normal}/{_query(request)}")
        accept, asked = request.header("Accept"), request.query_value("format")
        form = negotiate(accept, asked)
        if form is Form.HTML and asked is None and is_browser(accept):
            return await self._for_people(request, feed, normal)
        return self._document(await feed.page(normal, form), form.content_type, vary="Accept")

    async def _for_people(self, request: Inbound, feed: PypiFeed, name: str) -> Outbound:
        """The page in a person's browser: what explains where anything is hidden, else what clients get.

        Known trouble is explained by what is held; only of a project that nobody has asked for the origin is asked.
        """
        told = await self._why.of_project(request, feed.settings, name)
        if told is not None:
            return told
        try:
            page = await feed.page(name, Form.HTML)
        except Problem:
            told = await self._why.of_project(request, feed.settings, name)
            if told is None:
                raise
            return told
        told = await self._why.of_project(request, feed.settings, name)
        return told or self._document(page, Form.HTML.content_type, vary="Accept")

    async def add_slash(self, request: Inbound) -> Outbound:
        """The same place with the slash that clients resolve relative links against."""
        feed, name = self._feed(request), request.params.get("project")
        if name is None:
            return Redirect(location=f"simple/{_query(request)}")
        return Redirect(location=f"{_normal(feed, name)}/{_query(request)}")

    async def names(self, request: Inbound) -> Outbound:
        """The list of names; the origin is asked for it in the background, once a client has asked."""
        form = negotiate(request.header("Accept"), request.query_value("format"))
        blob = await self._feed(request).names(form)
        return Document(
            digest=blob.digest, body=blob.path, size=blob.size, content_type=form.content_type, vary="Accept"
        )

    async def json(self, request: Inbound) -> Outbound:
        """The legacy JSON API of a project or a release, from the same view as the page."""
        feed = self._feed(request)
        name = _normal(feed, request.params["project"])
        page = await feed.json(name, request.params.get("version"))
        return self._document(page, "application/json")

    # -- files ---------------------------------------------------------------------------------------------

    async def file(self, request: Inbound) -> Outbound:
        """A distribution, or with ".metadata" behind it a wheel's METADATA."""
        feed = self._feed(request)
        path = f"{request.segments[2]}/{request.params['path']}"
        if path.endswith(".metadata"):
            return BlobAnswer(blob=await feed.metadata(path))
        located = await feed.locate(path)
        policy = feed.policy.name if feed.policy is not None else None
        self._verdicts.served(request, feed.settings.name, policy, located.record.filename, located.verdict)
        return await file_answer(request, self._keeper(), feed, located.ref, lambda: feed.refreshed(located))

    async def provenance(self, request: Inbound) -> Outbound:
        """The origin's attestation document of a file that the view shows."""
        feed = self._feed(request)
        name = _normal(feed, request.params["project"])
        body = await feed.provenance(name, request.params["version"], request.params["filename"])
        return Bytes(body=body, content_type=_INTEGRITY, cache_control="private, max-age=300")

    # -- what a read-only feed refuses ----------------------------------------------------------------------

    async def xmlrpc(self, request: Inbound) -> Outbound:
        """A fault with a reason: a plain 404 makes `pip search` die with a traceback."""
        self._feed(request)
        return Bytes(body=fault(await request.read_body(_XMLRPC_BYTES)), content_type=CONTENT_TYPE)

    async def upload(self, request: Inbound) -> Outbound:
        """Uploads go elsewhere."""
        feed = self._feed(request)
        raise Problem(
            "read-only",
            "packages cannot be uploaded to this feed; publish to the upstream index",
            feed=feed.settings.name,
        )

    def _document(self, page: Page, content_type: str, *, vary: str | None = None) -> Document:
        document = page.document
        return Document(
            digest=document.digest, body=document.body, size=len(document.body), content_type=content_type,
            vary=vary, cache=cache_of(page.offer.how, self._keeper()), age_s=_age(page.offer),
        )  # fmt: skip

    def _feed(self, request: Inbound) -> PypiFeed:
        feed = self._find(request.params["feed"])
        if feed is None:
            raise Problem("unknown", "there is no such PyPI feed here")
        return feed


def _normal(feed: PypiFeed, name: str) -> str:
    if not is_valid(name):
        raise Problem("unknown", "this is no project name", feed=feed.settings.name)
    return normalize(name)


def _query(request: Inbound) -> str:
    return f"?{quote(request.query, safe='=&+%*,;/:@')}" if request.query else ""


def _age(offer: Offer) -> int | None:
    return int(offer.age_s) if offer.how is not How.MISS else None
