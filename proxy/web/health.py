"""The server's own pages: health, readiness, metrics, and the one page that lists the feeds.

None of them asks an origin, and what belongs to a feed is told to those who may read the feed. `/readyz` and the list
show what the app tells at that moment; the page needs no script, loads nothing and escapes everything, which its
Content-Security-Policy holds it to.
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import orjson

from proxy.model.actor import Actor
from proxy.model.digest import Sha256
from proxy.web import exposition
from proxy.web.inbound import Inbound
from proxy.web.metrics import Metrics
from proxy.web.outbound import REVALIDATE, Bytes, Cache, Document, Outbound
from proxy.web.page import HEADERS, MEDIA_TYPE, framed
from proxy.web.routes import Route

_JSON = "application/json"
_INTRODUCTION = (
    "<h1>feedgate</h1>\n<p>Packages come to this network through the feeds below. Paste the lines for your client; "
    "configure one index only, no extra ones.</p>\n"
)


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether requests can be served, what is missing if not, and what is served worse than it could be."""

    is_ready: bool
    missing: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()
    #: (feed, what is degraded of it): told to those who may read the feed.
    of_feeds: tuple[tuple[str, str], ...] = ()

    def told_to(self, actor: Actor) -> tuple[str, ...]:
        """Return what is degraded as far as the actor may know."""
        return (*self.degraded, *(text for feed, text in self.of_feeds if actor.may("read", feed)))


@dataclass(frozen=True, slots=True)
class Paste:
    """A text to paste: for which client, and its lines."""

    client: str
    text: str


@dataclass(frozen=True, slots=True)
class FeedCard:
    """What the page tells of a feed; the texts are plain and may hold anything."""

    name: str
    kind: str
    url: str
    pastes: tuple[Paste, ...]
    note: str = ""


#: Given the server's URL as the client sees it.
ListFeeds = Callable[[str], Sequence[FeedCard]]


class Health:
    """The handlers; each part is asked when a request comes."""

    def __init__(
        self, readiness: Callable[[], Readiness], feeds: ListFeeds, metrics: Metrics,
        shown_to: Callable[[Actor], exposition.IsShown] = lambda actor: exposition.everything,
    ) -> None:  # fmt: skip
        self._readiness = readiness
        self._feeds = feeds
        self._metrics = metrics
        self._shown_to = shown_to

    def routes(self) -> tuple[Route, ...]:
        """Return these lines of the table; probes come past the path prefix too."""
        return (
            Route(("GET",), "/", self.index),
            Route(("GET",), "/healthz", self.healthz, everywhere=True),
            Route(("GET",), "/readyz", self.readyz, everywhere=True),
            Route(("GET",), "/metrics", self.metrics, everywhere=True),
        )

    async def healthz(self, inbound: Inbound) -> Outbound:
        """The process answers."""
        return Bytes(body=b'{"status":"ok"}\n', content_type=_JSON)

    async def readyz(self, inbound: Inbound) -> Outbound:
        """The server can do its work, as far as that depends on this machine."""
        readiness = self._readiness()
        fields = {
            "status": "ready" if readiness.is_ready else "not ready",
            "missing": readiness.missing,
            "degraded": readiness.told_to(inbound.actor),
        }
        status = 200 if readiness.is_ready else 503
        return Bytes(body=orjson.dumps(fields) + b"\n", content_type=_JSON, status=status)

    async def metrics(self, inbound: Inbound) -> Outbound:
        """The counts, as Prometheus reads them."""
        text = await asyncio.to_thread(exposition.render, self._metrics, self._shown_to(inbound.actor))
        return Bytes(body=text, content_type=exposition.MEDIA_TYPE)

    async def index(self, inbound: Inbound) -> Outbound:
        """The list of feeds with the lines to paste."""
        actor = inbound.actor
        cards = [card for card in self._feeds(inbound.base_url) if actor.may("read", card.name)]
        body = framed("feedgate", render_index(cards, self._readiness().told_to(actor)))
        return Document(
            digest=Sha256(hashlib.sha256(body).hexdigest()),
            body=body,
            size=len(body),
            content_type=MEDIA_TYPE,
            cache_control=REVALIDATE,
            headers=HEADERS,
            cache=Cache.NONE,
        )


def render_index(feeds: Sequence[FeedCard], degraded: Sequence[str] = ()) -> str:
    """Return the page's body; what is degraded comes first."""
    banner = "".join(f"<p>Degraded: {escape(text)}</p>\n" for text in degraded)
    listed = "\n".join(_card(feed) for feed in feeds) or "<p>No feed is configured yet.</p>"
    return _INTRODUCTION + banner + listed


def _card(feed: FeedCard) -> str:
    pastes = "".join(
        f"<h3>{escape(paste.client)}</h3>\n<pre>{escape(paste.text)}</pre>\n" for paste in feed.pastes
    )
    note = f"<p>{escape(feed.note)}</p>\n" if feed.note else ""
    return (
        f"<section>\n<h2>{escape(feed.name)} <small>{escape(feed.kind)}</small></h2>\n"
        f"<p><code>{escape(feed.url)}</code></p>\n{note}{pastes}</section>"
    )
