"""E01, E02, E11, E12, E14, E22: what a client may write into a request."""

import re

import orjson
import pytest

from tests.faults.scene import SDIST, WHEEL, Scene
from tests.faults.stage import PAGE, Stage
from tests.support.gateway import Gateway
from tests.support.index import HTML, JSON
from tests.support.raw_http import Raw, Reply, ask, exchange
from tests.web.smuggling import BROKEN_BODIES, CORPUS

#: Status, fields, body.
Answer = tuple[int, dict[str, str], bytes]
#: Differ from answer to answer, by right.
_OWN = {"date", "x-request-id", "age"}
HOSTILE = (
    "X-Forwarded-Host: evil.example",
    "X-Forwarded-Proto: gopher",
    "X-Forwarded-Prefix: /evil",
    "X-Forwarded-For: 6.6.6.6",
    "X-Forwarded-Port: 666",
    "X-Original-URL: /evil",
    "X-Rewrite-URL: /evil",
    "X-Host: evil.example",
    "Forwarded: host=evil.example;proto=https;for=6.6.6.6",
    "Referer: http://evil.example/",
    "Origin: http://evil.example",
)
TRAVERSALS = (
    "/pypi/pypi/packages/../../../../etc/passwd",
    "/pypi/pypi/packages/%2e%2e/%2e%2e/etc/passwd",
    "/pypi/pypi/packages/..%2f..%2f..%2fetc%2fpasswd",
    "/pypi/pypi/packages/%252e%252e%252fetc%252fpasswd",
    "/pypi/pypi/packages/..\\..\\etc\\passwd",
    "/pypi/pypi/packages/..%5c..%5cetc%5cpasswd",
    "/pypi/pypi/packages//etc/passwd",
    "/pypi/pypi/packages/./demo-1.0.tar.gz",
    "/pypi/pypi/packages/demo-1.0.tar.gz/",
    "/pypi/pypi/packages/demo-1.0.tar.gz%00.whl",
    "/pypi/pypi/packages/demo-1.0.tar.gz;x=.whl",
    "/pypi/pypi/simple/../../../etc/passwd/",
    "/pypi/pypi/simple/..%2fdemo/",
    "/pypi/pypi/simple/demo%2f/",
    "/pypi/pypi/simple/%64emo%00/",
    "/pypi/../pypi/pypi/simple/demo/",
    "//pypi/pypi/simple/demo/",
    "/pypi/pypi/simple/d\u00e9mo/",
    "/pypi/pypi/simple/%c3%a9/",
    "/pypi/pypi/simple/%e2%84%aa/",
    "/static/../../etc/passwd",
    "/pypi/pypi/files/../cache/notes/cache.db",
)
SPLITS = ("%0d%0aX-Injected:1", "%0aX-Injected:1", "%E5%98%8A%E5%98%8DX-Injected:1", "%22;x=", "%00", "%7f")
ODD = "\x1b[31mred\x1b[0m\u202egnp.\u2066\u2069"


def port(gateway: Gateway) -> int:
    return int(gateway.url.rpartition(":")[2])


async def seen(gateway: Gateway, scene: Scene) -> dict[tuple[str, ...], Answer]:
    """Return what a client without tricks gets, in every form."""
    found = {}
    forms = [
        (path, f"Accept: {accept}", f"Accept-Encoding: {coding}")
        for path in (
            scene.page,
            "/pypi/pypi/simple/Demo/",
            "/pypi/pypi/simple/demo",
            scene.api,
            scene.file,
        )
        for accept in (JSON, HTML, "text/html")
        for coding in ("identity", "gzip", "zstd")
    ]
    for form in (
        *forms,
        ("/",),
        (scene.path(SDIST),),
        (f"{scene.file}.metadata",),
        ("/pypi/pypi/simple/none/",),
    ):
        reply = await ask(port(gateway), "GET", *form)
        fields = {name: value for name, value in reply.headers.items() if name not in _OWN}
        own = f"127.0.0.1:{port(gateway)}".encode()
        found[form] = (reply.status, fields, reply.body.replace(own, b"HERE"))
    return found


# -- E01


