"""Reserved names are protected as they are written in a configuration, whatever their case and separators."""

import hashlib
from pathlib import Path

import orjson
import pytest

from tests.config.loading import loads
from tests.support.gateway import Gateway
from tests.support.index import FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel


def configuration(kind: str, url: str, *lines: str) -> str:
    entry = f'{{ url = "{url}", route = "direct", allow_private = true }}'
    return "\n".join((f"[feeds.{kind}]", f'kind = "{kind}"', f"upstreams = [{entry}]", *lines)) + "\n"


@pytest.mark.parametrize("glob", ["Corp*", "Corp_*", "CORP.x"])
async def test_a_reserved_project_is_not_asked_for(tmp_path: Path, glob: str) -> None:
    async with Origin() as origin:
        index = FakeIndex(origin)
        index.add(wheel("corp-x", "1.0"))
        loaded = loads(tmp_path, configuration("pypi", index.url, f'reserved = ["{glob}"]'))
        async with Gateway(tmp_path, *loaded.settings.feeds.values()) as gateway:
            assert (await gateway.get("/pypi/pypi/simple/corp-x/")).status == 404
        assert origin.hits(index.page_path("corp-x")) == 0


@pytest.mark.parametrize("glob", ["Corp*", "CORPLIB"])
async def test_a_reserved_conda_name_is_not_listed(tmp_path: Path, glob: str) -> None:
    file = "corplib-1.0-0.conda"
    record = {
        "name": "corplib", "version": "1.0", "build": "0", "build_number": 0, "depends": [], "size": 1,
        "sha256": hashlib.sha256(b"x").hexdigest(), "subdir": "noarch",
    }  # fmt: skip
    body = orjson.dumps({"info": {"subdir": "noarch"}, "packages": {}, "packages.conda": {file: record}})
    async with Origin() as origin:
        origin.add("/chan/noarch/repodata.json", body, etag='"1"')
        loaded = loads(tmp_path, configuration("conda", f"{origin.url}/chan/", f'reserved = ["{glob}"]'))
        async with Gateway(tmp_path, *loaded.settings.feeds.values()) as gateway:
            listed = await gateway.get("/conda/conda/noarch/repodata.json")
            assert (listed.status, listed.json()["packages.conda"]) == (200, {})
            assert (await gateway.get(f"/conda/conda/noarch/{file}")).status == 404
