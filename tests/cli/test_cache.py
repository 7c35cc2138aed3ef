"""Orders to the cache, on real files of a folder that no server uses."""

import asyncio
from hashlib import sha256
from pathlib import Path

import pytest

from proxy.artifacts.store import BlobStore
from proxy.model.clock import SystemClock
from tests.cli.calling import Place

DATA = [bytes([number]) * 100_000 for number in range(4)]
DIGESTS = [sha256(data).hexdigest() for data in DATA]


def fill(folder: Path) -> Path:
    """Put four blobs into the folder's store and return its root."""
    root = folder / "data" / "cache" / "blobs"

    async def put() -> None:
        store = BlobStore(root, SystemClock(), max_bytes=10**9, scrub_s=86400)
        await store.start()
        for data in DATA:
            await store.put(data)
        await store.close()

    asyncio.run(put())
    return root


def held(root: Path) -> set[str]:
    return {path.name for path in root.glob("??/*")}


def test_stats_count_files_and_bytes(ready: Place) -> None:
    root = fill(ready.folder)
    (root / "tmp" / "half").write_bytes(b"x" * 1000)
    document = ready.json("cache", "stats")
    assert (document["blobs"], document["bytes"], document["max_bytes"]) == (4, 400_000, 50 * 1024**3)
    assert ready.call("cache", "stats").stdout.startswith("4 files, ")


def test_stats_of_nothing_are_zero(ready: Place) -> None:
    assert ready.json("cache", "stats")["blobs"] == 0
    assert not (ready.folder / "data").exists()


def test_verify_removes_what_is_damaged_and_names_it(ready: Place) -> None:
    root = fill(ready.folder)
    path = root / DIGESTS[1][:2] / DIGESTS[1]
    path.write_bytes(b"rot" + path.read_bytes()[3:])
    result = ready.call("cache", "verify")
    assert result.exit_code == 0
    assert DIGESTS[1] in result.stdout
    assert held(root) == set(DIGESTS) - {DIGESTS[1]}
    assert ready.json("cache", "verify")["damaged"] == []


def test_prune_removes_down_to_a_size(ready: Place) -> None:
    root = fill(ready.folder)
    document = ready.json("cache", "prune", "--to", "200 KB")
    assert (document["removed"], document["bytes"]) == (2, 200_000)
    assert len(held(root)) == 2


def test_prune_without_a_size_keeps_the_configured_one(ready: Place) -> None:
    root = fill(ready.folder)
    assert ready.call("cache", "prune").stdout.startswith("0 files removed")
    ready.write((ready.folder / "config.toml").read_text() + "[cache]\nmax_size = '100 KB'\n")
    assert ready.json("cache", "prune")["removed"] == 3
    assert len(held(root)) == 1


def test_purge_removes_what_is_named_in_full_or_by_its_beginning(ready: Place) -> None:
    root = fill(ready.folder)
    document = ready.json("cache", "purge", DIGESTS[0], DIGESTS[2][:8].upper())
    assert document["removed"] == 2
    assert held(root) == {DIGESTS[1], DIGESTS[3]}


def test_purge_all_removes_everything(ready: Place) -> None:
    root = fill(ready.folder)
    assert ready.json("cache", "purge", "--all")["removed"] == 4
    assert held(root) == set()


@pytest.mark.parametrize(
    "words",
    [
        "purge",
        "purge --all " + DIGESTS[0],
        "purge abc",
        "purge ../../etc",
        "prune --to much",
        "prune --to -1",
    ],
)
def test_unclear_orders_are_usage_errors_and_remove_nothing(ready: Place, words: str) -> None:
    root = fill(ready.folder)
    result = ready.call("cache", *words.split())
    assert result.exit_code == 2
    assert held(root) == set(DIGESTS)


def test_a_data_folder_that_cannot_be_used_is_told_in_one_line(ready: Place) -> None:
    (ready.folder / "data").write_text("a file")
    for words in ("verify", "prune", "purge --all"):
        result = ready.call("cache", *words.split())
        assert result.exit_code == 1
        assert len(result.stderr.splitlines()) == 1
    assert ready.call("cache", "stats").exit_code == 0


def test_another_data_folder_can_be_named(ready: Place) -> None:
    fill(ready.folder / "elsewhere")
    assert ready.json("cache", "stats", "--data-dir", "elsewhere/data")["blobs"] == 4


@pytest.mark.parametrize("words", [("verify",), ("prune",), ("purge", "--all")])
def test_orders_to_a_folder_that_is_not_there_make_none(ready: Place, words: tuple[str, ...]) -> None:
    result = ready.call("cache", *words)
    assert result.exit_code == 1
    assert "there is no data folder" in result.stderr
    assert ready.json("cache", *words, status=1)["ok"] is False
    assert not (ready.folder / "data").exists()
