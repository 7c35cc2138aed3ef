"""One form never costs another: whatever happens to one form of an index, the others do, cold and at a refresh (C1-C4).

The trouble of a form is remembered and told, opens no breaker, and the form is tried again later.
"""

import bz2
import json
from collections.abc import Mapping

import msgspec
import pytest

from proxy.feeds.conda import channel_intake
from tests.conda_feed.stand import Stand
from tests.support.channel import SHARD_INDEX
from tests.support.conda_index import zst
from tests.support.conda_packages import bare
from tests.support.faults import SILENT, Fault

#: Nobody listens there.
DEAD = "http://127.0.0.1:1/elsewhere"
STATUSES = (400, 401, 403, 404, 405, 408, 410, 429, 500, 501, 502, 503, 504, 520)
FAULTS: Mapping[str, Fault] = {
    **{str(status): Fault(status=status) for status in STATUSES},
    "503 for a while": Fault(status=503, retry_after="100"),
    "a reset": Fault(refuse=True),
    "a reset in the body": Fault(reset_at=20),
    "a time-out": SILENT,
    "a body that stalls": Fault(stall_at=20),
    "a body that is cut": Fault(truncate_at=20),
    "a redirect to a dead host": Fault(status=302, location=DEAD),
    "a redirect without end": Fault(status=302, location="/chan/linux-64/repodata.json"),
    "a page": Fault(status=200, body=b"<html>login</html>"),
    "nothing": Fault(status=200, body=b""),
}
FORMS_OF_ORIGIN = (SHARD_INDEX, "repodata.json.zst", "repodata.json")


def damaged(stand: Stand, form: str, kind: str, subdir: str = "linux-64") -> None:
    fault = FAULTS[kind]
    if kind == "a redirect without end":
        fault = Fault(status=302, location=stand.channel.path(subdir, form))
    stand.origin.always(stand.channel.path(subdir, form), fault)


def listed(stand: Stand, *subdirs: str) -> None:
    for subdir in subdirs:
        stand.channel.add(*(bare(f"n{number}", subdir=subdir) for number in range(3)))


def rows(batch: int) -> dict[str, str]:
    """Return subdir -> kind of trouble: each has a subdir of its own, so that one server sees several."""
    return {f"row-{number}": kind for number, kind in enumerate(tuple(FAULTS)[batch::3])}


@pytest.mark.parametrize("batch", range(3))
@pytest.mark.parametrize("form", FORMS_OF_ORIGIN)
async def test_a_form_in_trouble_costs_nothing(stand: Stand, form: str, batch: int) -> None:
    """Nothing is held yet; no breaker opens."""
    subdirs = rows(batch)
    listed(stand, *subdirs)
    for subdir, kind in subdirs.items():
        damaged(stand, form, kind, subdir)
    await stand.start(read_timeout_s=0.5)
    for subdir, kind in subdirs.items():
        assert len(await stand.files(subdir)) == 3, kind
    ready = (await stand.gateway.get("/readyz")).json()
    assert not [text for text in ready["degraded"] if "left alone" in text]


@pytest.mark.parametrize("batch", range(3))
@pytest.mark.parametrize("form", FORMS_OF_ORIGIN)
async def test_a_form_that_gets_into_trouble_later_costs_nothing(stand: Stand, form: str, batch: int) -> None:
    subdirs = rows(batch)
    listed(stand, *subdirs)
    await stand.start(read_timeout_s=0.5)
    for subdir in subdirs:
        assert len(await stand.files(subdir)) == 3
    for subdir, kind in subdirs.items():
        damaged(stand, form, kind, subdir)
        stand.channel.add(bare("late", subdir=subdir))
    await stand.refresh(*subdirs)
    for subdir, kind in subdirs.items():
        assert len(await stand.files(subdir)) == 4, kind


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("form", FORMS_OF_ORIGIN)
async def test_a_form_that_is_refused_without_credentials_is_not_there(
    stand: Stand, form: str, status: int
) -> None:
    listed(stand, "linux-64")
    damaged(stand, form, str(status))
    await stand.start(auth=None)
    assert len(await stand.files()) == 3


async def test_the_trouble_of_a_form_is_told_and_the_form_tried_again_later(stand: Stand) -> None:
    listed(stand, "linux-64")
    path = stand.channel.path("linux-64", SHARD_INDEX)
    stand.origin.always(path, Fault(status=501))
    await stand.start()
    assert len(await stand.files()) == 3
    (note,) = (await stand.gateway.get("/api/v1/feeds/chan")).json()["notes"]
    assert note.startswith(f"linux-64/{SHARD_INDEX} is of no use since ") and "501" in note
    stand.origin.forget()
    await stand.refresh()
    assert stand.origin.hits(path) == 0
    stand.origin.heal()
    stand.clock.advance(3600)
    await stand.refresh()
    assert stand.origin.hits(path) == 1
    assert (await stand.gateway.get("/api/v1/feeds/chan")).json()["notes"] == []


