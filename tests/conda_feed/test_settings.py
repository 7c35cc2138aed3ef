"""What a feed's settings make of a channel: subdirs, prefetch, addresses, folders, mirrors, aliases (issue 3)."""

import asyncio
import bz2
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.config.settings import Feed
from proxy.model.redact import SecretUrl
from tests.conda_feed.readback import FORMS, Form
from tests.conda_feed.stand import Stand
from tests.support.channel import SHARD_INDEX, FakeChannel
from tests.support.conda_index import Listed, repodata, zst
from tests.support.conda_packages import Package, bare
from tests.support.faults import Fault
from tests.support.origin import Origin

A = bare("a")


# -- subdirs ---------------------------------------------------------------------------------------------------


async def test_only_the_subdirs_of_the_settings_and_noarch_are_served(stand: Stand) -> None:
    stand.channel.add(A, bare("m", subdir="osx-64"), bare("n", subdir="noarch"))
    await stand.start(subdirs=("linux-64",))
    stand.origin.forget()
    assert await stand.files() == {A.file}
    assert await stand.files("noarch") == {"n-1.0-0.conda"}
    for path in (*FORMS, "m-1.0-0.conda", "run_exports.json"):
        assert (await stand.get(f"osx-64/{path}")).status == 404
    assert not [line for line in stand.channel.asked() if "osx-64" in line]


async def test_every_subdir_is_served_where_the_settings_name_none(stand: Stand) -> None:
    for subdir in ("linux-64", "osx-arm64", "emscripten-wasm32", "zos-z", "freebsd-64", "next-9000"):
        stand.channel.add(bare("a", subdir=subdir))
    await stand.start()
    for subdir in stand.channel.subdirs:
        assert await stand.files(subdir) == {A.file}


async def test_what_the_settings_name_is_fetched_before_any_client_asks(stand: Stand) -> None:
    stand.channel.add(A, bare("m", subdir="osx-64"), bare("n", subdir="noarch"))
    await stand.start(subdirs=("linux-64", "osx-64"))
    stand.origin.forget()
    for subdir in ("linux-64", "osx-64", "noarch"):
        assert (await stand.get(f"{subdir}/{SHARD_INDEX}")).status == 200
    assert stand.channel.asked() == []


async def test_the_start_does_not_wait_for_a_silent_channel(stand: Stand) -> None:
    stand.origin.always("*", Fault(silent=True))
    async with asyncio.timeout(1.5):
        await stand.start(subdirs=("linux-64",), read_timeout_s=30.0, settle=False)
        assert (await stand.gateway.get("/readyz")).status == 200


