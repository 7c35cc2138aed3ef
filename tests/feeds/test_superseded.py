"""Superseded shards are looked up by many threads at once, while packs come and go."""

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.conda.pack import open_pack
from proxy.conda.pack_writer import PackWriter
from proxy.feeds.conda.packs import PackFile
from proxy.feeds.conda.superseded import (
    KEPT_S,
    SupersededShards,
    merge_superseded,
    prune_superseded,
    superseded_files,
    write_superseded,
)
from proxy.model.digest import Sha256

MISSING = Sha256("0" * 64)


@pytest.fixture
def hurried_threads() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def write(path: Path) -> None:
    hidden = path.with_name(f".{path.name}")
    with hidden.open("wb") as out:
        PackWriter(out, b"").finish()
    hidden.rename(path)


@pytest.mark.usefixtures("hurried_threads")
def test_threads_that_look_up_while_packs_come_and_go_do_not_stumble(tmp_path: Path) -> None:
    shards, over, errors = SupersededShards(tmp_path), threading.Event(), list[Exception]()

    def look_up() -> None:
        while not over.is_set():
            try:
                assert shards.find(MISSING) is None
            except (AssertionError, RuntimeError, KeyError) as error:
                errors.append(error)
                return

    threads = [threading.Thread(target=look_up) for _ in range(6)]
    for thread in threads:
        thread.start()
    for number in range(100):
        path = tmp_path / f"{number}.superseded"
        write(path)
        if number % 2:
            path.unlink()
    over.set()
    for thread in threads:
        thread.join()
    assert errors == []


def pack_of(folder: Path, at_ms: int, name: str, shard: bytes) -> Sha256:
    """Supersede one shard."""
    with (folder / "old").open("wb") as out:
        writer = PackWriter(out, b"")
        digest = writer.add(name, (shard,), source=b"")
        writer.finish()
    with (folder / "new").open("wb") as out:
        PackWriter(out, b"").finish()
    old, new = (PackFile(folder / which) for which in ("old", "new"))
    write_superseded(folder, open_pack(old.read, old.size), open_pack(new.read, new.size), at_ms)
    return Sha256(digest.hex())


def test_packs_that_are_many_are_merged_and_nothing_is_lost(tmp_path: Path) -> None:
    shards, hour_ms = SupersededShards(tmp_path), 3600 * 1000
    digests = [
        pack_of(tmp_path, 10**12 + number * hour_ms // 4, "same", b"shard %d" % number)
        for number in range(100)
    ]
    assert shards.find(digests[0]) == b"shard 0"
    merge_superseded(tmp_path)
    assert len(superseded_files(tmp_path)) <= 6
    assert [shards.find(digest) for digest in digests] == [b"shard %d" % number for number in range(100)]
    prune_superseded(tmp_path, int(10**12 + KEPT_S * 1000) + 13 * hour_ms)
    assert shards.find(digests[0]) is None
    assert shards.find(digests[-1]) == b"shard 99"


def test_two_changes_of_one_moment_are_both_kept(tmp_path: Path) -> None:
    shards = SupersededShards(tmp_path)
    digests = [pack_of(tmp_path, 5, "same", text) for text in (b"one", b"two")]
    assert [shards.find(digest) for digest in digests] == [b"one", b"two"]
