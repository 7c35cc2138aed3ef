"""A13, A15: index pages that are damaged, and such that are made to do damage."""

import asyncio
import gzip
import random
import zlib

import pytest
import zstandard

from tests.faults.scene import Scene
from tests.support.faults import Fault
from tests.support.index import HTML, HTML_ONLY, JSON, PUBLIC, Shape
from tests.support.length import sized

MIB = 1024 * 1024


def page(body: bytes, content_type: str = JSON) -> Fault:
    return Fault(status=200, body=body, content_type=content_type)


def meta(files: bytes, name: bytes = b'"demo"') -> bytes:
    return b'{"meta":{"api-version":"1.1"},"name":' + name + b',"versions":[],"files":' + files + b"}"


DAMAGED = {
    "nothing": page(b""),
    "nothing as HTML": page(b"", "text/html"),
    "half": page(meta(b'[{"filename":"demo-1.0.tar.gz","url":"x"},')[:60]),
    "bad UTF-8": page(meta(b'[{"filename":"demo-\xff\xfe.tar.gz","url":"x","hashes":{}}]')),
    "deep": page(meta(b"[" * 100_000 + b"]" * 100_000)),
    "deep and open": page(b"[" * 100_000),
    "a list": page(b"[]"),
    "null": page(b"null"),
    "no files": page(b'{"meta":{"api-version":"1.1"},"name":"demo"}'),
    "no meta": page(b'{"name":"demo","files":[]}'),
    "files as an object": page(meta(b"{}")),
    "files as text": page(meta(b'"none"')),
    "files as numbers": page(meta(b"[1,2,3]")),
    "another project": page(meta(b"[]", b'"other"')),
    "name as a number": page(meta(b"[]", b"7")),
    "a version of the future": page(meta(b"[]").replace(b'"1.1"', b'"2.0"')),
    "a version that is none": page(meta(b"[]").replace(b'"1.1"', b"{}")),
    "a login page": page(b"<!DOCTYPE html><html><body><form>Log in</form></body></html>", "text/html"),
    "a portal with links": page(
        b'<!DOCTYPE html><html><body><a href="/login">Log in</a><a href="/help">Help</a></body></html>',
        "text/html",
    ),
    "HTML of the future": page(
        b'<!DOCTYPE html><html><head><meta name="pypi:repository-version" content="2.0"></head></html>', HTML
    ),
    "binary": page(bytes(range(256)) * 20, "application/octet-stream"),
    "a JSON answer of another kind": page(b'{"error":"rate limited"}', "application/json"),
    "HTML called JSON": page(b"<html></html>"),
    "JSON called HTML": page(meta(b"[]"), HTML),
}


def bomb(coding: str) -> Fault:
    """Return a page of 300 MiB that is some hundred KB on the wire."""
    zeros, size = b" " * MIB, sized(96, 1024)
    match coding:
        case "gzip" | "deflate":
            packer = zlib.compressobj(9, wbits=zlib.MAX_WBITS | (16 if coding == "gzip" else 0))
            packed = b"".join([packer.compress(zeros) for _ in range(size)]) + packer.flush()
        case "stacked gzip":
            packed = gzip.compress(b"".join([gzip.compress(zeros) for _ in range(50)]) * 50)
            coding = "gzip"
        case "wide window":
            parameters = zstandard.ZstdCompressionParameters(window_log=27, enable_ldm=True)
            packed = zstandard.ZstdCompressor(compression_params=parameters).compress(zeros * 40)
            coding = "zstd"
        case _:
            writer = zstandard.ZstdCompressor(level=3).compressobj()
            packed = b"".join([writer.compress(zeros) for _ in range(size)]) + writer.flush()
    return Fault(status=200, content_type=JSON, encoding=coding, encoded=packed)


# -- A13


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED)
async def test_damaged_page_never_replaces_the_good_one(scene: Scene, damage: Fault) -> None:
    """A13: the last good page stays, marked; without one it is a 502; never an empty list."""
    await scene.start()
    scene.origin.script(scene.page_path, damage)
    assert (await scene.get(scene.page)).told == (502, "origin-refused")
    good = await scene.warm()
    scene.origin.always(scene.page_path, damage)
    await scene.later()
    stale = await scene.get(scene.page, Accept=JSON)
    assert (stale.body, stale.cache) == (good.body, "feedgate; hit; fwd=stale")
    assert stale.age_s >= 1000


@pytest.mark.parametrize("shape", [PUBLIC, HTML_ONLY], ids=["json", "html"])
async def test_no_mutilation_of_a_page_crashes_or_empties_the_feed(scene: Scene, shape: Shape) -> None:
    """A13: bytes flipped, cut out, doubled; each answer is a list with files or an error."""
    scene.index.shape = shape
    await scene.start(ttl_s=0.0, json_api=None)
    good = await scene.get(scene.page, Accept=JSON)
    content_type = JSON if shape is PUBLIC else HTML
    body = await _raw_page(scene)
    chance = random.Random(20261120)
    for _ in range(sized(60, 3000)):
        scene.origin.always(scene.page_path, page(_mutilated(body, chance), content_type))
        # Past the backoff of the failed refreshes, which would keep the page from being asked.
        scene.clock.advance(301)
        answer = await scene.get(scene.page, Accept=JSON)
        assert answer.status in (200, 502, 503), answer.body
        assert answer.status != 200 or answer.json()["files"]
    assert good.json()["files"]