async def test_what_an_attacker_sends_changes_nothing_for_the_next_client(scene: Scene) -> None:
    """E01: Host, forwarded fields, absolute-form targets, on everything that is kept."""
    await scene.start()
    where = port(scene.gateway)
    for path in (scene.page, "/pypi/pypi/simple/Demo/", "/pypi/pypi/simple/demo", scene.api, scene.file, "/"):
        for target in (path, f"http://evil.example{path}", f"HTTP://evil.example:1{path}"):
            for accept in (JSON, HTML):
                async with Raw(where) as raw:
                    lines = [
                        f"GET {target} HTTP/1.1",
                        "Host: evil.example",
                        f"Accept: {accept}",
                        *HOSTILE,
                        "",
                        "",
                    ]
                    await raw.send("\r\n".join(lines).encode())
                    reply = await raw.read()
                    assert b"evil" not in reply.body
                    assert "evil" not in str(reply.fields)
    victims = await seen(scene.gateway, scene)
    clean = Gateway(scene.folder / "clean", *scene.gateway.settings.feeds.values())
    async with clean:
        # Filled in the same order, so that what the cache did is the same too.
        await seen(clean, scene)
        expected = await seen(clean, scene)
    for form, answer in expected.items():
        assert comparable(form, victims[form]) == comparable(form, answer), form
    assert not any(b"evil" in path.read_bytes() for path in scene.folder.rglob("*") if path.is_file())


def comparable(form: tuple[str, ...], answer: Answer) -> Answer:
    """Whether it was a hit depends on who came before; the list of feeds holds the server's port."""
    status, fields, body = answer
    own = {"cache-status"} if form[0] != "/" else {"cache-status", "etag", "content-length"}
    return status, {name: value for name, value in fields.items() if name not in own}, body


# -- E02


async def test_queries_and_fragments_are_no_part_of_the_key_and_do_not_go_out(scene: Scene) -> None:
    """E02: one copy, one request, nothing of it at the origin."""
    await scene.start(json_api=None)
    where = port(scene.gateway)
    for path in (scene.page, scene.file, scene.path(SDIST)):
        bodies = set()
        for tail in ("", "?a=1", "?a=2&token=secret", "?" + "x" * 2000, "#fragment", "?a#b", "?#"):
            reply = await ask(where, "GET", path + tail)
            assert reply.status == 200, tail
            bodies.add(reply.body)
        assert len(bodies) == 1
    await scene.settled()
    for path in (scene.page_path, scene.file_path, scene.index.file_path(SDIST)):
        assert scene.origin.hits(path) == 1
    assert not any("?" in request.target or "#" in request.target for request in scene.origin.requests)
    assert "secret" not in scene.log.text
    redirect = await ask(where, "GET", "/pypi/pypi/simple/Demo/?format=json")
    assert redirect.header("location") == "../demo/?format=json"


# -- E11


async def test_ambiguous_requests_are_refused_and_what_hides_in_them_is_not_done(scene: Scene) -> None:
    """E11: one answer of the 4xx kind, then the connection ends; with the parser that is in use."""
    await scene.start()
    await _smuggled(port(scene.gateway))
    metrics = (await scene.get("/metrics")).body
    assert b'route="/x"' not in metrics
    await scene.gateway.stop()
    await scene.gateway.start()
    assert b'"path":"/x"' not in scene.access_log


async def test_both_parsers_refuse_the_same(stage: Stage) -> None:
    """E11: aiohttp without its C extension, which waits for a body that is too large for any machine, and gives up."""
    async with stage.served(environ={"AIOHTTP_NO_EXTENSIONS": "1"}) as served:
        assert (await served.get(PAGE)).status == 200
        await _smuggled(int(served.url.rpartition(":")[2]))
        assert (await served.get(PAGE)).status == 200
        assert await served.stop() == 0
        assert b'"path":"/x"' not in served.log


async def _smuggled(where: int) -> None:
    for name, data in CORPUS.items():
        place = b"/pypi/pypi/pypi" if data.startswith(b"POST") else PAGE.encode()
        told = await exchange(where, data.replace(b" /e ", b" " + place + b" "))
        assert told.startswith(b"HTTP/1.1 4"), f"{name}: {told[:80]!r}"
        assert told.count(b"HTTP/1.1 ") == 1, f"{name}: more than one answer"
        assert b"\r\nConnection: close\r\n" in told, name
    for name, body in BROKEN_BODIES.items():
        head = b"POST /pypi/pypi/pypi HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        told = await exchange(where, head + body)
        assert told.startswith(b"HTTP/1.1 4"), f"{name}: {told[:80]!r}"
        assert told.count(b"HTTP/1.1 ") == 1, name


# -- E12


