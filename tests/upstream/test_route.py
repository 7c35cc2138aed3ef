"""Which way a URL leaves: the environment's words, a route's own proxy, and the exceptions from both."""

from collections.abc import Mapping

import pytest

from proxy.config.settings import Route
from proxy.model.redact import Secret, SecretUrl
from proxy.upstream.errors import BadAnswer
from proxy.upstream.route import choose, covering
from proxy.upstream.target import parse_target

ENVIRONMENT = Route()


def way(environ: Mapping[str, str], url: str, route: Route = ENVIRONMENT) -> str | None:
    found = choose(route, environ, parse_target(url))
    return None if found is None else found.url


@pytest.mark.parametrize(
    ("environ", "url", "expected"),
    [
        ({}, "https://a.example/", None),
        ({"HTTPS_PROXY": "http://p:3128"}, "https://a.example/", "http://p:3128"),
        ({"HTTPS_PROXY": "http://p:3128"}, "http://a.example/", None),
        ({"http_proxy": "p:3128"}, "http://a.example/", "http://p:3128"),
        ({"HTTP_PROXY": "http://upper", "http_proxy": "http://lower"}, "http://a.example/", "http://lower"),
        ({"HTTP_PROXY": "http://upper", "http_proxy": ""}, "http://a.example/", None),
        ({"ALL_PROXY": "https://p:8443"}, "http://a.example/", "https://p:8443"),
        ({"all_proxy": "http://all", "https_proxy": "http://one"}, "https://a.example/", "http://one"),
        ({"HTTPS_PROXY": "http://p", "NO_PROXY": "*"}, "https://a.example/", None),
        ({"HTTPS_PROXY": "http://p", "no_proxy": "b.example, a.example"}, "https://a.example/", None),
    ],
)
def test_environment_is_read_as_other_tools_read_it(
    environ: Mapping[str, str], url: str, expected: str | None
) -> None:
    assert way(environ, url) == expected


@pytest.mark.parametrize(
    ("entry", "url", "expected"),
    [
        ("example.com", "http://example.com/", True),
        ("example.com", "http://x.example.com/", True),
        ("example.com", "http://notexample.com/", False),
        (".example.com", "http://x.example.com/", True),
        (".example.com", "http://example.com/", True),
        ("*.example.com", "http://x.example.com/", True),
        ("EXAMPLE.com.", "http://Example.COM/", True),
        ("example.com:8080", "http://example.com:8080/", True),
        ("example.com:8080", "http://example.com/", False),
        ("example.com:443", "https://example.com/", True),
        ("10.0.0.0/8", "http://10.1.2.3/", True),
        ("10.0.0.0/8", "http://11.1.2.3/", False),
        ("10.0.0.0/8", "http://ten.example/", False),
        ("192.168.1.7", "http://192.168.1.7:81/", True),
        ("192.168.1.7:80", "http://192.168.1.7:81/", False),
        ("::1", "http://[::1]:8080/", True),
        ("[::1]", "http://[::1]:8080/", True),
        ("[::1]:8080", "http://[::1]:8080/", True),
        ("[::1]:8081", "http://[::1]:8080/", False),
        ("fd00::/8", "http://[fd12::5]/", True),
        ("fd00::/8", "http://10.1.2.3/", False),
        ("*", "http://anything/", True),
        ("", "http://anything/", False),
        (".", "http://anything/", False),
        ("10.0.0.0/99", "http://10.0.0.0/", False),
    ],
)
def test_no_proxy_covers(entry: str, url: str, expected: bool) -> None:
    assert covering(parse_target(url), ["other.test", entry]) == (entry if expected else None)


def test_own_proxy_wins_over_the_environment() -> None:
    route = Route(
        use_environment=False,
        proxy=SecretUrl("http://own:3128"),
        no_proxy=("direct.example",),
        username="u",
        password=Secret("p"),
    )
    environ = {"HTTPS_PROXY": "http://other", "NO_PROXY": "*"}
    found = choose(route, environ, parse_target("https://a.example/"))
    assert found is not None
    assert found.authorization == Secret("Basic dTpw")
    assert way(environ, "https://direct.example/", route) is None


def test_direct_ignores_the_environment() -> None:
    assert (
        way({"ALL_PROXY": "http://p"}, "https://a.example/", Route("direct", use_environment=False)) is None
    )


def test_userinfo_of_a_proxy_becomes_its_credentials_and_leaves_its_url() -> None:
    found = choose(ENVIRONMENT, {"HTTPS_PROXY": "http://us%40er:p%3Aw@p:3128"}, parse_target("https://a/"))
    assert found is not None
    assert found.url == "http://p:3128"
    assert found.authorization == Secret("Basic dXNAZXI6cDp3")
    assert "p:w" not in repr(found)


@pytest.mark.parametrize("named", ["socks5://p:1080", "ftp://p", "http://", "http://p:x", "http://a b:80"])
def test_proxy_that_cannot_be_used_is_an_error_and_not_a_direct_connection(named: str) -> None:
    with pytest.raises(BadAnswer, match="outbound proxy"):
        way({"ALL_PROXY": named}, "https://a.example/")
