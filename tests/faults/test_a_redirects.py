"""A12: redirects that go round, too far, down, or where nobody should be sent."""

import ssl
from itertools import pairwise
from typing import Any

import orjson
import pytest
import trustme

from proxy.config.settings import Route
from proxy.model.redact import SecretUrl
from tests.faults.scene import WHEEL, Scene
from tests.support.answers import Resource
from tests.support.faults import Fault
from tests.support.gateway import feed
from tests.support.index import JSON, FakeIndex
from tests.support.origin import Origin
from tests.support.outproxy import OutboundProxy
from tests.support.wheels import wheel

ELSEWHERE = {
    "a file": "file:///etc/passwd",
    "another protocol": "gopher://127.0.0.1/1",
    "a socket": "unix:///run/docker.sock",
    "no address": "http://",
    "nothing": "",
}
INSIDE = {
    "loopback": "http://127.0.0.1:{port}/x",
    "a name of this machine": "http://localhost:{port}/x",
    "IPv6 loopback": "http://[::1]:{port}/x",
    "mapped IPv4": "http://[::ffff:127.0.0.1]:{port}/x",
    "one number": "http://2130706433:{port}/x",
    "hexadecimal": "http://0x7f.1:{port}/x",
    "octal": "http://0177.0.0.1:{port}/x",
    "short": "http://127.1:{port}/x",
    "metadata service": "http://169.254.169.254/latest/meta-data/",
    "private network": "http://10.0.0.1/x",
}


def chain(scene: Scene, length: int) -> None:
    """Put the page behind that many redirects."""
    paths = [scene.page_path, *(f"/hop/{number}" for number in range(1, length + 1))]
    for here, there in pairwise(paths):
        scene.origin.always(here, Fault(location=there))
    file = {
        "filename": WHEEL,
        "url": scene.index.file_url(WHEEL),
        "hashes": {"sha256": scene.index.file(WHEEL).built.sha256},
    }
    body = {"meta": {"api-version": "1.1"}, "name": "demo", "versions": ["1.0"], "files": [file]}
    scene.origin.put(paths[-1], Resource(orjson.dumps(body), JSON))


async def test_five_redirects_are_followed_and_a_sixth_is_refused(scene: Scene) -> None:
    """A12: 502 after five."""
    await scene.start(json_api=None)
    chain(scene, 5)
    assert (await scene.get(scene.page)).status == 200
    scene.origin.forget()
    await scene.later()
    chain(scene, 6)
    scene.index.add(wheel("other", "1.0"))
    scene.origin.always(scene.index.page_path("other"), Fault(location=scene.page_path))
    assert (await scene.get("/pypi/pypi/simple/other/")).told == (502, "redirect-refused")
    assert scene.origin.hits() == 6


async def test_redirect_in_a_circle_ends(scene: Scene) -> None:
    """A12: for the page and for the artifact."""
    await scene.start()
    await scene.warm()
    scene.origin.always(scene.file_path, Fault(location=scene.file_path))
    assert (await scene.get(scene.file)).told == (502, "redirect-refused")
    assert scene.origin.hits(scene.file_path) == 6
    scene.origin.always(scene.index.page_path("round"), Fault(location=scene.index.page_path("round")))
    assert (await scene.get("/pypi/pypi/simple/round/")).told == (502, "redirect-refused")


@pytest.mark.parametrize("location", ELSEWHERE.values(), ids=ELSEWHERE)
async def test_redirect_to_what_is_no_web_address_is_refused(scene: Scene, location: str) -> None:
    """A12: only http and https, and the refusal repeats nothing of the target."""
    await scene.start()
    await scene.warm()
    scene.origin.always(scene.file_path, Fault(location=location))
    answer = await scene.get(scene.file)
    assert answer.told == (502, "redirect-refused")
    assert "passwd" not in answer.detail


@pytest.mark.parametrize("location", INSIDE.values(), ids=INSIDE)
async def test_redirect_to_a_private_address_is_refused(scene: Scene, location: str) -> None:
    """A12, E03: the upstream is a public host behind an outbound proxy, and sends us inside."""
    async with (
        Origin() as inside,
        OutboundProxy(hosts={"index.example": ("127.0.0.1", scene.origin.port)}) as out,
    ):
        inside.add("/x", b"inside")
        index = "http://index.example/simple/"
        route = Route(use_environment=False, proxy=SecretUrl(out.url))
        changes: dict[str, Any] = {"route": route, "allow_private": False, "json_api": None, "auth": None}
        await scene.start(feed(scene.upstream(url=index, **changes)))
        scene.origin.always(scene.page_path, Fault(location=location.format(port=inside.port)))
        answer = await scene.get(scene.page)
        assert answer.status == 502
        assert answer.word in ("origin-refused", "redirect-refused")
        assert inside.hits() == 0
        assert [request.target for request in out.requests] == [f"{index}demo/"]
        scene.heals = False
        scene.index.remove_project("demo")
        assert await scene.audit() == []


async def test_redirect_from_https_to_http_is_refused(scene: Scene) -> None:
    """A12: what was asked over TLS is not told in the clear."""
    ca = trustme.CA(key_type=trustme.KeyType.ECDSA)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    pem = scene.folder / "ca.pem"
    pem.write_bytes(ca.cert_pem.bytes())
    async with Origin(tls=context) as origin:
        index = FakeIndex(origin)
        index.add(wheel("demo", "1.0"))
        scene.auditor.indexes[:] = [index]
        scene.auditor.origins.append(origin)
        await scene.start(feed(scene.upstream(index, route=Route(use_environment=False, ca_files=(pem,)))))
        origin.always(index.page_path("demo"), Fault(location=scene.index.url + "demo/"))
        assert (await scene.get(scene.page)).told == (502, "redirect-refused")
        assert scene.origin.hits() == 0
        assert await scene.audit() == []
