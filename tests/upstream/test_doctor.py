"""What `feedgate doctor` says of each thing that can be wrong on the way, and what to do about it, in one line."""

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import trustme

from proxy.config.settings import Feed, Route
from proxy.model.finding import Finding
from proxy.model.redact import Secret, SecretUrl
from proxy.upstream.doctor import examine, is_well
from proxy.upstream.looks import why_wrong
from proxy.upstream.remote import Remote
from proxy.upstream.sight import Sight, clock_hop
from tests.support.faults import Fault
from tests.support.index import FakeIndex
from tests.support.origin import Origin
from tests.support.outproxy import OutboundProxy
from tests.support.wheels import wheel
from tests.upstream.authorities import new_ca, saved, served, through, trusting
from tests.upstream.conftest import Dial

PASSWORD = "p/w:canary@ü"


@pytest.fixture(scope="module")
def corp() -> trustme.CA:
    return new_ca("Corporate Proxy Root")


@pytest.fixture(scope="module")
def public() -> trustme.CA:
    return new_ca("Public Root")


async def examined(remote: Remote, kind: str = "pypi") -> dict[str, Finding]:
    """Return the findings by hop, the last of each name."""
    feed = Feed("f", kind, (remote.settings,))
    found = await examine(feed, lambda _: remote)
    assert not any(PASSWORD in each.detail or "cDcv" in each.detail for each in found)
    assert not any("\n" in each.detail for each in found)
    return {each.name.removeprefix("feed f, upstream 1").removeprefix(", "): each for each in found}


async def failing(remote: Remote, hop: str, kind: str = "pypi") -> str:
    """Return what is said of the hop, which is the last that was reached and the only one that fails."""
    found = await examined(remote, kind)
    assert [name for name, each in found.items() if each.outcome == "failed"] == [hop], found
    return found[hop].detail


# -- the proxy


async def test_wrong_password_names_the_user_and_not_the_password(dial: Dial) -> None:
    async with OutboundProxy(user="me", password="right") as proxy:
        for scheme in ("http", "https"):
            remote = dial(f"{scheme}://pub.example/simple/", route=through(proxy, "me", PASSWORD))
            said = await failing(remote, "proxy authentication")
            assert said.startswith(
                "the outbound proxy refused the user me or the password (407); check username"
            )


async def test_missing_password_is_told_as_missing(dial: Dial) -> None:
    async with OutboundProxy(user="me", password="right") as proxy:
        for scheme in ("http", "https"):
            said = await failing(
                dial(f"{scheme}://pub.example/simple/", route=through(proxy)), "proxy authentication"
            )
            assert said.startswith("the outbound proxy wants a user and a password, and the route has none")


async def test_proxy_that_takes_no_basic_authentication_is_told_as_such(dial: Dial) -> None:
    async with OutboundProxy() as proxy:
        proxy.instead = (
            b'HTTP/1.1 407 No\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM realm="x"\r\n'
            b"Content-Length: 0\r\n\r\n"
        )
        for scheme in ("http", "https"):
            remote = dial(f"{scheme}://pub.example/simple/", route=through(proxy, "me", PASSWORD))
            said = await failing(remote, "proxy authentication")
            assert "it takes Negotiate, NTLM only, and feedgate speaks Basic" in said


INSTEAD: dict[str, tuple[bytes, str]] = {
    "403": (
        b"HTTP/1.1 403 Forbidden\r\n\r\n",
        "answered 403 to CONNECT pub.example:443; have the outbound proxy let",
    ),
    "503": (b"HTTP/1.1 503 No\r\n\r\n", "answered 503 to CONNECT pub.example:443; the proxy could not reach"),
    "nonsense": (b"SSH-2.0-x\r\n\r\n", "answered with what is no HTTP to CONNECT; is it an http proxy"),
    "nothing": (b"", "closed the connection without an answer to CONNECT; is it an http proxy"),
}


@pytest.mark.parametrize(("instead", "words"), INSTEAD.values(), ids=INSTEAD)
async def test_answer_to_connect_that_is_no_tunnel_is_told(dial: Dial, instead: bytes, words: str) -> None:
    async with OutboundProxy() as proxy:
        proxy.instead = instead
        assert words in await failing(dial("https://pub.example/simple/", route=through(proxy)), "proxy")


async def test_proxy_that_does_not_answer_and_one_that_is_not_there_are_told_apart(dial: Dial) -> None:
    async with OutboundProxy() as proxy:
        proxy.hangs = True
        remote = dial("https://pub.example/simple/", route=through(proxy), connect_timeout_s=0.3)
        assert "took the connection and did not answer CONNECT in time" in await failing(remote, "proxy")
        dead = through(proxy)
    said = await failing(dial("https://pub.example/simple/", route=dead), "tcp")
    assert said.endswith("check the outbound proxy's address, and that it runs")


# -- TLS


