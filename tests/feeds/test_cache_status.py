"""Cache-Status says "stored" of what is stored (RFC 9211, 2.6), and no disk is called full that is not (R9)."""

import errno
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from proxy.config.settings import Feed
from proxy.model.problem import TABLE
from tests.support.channel import FakeChannel
from tests.support.conda_packages import bare
from tests.support.gateway import Gateway, Got, feed, upstream
from tests.support.index import FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel

STORED, PASSED = "feedgate; fwd=miss; stored", "feedgate; fwd=miss"


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with Origin() as running:
        yield running


def break_writes(gateway: Gateway, code: int) -> None:
    """Let every write below cache/blobs fail, as on a disk that is full or mounted for reading only."""

    def refuse(*_: Any) -> None:
        raise OSError(code, os.strerror(code))

    gateway.app.base.store._files.pwrite = refuse  # type: ignore[assignment]


def said(got: Got) -> str:
    assert got.status == 200, got.body
    return got.headers["cache-status"]


@pytest.mark.parametrize("code", [errno.EROFS, errno.ENOSPC, errno.EACCES])
@pytest.mark.parametrize("size", [10, 300_000])
async def test_a_file_that_could_not_be_stored_is_not_called_stored(
    tmp_path: Path, origin: Origin, code: int, size: int
) -> None:
    index, channel = FakeIndex(origin), FakeChannel(origin)
    index.add(wheel("demo", "1.0", payload=size), wheel("more", "1.0", payload=size))
    channel.add(bare("tool"), bare("other"))
    conda = Feed("c", "conda", (upstream(channel.url, "c-up"),))
    async with Gateway(tmp_path, feed(upstream(index.url)), conda) as gateway:
        for page in ("/pypi/pypi/simple/demo/", "/pypi/pypi/simple/more/", "/conda/c/linux-64/repodata.json"):
            await gateway.get(page)
        for_sure = f"/pypi/pypi/packages{index.file_path('demo-1.0-py3-none-any.whl')}"
        assert said(await gateway.get(for_sure)) == STORED
        assert said(await gateway.get("/conda/c/linux-64/tool-1.0-0.conda")) == STORED
        break_writes(gateway, code)
        for path in (
            f"/pypi/pypi/packages{index.file_path('more-1.0-py3-none-any.whl')}",
            "/conda/c/linux-64/other-1.0-0.conda",
        ):
            # The first that meets the broken disk, and those that know of it.
            assert [said(await gateway.get(path)) for _ in range(2)] == [PASSED, PASSED]
        assert said(await gateway.get(for_sure)) == "feedgate; hit"


async def test_a_page_that_could_not_be_stored_is_not_called_stored(tmp_path: Path, origin: Origin) -> None:
    index = FakeIndex(origin)
    index.add(wheel("demo", "1.0"), wheel("more", "1.0"))
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        assert said(await gateway.get("/pypi/pypi/simple/demo/")) == STORED
        break_writes(gateway, errno.EROFS)
        got = await gateway.get("/pypi/pypi/simple/more/")
        assert got.status != 200 or said(got) == PASSED, got.headers


def test_no_reason_of_a_disk_is_called_another() -> None:
    """The title is the reason phrase of every disk's refusal: a full one, one for reading only, a broken one."""
    assert "space" not in TABLE["disk-full"][1].lower()