async def test_a_better_packing_is_tried_again_after_its_trouble(stand: Stand) -> None:
    stand.channel.reshape(shards=False)
    listed(stand, "linux-64")
    path = stand.channel.path("linux-64", "repodata.json.zst")
    stand.origin.always(path, Fault(status=500))
    await stand.start()
    assert len(await stand.files()) == 3
    stand.origin.heal()
    stand.origin.forget()
    await stand.refresh()
    assert stand.origin.hits(path) == 0
    stand.clock.advance(3600)
    stand.channel.add(bare("late"))
    await stand.refresh()
    assert stand.origin.hits(path) == 1
    assert len(await stand.files()) == 4
    assert (await stand.gateway.get("/api/v1/feeds/chan")).json()["notes"] == []


async def test_a_packing_that_was_taken_away_after_its_trouble_is_in_none(stand: Stand) -> None:
    stand.channel.reshape(shards=False)
    listed(stand, "linux-64")
    stand.origin.always(stand.channel.path("linux-64", "repodata.json.zst"), Fault(status=500))
    await stand.start()
    assert len(await stand.files()) == 3
    stand.origin.heal()
    stand.channel.reshape(zst=False)
    stand.clock.advance(3600)
    await stand.refresh()
    assert len(await stand.files()) == 3
    assert (await stand.gateway.get("/api/v1/feeds/chan")).json()["notes"] == []


# -- shards in doubt: the full file decides -------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["404", "500", "a time-out", "a page", "a reset"])
async def test_shards_that_do_not_come_are_followed_by_the_full_file(stand: Stand, kind: str) -> None:
    listed(stand, "linux-64")
    await stand.start(read_timeout_s=0.5)
    assert len(await stand.files()) == 3
    stand.channel.patch("linux-64", "n1-1.0-0.conda", depends=["n0"])
    shard = stand.channel.shard_files("linux-64")["n1"]
    stand.origin.always(stand.channel.path("linux-64", shard), FAULTS[kind])
    await stand.refresh()
    assert (await stand.indexed())["packages.conda"]["n1-1.0-0.conda"]["depends"] == ["n0"]


async def test_a_shards_base_url_that_is_dead_is_followed_by_the_full_file(stand: Stand) -> None:
    listed(stand, "linux-64")
    await stand.start()
    assert len(await stand.files()) == 3
    stand.channel.reshape(shards_base_url=f"{DEAD}/")
    stand.channel.add(bare("late"))
    await stand.refresh()
    assert len(await stand.files()) == 4


async def test_many_changed_shards_are_fetched_where_the_full_file_fails(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel_intake, "_MOST_SHARDS", 1)
    listed(stand, "linux-64")
    await stand.start()
    assert len(await stand.files()) == 3
    for form in ("repodata.json.zst", "repodata.json"):
        damaged(stand, form, "500")
    stand.channel.add(bare("late"), bare("later"))
    await stand.refresh()
    assert len(await stand.files()) == 5


async def test_a_name_that_the_shard_index_lacks_stays_while_the_full_file_has_it(stand: Stand) -> None:
    listed(stand, "linux-64")
    await stand.start()
    assert len(await stand.files()) == 3
    digests = {
        name: bytes.fromhex(file.partition(".")[0])
        for name, file in stand.channel.shard_files("linux-64").items()
        if name != "n1"
    }
    index = {"version": 1, "info": {"base_url": ""}, "shards": digests}
    stand.origin.add(stand.channel.path("linux-64", SHARD_INDEX), zst(msgspec.msgpack.encode(index)))
    for _ in range(3):
        await stand.refresh()
        assert len(await stand.files()) == 3
    stand.clock.advance(3600)
    await stand.refresh()
    assert len(await stand.files()) == 3


# -- packings -------------------------------------------------------------------------------------------------


def old_bz2(stand: Stand, *, changed: str | None = None) -> None:
    """Have a bz2 at the origin that nobody writes any more."""
    document = {"info": {}, "packages": {}, "packages.conda": {"old-1.0-0.conda": dict(bare("old").record)}}
    stand.origin.add(
        stand.channel.path("linux-64", "repodata.json.bz2"), bz2.compress(json.dumps(document).encode()),
        last_modified=changed,
    )  # fmt: skip


async def test_a_bz2_is_not_shown_beside_a_json(stand: Stand) -> None:
    """C3: conda-index no longer writes it, and nobody takes it away."""
    stand.channel.reshape(shards=False, zst=False)
    listed(stand, "linux-64")
    old_bz2(stand)
    await stand.start()
    assert "old-1.0-0.conda" not in await stand.files()


@pytest.mark.parametrize("changed", [None, "Sun, 01 Nov 2020 09:00:00 GMT"])
async def test_a_bz2_does_not_follow_what_is_newer(stand: Stand, changed: str | None) -> None:
    stand.channel.reshape(shards=False, zst=False, last_modified=True)
    listed(stand, "linux-64")
    await stand.start()
    assert len(await stand.files()) == 3
    old_bz2(stand, changed=changed)
    stand.origin.always(stand.channel.path("linux-64", "repodata.json"), Fault(status=500))
    await stand.refresh()
    assert len(await stand.files()) == 3
    assert "old-1.0-0.conda" not in await stand.files()
    stand.origin.heal()
    stand.channel.add(bare("late"))
    stand.clock.advance(3600)
    await stand.refresh()
    assert len(await stand.files()) == 4


