"""A start on the data folder of every former program: what it kept is read, or asked for anew, and never in the way.

The folders in `tests/data/formats` are whole: cache, state and vault (`make.py` says how they came to be).
"""

import asyncio
import hashlib
import shutil
import tarfile
from pathlib import Path

import orjson
import pytest
import zstandard

from proxy.conda import snapshot
from proxy.conda.origin_shards import parse_index
from proxy.feeds import origin_documents
from proxy.feeds.conda import composer
from proxy.feeds.pypi import feed as pypi_feed
from proxy.feeds.pypi import licenses, project_list, shard
from proxy.policy import settings
from proxy.state import fresh
from tests.formats.program import Program
from tests.formats.stock import ADMIN, DATA, JSON, PACKAGE, READER, WHEEL, body_of, origin

FILE = f"packages/py3/d/{WHEEL}"
#: The oldest first.
KEPT = [each["folder"] for each in orjson.loads((DATA / "forms.json").read_bytes())]
#: From before there were approvals.
OPEN_ONLY = frozenset({"9c0afed"})


def unpack(name: str, folder: Path) -> None:
    with tarfile.open(DATA / f"{name}.tar.xz") as archive:
        archive.extractall(folder, filter="data")


@pytest.fixture(params=KEPT)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Program:
    unpack(request.param, tmp_path)
    return Program(tmp_path, has_approvals=request.param not in OPEN_ONLY)


async def serves_open_feeds(program: Program, *feeds: str) -> None:
    wheel = body_of(f"/{FILE}")
    for feed in feeds:
        got = await program.ask(f"/pypi/{feed}/simple/demo/", accept=JSON)
        assert (got.status, [file["filename"] for file in got.json()["files"]]) == (200, [WHEEL]), got.body
        got = await program.ask(f"/pypi/{feed}/simple/leaf/", accept="text/html")
        assert got.status == 200 and b"leaf-1.0-py3-none-any.whl" in got.body
        assert (await program.ask(f"/pypi/{feed}/{FILE}")).body == wheel
        assert (await program.ask(f"/pypi/{feed}/{FILE}.metadata")).body == body_of(f"/{FILE}.metadata")
        assert (await program.ask(f"/pypi/{feed}/pypi/demo/json")).json()["info"]["name"] == "demo"
        got = await program.until(f"/pypi/{feed}/simple/", accept=JSON)
        assert [each["name"] for each in got.json()["projects"]] == ["demo", "leaf"]


async def serves_channels(program: Program, *feeds: str) -> None:
    package = body_of(f"/channel/{PACKAGE}")
    for feed in feeds:
        for subdir, names in (("noarch", ["tool"]), ("linux-64", ["far", "lib"])):
            if feed == "vetted" and subdir == "linux-64":
                continue
            got = await program.ask(f"/conda/{feed}/{subdir}/repodata.json")
            assert got.status == 200, got.body
            assert sorted(each["name"] for each in got.json()["packages.conda"].values()) == names
            got = await program.ask(f"/conda/{feed}/{subdir}/repodata_shards.msgpack.zst")
            for digest in parse_index(got.body).digests.values():
                shard = await program.ask(f"/conda/{feed}/{subdir}/{digest.hex()}.msgpack.zst")
                assert hashlib.sha256(shard.body).digest() == digest
        got = await program.ask(f"/conda/{feed}/noarch/repodata.json.zst")
        assert b"tool-1.0-0.conda" in zstandard.ZstdDecompressor().decompressobj().decompress(got.body)
        assert (await program.ask(f"/conda/{feed}/{PACKAGE}")).body == package
    assert (await program.ask("/conda/main/noarch/run_exports.json")).status == 200
    assert (await program.ask("/conda/main/channeldata.json")).status == 200


async def keeps_decisions(program: Program) -> None:
    """What people decided is state and vault: it is all there, and no origin is needed for it."""
    for feed, artifact in (("approved", WHEEL), ("vetted", PACKAGE)):
        got = await program.ask(f"/api/v1/feeds/{feed}/approvals", key=ADMIN)
        (item,) = got.json()["items"]
        assert (item["artifact"], item["state"], item["bytes"]) == (artifact, "active", "held")
    got = await program.ask("/pypi/approved/simple/demo/", accept=JSON)
    (file,) = got.json()["files"]
    assert file["upload-time"] == "2024-01-01T00:00:00Z"
    assert (await program.ask(f"/pypi/approved/{FILE}")).body == body_of(f"/{FILE}")
    got = await program.ask("/pypi/approved/simple/", accept=JSON)
    assert [each["name"] for each in got.json()["projects"]] == ["demo"]
    await serves_channels(program, "vetted")
    assert (await program.ask("/api/v1/feeds/pypi", key=READER)).status == 200
    assert (await program.ask("/api/v1/feeds/made", key=ADMIN)).json()["curated_from"] == ["pypi"]
    assert (await program.ask("/pypi/made/simple/demo/")).json()["type"] == "urn:feedgate:not-approved"
    actions = [item["action"] for item in (await program.ask("/api/v1/audit", key=ADMIN)).json()["items"]]
    assert {"feed.create", "key.create"} <= set(actions)


def is_quiet(program: Program) -> None:
    assert b"Traceback" not in program.log, program.log.decode()


async def test_a_former_folder_is_served_as_its_origin_is_now(kept: Program) -> None:
    has_approvals = kept.has_approvals
    async with origin(), kept as program:
        assert (await program.ask("/readyz")).status == 200
        await serves_open_feeds(program, *(("pypi", "judged") if has_approvals else ("pypi",)))
        await serves_channels(program, *(("main", "narrow") if has_approvals else ("main",)))
        if has_approvals:
            await keeps_decisions(program)
        is_quiet(program)
    async with kept as program:
        await serves_open_feeds(program, *(("pypi", "judged") if has_approvals else ("pypi",)))
        await serves_channels(program, *(("main", "narrow") if has_approvals else ("main",)))
        is_quiet(program)


async def test_a_former_folder_without_its_cache_is_served(tmp_path: Path) -> None:
    unpack(KEPT[0], tmp_path)
    await asyncio.to_thread(shutil.rmtree, tmp_path / "data/cache")
    async with origin(), Program(tmp_path, has_approvals=False) as program:
        await serves_open_feeds(program, "pypi")
        await serves_channels(program, "main")
        is_quiet(program)


async def test_pages_of_a_form_that_is_not_read_any_more_are_said_once(tmp_path: Path) -> None:
    unpack("9c0afed", tmp_path)
    async with origin(), Program(tmp_path, has_approvals=False) as program:
        for name in ("demo", "leaf", "demo"):
            assert (await program.ask(f"/pypi/pypi/simple/{name}/", accept=JSON)).status == 200
        assert program.log.count(b"kept by another version") == 1


def test_a_folder_is_kept_of_every_form() -> None:
    """Whoever changes a form keeps a folder of the one before: `tests/formats/make.py`."""
    forms = {
        "schema": fresh.HEAD, "PyPI shard": shard.FORMAT, "PyPI documents": pypi_feed.RENDERERS,
        "list": project_list.FORM,
        "licences": licenses.FORM, "origin document": origin_documents.FORM, "snapshot": snapshot.FORM,
        "composed": composer.FORM, "policies": settings.EDITION,
    }  # fmt: skip
    kept = orjson.loads((DATA / "forms.json").read_bytes())
    assert kept[-1]["forms"] == forms
    assert {path.name.removesuffix(".tar.xz") for path in DATA.glob("*.tar.xz")} == set(KEPT)
