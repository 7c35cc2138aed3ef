"""What a killed process left half-written in the conda folders is gone after the next start."""

from pathlib import Path

from proxy.feeds.conda.packs import sweep_generations
from tests.support.gateway import Gateway, feed, upstream


async def test_leftovers_of_a_kill_are_gone_after_the_next_start(tmp_path: Path) -> None:
    folder = tmp_path / "data/cache/conda/chan-1/linux-64"
    (folder / ".incoming-abc").mkdir(parents=True)
    (folder / ".incoming-abc/repodata.json").write_bytes(b"half")
    (folder.parent / ".incoming-def").mkdir()
    (folder.parent / ".incoming-def/repodata.json").write_bytes(b"half")
    (folder / ".123.records").write_bytes(b"half")
    (folder / "456.superseded").write_bytes(b"whole")
    async with Gateway(tmp_path, feed(upstream("http://127.0.0.1:1/simple/"))):
        assert [path.name for path in folder.iterdir()] == ["456.superseded"]
        assert [path.name for path in folder.parent.iterdir()] == ["linux-64"]


def test_only_generations_that_are_over_are_swept(tmp_path: Path) -> None:
    for name in (
        "aa.records",
        "aa.shards",
        "aa.index",
        "bb.records",
        "bb.shards",
        "bb.index",
        "1.superseded",
    ):
        (tmp_path / name).touch()
    sweep_generations(tmp_path, "bb")
    assert {path.name for path in tmp_path.iterdir()} == {
        "bb.records",
        "bb.shards",
        "bb.index",
        "1.superseded",
    }
