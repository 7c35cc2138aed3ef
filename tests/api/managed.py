"""A server with a config.toml, which the management API changes: with an admin's key, tags and JSON."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from proxy.app import App
from proxy.config.load import Request, load
from proxy.state.declared import read_stored
from tests.config.loading import QUIET
from tests.support.gateway import Gateway, Got

KEY = "an-admins-key-1"


class Managed(Gateway):
    """A running server on a folder with a config.toml."""

    def __init__(self, folder: Path, text: str, **options: Any) -> None:
        super().__init__(folder, admin_key=KEY, environ=QUIET | {"FEEDGATE_ADMIN_KEY": KEY}, **options)
        self.file = folder / "config.toml"
        self.file.write_text(text)
        self._port = "0"

    async def start(self) -> None:
        overrides = {"server.port": self._port, "server.stop_timeout": "2s"}
        request = Request(None, self._environ, self.file.parent, overrides, read_stored)
        loaded = await asyncio.to_thread(load, request)
        self.settings = loaded.settings
        self.app = App(self.settings, self._environ, clock=self._clock, out=self.log, loaded=loaded)
        await self.app.start()

    def _keep_port(self) -> None:
        self._port = str(urlsplit(self.url).port)

    async def ask(
        self, method: str, path: str, body: Any = None, *, key: str | None = KEY, tag: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Got:  # fmt: skip
        """Send JSON to a path below the API."""
        fields = {"Authorization": f"Bearer {key}"} if key else {}
        fields |= {"If_Match": tag} if tag is not None else {}
        fields |= {"Content_Type": "application/json"} if body is not None else {}
        data = None if body is None else body if isinstance(body, bytes) else orjson.dumps(body)
        return await self.get(f"/api/v1{path}", method=method, body=data, **fields, **(headers or {}))

    async def read(self, path: str) -> tuple[dict[str, Any], str]:
        """Return a thing and its tag."""
        answer = await self.ask("GET", path)
        assert answer.status == 200, answer.body
        return answer.json(), answer.headers.get("etag", "")

    async def made(self, path: str, **document: Any) -> str:
        """Make a thing; return its tag."""
        answer = await self.ask("POST", path, document)
        assert answer.status == 201, answer.body
        return answer.headers["etag"]

    async def story(self) -> list[tuple[str, str]]:
        """Return what the audit tells: action and subject."""
        answer = await self.ask("GET", "/audit")
        return [(item["action"], item["subject"]) for item in answer.json()["items"]]
