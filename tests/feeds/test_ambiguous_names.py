"""File names that may be read as several projects': what is asked for them, and whose file is served."""

from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from tests.support.gateway import Gateway, feed, upstream
from tests.support.index import JSON, FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import sdist, wheel


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with Origin() as running:
        yield running


def asked(origin: Origin) -> list[str]:
    return [request.path for request in origin.requests]


@pytest.mark.parametrize(
    "filename",
    [
        "payroll-internal-1.0.tar.gz", "acme-secret-project-plan-2.0.tar.gz", "top-secret-deal-internal-2.0.tar.gz",
        "payroll-internal-2-1.tar.gz",
    ],
)  # fmt: skip
@pytest.mark.parametrize("has_private", [True, False])
async def test_a_file_of_a_reserved_name_tells_no_public_upstream_anything(
    origin: Origin, tmp_path: Path, filename: str, has_private: bool
) -> None:
    async with Origin() as inside:
        FakeIndex(inside).add(wheel("payroll-internal", "1.0"))
        FakeIndex(origin).add(wheel("leaf", "1.0"))
        private = (upstream(f"{inside.url}/simple/", "inside", private=True),) if has_private else ()
        settings = feed(
            *private, upstream(f"{origin.url}/simple/", "public"), reserved=("*-internal", "acme-*")
        )
        async with Gateway(tmp_path, settings) as gateway:
            assert (await gateway.get(f"/pypi/pypi/packages/aa/{filename}")).status == 404
            assert asked(origin) == []


async def test_a_listed_file_downloads_though_its_name_may_be_read_as_a_reserved_one(
    origin: Origin, tmp_path: Path
) -> None:
    built = sdist("foo", "1.post1")
    file = {"filename": "foo-1-1.tar.gz", "url": "/files/foo-1-1.tar.gz", "hashes": {"sha256": built.sha256}}
    page = {"meta": {"api-version": "1.1"}, "name": "foo", "files": [file]}
    origin.add("/simple/foo/", orjson.dumps(page), content_type=JSON)
    origin.add("/files/foo-1-1.tar.gz", built.data)
    settings = feed(upstream(f"{origin.url}/simple/", json_api=None), reserved=("foo-1",))
    async with Gateway(tmp_path, settings) as gateway:
        listed = (await gateway.get("/pypi/pypi/simple/foo/", Accept=JSON)).json()["files"][0]
        got = await gateway.get("/pypi/pypi/" + str(listed["url"]).removeprefix("../../"))
        assert (got.status, got.body) == (200, built.data)


async def test_a_path_under_which_two_projects_list_different_files_is_neither(
    origin: Origin, tmp_path: Path
) -> None:
    bodies = {"foo": b"one" * 1000, "foo-1": b"two" * 1000}
    origins: dict[str, Origin] = {}
    async with Origin() as other:
        origins = {"foo": origin, "foo-1": other}
        for number, (name, at) in enumerate(origins.items()):
            digest = {"sha256": f"{number}" * 64}
            file = {"filename": "foo-1-1.tar.gz", "url": "/files/foo-1-1.tar.gz", "hashes": digest}
            page = {"meta": {"api-version": "1.1"}, "name": name, "files": [file]}
            at.add(f"/simple/{name}/", orjson.dumps(page), content_type=JSON)
            at.add("/files/foo-1-1.tar.gz", bodies[name])
        settings = feed(
            upstream(f"{other.url}/simple/", "one", json_api=None),
            upstream(f"{origin.url}/simple/", "two", json_api=None),
        )
        async with Gateway(tmp_path, settings) as gateway:
            paths = set()
            for name in bodies:
                listed = (await gateway.get(f"/pypi/pypi/simple/{name}/", Accept=JSON)).json()["files"][0]
                paths.add(str(listed["url"]).removeprefix("../../"))
            assert len(paths) == 1
            assert (await gateway.get(f"/pypi/pypi/{paths.pop()}")).status == 404
