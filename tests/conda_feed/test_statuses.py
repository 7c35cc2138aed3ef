"""Status codes, as clients were seen to take them (sheet, section 4; contract, section 3; checklist 2 and 9)."""

import json

import pytest

from tests.conda_feed.readback import FORMS, Form
from tests.conda_feed.stand import Stand
from tests.support.channel import SHARD_INDEX
from tests.support.conda_packages import bare
from tests.support.faults import SILENT, UNAVAILABLE, Fault
from tests.support.gateway import Got

INDEXES = [str(form) for form in FORMS]
#: What a channel may answer that is no answer: curable by a retry.
CURABLE = {
    "down": Fault(refuse=True),
    "silent": SILENT,
    "500": Fault(status=500),
    "503": UNAVAILABLE,
    "429": Fault(status=429, retry_after="7"),
    "cut": Fault(truncate_at=20),
}


def assert_comes_again(got: Got) -> None:
    """Assert that the answer is a 503 that a client may come back after: never the origin's own trouble."""
    assert got.status == 503, (got.status, got.body)
    assert 1 <= int(got.headers["retry-after"]) <= 5
    assert got.headers["content-type"] == "application/problem+json"
    assert got.json()["detail"]


@pytest.mark.parametrize("file", INDEXES)
async def test_a_platform_that_the_channel_has_not_is_404(stand: Stand, file: str) -> None:
    stand.channel.add(bare("a"))
    await stand.start()
    got = await stand.get(f"osx-arm64/{file}")
    assert got.status == 404
    assert got.json()["type"] == "urn:feedgate:unknown"


@pytest.mark.parametrize("form", FORMS)
async def test_noarch_always_answers_if_only_empty(stand: Stand, form: Form) -> None:
    """A 404 there ends every client's command."""
    stand.channel.add(bare("a"))
    await stand.start()
    assert await stand.indexed("noarch", form) == {"packages": {}, "packages.conda": {}}
    assert (await stand.get(f"noarch/{form}", "HEAD")).status == 200


async def test_an_empty_noarch_has_everything_that_clients_need(stand: Stand) -> None:
    await stand.start()
    document = json.loads((await stand.get("noarch/repodata.json")).body)
    assert document["info"] == {"subdir": "noarch"}
    first = await stand.get(f"noarch/{SHARD_INDEX}")
    assert (await stand.get(f"noarch/{SHARD_INDEX}", If_None_Match=first.headers["etag"])).status == 304


async def test_a_noarch_that_comes_later_is_shown(stand: Stand) -> None:
    await stand.start()
    assert await stand.files("noarch") == set()
    stand.channel.add(bare("a", subdir="noarch"))
    await stand.refresh("noarch")
    assert await stand.files("noarch") == {"a-1.0-0.conda"}


@pytest.mark.parametrize("form", FORMS)
async def test_an_empty_object_is_an_empty_channel(stand: Stand, form: Form) -> None:
    stand.channel.reshape(shards=False)
    stand.channel.put("linux-64", b"{}")
    await stand.start()
    assert await stand.indexed("linux-64", form) == {"packages": {}, "packages.conda": {}}


@pytest.mark.parametrize("trouble", CURABLE)
async def test_an_origin_in_trouble_and_nothing_held_is_503(stand: Stand, trouble: str) -> None:
    """Never a 404: rattler would believe for ever that there are no shards."""
    stand.channel.add(bare("a"), bare("b", subdir="noarch"))
    stand.origin.always("*", CURABLE[trouble])
    await stand.start(read_timeout_s=0.3)
    for path in (f"linux-64/{SHARD_INDEX}", "noarch/repodata.json.zst", "linux-64/a-1.0-0.conda"):
        assert_comes_again(await stand.get(path))


@pytest.mark.parametrize("file", ["repodata.json", SHARD_INDEX])
async def test_an_origin_that_is_off_and_nothing_held_is_503(stand: Stand, file: str) -> None:
    await stand.origin.off()
    await stand.start()
    for subdir in ("linux-64", "noarch"):
        assert_comes_again(await stand.get(f"{subdir}/{file}"))
        head = await stand.get(f"{subdir}/{file}", "HEAD")
        assert (head.status, head.body) == (503, b"")


