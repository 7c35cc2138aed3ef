"""TLS on a route: https proxies, proxies that terminate, chains, and CA files that change while the server runs."""

import asyncio
import logging
import os
import ssl
from pathlib import Path

import pytest
import trustme

from proxy.upstream.errors import TlsFailed, Unreachable, UpstreamError
from proxy.upstream.remote import Remote
from proxy.upstream.tls import CHECK_S
from tests.support.clock import FakeClock
from tests.support.origin import Origin
from tests.support.outproxy import OutboundProxy
from tests.upstream.authorities import new_ca, saved, served, through, trusting
from tests.upstream.conftest import Dial

PAGE = b"the page"


@pytest.fixture(scope="module")
def corp() -> trustme.CA:
    return new_ca("Corporate")


@pytest.fixture(scope="module")
def public() -> trustme.CA:
    return new_ca("Public")


async def page(remote: Remote) -> bytes:
    return (await remote.document("a", accept="*/*")).body


def paged(origin: Origin) -> Origin:
    origin.add("/a", PAGE)
    return origin


# -- https:// outbound proxies


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_https_proxy_is_spoken_to_in_tls_whatever_is_asked_through_it(
    dial: Dial, corp: trustme.CA, public: trustme.CA, tmp_path: Path, scheme: str
) -> None:
    files = saved(tmp_path, "corp.pem", corp), saved(tmp_path, "public.pem", public)
    tls = served(public, "pub.example") if scheme == "https" else None
    async with (
        Origin(tls=tls) as origin,
        OutboundProxy(user="me", password="pä ß:%@/", tls=served(corp)) as proxy,
    ):
        proxy.hosts["pub.example"] = ("127.0.0.1", paged(origin).port)
        remote = dial(
            f"{scheme}://pub.example", route=through(proxy, "me", "pä ß:%@/", *files), allow_private=False
        )
        assert await page(remote) == PAGE
    asked = {"http": "http://pub.example/a", "https": "CONNECT pub.example:443"}
    assert proxy.log == [("me", asked[scheme])]
    assert "proxy-authorization" not in origin.requests[0].headers


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_certificate_of_an_https_proxy_is_verified_and_told_as_the_proxys(
    dial: Dial, corp: trustme.CA, scheme: str
) -> None:
    async with OutboundProxy(user="me", password="pw", tls=served(corp)) as proxy:
        with pytest.raises(TlsFailed, match="the outbound proxy's certificate is refused") as failed:
            await page(dial(f"{scheme}://pub.example", route=through(proxy, "me", "pw")))
    assert failed.value.hop == "proxy"
    assert proxy.requests == []


async def test_plain_proxy_that_is_called_https_is_told_as_such(dial: Dial) -> None:
    async with OutboundProxy() as plain:
        route = through(plain)
        named = route.proxy.reveal() if route.proxy else ""
        environ = {"https_proxy": named.replace("http://", "https://")}
        with pytest.raises(UpstreamError, match="really an https one") as failed:
            await page(dial("https://pub.example", environ=environ))
    assert failed.value.hop == "proxy"


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_client_certificate_is_the_upstreams_and_never_shown_to_an_https_proxy(
    dial: Dial, corp: trustme.CA, public: trustme.CA, tmp_path: Path, scheme: str
) -> None:
    pair = public.issue_cert("client.example")
    certificate, key = tmp_path / "client.pem", tmp_path / "client.key"
    pair.cert_chain_pems[0].write_to_path(str(certificate))
    pair.private_key_pem.write_to_path(str(key))
    asking, demanding = served(corp), served(public, "pub.example")
    for context, mode in ((asking, ssl.CERT_OPTIONAL), (demanding, ssl.CERT_REQUIRED)):
        public.configure_trust(context)
        context.verify_mode = mode
    tls = demanding if scheme == "https" else None
    async with Origin(tls=tls) as origin, OutboundProxy(tls=asking) as proxy:
        proxy.hosts["pub.example"] = ("127.0.0.1", paged(origin).port)
        files = saved(tmp_path, "corp.pem", corp), saved(tmp_path, "public.pem", public)
        remote = dial(
            f"{scheme}://pub.example",
            route=through(proxy, None, "", *files),
            client_cert=certificate,
            client_key=key,
        )
        assert await page(remote) == PAGE
    assert proxy.certificates == [None]


# -- proxies that terminate TLS


async def test_terminating_proxy_is_trusted_by_the_route_that_names_its_ca_and_by_no_other(
    dial: Dial, corp: trustme.CA, public: trustme.CA, tmp_path: Path
) -> None:
    own, other = saved(tmp_path, "corp.pem", corp), saved(tmp_path, "other.pem", public)
    async with Origin() as origin, OutboundProxy(authority=corp) as proxy:
        proxy.hosts["pub.example"] = ("127.0.0.1", paged(origin).port)
        trusted = dial("https://pub.example", route=through(proxy, None, "", own))
        stranger = dial("https://pub.example", route=through(proxy, None, "", other))
        bare = dial("https://pub.example", route=through(proxy))
        assert await page(trusted) == PAGE
        for remote in (stranger, bare):
            with pytest.raises(TlsFailed, match="the certificate is refused") as failed:
                await page(remote)
            assert failed.value.hop == "tls"
        assert await page(trusted) == PAGE
    assert len(origin.requests) == 2


