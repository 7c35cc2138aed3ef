"""Every road to a file that a policy hides is closed (reliability section 0 item 9, D01, D03, D09)."""

import hashlib
from typing import Any

from tests.conda_feed.readback import FORMS, shard_digests, unpacked
from tests.policies_conda.judged import Ruled, files, refused
from tests.policy.made import policy
from tests.support.channel import SHARD_INDEX
from tests.support.conda_packages import bare
from tests.support.gateway import Got

BLOCKED, TWIN, FREE = "tk-8.6-0.conda", "tk-8.6-0.tar.bz2", "zlib-1.3-0.conda"


def catalog(ruled: Ruled) -> None:
    ruled.channel.add(bare("tk", "8.6"), bare("zlib", "1.3"), bare("tk", "8.6", extension=".tar.bz2"))


def digest(file: str) -> str:
    name, version, rest = file.split("-")
    extension = ".conda" if rest.endswith(".conda") else ".tar.bz2"
    return bare(name, version, extension=extension).sha256


ROADS: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("linux-64/{file}", {}),
    "range": ("linux-64/{file}", {"Range": "bytes=0-9"}),
    "suffix": ("linux-64/{file}", {"Range": "bytes=-10"}),
    "conditional": ("linux-64/{file}", {"If_None_Match": '"{digest}"'}),
    "any-tag": ("linux-64/{file}", {"If_None_Match": "*"}),
    "if-range": ("linux-64/{file}", {"Range": "bytes=5-", "If_Range": '"{digest}"'}),
    "spelt": ("linux-64/%74k{tail}", {}),
    "token": ("../t/0123-4567-89ab/chan/linux-64/{file}", {}),
    "token-first": ("../../t/0123-4567-89ab/conda/chan/linux-64/{file}", {}),
}


async def by_road(ruled: Ruled, file: str, road: str, method: str = "GET") -> Got:
    path, headers = ROADS[road]
    path = path.format(file=file, tail=file.removeprefix("tk"))
    target = {"../../": "/", "../": "/conda/"}.get(path[: path.rfind("../") + 3], "/conda/chan/")
    given = {name: value.format(digest=digest(file)) for name, value in headers.items()}
    return await ruled.stand.gateway.get(f"{target}{path.replace('../', '')}", method=method, **given)


async def assert_closed(ruled: Ruled) -> None:
    """Assert that no road leads to either of the blocked files."""
    for file in (BLOCKED, TWIN):
        for road in ROADS:
            refused(await by_road(ruled, file, road), "block")
            head = await by_road(ruled, file, road, "HEAD")
            assert (head.status, head.body) == (403, b""), road


async def test_a_blocked_file_has_no_road(ruled: Ruled) -> None:
    catalog(ruled)
    await ruled.start(block=["tk"])
    assert files(await ruled.shown()) == {FREE}
    await assert_closed(ruled)
    assert not [path for path in ruled.channel.asked() if "tk-8.6" in path], "the origin was asked"


async def test_a_copy_in_the_cache_is_no_road(ruled: Ruled) -> None:
    """JFrog Curation exempts what is cached; here a reload closes it at once."""
    catalog(ruled)
    await ruled.start(block=["nothing-else"])
    for file in (BLOCKED, TWIN):
        assert (await by_road(ruled, file, "plain")).status == 200
    await ruled.stand.settled()
    assert {digest(BLOCKED), digest(TWIN)} <= ruled.stand.blobs()
    await ruled.change(block=["tk"])
    await assert_closed(ruled)
    assert files(await ruled.shown()) == {FREE}


async def test_both_formats_of_a_package_get_one_verdict(ruled: Ruled) -> None:
    """Size limits look at one file; its twin must not be the way round."""
    ruled.channel.add(bare("big", data=b"x" * 5000), bare("big", extension=".tar.bz2", data=b"x" * 10))
    await ruled.start(max_size=1024)
    assert await ruled.shown() == set()
    refused(await ruled.stand.get("linux-64/big-1.0-0.tar.bz2"), "max_size")
    refused(await ruled.stand.get("linux-64/big-1.0-0.conda"), "max_size")


