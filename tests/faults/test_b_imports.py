"""B05: a ready server imports nothing more, so no failing disk, no lack of descriptors leaves half of a module."""

import asyncio
import resource
import signal
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from proxy.imports import ImportFailed, load
from tests.formats.make import FILE, HTML, use
from tests.formats.program import Program
from tests.formats.stock import ADMIN, HOST, JSON, PACKAGE, PORT, config, origin
from tests.support.gateway import Gateway, Got

#: The server, which notes what is imported at the first signal, and writes what has come since at the second.
SPY = """
import pathlib, signal, sys

known = set()

def note(*_):
    known.update(sys.modules)

def tell(*_):
    told = pathlib.Path({path!r})
    told.with_suffix(".new").write_text("\\n".join(sorted(set(sys.modules) - known)))
    told.with_suffix(".new").rename(told)

signal.signal(signal.SIGUSR1, note)
signal.signal(signal.SIGUSR2, tell)
from proxy.__main__ import main
sys.exit(main())
"""
ONLY_PYPI = f"""
[server]
port = 0
[feeds.pypi]
kind = "pypi"
[[feeds.pypi.upstreams]]
url = "http://{HOST}:{PORT}/simple/"
route = "direct"
allow_private = true
files_base = "http://{HOST}:{PORT}/packages/"
"""
POLICY = {
    "name": "mine", "block": ["bzip2", "openssl <3"], "block_licenses": ["GPL3", "AGPL-3.0-only"], "min_age": "7d",
    "keep_versions": 1, "python_versions": ["3.12"],
}  # fmt: skip
CLOSURE = {
    "platforms": ["linux-64"],
    "python_versions": ["3.12"],
    "include_dependencies": True,
    "dry_run": True,
}


def spied(folder: Path, settings: str | None = None) -> Program:
    program = ("-c", SPY.format(path=str(folder / "imported")))
    return Program(folder, has_approvals=settings is None, program=program, settings=settings)


async def is_ready(program: Program) -> None:
    await program.until("/readyz")
    program.signal(signal.SIGUSR1)
    await asyncio.sleep(0.2)


async def imported(folder: Path, program: Program) -> list[str]:
    """Return what has been imported since it was ready."""
    program.signal(signal.SIGUSR2)
    told = folder / "imported"
    async with asyncio.timeout(10):
        while not told.exists():
            await asyncio.sleep(0.05)
    found = told.read_text().split()
    told.unlink()
    return found


async def administer(program: Program, kinds: Iterable[str], feeds: Iterable[str]) -> None:
    """Ask for everything that a person may, of these kinds."""

    async def call(path: str, method: str = "GET", body: object = None, **more: Any) -> int:
        got = await program.ask(f"/api/v1/{path}", method=method, body=body, key=ADMIN, **more)
        assert got.status < 500, (path, got.body)
        return got.status

    for path in (
        "/",
        "/metrics",
        "/healthz",
        "/pypi/pypi/",
        "/why/pypi/demo",
        "/nothing",
        "/pypi/pypi/simple/none/",
    ):
        assert (await program.ask(path)).status < 500
    for path in ("feeds", "policies", "routes", "keys", "audit", "audit/chain", "openapi.json"):
        assert await call(path) == 200
    for feed in feeds:
        for path in ("", "/packages", "/packages/demo", "/snippets", "/approvals", "/promotions", "/doctor"):
            await call(f"feeds/{feed}{path}")
        await call(f"feeds/{feed}/explain?spec=demo%20%3E=1")
        await call(f"feeds/{feed}/explain?spec=demo", accept="text/html")
    for kind in kinds:
        assert await call("policies", "POST", POLICY | {"name": f"mine-{kind}"}) == 201
        assert await call("policies", "POST", POLICY | {"name": "bad", "blok": ["bzip2"]}) == 422
    assert await call("routes", "POST", {"name": "out", "proxy": "http://127.0.0.1:9"}) == 201
    for kind in kinds:
        upstreams = ["https://nowhere.invalid/x"]
        made = {"name": f"more-{kind}", "kind": kind, "upstreams": upstreams, "policy": f"mine-{kind}"}
        assert await call("feeds", "POST", made) == 201
        assert await call(f"feeds/more-{kind}/policy-trial", "POST", {"policy": f"mine-{kind}"}) < 500
    program.signal(signal.SIGHUP)
    await asyncio.sleep(1)
    await call("reload", "POST")


async def test_a_ready_server_imports_nothing_more_whatever_is_asked(tmp_path: Path) -> None:
    async with origin(), spied(tmp_path) as program:
        await is_ready(program)
        await use(program, has_approvals=True)
        await administer(
            program, ("pypi", "conda"), ("pypi", "main", "judged", "narrow", "approved", "vetted")
        )
        for target, source, spec in (("approved", "pypi", "leaf"), ("vetted", "main", "lib >=1")):
            for more in (CLOSURE, {}):
                order = {"from": source, "specs": [spec], **more}
                got = await program.ask(
                    f"/api/v1/feeds/{target}/promotions", method="POST", body=order, key=ADMIN
                )
                assert got.status in {200, 201}, got.body
        assert await imported(tmp_path, program) == []


