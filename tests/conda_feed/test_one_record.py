"""One record never costs another: whatever an origin says of one file, cold or at a refresh, the rest goes on (S4, C7).

Each row is the text of one member of `packages.conda`. What can be read of it is served, in every form alike; what
cannot is left out alone, counted, and explained.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from tests.conda_feed.readback import FORMS, Form
from tests.conda_feed.stand import Stand
from tests.support.channel import FULL, SHARD_INDEX
from tests.support.conda_index import zst
from tests.support.conda_packages import bare

GOOD = bare("good")
BAD = "bad-1.0-0.conda"


def said(**changes: Any) -> bytes:
    """Return the record of the file BAD with some changes."""
    record = {**bare("bad").record, **changes}
    return json.dumps({key: value for key, value in record.items() if value is not ...}).encode()


def listed(text: bytes, file: bytes = b'"bad-1.0-0.conda"') -> bytes:
    return file + b":" + text


PLAIN = said(license="MIT")
#: What is mended: the file is served.
MENDED: Mapping[str, bytes] = {
    "revoked is a text": listed(said(revoked="yes")),
    "revoked is a number": listed(said(revoked=3)),
    "attestations are a number": listed(said(attestations_sha256=5)),
    "attestations are no digest": listed(said(attestations_sha256="zz")),
    "a licence that is a number": listed(said(license=5)),
    "a family that is a list": listed(said(license_family=[1])),
    "a size of 70 bits": listed(said(size=2**70)),
    "an unknown number of 70 bits": listed(said(later=2**70)),
    "a timestamp beyond all years": listed(said(timestamp=2**62)),
    "noarch in upper case": listed(said(noarch="Python")),
    "a name in upper case": listed(said(name="BAD")),
    "a dependency behind a blank": listed(said(depends=[" good >=1"])),
    "run_exports that are a number": listed(said(run_exports=1)),
    "null dependencies": listed(said(depends=None, constrains=None)),
    "an escape in its key": listed(PLAIN, b'"b\\u0061d-1.0-0.conda"'),
    "a key that stands twice": listed(b"3") + b"," + listed(PLAIN),
    "another version than its file says": listed(said(version="2.0")),
    "another build than its file says": listed(said(build="other")),
    "a dependency that is nested": listed(said(depends=["python " + "(" * 5000 + ">1" + ")" * 5000])),
    "a dependency without an end": listed(said(depends=["python " + "1" * 20_000])),
    "a bracket in a text": listed(said(license="[" * 5000)),
    "byte order marks around it": b"\xef\xbb\xbf" + listed(b"\xef\xbb\xbf" + PLAIN + b"\xef\xbb\xbf"),
}
#: What nobody can read: the file is left out.
DROPPED: Mapping[str, bytes] = {
    "a lone surrogate": listed(PLAIN.replace(b"MIT", b"\\ud800")),
    "two surrogates in the wrong order": listed(PLAIN.replace(b"MIT", b"\\udc00\\ud800")),
    "bytes that are no UTF-8": listed(PLAIN.replace(b"MIT", b"\xff\xfe")),
    "a tower of 1,500": listed(PLAIN[:-1] + b',"x":' + b"[" * 1500 + b"]" * 1500 + b"}"),
    "a tower of 100,000": listed(b'{"x":' * 100_000 + b"1" + b"}" * 100_000),
    "a record of a megabyte": listed(said(license="x" * 1024**2)),
    "a list": listed(b"[]"),
    "nothing": listed(b"null"),
    "a number": listed(b"7"),
    "no number": listed(b"NaN"),
    "a key twice in it": listed(PLAIN[:-1] + b',"name":"bad"}'),
    "a build number of 70 bits": listed(said(build_number=2**70)),
    "no build number": listed(said(build_number=...)),
    "dependencies in dependencies": listed(said(depends=[["good"]])),
    "a version that no file has": listed(said(version="1/0")),
    "a name of another": listed(said(name="good")),
    "a control character": listed(PLAIN.replace(b"MIT", b"\x01")),
    "a byte order mark in it": listed(PLAIN[:-1] + b",\xef\xbb\xbf" + PLAIN[1:]),
    "a number of 5,000 digits": listed(PLAIN[:-1] + b',"x":' + b"9" * 5000 + b"}"),
}
#: What costs nothing and is no record.
BESIDE: Mapping[str, bytes] = {
    "a file name that cannot be read": listed(PLAIN, b'"\\ud800-1.0-0.conda"'),
    "a file name that is none": listed(PLAIN, b'"bad.conda"'),
    "a file name that leads out": listed(PLAIN, b'"../bad-1.0-0.conda"'),
    "an empty file name": listed(PLAIN, b'""'),
}
#: What stands at the end of the document, behind its sections.
ENDS: Mapping[str, bytes] = {
    "removed is a map": b',"removed":{}',
    "removed is null": b',"removed":null',
    "removed is a number": b',"removed":3',
    "removed holds no texts": b',"removed":[1,null,"\\ud800"]',
    "an info that cannot be read": b',"info":' + b"[" * 5000 + b"]" * 5000,
    "an info twice": b',"info":{"subdir":"linux-64"}',
}
ROWS = {**MENDED, **DROPPED, **BESIDE}


def document(member: bytes = b"", end: bytes = b"", *, late: bool = False) -> bytes:
    members = [listed(json.dumps(dict(GOOD.record)).encode(), b'"good-1.0-0.conda"')]
    members += [member] * bool(member)
    if late:
        members.append(listed(json.dumps(dict(bare("late").record)).encode(), b'"late-1.0-0.conda"'))
    head = b'{"info":{},"packages":{},"packages.conda":{'
    return head + b",".join(members) + b"}" + end + b"}"


def served(kind: str, *others: str) -> set[str]:
    return {"good-1.0-0.conda", *others} | ({BAD} if kind in MENDED else set())


async def assert_left_out(stand: Stand, subdir: str) -> None:
    """Assert that the file BAD of a subdir is refused and explained, and listed as hidden."""
    got = await stand.get(f"{subdir}/{BAD}")
    assert (got.status, got.json()["type"], got.json()["rule"]) == (404, "urn:feedgate:unknown", "record")
    answer = await stand.gateway.get(f"/api/v1/feeds/chan/explain?artifact={subdir}/{BAD}")
    (one,) = answer.json()["items"]
    assert (one["outcome"], one["rule"], one["policy"]) == ("block", "record", None)
    assert one["reason"].startswith("its record was left out: ")
    items = (await stand.gateway.get("/api/v1/feeds/chan/packages/bad")).json()["items"]
    assert f"{subdir}/{BAD}" in {item["artifact"] for item in items if item["verdict"]["rule"] == "record"}


@pytest.mark.parametrize("batch", range(6))
async def test_a_record_costs_no_other(stand: Stand, batch: int) -> None:
    """Cold, and at a refresh. Each kind has a subdir of its own, so that one server sees them all."""
    kinds = tuple(ROWS)[batch::6]
    subdirs = {f"row-{number}": kind for number, kind in enumerate(kinds)}
    stand.channel.shape = FULL
    for subdir, kind in subdirs.items():
        stand.channel.hosted |= {f"{subdir}/{BAD}": b"bad", f"{subdir}/{GOOD.file}": GOOD.data}
        stand.channel.put(subdir, document(ROWS[kind]))
    await stand.start()
    for subdir, kind in subdirs.items():
        assert await stand.files(subdir) == served(kind), kind
        assert (await stand.get(f"{subdir}/{GOOD.file}")).body == GOOD.data, kind
    for subdir, kind in subdirs.items():
        stand.channel.put(subdir, document(ROWS[kind], late=True))
    await stand.refresh(*subdirs)
    for subdir, kind in subdirs.items():
        found = [await stand.indexed(subdir, form) for form in (Form.SHARDS, Form.JSON)]
        assert found[0] == found[1], kind
        assert {file for each in found[0].values() for file in each} == served(kind, "late-1.0-0.conda"), kind
        if kind in DROPPED:
            await assert_left_out(stand, subdir)
    counted = sum(kind not in MENDED for kind in kinds)
    assert stand.counted("records_dropped", "origin") == counted
    assert sum("was left out" in line for line in stand.log.of("WARNING")) == counted


async def test_what_is_left_out_is_told_for_as_long_as_it_is_listed(stand: Stand) -> None:
    stand.channel.shape = FULL
    stand.channel.add(GOOD)
    stand.channel.put("linux-64", document(DROPPED["a lone surrogate"]))
    await stand.start()
    await stand.files()
    page = (await stand.gateway.get("/api/v1/feeds/chan/packages?state=hidden")).json()
    assert [(item["name"], item["hidden"]) for item in page["items"]] == [("bad", 1)]

    async def notes() -> list[str]:
        told = (await stand.gateway.get("/api/v1/feeds/chan")).json()["notes"]
        assert (await stand.gateway.get("/readyz")).json()["degraded"] == told
        return list(told)

    (note,) = await notes()
    assert note.startswith(f"1 record of linux-64 cannot be read and is left out: {BAD} (")
    stand.channel.put("linux-64", document(late=True))
    await stand.refresh()
    assert await notes() == []


async def test_what_stands_beside_the_records_costs_none(stand: Stand) -> None:
    subdirs = {f"row-{number}": kind for number, kind in enumerate(ENDS)}
    stand.channel.shape = FULL
    for subdir, kind in subdirs.items():
        stand.channel.put(subdir, document(end=ENDS[kind]))
    await stand.start()
    for subdir, kind in subdirs.items():
        assert await stand.files(subdir) == {GOOD.file}, kind


async def test_a_file_is_served_where_its_extension_belongs(stand: Stand) -> None:
    """C9: old rattler-build lists every file under `packages.conda`."""
    old = bare("old", extension=".tar.bz2")
    stand.channel.shape = FULL
    stand.channel.add(GOOD, old)
    member = listed(json.dumps(dict(old.record)).encode(), b'"old-1.0-0.tar.bz2"')
    stand.channel.put("linux-64", document(member))
    await stand.start()
    found = [await stand.indexed("linux-64", form) for form in FORMS]
    assert found[0] == found[1] == found[2]
    assert list(found[0]["packages"]) == ["old-1.0-0.tar.bz2"]
    assert (await stand.get("linux-64/old-1.0-0.tar.bz2")).body == old.data


SHARDED: Mapping[str, Any] = {
    "a number": 3,
    "nothing": None,
    "no build number": {**bare("good", "2.0").record, "build_number": None},
    "a key that is a number": {**bare("good", "2.0").record, 5: 1},
    "another name": dict(bare("bad").record),
    "an extension": {**bare("good", "2.0").record, "x": msgspec.msgpack.Ext(7, b"x")},
    "a number of 64 bits": {**bare("good", "2.0").record, "build_number": 2**63},
}


async def test_a_record_of_a_shard_costs_no_other(stand: Stand) -> None:
    """CEP 16: the shard of a name holds all its records."""
    subdirs = {f"row-{number}": kind for number, kind in enumerate(SHARDED)}
    stand.channel.reshape(zst=False, json=False)
    for subdir, kind in subdirs.items():
        files = {"good-1.0-0.conda": dict(GOOD.record), "good-2.0-0.conda": SHARDED[kind]}
        shard = zst(msgspec.msgpack.encode({"packages": {}, "packages.conda": files, "removed": {}}))
        digest = hashlib.sha256(shard)
        index = {"version": 1, "info": {"base_url": ""}, "shards": {"good": digest.digest()}}
        stand.origin.add(stand.channel.path(subdir, SHARD_INDEX), zst(msgspec.msgpack.encode(index)))
        stand.origin.add(stand.channel.path(subdir, f"{digest.hexdigest()}.msgpack.zst"), shard)
    await stand.start()
    for subdir, kind in subdirs.items():
        assert await stand.files(subdir) == {"good-1.0-0.conda"}, kind
    assert stand.counted("records_dropped", "origin") == len(SHARDED)
