"""Checklist 2, table 16.1: a client's second run asks whether pages changed, and never again for files."""

import ssl
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import trustme

from tests.support.apps import App
from tests.support.clients import Clients
from tests.support.clock import FakeClock
from tests.support.gateway import Gateway, Line, feed, until, upstream
from tests.support.index import JSON, FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel

PAGE = "/pypi/pypi/simple/demo/"


@pytest.fixture
def index(origin: Origin) -> FakeIndex:
    made = FakeIndex(origin)
    made.add(wheel("demo", "1.0"))
    return made


@pytest.fixture
async def gateway(index: FakeIndex, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with Gateway(tmp_path, feed(upstream(index.url)), clock=FakeClock()) as running:
        yield running


def seen(lines: Sequence[Line]) -> Counter[tuple[str, int]]:
    """Return how often a page, a `.metadata` and a file were answered with which status."""
    kinds = Counter[tuple[str, int]]()
    for line in lines:
        name = "page" if line.path == PAGE else line.path.rpartition(".")[2]
        kinds[name, line.status] += "/demo" in line.path
    return +kinds


async def test_uv_revalidates_pages_and_keeps_files(
    gateway: Gateway, clients: Clients, origin: Origin, index: FakeIndex
) -> None:
    for _ in range(2):
        got = await clients.install(gateway.index(), "demo")
        assert got.versions == {"demo": "1.0"}, got.ran.text
    assert seen(await gateway.answered()) == {
        ("page", 200): 1,
        ("metadata", 200): 1,
        ("whl", 200): 1,
        ("page", 304): 1,
    }
    assert origin.hits(index.page_path("demo")) == 1, "a 304 costs no question to the origin"


async def test_pip_revalidates_pages_of_a_trusted_host_and_keeps_files(
    gateway: Gateway, clients: Clients
) -> None:
    for _ in range(2):
        got = await clients.download(gateway.index(), "--trusted-host", "127.0.0.1", "demo")
        assert list(got.files) == ["demo-1.0-py3-none-any.whl"], got.ran.text
    assert seen(await gateway.answered()) == {
        ("page", 200): 1,
        ("metadata", 200): 1,
        ("whl", 200): 1,
        ("page", 304): 1,
    }


async def test_pip_keeps_nothing_of_a_feed_without_tls(gateway: Gateway, clients: Clients) -> None:
    for _ in range(2):
        assert (await clients.download(gateway.index(), "demo")).ran.code == 0
    assert seen(await gateway.answered())["page", 200] == 2


async def test_pip_and_uv_revalidate_over_tls(index: FakeIndex, clients: Clients, tmp_path: Path) -> None:
    authority = trustme.CA()
    leaf = authority.issue_cert("127.0.0.1")
    ca, cert, key = tmp_path / "ca.pem", tmp_path / "cert.pem", tmp_path / "key.pem"
    authority.cert_pem.write_to_path(str(ca))
    leaf.private_key_pem.write_to_path(str(key))
    for number, blob in enumerate(leaf.cert_chain_pems):
        blob.write_to_path(str(cert), append=number > 0)
    trusting = clients.told(SSL_CERT_FILE=str(ca), PIP_CERT=str(ca))
    trust = ssl.create_default_context(cafile=str(ca))
    feeds = feed(upstream(index.url))
    async with Gateway(tmp_path, feeds, trust=trust, tls_cert=cert, tls_key=key) as gateway:
        assert gateway.url.startswith("https://")
        for _ in range(2):
            got = await trusting.download(gateway.index(), "demo")
            assert list(got.files) == ["demo-1.0-py3-none-any.whl"], got.ran.text
            there = await trusting.install(gateway.index(), "demo")
            assert there.versions == {"demo": "1.0"}, there.ran.text
        assert seen(await gateway.answered()) == {
            ("page", 200): 2,
            ("metadata", 200): 2,
            ("whl", 200): 2,
            ("page", 304): 2,
        }


async def test_poetry_revalidates_pages(gateway: Gateway, clients: Clients, tmp_path: Path) -> None:
    """PDM does not: it takes itself for a shared cache and keeps nothing that is `private`."""
    for number in range(2):
        app = App.made(tmp_path / f"app{number}", gateway.index(), clients, "demo")
        ran = await app.lock("poetry")
        assert ran.code == 0, ran.text
    answered = seen(await gateway.answered())
    assert (answered["page", 200], answered["page", 304]) == (1, 1)


async def test_a_changed_page_is_seen_by_the_next_run(
    origin: Origin, index: FakeIndex, clients: Clients, tmp_path: Path
) -> None:
    clock = FakeClock()
    async with Gateway(tmp_path, feed(upstream(index.url)), clock=clock) as gateway:
        assert (await clients.compile(gateway.index(), "demo")).out == "demo==1.0\n"
        index.add(wheel("demo", "1.1"))
        assert (await clients.compile(gateway.index(), "demo")).out == "demo==1.0\n"
        clock.advance(601)

        await until(lambda: gateway.get(PAGE, Accept=JSON), lambda page: "1.1" in page.json()["versions"])
        assert (await clients.compile(gateway.index(), "demo")).out == "demo==1.1\n"
        got = await clients.download(gateway.index(), "--trusted-host", "127.0.0.1", "demo")
        assert list(got.files) == ["demo-1.1-py3-none-any.whl"]
