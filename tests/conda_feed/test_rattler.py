"""py-rattler through the feed: the same records in every form, and real installs, cold, warm and without the origin."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest
import rattler
from rattler import (
    BuildString,
    Channel,
    Gateway,
    GenericVirtualPackage,
    PackageName,
    RepoDataRecord,
    SourceConfig,
    Version,
)

from tests.conda_feed.stand import LATER_S, Stand
from tests.support.channel import FULL, SHARD_INDEX
from tests.support.conda_packages import bare, package, python, replaced

#: How rattler is told to take one form.
FORMS = {
    "shards": SourceConfig(),
    "zst": SourceConfig(sharded_enabled=False),
    "json": SourceConfig(sharded_enabled=False, zstd_enabled=False, bz2_enabled=False),
}
PLATFORMS: Final = ("linux-64", "noarch")
#: Fields that say where a record came from.
_OF_SOURCE = {"url", "channel"}


def chain(stand: Stand) -> None:
    """A tool in Python on a python and a library of both formats, on a generic base; and what nobody needs."""
    stand.channel.add(
        package("tool", "1.0", noarch="python", depends=("python >=3.11", "lib >=2")),
        package("tool", "0.9", noarch="python"),
        package("lib", "2.0", "h1_0", extension=".tar.bz2", depends=("base", "__linux")),
        package("lib", "2.0", "h1_0", depends=("base", "__linux")),
        package("base", "1!1.0+x", noarch="generic"),
        python(),
        bare("other"),
    )


async def records(url: str, form: str, cache: Path, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return what rattler finds of these names: file -> record."""
    gateway = Gateway(cache_dir=cache, default_config=FORMS[form])
    found = await gateway.query([Channel(url)], PLATFORMS, list(names), recursive=False)
    return {f"{each.subdir}/{each.file_name}": _plain(each) for answer in found for each in answer}


def _plain(record: RepoDataRecord) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(record.to_json())
    return {key: value for key, value in said.items() if key not in _OF_SOURCE}


async def solved(
    stand: Stand, cache: Path, *specs: str, form: str = "shards", feed: str = "chan"
) -> list[RepoDataRecord]:
    gateway = Gateway(cache_dir=cache, default_config=FORMS[form])
    linux = GenericVirtualPackage(PackageName("__linux"), Version("6.8"), BuildString("0"))
    return await rattler.solve(
        [Channel(f"{stand.gateway.url}/conda/{feed}")], list(specs), gateway=gateway, platforms=PLATFORMS,
        virtual_packages=[linux],
    )  # fmt: skip


async def installed(stand: Stand, home: Path, *specs: str, form: str = "shards", feed: str = "chan") -> Path:
    """Solve and install with caches of its own; return the prefix."""
    found = await solved(stand, home / "repodata", *specs, form=form, feed=feed)
    prefix = home / "prefix"
    await rattler.install(found, target_prefix=prefix, cache_dir=home / "packages", show_progress=False)
    return prefix


def assert_whole(prefix: Path) -> None:
    """Assert that the chain was installed: module, command, files and metadata."""
    assert (prefix / "lib/python3.11/site-packages/tool/__init__.py").read_text().startswith("__version__")
    assert "tool" in (prefix / "bin/tool").read_text()
    assert (prefix / "share/base/version.txt").read_text() == "1!1.0+x"
    metas = sorted(path.name for path in (prefix / "conda-meta").glob("*.json"))
    assert metas == [
        "base-1!1.0+x-0.json",
        "lib-2.0-h1_0.json",
        "python-3.11.9-h0_0_cpython.json",
        "tool-1.0-0.json",
    ]


@pytest.mark.parametrize("form", FORMS)
async def test_the_records_are_those_of_the_origin(stand: Stand, form: str, tmp_path: Path) -> None:
    chain(stand)
    await stand.start()
    names = ["tool", "lib", "base", "python", "other"]
    direct = await records(stand.channel.url, form, tmp_path / "direct", names)
    through = await records(f"{stand.gateway.url}/conda/chan", form, tmp_path / "through", names)
    assert through == direct
    assert len(through) >= 6


async def test_the_records_are_the_same_in_every_form(stand: Stand, tmp_path: Path) -> None:
    chain(stand)
    await stand.start()
    url = f"{stand.gateway.url}/conda/chan"
    found = [await records(url, form, tmp_path / form, ["tool", "base", "python"]) for form in FORMS]
    assert found[0] == found[1] == found[2]


async def test_rattler_asks_for_shards_and_for_nothing_else(stand: Stand, tmp_path: Path) -> None:
    chain(stand)
    await stand.start()
    await records(f"{stand.gateway.url}/conda/chan", "shards", tmp_path, ["tool"])
    files = {line.path.rpartition("/")[2] for line in await stand.gateway.answered()}
    assert SHARD_INDEX in files
    assert all(file.endswith(".msgpack.zst") for file in files)


async def test_without_shards_rattler_probes_with_head(stand: Stand, tmp_path: Path) -> None:
    chain(stand)
    await stand.start()
    await records(f"{stand.gateway.url}/conda/chan", "zst", tmp_path, ["tool"])
    lines = await stand.gateway.answered()
    asked = {(line.method, line.path.rpartition("/")[2], line.status) for line in lines}
    assert {("HEAD", "repodata.json.zst", 200), ("GET", "repodata.json.zst", 200)} <= asked
    assert not [line for line in asked if line[2] >= 500]


