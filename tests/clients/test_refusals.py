"""Checklist 12 and section 19: what a read-only feed refuses is refused in words, without a traceback."""

import io
import xmlrpc.client
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.clients import Clients
from tests.support.gateway import Gateway, feed, upstream
from tests.support.index import FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import sdist, wheel

WORDS = "packages cannot be uploaded to this feed"


@pytest.fixture
async def gateway(origin: Origin, tmp_path: Path) -> AsyncIterator[Gateway]:
    index = FakeIndex(origin)
    async with Gateway(tmp_path, feed(upstream(index.url))) as running:
        yield running
    assert not [request for request in origin.requests if request.method == "POST"]


@pytest.fixture
def files(clients: Clients) -> list[str]:
    """Distributions of a size that no server should read before it refuses."""
    made = [wheel("mine", "1.0", payload=3 * 1024**2), sdist("mine", "1.0")]
    for built in made:
        (clients.home / built.filename).write_bytes(built.data)
    return [str(clients.home / built.filename) for built in made]


@pytest.mark.parametrize("place", ["legacy/", "legacy", "", "simple/"])
async def test_twine_is_told_why_it_cannot_upload(
    gateway: Gateway, clients: Clients, files: list[str], place: str
) -> None:
    target = ("--repository-url", f"{gateway.url}/pypi/pypi/{place}", "-u", "me", "-p", "secret")
    ran = await clients.run("twine", "upload", "--non-interactive", "--disable-progress-bar", *target, *files)
    assert ran.code == 1
    told = "Method not allowed" if place == "simple/" else "This feed is read-only"
    assert told in " ".join(ran.text.split()), ran.text
    assert "Traceback" not in ran.text


@pytest.mark.parametrize("place", ["legacy/", "simple/"])
async def test_uv_publish_is_told_why_it_cannot_upload(
    gateway: Gateway, clients: Clients, files: list[str], place: str
) -> None:
    target = ("--publish-url", f"{gateway.url}/pypi/pypi/{place}", "-u", "me", "-p", "secret")
    ran = await clients.uv("publish", "--trusted-publishing", "never", *target, *files)
    assert ran.code != 0
    told = "Method not allowed" if place == "simple/" else WORDS
    assert told in " ".join(ran.text.split()), ran.text


async def test_poetry_publish_is_told_why_it_cannot_upload(
    gateway: Gateway, clients: Clients, files: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    (folder / "dist").mkdir(parents=True)
    (folder / "pyproject.toml").write_text('[project]\nname = "mine"\nversion = "1.0"\n')
    for file in files:
        (folder / "dist" / Path(file).name).write_bytes(Path(file).read_bytes())
    told = clients.told(POETRY_REPOSITORIES_FEED_URL=f"{gateway.url}/pypi/pypi/legacy/")
    ran = await told.poetry("-C", str(folder), "publish", "-r", "feed", "-u", "me", "-p", "secret")
    assert ran.code != 0
    assert "403" in ran.text, ran.text
    assert "read-only" in ran.text, ran.text


@pytest.mark.parametrize("place", ["pypi", "pypi/", "RPC2"])
async def test_pip_search_gets_a_fault_and_no_traceback(
    gateway: Gateway, clients: Clients, place: str
) -> None:
    ran = await clients.pip("search", "--index", f"{gateway.url}/pypi/pypi/{place}", "demo")
    assert ran.code != 0
    assert "this feed does not offer XML-RPC (search)" in ran.text, ran.text
    assert "Traceback" not in ran.text
    assert "AssertionError" not in ran.text


async def test_an_xmlrpc_fault_is_one_to_every_parser(gateway: Gateway) -> None:
    call = xmlrpc.client.dumps(({"name": "demo"},), "search").encode()
    got = await gateway.get("/pypi/pypi/pypi", method="POST", body=call, Content_Type="text/xml")
    assert (got.status, got.headers["content-type"]) == (200, "text/xml")
    with pytest.raises(xmlrpc.client.Fault, match="search"):
        xmlrpc.client.loads(got.body)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_a_page_and_a_file_only_read(gateway: Gateway, method: str) -> None:
    for path in ("/pypi/pypi/simple/demo/", "/pypi/pypi/packages/a/demo-1.0.tar.gz"):
        got = await gateway.get(path, method=method)
        assert got.status == 405
        assert {each.strip() for each in got.headers["allow"].split(",")} == {"GET", "HEAD"}
        assert got.json()["type"] == "urn:feedgate:method-not-allowed"


async def test_an_upload_is_answered_before_it_is_sent_whole(gateway: Gateway) -> None:
    got = await gateway.get(
        "/pypi/pypi/legacy/",
        method="POST",
        body=io.BytesIO(b"x" * 16 * 1024**2),
        Content_Type="multipart/form-data",
    )
    assert (got.status, got.reason) == (403, "This feed is read-only")
