"""E03, E04, E10: what an origin may make the server do, learn or say."""

import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from typing import Any

import orjson
import pytest

from proxy.config.settings import Auth, Route
from proxy.model.redact import Secret, SecretUrl
from tests.faults.scene import SDIST, Scene
from tests.faults.secrets import CANARIES, found_in
from tests.support.faults import Fault
from tests.support.gateway import feed
from tests.support.index import HTML, JSON, FakeIndex
from tests.support.origin import Origin
from tests.support.outproxy import OutboundProxy
from tests.support.wheels import sdist, wheel

AUTHS = {
    "basic": Auth("basic", "reader", Secret(CANARIES["basic"])),
    "bearer": Auth("bearer", secret=Secret(CANARIES["bearer"])),
    "header": Auth("header", "X-JFrog-Art-Api", Secret(CANARIES["header"])),
}
#: Where a file link may point to that nobody should go to.
INSIDE = {
    "loopback": "http://127.0.0.1:{port}/packages/x/demo-1.0.tar.gz",
    "IPv6 loopback": "http://[::1]:{port}/packages/x/demo-1.0.tar.gz",
    "mapped": "http://[::ffff:127.0.0.1]:{port}/packages/x/demo-1.0.tar.gz",
    "decimal": "http://2130706433:{port}/packages/x/demo-1.0.tar.gz",
    "octal": "http://0177.0.0.1:{port}/packages/x/demo-1.0.tar.gz",
    "local name": "http://localhost:{port}/packages/x/demo-1.0.tar.gz",
    "metadata service": "http://169.254.169.254/packages/x/demo-1.0.tar.gz",
    "a file": "file:///etc/demo-1.0.tar.gz",
    "a socket": "unix:/run/demo-1.0.tar.gz",
    "FTP": "ftp://127.0.0.1/demo-1.0.tar.gz",
    "with a user": "http://user:{secret}@127.0.0.1:{port}/demo-1.0.tar.gz",
}
HERE = ("127.0.0.1", "[::1]", "localhost", "2130706433", "0x7f000001", "127.1")
SCRIPT = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
#: The fields that an answer of this server may have, whatever the origin sent.
OWN_FIELDS = {
    "accept-ranges", "age", "cache-control", "cache-status", "connection", "content-encoding", "content-length",
    "content-range", "content-security-policy", "content-type", "date", "etag", "last-modified", "location",
    "referrer-policy", "retry-after", "vary", "x-content-type-options", "x-request-id", "allow", "transfer-encoding",
}  # fmt: skip
UPSTREAM_FIELDS = (
    ("Set-Cookie", "session=stolen"),
    ("Refresh", "0; url=http://evil.example/"),
    ("Link", "<http://evil.example/x.js>; rel=preload"),
    ("NEL", '{"report_to":"evil"}'),
    ("Report-To", '{"endpoints":[{"url":"http://evil.example/"}]}'),
    ("Content-Security-Policy-Report-Only", "default-src *; report-uri http://evil.example/"),
    ("Access-Control-Allow-Origin", "*"),
    ("Strict-Transport-Security", "max-age=1"),
    ("WWW-Authenticate", "Basic realm=evil"),
    ("Location", "http://evil.example/"),
    ("Content-Disposition", "inline; filename=evil.html"),
    ("X-Accel-Redirect", "/etc/passwd"),
    ("Clear-Site-Data", '"*"'),
    ("Alt-Svc", 'h2="evil.example:443"'),
)


@pytest.fixture
async def second() -> AsyncIterator[Origin]:
    async with Origin() as origin:
        yield origin


async def proxied(scene: Scene, out: OutboundProxy) -> None:
    """Start with an upstream that is public as far as anybody knows: a name behind an outbound proxy."""
    route = Route(use_environment=False, proxy=SecretUrl(out.url))
    url = "http://index.example/simple/"
    changes: dict[str, Any] = {"route": route, "allow_private": False, "json_api": None, "auth": None}
    await scene.start(feed(scene.upstream(url=url, **changes)))


def listing(url: str) -> bytes:
    file = {"filename": SDIST, "url": url, "hashes": {"sha256": "0" * 64}, "size": 10}
    return orjson.dumps(
        {"meta": {"api-version": "1.1"}, "name": "demo", "versions": ["1.0"], "files": [file]}
    )


# -- E03


@pytest.mark.parametrize("host", HERE)
async def test_source_on_this_machine_is_refused_unless_it_is_opted_in(scene: Scene, host: str) -> None:
    """E03: in the configuration too, whoever wrote it."""
    url = f"http://{host}:{scene.origin.port}/simple/"
    await scene.start(feed(scene.upstream(url=url, allow_private=False)))
    answer = await scene.get(scene.page)
    assert answer.told == (502, "origin-refused")
    assert scene.origin.connections == 0
    scene.heals = False


