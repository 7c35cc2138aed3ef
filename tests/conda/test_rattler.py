"""An independent reader, py-rattler, finds the same records in every form, over HTTP; no defect of one hides others."""

import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from rattler import Channel, Gateway, RepoData, RepoDataRecord

from benchmarks.channel.__main__ import repodata
from benchmarks.channel.defects import defects, kept
from proxy.conda.repodata import pieces, write
from proxy.conda.shard_render import index_of
from tests.conda.made import Made, index, make, record, sections_of
from tests.conda.sets import committed

FORMS = ["shards", "zst", "json"]
EMPTY = make(b"{}", "noarch")


class Server(ThreadingHTTPServer):
    #: rattler opens a hundred connections at once.
    request_queue_size = 512


class Site:
    """A web server of some files in memory, and what was asked of it."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(self.path)
                body = site.files.get(self.path)
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body or b"")

            do_HEAD = do_GET  # noqa: N815 - the name is the base class's

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self.server = Server(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/"

    def publish(self, made: Made, form: str) -> None:
        """Put one form of an index where its clients look for it."""
        folder = f"/{made.snapshot.top.subdir}"
        if form == "shards":
            index = index_of(made.shards, made.snapshot.top.subdir, "2026-11-20T00:00:00Z")
            self.files[f"{folder}/repodata_shards.msgpack.zst"] = index
            for name, entry in made.shards.entries.items():
                self.files[f"{folder}/{entry.digest.hex()}.msgpack.zst"] = made.shards.parts(name)[0]
        elif form == "zst":
            out = io.BytesIO()
            write(pieces(made.snapshot.top.subdir, made.shown()), zst=out)
            self.files[f"{folder}/repodata.json.zst"] = out.getvalue()
        else:
            self.files[f"{folder}/repodata.json"] = made.repodata()


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


async def records(site: Site, made: Made, form: str, cache: Path) -> dict[str, RepoDataRecord]:
    """Return what rattler finds, by file name."""
    site.publish(made, form)
    site.publish(EMPTY, form)
    gateway = Gateway(cache_dir=cache)
    found = await gateway.query(
        [Channel(site.url)], ["linux-64", "noarch"], list(made.snapshot), recursive=False
    )
    return {each.file_name: each for answer in found for each in answer}


def wanted(made: Made, form: str = "json") -> set[str]:
    """Return the file names that rattler shows: of two twins only the newer format, but both from shards."""
    sections = sections_of(made.repodata())
    conda = set(sections["packages.conda"])
    if form == "shards":
        return conda | set(sections["packages"])
    return conda | {
        file for file in sections["packages"] if f"{file.removesuffix('.tar.bz2')}.conda" not in conda
    }


@pytest.mark.parametrize("form", FORMS)
async def test_rattler_finds_every_record(site: Site, form: str, tmp_path: Path) -> None:
    made = make(committed("rattler/channels/pytorch/linux-64/repodata.json"))
    found = await records(site, made, form, tmp_path)
    assert found.keys() == wanted(made, form)
    served = sections_of(made.repodata())
    for file, each in (served["packages"] | served["packages.conda"]).items():
        if file in found:
            assert (found[file].sha256 or b"").hex() == each["sha256"]
            assert found[file].depends == each["depends"]
            assert found[file].url == f"{site.url}linux-64/{file}"


@pytest.mark.parametrize("form", FORMS)
async def test_rattler_reads_every_record_that_was_mended(site: Site, form: str, tmp_path: Path) -> None:
    made = make({"packages.conda": {each.file: each.record for each in defects("linux-64")}})
    found = await records(site, made, form, tmp_path)
    assert {each.name.normalized for each in found.values()} == kept()


@pytest.mark.parametrize("form", FORMS)
async def test_rattler_reads_the_generated_channel(site: Site, form: str, tmp_path: Path) -> None:
    made = make(repodata(500))
    found = await records(site, made, form, tmp_path)
    assert found.keys() == wanted(made, form)


async def test_rattler_sees_a_shard_and_asks_for_nothing_else(site: Site, tmp_path: Path) -> None:
    made = make(index(record("a"), record("b")))
    await records(site, made, "shards", tmp_path)
    assert {path.rpartition(".msgpack")[0].rpartition("/")[2] for path in site.asked} == {
        "repodata_shards",
        *(entry.digest.hex() for entry in made.shards.entries.values()),
    }


def test_rattler_reads_a_repodata_as_a_whole(tmp_path: Path) -> None:
    made = make(committed("conda-benchmarks-2018/r/osx-64/repodata.json"), "osx-64")
    (tmp_path / "repodata.json").write_bytes(made.repodata())
    channel = Channel("test")
    found = RepoData.from_path(tmp_path / "repodata.json").into_repo_data(channel)
    assert {each.file_name for each in found} == wanted(made)
