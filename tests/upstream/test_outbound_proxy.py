"""A11, A18: outbound proxies: refused credentials, dead and odd proxies, two users on one origin, exceptions."""

import ssl
from pathlib import Path

import pytest
import trustme

from proxy.config.settings import Route
from proxy.model.redact import Secret, SecretUrl
from proxy.upstream.errors import (
    AuthRefused,
    BadAnswer,
    ProxyAuthRefused,
    TlsFailed,
    Unreachable,
    UpstreamError,
)
from tests.support.faults import Fault
from tests.support.origin import Origin
from tests.support.outproxy import OutboundProxy
from tests.upstream.conftest import Dial

CANARY = "canary-5e1d"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


def served(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "pub.example").configure_cert(context)
    return context


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def through(proxy: OutboundProxy, user: str | None = None, password: str = "", *ca_files: Path) -> Route:
    return Route(
        use_environment=False,
        proxy=SecretUrl(proxy.url),
        username=user,
        password=Secret(password),
        ca_files=ca_files,
    )


async def test_plain_request_goes_in_absolute_form_with_the_proxys_credentials(dial: Dial) -> None:
    async with Origin() as origin, OutboundProxy(user="me", password=CANARY) as proxy:
        origin.add("/a", b"x")
        route = through(proxy, "me", CANARY)
        answer = await dial(origin.url, route=route).document("a", accept="*/*")
    assert answer.body == b"x"
    assert proxy.requests[0].target == f"{origin.url}/a"
    assert "proxy-authorization" not in origin.requests[0].headers


async def test_https_goes_through_a_tunnel_and_its_end_never_sees_the_proxys_credentials(
    dial: Dial, authority: trustme.CA, ca_file: Path
) -> None:
    async with Origin(tls=served(authority)) as origin, OutboundProxy(user="me", password=CANARY) as proxy:
        proxy.hosts["pub.example"] = ("127.0.0.1", origin.port)
        origin.add("/a", b"x")
        route = through(proxy, "me", CANARY, ca_file)
        remote = dial("https://pub.example", route=route, allow_private=False)
        assert (await remote.document("a", accept="*/*")).body == b"x"
    assert proxy.requests[0].target == "CONNECT pub.example:443"
    assert proxy.requests[0].headers["user-agent"].startswith("feedgate/")
    assert "proxy-authorization" not in origin.requests[0].headers


async def test_environment_names_the_proxy_and_its_exceptions(dial: Dial) -> None:
    async with Origin() as origin, OutboundProxy() as proxy:
        origin.add("/a", b"x")
        for no_proxy, hits in (("", 1), ("127.0.0.0/8", 1), ("10.0.0.0/8", 2), ("*", 2)):
            environ = {"HTTP_PROXY": proxy.url, "NO_PROXY": no_proxy}
            await dial(origin.url, environ=environ).document("a", accept="*/*")
            assert len(proxy.requests) == hits


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_refused_proxy_credentials_are_told_as_the_proxys_and_tried_once(
    dial: Dial, scheme: str
) -> None:
    async with OutboundProxy(user="me", password="right") as proxy:
        route = through(proxy, "me", CANARY)
        with pytest.raises(ProxyAuthRefused) as failed:
            remote = dial(f"{scheme}://pub.example", route=route, allow_private=False, retries=2)
            await remote.document("a", accept="*/*")
        assert (failed.value.hop, len(proxy.requests)) == ("proxy", 1)
        assert CANARY not in f"{failed.value} {failed.value!r} {failed.value.args}"


@pytest.mark.parametrize("status", [401, 403, 407])
async def test_refusal_of_the_origin_is_told_as_the_origins(dial: Dial, status: int) -> None:
    async with Origin() as origin:
        origin.always(
            "*", Fault(status=status, headers=[("WWW-Authenticate", "Basic"), ("Proxy-Authenticate", "x")])
        )
        with pytest.raises(AuthRefused) as failed:
            await dial(origin.url, retries=2).document("a", accept="*/*")
        assert (failed.value.hop, failed.value.status, origin.hits()) == ("origin", status, 1)


async def test_407_out_of_a_tunnel_is_the_origins(dial: Dial, authority: trustme.CA, ca_file: Path) -> None:
    async with Origin(tls=served(authority)) as origin, OutboundProxy() as proxy:
        origin.always("*", Fault(status=407))
        remote = dial(origin.url, route=through(proxy, None, "", ca_file))
        with pytest.raises(AuthRefused):
            await remote.document("a", accept="*/*")


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_dead_proxy_is_unreachable_at_the_proxy(dial: Dial, scheme: str) -> None:
    async with OutboundProxy() as proxy:
        route = through(proxy)
    with pytest.raises(Unreachable) as failed:
        await dial(f"{scheme}://pub.example", route=route).document("a", accept="*/*")
    assert failed.value.hop == "proxy"


async def test_proxy_that_hangs_in_connect_ends_at_the_connect_timeout(dial: Dial) -> None:
    async with OutboundProxy() as proxy:
        proxy.hangs = True
        remote = dial("https://pub.example", route=through(proxy), connect_timeout_s=0.3, retries=0)
        with pytest.raises(Unreachable) as failed:
            await remote.document("a", accept="*/*")
    assert failed.value.hop == "proxy"


@pytest.mark.parametrize(
    ("instead", "kind"),
    [
        # Which of the two depends on whether its end is seen before its first bytes.
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>log in</html>", (TlsFailed, Unreachable)),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", BadAnswer),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", Unreachable),
        (b"HTTP/1.1 302 Found\r\nLocation: http://login/\r\nContent-Length: 0\r\n\r\n", BadAnswer),
        (b"nonsense\r\n\r\n", BadAnswer),
        (b"", Unreachable),
    ],
    ids=["page", "403", "502", "302", "nonsense", "closes"],
)
async def test_proxy_that_answers_instead_of_tunnelling_is_told_by_class(
    dial: Dial, instead: bytes, kind: type[UpstreamError] | tuple[type[UpstreamError], ...]
) -> None:
    async with OutboundProxy() as proxy:
        proxy.instead = instead
        with pytest.raises(kind) as failed:
            await dial("https://pub.example", route=through(proxy)).document("a", accept="*/*")
    assert failed.value.__context__ is None


async def test_two_upstreams_of_one_origin_share_neither_connections_nor_proxy_users(dial: Dial) -> None:
    """The seed's scenario: two mirrors, two users."""
    async with Origin() as origin, OutboundProxy() as proxy:
        origin.add("/a", b"x" * 1000)
        remotes = [dial(origin.url, route=through(proxy, user, f"{user}-pw")) for user in ("one", "two")]
        for _ in range(3):
            for remote in remotes:
                async with await remote.open("a") as stream:
                    assert len(b"".join([chunk async for chunk in stream.chunks()])) == 1000
        sent = [request.headers["proxy-authorization"] for request in proxy.requests]
        assert sent == ["Basic b25lOm9uZS1wdw==", "Basic dHdvOnR3by1wdw=="] * 3


async def test_credentials_of_proxy_and_origin_do_not_mix(dial: Dial) -> None:
    async with Origin() as origin, OutboundProxy(user="me", password=CANARY) as proxy:
        origin.add("/a", b"x")
        base = origin.url.replace("//", "//origin-user:origin-pw@")
        route = through(proxy, "me", CANARY)
        await dial(base, route=route).document("a", accept="*/*")
    assert origin.requests[0].headers["authorization"] == "Basic b3JpZ2luLXVzZXI6b3JpZ2luLXB3"
    assert "@" not in proxy.requests[0].target
