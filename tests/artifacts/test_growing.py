"""Any range of a file that is still arriving equals the slow oracle's, whatever the timing (E13's storage half)."""

import asyncio
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.artifacts.blob import TAIL_BYTES
from proxy.artifacts.flight import Expected
from tests.artifacts.sources import FakeSource, Turn
from tests.artifacts.tools import FailingFiles, collect, data_of, open_flights, open_store, sha256_of

sizes = st.sampled_from([0, 1, TAIL_BYTES - 1, TAIL_BYTES, TAIL_BYTES + 1, 50_000, 300_000])
places = st.integers(0, 310_000)


@given(
    size=sizes,
    ranges=st.lists(st.tuples(places, st.none() | places), min_size=1, max_size=5),
    chunk=st.sampled_from([700, 10_000, 64 * 1024, 300_000]),
    is_sha_known=st.booleans(),
    has_length=st.booleans(),
    delays=st.lists(st.sampled_from([0.0, 0.0, 0.001, 0.004]), min_size=5, max_size=5),
    cut_at=st.none() | st.integers(0, 300_000),
    full_after=st.none() | st.integers(0, 8),
)
@settings(max_examples=60, deadline=None)
def test_any_range_of_a_growing_file_is_right(
    size: int,
    ranges: list[tuple[int, int | None]],
    chunk: int,
    is_sha_known: bool,
    has_length: bool,
    delays: list[float],
    cut_at: int | None,
    full_after: int | None,
) -> None:
    data = data_of(size)
    cut = None if cut_at is None or cut_at > size else cut_at
    first = Turn(data, chunk=chunk, has_length=has_length, cut_at=cut)
    source = FakeSource([first, Turn(data, chunk=chunk, has_length=has_length)])
    expected = Expected(sha256_of(data) if is_sha_known else None, size if is_sha_known else None)
    files = FailingFiles()
    if full_after is not None:
        files.break_call("pwrite", after=full_after)

    async def play(root: Path) -> None:
        async with open_store(root, files=files, retry_s=60) as store, open_flights(store) as flights:

            async def read(delay: float, start: int, stop: int | None) -> bytes:
                await asyncio.sleep(delay)
                return await collect(flights.join("k", [source], expected), start, stop)

            asked = [read(delay, *one) for delay, one in zip(delays, ranges, strict=False)]
            got = await asyncio.gather(*asked)
            assert got == [data[start:stop] for start, stop in ranges]

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(Path(folder) / "blobs"))
