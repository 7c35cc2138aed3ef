"""`/api/v1/feeds/{feed}/doctor`: every hop to every upstream of a feed, and what is wrong there (contract, section 5).

What it says is what `feedgate doctor` says (`feeds/doctor.py`), in the same words and the same JSON. It asks the
network, so only who manages the feed may have it looked, and all who ask at once share one look.
"""

import asyncio

import msgspec

from proxy.config.settings import Feed
from proxy.feeds.doctor import examine
from proxy.model.finding import Finding
from proxy.upstream.doctor import is_well
from proxy.web.access_rights import require
from proxy.web.api.answer import answering
from proxy.web.api.served import Served
from proxy.web.inbound import Inbound
from proxy.web.routes import Route
from proxy.web.text import escape_line


class FindingAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at; `outcome` is `ok`, `warning` or `failed`."""

    name: str
    outcome: str
    #: What was found and, where something is wrong, what to do: one line.
    detail: str


class DoctorAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What was found; `ok` is false where something failed."""

    ok: bool
    feed: str
    findings: list[FindingAnswer]


class DoctorApi:
    """The handler."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._looks: dict[str, asyncio.Task[list[Finding]]] = {}

    def routes(self) -> tuple[Route, ...]:
        return (Route(("GET",), "/api/v1/feeds/{feed}/doctor", answering(self.doctor)),)

    async def doctor(self, request: Inbound) -> DoctorAnswer:
        """Look at every hop to every upstream of a feed, and tell what of it goes on working only in part."""
        feed = self._served.feed(request)
        require(request.actor, "manage", feed.name)
        notes = (Finding(f"feed {feed.name}", "warning", note) for note in self._served.listing(feed).notes())
        findings = [*await asyncio.shield(self._look(feed)), *notes]
        told = [
            FindingAnswer(name=each.name, outcome=each.outcome, detail=escape_line(each.detail))
            for each in findings
        ]
        return DoctorAnswer(ok=is_well(findings), feed=feed.name, findings=told)

    def _look(self, feed: Feed) -> "asyncio.Task[list[Finding]]":
        look = self._looks.get(feed.name)
        if look is None:
            look = asyncio.create_task(examine(feed, self._served.door.remote), name=f"doctor {feed.name}")
            self._looks[feed.name] = look
            look.add_done_callback(lambda _: self._looks.pop(feed.name, None))
        return look