async def test_accepted_certificate_tells_who_signed_it_and_where_that_is_trusted(
    dial: Dial, corp: trustme.CA, tmp_path: Path
) -> None:
    async with Origin() as origin, OutboundProxy(user="me", password=PASSWORD, authority=corp) as proxy:
        FakeIndex(origin).add(wheel("demo", "1.0"))
        proxy.hosts["pub.example"] = ("127.0.0.1", origin.port)
        path = saved(tmp_path, "corp.pem", corp)
        found = await examined(
            dial("https://pub.example/simple/", route=through(proxy, "me", PASSWORD, path))
        )
    assert list(found) == [
        "route", "name", "tcp", "proxy", "proxy authentication", "tls", "origin", "content", "clock",
    ]  # fmt: skip
    assert {each.outcome for each in found.values()} == {"ok"}
    assert f"it is signed by 'Corporate Proxy Root' (in ca_files, {path})" in found["tls"].detail
    assert found["proxy authentication"].detail == "user me is let through"


async def test_refused_certificate_tells_who_signed_it_and_what_to_do(dial: Dial, corp: trustme.CA) -> None:
    async with OutboundProxy(user="me", password=PASSWORD, authority=corp) as proxy:
        said = await failing(dial("https://pub.example/simple/", route=through(proxy, "me", PASSWORD)), "tls")
    assert "it was shown for" in said
    wanted = "if 'Corporate Proxy Root' is your proxy's or company's CA, name its certificate in ca_files of the route"
    assert said.endswith(wanted)


async def test_certificate_that_ended_or_is_anothers_is_told_by_its_own_advice(
    dial: Dial, corp: trustme.CA, tmp_path: Path
) -> None:
    route = trusting(saved(tmp_path, "ca.pem", corp))
    async with (
        Origin(tls=served(corp, expired=True)) as old,
        Origin(tls=served(corp, "other.example")) as other,
    ):
        said = await failing(dial(f"{old.url}/simple/", route=route), "tls")
        assert (
            "it ended on 2020-01-01; whoever runs that side must renew it; check the clock here too" in said
        )
        said = await failing(dial(f"{other.url}/simple/", route=route), "tls")
        assert said.endswith("check the host name in the url: the certificate is another's")


async def test_https_proxy_has_a_step_of_its_own(
    dial: Dial, corp: trustme.CA, public: trustme.CA, tmp_path: Path
) -> None:
    files = saved(tmp_path, "corp.pem", corp), saved(tmp_path, "public.pem", public)
    async with Origin(tls=served(public, "pub.example")) as origin, OutboundProxy(tls=served(corp)) as proxy:
        FakeIndex(origin).add(wheel("demo", "1.0"))
        proxy.hosts["pub.example"] = ("127.0.0.1", origin.port)
        found = await examined(dial("https://pub.example/simple/", route=through(proxy, None, "", *files)))
        assert "signed by 'Corporate Proxy Root'" in found["proxy tls"].detail
        assert "signed by 'Public Root'" in found["tls"].detail
        assert {each.outcome for each in found.values()} == {"ok"}
        said = await failing(dial("https://pub.example/simple/", route=through(proxy)), "proxy tls")
        assert "if 'Corporate Proxy Root' is your proxy's" in said
        said = await failing(
            dial("https://pub.example/simple/", route=through(proxy, None, "", files[0])), "tls"
        )
        assert "if 'Public Root' is your proxy's" in said


async def test_route_that_verifies_nothing_is_a_warning(dial: Dial, corp: trustme.CA) -> None:
    async with Origin(tls=served(corp)) as origin:
        FakeIndex(origin).add(wheel("demo", "1.0"))
        found = await examined(dial(f"{origin.url}/simple/", route=trusting(verify=False)))
    assert (found["tls"].outcome, "verify = true" in found["tls"].detail) == ("warning", True)
    assert is_well(found.values())


# -- the origin's answer

STATUSES: dict[int, str] = {
    401: "set auth",
    403: "check auth",
    404: "nothing is there",
    503: "trouble of its own",
}


@pytest.mark.parametrize(("status", "words"), STATUSES.items())
async def test_status_of_the_origin_says_what_to_do(dial: Dial, status: int, words: str) -> None:
    async with Origin() as origin:
        origin.always("*", Fault(status=status))
        said = await failing(dial(f"{origin.url}/simple/"), "origin")
    assert said.startswith(f"answered {status}; ")
    assert words in said


LOGIN = b"<!doctype html><html><body><a href='/'>home</a><form><input type=password></form></body></html>"


@pytest.mark.parametrize("kind", ["pypi", "conda"])
async def test_login_page_in_place_of_an_index_is_seen(dial: Dial, kind: str) -> None:
    async with Origin() as origin:
        path = "/simple/" if kind == "pypi" else "/chan/noarch/repodata.json.zst"
        origin.add(path, LOGIN, content_type="text/html")
        said = await failing(dial(f"{origin.url}/{path.split('/')[1]}/"), "content", kind)
    said = said.removeprefix("noarch/repodata.json.zst: ")
    assert said.startswith("it is a page with a form, such as a login page; check the upstream's url")


