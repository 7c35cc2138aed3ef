"""The folder of a child is gone when its user is, however that one ended."""

import asyncio
from pathlib import Path

import pytest

from proxy.child.folder import temporary_folder


async def test_a_folder_is_there_while_it_is_used(tmp_path: Path) -> None:
    async with temporary_folder("x-", below=tmp_path) as folder:
        (folder / "in").mkdir()
        assert folder.parent == tmp_path
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("turns", range(6))
async def test_who_is_cancelled_leaves_none_behind(tmp_path: Path, turns: int) -> None:
    async def use() -> None:
        async with temporary_folder("x-", below=tmp_path):
            await asyncio.Event().wait()

    using = asyncio.create_task(use())
    for _ in range(turns):
        await asyncio.sleep(0)
    using.cancel()
    with pytest.raises(asyncio.CancelledError):
        await using
    assert list(tmp_path.iterdir()) == []
