"""Every form of an index says the same, and its headers are what clients live on (checklist 1 and 3; contract, 3)."""

import json

import pytest

from tests.conda_feed.readback import FORMS, Form, plain, shard_digests, unpacked
from tests.conda_feed.stand import Stand
from tests.support.channel import SHARD_INDEX
from tests.support.conda_packages import bare

#: Headers that tell of the exchange, not of what is served.
_OF_EXCHANGE = {"date", "x-request-id", "age", "cache-status"}
_INDEX = "private, max-age=30"
_IMMUTABLE = "private, max-age=31536000, immutable"


def channel_of(stand: Stand) -> None:
    """Fill the channel with something of everything that is served."""
    stand.channel.reshape(run_exports=True, channeldata=True)
    stand.channel.add(bare("a"), bare("b", extension=".tar.bz2"), bare("c", subdir="noarch"))
    for number in range(30):
        stand.channel.add(bare(f"more{number}"))


async def served(stand: Stand) -> list[str]:
    """Return the path of everything that a client may ask for."""
    shards = shard_digests(await stand.get(f"linux-64/{SHARD_INDEX}"))
    sigs = stand.channel.sign("linux-64", "a-1.0-0.conda")
    await stand.refresh()
    files = ("repodata.json", "repodata.json.zst", SHARD_INDEX, f"{shards['b']}.msgpack.zst", "a-1.0-0.conda")
    others = ("b-1.0-0.tar.bz2", "run_exports.json", "run_exports.json.zst", sigs)
    return [*(f"linux-64/{file}" for file in (*files, *others)), "channeldata.json", "notices.json"]


@pytest.mark.parametrize("form", FORMS)
async def test_a_form_has_the_records_of_the_channel(stand: Stand, form: Form) -> None:
    stand.channel.add(bare("a"), bare("b", extension=".tar.bz2"), bare("c", subdir="noarch"))
    await stand.start()
    found = await stand.indexed("linux-64", form)
    assert found == {
        "packages": {"b-1.0-0.tar.bz2": stand.channel.record("linux-64", "b-1.0-0.tar.bz2")},
        "packages.conda": {"a-1.0-0.conda": stand.channel.record("linux-64", "a-1.0-0.conda")},
    }


async def test_head_tells_what_get_tells_for_everything_that_is_served(stand: Stand) -> None:
    channel_of(stand)
    await stand.start()
    for path in await served(stand):
        first = await stand.get(path)
        await stand.settled()
        got, head = await stand.get(path), await stand.get(path, "HEAD")
        assert (first.status, got.status, head.status) == (200, 200, 200), path
        assert head.body == b""
        assert got.body == first.body, path
        assert int(got.headers["content-length"]) == len(got.body), path
        of_get = {name: value for name, value in got.headers.items() if name not in _OF_EXCHANGE}
        of_head = {name: value for name, value in head.headers.items() if name not in _OF_EXCHANGE}
        assert of_head == of_get, path


async def test_head_comes_first_and_tells_the_same(stand: Stand) -> None:
    """mamba asks HEAD before anything else, so HEAD must be right for what nobody has asked for yet."""
    channel_of(stand)
    await stand.start()
    for path in ("linux-64/repodata.json.zst", f"linux-64/{SHARD_INDEX}", "linux-64/a-1.0-0.conda"):
        head, got = await stand.get(path, "HEAD"), await stand.get(path)
        assert (head.status, got.status) == (200, 200), path
        assert head.headers["content-length"] == str(len(got.body)), path
        assert head.headers["etag"] == got.headers["etag"], path


async def test_what_is_not_there_is_not_there_for_head(stand: Stand) -> None:
    channel_of(stand)
    await stand.start()
    for path in (
        "osx-64/repodata.json",
        "linux-64/none-1-0.conda",
        "linux-64/current_repodata.json",
        "x.json",
    ):
        head, got = await stand.get(path, "HEAD"), await stand.get(path)
        assert (head.status, got.status) == (404, 404), path
        assert head.body == b""
        assert head.headers["content-type"] == got.headers["content-type"]


async def test_everything_that_is_served_has_an_etag_that_answers_304(stand: Stand) -> None:
    channel_of(stand)
    await stand.start()
    for path in await served(stand):
        await stand.get(path)
        await stand.settled()
        got = await stand.get(path)
        etag = got.headers["etag"]
        assert etag.startswith('"'), path
        for method in ("GET", "HEAD"):
            again = await stand.get(path, method, If_None_Match=etag)
            assert (again.status, again.body) == (304, b""), path
            assert again.headers["etag"] == etag, path
            assert again.headers["cache-control"] == got.headers["cache-control"], path
        assert (await stand.get(path, If_None_Match='"another"')).status == 200, path


async def test_every_coding_of_an_index_has_an_etag_of_its_own(stand: Stand) -> None:
    """conda sends the ETag of its .json with its request for the .zst: a 304 then would be wrong (sheet, 3.1)."""
    channel_of(stand)
    await stand.start()
    await stand.get("linux-64/repodata.json")
    etags: dict[str, str] = {}
    for coding in ("identity", "gzip", "zstd"):
        got = await stand.get("linux-64/repodata.json", Accept_Encoding=coding)
        assert got.headers.get("content-encoding", "identity") == coding
        assert "Accept-Encoding" in got.headers["vary"]
        etags[coding] = got.headers["etag"]
    etags["zst"] = (await stand.get("linux-64/repodata.json.zst")).headers["etag"]
    etags["shards"] = (await stand.get(f"linux-64/{SHARD_INDEX}")).headers["etag"]
    assert len(set(etags.values())) == 5
    for coding in ("identity", "gzip"):
        got = await stand.get("linux-64/repodata.json.zst", If_None_Match=etags[coding])
        assert got.status == 200