async def _raw_page(scene: Scene) -> bytes:
    """Return the page as the origin told it last."""
    received = scene.origin.received(scene.page_path)[-1]
    resource = scene.origin.resource(received)
    return bytes(resource.body[:])


def _mutilated(body: bytes, chance: random.Random) -> bytes:
    text = bytearray(body)
    for _ in range(chance.randint(1, 4)):
        at, length = chance.randrange(len(text)), chance.randint(1, 40)
        match chance.randrange(4):
            case 0:
                text[at] = chance.randrange(256)
            case 1:
                del text[at : at + length]
            case 2:
                text[at:at] = text[at : at + length]
            case _:
                text[at:at] = chance.choice(
                    (b'"', b"{", b"[", b"</a>", b"\0", b"\xef\xbb\xbf", b"null", b"-1")
                )
    return bytes(text)


async def test_byte_order_mark_does_not_hide_the_list(scene: Scene) -> None:
    """A13: read, or refused and the good one kept; never empty."""
    await scene.start()
    await scene.warm()
    body = await _raw_page(scene)
    scene.origin.always(scene.page_path, page(b"\xef\xbb\xbf" + body))
    await scene.later()
    assert len((await scene.get(scene.page, Accept=JSON)).json()["files"]) == 2


async def test_doubled_keys_do_not_empty_the_list(scene: Scene) -> None:
    """A13: JSON says nothing of which one counts, so the page is refused or the list is whole."""
    await scene.start()
    await scene.warm()
    body = await _raw_page(scene)
    scene.origin.always(scene.page_path, page(body[:-1] + b',"files":[]}'))
    await scene.later()
    assert len((await scene.get(scene.page, Accept=JSON)).json()["files"]) == 2


# -- A15


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd", "stacked gzip", "wide window"])
async def test_compression_bomb_is_refused_while_others_are_served(scene: Scene, coding: str) -> None:
    """A15: by size, ratio and window; the loop stays free (I9) and the good page stays."""
    blast = await asyncio.to_thread(bomb, coding)
    await scene.start()
    good = await scene.warm()
    assert (await scene.get(scene.file)).status == 200
    await scene.settled()
    scene.origin.always(scene.index.page_path("bomb"), blast)
    bombed = asyncio.create_task(scene.get("/pypi/pypi/simple/bomb/"))
    while not bombed.done():
        assert (await scene.get(scene.file)).body == scene.data
    assert (await bombed).told in ((502, "origin-refused"), (503, "origin-unavailable"))
    scene.origin.always(scene.page_path, blast)
    await scene.later()
    assert (await scene.get(scene.page, Accept=JSON)).body == good.body


async def test_page_of_nothing_but_brackets_is_refused_while_others_are_served(scene: Scene) -> None:
    """A15: 24 times its size in memory, if anybody parsed it."""
    await scene.start()
    blast = page(meta(b"[" + b"[]," * (15 * MIB // 3) + b"[]]"))
    scene.origin.always(scene.page_path, blast)
    answer = await scene.get(scene.page)
    assert answer.told == (502, "origin-refused")
    scene.origin.always(scene.page_path, page(b"<a>" * (5 * MIB), HTML))
    assert (await scene.get(scene.page)).told == (502, "origin-refused")


async def test_page_larger_than_any_is_refused(scene: Scene) -> None:
    """A15: the upstream's own limit counts, however low."""
    await scene.start(max_index_size_bytes=MIB)
    scene.origin.always(scene.page_path, page(b" " * (MIB + 1)))
    assert (await scene.get(scene.page)).told == (502, "origin-refused")
    scene.origin.always(scene.page_path, Fault(status=200, body=b" " * (MIB + 1), chunked=True))
    assert (await scene.get(scene.page)).told == (502, "origin-refused")


async def test_twenty_thousand_header_fields_are_refused(scene: Scene) -> None:
    """A15: of the page and of the artifact."""
    await scene.start()
    await scene.warm()
    scene.origin.always(scene.file_path, Fault(extra_headers=20_000))
    assert (await scene.get(scene.file)).told == (502, "origin-refused")
    scene.origin.always(scene.index.page_path("other"), Fault(extra_headers=20_000))
    assert (await scene.get("/pypi/pypi/simple/other/")).told == (502, "origin-refused")


@pytest.mark.parametrize("kind", ["brackets", "gzip", "cut"])
async def test_bomb_in_the_list_of_names_ends_its_child_only(scene: Scene, kind: str) -> None:
    """A15: the largest document is read in a child with a limit; then the answer tells that it is of no use."""
    await scene.start()
    await scene.warm()
    blasts = {
        "brackets": page(b'{"meta":{"api-version":"1.1"},"projects":[' + b"[]," * (8 * MIB) + b"[]]}"),
        "gzip": await asyncio.to_thread(bomb, "gzip"),
        "cut": Fault(close_delimited=True, truncate_at=40),
    }
    scene.origin.always("/simple/", blasts[kind])
    assert (await scene.get("/pypi/pypi/simple/")).told == (503, "preparing")
    async with asyncio.timeout(30):
        while "list of names" not in scene.log.text:
            assert (await scene.get(scene.page)).status == 200
            await asyncio.sleep(0.02)
    answer = await scene.get("/pypi/pypi/simple/")
    assert answer.told == (502, "origin-refused")
    assert scene.origin.hits("/simple/") == 1
