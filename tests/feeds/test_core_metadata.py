"""Whose word a wheel's METADATA is: bytes that nothing proves stay with the upstream that sent them."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from proxy.feeds.pypi import core_metadata
from proxy.pypi.core_metadata import names_project
from tests.support.faults import Fault
from tests.support.gateway import Gateway, feed, until, upstream
from tests.support.index import JSON, FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import Built, wheel

WHEEL = "demo-1.0-py3-none-any.whl"
PATH = f"/packages/{WHEEL}"
POISON = b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\nRequires-Dist: other\n"


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with Origin() as running:
        yield running


def page(built: Built, **facts: object) -> bytes:
    file = {"filename": WHEEL, "url": PATH, "hashes": {"sha256": built.sha256}, **facts}
    return orjson.dumps({"meta": {"api-version": "1.1"}, "name": "demo", "files": [file]})


def liar(origin: Origin, built: Built) -> str:
    """Fill an origin whose side file is not the wheel's; return its index URL."""
    origin.add("/simple/demo/", page(built), content_type=JSON)
    origin.add(f"{PATH}.metadata", POISON)
    origin.add(PATH, built.data)
    return f"{origin.url}/simple/"


async def test_what_one_upstream_says_of_a_wheel_is_not_served_by_another_feed(
    origin: Origin, tmp_path: Path
) -> None:
    async with Origin() as good:
        built = wheel("demo", "1.0", requires=["leaf"])
        index = FakeIndex(good)
        index.add(built)
        feeds = (
            feed(upstream(liar(origin, built), "bad", json_api=None), name="bad"),
            feed(upstream(index.url, "good"), name="good"),
        )
        async with Gateway(tmp_path, *feeds) as gateway:
            assert (await gateway.get(f"/pypi/bad/packages{PATH}.metadata")).status == 200
            listed = (await gateway.get("/pypi/good/simple/demo/", Accept=JSON)).json()["files"][0]
            got = await gateway.get(f"/pypi/good/{listed['url'].removeprefix('../../')}.metadata")
            assert got.body == built.metadata


async def test_unproven_metadata_gives_way_to_the_wheels_own_once_that_is_held(
    origin: Origin, tmp_path: Path
) -> None:
    built = wheel("demo", "1.0", requires=["leaf"])
    settings = feed(upstream(liar(origin, built), json_api=None))
    async with Gateway(tmp_path, settings) as gateway:
        side = f"/pypi/pypi/packages{PATH}.metadata"
        assert (await gateway.get(side)).body == POISON
        assert (await gateway.get(side.removesuffix(".metadata"))).body == built.data
        got = await until(lambda: gateway.get(side), lambda got: got.body != POISON)
        assert got.body == built.metadata


async def test_unproven_metadata_gives_way_though_the_settings_changed_while_the_wheel_came(
    origin: Origin, tmp_path: Path
) -> None:
    built = wheel("demo", "1.0", requires=["leaf"])
    settings = feed(upstream(liar(origin, built), json_api=None))
    origin.always(PATH, Fault(delay_s=0.5))
    async with Gateway(tmp_path, settings) as gateway:
        side = f"/pypi/pypi/packages{PATH}.metadata"
        assert (await gateway.get(side)).body == POISON
        fetching = asyncio.create_task(gateway.get(side.removesuffix(".metadata")))
        while not origin.hits(PATH):
            await asyncio.sleep(0.02)
        gateway.reload(settings)
        assert (await fetching).body == built.data
        got = await until(lambda: gateway.get(side), lambda got: got.body != POISON)
        assert got.body == built.metadata


async def test_bytes_that_nothing_proves_are_never_told_a_digest_of(origin: Origin, tmp_path: Path) -> None:
    built = wheel("demo", "1.0", requires=["leaf"])
    url = liar(origin, built)
    origin.add("/simple/demo/", page(built, **{"core-metadata": {"sha256": "0" * 64}}), content_type=JSON)
    async with Gateway(tmp_path, feed(upstream(url, json_api=None))) as gateway:
        got = await gateway.get(f"/pypi/pypi/packages{PATH}.metadata")
        assert got.body == built.metadata, "the side file has not the digest that the index tells"
        listed = (await gateway.get("/pypi/pypi/simple/demo/", Accept=JSON)).json()["files"][0]
        assert listed["core-metadata"] is True


async def test_metadata_of_an_origin_is_not_read_on_the_loop(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers: list[threading.Thread] = []

    def seen(metadata: bytes, project: str) -> bool:
        readers.append(threading.current_thread())
        return names_project(metadata, project)

    monkeypatch.setattr(core_metadata, "names_project", seen)
    built = wheel("demo", "1.0")
    settings = feed(upstream(liar(origin, built), json_api=None))
    async with Gateway(tmp_path, settings) as gateway:
        assert (await gateway.get(f"/pypi/pypi/packages{PATH}.metadata")).body == POISON
    assert readers
    assert threading.main_thread() not in readers
