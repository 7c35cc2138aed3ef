"""A reviewer's desk: an open feed, the curated feed `approved` on it, and the calls that a reviewer makes.

await desk.start()
await desk.promote("demo")              # -> the answer's document, of a 201
await desk.page("demo")                 # what a client of the curated feed gets
await desk.file("demo-1.0-py3-none-any.whl")
"""

from pathlib import Path
from typing import Any

import orjson

from proxy.config.settings import Cache, Feed
from proxy.policy.settings import Policy
from tests.support.gateway import Gateway, Got, feed, until, upstream
from tests.support.index import JSON, FakeIndex
from tests.support.origin import Origin

KEY = "reviewer-key-0123456789"
HEADERS = {"Authorization": f"Bearer {KEY}"}


def curated(name: str = "approved", *sources: str, **changes: Any) -> Feed:
    return Feed(name, "pypi", curated_from=sources or ("open",), **changes)


class Desk:
    """Started by the test with the feeds that it wants."""

    def __init__(self, folder: Path, origin: Origin, index: FakeIndex) -> None:
        self.origin = origin
        self.folder = folder
        self.index = index
        self.gateway: Gateway
        self._is_running = False

    def open(self, **changes: Any) -> Feed:
        return feed(upstream(self.index.url, ttl_s=0.0), name="open", **changes)

    async def start(
        self, *feeds: Feed, policies: tuple[Policy, ...] = (), cache: Cache | None = None, **more: Any
    ) -> None:
        self.gateway = Gateway(
            self.folder,
            *(feeds or (self.open(), curated())),
            admin_key=KEY,
            policies=policies,
            cache=cache,
            **more,
        )
        await self.gateway.start()
        self._is_running = True

    async def stop(self) -> None:
        if self._is_running:
            self._is_running = False
            await self.gateway.stop()

    # -- the reviewer

    async def send(
        self, method: str, path: str, body: object = None, *, key: str | None = KEY, **headers: str
    ) -> Got:
        """Ask the management API."""
        fields = {"Authorization": f"Bearer {key}"} if key is not None else {}
        if body is not None:
            fields["Content-Type"] = "application/json"
        data = orjson.dumps(body) if body is not None else None
        return await self.gateway.get(f"/api/v1{path}", method=method, body=data, **(fields | headers))

    async def order(
        self,
        *specs: str,
        to: str = "approved",
        key: str | None = KEY,
        idempotency: str | None = None,
        **body: Any,
    ) -> Got:
        """Ask for a promotion; `source` is the feed that it is from."""
        asked = {"from": body.pop("source", "open"), "specs": list(specs), **body}
        headers = {"Idempotency-Key": idempotency} if idempotency is not None else {}
        return await self.send("POST", f"/feeds/{to}/promotions", asked, key=key, **headers)

    async def promote(self, *specs: str, **body: Any) -> Any:
        """Promote; return the answer's document."""
        got = await self.order(*specs, **body)
        assert got.status == 201, got.body
        return got.json()

    async def approvals(self, feed: str = "approved", **query: str) -> dict[str, Any]:
        """Return the approvals by artifact."""
        asked = "&".join(f"{name}={value}" for name, value in {"limit": "1000", **query}.items())
        got = await self.send("GET", f"/feeds/{feed}/approvals?{asked}")
        assert got.status == 200, got.body
        return {item["artifact"]: item for item in got.json()["items"]}

    async def revoke(self, artifact: str, reason: str = "CVE-1", *, feed: str = "approved") -> Got:
        approval = (await self.approvals(feed, state="active"))[artifact]
        return await self.send("DELETE", f"/feeds/{feed}/approvals/{approval['id']}", {"reason": reason})

    async def held(self, feed: str = "approved") -> dict[str, Any]:
        """Wait until no approval's bytes are missing; return the approvals."""
        await until(
            lambda: self.send("GET", f"/feeds/{feed}/approvals?state=pending"),
            lambda got: got.json()["items"] == [],
        )
        return await self.approvals(feed)

    async def audited(self) -> list[str]:
        got = await self.send("GET", "/audit?limit=1000")
        return [item["action"] for item in got.json()["items"]]

    async def ready(self) -> Got:
        return await self.gateway.get("/healthz")

    # -- clients

    async def page(self, name: str, feed: str = "approved") -> Got:
        return await self.gateway.get(f"/pypi/{feed}/simple/{name}/", Accept=JSON)

    async def listed(self, name: str, feed: str = "approved") -> list[str]:
        """Return the names of the files on a project's page; none where there is no page."""
        got = await self.page(name, feed)
        return sorted(file["filename"] for file in got.json()["files"]) if got.status == 200 else []

    def path(self, filename: str, feed: str = "approved") -> str:
        return f"/pypi/{feed}/packages{self.index.file_path(filename)}"

    async def file(self, filename: str, feed: str = "approved", suffix: str = "") -> Got:
        return await self.gateway.get(f"{self.path(filename, feed)}{suffix}")