async def test_a_first_fetch_that_takes_long_is_503_before_a_client_gives_up(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fetch goes on, and whoever comes later has it."""
    monkeypatch.setattr("proxy.feeds.conda.finding.PATIENCE_S", 0.3)
    stand.channel.add(A)
    stand.origin.always(stand.channel.path("linux-64", "repodata.json.zst"), Fault(delay_s=1.0))
    await stand.start()
    for form in FORMS:
        got = await stand.get(f"linux-64/{form}")
        assert (got.status, got.json()["type"]) == (503, "urn:feedgate:preparing")
        assert 1 <= int(got.headers["retry-after"]) <= 30
    await stand.settled()
    assert await stand.files() == {A.file}
    assert stand.origin.hits(stand.channel.path("linux-64", "repodata.json.zst")) == 1


async def test_many_ask_at_once_for_a_noarch_that_nobody_has(stand: Stand) -> None:
    """What nobody has is made once, however many ask first."""
    await stand.start(settle=False)
    got = await asyncio.gather(*(stand.get(f"noarch/{form}") for form in FORMS * 6))
    assert {each.status for each in got} == {200}


# -- addresses -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["/pkgs/main", "/team/label/dev", "/a/b/c/d", "/with%20space"])
async def test_a_channel_may_have_several_components_and_labels(stand: Stand, prefix: str) -> None:
    channel = FakeChannel(stand.origin, prefix=prefix)
    channel.add(A, bare("p", "1.0+x"))
    await stand.start(url=channel.url)
    assert await stand.files() == {A.file, "p-1.0+x-0.conda"}
    assert (await stand.get("linux-64/p-1.0+x-0.conda")).status == 200


async def test_the_address_may_lack_its_slash(stand: Stand) -> None:
    stand.channel.add(A)
    await stand.start(url=stand.channel.url.rstrip("/"))
    assert await stand.files() == {A.file}
    assert (await stand.get(f"linux-64/{A.file}")).status == 200


async def test_an_alias_leads_to_the_same_feed(stand: Stand) -> None:
    stand.channel.add(A)
    await stand.start(aliases=("other-name",))
    assert await stand.files(feed="other-name") == {A.file}
    assert (await stand.get(f"linux-64/{A.file}", feed="other-name")).body == A.data
    assert stand.origin.hits(stand.channel.path("linux-64", A.file)) == 1


async def test_the_second_of_two_addresses_is_asked_when_the_first_is_gone(stand: Stand) -> None:
    async with Origin() as mirror:
        copy = FakeChannel(mirror)
        for channel in (stand.channel, copy):
            channel.add(A, bare("b"))
        upstream = stand.upstream()
        urls = (SecretUrl(stand.channel.url), SecretUrl(copy.url))
        await stand.start(stand.feed(replace(upstream, urls=urls)))
        assert len(await stand.files()) == 2
        await stand.origin.off()
        assert (await stand.get(f"linux-64/{A.file}")).body == A.data
        copy.add(bare("b", "2.0"))
        await stand.refresh()
        assert "b-2.0-0.conda" in await stand.files()


async def test_the_channels_own_address_is_no_error_page(stand: Stand) -> None:
    """People open it in a browser; no client asks for it."""
    stand.channel.add(A)
    await stand.start()
    assert (await stand.gateway.get("/conda/chan")).status in (301, 302, 404)
    assert (await stand.gateway.get("/conda/chan/")).status in (200, 301, 302, 404)


# -- a folder of this machine ----------------------------------------------------------------------------------


def unpacked(folder: Path, *packages: Package, packing: str = "") -> Path:
    """Write a channel as an unpacked mirror has it."""
    for subdir in {each.subdir for each in packages}:
        here = [each for each in packages if each.subdir == subdir]
        (folder / subdir).mkdir(parents=True, exist_ok=True)
        index = repodata(subdir, Listed({each.file: dict(each.record) for each in here}))
        data = {"": index, ".zst": zst(index), ".bz2": bz2.compress(index)}[packing]
        (folder / subdir / f"repodata.json{packing}").write_bytes(data)
        for each in here:
            (folder / subdir / each.file).write_bytes(each.data)
    return folder


def of_folder(stand: Stand, folder: Path, **changes: Any) -> Feed:
    return stand.feed(stand.upstream(url=folder.as_uri() + "/"), **changes)


@pytest.mark.parametrize("packing", ["", ".zst", ".bz2"])
async def test_a_channel_may_be_a_folder(stand: Stand, tmp_path: Path, packing: str) -> None:
    folder = unpacked(tmp_path / "mirror", A, bare("n", subdir="noarch"), packing=packing)
    await stand.start(of_folder(stand, folder))
    for form in FORMS:
        assert await stand.files("linux-64", form) == {A.file}
    assert await stand.files("noarch") == {"n-1.0-0.conda"}
    assert (await stand.get(f"linux-64/{A.file}")).body == A.data
    assert (await stand.get(f"linux-64/{A.file}", Range="bytes=-10")).body == A.data[-10:]
    assert (await stand.get("osx-64/repodata.json")).status == 404


async def test_a_folder_that_changes_is_read_again(stand: Stand, tmp_path: Path) -> None:
    folder = unpacked(tmp_path / "mirror", A)
    await stand.start(of_folder(stand, folder))
    assert await stand.files() == {A.file}
    unpacked(folder, A, bare("b"))
    await stand.refresh()
    assert await stand.files("linux-64", Form.JSON) == {A.file, "b-1.0-0.conda"}


async def test_a_folder_that_is_gone_leaves_what_was(stand: Stand, tmp_path: Path) -> None:
    folder = unpacked(tmp_path / "mirror", A)
    await stand.start(of_folder(stand, folder))
    assert await stand.files() == {A.file}
    folder.rename(tmp_path / "moved")
    await stand.refresh()
    assert await stand.files() == {A.file}


async def test_only_what_is_below_the_folder_is_read(stand: Stand, tmp_path: Path) -> None:
    outside = bare("outside")
    (tmp_path / outside.file).write_bytes(outside.data)
    folder = unpacked(tmp_path / "mirror", A, outside)
    (folder / "linux-64" / outside.file).unlink()
    (folder / "linux-64" / outside.file).symlink_to(tmp_path / outside.file)
    await stand.start(of_folder(stand, folder))
    got = await stand.get(f"linux-64/{outside.file}")
    assert got.status in (404, 502)
    assert outside.data not in got.body


# -- what is asked in which coding (D15) -----------------------------------------------------------------------


CODINGS: dict[str, str | None] = {
    "": None,
    "identity": None,
    "gzip": "gzip",
    "gzip, deflate": "gzip",
    "gzip;q=0": None,
    "gzip;q=0, zstd": "zstd",
    "zstd;q=0, gzip;q=0.5": "gzip",
    "*;q=0": None,
    "br": None,
    "gzip;q=0.000, identity": None,
}


async def test_the_coding_is_the_one_that_was_asked_for(stand: Stand) -> None:
    stand.channel.add(*(bare(f"n{number}") for number in range(30)))
    await stand.start()
    for accepted, coding in CODINGS.items():
        headers = {"Accept_Encoding": accepted} if accepted else {}
        got = await stand.get("linux-64/repodata.json", **headers)
        assert (got.status, got.headers.get("content-encoding")) == (200, coding), accepted
        assert "Accept-Encoding" in got.headers["vary"]