@pytest.mark.parametrize("split", SPLITS)
async def test_no_header_can_be_split_from_a_request(scene: Scene, split: str) -> None:
    """E12: in names, files, redirects and queries; raw line ends are no target at all."""
    await scene.start()
    where = port(scene.gateway)
    paths = (
        f"/pypi/pypi/simple/demo{split}/",
        f"/pypi/pypi/simple/De{split}mo",
        f"/pypi/pypi/packages/demo-1.0{split}.tar.gz",
        f"/pypi/pypi/simple/Demo/?a={split}",
        f"/pypi/{split}/simple/",
    )
    for path in paths:
        reply = await ask(where, "GET", path)
        assert reply.header("x-injected") is None
        assert reply.status in (301, 400, 404), path
        assert "\n" not in reply.reason
        assert all(value.isprintable() for _, value in reply.fields)
    assert scene.origin.hits() == 0


# -- E14


@pytest.mark.parametrize("path", TRAVERSALS)
async def test_no_path_leads_out_of_the_feed(scene: Scene, path: str) -> None:
    """E14: refused or not found, and nothing is asked of the origin or read of the disk."""
    await scene.start()
    reply = await _asked(port(scene.gateway), path)
    assert reply.status in (400, 404)
    assert reply.header("content-type") == "application/problem+json"
    assert b"root:" not in reply.body
    assert scene.origin.hits() == 0


async def _asked(where: int, path: str) -> Reply:
    async with Raw(where) as raw:
        await raw.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        return await raw.read()


async def test_siblings_of_a_stored_file_are_never_served_in_its_place(scene: Scene) -> None:
    """E14, section 0 item 12: a `.gz` or `.br` beside it, whatever the client accepts."""
    await scene.start()
    await scene.warm()
    assert (await scene.get(scene.file)).status == 200
    await scene.settled()
    digest = scene.index.file(WHEEL).built.sha256
    folder = scene.folder / "data/cache/blobs" / digest[:2]
    for suffix in (".gz", ".br", ".zst"):
        (folder / f"{digest}{suffix}").write_bytes(b"planted")
    await scene.restart()
    for coding in ("gzip", "br", "zstd, br, gzip", "*"):
        answer = await scene.get(scene.file, Accept_Encoding=coding)
        assert answer.body == scene.data
        assert "content-encoding" not in answer.headers
    for suffix in (".gz", ".br", "/", ".", "%20", ";a"):
        assert (await scene.get(f"{scene.file}{suffix}")).status in (400, 404)


# -- E22


async def test_odd_characters_of_clients_reach_the_log_escaped(scene: Scene) -> None:
    """E22: one line per request, JSON, printable; nobody can forge a line."""
    await scene.start()
    where = port(scene.gateway)
    agent = f'evil"\\{ODD}'.encode()
    requests = 0
    for target in (
        b"/pypi/pypi/simple/a%0ab/",
        b"/pypi/pypi/simple/%1b%5b31m/",
        b"/healthz",
        b"/t/KEY-12345678/x",
    ):
        async with Raw(where) as raw:
            await raw.send(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nUser-Agent: " + agent + b"\r\n\r\n")
            await raw.read()
        requests += 1
    await scene.gateway.stop()
    lines = scene.access_log.decode().splitlines()
    await scene.gateway.start()
    assert len(lines) == requests
    for line in lines:
        assert line.isprintable()
        assert line.isascii()
        assert orjson.loads(line)["kind"] == "access"
        assert "KEY-12345678" not in line


async def test_odd_characters_of_origins_reach_the_log_and_clients_escaped(scene: Scene) -> None:
    """E22: names of files and reasons are data; each form of the log stays one line."""
    await scene.start()
    files = [
        {"filename": f"demo-1.0{ODD}\nforged line.tar.gz", "url": "x", "hashes": {}},
        {"filename": "demo-2.0.tar.gz", "url": "demo-2.0.tar.gz", "hashes": {}, "yanked": f"why{ODD}\r\nnot"},
    ]
    body = {"meta": {"api-version": "1.1"}, "name": "demo", "versions": [], "files": files}
    scene.origin.add(scene.page_path, orjson.dumps(body), content_type=JSON)
    page = await scene.get(scene.page, Accept=JSON)
    assert [file["filename"] for file in page.json()["files"]] == ["demo-2.0.tar.gz"]
    assert scene.log.lines
    for line in scene.log.lines:
        assert line.isprintable(), line
        assert "\x1b" not in line
    html = (await scene.get(scene.page, Accept=HTML)).body.decode()
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", html)
    scene.origin.remove(scene.page_path)
