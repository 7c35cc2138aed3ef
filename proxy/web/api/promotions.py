"""`/api/v1/feeds/{feed}/promotions`: promote artifacts into a curated feed, and look at what was promoted."""

import asyncio
from datetime import UTC, datetime
from typing import Literal

import msgspec

from proxy.config.settings import Feed
from proxy.feeds.promotion.order import Order, PromotionAnswer
from proxy.feeds.promotion.promotions import Promotions, Request
from proxy.model.problem import Problem
from proxy.state.approvals import Approvals
from proxy.web.access_rights import named_to, require
from proxy.web.api.answer import Told, accepting, answering
from proxy.web.api.asked import cursor_of, limit_of
from proxy.web.api.served import Served
from proxy.web.inbound import Inbound
from proxy.web.routes import Route

_KEY = "Idempotency-Key"
_LONGEST_KEY = 255


class PromotionBody(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"source": "from"}
):
    """What is to be promoted; at least one spec or artifact."""

    source: str
    specs: list[str] = []
    #: conda `subdir/file`, PyPI the file's name.
    artifacts: list[str] = []
    versions: Literal["newest", "all"] = "newest"
    platforms: list[str] = []
    python_versions: list[str] = []
    #: conda: what is known of the machines, such as `__archspec=1=x86_64_v3`.
    virtual_packages: list[str] = []
    include_dependencies: bool = False
    #: artifact -> the sha256 that the reviewer has seen.
    digests: dict[str, str] = {}
    comment: str = ""
    dry_run: bool = False


class PromotionItem(msgspec.Struct, frozen=True, kw_only=True, rename={"source": "from"}):
    """A promotion in a list."""

    id: str
    target: str
    source: str
    actor: str
    at: str
    comment: str
    artifacts: int


class _Counted(msgspec.Struct, frozen=True):
    """Of a stored answer what a list tells: how many artifacts there were."""

    artifacts: list[msgspec.Raw]


_COUNTED = msgspec.json.Decoder(_Counted)


class PromotionPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some promotions, newest first; `next` is the cursor of the following page, null at the end."""

    items: list[PromotionItem]
    next: str | None


class PromotionsApi:
    """The handlers."""

    def __init__(self, served: Served, promotions: Promotions, approvals: Approvals) -> None:
        self._served = served
        self._promotions = promotions
        self._approvals = approvals

    def routes(self) -> tuple[Route, ...]:
        path = "/api/v1/feeds/{feed}/promotions"
        return (
            Route(("POST",), path, accepting(self.promote, status=201, headers={_KEY: False})),
            Route(("GET",), path, answering(self.promotions, asks=("limit", "cursor"))),
            Route(("GET",), f"{path}/{{id}}", answering(self.promotion)),
        )

    async def promote(self, request: Inbound, body: PromotionBody) -> Told[PromotionAnswer]:
        """Approve artifacts of another feed for this one: all of them, or none."""
        feed = self._curated(request)
        require(request.actor, "promote", feed.name)
        self._readable(request, feed, body.source)
        order = Order(
            source=self._name_of(body.source), specs=tuple(body.specs), artifacts=tuple(body.artifacts),
            every=body.versions == "all", platforms=tuple(body.platforms), pythons=tuple(body.python_versions),
            virtual_packages=tuple(body.virtual_packages),
            include_dependencies=body.include_dependencies, digests=dict(body.digests), comment=body.comment,
            is_dry_run=body.dry_run,
        )  # fmt: skip
        actor = request.actor.at(request.peer) if not request.actor.address else request.actor
        asked = Request(actor, _key(request), request.request_id)
        promoted = await self._promotions.promote(feed, order, asked)
        answer = msgspec.json.decode(promoted.answer, type=PromotionAnswer)
        if answer.id is None:
            return Told(answer, status=200)
        return Told(
            answer, (("Location", f"{request.base_url}/api/v1/feeds/{feed.name}/promotions/{answer.id}"),)
        )

    async def promotions(self, request: Inbound) -> PromotionPage:
        """List the promotions into a feed, newest first."""
        feed = self._curated(request)
        require(request.actor, "read", feed.name)
        limit = limit_of(request)
        cursor = cursor_of(request, lambda text: len(text) <= _LONGEST_KEY)
        before = await self._approvals.promotion(feed.name, cursor) if cursor is not None else None
        if cursor is not None and before is None:
            raise Problem("unprocessable", "cursor is not one that this list gave; begin without it")
        place = (before.at_ms, before.id) if before is not None else None
        found = await self._approvals.promotions(feed.name, limit + 1, place)
        shown = found[:limit]
        # An answer may tell of thousands.
        counts = await asyncio.to_thread(
            lambda: [len(_COUNTED.decode(each.answer).artifacts) for each in shown]
        )
        items = [
            PromotionItem(
                id=each.id, target=feed.name, source=named_to(request.actor, each.source_feed), actor=each.actor,
                at=_moment(each.at_ms), comment=each.comment,
                artifacts=count,
            )
            for each, count in zip(shown, counts, strict=True)
        ]  # fmt: skip
        return PromotionPage(items=items, next=items[-1].id if len(found) > limit else None)

    async def promotion(self, request: Inbound) -> PromotionAnswer:
        """Tell one promotion, as it was answered."""
        feed = self._curated(request)
        require(request.actor, "read", feed.name)
        found = await self._approvals.promotion(feed.name, request.params["id"])
        if found is None:
            raise Problem("unknown", f"{feed.name} has no promotion {request.params['id']}", feed=feed.name)
        told = msgspec.json.decode(found.answer, type=PromotionAnswer)
        return msgspec.structs.replace(told, source=named_to(request.actor, told.source))

    # -- parts ---------------------------------------------------------------------------------------------

    def _curated(self, request: Inbound) -> Feed:
        feed = self._served.feed(request)
        require(request.actor, "read", feed.name)
        if not feed.curated_from:
            raise Problem(
                "unprocessable", f"{feed.name} is not curated: nothing is promoted into it", feed=feed.name
            )
        return feed

    def _name_of(self, source: str) -> str:
        """Return the own name of a feed that is given by an alias."""
        feeds = self._served.settings.feeds.values()
        return next((each.name for each in feeds if source in each.aliases), source)

    def _readable(self, request: Inbound, target: Feed, source: str) -> None:
        """Refuse a source that may not be read as one that is not there, whichever name it was given by."""
        if not request.actor.may("read", self._name_of(source)):
            raise Problem("unknown", f"there is no feed {source}", feed=target.name)


def _key(request: Inbound) -> str | None:
    key = request.header(_KEY)
    if key is None:
        return None
    key = key.strip().strip('"')
    if not key or len(key) > _LONGEST_KEY or not key.isprintable():
        raise Problem("unprocessable", f"{_KEY} is a text of 1 to {_LONGEST_KEY} characters")
    return key


def _moment(at_ms: int) -> str:
    at = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return at.replace("+00:00", "Z")