async def test_a_ready_server_of_one_kind_has_imported_nothing_of_the_other(tmp_path: Path) -> None:
    async with origin(), spied(tmp_path, ONLY_PYPI) as program:
        await is_ready(program)
        for accept in (JSON, HTML):
            await program.until("/pypi/pypi/simple/demo/", accept=accept)
        await program.until("/pypi/pypi/simple/", accept=JSON)
        for path in (FILE, f"{FILE}.metadata", "pypi/demo/json"):
            await program.until(f"/pypi/pypi/{path}")
        await administer(program, (), ("pypi",))
        assert await imported(tmp_path, program) == []
        made = {"name": "chan", "kind": "conda", "upstreams": ["https://nowhere.invalid/chan"]}
        assert (await program.ask("/api/v1/feeds", method="POST", body=made, key=ADMIN)).status == 201
        assert "rattler" in await imported(tmp_path, program)


async def test_without_descriptors_nothing_breaks_for_good(tmp_path: Path) -> None:
    """What cannot be answered for lack of descriptors is refused with a word, and answered once there are some."""
    asks = (
        ("GET", "/metrics", None), ("POST", "/api/v1/policies", POLICY), ("GET", "/api/v1/audit", None),
        ("GET", "/pypi/judged/simple/demo/", None), ("GET", f"/pypi/judged/{FILE}", None),
        ("GET", "/conda/narrow/noarch/repodata.json", None), ("GET", f"/conda/narrow/{PACKAGE}", None),
        ("POST", "/api/v1/feeds/vetted/promotions", {"from": "main", "specs": ["lib"]}),
        ("POST", "/api/v1/feeds/approved/promotions", {"from": "pypi", "specs": ["leaf"]}),
        ("GET", "/api/v1/feeds/narrow/explain?spec=tool%20%3E=1", None),
    )  # fmt: skip
    async with (
        origin(),
        spied(tmp_path, config(has_approvals=True)) as program,
        aiohttp.ClientSession() as session,
    ):

        async def statuses() -> list[int]:
            found = []
            for method, path, body in asks:
                headers = {"Authorization": f"Bearer {ADMIN}", "Content-Type": "application/json"}
                data = orjson.dumps(body) if body is not None else None
                async with session.request(method, f"{program.url}{path}", data=data, headers=headers) as got:
                    await got.read()
                    found.append(got.status)
            return found

        await is_ready(program)
        await session.get(f"{program.url}/healthz")  # a connection that stays
        limit = resource.prlimit(program.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(program.pid, resource.RLIMIT_NOFILE, (8, limit[1]))
        try:
            scarce = await statuses()
        finally:
            resource.prlimit(program.pid, resource.RLIMIT_NOFILE, limit)
        assert 500 not in scarce and scarce[0] == 200, scarce
        await program.until("/conda/narrow/noarch/repodata.json")
        await program.until("/pypi/judged/simple/demo/")
        async with asyncio.timeout(60):
            while not set(found := await statuses()) <= {200, 201, 409}:
                assert 500 not in found, found
                await asyncio.sleep(1)
        assert await imported(tmp_path, program) == []
        assert b"Traceback" not in program.log, program.log.decode()


async def test_a_server_is_ready_when_it_has_imported_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It listens before that, and says so."""
    go_on = threading.Event()
    monkeypatch.setattr("proxy.app.load_for", lambda settings: go_on.wait(20))
    gateway = Gateway(tmp_path)
    starting = asyncio.create_task(gateway.start())
    try:
        async with asyncio.timeout(20):
            while (got := await _asked(gateway)) is None:
                await asyncio.sleep(0.05)
        assert (got.status, got.json()["status"]) == (503, "not ready")
    finally:
        go_on.set()
        await starting
    assert (await gateway.get("/readyz")).status == 200
    await gateway.stop()


async def _asked(gateway: Gateway) -> Got | None:
    try:
        return await gateway.get("/readyz")
    except (AttributeError, AssertionError, aiohttp.ClientError):
        return None  # it does not listen yet


async def test_a_start_without_what_it_needs_fails_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.imports._ALWAYS", ("none_such",))
    with pytest.raises(ImportFailed, match="none_such cannot be loaded"):
        await Gateway(tmp_path).start()


def test_a_module_that_cannot_be_loaded_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "half.py").write_text("import none_such\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportFailed, match="half cannot be loaded: No module named 'none_such'"):
        load(("sys", "half"))
    assert "half" not in sys.modules