async def test_the_first_ask_after_the_trouble_is_over_is_answered(stand: Stand) -> None:
    stand.channel.add(bare("a"))
    stand.origin.always("*", UNAVAILABLE)
    await stand.start()
    assert_comes_again(await stand.get(f"linux-64/{SHARD_INDEX}"))
    stand.origin.heal()
    stand.clock.advance(120)
    assert (await stand.get(f"linux-64/{SHARD_INDEX}")).status == 200


@pytest.mark.parametrize("status", [401, 403, 407])
async def test_an_origin_that_refuses_us_is_502_and_never_its_own_status(stand: Stand, status: int) -> None:
    stand.origin.always("*", Fault(status=status))
    await stand.start()
    for path in ("linux-64/repodata.json", f"linux-64/{SHARD_INDEX}", "noarch/repodata.json"):
        got = await stand.get(path)
        assert got.status == 502
        assert got.headers["content-type"] == "application/problem+json"


async def test_a_shard_index_that_fails_for_a_moment_does_not_hide_the_subdir(stand: Stand) -> None:
    """The channel has shards and cannot give them now: an error, not "no shards", and not an empty subdir."""
    stand.channel.add(bare("a"))
    stand.origin.always(stand.channel.path("linux-64", SHARD_INDEX), UNAVAILABLE)
    await stand.start()
    got = await stand.get(f"linux-64/{SHARD_INDEX}")
    assert got.status in (200, 503)
    stand.origin.heal()
    stand.clock.advance(120)
    assert await stand.files() == {"a-1.0-0.conda"}


async def test_unknown_files_are_404(stand: Stand) -> None:
    stand.channel.add(bare("a"))
    await stand.start()
    await stand.get("linux-64/repodata.json")
    stand.origin.forget()
    unknown = "a" * 64
    for path in (
        "linux-64/a-2.0-0.conda", "linux-64/a-1.0-0.tar.bz2", "linux-64/b-1.0-0.conda", "linux-64/a.conda",
        f"linux-64/{unknown}.msgpack.zst", f"linux-64/a-1.0-0.conda.sigs.{unknown}", "linux-64/A.msgpack.zst",
        "noarch/a-1.0-0.conda", "linux-64/a-1.0-0.whl", "linux-64/deeper/a-1.0-0.conda", "a-1.0-0.conda",
        "LINUX-64/repodata.json", "linux/repodata.json", "linux-64",
    ):  # fmt: skip
        got = await stand.get(path)
        assert got.status == 404, path
        assert got.headers["content-type"] == "application/problem+json"
        assert got.json()["detail"]
    assert stand.channel.asked() == []


async def test_a_feed_that_is_not_there_is_404_in_every_subdir(stand: Stand) -> None:
    """noarch too: a clear error for who mistyped the channel."""
    await stand.start()
    for path in (
        "noarch/repodata.json",
        f"noarch/{SHARD_INDEX}",
        "linux-64/repodata.json",
        "channeldata.json",
    ):
        assert (await stand.get(path, feed="chann")).status == 404


@pytest.mark.parametrize(
    "path", ["linux-64/..%2fnoarch/repodata.json", "../chan/noarch/repodata.json", "linux-64//repodata.json",
             "linux-64%2frepodata.json", "linux-64/%00.conda", "linux-64/a%5cb-1.0-0.conda", "linux-64/%e4-1-0.conda",
             "linux-64/./repodata.json", "%2e%2e/x"]
)  # fmt: skip
async def test_paths_that_are_not_canonical_are_refused_and_nothing_is_asked(stand: Stand, path: str) -> None:
    stand.channel.add(bare("a"))
    await stand.start()
    stand.origin.forget()
    reply = await stand.raw("GET", f"/conda/chan/{path}")
    assert reply.status in (400, 404)
    assert stand.channel.asked() == []


async def test_only_reading_is_possible(stand: Stand) -> None:
    stand.channel.add(bare("a"))
    await stand.start()
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert (await stand.get("linux-64/repodata.json", method)).status == 405
