"""Every real index is served through a feed and read back equal, record for record, in every form.

What is mended and what is stripped is written down a second time in tests/conda (`expected`); nothing else differs.
"""

import json

import pytest

from tests.conda.sets import IndexFile, index_files
from tests.conda.test_sets import expected
from tests.conda_feed.readback import FORMS
from tests.conda_feed.stand import Stand

SETS = index_files()
#: Those whose records can be said in shards at all; of the large ones, one will do.
SMALL = [each for each in SETS if len(each.read()) < 100_000]


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
