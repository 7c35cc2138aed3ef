"""Package files: whole, in parts, by any spelling of their name, once from the origin (checklist 5, 6 and 8)."""

import asyncio
import hashlib
from urllib.parse import quote

import pytest

from tests.conda_feed.stand import Stand
from tests.support.conda_packages import Package, bare, package
from tests.support.faults import Fault
from tests.support.gateway import Got

#: Longer than the part of an artifact that waits for its digest.
SIZE = 40_000
BIG = bare("big", data=hashlib.shake_256(b"big").digest(SIZE))
PATH = "linux-64/big-1.0-0.conda"


async def started(stand: Stand, *, is_held: bool, packages: tuple[Package, ...] = (BIG,)) -> None:
    """Start with packages, held already or not."""
    stand.channel.add(*packages)
    await stand.start()
    await stand.files()
    for each in packages if is_held else ():
        assert (await stand.get(f"{each.subdir}/{each.file}")).status == 200
    await stand.settled()
    stand.origin.forget()


def fetched(stand: Stand) -> int:
    return stand.origin.hits(stand.channel.path("linux-64", BIG.file), method="GET")


async def test_a_package_is_fetched_once_and_served_for_ever(stand: Stand) -> None:
    await started(stand, is_held=False)
    first = await stand.get(PATH)
    await stand.settled()
    again = await stand.get(PATH)
    assert first.body == again.body == BIG.data
    assert (first.headers["etag"], again.headers["etag"]) == (f'"{BIG.sha256}"', f'"{BIG.sha256}"')
    assert "fwd=miss" in first.cache
    assert "hit" in again.cache
    assert fetched(stand) == 1


@pytest.mark.parametrize("is_chunked", [True, False])
async def test_a_package_in_a_coding_that_nobody_asked_for_is_served(stand: Stand, is_chunked: bool) -> None:
    """C4."""
    await started(stand, is_held=False)
    fault = Fault(encoding="gzip", chunked=is_chunked)
    stand.origin.always(stand.channel.path("linux-64", BIG.file), fault)
    got = await stand.whole(PATH)
    assert got is not None and (got.status, got.body) == (200, BIG.data)
    await stand.settled()
    assert (await stand.get(PATH)).body == BIG.data
    assert fetched(stand) == 1


async def test_a_size_of_zero_is_none(stand: Stand) -> None:
    """C5: an index that does not know the size writes 0; the digest decides."""
    stand.channel.add(BIG)
    stand.channel.patch("linux-64", BIG.file, size=0)
    await stand.start()
    got = await stand.get(PATH)
    assert (got.status, got.body) == (200, BIG.data)


async def test_many_that_want_a_cold_package_share_one_fetch(stand: Stand) -> None:
    await started(stand, is_held=False)
    got = await asyncio.gather(*(stand.get(PATH) for _ in range(20)))
    assert {each.body for each in got} == {BIG.data}
    assert fetched(stand) == 1


async def test_a_package_is_served_without_its_origin(stand: Stand) -> None:
    await started(stand, is_held=True)
    await stand.origin.off()
    stand.clock.advance(3 * 86400)
    await stand.restart()
    assert (await stand.get(PATH)).body == BIG.data


