"""Licences, which no PyPI index carries: looked up newest first within a moment, kept; what is not known is held."""

import asyncio
import gzip
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.policy.settings import Policy
from tests.policies_pypi.roads import agreed, by_json, place
from tests.support.clock import FakeClock
from tests.support.faults import Fault
from tests.support.gateway import Gateway, feed, until, upstream
from tests.support.index import JSON, PLAIN, FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import Built, sdist, wheel

GPL = "License-Expression: GPL-3.0-only"
MIT = "Classifier: License :: OSI Approved :: MIT License"
NO_GPL = Policy("p", block_licenses=("GPL3",), unknown_license="block")
SILENT: dict[str, Any] = {"license": None, "license_expression": None, "classifiers": []}


def of(version: str, *fields: str) -> Built:
    return wheel("demo", version, fields=fields)


def file(version: str) -> str:
    return f"demo-{version}-py3-none-any.whl"


@pytest.mark.parametrize("shape", [None, PLAIN], ids=["public", "plain"])
async def test_a_licence_decides_in_every_form_and_on_every_road(
    origin: Origin, tmp_path: Path, shape: None
) -> None:
    index = FakeIndex(origin, shape) if shape is not None else FakeIndex(origin)
    index.add(of("1.0", MIT), of("2.0", GPL), of("3.0", "License: Apache 2.0"), of("4.0"))
    index.projects["demo"].info["4.0"] = SILENT
    settings = feed(upstream(index.url), policy="p")
    async with Gateway(tmp_path, settings, policies=[NO_GPL]) as gateway:
        assert await agreed(gateway, index, "demo") == {file("1.0"), file("3.0")}
        rules = {
            version: (await gateway.get(place(index, file(version)))).json()["rule"]
            for version in ("2.0", "4.0")
        }
        assert rules == {"2.0": "block_licenses", "4.0": "unknown_license"}


async def test_what_was_found_out_is_kept_over_a_restart_and_asked_for_once(
    origin: Origin, tmp_path: Path, index: FakeIndex
) -> None:
    index.add(of("1.0", MIT), of("2.0", GPL))
    settings = feed(upstream(index.url), policy="p")
    async with Gateway(tmp_path, settings, policies=[NO_GPL]) as gateway:
        assert await by_json(gateway, "demo")
        await gateway.restart()
        index.add(of("3.0", MIT))
        assert len(await by_json(gateway, "demo")) == 1
        for version in ("1.0", "2.0"):
            assert origin.hits(index.file_path(file(version)) + ".metadata") == 1
            assert origin.hits(index.file_path(file(version))) == 0


async def test_one_wheel_of_a_version_speaks_for_its_other_files(
    origin: Origin, tmp_path: Path, index: FakeIndex
) -> None:
    one = wheel("demo", "1.0", fields=[MIT])
    others = [wheel("demo", "1.0", tag=f"cp31{n}-cp31{n}-win_amd64", fields=[MIT]) for n in range(4)]
    index.add(one, *others, sdist("demo", "1.0"))
    settings = feed(upstream(index.url), policy="p")
    async with Gateway(tmp_path, settings, policies=[NO_GPL]) as gateway:
        assert len(await by_json(gateway, "demo")) == 6
        asked = [request.path for request in origin.requests if request.path.startswith("/packages/")]
        assert len(asked) == 1


@pytest.mark.parametrize("api", [True, False], ids=["by the JSON API", "by its own PKG-INFO"])
async def test_the_licence_of_an_sdist_is_told(
    origin: Origin, tmp_path: Path, index: FakeIndex, api: bool
) -> None:
    index.add(sdist("demo", "1.0", fields=[MIT]), sdist("demo", "2.0", fields=[GPL]))
    index.reshape(json_api=api, version_json=api)
    index.projects["demo"].info["2.0"] = {**SILENT, "license_expression": "GPL-3.0-only"}
    settings = feed(upstream(index.url), policy="p")
    async with Gateway(tmp_path, settings, policies=[NO_GPL]) as gateway:
        assert await agreed(gateway, index, "demo") == {"demo-1.0.tar.gz"}
        got = await gateway.get(place(index, "demo-2.0.tar.gz"))
        assert got.json()["rule"] == "block_licenses"


async def test_a_large_sdist_is_held_until_somebody_asks_for_it(
    origin: Origin, tmp_path: Path, index: FakeIndex
) -> None:
    small = sdist("demo", "1.0", fields=[MIT])
    index.add(replace(small, data=small.data + gzip.compress(hashlib.shake_128(b"x").digest(5 * 1024**2), 1)))
    index.reshape(json_api=False, version_json=False)
    settings = feed(upstream(index.url), policy="p")
    async with Gateway(tmp_path, settings, policies=[NO_GPL]) as gateway:
        assert await by_json(gateway, "demo") == set()
        assert origin.hits(index.file_path(small.filename)) == 0
        assert (await gateway.get(place(index, small.filename))).status == 200
        assert len(await by_json(gateway, "demo")) == 1


