"""Checklist 11: names in any spelling, redirects that stay inside the feed, paths that lead nowhere."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest

from tests.support.apps import TOOLS, App
from tests.support.clients import Clients
from tests.support.gateway import Gateway, feed, upstream
from tests.support.index import HTML, JSON, FakeIndex
from tests.support.origin import Origin
from tests.support.raw_http import ask
from tests.support.wheels import wheel

NAME = "My.Fancy__Pkg"


@pytest.fixture
async def gateway(origin: Origin, tmp_path: Path) -> AsyncIterator[Gateway]:
    index = FakeIndex(origin)
    index.add(wheel(NAME, "1.0"))
    async with Gateway(tmp_path, feed(upstream(index.url), aliases=("old",))) as running:
        yield running


@pytest.mark.parametrize("prefix", ["/pypi/pypi", "/pypi/old"], ids=["feed", "alias"])
async def test_redirects_stay_inside_the_feed_and_keep_the_query(gateway: Gateway, prefix: str) -> None:
    normal = f"{prefix}/simple/my-fancy-pkg/"
    moved = {
        f"{prefix}/simple/My.Fancy__Pkg/": normal,
        f"{prefix}/simple/MY_FANCY_PKG/": normal,
        f"{prefix}/simple/my-fancy-pkg": normal,
        f"{prefix}/simple/My_Fancy.Pkg": normal,
        f"{prefix}/simple": f"{prefix}/simple/",
    }
    for path, target in moved.items():
        for query in ("", "?format=application/vnd.pypi.simple.v1%2Bjson"):
            got = await gateway.get(path + query)
            assert got.status in (301, 308), path
            location = got.headers["location"]
            assert not urlsplit(location).netloc
            assert "/" not in location[:1]
            here = await gateway.get(resolved(path, location))
            assert resolved(path, location) == target + query
            assert here.status in (200, 503)


def resolved(path: str, location: str) -> str:
    """Return where a client goes from there."""
    return urljoin(f"http://server{path}", location).removeprefix("http://server")


async def test_every_client_finds_a_project_by_any_spelling_and_any_form_of_the_url(
    gateway: Gateway, clients: Clients, tmp_path: Path
) -> None:
    for url in (gateway.index(), gateway.index().rstrip("/")):
        got = await clients.download(url, "my_FANCY.pkg")
        assert list(got.files) == ["my_fancy_pkg-1.0-py3-none-any.whl"], got.ran.text
        assert (await clients.install(url, "My-Fancy-Pkg")).versions == {"my_fancy_pkg": "1.0"}
    app = App.made(tmp_path / "app", gateway.index().rstrip("/"), clients, "MY.fancy_pkg")
    for tool in TOOLS:
        ran = await app.lock(tool)
        assert ran.code == 0, ran.text
        assert app.locked(tool) == {"my-fancy-pkg": "1.0"}
    pages = {line.path for line in await gateway.answered() if line.is_page and "fancy" in line.path}
    assert pages == {"/pypi/pypi/simple/my-fancy-pkg/"}


@pytest.mark.parametrize(
    "name",
    ["-demo", "demo-", "de mo", "démo", "demo%0a", "demo%00", "..", "%2e%2e", ".", "demo%2fother", "a" * 300],
)
async def test_what_is_no_name_is_refused_without_asking_the_origin(
    gateway: Gateway, origin: Origin, name: str
) -> None:
    port = urlsplit(gateway.url).port
    assert port is not None
    target = f"/pypi/pypi/simple/{name}/".encode().decode("latin-1")
    reply = await ask(port, "GET", target, f"Accept: {JSON}")
    assert reply.status in (400, 404, 414)
    assert origin.requests == []


@pytest.mark.parametrize(
    "target",
    [
        "/pypi/pypi/packages/../../../etc/passwd",
        "/pypi/pypi/packages/..%2f..%2fetc/passwd",
        "/pypi/pypi/packages/%2e%2e/%2e%2e/state/feedgate.db",
        "/pypi/pypi/files/../simple/demo-1.0.tar.gz",
        "/pypi/pypi//simple/demo/",
        "/pypi/pypi/packages//demo-1.0-py3-none-any.whl",
        "/pypi/pypi/packages/a\\b/demo-1.0-py3-none-any.whl",
        "/pypi/pypi/packages/demo-1.0-py3-none-any.whl%00.metadata",
        "/pypi/pypi/packages/.metadata",
        "/pypi/pypi/files/" + "0" * 64 + "/demo-1.0-py3-none-any.whl",
        "/pypi/nobody/simple/demo/",
        "/pypi/pypi/simple/demo/demo-1.0.tar.gz",
        "/pypi/pypi/pypi/..%5c/json",
        "/pypi/pypi/pypi/demo/..%2f/json",
        "/pypi/pypi/integrity/demo/1.0/../provenance",
    ],
)
async def test_paths_that_lead_elsewhere_lead_nowhere(gateway: Gateway, target: str) -> None:
    port = urlsplit(gateway.url).port
    assert port is not None
    reply = await ask(port, "GET", target)
    assert reply.status in (400, 404)
    assert reply.headers["content-type"] == "application/problem+json"


async def test_a_page_is_never_406_and_says_what_it_is(gateway: Gateway) -> None:
    path = "/pypi/pypi/simple/my-fancy-pkg/"
    wanted = {
        "": "text/html",
        "*/*": "text/html",
        "application/xml": "text/html",
        JSON: JSON,
        HTML: HTML,
        f"{JSON}, {HTML};q=0.1, text/html;q=0.01": JSON,
        f"{JSON};q=0.1, {HTML}": HTML,
        f"{JSON}, {HTML}": JSON,
        f"{JSON};q=0, */*": "text/html",
        "application/vnd.pypi.simple.latest+json": JSON,
        "application/json": "text/html",
    }
    for accept, content_type in wanted.items():
        headers = {"Accept": accept} if accept else {}
        got = await gateway.get(path, body=None, **headers)
        assert got.status == 200
        assert got.headers["content-type"].partition(";")[0] == content_type, accept
        assert {each.strip().lower() for each in got.headers["vary"].split(",")} >= {
            "accept",
            "accept-encoding",
        }
    exact = await gateway.get(f"{path}?format={JSON.replace('+', '%2B')}", Accept="text/html")
    assert exact.headers["content-type"] == JSON
