"""A disk that takes no more: hits go on, misses pass through verified, nothing is left behind (B04, B05, B06)."""

import asyncio
import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.artifacts.blob import TAIL_BYTES
from proxy.artifacts.files import DiskError
from proxy.artifacts.flight import Expected
from proxy.artifacts.rules import Rules
from proxy.model.problem import Problem
from tests.artifacts.sources import FakeSource, Turn, honest
from tests.artifacts.tools import (
    Client,
    FailingFiles,
    collect,
    data_of,
    expected_of,
    files_below,
    open_flights,
    open_store,
    sha256_of,
    until,
)

DATA = data_of(600_000)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
@pytest.mark.parametrize("after", [0, 3])
async def test_a_write_that_fails_turns_the_fetch_into_a_pass_through(
    root: Path, code: int, after: int
) -> None:
    files = FailingFiles()
    async with open_store(root, files=files, retry_s=60) as store, open_flights(store) as flights:
        files.break_call("pwrite", code, after=after)
        source = honest(DATA)
        flight = flights.join("k", [source], expected_of(DATA))
        assert await collect(flight) == DATA
        with pytest.raises(Problem) as caught:
            await flight.done()
        assert caught.value.word == "disk-full"
        # A lonely client goes on with the request that was under way.
        assert source.asked == [(0, None)]
        assert source.open_streams == 0
        assert files_below(root) == []
        assert store.stats().degraded is not None
        assert flights.current() == 0


async def test_every_reader_goes_on_by_itself(root: Path) -> None:
    files = FailingFiles()
    async with open_store(root, files=files, retry_s=60) as store, open_flights(store) as flights:
        files.break_call("pwrite", errno.ENOSPC, after=5)
        source = honest(DATA, pause_s=0.002)
        clients = [Client() for _ in range(6)]
        places = [
            (0, None),
            (0, None),
            (0, 1000),
            (100_000, 500_000),
            (550_000, None),
            (len(DATA) - 10, None),
        ]
        reads = [
            client.read(flights.join("k", [source], expected_of(DATA)), *place)
            for client, place in zip(clients, places, strict=True)
        ]
        await asyncio.gather(*reads)
        for client, (start, stop) in zip(clients, places, strict=True):
            assert client.failure is None
            assert client.got == DATA[start:stop]
        starts = sorted(start for start, _ in source.asked)
        # The others asked for the rest only, and whose range had come already asked for nothing.
        assert starts[0] == 0
        assert set(starts[1:]) == {5 * 64 * 1024}
        assert 4 <= len(starts) <= 5
        assert source.open_streams == 0
        assert files_below(root) == []


async def test_a_pass_through_of_wrong_bytes_never_completes(root: Path) -> None:
    wrong = DATA[:-1] + bytes([DATA[-1] ^ 1])
    files = FailingFiles()
    async with open_store(root, files=files, retry_s=60) as store, open_flights(store) as flights:
        for after in (0, 5):
            files.heal()
            files.break_call("pwrite", errno.ENOSPC, after=after)
            source = honest(wrong)
            client = await Client().read(flights.join(f"k{after}", [source], expected_of(DATA)))
            assert isinstance(client.failure, Problem)
            assert client.failure.word == "digest-mismatch"
            assert len(client.got) <= len(DATA) - TAIL_BYTES
            assert len(source.complaints) == 1


async def test_a_pass_through_survives_cuts(root: Path) -> None:
    files = FailingFiles()
    async with open_store(root, files=files, retry_s=60) as store, open_flights(store) as flights:
        files.break_call("pwrite", errno.ENOSPC)
        source = FakeSource([Turn(DATA, cut_at=200_000), Turn(DATA, cut_at=400_000), Turn(DATA)])
        assert await collect(flights.join("k", [source], expected_of(DATA))) == DATA
        assert [start for start, _ in source.asked] == [0, 200_000, 400_000]


async def test_while_degraded_nothing_is_written_at_all(root: Path) -> None:
    files = FailingFiles()
    async with open_store(root, files=files, retry_s=60) as store, open_flights(store) as flights:
        held = await store.put(data_of(100_000, seed=5))
        files.break_call("pwrite", errno.ENOSPC)
        await collect(flights.join("a", [honest(DATA)], expected_of(DATA)))
        writes = files.calls["pwrite"]
        for number in range(5):
            source = honest(DATA)
            assert await collect(flights.join(f"b{number}", [source], expected_of(DATA))) == DATA
            assert source.asked == [(0, None)]
            made = await store.put(b"document %d" % number)
            assert await store.read(made) == b"document %d" % number
            assert store.peek(made.digest) == made
        assert files.calls["pwrite"] == writes
        assert await store.get(held.digest) is not None


async def test_a_document_too_large_for_memory_is_returned_with_its_bytes(root: Path) -> None:
    files = FailingFiles()
    files.break_call("pwrite", errno.ENOSPC)
    async with open_store(root, files=files, retry_s=60) as store:
        blob = await store.put(DATA)
        assert blob.data == DATA
        assert await store.read(blob) == DATA


