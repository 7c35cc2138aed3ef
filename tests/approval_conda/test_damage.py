"""The generation of a curated conda feed is derived data: damaged, cut or lost, it is made again from the approvals."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.approval_conda.desk import LINUX, Desk
from tests.support.conda_packages import bare

A, B = bare("a"), bare("b")
PATHS = {f"{LINUX}/{each.file}" for each in (A, B)}


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 255
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def lose(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("harm", [flip, cut, lose])
@pytest.mark.parametrize("suffix", ["records", "shards", "index"])
async def test_what_is_harmed_while_the_server_is_down_is_made_again(
    desk: Desk, harm: Callable[[Path], None], suffix: str
) -> None:
    desk.channel.add(A, B)
    await desk.begin()
    await desk.approve(*PATHS)
    assert await desk.listed() == PATHS
    await desk.gateway.stop()
    (path,) = (desk.cache / "conda/approved_approved/linux-64").glob(f"*.{suffix}")
    harm(path)
    await desk.gateway.start()
    assert await desk.listed() == PATHS
    await desk.revoke(f"{LINUX}/{A.file}")
    assert await desk.listed() == PATHS - {f"{LINUX}/{A.file}"}


async def test_what_is_harmed_while_it_is_served_is_made_again(desk: Desk) -> None:
    desk.channel.add(A, B)
    await desk.begin()
    await desk.approve(f"{LINUX}/{A.file}")
    assert await desk.listed() == {f"{LINUX}/{A.file}"}
    for path in (desk.cache / "conda/approved_approved/linux-64").glob("*.*s"):
        with path.open("r+b") as file:
            file.seek(20)
            file.write(b"harm")
    await desk.approve(f"{LINUX}/{B.file}")
    assert await desk.listed() == PATHS
    assert (await desk.seen(f"{LINUX}/{A.file}")).status == 200
