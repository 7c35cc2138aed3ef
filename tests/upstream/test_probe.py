"""The hop walk of `feedgate doctor`: each step that works is told, and the first that does not, with its reason."""

import ssl
from pathlib import Path

import pytest
import trustme

from proxy.config.settings import Route
from proxy.model.redact import Secret, SecretUrl
from proxy.upstream.looks import HEAD_BYTES
from tests.support.answers import Pattern
from tests.support.faults import Fault
from tests.support.origin import Origin
from tests.support.outproxy import OutboundProxy
from tests.upstream.conftest import Dial
from tests.upstream.test_guard import Answering


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


def served(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("pub.example").configure_cert(context)
    return context


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    path.write_bytes(authority.cert_pem.bytes())
    return path


async def test_way_to_a_plain_origin_is_told_hop_by_hop(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/simple/", b"x")
        remote = dial(f"http://pub.example:{origin.port}/simple/", resolver=Answering(["127.0.0.1"]))
        hops = await remote.probe()
    assert [(hop.name, hop.ok) for hop in hops] == [
        (n, True) for n in ("route", "name", "tcp", "origin", "clock")
    ]
    assert hops[1].detail == "pub.example is 127.0.0.1"
    assert hops[-2].detail == "answered 200"


async def test_way_through_a_proxy_and_tls_is_told_hop_by_hop(
    dial: Dial, authority: trustme.CA, ca_file: Path
) -> None:
    async with Origin(tls=served(authority)) as origin, OutboundProxy(user="me", password="pw") as proxy:
        proxy.hosts["pub.example"] = ("127.0.0.1", origin.port)
        origin.add("/", b"x")
        route = Route(
            use_environment=False,
            proxy=SecretUrl(proxy.url),
            username="me",
            password=Secret("pw"),
            ca_files=(ca_file,),
        )
        hops = await dial("https://pub.example", route=route).probe()
    assert [hop.name for hop in hops] == [
        "route", "name", "tcp", "proxy", "proxy authentication", "tls", "origin", "clock",
    ]  # fmt: skip
    assert all(hop.ok for hop in hops)


async def test_first_step_that_fails_ends_the_walk(dial: Dial, authority: trustme.CA) -> None:
    async with Origin(tls=served(authority)) as origin, OutboundProxy(user="me", password="pw") as proxy:
        here = Answering(["127.0.0.1"])
        through = Route(use_environment=False, proxy=SecretUrl(proxy.url))
        cases = [
            (dial("http://169.254.169.254"), "route"),
            (dial("http://a.example", environ={"http_proxy": "socks5://p"}), "route"),
            (dial("http://a.example", resolver=Answering([])), "name"),
            (dial("http://a.example", resolver=here, allow_private=False), "name"),
            (dial("http://a.example:1", resolver=here), "tcp"),
            (dial("https://pub.example", route=through), "proxy authentication"),
            (dial(f"https://pub.example:{origin.port}", resolver=here), "tls"),
        ]
        for remote, name in cases:
            last = (await remote.probe())[-1]
            assert (last.name, last.ok) == (name, False)
            assert last.detail


async def test_of_a_large_index_only_the_beginning_is_read(dial: Dial) -> None:
    large = Pattern(100 * 1024 * 1024)
    seen: list[bytes] = []
    async with Origin() as origin:
        origin.add("/channel/noarch/repodata.json.zst", large)
        remote = dial(f"{origin.url}/channel")
        hops = await remote.probe("noarch/repodata.json.zst", judge=lambda head: seen.append(head))
        assert [(hop.name, hop.ok) for hop in hops[-3:]] == [
            ("origin", True),
            ("content", True),
            ("clock", True),
        ]
        assert seen[0] == large[: len(seen[0])]
        assert HEAD_BYTES <= len(seen[0]) < 16 * HEAD_BYTES
        assert origin.hits() == 1


async def test_status_of_the_origin_is_a_step_of_its_own(dial: Dial) -> None:
    async with Origin() as origin:
        origin.always("*", Fault(status=503))
        last = (await dial(origin.url).probe())[-2]
    assert (last.name, last.ok, last.detail) == ("origin", False, "answered 503")
