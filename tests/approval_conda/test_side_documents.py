"""run_exports, channeldata, notices and side-cars of a curated conda feed tell of what is approved, nothing else."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import product
from typing import Any

import aiohttp
import msgspec
import pytest
import zstandard

from proxy.config.settings import Feed, Upstream
from tests.approval_conda.desk import LINUX, Desk
from tests.conda_feed.stand import LATER_S
from tests.support.conda_packages import package, replaced

A = package("a", run_exports=("a >=1",))
PATH = f"{LINUX}/{A.file}"


async def begun(desk: Desk) -> None:
    desk.channel.reshape(run_exports=True, channeldata=True)
    desk.channel.add(A, package("a", "2.0"), package("b", run_exports=("b",)))
    await desk.begin()


async def test_run_exports_are_not_the_origins_of_today(desk: Desk) -> None:
    await begun(desk)
    await desk.approve(PATH)
    assert (await desk.get(f"{LINUX}/run_exports.json")).status == 200
    for ending in ("", ".zst"):
        got = await desk.seen(f"{LINUX}/run_exports.json{ending}")
        assert (got.status, got.json()["type"]) == (404, "urn:feedgate:unknown")
        assert "builds read the package" in got.json()["detail"]


async def test_channeldata_is_made_of_approved_records_only(desk: Desk) -> None:
    await begun(desk)
    await desk.approve(PATH)
    document = (await desk.seen("channeldata.json")).json()
    assert document["packages"] == {
        "a": {
            "license": "MIT",
            "reference_package": PATH,
            "run_exports": {},
            "subdirs": [LINUX],
            "version": "1.0",
        }
    }
    await desk.approve(f"{LINUX}/a-2.0-0.conda", f"{LINUX}/b-1.0-0.conda")
    packages = (await desk.seen("channeldata.json")).json()["packages"]
    assert {name: each["version"] for name, each in packages.items()} == {"a": "2.0", "b": "1.0"}
    await desk.origin.off()
    assert (await desk.seen("channeldata.json")).json()["packages"] == packages


@pytest.mark.parametrize("is_held", [True, False], ids=["held", "not held"])
async def test_an_origin_that_changes_everything_changes_no_byte_of_what_was_approved(
    desk: Desk, is_held: bool
) -> None:
    desk.channel.reshape(run_exports=True, channeldata=True)
    desk.channel.add(A, package("a", "2.0"), package("b"))
    car = desk.channel.sign(LINUX, A.file)
    over = Feed("shop", "conda", (Upstream(id="inner", feed="approved"),))
    await desk.begin(desk.curated(fetch="eager" if is_held else "lazy"), over)
    await desk.approve(PATH)
    index = [
        "channeldata.json", "notices.json",
        *(f"{subdir}/{file}" for subdir in (LINUX, "noarch") for file in INDEX_FILES),
    ]  # fmt: skip
    files = [PATH, f"{LINUX}/{car}"]
    right = await answers(desk, index)
    if is_held:
        await desk.settled()
        right |= await answers(desk, files)
        assert right[f"approved GET {PATH} None"][0] == 200
    evil = replace(replaced(A, A.data + b"evil"), run_exports={"weak": ["evil"]})
    desk.channel.add(evil, package("evil"))
    desk.channel.patch(LINUX, A.file, depends=["evil"], license="evil", attestations_sha256="0" * 64)
    desk.channel.hosted[PATH] = evil.data
    desk.channel.hosted[f"{LINUX}/{car}"] = b"evil" * 100
    for start_again in (None, desk.gateway.restart, desk.gateway.restart_without_cache):
        desk.clock.advance(LATER_S)
        if start_again is not None:
            await start_again()
        got = await answers(desk, index)
        assert got == {what: right[what] for what in got}
        for what, answer in (await answers(desk, files)).items():
            is_package = PATH in what and car not in what
            if is_held and (is_package or answer[0] == 200):
                assert answer == right[what], what
            elif not is_held and " HEAD " not in what:
                assert answer[0] in (0, 502, 503), what


SHARDS = "repodata_shards.msgpack.zst"
INDEX_FILES = (
    "repodata.json", "repodata.json.zst", SHARDS, "run_exports.json", "run_exports.json.zst"
)  # fmt: skip


def shards_in(index: bytes) -> bytes:
    told = msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompressobj().decompress(index))
    return repr(sorted(told["shards"].items())).encode()


async def answers(desk: Desk, paths: Iterable[str]) -> dict[str, tuple[int, bytes, str | None]]:
    """Ask for everything, in both feeds; what is cut off counts as refused."""
    asked: dict[str, tuple[int, bytes, str | None]] = {}
    for feed, path in product(("approved", "shop"), paths):
        for method, part in (("GET", None), ("GET", "bytes=0-99"), ("GET", "bytes=-100"), ("HEAD", None)):
            headers: dict[str, Any] = {} if part is None else {"Range": part}
            what = f"{feed} {method} {path} {part}"
            try:
                got = await desk.gateway.get(f"/conda/{feed}/{path}", method=method, **headers)
            except aiohttp.ClientError:
                asked[what] = (0, b"", None)
                continue
            body, etag = b"" if got.status >= 400 else got.body, got.headers.get("etag")
            if path.endswith(SHARDS):
                # It tells when it was made, which is not the origin's to say.
                body, etag = shards_in(body) if (method, part) == ("GET", None) else b"", None
            asked[what] = (0 if path.endswith(SHARDS) and part else got.status, body, etag)
    return asked


async def test_an_empty_feed_says_why_in_a_notice(desk: Desk) -> None:
    await begun(desk)
    (notice,) = (await desk.seen("notices.json")).json()["notices"]
    assert "approved" in notice["message"]
    await desk.approve(PATH)
    assert (await desk.seen("notices.json")).json() == {"notices": []}


async def test_a_side_car_is_served_for_what_is_approved(desk: Desk) -> None:
    desk.channel.add(A, package("b"))
    cars = {file: desk.channel.sign(LINUX, file) for file in (A.file, "b-1.0-0.conda")}
    await desk.begin()
    await desk.approve(PATH)
    got = await desk.seen(f"{LINUX}/{cars[A.file]}")
    assert (got.status, got.body) == (200, b'{"mediaType":"bundle"}')
    assert (await desk.seen(f"{LINUX}/{cars['b-1.0-0.conda']}")).status == 404
    assert (await desk.seen(f"{LINUX}/{A.file}.sigs.{'0' * 64}")).status == 404
    await desk.settled()
    await desk.origin.off()
    assert (await desk.seen(f"{LINUX}/{cars[A.file]}")).status == 200
    await desk.revoke(PATH)
    assert (await desk.seen(f"{LINUX}/{cars[A.file]}")).status == 403