async def test_the_store_recovers_by_itself_and_does_not_spin(root: Path) -> None:
    files = FailingFiles()
    async with open_store(root, files=files, retry_s=0.05) as store, open_flights(store) as flights:
        files.break_call("pwrite", errno.ENOSPC)
        await collect(flights.join("a", [honest(DATA)], expected_of(DATA)))
        before = files.calls["pwrite"]
        await asyncio.sleep(0.3)
        assert store.stats().degraded is not None
        assert files.calls["pwrite"] - before <= 6
        files.heal()
        await until(lambda: store.stats().degraded is None)
        flight = flights.join("b", [honest(DATA)], expected_of(DATA))
        assert await collect(flight) == DATA
        assert (await flight.done()).digest == sha256_of(DATA)
        assert files_below(root) == [f"{sha256_of(DATA)[:2]}/{sha256_of(DATA)}"]


@pytest.mark.parametrize("call", ["fsync", "rename"])
async def test_a_file_that_cannot_be_made_durable_is_discarded(root: Path, call: str) -> None:
    files = FailingFiles()
    async with open_store(root, files=files, retry_s=60) as store, open_flights(store) as flights:
        files.break_call(call, errno.EIO)
        before = files.calls["fsync"]  # those of the folders that the start made
        flight = flights.join("k", [honest(DATA)], expected_of(DATA))
        assert await collect(flight) == DATA
        with pytest.raises(Problem):
            await flight.done()
        assert await store.get(sha256_of(DATA)) is None
        assert files_below(root) == []
        # After a failed fsync the same file is never synced again.
        assert files.calls["fsync"] - before == 1 if call == "fsync" else True


async def test_after_a_failed_fsync_of_the_folder_the_file_is_discarded_too(root: Path) -> None:
    files = FailingFiles()
    async with open_store(root, files=files, retry_s=60) as store:
        await store.put(data_of(10, seed=1))
        (root / sha256_of(DATA)[:2]).mkdir(exist_ok=True)
        files.break_call("fsync", errno.EIO, after=1)
        blob = await store.put(DATA)
        assert blob.data == DATA
        assert [name for name in files_below(root) if sha256_of(DATA) in name] == []


async def test_after_a_failed_fsync_slow_readers_take_nothing_from_the_doubtful_file(root: Path) -> None:
    files = FailingFiles()
    data = data_of(4_000_000)
    async with open_store(root, files=files, retry_s=60) as store, open_flights(store) as flights:
        files.break_call("fsync", errno.EIO)
        source = honest(data)
        flight = flights.join("k", [source], expected_of(data))
        stream = flight.read()
        first = await anext(stream)
        with pytest.raises(Problem):
            await flight.done()
        reads = files.calls.get("pread", 0)
        assert first + b"".join([piece async for piece in stream]) == data
        assert files.calls.get("pread", 0) == reads
        assert source.asked == [(0, None), (0, None)]


async def test_a_read_error_of_the_growing_file_sends_its_reader_to_the_origin(root: Path) -> None:
    files = FailingFiles()
    data = data_of(4_000_000)
    async with open_store(root, files=files, retry_s=60) as store, open_flights(store) as flights:
        source = honest(data)
        stream = flights.join("k", [source], expected_of(data)).read()
        first = await anext(stream)
        await until(lambda: source.sent == len(data))
        files.break_call("pread", errno.EIO)
        assert first + b"".join([piece async for piece in stream]) == data
        assert [start for start, _ in source.asked] == [0, 0]


@pytest.mark.parametrize("call", ["open_fd", "pwrite"])
async def test_without_descriptors_a_fetch_passes_through_and_the_next_one_is_stored(
    root: Path, call: str
) -> None:
    files = FailingFiles()
    async with open_store(root, files=files, retry_s=60) as store, open_flights(store) as flights:
        files.break_call(call, errno.EMFILE)
        assert await collect(flights.join("a", [honest(DATA)], expected_of(DATA))) == DATA
        assert store.stats().degraded is None
        files.heal()
        flight = flights.join("b", [honest(DATA)], expected_of(DATA))
        assert (await flight.done()).digest == sha256_of(DATA)


@pytest.mark.parametrize("call", ["pwrite", "fsync", "rename"])
async def test_who_reads_only_after_the_disk_refused_asks_the_origin_again(root: Path, call: str) -> None:
    files = FailingFiles()
    async with open_store(root, files=files, retry_s=60) as store, open_flights(store) as flights:
        files.break_call(call, errno.EIO, after=3 if call == "pwrite" else 0)
        source = honest(DATA)
        flight = flights.join("k", [source], expected_of(DATA), keep=True)
        with pytest.raises(Problem):
            await flight.done()
        await until(lambda: flights.current() == 0)
        assert await collect(flight) == DATA
        assert await collect(flight, len(DATA) - 10) == DATA[-10:]
        assert source.open_streams == 0
        assert files_below(root) == []


