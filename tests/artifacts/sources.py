"""Scripted sources: what `Flights` asks, with the faults of an origin as the outbound door would tell them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from proxy.model.digest import Sha256
from proxy.upstream.errors import Truncated, UpstreamError


def cut() -> UpstreamError:
    return Truncated("origin", "the connection ended early")


@dataclass(frozen=True)
class Turn:
    """One answer. Bytes before `start` are left out if it honours the range."""

    body: bytes = field(default=b"", repr=False)
    #: Raised in place of an answer.
    refusal: Exception | None = None
    #: Raised after this many bytes of the file.
    cut_at: int | None = None
    error: Callable[[], Exception] = cut
    etag: str | None = '"1"'
    has_length: bool = True
    honours_range: bool = True
    #: Answers a range with a part of whatever it has now.
    ignores_if_range: bool = False
    status: int | None = None
    total: int | None = None
    coding: str = ""
    chunk: int = 64 * 1024
    #: Seconds between chunks.
    pause_s: float = 0.0
    #: Waits for this before the byte at `gate_at` leaves.
    gate: asyncio.Event | None = None
    gate_at: int = 0


class FakeStream:
    """An `OriginStreamLike` from a turn."""

    def __init__(self, source: "FakeSource", turn: Turn, start: int, if_range: str | None) -> None:
        joins = (
            turn.honours_range
            and start > 0
            and (turn.ignores_if_range or if_range is None or if_range == turn.etag)
        )
        self._source = source
        self._turn = turn
        self.status = turn.status if turn.status is not None else (206 if joins else 200)
        self.start = start if joins else 0
        length = len(turn.body) if turn.total is None else turn.total
        self.total = length if turn.has_length else None
        self.etag = turn.etag
        self.last_modified: str | None = None
        self.coding = turn.coding
        self.is_closed = False

    async def chunks(self) -> AsyncIterator[bytes]:
        turn, position = self._turn, self.start
        stop = len(turn.body) if turn.cut_at is None else turn.cut_at
        while position < stop:
            if turn.gate is not None and position >= turn.gate_at:
                await turn.gate.wait()
            end = min(position + turn.chunk, stop)
            if turn.gate is not None and position < turn.gate_at:
                end = min(end, turn.gate_at)
            await asyncio.sleep(turn.pause_s)
            yield turn.body[position:end]
            self._source.sent += end - position
            position = end
        if turn.cut_at is not None:
            raise turn.error()

    async def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            self._source.open_streams -= 1


@dataclass
class FakeSource:
    """Answers with one turn after another, the last for ever."""

    turns: Sequence[Turn]
    label: str = "http://origin.test"
    asked: list[tuple[int, str | None]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    right: list[Sha256] = field(default_factory=list)
    sent: int = 0
    open_streams: int = 0
    most_open: int = 0

    def name(self) -> str:
        return self.label

    async def open(self, start: int, if_range: str | None) -> FakeStream:
        turn = self.turns[min(len(self.asked), len(self.turns) - 1)]
        self.asked.append((start, if_range))
        await asyncio.sleep(0)
        if turn.refusal is not None:
            raise turn.refusal
        self.open_streams += 1
        self.most_open = max(self.most_open, self.open_streams)
        return FakeStream(self, turn, start, if_range)

    async def right_bytes(self, digest: Sha256) -> None:
        self.right.append(digest)

    async def wrong_bytes(self, detail: str) -> None:
        self.complaints.append(detail)


def honest(body: bytes, **options: object) -> FakeSource:
    return FakeSource([Turn(body, **options)])  # type: ignore[arg-type]  # options are Turn's own