@pytest.mark.parametrize("link", INSIDE.values(), ids=INSIDE)
async def test_file_link_that_leads_inside_is_never_followed(scene: Scene, second: Origin, link: str) -> None:
    """E03: refused at the connect, or not listed at all; the side file and ranges alike."""
    async with OutboundProxy(hosts={"index.example": ("127.0.0.1", scene.origin.port)}) as out:
        await proxied(scene, out)
        url = link.format(port=second.port, secret=CANARIES["userinfo"])
        scene.origin.add(scene.page_path, listing(url), content_type=JSON)
        page = await scene.get(scene.page, Accept=JSON)
        assert page.status in (200, 502)
        files = page.json()["files"] if page.status == 200 else []
        for file in files:
            path = "/pypi/pypi/" + file["url"].removeprefix("../../")
            for target in (path, f"{path}.metadata"):
                for fields in ({}, {"Range": "bytes=0-1"}, {"Range": "bytes=-1"}):
                    answer = await scene.get(target, **fields)
                    assert answer.status in (404, 502)
        assert second.connections == 0
        assert all(request.target.startswith("http://index.example/") for request in out.requests)
        scene.origin.remove(scene.page_path)
        scene.heals = False
        scene.index.remove_project("demo")
        assert await scene.audit() == []


async def test_base_of_a_page_that_leads_inside_is_never_followed(scene: Scene, second: Origin) -> None:
    """E03: `<base>` makes every relative link point there."""
    async with OutboundProxy(hosts={"index.example": ("127.0.0.1", scene.origin.port)}) as out:
        await proxied(scene, out)
        body = f'<!DOCTYPE html><html><head><base href="{second.url}/"><title>Links for demo</title></head><body>'
        body += f'<a href="{SDIST}#sha256={"0" * 64}">{SDIST}</a></body></html>'
        scene.origin.add(scene.page_path, body.encode(), content_type="text/html")
        page = await scene.get(scene.page, Accept=JSON)
        for file in page.json().get("files", []):
            assert (await scene.get("/pypi/pypi/" + file["url"].removeprefix("../../"))).status == 502
        assert second.connections == 0
        scene.origin.remove(scene.page_path)
        scene.heals = False
        scene.index.remove_project("demo")
        assert await scene.audit() == []


# -- E04


@pytest.mark.parametrize("auth", AUTHS.values(), ids=AUTHS)
@pytest.mark.parametrize("way", ["redirected page", "redirected file", "linked file"])
async def test_no_credential_reaches_a_second_origin(
    scene: Scene, second: Origin, auth: Auth, way: str
) -> None:
    """E04: by redirect or by link; the first origin gets it each time."""
    other = FakeIndex(second)
    other.add(*(file.built for file in scene.index.hosted.values()))
    if way == "linked file":
        scene.index = FakeIndex(scene.origin, files=second, prefix="/linking")
        scene.index.add(*(file.built for file in other.hosted.values()))
        scene.auditor.indexes[:] = [scene.index]
    await scene.start(auth=auth, json_api=None)
    moved = {"redirected page": scene.page_path, "redirected file": scene.file_path}.get(way)
    if moved is not None:
        scene.origin.always(moved, Fault(location=second.url + moved))
    page = await scene.get(scene.page, Accept=JSON)
    assert page.status == 200
    path = "/pypi/pypi/" + page.json()["files"][0]["url"].removeprefix("../../")
    for target in (path, f"{path}.metadata"):
        assert (await scene.get(target)).status == 200
    assert second.requests
    for request in second.requests:
        head = "\n".join(f"{name}: {value}" for name, value in request.fields)
        assert found_in(head.encode() + request.target.encode()) == []
        assert not {"authorization", "cookie", "x-jfrog-art-api", "referer"} & set(request.headers)
    firsts = [request for request in scene.origin.requests if request.path == scene.page_path]
    told = auth.secret.reveal() if auth.secret is not None else ""
    assert all(found_in("\n".join(value for _, value in r.fields).encode()) for r in firsts), told
    scene.origin.heal()
    if way != "linked file":
        scene.index.remove_project("demo")
        scene.auditor.indexes[:] = [other]
        scene.heals = False
    assert await scene.audit() == []


async def test_cookies_of_an_origin_are_not_kept(scene: Scene) -> None:
    """E04: not for it, not for others."""
    await scene.start()
    scene.origin.always("*", Fault(headers=(("Set-Cookie", "session=origin; Path=/"),)))
    await scene.warm()
    assert (await scene.get(scene.file)).status == 200
    await scene.later()
    await scene.warm()
    assert not any("cookie" in request.headers for request in scene.origin.requests)


