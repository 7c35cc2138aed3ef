"""A12, E03, E04: where redirects may lead, and what goes along."""

from pathlib import Path

import pytest

from proxy.config.settings import Auth
from proxy.model.redact import Secret
from proxy.upstream.errors import AddressRefused, BadAnswer, RedirectRefused
from proxy.upstream.redirects import follow
from proxy.upstream.target import parse_target
from tests.support.faults import Fault
from tests.support.origin import Origin
from tests.upstream.conftest import Dial

CANARY = "canary-7f3a"


async def test_redirects_are_followed_up_to_five(dial: Dial) -> None:
    async with Origin() as origin:
        for number in range(6):
            origin.always(
                f"/{number}", Fault(status=(301, 302, 303, 307, 308)[number % 5], location=f"{number + 1}")
            )
        origin.add("/6", b"x")
        remote = dial(origin.url)
        answer = await remote.document("1", accept="*/*")
        assert (answer.body, answer.url) == (b"x", f"{origin.url}/6")
        with pytest.raises(RedirectRefused, match="more than 5"):
            await remote.document("0", accept="*/*")


async def test_redirect_loop_ends(dial: Dial) -> None:
    async with Origin() as origin:
        origin.always("/a", Fault(location="/a"))
        with pytest.raises(RedirectRefused):
            await dial(origin.url, retries=2).document("a", accept="*/*")
        assert origin.hits() == 6


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "unix:/run/x.sock",
        "gopher://127.0.0.1/",
        "javascript:1",
        "http://169.254.169.254/latest/",
        "http://[fe80::1]/",
        "http://0.0.0.0/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://127.0.0.1:0/",
        "http://[::1%25lo]/",
        "http://a b.example/",
        "http:// a.example/",
        "http://a.example:8 0/",
        "/a\\b",
        "",
    ],
)
async def test_redirect_to_where_nothing_may_be_asked_is_refused(dial: Dial, location: str) -> None:
    async with Origin() as origin:
        origin.always("/a", Fault(status=302, headers=[("Location", location)]))
        with pytest.raises((RedirectRefused, AddressRefused)):
            await dial(origin.url).document("a", accept="*/*")
        assert origin.hits() == 1


@pytest.mark.parametrize(
    "location", ["/with a space?q=a b", " /with%20a%20space?q=a%20b ", "with a%20space?q=a b"]
)
async def test_space_in_a_location_is_quoted(dial: Dial, location: str) -> None:
    async with Origin() as origin:
        origin.always("/a", Fault(status=302, headers=[("Location", location)]))
        origin.add("/with a space", b"x")
        answer = await dial(origin.url).document("a", accept="*/*")
        assert (answer.body, answer.url) == (b"x", f"{origin.url}/with%20a%20space")
        assert origin.requests[-1].target == "/with%20a%20space?q=a%20b"


@pytest.mark.parametrize("size", [8_200, 60_000])
async def test_long_fields_are_taken(dial: Dial, size: int) -> None:
    async with Origin() as origin:
        origin.add("/a", b"x", headers={"Content-Security-Policy": "p" * size})
        assert (await dial(origin.url).document("a", accept="*/*")).body == b"x"