@pytest.mark.parametrize("is_held", [True, False])
async def test_head_asks_the_origin_for_nothing(stand: Stand, is_held: bool) -> None:
    await started(stand, is_held=is_held)
    head = await stand.get(PATH, "HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(SIZE))
    assert head.headers["accept-ranges"] == "bytes"
    assert stand.channel.asked() == []


RANGES = {
    "bytes=0-": (0, SIZE),
    "bytes=100-": (100, SIZE),
    f"bytes={SIZE - 1}-": (SIZE - 1, SIZE),
    "bytes=0-0": (0, 1),
    "bytes=10-19": (10, 20),
    f"bytes=39990-{SIZE + 5000}": (39990, SIZE),
    "bytes=-100": (SIZE - 100, SIZE),
    "bytes=-65536": (0, SIZE),
}


@pytest.mark.parametrize("is_held", [True, False])
async def test_a_single_range_is_answered(stand: Stand, is_held: bool) -> None:
    several = tuple(bare(f"big{number}", data=BIG.data) for number in range(len(RANGES)))
    await started(stand, is_held=is_held, packages=several)
    for each, (asked, (start, stop)) in zip(several, RANGES.items(), strict=True):
        got = await stand.get(f"linux-64/{each.file}", Range=asked)
        assert (got.status, got.body) == (206, BIG.data[start:stop]), asked
        assert got.headers["content-range"] == f"bytes {start}-{stop - 1}/{SIZE}"
        assert got.headers["content-length"] == str(stop - start)


@pytest.mark.parametrize("is_held", [True, False])
async def test_a_start_beyond_the_end_and_nothing_else_is_416(stand: Stand, is_held: bool) -> None:
    await started(stand, is_held=is_held)
    for asked in (f"bytes={SIZE}-", "bytes=99999999-", f"bytes={SIZE}-{SIZE + 9}"):
        got = await stand.get(PATH, Range=asked)
        assert (got.status, got.headers["content-range"]) == (416, f"bytes */{SIZE}"), asked


@pytest.mark.parametrize("is_held", [True, False])
async def test_what_is_no_single_range_is_answered_whole(stand: Stand, is_held: bool) -> None:
    await started(stand, is_held=is_held)
    for asked in ("bytes=0-1,5-6", "bytes=9-1", "lines=1-2", "bytes=", "bytes=a-b"):
        got = await stand.get(PATH, Range=asked)
        assert (got.status, got.body) == (200, BIG.data), asked


@pytest.mark.parametrize("is_held", [True, False])
async def test_if_range_with_the_right_tag_gives_the_part_and_with_another_the_whole(
    stand: Stand, is_held: bool
) -> None:
    await started(stand, is_held=is_held)
    part = await stand.get(PATH, Range="bytes=5-9", If_Range=f'"{BIG.sha256}"')
    assert (part.status, part.body) == (206, BIG.data[5:10])
    for tag in ('"old"', f'W/"{BIG.sha256}"', "Mon, 02 Nov 2026 09:00:00 GMT"):
        whole = await stand.get(PATH, Range="bytes=5-9", If_Range=tag)
        assert (whole.status, whole.body) == (200, BIG.data), tag


async def test_a_part_of_a_cold_package_is_passed_through(stand: Stand) -> None:
    await started(stand, is_held=False)
    assert (await stand.get(PATH, Range="bytes=-100")).body == BIG.data[-100:]
    (asked,) = stand.origin.received(stand.channel.path("linux-64", BIG.file))
    assert asked.headers["range"] in ("bytes=-100", f"bytes={SIZE - 100}-{SIZE - 1}", f"bytes={SIZE - 100}-")


# -- names -----------------------------------------------------------------------------------------------------


ODD = ["epoch-1!2.0-0.conda", "local-1.0+cu118-h1_0.conda", "tilde-1.0~rc1-0.tar.bz2", "_under-1.0-0.conda",
       "dotted.name-1.0-0.conda", "barrnap-0.8-pl==5.22.0_0.tar.bz2"]  # fmt: skip


def odd(file: str) -> Package:
    extension = ".tar.bz2" if file.endswith(".tar.bz2") else ".conda"
    name, version, build = file.removesuffix(extension).rsplit("-", 2)
    return bare(name, version, build, extension=extension)


async def test_a_name_is_one_however_it_is_encoded(stand: Stand) -> None:
    await started(stand, is_held=False, packages=tuple(map(odd, ODD)))
    for file in ODD:
        every = "".join(f"%{byte:02x}" for byte in file.encode())
        for spelling in (file, quote(file, safe=""), quote(file, safe="+!~="), every, every.upper()):
            reply = await stand.raw("GET", f"/conda/chan/linux-64/{spelling}")
            assert (reply.status, reply.body) == (200, odd(file).data), spelling
            await stand.settled()
    assert len(stand.channel.asked()) == len(ODD)
    assert await stand.files() == set(ODD)


async def test_a_plus_is_a_plus_and_no_space(stand: Stand) -> None:
    await started(stand, is_held=False, packages=(odd("local-1.0+cu118-h1_0.conda"),))
    for spelling in (
        "local-1.0 cu118-h1_0.conda",
        "local-1.0%20cu118-h1_0.conda",
        "local-1.0%252Bcu118-h1_0.conda",
    ):
        reply = await stand.raw("GET", f"/conda/chan/linux-64/{spelling.replace(' ', '%20')}")
        assert reply.status in (400, 404)
    assert stand.channel.asked() == []


async def test_the_name_goes_to_the_origin_as_one_name(stand: Stand) -> None:
    """A storage host decodes a raw plus as it likes; what we ask must mean the file."""
    await started(stand, is_held=False, packages=(odd("local-1.0+cu118-h1_0.conda"),))
    assert (await stand.get("linux-64/local-1.0+cu118-h1_0.conda")).status == 200


async def test_upper_case_in_a_file_name_is_another_file(stand: Stand) -> None:
    await started(stand, is_held=False)
    assert (await stand.get("linux-64/BIG-1.0-0.conda")).status == 404


async def test_a_name_in_upper_case_at_the_origin_is_served(stand: Stand) -> None:
    made = bare("Odd")
    await started(stand, is_held=False, packages=(made,))
    assert await stand.files() == {"Odd-1.0-0.conda"}
    assert (await stand.get("linux-64/Odd-1.0-0.conda")).body == made.data


async def test_a_record_is_needed_though_the_origin_has_the_file(stand: Stand) -> None:
    """Hot-fixes take files out of the index and leave them on the host: not listed is not downloadable."""
    stand.channel.add(BIG, bare("a"))
    stand.channel.take_out("linux-64", BIG.file)
    await stand.start()
    assert (await stand.get(PATH)).status == 404
    assert not fetched(stand)


async def test_a_file_that_left_the_index_is_refused_though_it_is_held(stand: Stand) -> None:
    await started(stand, is_held=True, packages=(BIG, bare("a")))
    stand.channel.remove("linux-64", BIG.file)
    await stand.refresh()
    stand.clock.advance(2)
    for headers in ({}, {"Range": "bytes=0-9"}, {"If_None_Match": f'"{BIG.sha256}"'}):
        assert (await stand.get(PATH, **headers)).status == 404
    assert (await stand.get(PATH, "HEAD")).status == 404


# -- bytes -----------------------------------------------------------------------------------------------------


def assert_refused(got: Got) -> None:
    assert got.status == 502
    assert got.headers["content-type"] == "application/problem+json"


async def incomplete(stand: Stand, path: str = PATH) -> bool:
    """Tell whether a client that asks for the whole package does not get it."""
    reply = await stand.whole(path)
    await stand.settled()
    return reply is None or reply.status != 200


@pytest.mark.parametrize("at", [0, SIZE // 2, -1])
async def test_wrong_bytes_never_complete_and_are_not_kept(stand: Stand, at: int) -> None:
    await started(stand, is_held=False)
    stand.origin.always(stand.channel.path("linux-64", BIG.file), Fault(flip_at=at))
    assert await incomplete(stand)
    assert BIG.sha256 not in stand.blobs()
    stand.origin.heal()
    stand.clock.advance(400)
    assert (await stand.get(PATH)).body == BIG.data


@pytest.mark.parametrize("at", [0, SIZE // 2, -1])
async def test_wrong_bytes_of_a_channel_that_tells_md5_only_never_complete(stand: Stand, at: int) -> None:
    stand.channel.reshape(hashes=("md5",))
    await started(stand, is_held=False)
    stand.origin.always(stand.channel.path("linux-64", BIG.file), Fault(flip_at=at))
    assert await incomplete(stand)
    stand.origin.heal()
    stand.clock.advance(400)
    assert (await stand.get(PATH)).body == BIG.data


async def test_wrong_bytes_that_are_told_of_in_full_name_both_digests(stand: Stand) -> None:
    """A package so small that it all waits for its digest: the client sees an error, not a broken transfer."""
    small = bare("small")
    await started(stand, is_held=False, packages=(small,))
    stand.origin.always(stand.channel.path("linux-64", small.file), Fault(flip_at=0))
    got = await stand.get(f"linux-64/{small.file}")
    assert_refused(got)
    assert small.sha256 in got.json()["detail"]


@pytest.mark.parametrize(
    "fault",
    [Fault(truncate_at=100), Fault(reset_at=100), Fault(close_delimited=True, truncate_at=100)],
)
async def test_half_a_package_never_completes(stand: Stand, fault: Fault) -> None:
    await started(stand, is_held=False)
    stand.origin.always(stand.channel.path("linux-64", BIG.file), fault)
    assert await incomplete(stand)
    assert BIG.sha256 not in stand.blobs()


async def test_a_package_that_is_coded_on_the_way_is_stored_as_it_is(stand: Stand) -> None:
    await started(stand, is_held=False)
    stand.origin.always(stand.channel.path("linux-64", BIG.file), Fault(encoding="gzip"))
    reply = await stand.whole(PATH)
    assert reply is None or reply.status != 200 or reply.body == BIG.data


async def test_a_channel_that_tells_md5_only_serves_its_packages_once_fetched(stand: Stand) -> None:
    stand.channel.reshape(hashes=("md5",))
    await started(stand, is_held=False)
    first = await stand.get(PATH)
    await stand.settled()
    assert first.body == BIG.data
    again = await stand.get(PATH)
    assert (again.body, again.headers["etag"]) == (BIG.data, f'"{BIG.sha256}"')
    assert "hit" in again.cache
    assert fetched(stand) == 1
    await stand.restart()
    assert "hit" in (await stand.get(PATH)).cache
    assert fetched(stand) == 1


async def test_no_sha256_is_added_to_the_records_of_such_a_channel(stand: Stand) -> None:
    stand.channel.reshape(hashes=("md5",))
    await started(stand, is_held=True)
    record = (await stand.indexed())["packages.conda"][BIG.file]
    assert ("sha256" in record, record["md5"]) == (False, BIG.record["md5"])


@pytest.mark.parametrize("asked", ["bytes=10-19", "bytes=-100"])
async def test_a_part_of_a_package_without_sha256(stand: Stand, asked: str) -> None:
    stand.channel.reshape(hashes=("md5",))
    await started(stand, is_held=False)
    got = await stand.get(PATH, Range=asked)
    assert (got.status, got.body) == (206, BIG.data[10:20] if asked == "bytes=10-19" else BIG.data[-100:])


async def test_a_package_without_any_hash_is_served(stand: Stand) -> None:
    stand.channel.reshape(hashes=())
    await started(stand, is_held=False)
    assert (await stand.get(PATH)).body == BIG.data
    await stand.settled()
    assert "hit" in (await stand.get(PATH)).cache


@pytest.mark.parametrize("size", [SIZE - 1, SIZE + 1, 5])
async def test_a_package_of_another_size_than_its_record_says_never_completes(
    stand: Stand, size: int
) -> None:
    stand.channel.reshape(hashes=())
    stand.channel.add(BIG)
    stand.channel.patch("linux-64", BIG.file, size=size)
    await stand.start()
    assert await incomplete(stand)


async def test_a_package_without_a_size_is_served(stand: Stand) -> None:
    stand.channel.add(BIG)
    stand.channel.patch("linux-64", BIG.file, size=...)
    await stand.start()
    head = await stand.get(PATH, "HEAD")
    assert (head.status, head.headers["content-length"]) == (200, str(SIZE))
    assert (await stand.get(PATH, Range="bytes=-100")).body == BIG.data[-100:]
    assert (await stand.get(PATH)).body == BIG.data


async def test_a_listed_package_that_the_origin_has_not_is_404(stand: Stand) -> None:
    stand.channel.add(BIG)
    del stand.channel.hosted[f"linux-64/{BIG.file}"]
    await stand.start()
    got = await stand.get(PATH)
    assert (got.status, got.json()["type"]) == (404, "urn:feedgate:unknown")
    stand.channel.add(BIG)
    stand.clock.advance(2)
    assert (await stand.get(PATH)).status == 200


async def test_a_package_that_cannot_be_fetched_now_is_503(stand: Stand) -> None:
    await started(stand, is_held=False)
    await stand.origin.off()
    got = await stand.get(PATH)
    assert got.status == 503
    assert int(got.headers["retry-after"]) >= 1


async def test_a_redirect_to_a_storage_host_is_followed_here(stand: Stand) -> None:
    await started(stand, is_held=False)
    elsewhere = stand.origin.add("/storage/x", BIG.data)
    stand.origin.always(stand.channel.path("linux-64", BIG.file), Fault(location=elsewhere))
    got = await stand.get(PATH)
    assert (got.status, got.body) == (200, BIG.data)
    assert "location" not in got.headers


# -- side-cars -------------------------------------------------------------------------------------------------


async def test_a_side_car_is_passed_on_unchanged(stand: Stand) -> None:
    stand.channel.add(BIG)
    bundle = b'{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json"}\n'
    file = stand.channel.sign("linux-64", BIG.file, bundle)
    await stand.start()
    for _ in range(2):
        got = await stand.get(f"linux-64/{file}")
        assert (got.status, got.body) == (200, bundle)
        await stand.settled()
    assert stand.origin.hits(stand.channel.path("linux-64", file)) == 1
    assert (await stand.indexed())["packages.conda"][BIG.file]["attestations_sha256"] in file


async def test_a_side_car_that_the_record_does_not_name_is_not_there(stand: Stand) -> None:
    stand.channel.add(BIG, bare("b"))
    file = stand.channel.sign("linux-64", BIG.file)
    other = hashlib.sha256(b"x").hexdigest()
    stand.channel.hosted[f"linux-64/{BIG.file}.sigs.{other}"] = b"x"
    await stand.start()
    digest = file.rpartition(".")[2]
    for path in (f"{BIG.file}.sigs.{other}", f"b-1.0-0.conda.sigs.{digest}", f"none-1-0.conda.sigs.{digest}"):
        assert (await stand.get(f"linux-64/{path}")).status == 404


async def test_a_side_car_with_other_bytes_is_refused(stand: Stand) -> None:
    stand.channel.add(BIG)
    file = stand.channel.sign("linux-64", BIG.file)
    stand.channel.hosted[f"linux-64/{file}"] = b"forged"
    await stand.start()
    assert_refused(await stand.get(f"linux-64/{file}"))


async def test_real_packages_of_both_formats_are_served_byte_for_byte(stand: Stand) -> None:
    both = (
        package("tool", noarch="python", payload=30_000),
        package("lib", extension=".tar.bz2", payload=30_000),
    )
    await started(stand, is_held=False, packages=both)
    for each in both:
        assert (await stand.get(f"{each.subdir}/{each.file}")).body == each.data
