"""The conda rows run from end to end on a small channel; what they measure is not asserted."""

import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from benchmarks.channels import CHANGED_NAMES, channels
from benchmarks.rows.conda import conda, life
from benchmarks.site import SCALES
from proxy.conda.origin_shards import parse_index

_SMALL = 2000
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def needed(*tools: str) -> None:
    missing = [tool for tool in tools if not shutil.which(tool, path=_PATH)]
    assert not missing, f"{missing} are needed for this test (.ci/run installs them)"


@pytest.mark.long
def test_every_row_is_measured_on_a_small_channel(tmp_path: Path) -> None:
    needed("nginx", "wrk", "taskset")
    rows = conda(tmp_path, _SMALL, replace(SCALES["quick"], load_s=0.1))
    assert len(rows) == 17
    assert all(row.name.startswith("2,000 records: ") and row.value > 0 for row in rows)
    assert all(row.floor is not None and row.aim is not None for row in rows)


def test_a_server_lives_through_a_day_of_a_small_channel(tmp_path: Path) -> None:
    needed("nginx", "taskset")
    with channels(tmp_path, _SMALL) as made:
        told = life(tmp_path / "life", made)
    assert 0 < told.half_zst_bytes < told.zst_bytes
    assert all(value > 0 for value in asdict(told).values())


def test_the_next_day_has_as_many_changed_shards_as_the_row_says(tmp_path: Path) -> None:
    needed("nginx", "taskset")
    with channels(tmp_path, 6_000) as made:
        days = [
            parse_index((made.folder / f"sharded/{day}/linux-64/repodata_shards.msgpack.zst").read_bytes())
            for day in (0, 1)
        ]
    before, after = (day.digests for day in days)
    assert sum(before.get(name) != digest for name, digest in after.items()) == CHANGED_NAMES