async def test_no_form_lists_what_is_blocked(ruled: Ruled) -> None:
    """git-pkgs filtered .json and not .zst; Varnish filtered one of two forms."""
    catalog(ruled)
    await ruled.start(block=["tk"])
    assert [await ruled.stand.files("linux-64", form) for form in FORMS] == [{FREE}] * 3


async def test_an_old_shard_is_served_and_leads_nowhere(ruled: Ruled) -> None:
    """A client with yesterday's index needs its shards (conda sheet, 8); what it then asks for is judged today."""
    catalog(ruled)
    await ruled.start(block=["nothing-else"])
    index = await ruled.stand.get(f"linux-64/{SHARD_INDEX}")
    old = shard_digests(index)
    await ruled.change(block=["tk"])
    now = await ruled.stand.get(f"linux-64/{SHARD_INDEX}")
    assert shard_digests(now) == {"zlib": old["zlib"]}
    assert now.headers["etag"] != index.headers["etag"]
    shard = await ruled.stand.get(f"linux-64/{old['tk']}.msgpack.zst")
    assert shard.status == 200
    assert hashlib.sha256(shard.body).hexdigest() == old["tk"]
    for file in [*unpacked(shard.body)["packages"], *unpacked(shard.body)["packages.conda"]]:
        refused(await ruled.stand.get(f"linux-64/{file}"), "block")


async def test_shards_of_a_feed_are_served_on_when_it_gets_a_policy(ruled: Ruled) -> None:
    catalog(ruled)
    await ruled.stand.start()
    old = shard_digests(await ruled.stand.get(f"linux-64/{SHARD_INDEX}"))
    await ruled.attach(block=["tk"])
    assert files(await ruled.shown()) == {FREE}
    for name in ("tk", "zlib"):
        assert (await ruled.stand.get(f"linux-64/{old[name]}.msgpack.zst")).status == 200
    refused(await ruled.stand.get(f"linux-64/{BLOCKED}"), "block")


async def test_a_shard_that_the_feed_never_showed_is_not_served(ruled: Ruled) -> None:
    """The shards of the upstream's own generation hold what the policy hides."""
    catalog(ruled)
    await ruled.stand.start(ruled.stand.feed(name="open"), ruled.feed(), policies=[policy(block=["tk"])])
    whole = shard_digests(await ruled.stand.get(f"linux-64/{SHARD_INDEX}", feed="open"))
    assert files(await ruled.shown()) == {FREE}
    assert (await ruled.stand.get(f"linux-64/{whole['tk']}.msgpack.zst")).status == 404


async def test_the_url_of_a_lock_file_is_judged_after_a_restart(ruled: Ruled) -> None:
    """Nothing but the file's own URL is asked: no index before it."""
    catalog(ruled)
    await ruled.start(block=["tk"])
    await ruled.shown()
    await ruled.stand.restart()
    refused(await ruled.stand.get(f"linux-64/{BLOCKED}"), "block")
    assert (await ruled.stand.get(f"linux-64/{FREE}")).status == 200


async def test_side_documents_tell_nothing_of_what_is_blocked(ruled: Ruled) -> None:
    catalog(ruled)
    ruled.channel.reshape(run_exports=True, channeldata=True)
    await ruled.start(block=["tk"])
    await ruled.shown()
    exports = (await ruled.stand.get("linux-64/run_exports.json")).json()
    assert [*exports["packages"], *exports["packages.conda"]] == [FREE]
    assert list((await ruled.stand.get("channeldata.json")).json()["packages"]) == ["zlib"]
    notices = (await ruled.stand.get("notices.json")).json()["notices"]
    assert [notice["message"].split(" by")[0] for notice in notices] == [
        "2 packages are hidden from the feed chan"
    ]


async def test_the_answer_names_policy_rule_and_where_to_ask(ruled: Ruled) -> None:
    catalog(ruled)
    await ruled.start(block=["tk"])
    told = (await ruled.stand.get(f"linux-64/{BLOCKED}")).json()
    assert (told["artifact"], told["policy"], told["rule"]) == (f"linux-64/{BLOCKED}", "corp", "block")
    assert '"tk" is on the list' in told["detail"]
    explained = await ruled.stand.gateway.get(told["explain"])
    (item,) = explained.json()["items"]
    assert (item["artifact"], item["outcome"], item["rule"]) == (f"linux-64/{BLOCKED}", "block", "block")
