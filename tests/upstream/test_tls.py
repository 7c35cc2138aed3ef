"""A16: certificates that are expired, unknown, for another name, or vouched for by another upstream's CA."""

import asyncio
import datetime
import ssl
from pathlib import Path

import pytest
import trustme

from proxy.config.settings import Route, Upstream
from proxy.upstream.errors import TlsFailed, UpstreamError
from proxy.upstream.tls import make_context
from tests.support.faults import Fault
from tests.support.origin import Origin
from tests.upstream.conftest import Dial

PAST = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


@pytest.fixture(scope="module")
def ours() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture(scope="module")
def others() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


def served(ca: trustme.CA, *names: str, expired: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(*(names or ("127.0.0.1",)), not_after=PAST if expired else None).configure_cert(context)
    return context


def saved(ca: trustme.CA, folder: Path, name: str = "ca.pem") -> Path:
    path = folder / name
    path.write_bytes(ca.cert_pem.bytes())
    return path


def trusting(*paths: Path, verify: bool = True) -> Route:
    return Route(use_environment=False, ca_files=paths, verify=verify)


async def ask(dial: Dial, context: ssl.SSLContext, route: Route) -> bytes:
    async with Origin(tls=context) as origin:
        origin.add("/a", b"x")
        return (await dial(origin.url, route=route).document("a", accept="*/*")).body


async def test_own_ca_is_trusted_as_a_file_a_bundle_and_a_folder(
    dial: Dial, ours: trustme.CA, others: trustme.CA, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(others.cert_pem.bytes() + ours.cert_pem.bytes())
    folder = tmp_path / "folder"
    folder.mkdir()
    saved(ours, folder, "one.crt")
    (folder / "README").write_text("not a certificate")
    der = tmp_path / "ca.der"
    der.write_bytes(ssl.PEM_cert_to_DER_cert(ours.cert_pem.bytes().decode()))
    for path in (saved(ours, tmp_path), bundle, folder, der):
        assert await ask(dial, served(ours), trusting(path)) == b"x"


@pytest.mark.parametrize(
    ("names", "expired", "words"),
    [(("127.0.0.1",), True, "expired"), (("other.example",), False, "mismatch|not valid")],
)
async def test_expired_or_foreign_certificate_is_refused_by_its_reason(
    dial: Dial, ours: trustme.CA, tmp_path: Path, names: tuple[str, ...], expired: bool, words: str
) -> None:
    with pytest.raises(TlsFailed, match=words):
        await ask(dial, served(ours, *names, expired=expired), trusting(saved(ours, tmp_path)))


async def test_unknown_authority_is_refused(dial: Dial, ours: trustme.CA) -> None:
    with pytest.raises(TlsFailed, match="certificate"):
        await ask(dial, served(ours), trusting())


async def test_ca_of_one_upstream_vouches_for_no_other(
    dial: Dial, ours: trustme.CA, others: trustme.CA, tmp_path: Path
) -> None:
    async with Origin(tls=served(ours)) as one, Origin(tls=served(others)) as two:
        one.add("/a", b"x")
        two.add("/a", b"x")
        first = dial(one.url, route=trusting(saved(ours, tmp_path, "1.pem")))
        second = dial(two.url, route=trusting(saved(others, tmp_path, "2.pem")))
        assert (await first.document("a", accept="*/*")).body == b"x"
        assert (await second.document("a", accept="*/*")).body == b"x"
        with pytest.raises(TlsFailed):
            await first.document(f"{two.url}/a", accept="*/*")
        one.always("/r", Fault(location=f"{two.url}/a"))
        with pytest.raises(TlsFailed):
            await first.document("r", accept="*/*")
        assert two.hits() == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"\x15\x03\x01\x00\x02\x02\x46", "protocol version"),
        (b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", "wrong version|record layer"),
    ],
    ids=["TLS 1.0 only", "no TLS"],
)
async def test_other_side_that_cannot_agree_on_tls_is_told_so(dial: Dial, answer: bytes, words: str) -> None:
    """The first bytes are the alert by which a server refuses TLS 1.2 and 1.3; asyncio's would not send it."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer)
        await writer.drain()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(TlsFailed, match=words):
            await dial(f"https://127.0.0.1:{port}").document("a", accept="*/*")


def test_nothing_older_than_tls_1_2_is_offered() -> None:
    context = make_context(Upstream("x"), with_certificate=False)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


async def test_verification_can_be_switched_off_for_one_upstream(dial: Dial, ours: trustme.CA) -> None:
    assert await ask(dial, served(ours, "other.example"), trusting(verify=False)) == b"x"


async def test_tls_failure_is_no_retry(dial: Dial, ours: trustme.CA) -> None:
    async with Origin(tls=served(ours)) as origin:
        with pytest.raises(TlsFailed):
            await dial(origin.url, retries=2).document("a", accept="*/*")
        assert origin.connections <= 1


@pytest.mark.parametrize("content", [None, b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nx\n"])
async def test_ca_file_that_cannot_be_used_says_so(dial: Dial, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ca-7.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TlsFailed, match=r"ca-7\.pem"):
        await dial("https://127.0.0.1:1", route=trusting(path)).document("a", accept="*/*")


async def test_client_certificate_goes_to_the_own_origin_only(
    dial: Dial, ours: trustme.CA, tmp_path: Path
) -> None:
    pair = ours.issue_cert("client.example")
    certificate, key = tmp_path / "client.pem", tmp_path / "client.key"
    pair.cert_chain_pems[0].write_to_path(str(certificate))
    pair.private_key_pem.write_to_path(str(key))
    demanding = served(ours)
    demanding.verify_mode = ssl.CERT_REQUIRED
    ours.configure_trust(demanding)
    async with Origin(tls=demanding) as home, Origin(tls=demanding) as other:
        home.add("/a", b"x")
        other.add("/a", b"x")
        home.always("/r", Fault(location=f"{other.url}/a"))
        remote = dial(
            home.url, route=trusting(saved(ours, tmp_path)), client_cert=certificate, client_key=key
        )
        assert (await remote.document("a", accept="*/*")).body == b"x"
        with pytest.raises(UpstreamError):
            await remote.document("r", accept="*/*")
        assert other.hits() == 0


async def test_page_over_tls_may_share_a_connection_unless_it_has_credentials(
    dial: Dial, ours: trustme.CA, tmp_path: Path
) -> None:
    async with Origin(tls=served(ours)) as origin:
        origin.add("/a", b"x")
        route = trusting(saved(ours, tmp_path))
        plain, secret = dial(origin.url, route=route), dial(origin.url.replace("//", "//u:p@"), route=route)
        for remote in (plain, plain, secret, secret):
            await remote.document("a", accept="*/*")
        numbers = [request.connection for request in origin.requests]
    assert numbers[0] == numbers[1]
    assert numbers[2] != numbers[3]
