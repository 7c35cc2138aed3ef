"""run_exports, channeldata and notices tell of what is shown, and of nothing else (sheet, 9; CEP 12, 38, 6)."""

import json
from dataclasses import replace

import pytest

from proxy.config.settings import Feed, Upstream
from tests.conda_feed.readback import plain
from tests.conda_feed.stand import Stand
from tests.policy.made import policy
from tests.support.conda_packages import bare, package, replaced
from tests.support.faults import UNAVAILABLE, Fault

A = package("a", run_exports=("a >=1",))
B = package("b", extension=".tar.bz2")


async def started(stand: Stand) -> None:
    stand.channel.reshape(run_exports=True, channeldata=True)
    stand.channel.add(A, B, package("c", noarch="generic", run_exports=("c",)))
    await stand.start()


@pytest.mark.parametrize("file", ["run_exports.json", "run_exports.json.zst"])
async def test_run_exports_are_those_of_the_channel(stand: Stand, file: str) -> None:
    await started(stand)
    document = json.loads(plain((await stand.get(f"linux-64/{file}")).body))
    assert document == {
        "info": {"subdir": "linux-64", "version": 1},
        "packages": {B.file: {"run_exports": {}}},
        "packages.conda": {A.file: {"run_exports": {"weak": ["a >=1"]}}},
    }


async def test_run_exports_of_files_that_are_not_shown_are_left_out(stand: Stand) -> None:
    """They list all packages of the unpatched index: also what hot-fixes removed and what is held."""
    stand.channel.add(package("gone", run_exports=("gone",)))
    await started(stand)
    await stand.files()
    assert (await stand.get(f"linux-64/{A.file}")).status == 200, "a digest binds once its bytes came"
    stand.channel.take_out("linux-64", "gone-1.0-0.conda")
    stand.channel.add(replaced(A, b"other" * 50))
    await stand.gateway.restart_without_cache()
    document = (await stand.get("linux-64/run_exports.json")).json()
    assert document["packages"] | document["packages.conda"] == {B.file: {"run_exports": {}}}


async def test_a_channel_without_run_exports_has_none_here(stand: Stand) -> None:
    stand.channel.add(A)
    await stand.start()
    assert (await stand.get("linux-64/run_exports.json")).status == 404
    assert (await stand.get("linux-64/run_exports.json.zst")).status == 404


async def test_run_exports_follow_the_index(stand: Stand) -> None:
    await started(stand)
    await stand.get("linux-64/run_exports.json")
    stand.channel.add(package("a", "2.0", run_exports=("a >=2",)))
    await stand.refresh()
    document = (await stand.get("linux-64/run_exports.json")).json()
    assert document["packages.conda"]["a-2.0-0.conda"] == {"run_exports": {"weak": ["a >=2"]}}


async def test_side_documents_are_rendered_and_asked_for_once(stand: Stand) -> None:
    await started(stand)
    for path in ("linux-64/run_exports.json", "channeldata.json"):
        first = await stand.get(path)
        stand.origin.forget()
        again = await stand.get(path)
        assert (again.body, stand.channel.asked()) == (first.body, [])


@pytest.mark.parametrize("path", ["linux-64/run_exports.json", "channeldata.json"])
@pytest.mark.parametrize(
    "fault", [UNAVAILABLE, Fault(status=200, body=b"<html>login</html>"), Fault(truncate_at=30)]
)
async def test_trouble_leaves_the_last_good_side_document(stand: Stand, path: str, fault: Fault) -> None:
    await started(stand)
    good = await stand.get(path)
    for file in ("linux-64/run_exports.json.zst", "linux-64/run_exports.json", "channeldata.json"):
        stand.origin.always(f"/chan/{file}", fault)
    stand.clock.advance(5000)
    again = await stand.get(path)
    assert (again.status, again.body) == (200, good.body)


async def test_channeldata_is_that_of_what_is_shown(stand: Stand) -> None:
    await started(stand)
    await stand.get("linux-64/repodata.json")
    document = (await stand.get("channeldata.json")).json()
    assert (document["channeldata_version"], document["subdirs"]) == (1, ["linux-64", "noarch"])
    assert document["packages"].keys() == {"a", "b", "c"}
    a = document["packages"]["a"]
    assert (a["version"], a["subdirs"], a["reference_package"]) == (
        "1.0",
        ["linux-64"],
        "linux-64/a-1.0-0.conda",
    )


