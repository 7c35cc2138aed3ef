"""A next generation is written behind the one before, and nothing that happens to it harms that one."""

import fcntl
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from proxy.conda.pack import BadPack
from proxy.feeds.conda import ingest_job
from proxy.feeds.conda.packs import Generation, open_generation, records_path, shards_path, sizes_path

#: So many that what one name adds to the index is little beside them all.
NAMES = 60


def channel(folder: Path, changed: Mapping[str, str]) -> Path:
    """Write an index; `changed` are versions of names that have another than the rest."""
    files = {}
    for number in range(NAMES):
        name = f"name{number:02}"
        for build in range(20):
            version = changed.get(name, "1.0")
            record = {"name": name, "version": version, "build": f"h_{build}", "build_number": build}
            record |= {"depends": ["python >=3.8"], "sha256": f"{build:064x}", "subdir": "linux-64"}
            files[f"{name}-{version}-h_{build}.conda"] = record
    path = folder / "repodata.json"
    path.write_text(json.dumps({"packages": {}, "packages.conda": files}))
    return path


class Subdir:
    """A subdir's folder, and ingests into it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._now_ms = 1000

    def take(self, previous: Generation | None, **changed: str) -> Generation:
        self._now_ms += 1000
        order = {
            "folder": str(self.folder), "subdir": "linux-64", "upstream": "up", "now_ms": self._now_ms,
            "source": str(channel(self.folder, changed)), "previous": previous and previous.stem,
            "learned": str(self.folder / "learned"), "stamps": False,
        }  # fmt: skip
        return open_generation(self.folder, ingest_job.run(order)["stem"])

    def inode(self, generation: Generation) -> int:
        return records_path(self.folder, generation.stem).stat().st_ino


@pytest.fixture
def subdir(tmp_path: Path) -> Subdir:
    return Subdir(tmp_path)


def content(generation: Generation) -> dict[str, tuple[object, ...]]:
    shards = generation.shards
    return {name: (generation.snapshot.block(name), shards.parts(name)) for name in generation.snapshot}


def test_a_next_generation_grows_from_the_one_before(subdir: Subdir, tmp_path: Path) -> None:
    first = subdir.take(None)
    before = content(first)
    second = subdir.take(first, name07="2.0")
    assert subdir.inode(first) == subdir.inode(second)
    assert second.sizes[0] - first.sizes[0] < first.sizes[0] / 5
    assert content(open_generation(tmp_path, first.stem)) == before
    assert [name for name, each in content(second).items() if each != before[name]] == ["name07"]


def test_a_grown_generation_says_what_a_new_one_says(subdir: Subdir, tmp_path: Path) -> None:
    grown = subdir.take(subdir.take(subdir.take(None), name07="2.0"), name08="2.0")
    (tmp_path / "other").mkdir()
    assert content(Subdir(tmp_path / "other").take(None, name08="2.0")) == content(grown)


def test_nothing_new_leaves_generation_and_files_as_they_were(subdir: Subdir, tmp_path: Path) -> None:
    first = subdir.take(None)
    second = subdir.take(first, name07="2.0")
    assert subdir.take(second, name07="2.0").stem == second.stem
    assert records_path(tmp_path, second.stem).stat().st_size == second.sizes[0]
    assert shards_path(tmp_path, second.stem).stat().st_size == second.sizes[1]
    assert list(tmp_path.glob(".*")) == []


def test_files_are_new_when_too_much_is_waste(subdir: Subdir) -> None:
    generation = subdir.take(None)
    inodes = {subdir.inode(generation)}
    for turn in range(4):
        generation = subdir.take(generation, **{f"name{number:02}": f"2.{turn}" for number in range(NAMES)})
        inodes.add(subdir.inode(generation))
    assert len(inodes) > 1
    assert generation.snapshot.pack.waste < 0.75


def test_the_tail_of_a_killed_writer_is_not_written_behind(subdir: Subdir, tmp_path: Path) -> None:
    first = subdir.take(None)
    before = content(first)
    with records_path(tmp_path, first.stem).open("ab") as file:
        file.write(b"half a name")
    second = subdir.take(open_generation(tmp_path, first.stem), name07="2.0")
    assert subdir.inode(first) != subdir.inode(second)
    assert content(open_generation(tmp_path, first.stem)) == before
    assert content(second).keys() == before.keys()


def test_what_an_orphan_still_writes_is_left_to_it(subdir: Subdir, tmp_path: Path) -> None:
    first = subdir.take(None)
    with records_path(tmp_path, first.stem).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        second = subdir.take(first, name07="2.0")
    assert subdir.inode(first) != subdir.inode(second)
    assert list(tmp_path.glob(".*")) == []


def test_an_ingest_that_fails_leaves_the_files_as_long_as_they_were(
    subdir: Subdir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = subdir.take(None)

    def fails(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(ingest_job, "publish", fails)
    with pytest.raises(OSError, match="full"):
        subdir.take(first, name07="2.0")
    assert records_path(tmp_path, first.stem).stat().st_size == first.sizes[0]
    assert shards_path(tmp_path, first.stem).stat().st_size == first.sizes[1]
    assert list(tmp_path.glob(".*")) == []


def test_sizes_that_are_wrong_are_damage(subdir: Subdir, tmp_path: Path) -> None:
    first = subdir.take(None)
    sizes_path(tmp_path, first.stem).write_text("[10,10]")
    with pytest.raises(BadPack):
        open_generation(tmp_path, first.stem)