@pytest.mark.parametrize(
    ("kind", "path", "head", "is_right"),
    [
        ("pypi", "", b'{"meta": {"api-version": "1.4"}, "projects": []}', True),
        ("pypi", "", b"<html><body><a href='x/'>x</a>", True),
        ("pypi", "", b"<!DOCTYPE html><title>Simple index</title>", True),
        ("pypi", "", b"", False),
        ("pypi", "", b"OK", False),
        ("conda", "noarch/repodata.json.zst", b"\x28\xb5\x2f\xfdx", True),
        ("conda", "noarch/repodata.json.zst", b"{}", False),
        ("conda", "noarch/repodata.json", b' {"info": {}}', True),
        ("conda", "noarch/repodata.json", b"<html><a href='x'>", False),
    ],
)  # fmt: skip
def test_index_is_told_from_what_is_none(kind: str, path: str, head: bytes, is_right: bool) -> None:
    assert (why_wrong(kind, path, head) is None) is is_right


NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
OUTCOMES: dict[timedelta, tuple[bool, str]] = {
    timedelta(minutes=1): (True, "agrees with"),
    timedelta(minutes=30): (True, "30 minutes ahead of"),
    -timedelta(hours=5): (False, "5 hours behind"),
    timedelta(days=400): (False, "400 days ahead of"),
}


@pytest.mark.parametrize(("ahead", "expected"), OUTCOMES.items(), ids=str)
def test_clock_is_compared_with_the_origins(ahead: timedelta, expected: tuple[bool, str]) -> None:
    hop = clock_hop(Sight(200, b"", format_datetime(NOW - ahead, usegmt=True)), NOW)
    assert hop is not None
    assert (hop.ok, expected[1] in hop.told) == (expected[0], True)
    assert ("set this machine's clock" in hop.told) is (abs(ahead) > timedelta(minutes=2))


def test_origin_without_a_readable_date_tells_nothing_of_the_clock() -> None:
    dates = (None, "", "yesterday", f"Mon, 01 Jan {'9' * 20} 00:00:00 GMT")
    assert [clock_hop(Sight(200, b"", date), NOW) for date in dates] == [None] * len(dates)


# -- the whole


async def test_every_mirror_is_walked(dial: Dial) -> None:
    async with Origin() as good, Origin() as bad:
        FakeIndex(good).add(wheel("demo", "1.0"))
        remote = dial(f"{good.url}/simple/", f"{bad.url}/simple/")
        # However badly the first does: the doctor looks at each.
        remote.rest(f"{good.url}/simple/demo-1.0.tar.gz", 300)
        found = await examined(remote)
    assert found["mirror 1, origin"].outcome == "ok"
    assert found["mirror 2, origin"].detail.startswith("answered 404")


async def test_walk_changes_nothing_of_what_is_known_of_an_origin(dial: Dial) -> None:
    async with Origin() as origin:
        origin.always("*", Fault(status=503))
        remote = dial(f"{origin.url}/simple/")
        for _ in range(6):
            await examined(remote)
        assert (remote.health.failures, remote.health.breakers, origin.hits()) == (0, {}, 6)


Made = Callable[[str], dict[str, Any]]


async def test_address_that_may_not_be_asked_names_the_setting(dial: Dial) -> None:
    said = await failing(dial("http://127.0.0.1:9/simple/", allow_private=False), "route")
    assert said.endswith("set allow_private = true in this upstream")


async def test_proxy_of_the_environment_is_walked_as_any_other(dial: Dial) -> None:
    async with OutboundProxy(user="me", password="right") as proxy:
        environ = {"HTTPS_PROXY": proxy.url.replace("//", "//me:wrong@")}
        said = await failing(dial("https://pub.example/simple/", environ=environ), "proxy authentication")
    assert "refused the user me" in said
    assert "wrong" not in said


async def test_client_certificate_is_shown_on_the_walk_too(
    dial: Dial, corp: trustme.CA, tmp_path: Path
) -> None:
    demanding = served(corp)
    corp.configure_trust(demanding)
    demanding.verify_mode = ssl.CERT_REQUIRED
    pair = tmp_path / "client.pem"
    corp.issue_cert("client.example").private_key_and_cert_chain_pem.write_to_path(str(pair))
    async with Origin(tls=demanding) as origin:
        FakeIndex(origin).add(wheel("demo", "1.0"))
        route = trusting(saved(tmp_path, "ca.pem", corp))
        found = await examined(dial(f"{origin.url}/simple/", route=route, client_cert=pair))
    assert {each.outcome for each in found.values()} == {"ok"}


def test_route_prints_no_password() -> None:
    route = Route("x", proxy=SecretUrl("http://me:pw-canary@p"), password=Secret("pw-canary"))
    assert "pw-canary" not in repr(route)