async def test_a_change_changes_every_etag(stand: Stand) -> None:
    channel_of(stand)
    await stand.start()
    paths = [f"linux-64/{form}" for form in FORMS]
    before = [(await stand.get(path)).headers["etag"] for path in paths]
    stand.channel.patch("linux-64", "a-1.0-0.conda", depends=["c"])
    await stand.refresh()
    for path, etag in zip(paths, before, strict=True):
        await stand.get(path)
        await stand.settled()
        assert (await stand.get(path, If_None_Match=etag)).status == 200, path


async def test_nothing_that_is_packed_is_coded_again(stand: Stand) -> None:
    """conda counts raw bytes and hashes decoded ones (sheet, 5.1)."""
    channel_of(stand)
    await stand.start()
    for path in await served(stand):
        got = await stand.get(path, Accept_Encoding="gzip, deflate, br, zstd")
        assert got.status == 200
        if not path.endswith(".json"):
            assert "content-encoding" not in got.headers, path


async def test_indexes_are_kept_for_half_a_minute_and_shards_and_packages_for_ever(stand: Stand) -> None:
    channel_of(stand)
    await stand.start()
    for path in await served(stand):
        is_final = path.endswith((".conda", ".bz2")) or ".sigs." in path
        is_final |= path.endswith(".msgpack.zst") and not path.endswith(SHARD_INDEX)
        got = await stand.get(path)
        assert got.headers["cache-control"] == (_IMMUTABLE if is_final else _INDEX), path
        assert got.headers["x-content-type-options"] == "nosniff"


async def test_content_types(stand: Stand) -> None:
    channel_of(stand)
    await stand.start()
    kinds = {path: (await stand.get(path)).headers["content-type"] for path in await served(stand)}
    assert {kind for path, kind in kinds.items() if path.endswith(".json")} == {"application/json"}
    assert kinds["linux-64/repodata.json.zst"] == "application/zstd"
    assert kinds["linux-64/a-1.0-0.conda"] == "application/octet-stream"


async def test_the_zst_holds_the_very_text_of_the_json(stand: Stand) -> None:
    channel_of(stand)
    await stand.start()
    assert (
        plain((await stand.get("linux-64/repodata.json.zst")).body)
        == (await stand.get("linux-64/repodata.json")).body
    )


async def test_the_top_of_an_index_is_what_every_client_needs_and_no_more(stand: Stand) -> None:
    channel_of(stand)
    await stand.start()
    document = json.loads((await stand.get("linux-64/repodata.json")).body)
    assert {key: value for key, value in document.items() if not key.startswith("packages")} == {
        "info": {"subdir": "linux-64"},
        "removed": [],
        "repodata_version": 1,
    }
    index = unpacked((await stand.get(f"linux-64/{SHARD_INDEX}")).body)
    info = {key: value for key, value in index["info"].items() if key != "created_at"}
    assert info == {"base_url": "", "shards_base_url": "", "subdir": "linux-64"}
    assert index["version"] == 1


async def test_forms_that_are_not_made_from_the_view_do_not_exist(stand: Stand) -> None:
    channel_of(stand)
    await stand.start()
    stand.origin.forget()
    for file in (
        "current_repodata.json", "current_repodata.json.zst", "repodata.json.bz2", "repodata.jlap",
        "patch_instructions.json", "repodata_from_packages.json", "repodata_shards_from_packages.msgpack.zst",
        "index.html", "rss.xml", "",
    ):  # fmt: skip
        got = await stand.get(f"linux-64/{file}")
        assert got.status == 404, file
        assert got.headers["content-type"] == "application/problem+json"
    assert stand.channel.asked() == []


async def test_a_removed_file_is_told_as_removed(stand: Stand) -> None:
    stand.channel.add(bare("a"), bare("a", "2.0"))
    stand.channel.take_out("linux-64", "a-1.0-0.conda")
    await stand.start()
    document = json.loads((await stand.get("linux-64/repodata.json")).body)
    assert document["removed"] == ["a-1.0-0.conda"]
    digests = shard_digests(await stand.get(f"linux-64/{SHARD_INDEX}"))
    shard = unpacked((await stand.get(f"linux-64/{digests['a']}.msgpack.zst")).body)
    assert (shard["removed"], list(shard["packages.conda"])) == (["a-1.0-0.conda"], ["a-2.0-0.conda"])


async def test_a_name_without_records_has_no_shard(stand: Stand) -> None:
    stand.channel.add(bare("a"), bare("b"))
    stand.channel.take_out("linux-64", "a-1.0-0.conda")
    await stand.start()
    assert list(shard_digests(await stand.get(f"linux-64/{SHARD_INDEX}"))) == ["b"]


@pytest.mark.parametrize("form", ["repodata.json", "repodata.json.zst", SHARD_INDEX])
async def test_whichever_form_is_asked_first_is_there(stand: Stand, form: str) -> None:
    """Shards are offered from the first answer on: rattler remembers for ever that there are none."""
    stand.channel.reshape(shards=False)
    stand.channel.add(bare("a"))
    await stand.start()
    assert (await stand.get(f"linux-64/{form}")).status == 200
    assert (await stand.get(f"linux-64/{SHARD_INDEX}")).status == 200
