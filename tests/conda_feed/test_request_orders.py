"""Each client's request order, replayed (checklist 1; sheet, sections 3, 5.1 and 10)."""

import json
from urllib.parse import urlsplit

from tests.conda_feed.players import (
    CONDA,
    MAMBA,
    MAMBA_JSON,
    RATTLER,
    STREAMING,
    Player,
    digests_of,
    shard_indexes,
)
from tests.conda_feed.readback import plain
from tests.conda_feed.stand import Stand
from tests.support.channel import SHARD_INDEX
from tests.support.conda_packages import bare, package, python

SUBDIRS = ("linux-64", "noarch")
CHAIN = {"noarch/tool-1.0-0.conda", "linux-64/lib-2.0-0.tar.bz2", "linux-64/python-3.11.9-h0_0_cpython.conda"}


def chain(stand: Stand) -> None:
    """Fill the channel with a chain, and with what nobody asks for."""
    tool = package("tool", noarch="python", depends=("python >=3.11", "lib", "__linux"))
    stand.channel.add(tool, package("lib", "2.0", extension=".tar.bz2"), python(), bare("other"))


async def test_conda_with_shards(stand: Stand) -> None:
    chain(stand)
    await stand.start()
    async with Player(stand, CONDA) as conda:
        indexes = await shard_indexes(conda, SUBDIRS)
        records = await conda.shards_of(["tool"], indexes)
        assert records.keys() == CHAIN
        await conda.packages(records)
        assert (await conda.get("notices.json")).status == 200
        assert [status for *_, status in conda.seen] == [200] * (2 + 3 + 3 + 1)


async def test_conda_comes_again_and_nothing_has_changed(stand: Stand) -> None:
    chain(stand)
    await stand.start()
    async with Player(stand, CONDA) as conda:
        await shard_indexes(conda, SUBDIRS)
        conda.forget()
        stand.clock.advance(31)
        for subdir in SUBDIRS:
            await conda.index(f"{subdir}/{SHARD_INDEX}")
        assert conda.seen == [("GET", f"{subdir}/{SHARD_INDEX}", 304) for subdir in SUBDIRS]


async def test_conda_comes_again_after_a_change(stand: Stand) -> None:
    chain(stand)
    await stand.start()
    async with Player(stand, CONDA) as conda:
        before = await shard_indexes(conda, SUBDIRS)
        stand.channel.add(bare("lib", "2.1"))
        await stand.refresh(*SUBDIRS)
        conda.forget()
        changed = digests_of(await conda.index(f"linux-64/{SHARD_INDEX}"))
        assert (await conda.index(f"noarch/{SHARD_INDEX}")).status == 304
        assert {name for name in changed if changed[name] != before["linux-64"][name]} == {"lib"}


async def test_conda_without_shards(stand: Stand) -> None:
    """`repodata_use_shards: false`: the .zst, no HEAD; then the .zst again, with the validator that is held."""
    chain(stand)
    await stand.start()
    async with Player(stand, CONDA) as conda:
        for subdir in SUBDIRS:
            reply = await conda.index(f"{subdir}/repodata.json.zst")
            assert "content-encoding" not in reply.headers
            assert json.loads(plain(reply.body))["info"]["subdir"] == subdir
        for subdir in SUBDIRS:
            assert (await conda.index(f"{subdir}/repodata.json.zst")).status == 304


async def test_conda_asks_for_the_zst_with_the_validator_of_the_json(stand: Stand) -> None:
    chain(stand)
    await stand.start()
    async with Player(stand, CONDA) as conda:
        await conda.index("linux-64/repodata.json")
        reply = await conda.index("linux-64/repodata.json.zst", etag_of="linux-64/repodata.json")
        assert reply.status == 200


async def test_conda_with_the_classic_solver(stand: Stand) -> None:
    """The reduced index is not there in any packing; conda goes on to the whole one."""
    chain(stand)
    await stand.start()
    async with Player(stand, CONDA) as conda:
        for file in ("current_repodata.json.zst", "current_repodata.json", "repodata.json.zst"):
            await conda.index(f"linux-64/{file}")
        assert [status for *_, status in conda.seen] == [404, 404, 200]


async def test_conda_resumes_without_if_range(stand: Stand) -> None:
    chain(stand)
    await stand.start()
    data = stand.channel.hosted["noarch/tool-1.0-0.conda"]
    async with Player(stand, CONDA) as conda:
        for _ in range(2):
            reply = await conda.get("noarch/tool-1.0-0.conda", "Range: bytes=100-")
            assert reply.status == 206
            assert reply.headers["content-range"] == f"bytes 100-{len(data) - 1}/{len(data)}"
            assert reply.body == data[100:]
            await stand.settled()


