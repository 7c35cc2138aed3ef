"""`explain` over HTTP, for what is hidden or missing without any policy; what policies hide is in tests/policies."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.api.reading import items as all_items
from tests.api.reading import problem
from tests.conda_feed.stand import Stand
from tests.support.conda_packages import package
from tests.support.gateway import Gateway, feed, until, upstream
from tests.support.index import FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel

WHEEL = "demo-1.0-py3-none-any.whl"


async def explained(gateway: Gateway, of: str, **query: str) -> list[dict[str, Any]]:
    answer = await gateway.get(f"/api/v1/feeds/{of}/explain?{urlencode(query)}")
    assert answer.status == 200, answer.body
    told: dict[str, Any] = answer.json()
    assert told["feed"] == of
    items: list[dict[str, Any]] = told["items"]
    return items


async def test_conda_package_that_is_there_is_allowed(stand: Stand) -> None:
    stand.channel.add(package("zlib", "1.3"), package("zlib", "1.10"))
    await stand.start(subdirs=("linux-64",))
    items = await explained(stand.gateway, "chan", spec="zlib")
    assert [item["artifact"] for item in items] == ["linux-64/zlib-1.10-0.conda", "linux-64/zlib-1.3-0.conda"]
    (one,) = await explained(stand.gateway, "chan", artifact="linux-64/zlib-1.3-0.conda")
    assert (one["outcome"], one["policy"], one["approvers"]) == ("allow", None, [])
    assert (one["facts"]["version"], one["facts"]["license"]) == ("1.3", "MIT")
    assert len(await explained(stand.gateway, "chan", spec="zlib[license=MIT, subdir=linux-64]")) == 2
    assert (await explained(stand.gateway, "chan", spec="zlib[license=BSD]"))[0]["rule"] == "unlisted"
    pages = await all_items(stand.gateway, "/api/v1/feeds/chan/explain", spec="zlib", limit=1)
    assert [[item["artifact"] for item in page] for page in pages] == [[each["artifact"]] for each in items]


async def test_conda_file_that_drifted_is_explained_from_its_problem(stand: Stand) -> None:
    stand.channel.add(package("lib", "1.0"))
    await stand.start(subdirs=("linux-64",))
    assert (await stand.get("linux-64/lib-1.0-0.conda")).status == 200
    await stand.gateway.restart_without_cache()
    stand.channel.patch("linux-64", "lib-1.0-0.conda", sha256="0" * 64, md5="0" * 32, size=7)
    await stand.refresh()
    refused = (await stand.get("linux-64/lib-1.0-0.conda")).json()
    assert (refused["rule"], "policy" in refused) == ("drift", False)
    answer = (await stand.gateway.get(refused["explain"])).json()
    (one,) = answer["items"]
    assert (one["artifact"], one["outcome"], one["rule"]) == ("linux-64/lib-1.0-0.conda", "hold", "drift")
    assert one["policy"] is None
    assert "0" * 32 not in str(answer)
    assert "size" not in one["facts"]


async def test_what_a_conda_feed_does_not_have(stand: Stand) -> None:
    stand.channel.add(package("lib", "1.0"))
    await stand.start(subdirs=("linux-64",), reserved=("corp-*",))
    assert (await explained(stand.gateway, "chan", spec="nope"))[0]["rule"] == "unknown"
    assert (await explained(stand.gateway, "chan", spec="corp-x"))[0]["rule"] == "reserved"
    assert (await explained(stand.gateway, "chan", spec="lib >2"))[0]["rule"] == "unlisted"
    assert (await explained(stand.gateway, "chan", artifact="osx-64/lib-1.0-0.conda"))[0]["rule"] == "subdirs"


async def test_pypi_file_that_drifted_is_explained_from_its_problem(tmp_path: Path, index: FakeIndex) -> None:
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        told = (await gateway.get("/api/v1/feeds/pypi/packages/demo")).json()
        path = next(item["path"] for item in told["items"] if item["artifact"] == WHEEL)
        assert (await gateway.get(f"/pypi/pypi/{path}")).status == 200
        await gateway.restart_without_cache()
        changed = wheel("demo", "1.0", requires=["leaf"])
        index.add(changed)
        told = (await gateway.get("/api/v1/feeds/pypi/packages/demo")).json()
        path = next(item["path"] for item in told["items"] if item["artifact"] == WHEEL)
        refused = (await gateway.get(f"/pypi/pypi/{path}")).json()
        assert refused["explain"] == f"/api/v1/feeds/pypi/explain?artifact={WHEEL}"
        answer = await gateway.get(refused["explain"])
        (one,) = answer.json()["items"]
        assert (one["artifact"], one["outcome"], one["rule"]) == (WHEEL, "hold", "drift")
        assert changed.sha256.encode() not in answer.body


async def test_quarantined_project_is_explained(tmp_path: Path, index: FakeIndex) -> None:
    index.quarantine("demo", "malware")
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        (one, *_) = await explained(gateway, "pypi", spec="demo")
        assert (one["outcome"], one["rule"], one["policy"]) == ("block", "quarantine", None)
        assert "malware" in one["reason"]


async def test_what_a_pypi_feed_does_not_have(tmp_path: Path, index: FakeIndex) -> None:
    private = upstream(index.url, private=True)
    async with Gateway(tmp_path, feed(private, reserved=("corp-*",))) as gateway:
        assert (await explained(gateway, "pypi", spec="nope"))[0]["rule"] == "unknown"
        assert (await explained(gateway, "pypi", spec="corp-x"))[0]["rule"] == "reserved"
        assert (await explained(gateway, "pypi", spec="demo>=3"))[0]["rule"] == "unlisted"
        assert (await explained(gateway, "pypi", spec="demo[extra]<2"))[0]["outcome"] == "allow"
        # A file's name may be asked for as a spec, too: people paste what they have.
        assert [item["artifact"] for item in await explained(gateway, "pypi", spec=WHEEL)] == [WHEEL]


@pytest.mark.parametrize(
    "query",
    ["", "spec=", "artifact=a&spec=b", "spec=" + "x" * 501, "spec=a%0Ab", "spec=%2B", "artifact=zlib"],
)
async def test_question_that_is_none_is_refused_and_nobody_is_asked(
    tmp_path: Path, origin: Origin, index: FakeIndex, query: str
) -> None:
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        await problem(gateway, f"/api/v1/feeds/pypi/explain?{query}", 422, "unprocessable", "")
        assert origin.requests == []


async def test_a_glob_asks_no_origin_about_any_name(tmp_path: Path, origin: Origin, index: FakeIndex) -> None:
    index.add(*(wheel(f"glob{number}", "1.0") for number in range(20)))
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        await until(lambda: gateway.get("/pypi/pypi/simple/"), lambda got: got.status == 200)
        await gateway.get("/pypi/pypi/simple/glob3/")
        origin.forget()
        items = await explained(gateway, "pypi", spec="glob*")
        assert origin.requests == []
        told = {item["artifact"]: (item["outcome"], item["rule"]) for item in items}
        assert told["glob3-1.0-py3-none-any.whl"][0] == "allow"
        assert told["glob7"] == ("absent", "unlisted")
        pages = await all_items(gateway, "/api/v1/feeds/pypi/explain", spec="glob*", limit=7)
        assert [item["artifact"] for page in pages for item in page] == list(told)
        assert origin.requests == []


async def test_a_file_with_many_readings_costs_no_more_than_its_download(
    tmp_path: Path, origin: Origin, index: FakeIndex
) -> None:
    filename = "-".join(["corp", *(f"{number}x" for number in range(20))]) + ".tar.gz"
    settings = feed(upstream(index.url, json_api=None))
    async with Gateway(tmp_path / "open", settings) as gateway:
        await explained(gateway, "pypi", artifact=filename)
        assert 1 <= origin.hits() <= 6
    origin.forget()
    async with Gateway(tmp_path / "reserved", replace(settings, reserved=("corp-0x-*",))) as gateway:
        await explained(gateway, "pypi", artifact=filename)
        assert origin.requests == [], "a part of a reserved name went out"
