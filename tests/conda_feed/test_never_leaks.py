"""Nothing that is served leads outside the feed (design, law 8; D05; checklist 4)."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from benchmarks.channel.defects import defects, dropped, kept
from tests.conda_feed.readback import FORMS, plain, shard_digests, unpacked
from tests.conda_feed.stand import Stand
from tests.support.channel import SHARD_INDEX
from tests.support.conda_packages import bare

EVIL = "evil.invalid"
ELSEWHERE = f"https://{EVIL}/x/"
#: All that an index can say to lead clients away.
TOP: Mapping[str, Any] = {
    "info": {
        "base_url": ELSEWHERE, "channel_relations": {"base": [ELSEWHERE, f"//{EVIL}/y"], "overrides": [ELSEWHERE]},
        "repodata_revisions": {"v3": {"message": ELSEWHERE, "n_packages": 1}}, "default_python_version": EVIL,
    },
    "repodata_version": 2,
    "signatures": {"a-1.0-0.conda": {EVIL: {"signature": EVIL}}},
    "v3": {"conda": {"evil-1.0-0": {"name": "evil", "version": "1.0", "build": "0", "build_number": 0}}},
    EVIL: EVIL,
}  # fmt: skip
FIELDS: Mapping[str, Any] = {
    "url": f"{ELSEWHERE}a-1.0-0.conda", "channel": ELSEWHERE, "fn": f"../{EVIL}", "base_url": ELSEWHERE,
    "schannel": EVIL, "package_type": EVIL,
}  # fmt: skip


async def everything(stand: Stand, subdir: str = "linux-64") -> dict[str, bytes]:
    """Return every document of a subdir, unpacked, by its name."""
    found = {str(file): (await stand.get(f"{subdir}/{file}")).body for file in FORMS}
    index = await stand.get(f"{subdir}/{SHARD_INDEX}")
    for name, digest in shard_digests(index).items():
        found[name] = (await stand.get(f"{subdir}/{digest}.msgpack.zst")).body
    found["run_exports"] = (await stand.get(f"{subdir}/run_exports.json")).body
    found["channeldata"] = (await stand.get("channeldata.json")).body
    return {name: plain(body) for name, body in found.items()}


@pytest.mark.parametrize("sharded", [False, True])
async def test_nothing_of_an_origin_leads_clients_elsewhere(stand: Stand, sharded: bool) -> None:
    stand.channel.reshape(shards=sharded, zst=not sharded, json=not sharded, run_exports=True)
    stand.channel.add(bare("a", **FIELDS), bare("b", extension=".tar.bz2", **FIELDS))
    stand.channel.subdir("linux-64").top |= TOP
    await stand.start()
    documents = await everything(stand)
    assert [name for name, body in documents.items() if EVIL.encode() in body] == []
    assert await stand.files() == {"a-1.0-0.conda", "b-1.0-0.tar.bz2"}


async def test_shards_of_an_origin_that_lead_elsewhere_are_served_from_here(stand: Stand) -> None:
    stand.channel.add(bare("a"))
    stand.channel.subdir("linux-64").top |= {"info": {"base_url": ELSEWHERE}}
    stand.channel.reshape(shards_base_url="./elsewhere/")
    await stand.start()
    info = unpacked((await stand.get(f"linux-64/{SHARD_INDEX}")).body)["info"]
    assert (info["base_url"], info["shards_base_url"], info["subdir"]) == ("", "", "linux-64")


async def test_relative_relations_stay(stand: Stand) -> None:
    """They lead to another channel of this server (CEP 42)."""
    stand.channel.reshape(shards=False)
    stand.channel.add(bare("a"))
    stand.channel.subdir("linux-64").top |= {
        "info": {"channel_relations": {"base": ["../other", ELSEWHERE], "overrides": []}}
    }
    await stand.start()
    document = json.loads((await stand.get("linux-64/repodata.json")).body)
    assert document["info"]["channel_relations"] == {"base": ["../other"]}


@pytest.mark.parametrize("sharded", [False, True])
async def test_defective_records_are_mended_or_left_out_in_every_form(stand: Stand, sharded: bool) -> None:
    stand.channel.reshape(shards=sharded, zst=not sharded, json=not sharded)
    stand.channel.add(bare("good"))
    for defect in defects("linux-64"):
        stand.channel.put_record("linux-64", defect.file, defect.record)
    await stand.start()
    for form in FORMS:
        found = await stand.indexed("linux-64", form)
        names = {record["name"] for records in found.values() for record in records.values()}
        assert names == {"good", *kept()}
        for record in found["packages.conda"].values():
            assert isinstance(record["depends"], list)
            assert isinstance(record["build_number"], int)
            assert record.get("subdir", "linux-64") == "linux-64"
    assert stand.counted("records_dropped", "origin") == len(dropped())
    assert any("was left out" in line for line in stand.log.of("WARNING"))


async def test_a_record_that_is_left_out_cannot_be_downloaded(stand: Stand) -> None:
    stand.channel.add(bare("good"))
    stand.channel.put_record("linux-64", "liar-1.0-0.conda", dict(bare("numpy").record))
    stand.channel.hosted["linux-64/liar-1.0-0.conda"] = b"liar"
    await stand.start()
    assert await stand.files() == {"good-1.0-0.conda"}
    assert (await stand.get("linux-64/liar-1.0-0.conda")).status == 404


async def test_a_mended_record_can_be_downloaded(stand: Stand) -> None:
    made = bare("b", depends=None, constrains=None, subdir="win-64", license=["MIT", "BSD"])
    stand.channel.put_record("linux-64", made.file, dict(made.record))
    stand.channel.hosted[f"linux-64/{made.file}"] = made.data
    await stand.start()
    record = (await stand.indexed())["packages.conda"][made.file]
    assert (record["depends"], record["subdir"]) == ([], "linux-64")
    assert (await stand.get(f"linux-64/{made.file}")).body == made.data


ODD = (
    "../../etc/a-1.0-0.conda", "a/b-1.0-0.conda", "a-1.0-0.conda?x=1", "a-1.0-0.conda#x", "a\nb-1.0-0.conda",
    "a-1.0-0\r\nX: y.conda", "ä-1.0-0.conda", "a-1.0-.conda", ".conda", "-1.0-0.conda", "a-1.0-0.whl",
    f"{'a' * 250}-1.0-0.conda", f"a-{'1' * 65}-0.conda", f"a-1-{'b' * 65}.conda", "a-1.0-py*.conda",
    f"{'a' * 100}-{'1' * 60}-{'b' * 60}.conda", "a%2f-1.0-0.conda", "a-1.0-0.CONDA",
)  # fmt: skip


async def test_a_file_name_that_could_mean_something_else_is_left_out(stand: Stand) -> None:
    """Each says of itself what its name says, so that nothing but the name is wrong with it."""
    good = bare("good")
    stand.channel.reshape(shards=False)
    stand.channel.add(good)
    for file in ODD:
        name, version, build = [*file.removesuffix(".conda").rsplit("-", 2), "", ""][:3]
        record = dict(bare("x").record) | {"name": name, "version": version, "build": build}
        stand.channel.put_record("linux-64", file, record)
    await stand.start()
    for form in FORMS:
        assert await stand.files("linux-64", form) == {good.file}
    assert stand.counted("records_dropped", "origin") == len(ODD)


async def test_hashes_in_upper_case_are_lower_case_in_every_form(stand: Stand) -> None:
    made = bare("a")
    stand.channel.reshape(shards=False)
    stand.channel.add(made)
    stand.channel.patch(
        "linux-64", made.file, sha256=made.sha256.upper(), md5=str(made.record["md5"]).upper()
    )
    await stand.start()
    for form in FORMS:
        record = (await stand.indexed("linux-64", form))["packages.conda"][made.file]
        assert (record["sha256"], record["md5"]) == (made.sha256, made.record["md5"])
    assert (await stand.get(f"linux-64/{made.file}")).body == made.data


async def test_timestamps_stay_as_they_are(stand: Stand) -> None:
    """Seconds and milliseconds both occur, and every client reads both."""
    stand.channel.add(bare("s", timestamp=1_500_000_000), bare("ms", timestamp=1_500_000_000_000))
    await stand.start()
    found = (await stand.indexed())["packages.conda"]
    assert {record["timestamp"] for record in found.values()} == {1_500_000_000, 1_500_000_000_000}


async def test_unknown_fields_stay(stand: Stand) -> None:
    stand.channel.add(bare("a", extra_depends={"gpu": ["cuda"]}, flags=["x"], later={"deep": [1, None, 2.5]}))
    await stand.start()
    record = (await stand.indexed())["packages.conda"]["a-1.0-0.conda"]
    assert record["later"] == {"deep": [1, None, 2.5]}
    assert (record["extra_depends"], record["flags"]) == ({"gpu": ["cuda"]}, ["x"])