async def test_conda_installs_from_a_lock_file_that_names_packages_only(stand: Stand) -> None:
    """`@EXPLICIT`: no index is ever asked for by the client."""
    chain(stand)
    await stand.start()
    async with Player(stand, CONDA) as conda:
        for path in sorted(CHAIN):
            assert (await conda.get(path)).body == stand.channel.hosted[path]


async def test_mamba_with_shards(stand: Stand) -> None:
    chain(stand)
    await stand.start()
    async with Player(stand, MAMBA) as mamba:
        for subdir in SUBDIRS:
            assert (await mamba.ask("HEAD", f"{subdir}/{SHARD_INDEX}")).status == 200
        indexes = await shard_indexes(mamba, SUBDIRS)
        records = await mamba.shards_of(["tool"], indexes)
        assert records.keys() == CHAIN
        await mamba.packages(records)
        assert {status for *_, status in mamba.seen} == {200}


async def test_mamba_without_shards(stand: Stand) -> None:
    chain(stand)
    await stand.start()
    async with Player(stand, MAMBA) as mamba:
        for subdir in SUBDIRS:
            assert (await mamba.ask("HEAD", f"{subdir}/repodata.json.zst", *MAMBA_JSON)).status == 200
            document = json.loads(plain((await mamba.index(f"{subdir}/repodata.json.zst", *MAMBA_JSON)).body))
            assert document["info"]["subdir"] == subdir
        for subdir in SUBDIRS:
            assert (await mamba.index(f"{subdir}/repodata.json.zst", *MAMBA_JSON)).status == 304


async def test_mamba_reads_the_plain_json_in_any_coding(stand: Stand) -> None:
    chain(stand)
    for number in range(20):
        stand.channel.add(bare(f"more{number}"))
    await stand.start()
    async with Player(stand, MAMBA) as mamba:
        reply = await mamba.index("linux-64/repodata.json", *MAMBA_JSON)
        assert reply.headers["content-encoding"] in ("zstd", "gzip")
        assert (await mamba.index("linux-64/repodata.json", *MAMBA_JSON)).status == 304


async def test_rattler_fetches_shards_with_no_store_and_packages_with_a_hint(stand: Stand) -> None:
    chain(stand)
    await stand.start()
    async with Player(stand, RATTLER) as rattler:
        indexes = await shard_indexes(rattler, SUBDIRS)
        records = await rattler.shards_of(["tool"], indexes, "Cache-Control: no-store")
        await rattler.packages(records, f"X-Expected-Sha256: {'0' * 64}")
        assert records.keys() == CHAIN


async def test_rattler_reads_the_end_of_a_package_and_then_a_part(stand: Stand) -> None:
    """Sparse reads: a suffix longer than the file gives the whole file as 206 (RFC 9110), never 416."""
    chain(stand)
    await stand.start()
    path = "noarch/tool-1.0-0.conda"
    data = stand.channel.hosted[path]
    async with Player(stand, RATTLER) as rattler:
        first = await rattler.get(path, "Range: bytes=-65536")
        assert (first.status, first.body) == (206, data)
        part = await rattler.get(path, "Range: bytes=10-19", f"If-Range: {first.headers['etag']}")
        assert (part.status, part.body) == (206, data[10:20])
        changed = await rattler.get(path, "Range: bytes=10-19", 'If-Range: "another"')
        assert (changed.status, changed.body) == (200, data)


async def test_package_streaming_reads_the_last_ten_kilobytes(stand: Stand) -> None:
    stand.channel.add(package("big", payload=40_000))
    await stand.start()
    data = stand.channel.hosted["linux-64/big-1.0-0.conda"]
    async with Player(stand, STREAMING) as streaming:
        reply = await streaming.get(
            "linux-64/big-1.0-0.conda", "Range: bytes=-10240", "Cache-Control: no-cache"
        )
        assert (reply.status, reply.body) == (206, data[-10240:])
        assert reply.headers["content-range"] == f"bytes {len(data) - 10240}-{len(data) - 1}/{len(data)}"
        assert reply.headers["content-length"] == "10240"


async def test_notices_are_answered_where_conda_asks_for_them(stand: Stand) -> None:
    """conda follows no redirect there, and reads `notices`."""
    chain(stand)
    await stand.start()
    async with Player(stand, CONDA) as conda:
        reply = await conda.get("notices.json")
        assert (reply.status, json.loads(reply.body)) == (200, {"notices": []})


async def test_the_channel_is_read_below_a_path_prefix(stand: Stand) -> None:
    chain(stand)
    await stand.start(server={"path_prefix": "/mirror"})
    assert urlsplit(stand.gateway.url).path in ("", "/mirror")
    async with Player(stand, CONDA, "/mirror/conda/chan") as conda:
        records = await conda.shards_of(["tool"], await shard_indexes(conda, SUBDIRS))
        await conda.packages(records)
