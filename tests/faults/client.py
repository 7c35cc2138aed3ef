"""A client that keeps what came, however it ended, and tells the auditor.

It carries a secret of each kind that a client may send (never one that the server asked for), so that every case
is also a search for leaks.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp
import orjson

from tests.faults.secrets import CANARIES

_LIMIT_S = 30.0
_CARRIED = {"Authorization": f"Bearer {CANARIES['client']}", "Cookie": f"session={CANARIES['cookie']}"}


@dataclass
class Fetched:
    """One answer. `is_complete` is False if the connection ended before the answer did."""

    method: str
    path: str
    asked: Mapping[str, str]
    status: int = 0
    reason: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    is_complete: bool = False
    #: Seconds from the request to the header, to the first byte of the body, to the end.
    head_s: float = 0.0
    first_s: float = 0.0
    took_s: float = 0.0

    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def word(self) -> str:
        """The problem's word, '' for an answer that is none."""
        if self.headers.get("content-type") != "application/problem+json":
            return ""
        return str(self.json()["type"]).removeprefix("urn:feedgate:")

    @property
    def told(self) -> tuple[int, str]:
        """Status and problem word: what the contract's table of answers has."""
        return self.status, self.word

    @property
    def detail(self) -> str:
        return str(self.json()["detail"])

    @property
    def retry_after_s(self) -> int:
        return int(self.headers["retry-after"])

    @property
    def cache(self) -> str:
        return self.headers.get("cache-status", "")

    @property
    def age_s(self) -> int:
        return int(self.headers["age"])


class Client:
    """Asks one server; `note` gets every answer."""

    def __init__(self, note: Callable[[Fetched], None]) -> None:
        self._note = note
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=_LIMIT_S),
            skip_auto_headers=("Accept-Encoding", "Accept", "User-Agent"),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._session.close()

    async def ask(
        self, url: str, path: str, method: str = "GET", *, leave_at: int | None = None, **headers: str
    ) -> Fetched:
        """Return the answer, whole or as far as it came; `leave_at` bytes the client hangs up."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        fetched = Fetched(method, path, fields)
        began = time.perf_counter()
        try:
            async with self._session.request(
                method, url + path, headers={**_CARRIED, **fields}, allow_redirects=False
            ) as answer:
                fetched.head_s = time.perf_counter() - began
                fetched.status, fetched.reason = answer.status, answer.reason or ""
                fetched.headers = {name.lower(): value for name, value in answer.headers.items()}
                fetched.is_complete = await _read(answer, fetched, began, leave_at)
        except (aiohttp.ClientError, ConnectionError):
            pass
        finally:
            fetched.took_s = time.perf_counter() - began
            self._note(fetched)
        return fetched


async def _read(answer: aiohttp.ClientResponse, fetched: Fetched, began: float, leave_at: int | None) -> bool:
    pieces: list[bytes] = []
    size = 0
    try:
        async for piece in answer.content.iter_any():
            fetched.first_s = fetched.first_s or time.perf_counter() - began
            pieces.append(piece)
            size += len(piece)
            if leave_at is not None and size >= leave_at:
                answer.close()
                return False
            await asyncio.sleep(0)
    finally:
        fetched.body = b"".join(pieces)
    return True