async def test_proxy_user_is_told_to_the_proxy_only(scene: Scene) -> None:
    """E04, A11: and a refused user is a 502 that repeats nothing."""
    secret = CANARIES["proxy"]
    async with OutboundProxy(user="out", password=secret) as out:
        route = Route(
            use_environment=False, proxy=SecretUrl(out.url), username="out", password=Secret(secret)
        )
        await scene.start(route=route)
        await scene.warm()
        assert out.requests
        assert not any("proxy-authorization" in request.headers for request in scene.origin.requests)
        wrong = Route(
            use_environment=False, proxy=SecretUrl(out.url), username="out", password=Secret(secret + "x")
        )
        scene.gateway.reload(feed(scene.upstream(name="another", route=wrong)))
        scene.index.add(wheel("leaf", "1.0"))
        refused = await scene.get("/pypi/pypi/simple/leaf/")
        assert refused.told == (502, "proxy-auth")
        scene.heals = False
        assert await scene.audit() == []


# -- E10


class Scripts(HTMLParser):
    """Whatever in a page could run or load something."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in {"html", "head", "meta", "title", "body", "h1", "h2", "h3", "a", "br", "style", "p", "pre",
                       "code", "section", "small", "link", "main", "header"}:  # fmt: skip
            self.found.append(tag)
        for name, value in attrs:
            if name.startswith("on") or re.match(
                r"\s*(javascript|data|vbscript):", value or "", re.IGNORECASE
            ):
                self.found.append(f"{tag} {name}={value}")


async def test_nothing_that_an_origin_says_runs_in_a_page(scene: Scene) -> None:
    """E10: reasons, requirements, names, statuses and links, in both forms of the origin's page."""
    scene.index.add(sdist("demo", "2.0"), yanked=SCRIPT, requires_python=f">=3.8,!='{SCRIPT}'")
    scene.index.mark("demo", "archived", SCRIPT)
    await scene.start()
    for form in (JSON, HTML):
        scene.index.reshape(forms=(form, "text/html"))
        await scene.later()
        page = await scene.get(scene.page, Accept=HTML)
        assert page.status == 200
        scripts = Scripts()
        scripts.feed(page.body.decode())
        assert scripts.found == []
        assert b"<script" not in page.body
        as_json = await scene.get(scene.page, Accept=JSON)
        assert as_json.headers["content-type"] == JSON
        assert as_json.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)//demo-3.0.tar.gz", "data:text/html,x/demo-3.0.tar.gz", "  "]
)
async def test_links_that_run_something_are_left_out(scene: Scene, link: str) -> None:
    """E10: told in the log, the rest of the page stays."""
    await scene.start()
    good = {"filename": SDIST, "url": scene.index.file_url(SDIST), "hashes": {}}
    bad = {"filename": "demo-3.0.tar.gz", "url": link, "hashes": {}}
    body = {"meta": {"api-version": "1.1"}, "name": "demo", "versions": [], "files": [good, bad]}
    scene.origin.add(scene.page_path, orjson.dumps(body), content_type=JSON)
    page = await scene.get(scene.page, Accept=JSON)
    assert [file["filename"] for file in page.json()["files"]] == [SDIST]
    assert b"javascript" not in (await scene.get(scene.page, Accept=HTML)).body
    scene.origin.remove(scene.page_path)


async def test_fields_of_an_origin_do_not_pass(scene: Scene) -> None:
    """E10: the allow-list holds for pages, files, side files and ranges, cold and held."""
    await scene.start()
    scene.origin.always("*", Fault(headers=UPSTREAM_FIELDS))
    for _ in range(2):
        for path in (scene.page, scene.api, scene.file, f"{scene.file}.metadata", "/pypi/pypi/simple/none/"):
            for fields in ({}, {"Range": "bytes=0-9"}):
                answer = await scene.get(path, **fields)
                assert set(answer.headers) <= OWN_FIELDS
                assert not any("evil" in value or "stolen" in value for value in answer.headers.values())
        await scene.settled()


@pytest.mark.parametrize(
    "content_type", ["text/html", "image/svg+xml", "application/javascript", "text/html\x0b"]
)
async def test_artifact_is_nothing_that_a_browser_would_show(scene: Scene, content_type: str) -> None:
    """E10: bytes to be saved, whatever the origin calls them, in a sandbox without scripts."""
    evil = b"<html><script>alert(1)</script></html>"
    scene.index.add(wheel("page", "1.0", files={"index.html": evil}))
    await scene.start()
    name = "page-1.0-py3-none-any.whl"
    scene.origin.always(scene.index.file_path(name), Fault(headers=(("Content-Type", content_type),)))
    for _ in range(2):
        for fields in ({}, {"Range": "bytes=0-9"}):
            answer = await scene.get(scene.path(name), **fields)
            assert answer.headers["content-type"] == "application/octet-stream"
            assert "sandbox" in answer.headers["content-security-policy"]
            assert "default-src 'none'" in answer.headers["content-security-policy"]
        await scene.settled()
    side = await scene.get(f"{scene.path(name)}.metadata")
    assert side.headers["content-type"] == "application/octet-stream"
