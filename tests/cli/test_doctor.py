"""What is wrong and what to do, one line each."""

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from proxy.cli import examine
from proxy.config.settings import GIB, MIB, Cache, Server, Settings
from proxy.model.finding import Finding
from proxy.upstream.doctor import judge_hop
from proxy.upstream.hop import Hop, HopStep
from tests.cli.calling import Place
from tests.support.clock import FakeClock
from tests.support.gateway import Gateway, feed, upstream
from tests.support.index import FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel


@pytest.fixture
def listener() -> Iterator[int]:
    """A port that somebody else listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def findings(folder: Path, host: str = "127.0.0.1", port: int = 0) -> dict[str, Finding]:
    settings = Settings(server=Server(host=host, port=port, data_dir=folder / "data"), cache=Cache(MIB))
    return {finding.name: finding for finding in examine.machine(settings, FakeClock())}


def config(url: str) -> str:
    return (
        "[server]\nport = 0\n[feeds.pypi]\nkind = 'pypi'\n"
        f"upstreams = [{{ url = '{url}', allow_private = true, route = 'direct', connect_timeout = '2s' }}]\n"
    )


async def test_a_healthy_feed_is_walked_hop_by_hop(place: Place) -> None:
    async with Origin() as origin:
        origin.add("/simple/", b"<html></html>")
        place.write(config(f"{origin.url}/simple/"))
        result = await asyncio.to_thread(place.call, "doctor")
    lines = result.stdout.splitlines()
    assert result.exit_code == 0, result.output
    for hop in ("route", "name", "tcp", "origin"):
        assert any(line.startswith(f"ok      feed pypi, upstream 1, {hop}: ") for line in lines)


def conda(url: str) -> str:
    return config(url).replace("feeds.pypi", "feeds.forge").replace("'pypi'", "'conda'")


INDEXES = {"repodata.json.zst": zstandard.compress(b"{}"), "repodata.json": b'{"packages": {}}'}


@pytest.mark.parametrize("index", INDEXES)
async def test_a_channel_is_walked_to_its_noarch_index(place: Place, index: str) -> None:
    async with Origin() as origin:
        origin.add(f"/t/hunter2/team/noarch/{index}", INDEXES[index])
        place.write(conda(f"{origin.url}/t/hunter2/team"))
        result = await asyncio.to_thread(place.call, "doctor")
    assert result.exit_code == 0, result.output
    assert f"ok      feed forge, upstream 1, origin: noarch/{index}: answered 200" in result.stdout
    assert "hunter2" not in result.output


async def test_a_url_that_is_no_channel_fails_at_the_origin(place: Place) -> None:
    async with Origin() as origin:
        place.write(conda(f"{origin.url}/nowhere"))
        result = await asyncio.to_thread(place.call, "doctor")
    assert result.exit_code == 1
    assert (
        "FAILED  feed forge, upstream 1, origin: noarch/repodata.json: answered 404; check" in result.stdout
    )


def test_a_folder_is_looked_at_like_an_origin(place: Place) -> None:
    place.write("[server]\nport = 0\n[feeds.forge]\nkind = 'conda'\nupstreams = ['file:mirror']\n")
    gone = place.call("doctor", "forge").stdout
    assert f"FAILED  feed forge, upstream 1, folder: {place.folder / 'mirror'}: " in gone
    (place.folder / "mirror/noarch").mkdir(parents=True)
    (place.folder / "mirror/noarch/repodata.json").write_text("{}")
    result = place.call("doctor", "forge")
    assert result.exit_code == 0, result.output
    assert "ok      feed forge, upstream 1, origin: noarch/repodata.json: answered 200" in result.stdout


def test_an_origin_that_does_not_listen_is_a_failed_hop_with_advice(place: Place) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        place.write(config(f"http://127.0.0.1:{closed.getsockname()[1]}/simple/"))
        result = place.call("doctor", "pypi")
        document = place.json("doctor", status=1)
    assert result.exit_code == 1
    assert "FAILED  feed pypi, upstream 1, tcp: " in result.stdout
    assert "firewall" in result.stdout
    assert document["ok"] is False


def test_an_address_that_may_not_be_asked_names_the_setting(place: Place) -> None:
    place.write(config("http://127.0.0.1:9/simple/").replace("allow_private = true, ", ""))
    assert "set allow_private = true" in place.call("doctor").stdout


def test_notes_of_the_settings_are_warnings(place: Place) -> None:
    result = place.call("doctor")
    assert "WARNING configuration: no feed is configured" in result.stdout


WORDS: dict[HopStep, str] = {
    "name": "resolver",
    "tcp": "firewall",
    "proxy": "lets through",
    "proxy authentication": "password",
    "tls": "ca_files",
}


@pytest.mark.parametrize(("hop", "word"), WORDS.items())
def test_every_failed_hop_says_what_to_do(hop: HopStep, word: str) -> None:
    finding = judge_hop("feed x", Hop(hop, False, "broken"))
    assert finding.outcome == "failed"
    assert finding.detail.startswith("broken; ")
    assert word in finding.detail


def test_folders_that_are_not_there_yet_are_judged_by_the_one_above(tmp_path: Path) -> None:
    found = findings(tmp_path)
    assert found[f"folder {tmp_path / 'data'}"].outcome == "ok"
    assert not (tmp_path / "data").exists()


def test_a_file_where_a_folder_should_be_fails(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("x")
    found = findings(tmp_path)[f"folder {tmp_path / 'data'}"]
    assert (found.outcome, "is a file" in found.detail) == ("failed", True)


def test_a_folder_that_cannot_be_written_fails(tmp_path: Path) -> None:
    found = examine.machine(Settings(server=Server(data_dir=Path("/proc/feedgate"))), FakeClock())
    first = next(iter(found))
    assert first.outcome == "failed"
    assert f"user id {os.geteuid()}" in first.detail


def test_a_port_that_is_taken_fails_and_a_free_one_does_not(tmp_path: Path, listener: int) -> None:
    assert findings(tmp_path, port=0)["port"].outcome == "ok"
    taken = findings(tmp_path, port=listener)["port"]
    assert taken.outcome == "failed"
    assert "server.port" in taken.detail


@pytest.mark.parametrize("host", ["192.0.2.1", "gone.invalid", "x" * 100])
def test_an_address_that_is_not_ours_fails(tmp_path: Path, host: str) -> None:
    assert findings(tmp_path, host=host, port=0)["port"].outcome == "failed"


@pytest.mark.parametrize(
    ("free", "limit", "outcome"),
    [
        (100 * MIB, GIB, "failed"),
        (500 * MIB, GIB, "warning"),
        (2 * GIB, 50 * GIB, "warning"),
        (40 * GIB, 50 * GIB, "ok"),
    ],
)
def test_space_is_judged_beside_what_the_cache_may_take(free: int, limit: int, outcome: str) -> None:
    assert examine.judge_space(free, limit).outcome == outcome


@pytest.mark.parametrize(
    ("free", "total", "outcome"),
    [(0, 0, "ok"), (50, 10**6, "failed"), (5000, 10**6, "warning"), (10**5, 10**6, "ok")],
)
def test_inodes_are_judged_where_the_file_system_counts_them(free: int, total: int, outcome: str) -> None:
    assert examine.judge_inodes(free, total).outcome == outcome


def test_a_clock_behind_the_programs_own_files_fails() -> None:
    assert examine.judge_clock(1_000_000, 2_000_000).outcome == "failed"
    assert examine.judge_clock(2_000_000, 1_000_000).outcome == "ok"


async def test_an_offline_feed_is_told_and_its_origin_not_asked(place: Place) -> None:
    async with Origin() as origin:
        origin.add("/simple/", b"<html></html>")
        place.write(config(f"{origin.url}/simple/") + "offline = true\n")
        result = await asyncio.to_thread(place.call, "doctor")
        assert origin.hits("/simple/") == 0
    assert result.exit_code == 0, result.output
    assert (
        "ok      feed pypi: offline: what is held is served, no origin is asked" in result.stdout.splitlines()
    )
    assert "upstream 1" not in result.stdout


KEY = "admin-key-0123456789"


async def test_a_server_that_is_named_tells_its_own_hops(place: Place, tmp_path: Path) -> None:
    """No settings are needed here; the words and the JSON are those of the API."""
    async with Origin() as origin:
        FakeIndex(origin).add(wheel("demo", "1.0"))
        feeds = [feed(upstream(f"{origin.url}/simple/", name), name=name) for name in ("one", "two")]
        async with Gateway(tmp_path, *feeds, admin_key=KEY) as gateway:
            named = ("doctor", "--server", gateway.url, "--key", KEY)
            result = await asyncio.to_thread(place.call, *named)
            assert result.exit_code == 0, result.output
            assert "ok      feed two, upstream 1, origin: answered 200" in result.stdout.splitlines()
            only = await asyncio.to_thread(place.json, *named, "one")
            told = (await gateway.get("/api/v1/feeds/one/doctor", Authorization=f"Bearer {KEY}")).json()
            assert (only["ok"], only["findings"]) == (told["ok"], told["findings"])
            await origin.off()
            failed = await asyncio.to_thread(place.call, *named)
            assert (failed.exit_code, "FAILED  feed one, upstream 1, tcp: " in failed.stdout) == (1, True)
            without = await asyncio.to_thread(place.call, *named[:3])
            assert (without.exit_code, "manage" in without.stderr) == (1, True)
