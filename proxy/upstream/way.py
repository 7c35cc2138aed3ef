"""A way out: what the rest of the program asks of an upstream, whatever its URL's scheme.

`remote.py` is the way over http, `file_remote.py` the way to a folder of this machine. Both answer in HTTP's words
(statuses, validators, ranges) and fail with the errors of `errors.py`, so no caller needs to know which it has.
"""

from typing import Protocol

from proxy.config.settings import Upstream
from proxy.upstream.answer import Answer, Validators
from proxy.upstream.health import RemoteHealth
from proxy.upstream.hop import Hop
from proxy.upstream.probe import Judge
from proxy.upstream.sight import Whole
from proxy.upstream.stream import OriginStream


class Way(Protocol):
    """One upstream. URLs are relative to the first of its `urls`, or absolute; every call may raise UpstreamError."""

    settings: Upstream

    async def document(
        self,
        url: str,
        *,
        accept: str,
        validators: Validators | None = None,
        max_bytes: int | None = None,
        index: bool = True,
        is_file: bool = False,
        background: bool = False,
        has_substitute: bool = False,
    ) -> Answer:
        """Return the whole document: 200, 304 (if validators were given), 404 or 410.

        `is_file`: it belongs to a file, and may redirect to where an index of a private upstream may not.
        `has_substitute`: another document does as well, so that a failure of this one says nothing about its source.
        """
        ...

    async def head(self, url: str, *, background: bool = False) -> Answer:
        """Return the header fields of the file as it is stored: 200, 404 or 410."""
        ...

    async def open(
        self,
        url: str,
        *,
        start: int = 0,
        stop: int | None = None,
        if_range: str | None = None,
        validators: Validators | None = None,
        max_bytes: int | None = None,
        accept: str = "*/*",
        index: bool = False,
        is_file: bool = True,
        background: bool = False,
        is_listed: bool = False,
        has_substitute: bool = False,
    ) -> OriginStream:
        """Return the file's bytes `start` to `stop` (not included): 200, 206, 304, 404, 410 or 416.

        Of a file that an index lists (`is_listed`) a 404 or 410 is believed when it was said twice.
        """
        ...

    def rest(self, url: str, seconds: float, why: str = "") -> None:
        """Leave a source alone that sent wrong bytes; whoever asks meanwhile is told why."""
        ...

    async def probe(
        self,
        url: str | None = None,
        *,
        mirror: int = 0,
        judge: Judge | None = None,
        whole: Whole | None = None,
    ) -> list[Hop]:
        """Walk the way to a URL at a mirror and tell how far it goes (doctor). Raises nothing.

        With `whole` the answer is taken in whole and read, where `judge` finds nothing wrong with its beginning.
        """
        ...

    @property
    def health(self) -> RemoteHealth:
        """What is known from what was asked so far."""
        ...

    async def close(self) -> None:
        """Let go of everything."""
        ...