async def test_channeldata_tells_the_newest_that_is_shown(stand: Stand) -> None:
    """The newest version is held: what is told is the newest that is not."""
    new = package("a", "1.10")
    stand.channel.reshape(channeldata=True)
    stand.channel.add(A, package("a", "1.9"), new)
    await stand.start()
    await stand.files()
    assert (await stand.get(f"linux-64/{new.file}")).status == 200
    stand.channel.add(replaced(new, b"other" * 50))
    await stand.gateway.restart_without_cache()
    await stand.files()
    a = (await stand.get("channeldata.json")).json()["packages"]["a"]
    assert a["version"] == "1.9"
    assert "1.10" not in json.dumps(a)


async def test_channeldata_goes_on_beside_a_version_that_nobody_can_compare(stand: Stand) -> None:
    """The channel's newest is held; of what is left one version is none."""
    new = package("a", "1.10")
    stand.channel.reshape(channeldata=True)
    stand.channel.add(A, package("a", "1.9"), bare("a", "9..9++"), new)
    await stand.start()
    await stand.files()
    assert (await stand.get(f"linux-64/{new.file}")).status == 200
    stand.channel.add(replaced(new, b"other" * 50))
    await stand.gateway.restart_without_cache()
    await stand.files()
    got = await stand.get("channeldata.json")
    assert (got.status, got.json()["packages"]["a"]["version"]) == (200, "1.9")


async def test_names_of_subdirs_that_are_not_served_are_left_out(stand: Stand) -> None:
    stand.channel.reshape(channeldata=True)
    stand.channel.add(bare("a"), bare("m", subdir="osx-64"))
    await stand.start(subdirs=("linux-64",))
    document = (await stand.get("channeldata.json")).json()
    assert (list(document["packages"]), document["subdirs"]) == (["a"], ["linux-64", "noarch"])


async def test_a_channel_without_channeldata_has_none_here(stand: Stand) -> None:
    stand.channel.add(A)
    await stand.start()
    assert (await stand.get("channeldata.json")).status == 404


async def test_a_side_document_without_its_origin(stand: Stand) -> None:
    await started(stand)
    good = [(await stand.get(path)).body for path in ("linux-64/run_exports.json", "channeldata.json")]
    await stand.origin.off()
    stand.clock.advance(5000)
    await stand.restart()
    assert [
        (await stand.get(path)).body for path in ("linux-64/run_exports.json", "channeldata.json")
    ] == good


async def test_notices_are_empty_where_nothing_is_hidden(stand: Stand) -> None:
    await started(stand)
    await stand.files()
    got = await stand.get("notices.json")
    assert (got.status, got.json(), got.headers["content-type"]) == (200, {"notices": []}, "application/json")


async def test_the_origins_notices_are_not_passed_on(stand: Stand) -> None:
    """They would tell of a channel that is not this one, with the origin's links."""
    stand.origin.add("/chan/notices.json", b'{"notices":[{"id":"x","message":"go to https://evil.invalid"}]}')
    await started(stand)
    assert (await stand.get("notices.json")).json() == {"notices": []}
    assert stand.origin.hits("/chan/notices.json") == 0


async def test_a_feed_of_a_feed_has_those_of_the_inner_one_narrowed_by_its_policy(stand: Stand) -> None:
    """C14: what the inner feed hides is in neither, what the outer one hides only in the inner one's."""
    stand.channel.reshape(run_exports=True, channeldata=True)
    stand.channel.add(A, B, package("c", run_exports=("c",)))
    outer = Feed("outer", "conda", (Upstream("outer-1", feed="mid"),), policy="corp")
    mid = Feed("mid", "conda", (Upstream("mid-1", feed="chan"),))
    inner = stand.feed(stand.upstream(except_=("c",)))
    await stand.start(inner, mid, outer, policies=[policy(block=["b"])])
    assert await stand.files(feed="outer") == {A.file}
    stand.origin.forget()
    for feed, files in (("outer", {A.file}), ("mid", {A.file, B.file})):
        for file in ("run_exports.json", "run_exports.json.zst"):
            document = json.loads(plain((await stand.get(f"linux-64/{file}", feed=feed)).body))
            assert document["packages"].keys() | document["packages.conda"].keys() == files
        names = (await stand.get("channeldata.json", feed=feed)).json()["packages"].keys()
        assert names == {file.split("-")[0] for file in files}
    asked = stand.channel.asked()
    assert asked and len(asked) == len(set(asked)), "the outer feed's come from what the inner one has"
    offline = replace(outer, offline=True)
    stand.gateway.reload(inner, mid, offline, policies=[policy(block=["b"])])
    stand.clock.advance(5000)
    stand.origin.forget()
    assert (await stand.get("linux-64/run_exports.json", feed="outer")).status == 200
    assert (await stand.get("channeldata.json", feed="outer")).status == 200
    await stand.settled()
    assert not [path for path in stand.channel.asked() if "run_exports" in path or "channeldata" in path]
