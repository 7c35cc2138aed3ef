"""`packages` with policies: hidden names and files with their verdicts, in the API and the command, for both kinds."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.api.reading import names
from tests.cli.calling import Place, make_place
from tests.conda_feed.stand import Stand
from tests.policies.made import written
from tests.policies.test_keys_uv import two, young
from tests.support.conda_packages import bare
from tests.support.gateway import Gateway, eventually, feed, upstream
from tests.support.index import FakeIndex
from tests.support.wheels import wheel


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    place = make_place(tmp_path, monkeypatch)
    place.begin()
    return place


async def test_hidden_names_and_files_of_a_conda_feed(stand: Stand) -> None:
    stand.channel.add(bare("demo", "1.0"), bare("demo", "2.0"), bare("other"), bare("gone"))
    policy = await written("conda", {"block": ["demo >=2", "gone"]})
    await stand.start(subdirs=("linux-64",), policy="corp", policies=(policy,))
    gateway = stand.gateway
    assert await names(gateway, "chan") == ["demo", "gone", "other"]
    assert await names(gateway, "chan", state="hidden") == ["demo", "gone"]
    assert await names(gateway, "chan", state="hidden", q="on") == ["gone"]
    assert await names(gateway, "chan", state="allowed") == ["demo", "other"]
    told = (await gateway.get("/api/v1/feeds/chan/packages/demo")).json()
    verdicts = {item["version"]: item["verdict"]["rule"] for item in told["items"]}
    assert (verdicts, told["files"], told["hidden"]) == ({"1.0": "open", "2.0": "block"}, 1, 1)
    hidden = next(item for item in told["items"] if item["version"] == "2.0")
    assert not {"size", "sha256"} & hidden.keys()


async def test_hidden_names_and_files_of_a_pypi_feed(tmp_path: Path, index: FakeIndex) -> None:
    young(index)
    index.add(wheel("other", "1.0"))
    policy = await written("pypi", {"min_age": "7d"})
    async with Gateway(tmp_path, feed(upstream(index.url), policy="corp"), policies=(policy,)) as gateway:
        await eventually(lambda: gateway.get("/api/v1/feeds/pypi/packages"))
        told = (await gateway.get("/api/v1/feeds/pypi/packages/demo")).json()
        verdicts = {item["version"]: item["verdict"] for item in told["items"]}
        assert verdicts["1.0"]["outcome"] == "allow"
        assert (verdicts["2.0"]["outcome"], verdicts["2.0"]["rule"]) == ("hold", "min_age")
        assert verdicts["2.0"]["until"] is not None
        assert await names(gateway, "pypi", state="hidden") == ["demo"]
        assert await names(gateway, "pypi") == ["demo", "other"]


async def test_warnings_and_audited_verdicts_are_told_of_what_is_shown(
    tmp_path: Path, index: FakeIndex
) -> None:
    two(index)
    policy = await written("pypi", {"block": ["demo >=2"], "mode": "audit"})
    async with Gateway(tmp_path, feed(upstream(index.url), policy="corp"), policies=(policy,)) as gateway:
        told = (await gateway.get("/api/v1/feeds/pypi/packages/demo")).json()
        verdicts = {item["version"]: (item["verdict"]["outcome"], "size" in item) for item in told["items"]}
        assert verdicts == {"1.0": ("allow", True), "2.0": ("warn", True)}


async def test_command_lists_what_is_hidden_and_why(stand: Stand, place: Place) -> None:
    stand.channel.add(bare("demo", "1.0"), bare("demo", "2.0"), bare("other"))
    policy = await written("conda", {"block": ["demo >=2"]})
    await stand.start(subdirs=("linux-64",), policy="corp", policies=(policy,))

    async def call(*words: str) -> str:
        asked: tuple[Any, ...] = ("feed", "packages", "chan", *words, "--server", stand.gateway.url)
        result = await asyncio.to_thread(place.call, *asked)
        assert result.exit_code == 0, result.output
        return result.stdout

    assert [line.split() for line in (await call("--hidden")).splitlines()[1:]] == [["demo", "1", "1", "1"]]
    listed = await call("demo", "--hidden")
    assert "linux-64/demo-2.0-0.conda" in listed
    assert 'block by block: "demo >=2" is on the list (block)' in listed
    assert "demo-1.0" not in listed