@pytest.mark.parametrize("form", FORMS)
async def test_a_chain_is_solved_and_installed(stand: Stand, form: str, tmp_path: Path) -> None:
    chain(stand)
    await stand.start()
    assert_whole(await installed(stand, tmp_path, "tool", form=form))


async def test_a_chain_of_a_channel_without_shards_or_sha256_is_installed(
    stand: Stand, tmp_path: Path
) -> None:
    stand.channel.reshape(shards=False, zst=False, hashes=("md5",))
    chain(stand)
    await stand.start()
    assert_whole(await installed(stand, tmp_path, "tool"))


async def test_a_second_machine_installs_without_the_origin_being_asked(stand: Stand, tmp_path: Path) -> None:
    chain(stand)
    await stand.start()
    await installed(stand, tmp_path / "one", "tool")
    await stand.settled()
    stand.origin.forget()
    assert_whole(await installed(stand, tmp_path / "two", "tool"))
    assert stand.channel.asked() == []


@pytest.mark.parametrize("form", FORMS)
async def test_a_chain_is_installed_with_the_origin_gone(stand: Stand, form: str, tmp_path: Path) -> None:
    chain(stand)
    await stand.start()
    await installed(stand, tmp_path / "one", "tool", form=form)
    await stand.settled()
    await stand.origin.off()
    stand.clock.advance(LATER_S)
    await stand.restart()
    assert_whole(await installed(stand, tmp_path / "two", "tool", form=form))


async def test_the_older_format_is_installed_where_only_it_is_there(stand: Stand, tmp_path: Path) -> None:
    stand.channel.add(package("lib", extension=".tar.bz2", noarch="generic"))
    await stand.start()
    prefix = await installed(stand, tmp_path, "lib")
    assert (prefix / "share/lib/version.txt").read_text() == "1.0"


async def test_a_new_version_is_found_once_the_index_is_old(stand: Stand, tmp_path: Path) -> None:
    chain(stand)
    await stand.start()
    await solved(stand, tmp_path / "one", "tool")
    stand.channel.add(package("tool", "2.0", noarch="python", depends=("python",)))
    await stand.refresh("noarch")
    found = await solved(stand, tmp_path / "two", "tool")
    assert "tool-2.0-0.conda" in {each.file_name for each in found}


async def test_a_client_with_an_old_index_still_finds_its_shards(stand: Stand, tmp_path: Path) -> None:
    """One gateway holds the index of before; a shard that was replaced is a hard error in rattler if it is missing."""
    chain(stand)
    await stand.start()
    gateway = Gateway(cache_dir=tmp_path / "cache")
    url = Channel(f"{stand.gateway.url}/conda/chan")
    await gateway.query([url], PLATFORMS, ["other"], recursive=False)
    stand.channel.add(package("tool", "2.0", noarch="python"))
    await stand.refresh(*PLATFORMS)
    found = await gateway.query([url], PLATFORMS, ["tool"], recursive=False)
    assert {each.file_name for answer in found for each in answer} == {"tool-1.0-0.conda", "tool-0.9-0.conda"}


async def test_names_are_those_of_the_channel(stand: Stand, tmp_path: Path) -> None:
    chain(stand)
    await stand.start()
    for form, config in FORMS.items():
        gateway = Gateway(cache_dir=tmp_path / form, default_config=config)
        found = await gateway.names([Channel(f"{stand.gateway.url}/conda/chan")], PLATFORMS)
        assert {each.normalized for each in found} == {"tool", "lib", "base", "python", "other"}


async def test_a_held_package_is_not_offered_and_a_notice_says_so(stand: Stand, tmp_path: Path) -> None:
    stand.channel.shape = FULL
    new = package("tool", "2.0", noarch="python")
    stand.channel.add(package("tool", "1.0", noarch="python"), new, python())
    await stand.start()
    await stand.files("noarch")
    # A digest binds once its bytes came.
    assert (await stand.get(f"noarch/{new.file}")).status == 200
    stand.channel.add(replaced(new, b"other" * 99))
    await stand.gateway.restart_without_cache()
    found = await solved(stand, tmp_path, "tool")
    assert [each.file_name for each in found if each.name.normalized == "tool"] == ["tool-1.0-0.conda"]
    channel = Channel(f"{stand.gateway.url}/conda/chan")
    (notice,) = await Gateway(cache_dir=tmp_path / "notices").channel_notices([channel])
    assert "1 package is hidden" in notice.message


async def test_a_platform_that_is_not_there_and_an_empty_noarch_are_no_errors(
    stand: Stand, tmp_path: Path
) -> None:
    stand.channel.add(package("lib"))
    await stand.start()
    for form in FORMS:
        gateway = Gateway(cache_dir=tmp_path / form, default_config=FORMS[form])
        url = Channel(f"{stand.gateway.url}/conda/chan")
        found = await gateway.query([url], ("linux-64", "noarch", "osx-arm64"), ["lib"], recursive=False)
        assert [each.file_name for answer in found for each in answer] == ["lib-1.0-0.conda"]


async def test_a_record_says_where_it_comes_from_and_that_is_here(stand: Stand, tmp_path: Path) -> None:
    chain(stand)
    stand.channel.subdir("linux-64").top |= {"info": {"base_url": "https://evil.invalid/"}}
    await stand.start()
    for form in FORMS:
        for each in await solved(stand, tmp_path / form, "tool", form=form):
            assert each.url.startswith(f"{stand.gateway.url}/conda/chan/")