async def test_a_bz2_does_not_follow_shards_that_are_newer(stand: Stand) -> None:
    """The first index was older than it, but not what came shard by shard since."""
    stand.channel.reshape(last_modified=True)
    listed(stand, "linux-64")
    await stand.start()
    assert len(await stand.files()) == 3
    first = stand.channel.subdirs["linux-64"].version
    stand.channel.add(bare("late"), bare("later"))
    await stand.refresh()
    assert len(await stand.files()) == 5
    old_bz2(stand, changed=f"Mon, 02 Nov 2026 09:00:{first + 1:02d} GMT")
    for form in FORMS_OF_ORIGIN:
        damaged(stand, form, "500")
    await stand.refresh()
    assert len(await stand.files()) == 5


async def test_a_bz2_is_taken_where_nothing_else_is_and_left_when_more_comes(stand: Stand) -> None:
    stand.channel.reshape(shards=False, zst=False, json=False, bz2=True)
    listed(stand, "linux-64")
    await stand.start()
    assert len(await stand.files()) == 3
    stand.channel.reshape(json=True, bz2=False)
    old_bz2(stand)
    await stand.refresh()
    assert len(await stand.files()) == 3


@pytest.mark.parametrize("form", ["repodata.json.zst", "repodata.json"])
@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
async def test_an_index_in_a_coding_that_nobody_asked_for_is_read(
    stand: Stand, form: str, coding: str
) -> None:
    """C4."""
    stand.channel.reshape(shards=False, zst=form.endswith(".zst"), json=form.endswith(".json"))
    listed(stand, "linux-64")
    stand.origin.always(stand.channel.path("linux-64", form), Fault(encoding=coding))
    await stand.start()
    assert len(await stand.files()) == 3


@pytest.mark.parametrize(
    ("form", "coding"),
    [
        ("repodata.json.zst", "zstd"),
        ("repodata.json.bz2", "x-bzip2"),
        ("repodata.json", "gzip"),
        ("repodata.json", "br"),
        ("repodata.json", "utf-8"),
    ],
)
async def test_an_index_that_is_only_said_to_be_in_a_coding_is_read(
    stand: Stand, form: str, coding: str
) -> None:
    """Apache's AddEncoding names the packing; others name what they did not do."""
    suffix = form.rpartition(".")[2]
    stand.channel.reshape(shards=False, **{each: each == suffix for each in ("zst", "bz2", "json")})
    listed(stand, "linux-64")
    stand.origin.always(stand.channel.path("linux-64", form), Fault(headers=(("Content-Encoding", coding),)))
    await stand.start()
    assert len(await stand.files()) == 3


# -- forms that the settings switch off -----------------------------------------------------------------------


async def test_a_form_that_is_switched_off_is_not_asked_for(stand: Stand) -> None:
    """In the clients' words; the others are asked for as ever, and clients of the feed get every form."""
    listed(stand, "linux-64")
    for zst_on, shards_on in ((True, False), (False, True), (False, False)):
        stand.origin.forget()
        name = f"{zst_on}-{shards_on}"
        one = stand.upstream(name=name, repodata_use_zst=zst_on, repodata_use_shards=shards_on)
        feed = stand.feed(one)
        if shards_on or not zst_on:
            stand.gateway.reload(feed)
        else:
            await stand.start(feed)
        assert len(await stand.files()) == 3
        assert (await stand.get("linux-64/repodata.json.zst")).status == 200
        asked = {form for form in FORMS_OF_ORIGIN if stand.origin.hits(stand.channel.path("linux-64", form))}
        wanted = {SHARD_INDEX: shards_on, "repodata.json.zst": zst_on, "repodata.json": not zst_on}
        assert asked == {form for form, is_wanted in wanted.items() if is_wanted}


@pytest.mark.parametrize("has_shards", [True, False])
async def test_what_a_switched_off_form_said_counts_no_more(stand: Stand, has_shards: bool) -> None:
    """The origin's shards and its .zst are stale, though they look newer; its repodata.json is right."""
    stand.channel.reshape(last_modified=True, shards=has_shards)
    listed(stand, "linux-64")
    await stand.start()
    assert len(await stand.files()) == 3
    full = stand.channel.path("linux-64", "repodata.json")
    right = {"info": {}, "packages": {}, "packages.conda": {bare("right").file: dict(bare("right").record)}}
    old = ("Last-Modified", "Mon, 02 Nov 2020 09:00:00 GMT")
    stand.origin.always(full, Fault(status=200, body=json.dumps(right).encode(), headers=(old,)))
    await stand.refresh()
    assert len(await stand.files()) == 3
    changed = stand.upstream(repodata_use_zst=False, repodata_use_shards=False)
    stand.gateway.reload(stand.feed(changed))
    await stand.refresh()
    assert await stand.files() == {bare("right").file}
    stand.origin.heal()
    stand.gateway.reload(stand.feed())
    await stand.refresh()
    assert len(await stand.files()) == 3
