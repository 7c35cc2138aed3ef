"""The bare address of a feed tells which URL to use."""

from pathlib import Path

import pytest

from proxy.config.settings import Feed
from tests.support.gateway import Gateway, feed, upstream


@pytest.mark.parametrize("path", ["/pypi/pypi/", "/pypi/pypi", "/pypi/old/"])
async def test_a_pypi_feeds_own_address_names_its_index(tmp_path: Path, path: str) -> None:
    one = feed(upstream("http://127.0.0.1:9/simple/"), aliases=("old",))
    async with Gateway(tmp_path, one) as gateway:
        got = await gateway.get(path)
        assert got.status == 404
        assert f"{gateway.index()};" in got.json()["detail"]
        assert (await gateway.get(path, method="HEAD")).status == 404
        assert (await gateway.get("/pypi/other/")).json()["detail"].startswith("there is no such pypi feed")
        assert (await gateway.get("/pypi/pypi/", method="POST")).status == 403


async def test_a_conda_feeds_own_address_names_the_channel(tmp_path: Path) -> None:
    forge = Feed("forge", "conda", (upstream("http://127.0.0.1:9/chan/"),))
    async with Gateway(tmp_path, forge) as gateway:
        got = await gateway.get("/conda/forge/")
        assert got.status == 404
        assert f"{gateway.url}/conda/forge/;" in got.json()["detail"]
        assert (await gateway.get("/conda/pypi/")).status == 404
