"""A reviewer's desk: the stand of conda feeds, and the curated feed `approved` that is promoted from `chan`.

    desk.channel.add(package("tool"))
    await desk.start()
    await desk.approve("linux-64/tool-1.0-0.conda")
    await desk.revoke("linux-64/tool-1.0-0.conda")

Approvals are made below the API here: what the source's view shows goes into the state as it stands.
"""

import itertools
from collections.abc import Iterable
from typing import Any

import orjson
from msgspec.structs import replace

from proxy.config.settings import Feed
from proxy.feeds.conda.selecting import CondaSelecting
from proxy.feeds.promotion.selecting import Chosen, Found
from proxy.model.actor import SYSTEM
from proxy.model.approval import Approval, Promotion
from proxy.model.audit_entry import AuditEntry
from tests.conda_feed.readback import FORMS
from tests.conda_feed.stand import Stand
from tests.support.gateway import Got, until

CURATED = "approved"
LINUX = "linux-64"
KEY = "reviewer-key-0123456789"


class Desk(Stand):
    """One channel, the open feed on it, curated feeds on that."""

    _numbers = itertools.count(1)

    def curated(self, name: str = CURATED, *sources: str, **changes: Any) -> Feed:
        return Feed(name, "conda", curated_from=sources or ("chan",), **changes)

    async def begin(self, *more: Feed, **changes: Any) -> None:
        """Start with both feeds; changes are the open one's."""
        await self.start(self.feed(**changes), *(more or (self.curated(),)), server={"admin_key": KEY})

    @property
    def selecting(self) -> CondaSelecting:
        site = self.gateway.app.site
        return CondaSelecting(site.conda_feed, lambda: site.keeper)

    async def approve(self, *artifacts: str, feed: str = CURATED, source: str = "chan") -> list[Approval]:
        """Approve files as the source shows them."""
        found = []
        for artifact in artifacts:
            choice = await self.selecting.find(source, artifact)
            assert not choice.refused, choice.refused
            found += [each.found for each in choice.chosen]
        return await self.put(found, feed=feed, source=source)

    async def put(
        self, found: Iterable[Found], *, feed: str = CURATED, source: str = "chan"
    ) -> list[Approval]:
        """Write approvals as one promotion."""
        number = next(self._numbers)
        now_ms = int(self.clock.now().timestamp() * 1000)
        promotion = Promotion(
            id=f"p{number}",
            feed=feed,
            source_feed=source,
            at_ms=now_ms,
            actor="tester",
            comment="",
            answer=b"{}",
        )
        made = [
            Approval(
                id=f"a{next(self._numbers)}", feed=feed, kind="conda", name=each.name, version=each.version,
                artifact=each.artifact, sha256=each.sha256, size=each.size, record=each.record, source_feed=source,
                upstream=each.upstream, origin_url=each.origin_url, promotion_id=promotion.id, at_ms=now_ms,
                actor="tester",
            )
            for each in found
            if each.sha256 is not None
        ]  # fmt: skip
        entry = AuditEntry(SYSTEM, "promotion.create", promotion.id, feed=feed)
        await self.gateway.app.base.approvals.promote(promotion, made, entry)
        return made

    def approval(self, artifact: str, *, feed: str = CURATED) -> Approval:
        """Return the newest approval of a file."""
        found = self.gateway.app.base.approvals.all_of(feed)
        return [each for each in found if each.artifact == artifact][-1]

    async def revoke(self, artifact: str, reason: str = "a mistake", *, feed: str = CURATED) -> None:
        before = self.approval(artifact, feed=feed)
        now_ms = int(self.clock.now().timestamp() * 1000)
        after = replace(before, state="revoked", reason=reason, revoked_ms=now_ms)
        entry = AuditEntry(SYSTEM, "approval.revoke", before.id, feed=feed)
        await self.gateway.app.base.approvals.change(before, after, entry)

    async def look(self) -> int:
        """Compare the approvals with their sources, as the server does now and then; return how many were marked."""
        approvals = self.gateway.app.base.approvals
        before = {each.id: each.drift for each in approvals.active()}
        await self.gateway.app.curating.watch.look()
        return sum(each.drift != before[each.id] for each in approvals.active())

    # -- the reviewer's calls

    async def send(
        self, method: str, path: str, body: object = None, *, key: str | None = KEY, **headers: str
    ) -> Got:
        """Ask the management API."""
        fields = {"Authorization": f"Bearer {key}"} if key is not None else {}
        if body is not None:
            fields["Content-Type"] = "application/json"
        data = orjson.dumps(body) if body is not None else None
        return await self.gateway.get(f"/api/v1{path}", method=method, body=data, **(fields | headers))

    async def order(self, *specs: str, to: str = CURATED, key: str | None = KEY, **body: Any) -> Got:
        """Ask for a promotion for linux-64; `source` is the feed that it is from."""
        asked = {"from": body.pop("source", "chan"), "specs": list(specs), "platforms": [LINUX], **body}
        return await self.send("POST", f"/feeds/{to}/promotions", asked, key=key)

    async def promote(self, *specs: str, **body: Any) -> dict[str, Any]:
        """Promote; return artifact -> item of the answer."""
        got = await self.order(*specs, **body)
        assert got.status == (200 if body.get("dry_run") else 201), got.body
        return {item["artifact"]: item for item in got.json()["artifacts"]}

    async def approvals(self, feed: str = CURATED, **query: str) -> dict[str, Any]:
        """Return the approvals by artifact."""
        asked = "&".join(f"{name}={value}" for name, value in {"limit": "1000", **query}.items())
        got = await self.send("GET", f"/feeds/{feed}/approvals?{asked}")
        assert got.status == 200, got.body
        return {item["artifact"]: item for item in got.json()["items"]}

    async def held(self, feed: str = CURATED) -> None:
        """Wait until no approval's bytes are missing."""
        await until(
            lambda: self.send("GET", f"/feeds/{feed}/approvals?state=pending"),
            lambda got: got.json()["items"] == [],
        )

    # -- looking

    async def seen(self, path: str, method: str = "GET", *, feed: str = CURATED, **headers: Any) -> Got:
        """Ask the curated feed for a path."""
        return await self.get(path, method, feed=feed, **headers)

    async def listed(self, *subdirs: str, feed: str = CURATED) -> set[str]:
        """Return what the curated feed lists, `subdir/file`; every index form must say the same."""
        told = []
        for form in FORMS:
            found = {
                f"{subdir}/{file}"
                for subdir in subdirs or ("linux-64", "noarch")
                for file in await self.files(subdir, form, feed=feed)
            }
            told.append(found)
        assert told[0] == told[1] == told[2]
        return told[0]


def artifacts(chosen: Iterable[Chosen]) -> dict[str, str]:
    """Return artifact -> why."""
    return {each.found.artifact: each.why for each in chosen}