async def test_a_page_waits_a_moment_only_and_later_ones_show_more(
    origin: Origin, tmp_path: Path, index: FakeIndex
) -> None:
    index.add(of("1.0", MIT), of("2.0", MIT))
    side = index.file_path(file("1.0")) + ".metadata"
    origin.always(side, Fault(delay_s=4.0))
    settings = feed(upstream(index.url, read_timeout_s=20.0), policy="p")
    async with Gateway(tmp_path, settings, policies=[NO_GPL]) as gateway:
        first = await gateway.get("/pypi/pypi/simple/demo/", Accept=JSON)
        assert [each["filename"] for each in first.json()["files"]] == [file("2.0")]
        held = await gateway.get("/api/v1/feeds/pypi/packages/demo")
        by_name = {item["artifact"]: item["verdict"] for item in held.json()["items"]}
        assert (by_name[file("1.0")]["outcome"], by_name[file("1.0")]["rule"]) == ("hold", "unknown_license")
        later = await until(
            lambda: gateway.get("/pypi/pypi/simple/demo/", Accept=JSON),
            lambda got: len(got.json()["files"]) == 2,
        )
        assert later.headers["etag"] != first.headers["etag"]
        assert origin.hits(side) == 1


async def test_a_file_that_is_asked_for_first_is_looked_up_before_it_is_judged(
    origin: Origin, tmp_path: Path, index: FakeIndex
) -> None:
    index.add(of("1.0", MIT), of("2.0", GPL))
    settings = feed(upstream(index.url), policy="p")
    async with Gateway(tmp_path, settings, policies=[NO_GPL]) as gateway:
        assert (await gateway.get(place(index, file("1.0")))).status == 200
        assert origin.hits(f"{index.file_path(file('2.0'))}.metadata") == 0, (
            "one file does not wait for the others"
        )
        assert (await gateway.get(place(index, file("2.0")))).json()["rule"] == "block_licenses"
        assert origin.hits(index.file_path(file("2.0"))) == 0


async def test_what_cannot_be_looked_up_is_held_and_tried_again_later(
    origin: Origin, tmp_path: Path, index: FakeIndex
) -> None:
    clock = FakeClock()
    index.add(of("1.0", MIT))
    policy = Policy("p", block_licenses=("GPL3",), unknown_license="allow")
    for path in (index.file_path(file("1.0")), index.file_path(file("1.0")) + ".metadata"):
        origin.always(path, Fault(status=500))
    for path in (index.api_path("demo"), "/pypi/demo/1.0/json"):
        origin.always(path, Fault(status=500))
    settings = feed(upstream(index.url), policy="p")
    async with Gateway(tmp_path, settings, policies=[policy], clock=clock) as gateway:
        assert await by_json(gateway, "demo") == set()
        assert (await gateway.get(place(index, file("1.0")))).json()["type"] == "urn:feedgate:held"
        origin.heal()
        clock.advance(3600)
        assert len(await by_json(gateway, "demo")) == 1
        assert (await gateway.get(place(index, file("1.0")))).status == 200


async def test_only_licences_that_can_change_what_is_shown_are_looked_up(
    origin: Origin, tmp_path: Path, index: FakeIndex
) -> None:
    index.add(*(of(f"{n}.0", MIT) for n in range(1, 30)), of("30.0", GPL))
    policy = Policy("p", block_licenses=("GPL3",), block=("demo >=20,<25",), keep_versions=2)
    settings = feed(upstream(index.url), policy="p")
    async with Gateway(tmp_path, settings, policies=[policy]) as gateway:
        assert await agreed(gateway, index, "demo") == {file("29.0"), file("28.0")}
        asked = {
            request.path.rpartition("/")[2]
            for request in origin.requests
            if request.path.endswith(".metadata")
        }
        assert asked == {f"{file(version)}.metadata" for version in ("28.0", "29.0", "30.0")}