async def test_field_without_end_is_refused(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/a", b"x", headers={"X-Long": "p" * 70_000})
        with pytest.raises(BadAnswer, match="header is too large"):
            await dial(origin.url).document("a", accept="*/*")


def test_long_location_is_followed_within_bounds() -> None:
    target = f"/b?signature={'s' * 9_000}"
    assert follow(parse_target("https://a.example/x"), target).path == target
    with pytest.raises(RedirectRefused, match="too long"):
        follow(parse_target("https://a.example/x"), f"/{'x' * 66_000}")


def test_redirect_from_https_to_http_is_refused() -> None:
    with pytest.raises(RedirectRefused, match="https to http"):
        follow(parse_target("https://a.example/x"), "http://a.example/x")
    assert follow(parse_target("http://a.example/x"), "https://a.example/x").scheme == "https"


def test_redirect_hosts_limit_where_redirects_lead() -> None:
    at, allowed = parse_target("https://a.example/x"), ("*.cdn.example",)
    assert follow(at, "https://eu.cdn.example/x", allowed_hosts=allowed).host == "eu.cdn.example"
    assert follow(at, "/y", allowed_hosts=allowed).url == "https://a.example/y"
    with pytest.raises(RedirectRefused, match="redirect_hosts"):
        follow(at, "https://evil.example/x", allowed_hosts=allowed)


AUTHS = [
    Auth("basic", name="user", secret=Secret(CANARY)),
    Auth("bearer", secret=Secret(CANARY)),
    Auth("header", name="X-JFrog-Art-Api", secret=Secret(CANARY)),
    Auth("token", secret=Secret(CANARY)),
]


@pytest.mark.parametrize("auth", [*AUTHS, None], ids=lambda auth: auth.kind if auth else "userinfo")
async def test_no_credential_follows_to_another_origin(dial: Dial, auth: Auth | None) -> None:
    """The way leads back home in the end, and even there the credentials stay away."""
    async with Origin() as home, Origin() as other:
        base = home.url if auth else home.url.replace("//", f"//user:{CANARY}@")
        prefix = f"/t/{CANARY}" if auth and auth.kind == "token" else ""
        home.add(f"{prefix}/own", b"own")
        home.always(
            f"{prefix}/start", Fault(location=f"{other.url}/middle", headers=[("Set-Cookie", CANARY)])
        )
        other.always("/middle", Fault(location=f"{home.url}/end"))
        home.add("/end", b"end")
        remote = dial(base, auth=auth)
        assert (await remote.document("own", accept="*/*")).body == b"own"
        answer = await remote.document("start", accept="*/*")
    assert answer.body == b"end"
    first = home.received(f"{prefix}/own")[0]
    assert prefix or any(name in first.headers for name in ("authorization", "x-jfrog-art-api"))
    for request in (*other.requests, *home.received("/end")):
        sent = f"{request.target} {request.headers}".lower()
        assert CANARY not in sent
        assert not {"authorization", "cookie", "proxy-authorization", "x-jfrog-art-api"} & set(
            request.headers
        )


async def test_file_link_on_another_origin_is_asked_without_credentials(dial: Dial) -> None:
    async with Origin() as home, Origin() as files:
        url = files.add("/f.whl", b"x").replace("//", "//someone:else@")
        async with await dial(home.url, auth=AUTHS[1]).open(url) as stream:
            assert stream.status == 200
    assert "authorization" not in files.requests[0].headers


async def test_redirect_inside_the_origin_keeps_the_credentials(dial: Dial) -> None:
    async with Origin() as home:
        home.always("/a", Fault(location="/b"))
        home.add("/b", b"x")
        await dial(home.url, auth=AUTHS[1]).document("a", accept="*/*")
    assert home.requests[1].headers["authorization"] == f"Bearer {CANARY}"


async def test_conda_token_is_sent_in_the_path_and_told_to_nobody(dial: Dial) -> None:
    async with Origin() as home:
        home.add(f"/t/{CANARY}/channel/noarch/repodata.json", b"{}")
        remote = dial(f"{home.url}/channel", auth=AUTHS[3])
        answer = await remote.document("noarch/repodata.json", accept="*/*")
    assert (answer.status, answer.url) == (200, f"{home.url}/channel/noarch/repodata.json")


@pytest.mark.parametrize("channel", ["/channel", "/team/channel/label/dev", ""])
async def test_conda_token_is_sent_below_the_channel_only(dial: Dial, channel: str) -> None:
    async with Origin() as home:
        home.add(f"/t/{CANARY}{channel}/noarch/a.conda", b"x")
        remote = dial(f"{home.url}{channel}", auth=AUTHS[3])
        async with await remote.open("noarch/a.conda") as stream:
            assert (stream.status, stream.asked) == (200, f"{home.url}{channel}/noarch/a.conda")
        if channel:
            home.add("/elsewhere/b.conda", b"x")
            async with await remote.open(f"{home.url}/elsewhere/b.conda") as stream:
                assert stream.status == 200


async def test_conda_token_goes_along_inside_the_origin(dial: Dial) -> None:
    async with Origin() as home:
        home.always(f"/t/{CANARY}/channel/a", Fault(location="/channel/b"))
        home.always(f"/t/{CANARY}/channel/b", Fault(location=f"/t/{CANARY}/channel/c"))
        home.add(f"/t/{CANARY}/channel/c", b"x")
        answer = await dial(f"{home.url}/channel", auth=AUTHS[3]).document("a", accept="*/*")
    assert (answer.status, answer.url) == (200, f"{home.url}/channel/c")


async def test_conda_token_in_a_redirect_to_another_origin_is_taken_out(dial: Dial) -> None:
    async with Origin() as home, Origin() as other:
        home.always(f"/t/{CANARY}/channel/a", Fault(location=f"{other.url}/t/{CANARY}/channel/a"))
        other.add("/channel/a", b"x")
        answer = await dial(f"{home.url}/channel", auth=AUTHS[3]).document("a", accept="*/*")
    assert (answer.status, answer.url) == (200, f"{other.url}/channel/a")
    assert [request.target for request in other.requests] == ["/channel/a"]


async def test_netrc_gives_credentials_for_the_own_host_only(dial: Dial, tmp_path: Path) -> None:
    path = tmp_path / "netrc"
    path.write_text("machine 127.0.0.1 login me password secret\nmachine other login x password y\n")
    path.chmod(0o600)
    async with Origin() as home:
        home.add("/a", b"x")
        remote = dial(home.url, auth=Auth("netrc"), environ={"NETRC": str(path)})
        await remote.document("a", accept="*/*")
    assert home.requests[0].headers["authorization"] == "Basic bWU6c2VjcmV0"
