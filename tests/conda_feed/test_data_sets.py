"""Every real index is served through a feed and read back equal, record for record, in every form.

What is mended and what is stripped is written down a second time in tests/conda (`expected`); nothing else differs.
"""

import json

import pytest

from tests.conda.sets import IndexFile, committed, committed_folder, index_files
from tests.conda.test_sets import expected
from tests.conda_feed.readback import FORMS
from tests.conda_feed.stand import Stand

SETS = index_files()
#: Those that are no other packing or part of another one, and not large: for the road by shards these will do.
SMALL = [
    each
    for each in SETS
    if len(each.read()) < 100_000 and not each.name.endswith(".bz2") and "current_" not in each.name
]
REPO = "conda/conda_format_repo"


@pytest.mark.parametrize("file", SETS, ids=lambda each: each.name)
async def test_a_real_index_is_served_record_for_record(stand: Stand, file: IndexFile) -> None:
    document = file.read()
    stand.channel.reshape(shards=False)
    stand.channel.put(file.subdir, document)
    await stand.start()
    wanted = expected(document, file.subdir)
    for form in FORMS:
        assert await stand.indexed(file.subdir, form) == wanted, form


@pytest.mark.parametrize("file", SMALL, ids=lambda each: each.name)
async def test_a_real_index_that_comes_as_shards_is_served_the_same(stand: Stand, file: IndexFile) -> None:
    document = file.read()
    stand.channel.reshape(zst=False, json=False)
    stand.channel.put(file.subdir, document)
    await stand.start()
    wanted = expected(document, file.subdir)
    for form in FORMS:
        assert await stand.indexed(file.subdir, form) == wanted, form


@pytest.mark.parametrize("packing", ["zst", "bz2", "json"])
async def test_the_packing_makes_no_difference(stand: Stand, packing: str) -> None:
    (file,) = [each for each in SETS if "conda-forge-numpy" in each.name]
    kinds = {"zst": False, "bz2": False, "json": False}
    stand.channel.reshape(shards=False, **{**kinds, packing: True})
    stand.channel.put(file.subdir, file.read())
    await stand.start()
    assert await stand.indexed(file.subdir) == expected(file.read(), file.subdir)


async def test_a_file_whose_subdir_is_another_is_served_under_its_address(stand: Stand) -> None:
    """conda refuses an index whose `info` says another subdir than the URL."""
    (file,) = [each for each in SETS if "conda-forge-numpy" in each.name]
    stand.channel.reshape(shards=False)
    stand.channel.put("osx-arm64", file.read())
    await stand.start()
    document = json.loads((await stand.get("osx-arm64/repodata.json")).body)
    assert document["info"] == {"subdir": "osx-arm64"}
    assert {record["subdir"] for record in document["packages.conda"].values()} <= {"osx-arm64"}


# -- real files of other kinds ---------------------------------------------------------------------------------


async def test_real_shards_are_read_and_served_record_for_record(stand: Stand) -> None:
    """A shard index and its shards that conda-index wrote, and nothing else at the origin."""
    folder = stand.channel.path("linux-64", "")
    for path in sorted(committed_folder(f"{REPO}/linux-64").glob("*.msgpack.zst")):
        stand.origin.add(f"{folder}{path.name}", path.read_bytes())
    await stand.start()
    wanted = expected(committed(f"{REPO}/linux-64/repodata.json"), "linux-64")
    for form in FORMS:
        found = await stand.indexed("linux-64", form)
        assert {section: set(files) for section, files in found.items()} == {
            section: set(files) for section, files in wanted.items()
        }
        assert found == wanted


async def test_real_channeldata_tells_of_what_is_shown(stand: Stand) -> None:
    origin_says = json.loads(committed(f"{REPO}/channeldata.json"))
    stand.channel.reshape(shards=False)
    for subdir in ("linux-64", "win-64"):
        stand.channel.put(subdir, committed(f"{REPO}/{subdir}/repodata.json"))
    stand.origin.add("/chan/channeldata.json", committed(f"{REPO}/channeldata.json"))
    await stand.start(subdirs=("linux-64", "win-64"))
    told = (await stand.get("channeldata.json")).json()
    assert told["subdirs"] == ["linux-64", "noarch", "win-64"]
    shown = {
        file.rsplit("-", 2)[0] for subdir in ("linux-64", "win-64") for file in await stand.files(subdir)
    }
    assert told["packages"].keys() == shown & origin_says["packages"].keys()
    for name, said in told["packages"].items():
        assert said.get("license") == origin_says["packages"][name].get("license")
        assert set(said["subdirs"]) <= {"linux-64", "win-64"}


async def test_real_run_exports_are_served(stand: Stand) -> None:
    folder = "rattler/channels/openssl-run-exports-test/linux-64"
    stand.channel.reshape(shards=False)
    stand.channel.put("linux-64", committed(f"{folder}/repodata.json"))
    stand.origin.add("/chan/linux-64/run_exports.json", committed(f"{folder}/run_exports.json"))
    await stand.start()
    origin_says = json.loads(committed(f"{folder}/run_exports.json"))
    told = (await stand.get("linux-64/run_exports.json")).json()
    assert (told["packages"], told["packages.conda"]) == (
        origin_says["packages"],
        origin_says["packages.conda"],
    )