async def test_a_project_of_many_versions_is_settled_newest_first(
    origin: Origin, tmp_path: Path, index: FakeIndex
) -> None:
    index.add(*(of(f"{n}.0", MIT) for n in range(1, 80)))
    settings = feed(upstream(index.url), policy="p")
    async with Gateway(tmp_path, settings, policies=[NO_GPL]) as gateway:
        page = await until(
            lambda: gateway.get("/pypi/pypi/simple/demo/", Accept=JSON),
            lambda got: len(got.json()["files"]) == 79,
        )
        assert page.json()["versions"][-1] == "79.0"
        asked = [
            int(request.path.rpartition("/")[2].split("-")[1].partition(".")[0])
            for request in origin.requests
            if request.path.endswith(".metadata")
        ]
        assert len(asked) == 79
        assert set(asked[:8]) == set(range(72, 80))


async def test_a_policy_without_licences_asks_for_none(
    origin: Origin, tmp_path: Path, index: FakeIndex
) -> None:
    index.add(of("1.0", MIT))
    settings = feed(upstream(index.url), policy="p")
    async with Gateway(tmp_path, settings, policies=[Policy("p", block=("other",))]) as gateway:
        assert len(await by_json(gateway, "demo")) == 1
        assert not [request for request in origin.requests if request.path.endswith(".metadata")]


async def test_an_offline_feed_asks_nobody_and_holds_what_is_not_known(
    origin: Origin, tmp_path: Path, index: FakeIndex
) -> None:
    index.add(of("1.0", MIT), of("2.0", MIT))
    up = upstream(index.url)
    async with Gateway(tmp_path, feed(up, policy="p"), policies=[Policy("p")]) as gateway:
        assert len(await by_json(gateway, "demo")) == 2
        gateway.reload(feed(up, policy="p", offline=True), policies=[NO_GPL])
        asked = len(origin.requests)
        assert await by_json(gateway, "demo") == set()
        assert (await gateway.get(place(index, file("1.0")))).status == 403
        assert len(origin.requests) == asked


async def test_one_upstream_s_word_says_nothing_of_another_s_file_of_that_digest(
    origin: Origin, tmp_path: Path, index: FakeIndex
) -> None:
    async with Origin() as elsewhere:
        other = FakeIndex(elsewhere)
        index.add(of("1.0", GPL))
        other.add(wheel("demo", "1.0", fields=[MIT]), claimed_sha256=index.file(file("1.0")).sha256)
        honest = feed(upstream(index.url), name="honest", policy="p")
        liar = feed(upstream(other.url, "other"), name="liar", policy="p")
        async with Gateway(tmp_path, honest, liar, policies=[NO_GPL]) as gateway:
            assert len(await by_json(gateway, "demo", "liar")) == 1
            assert await by_json(gateway, "demo", "honest") == set()
            assert (await gateway.get(place(index, file("1.0"), "honest"))).json()["rule"] == "block_licenses"


async def test_what_only_the_api_tells_is_held_while_the_api_does_not_answer(
    origin: Origin, tmp_path: Path, index: FakeIndex
) -> None:
    clock = FakeClock()
    installer = replace(sdist("demo", "1.0"), filename="demo-1.0.win32.exe")
    index.add(installer)
    policy = Policy("p", block_licenses=("GPL3",), unknown_license="allow")
    for path in (index.api_path("demo"), "/pypi/demo/1.0/json"):
        origin.always(path, Fault(status=500))
    settings = feed(upstream(index.url), policy="p")
    async with Gateway(tmp_path, settings, policies=[policy], clock=clock) as gateway:
        assert await by_json(gateway, "demo") == set()
        assert (await gateway.get(place(index, installer.filename))).json()["type"] == "urn:feedgate:held"
        index.projects["demo"].info["1.0"] = {**SILENT, "license_expression": "GPL-3.0-only"}
        origin.heal()
        clock.advance(3600)
        assert await by_json(gateway, "demo") == set()
        assert (await gateway.get(place(index, installer.filename))).json()["rule"] == "block_licenses"


async def test_however_many_ask_a_licence_is_looked_up_once(
    origin: Origin, tmp_path: Path, index: FakeIndex
) -> None:
    index.add(of("1.0", MIT), of("2.0", MIT))
    sides = [f"{index.file_path(file(version))}.metadata" for version in ("1.0", "2.0")]
    for side in sides:
        origin.always(side, Fault(delay_s=0.3))
    settings = feed(upstream(index.url), policy="p")
    async with Gateway(tmp_path, settings, policies=[NO_GPL]) as gateway:
        files = [gateway.get(place(index, file("1.0"))) for _ in range(12)]
        pages = [gateway.get("/pypi/pypi/simple/demo/", Accept=JSON) for _ in range(12)]
        answers = await asyncio.gather(*files, *pages)
        assert {got.status for got in answers} == {200}
        assert {len(got.json()["files"]) for got in answers[12:]} == {2}
        assert [origin.hits(side) for side in sides] == [1, 1]