async def test_several_authorities_of_a_route_are_all_trusted(
    dial: Dial, corp: trustme.CA, public: trustme.CA, tmp_path: Path
) -> None:
    folder = tmp_path / "certs"
    folder.mkdir()
    saved(folder, "two.crt", public)
    files = saved(tmp_path, "one.pem", corp), folder
    async with (
        Origin(tls=served(public)) as tunnelled,
        Origin() as plain,
        OutboundProxy() as tunnel,
        OutboundProxy(authority=corp) as ending,
    ):
        ending.hosts["pub.example"] = ("127.0.0.1", paged(plain).port)
        assert await page(dial(paged(tunnelled).url, route=through(tunnel, None, "", *files))) == PAGE
        assert await page(dial("https://pub.example", route=through(ending, None, "", *files))) == PAGE


@pytest.mark.parametrize("named", ["root", "intermediate", "both"])
@pytest.mark.parametrize("sent", ["with the intermediate", "leaf only"])
async def test_chain_over_an_intermediate_is_followed_to_what_is_named(
    dial: Dial, corp: trustme.CA, tmp_path: Path, named: str, sent: str
) -> None:
    middle = corp.create_child_ca()
    leaf = middle.issue_cert("127.0.0.1")
    chain = b"".join(pem.bytes() for pem in leaf.cert_chain_pems[: None if "with" in sent else 1])
    (tmp_path / "leaf.pem").write_bytes(leaf.private_key_pem.bytes() + chain)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "leaf.pem")
    trusted = {"root": (corp,), "intermediate": (middle,), "both": (corp, middle)}[named]
    route = trusting(saved(tmp_path, "ca.pem", *trusted))
    async with Origin(tls=context) as origin:
        remote = dial(paged(origin).url, route=route)
        if named == "root" and sent == "leaf only":
            with pytest.raises(TlsFailed, match="issuer"):
                await page(remote)
        else:
            assert await page(remote) == PAGE


# -- files that change


async def test_ca_file_that_changes_is_read_again_and_the_former_ca_no_longer_counts(
    dial: Dial, corp: trustme.CA, public: trustme.CA, tmp_path: Path
) -> None:
    clock = FakeClock()
    path = saved(tmp_path, "ca.pem", corp)
    async with Origin(tls=served(corp)) as old, Origin(tls=served(public)) as new:
        remotes = [dial(paged(origin).url, route=trusting(path), clock=clock) for origin in (old, new)]
        assert await page(remotes[0]) == PAGE
        with pytest.raises(TlsFailed):
            await page(remotes[1])
        saved(tmp_path, "ca.pem", public)
        clock.advance(CHECK_S)
        assert await page(remotes[1]) == PAGE
        with pytest.raises(TlsFailed):
            await page(remotes[0])


async def test_ca_that_is_put_into_a_folder_counts_and_one_taken_out_does_not(
    dial: Dial, corp: trustme.CA, public: trustme.CA, tmp_path: Path
) -> None:
    clock = FakeClock()
    saved(tmp_path, "other.pem", public)
    async with Origin(tls=served(corp)) as origin:
        remote = dial(paged(origin).url, route=trusting(tmp_path), clock=clock)
        for place, is_trusted in ((None, False), ("new.pem", True), (None, False)):
            if place is not None:
                saved(tmp_path, place, corp)
            else:
                (tmp_path / "new.pem").unlink(missing_ok=True)
            clock.advance(CHECK_S)
            if is_trusted:
                assert await page(remote) == PAGE
                continue
            with pytest.raises(TlsFailed):
                await page(remote)


@pytest.mark.parametrize("damage", ["gone", "empty", "nonsense"])
async def test_ca_file_that_becomes_unusable_is_told_once_and_what_was_read_goes_on(
    dial: Dial, corp: trustme.CA, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock()
    path = saved(tmp_path, "ca.pem", corp)
    async with Origin(tls=served(corp)) as origin:
        remote = dial(paged(origin).url, route=trusting(path), clock=clock)
        assert await page(remote) == PAGE
        if damage == "gone":
            path.unlink()
        else:
            path.write_bytes(b"" if damage == "empty" else b"nonsense")
        with caplog.at_level(logging.ERROR, "feedgate.upstream"):
            for _ in range(3):
                clock.advance(CHECK_S)
                assert await page(remote) == PAGE
    assert [record.getMessage() for record in caplog.records] == [
        "route own: the CA file or folder 'ca.pem' is missing, empty or unreadable; what was read before goes on"
    ]


async def test_files_are_not_looked_at_for_every_request(
    dial: Dial, corp: trustme.CA, public: trustme.CA, tmp_path: Path
) -> None:
    path = saved(tmp_path, "ca.pem", corp)
    async with Origin(tls=served(corp)) as origin:
        remote = dial(paged(origin).url, route=trusting(path), clock=FakeClock())
        assert await page(remote) == PAGE
        saved(tmp_path, "ca.pem", public)
        assert await page(remote) == PAGE
        assert origin.connections == 1


async def test_renewed_client_certificate_is_shown(dial: Dial, corp: trustme.CA, tmp_path: Path) -> None:
    clock = FakeClock()
    demanding = served(corp)
    corp.configure_trust(demanding)
    demanding.verify_mode = ssl.CERT_REQUIRED
    pair = tmp_path / "client.pem"
    new_ca().issue_cert("client.example").private_key_and_cert_chain_pem.write_to_path(str(pair))
    async with Origin(tls=demanding) as origin:
        route = trusting(saved(tmp_path, "ca.pem", corp))
        remote = dial(paged(origin).url, route=route, client_cert=pair, clock=clock, read_timeout_s=0.5)
        with pytest.raises((TlsFailed, Unreachable)):
            await page(remote)
        fresh = corp.issue_cert("client.example").private_key_and_cert_chain_pem.bytes()
        await asyncio.to_thread(pair.write_bytes, fresh)
        os.utime(pair)
        clock.advance(CHECK_S)
        assert await page(remote) == PAGE
