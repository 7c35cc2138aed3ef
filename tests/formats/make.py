"""Make the data folder that a program leaves, to be kept: `python -m tests.formats.make NAME [ROOT] [--approvals]`.

`ROOT` is a checkout of the program that writes it (this one by default). What is kept is the whole folder, after
clients and reviewers have asked for everything that leaves something behind. Run it once for each version that is
released, and whenever a stored form changes; kept folders are never made again.
"""

import argparse
import asyncio
import tarfile
import tempfile
from pathlib import Path

from tests.formats.program import THIS, Program
from tests.formats.stock import ADMIN, DATA, JSON, PACKAGE, READER, WHEEL, origin, write_resources

HTML = "application/vnd.pypi.simple.v1+html"
FILE = f"packages/py3/d/{WHEEL}"


async def use(program: Program, *, has_approvals: bool) -> None:
    """Ask for all that is derived and kept."""
    feeds = ("pypi", "judged") if has_approvals else ("pypi",)
    for feed in feeds:
        for name in ("demo", "leaf"):
            await program.until(f"/pypi/{feed}/simple/{name}/", accept=JSON)
            await program.until(f"/pypi/{feed}/simple/{name}/", accept=HTML)
        await program.until(f"/pypi/{feed}/simple/", accept=JSON)
        await program.until(f"/pypi/{feed}/pypi/demo/json")
        await program.until(f"/pypi/{feed}/{FILE}")
        await program.until(f"/pypi/{feed}/{FILE}.metadata")
    for feed in ("main", "narrow") if has_approvals else ("main",):
        for subdir in ("noarch", "linux-64"):
            for file in ("repodata.json", "repodata.json.zst", "repodata_shards.msgpack.zst"):
                await program.until(f"/conda/{feed}/{subdir}/{file}")
        await program.until(f"/conda/{feed}/{PACKAGE}")
    await program.until("/conda/main/noarch/run_exports.json")
    await program.until("/conda/main/channeldata.json")
    if has_approvals:
        await decide(program)


async def decide(program: Program) -> None:
    """Do what people do, which is state."""
    for target, source, artifact in (("approved", "pypi", WHEEL), ("vetted", "main", PACKAGE)):
        order = {"from": source, "specs": [], "artifacts": [artifact], "comment": "kept"}
        got = await program.ask(f"/api/v1/feeds/{target}/promotions", method="POST", body=order, key=ADMIN)
        assert got.status == 201, got.body
        path = f"/api/v1/feeds/{target}/approvals?state=pending"
        await program.until(path, lambda got: got.json()["items"] == [], key=ADMIN)
    await program.until(f"/pypi/approved/{FILE}")
    await program.until("/pypi/approved/simple/", accept=JSON)
    await program.until("/conda/vetted/noarch/repodata.json")
    await program.until(f"/conda/vetted/{PACKAGE}")
    grants = [{"feed": "pypi", "rights": ["read"]}]
    key = {"name": "reader", "value": READER, "grants": grants}
    got = await program.ask("/api/v1/keys", method="POST", body=key, key=ADMIN)
    assert got.status == 201, got.body
    made = {"name": "made", "kind": "pypi", "curated_from": ["pypi"]}
    got = await program.ask("/api/v1/feeds", method="POST", body=made, key=ADMIN)
    assert got.status == 201, got.body


async def keep(name: str, root: Path, *, has_approvals: bool) -> None:
    if not (DATA / "origin.json").exists():
        write_resources()
    with tempfile.TemporaryDirectory(prefix="feedgate-", dir="/tmp") as made:
        folder = Path(made)
        async with origin(), Program(folder, has_approvals=has_approvals, root=root) as program:
            await use(program, has_approvals=has_approvals)
        with tarfile.open(DATA / f"{name}.tar.xz", "w:xz") as archive:
            archive.add(folder / "data", "data", filter=_plain)


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Whose files they were is of no account."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("root", nargs="?", type=Path, default=THIS)
    parser.add_argument("--approvals", action="store_true")
    asked = parser.parse_args()
    asyncio.run(keep(asked.name, asked.root.resolve(), has_approvals=asked.approvals))