async def test_without_a_digest_a_beginning_that_cannot_be_read_back_ends_the_answer(root: Path) -> None:
    files = FailingFiles()
    data, gate = data_of(4_000_000), asyncio.Event()
    async with open_store(root, files=files, retry_s=60) as store, open_flights(store) as flights:
        source = honest(data, gate=gate, gate_at=3_900_000)
        stream = flights.join("k", [source], Expected(None)).read()
        await anext(stream)
        await until(lambda: source.sent >= 3_900_000)
        files.break_call("pread", errno.EIO)
        with pytest.raises(Problem):
            await anext(stream)
        gate.set()


async def test_a_running_request_that_nobody_takes_is_let_go(root: Path) -> None:
    files = FailingFiles()
    files.break_call("pwrite", errno.ENOSPC)
    async with (
        open_store(root, files=files, retry_s=60) as store,
        open_flights(store, Rules(grace_s=0.03)) as flights,
    ):
        source = honest(DATA)
        flight = flights.join("k", [source], expected_of(DATA))
        await flight.opened()
        await until(lambda: flights.current() == 0)
        assert source.open_streams == 0
        # Whoever comes back to it after all asks anew.
        assert await collect(flight) == DATA
        assert len(source.asked) == 2


def test_a_network_error_is_no_disk_error() -> None:
    """aiohttp's ClientOSError is an OSError; ours is none, so no handler can take one for the other."""
    assert not issubclass(DiskError, OSError)


# -- a real full disk, a real read-only one

PROGRAM = """
import asyncio, json, os, resource, subprocess, sys, time
from pathlib import Path
from proxy.artifacts.flights import Flights
from proxy.artifacts.flight import Expected
from proxy.artifacts.rules import Rules
from proxy.artifacts.store import BlobStore
from proxy.model.clock import SystemClock
from tests.artifacts.sources import honest
from tests.artifacts.tools import collect, data_of, expected_of, files_below, sha256_of

def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime

async def main(how):
    root = Path("mnt/blobs")
    held, missed = data_of(200_000), data_of(3_000_000, seed=2)
    first = BlobStore(root, SystemClock(), max_bytes=1 << 30, scrub_s=0)
    await first.start()
    await first.put(held)
    await first.close()
    filler = None
    if how == "read-only":
        subprocess.run(["mount", "-o", "remount,ro", "mnt"], check=True)
    elif how == "inodes":
        for number in range(10_000):
            try:
                Path(f"mnt/{number}").touch()
            except OSError:
                break
    else:
        filler = open("mnt/filler", "wb", buffering=0)
        try:
            while True:
                filler.write(bytes(65536))
        except OSError:
            pass
        os.ftruncate(filler.fileno(), os.fstat(filler.fileno()).st_size - 1_000_000)
    store = BlobStore(root, SystemClock(), max_bytes=1 << 30, scrub_s=0.5, retry_s=0.3)
    await store.start()
    await store.scanned()
    flights = Flights(store, store.clock, rules=Rules(grace_s=0.05))
    sources = [honest(missed) for _ in range(3)]
    got = [await collect(flights.join(f"k{n}", [s], expected_of(missed))) for n, s in enumerate(sources)]
    hit = await store.get(sha256_of(held))
    made = await store.put(b"a document")
    report = {
        "right": all(one == missed for one in got),
        "asked": [len(source.asked) for source in sources],
        "hit": hit is not None and await store.read(hit) == held,
        "made": await store.read(made) == b"a document",
        "degraded": store.stats().degraded is not None,
        "files": len(files_below(root)),
    }
    begun, burnt = time.monotonic(), cpu()
    await asyncio.sleep(1)
    report["cpu"] = (cpu() - burnt) / (time.monotonic() - begun)
    if filler is not None:
        os.ftruncate(filler.fileno(), 0)
        while store.stats().degraded is not None:
            await asyncio.sleep(0.05)
        flight = flights.join("again", [honest(missed)], expected_of(missed))
        report["recovered"] = (await flight.done()).digest == sha256_of(missed)
    await flights.close()
    await store.close()
    print(json.dumps(report))

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.parametrize("how", ["full", "inodes", "read-only"])
def test_on_a_disk_that_refuses_downloads_go_on(tmp_path: Path, how: str) -> None:
    (tmp_path / "mnt").mkdir()
    script = 'mount -t tmpfs -o size=8m,nr_inodes=300 none mnt && exec "$0" -c "$1" "$2"'
    result = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, sys.executable, PROGRAM, how],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": "/usr/bin:/bin:/usr/sbin:/sbin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["right"]
    assert report["hit"]
    assert report["made"]
    assert report["degraded"]
    assert report["asked"] == [1, 1, 1]
    assert report["files"] == 1
    assert report["cpu"] < 0.2
    assert report.get("recovered", True)
