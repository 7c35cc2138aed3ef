"""A curated conda feed lists what is approved, as it was approved, in every form; nothing else downloads."""

import json

import pytest

from tests.approval_conda.desk import Desk
from tests.conda_feed.readback import FORMS, Form, sections_of
from tests.conda_feed.stand import LATER_S
from tests.support.channel import SHARD_INDEX
from tests.support.conda_packages import bare, package

A, B = bare("a"), bare("b", "2.0")
LINUX = "linux-64"


def path(each: object) -> str:
    return f"{each.subdir}/{each.file}"  # type: ignore[attr-defined]


async def test_an_empty_feed_answers_everywhere_and_lists_nothing(desk: Desk) -> None:
    desk.channel.add(A)
    await desk.begin()
    for subdir in (LINUX, "noarch", "osx-arm64"):
        assert await desk.listed(subdir) == set()
    assert (await desk.seen("foo-bar/repodata.json")).status == 404


async def test_a_file_nobody_approved_is_refused_in_words_and_no_source_is_asked(desk: Desk) -> None:
    desk.channel.add(A)
    await desk.begin()
    desk.origin.forget()
    for method in ("GET", "HEAD"):
        got = await desk.seen(path(A), method)
        assert got.status == 404
    got = await desk.seen(path(A), Range="bytes=0-9")
    assert got.json()["type"] == "urn:feedgate:not-approved"
    assert "ask a reviewer" in got.json()["detail"]
    assert desk.channel.asked() == []


async def test_an_approved_file_is_listed_at_once_in_every_form_and_downloads(desk: Desk) -> None:
    desk.channel.add(A, B)
    await desk.begin()
    assert await desk.listed() == set()
    await desk.approve(path(A))
    assert await desk.listed() == {path(A)}
    got = await desk.seen(path(A))
    assert (got.status, got.body) == (200, A.data)
    assert (await desk.seen(path(B))).status == 404


@pytest.mark.parametrize("form", FORMS)
async def test_the_first_answer_after_an_approval_tells_it(desk: Desk, form: Form) -> None:
    """A client that asks once a second must not get what was rendered for the one before it."""
    desk.channel.add(A, B)
    await desk.begin()
    await desk.approve(path(A))
    assert await desk.files(LINUX, form, feed="approved") == {A.file}
    await desk.approve(path(B))
    if form is Form.SHARDS:
        assert await desk.files(LINUX, form, feed="approved") == {A.file, B.file}
        return
    sections = sections_of(await desk.seen(f"{LINUX}/{form}"))
    assert {file for records in sections.values() for file in records} == {A.file, B.file}


async def test_a_revoked_file_is_gone_at_once_everywhere(desk: Desk) -> None:
    desk.channel.add(A, B)
    await desk.begin()
    await desk.approve(path(A), path(B))
    assert (await desk.seen(path(A))).status == 200
    await desk.revoke(path(A), "a hole in it")
    for headers in ({}, {"Range": "bytes=0-9"}, {"If_None_Match": f'"{A.sha256}"'}):
        got = await desk.seen(path(A), **headers)
        assert (got.status, got.json()["type"]) == (403, "urn:feedgate:revoked")
        assert "a hole in it" in got.json()["detail"]
    assert A.sha256 not in (await desk.seen(path(A))).body.decode()
    assert await desk.listed() == {path(B)}


async def test_a_revoked_file_may_be_approved_again(desk: Desk) -> None:
    desk.channel.add(A)
    await desk.begin()
    await desk.approve(path(A))
    await desk.revoke(path(A))
    assert await desk.listed() == set()
    await desk.approve(path(A))
    assert await desk.listed() == {path(A)}
    assert (await desk.seen(path(A))).status == 200


async def test_records_are_those_of_the_source_byte_for_byte(desk: Desk) -> None:
    old = bare("old", extension=".tar.bz2", depends=["b >=1", "__glibc >=2.17"], odd={"z": 1, "a": [2, 1]})
    desk.channel.add(A, old, package("tool", noarch="python", depends=("python",)))
    await desk.begin()
    everything = [path(A), path(old), "noarch/tool-1.0-0.conda"]
    await desk.approve(*everything)
    for subdir in (LINUX, "noarch"):
        for form in FORMS:
            assert await desk.indexed(subdir, form, feed="approved") == await desk.indexed(subdir, form)
    text = (await desk.seen(f"{LINUX}/repodata.json")).body
    source = (await desk.get(f"{LINUX}/repodata.json")).body
    assert json.loads(text)["packages"] == json.loads(source)["packages"]
    for approval in desk.gateway.app.base.approvals.all_of("approved"):
        if approval.artifact.startswith(LINUX):
            assert approval.record in text
            assert approval.record in source


async def test_the_stamp_of_a_later_file_goes_with_it(desk: Desk) -> None:
    desk.channel.add(A)
    await desk.begin()
    await desk.files()
    desk.channel.add(B)
    await desk.refresh()
    await desk.approve(path(A), path(B))
    records = (await desk.indexed(LINUX, feed="approved"))["packages.conda"]
    assert "indexed_timestamp" not in records[A.file]
    assert records[B.file] == (await desk.indexed(LINUX))["packages.conda"][B.file]
    assert records[B.file]["indexed_timestamp"] > 0


async def test_what_was_approved_is_there_after_a_restart_without_cache_and_origin(desk: Desk) -> None:
    desk.channel.add(A, B)
    await desk.begin()
    await desk.approve(path(A))
    assert (await desk.seen(path(A))).status == 200
    await desk.settled()
    await desk.origin.off()
    await desk.gateway.restart_without_cache()
    desk.clock.advance(LATER_S)
    assert await desk.listed() == {path(A)}
    assert (await desk.seen(path(A))).body == A.data
    await desk.revoke(path(A))
    assert await desk.listed() == set()


async def test_a_generation_that_is_behind_after_a_restart_catches_up(desk: Desk) -> None:
    desk.channel.add(A, B)
    await desk.begin()
    await desk.approve(path(A))
    assert await desk.listed() == {path(A)}
    await desk.restart()
    await desk.revoke(path(A))
    await desk.approve(path(B))
    await desk.restart()
    assert await desk.listed() == {path(B)}


async def test_a_client_with_the_former_index_still_finds_its_shards(desk: Desk) -> None:
    desk.channel.add(A, bare("a", "2.0"))
    await desk.begin()
    await desk.approve(path(A))
    old = await desk.seen(f"{LINUX}/{SHARD_INDEX}")
    await desk.approve(f"{LINUX}/a-2.0-0.conda")
    assert (await desk.seen(f"{LINUX}/{SHARD_INDEX}")).body != old.body
    from tests.conda_feed.readback import shard_digests

    for digest in shard_digests(old).values():
        assert (await desk.seen(f"{LINUX}/{digest}.msgpack.zst")).status == 200


async def test_an_approval_changes_no_other_subdir(desk: Desk) -> None:
    desk.channel.add(A, package("tool", noarch="generic"))
    await desk.begin()
    await desk.approve("noarch/tool-1.0-0.conda")
    before = await desk.seen(f"noarch/{SHARD_INDEX}")
    await desk.approve(path(A))
    assert (await desk.seen(f"noarch/{SHARD_INDEX}", If_None_Match=before.headers["etag"])).status == 304
