"""Tokens: in both places of a path they lead to the feed, and nobody ever sees one again (sheet, 2.3; checklist 7)."""

import base64
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.config.settings import Auth
from proxy.model.redact import Secret
from tests.conda_feed.players import CONDA, Player, shard_indexes
from tests.conda_feed.readback import shard_digests
from tests.conda_feed.stand import Stand
from tests.support.channel import SHARD_INDEX, FakeChannel
from tests.support.conda_packages import bare
from tests.support.faults import Fault
from tests.support.origin import Origin

TOKEN = "sekret-TOKEN-0123456789"
PLACES = [f"/t/{TOKEN}/conda/chan", f"/conda/t/{TOKEN}/chan"]


async def log_of(stand: Stand) -> str:
    """Return all that was logged: the access log and the program's."""
    await stand.gateway.answered()
    return stand.access_log + stand.log.text


@pytest.mark.parametrize("below", PLACES)
async def test_a_token_leads_to_the_feed_in_both_places(stand: Stand, below: str) -> None:
    stand.channel.add(bare("tool"), bare("tool", subdir="noarch"))
    await stand.start()
    async with Player(stand, CONDA, below) as conda:
        indexes = await shard_indexes(conda, ("linux-64", "noarch"))
        records = await conda.shards_of(["tool"], indexes)
        await conda.packages(records)
        for path in ("linux-64/repodata.json", "linux-64/repodata.json.zst", "notices.json"):
            assert (await conda.get(path)).status == 200
            assert (await conda.ask("HEAD", path)).status == 200
        assert (await conda.get("osx-64/repodata.json")).status == 404
    assert len(records) == 2


@pytest.mark.parametrize("below", PLACES)
async def test_a_token_never_shows_in_a_log(stand: Stand, below: str) -> None:
    stand.channel.add(bare("tool"))
    await stand.start()
    for path in ("linux-64/repodata.json", "linux-64/tool-1.0-0.conda", "linux-64/none-1-0.conda", "x", ""):
        await stand.raw("GET", f"{below}/{path}")
        await stand.raw(
            "GET", f"{below}/{path}", f"Authorization: Basic {base64.b64encode(TOKEN.encode()).decode()}"
        )
    await stand.raw("GET", below)
    await stand.raw("GET", below.replace("chan", "another"))
    await stand.raw("POST", f"{below}/linux-64/repodata.json")
    await stand.raw("GET", f"{below}/../..")
    log = await log_of(stand)
    assert "repodata.json" in log
    assert TOKEN not in log
    assert base64.b64encode(TOKEN.encode()).decode() not in log


async def test_a_token_is_in_no_answer_and_goes_to_no_origin(stand: Stand) -> None:
    stand.channel.add(bare("tool"))
    await stand.start()
    for below in PLACES:
        for path in ("linux-64/repodata.json", "linux-64/none-1-0.conda", "osx-64/repodata.json", "x"):
            reply = await stand.raw("GET", f"{below}/{path}")
            assert TOKEN.encode() not in reply.body
            assert TOKEN not in str(reply.fields)
    assert all(TOKEN not in f"{seen.target}{seen.headers}" for seen in stand.origin.requests)


async def test_what_cannot_be_a_token_is_no_feed(stand: Stand) -> None:
    stand.channel.add(bare("tool"))
    await stand.start()
    for below in ("/t/conda/chan", "/conda/t/chan", "/t//conda/chan"):
        assert (await stand.raw("GET", f"{below}/linux-64/repodata.json")).status in (400, 404)


async def test_basic_credentials_in_a_url_are_ignored_by_an_anonymous_feed(stand: Stand) -> None:
    """conda and rattler send user:password of the URL with every request."""
    stand.channel.add(bare("tool"))
    await stand.start(auth=None)
    for header in ("Basic dXNlcjpwYXNz", "Bearer abcdefgh"):
        reply = await stand.raw("GET", "/conda/chan/linux-64/repodata.json", f"Authorization: {header}")
        assert reply.status == 200
    assert all("authorization" not in seen.headers for seen in stand.origin.requests)


# -- the origin's own ------------------------------------------------------------------------------------------


async def test_an_origins_token_is_sent_and_never_shown(stand: Stand) -> None:
    private = FakeChannel(stand.origin, prefix=f"/t/{TOKEN}/private")
    private.add(bare("tool"))
    url = f"{stand.origin.url}/private/"
    await stand.start(url=url, auth=Auth("token", None, Secret(TOKEN)))
    found = await stand.indexed()
    assert list(found["packages.conda"]) == ["tool-1.0-0.conda"]
    assert (await stand.get("linux-64/tool-1.0-0.conda")).status == 200
    private.patch("linux-64", "tool-1.0-0.conda", depends=["x"])
    await stand.refresh()
    assert (await stand.indexed())["packages.conda"]["tool-1.0-0.conda"]["depends"] == ["x"]
    assert TOKEN not in await log_of(stand)


async def test_an_origins_trouble_does_not_tell_its_token(stand: Stand) -> None:
    private = FakeChannel(stand.origin, prefix=f"/t/{TOKEN}/private")
    private.add(bare("tool"), bare("broken", build_number="x"))
    await stand.start(url=f"{stand.origin.url}/private/", auth=Auth("token", None, Secret(TOKEN)))
    await stand.files()
    answers = []
    for fault in (
        Fault(status=403),
        Fault(status=500),
        Fault(refuse=True),
        Fault(status=200, body=b"<html>"),
    ):
        stand.origin.always("*", fault)
        await stand.refresh("linux-64", "osx-64")
        for path in ("osx-64/repodata.json", "linux-64/tool-1.0-0.conda", f"osx-64/{SHARD_INDEX}"):
            answers.append(await stand.get(path))
    assert {got.status for got in answers} <= {404, 502, 503}
    assert all(TOKEN.encode() not in got.body for got in answers)
    assert TOKEN not in await log_of(stand)


async def test_credentials_are_nowhere_on_disk(stand: Stand, tmp_path: Path) -> None:
    private = FakeChannel(stand.origin, prefix=f"/t/{TOKEN}/private")
    private.add(bare("tool"))
    await stand.start(url=f"{stand.origin.url}/private/", auth=Auth("token", None, Secret(TOKEN)))
    digest = shard_digests(await stand.get(f"linux-64/{SHARD_INDEX}"))["tool"]
    await stand.get(f"linux-64/{digest}.msgpack.zst")
    await stand.get("linux-64/repodata.json")
    await stand.get("linux-64/tool-1.0-0.conda")
    await stand.stop()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if TOKEN.encode() in path.read_bytes()] == []


async def test_a_token_goes_to_no_other_origin(stand: Stand) -> None:
    """A redirect to a storage host is followed without it."""
    private = FakeChannel(stand.origin, prefix=f"/t/{TOKEN}/private")
    tool = bare("tool")
    private.add(tool)
    async with Origin() as storage:
        elsewhere = storage.add("/blob", tool.data)
        stand.origin.always(private.path("linux-64", tool.file), Fault(location=elsewhere))
        upstream = stand.upstream(url=f"{stand.origin.url}/private/")
        await stand.start(stand.feed(replace(upstream, auth=Auth("token", None, Secret(TOKEN)))))
        assert (await stand.get("linux-64/tool-1.0-0.conda")).body == tool.data
        (seen,) = storage.requests
        assert TOKEN not in f"{seen.target}{seen.headers}"
