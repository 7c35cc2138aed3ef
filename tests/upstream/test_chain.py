"""How requests leave, told part by part with the word of the configuration that decided it."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import trustme

from proxy.upstream.chain import Chain, chains_of
from tests.config.loading import loads
from tests.upstream.authorities import saved

CORP = '[routes.corp]\nproxy = "http://proxy.example:8899"\nusername = "user1"\npassword = "pw-canary"\n'
PLACE = "feeds.main.upstreams[0]"


def chain(folder: Path, text: str, environ: Mapping[str, str] | None = None, *, place: str = PLACE) -> Chain:
    """Return the chain of an upstream of the settings."""
    loaded = loads(folder, text, environ=environ or {})
    found = chains_of(loaded.settings, environ or {})[place]
    assert "canary" not in repr(found)
    return found


def feed(upstream: str) -> str:
    return f'[feeds.main]\nkind = "conda"\nupstreams = [{upstream}]\n'


def lines(found: Chain) -> list[str]:
    return list(found.lines())


def test_named_route_names_its_table_and_the_upstreams_choice(tmp_path: Path) -> None:
    found = chain(tmp_path, CORP + feed('{ url = "https://a.example/chan", route = "corp" }'))
    assert lines(found) == [
        f"route corp ({PLACE}.route, config.toml)",
        "  https://a.example: through http://proxy.example:8899 as user user1 (routes.corp.proxy, config.toml)",
    ]


def test_inline_route_with_its_user_in_the_url_tells_the_user_and_no_password(tmp_path: Path) -> None:
    text = feed(
        '{ url = "https://a.example/chan", route = { proxy = "http://user2:pw-canary@proxy.example:8899" } }'
    )
    assert lines(chain(tmp_path, text)) == [
        f"route inline ({PLACE}.route, config.toml)",
        "  https://a.example: through http://proxy.example:8899 as user user2"
        f" ({PLACE}.route.proxy, config.toml)",
    ]


def test_default_route_replaces_the_environment(tmp_path: Path) -> None:
    environ = {"HTTPS_PROXY": "http://other.example:1"}
    text = CORP.replace("corp", "default") + feed('"https://a.example/chan"')
    found = chain(tmp_path, text, environ)
    assert lines(found)[0] == "route default ([routes.default])"
    assert "through http://proxy.example:8899 as user user1 (routes.default.proxy" in lines(found)[1]


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_environment_is_named_by_the_variable_that_decided(tmp_path: Path, name: str) -> None:
    found = chain(tmp_path, feed('"https://a.example/chan"'), {name: "http://me:pw-canary@p.example:8"})
    assert lines(found) == [
        "route environment (default: neither a route of the upstream nor [routes.default])",
        f"  https://a.example: through http://p.example:8 as user me (environment {name})",
    ]


def test_exception_is_named_by_the_entry_that_covers_the_host(tmp_path: Path) -> None:
    environ = {"https_proxy": "http://p.example:8", "no_proxy": "b.example,.a.example, 10.0.0.0/8"}
    upstream = feed('{ urls = ["https://x.a.example/c", "https://10.1.2.3:8443/c", "https://c.example/c"] }')
    legs = chain(tmp_path, upstream, environ).legs
    assert [(leg.proxy, leg.because) for leg in legs] == [
        (None, "environment no_proxy: '.a.example'"),
        (None, "environment no_proxy: '10.0.0.0/8'"),
        ("http://p.example:8", "environment https_proxy"),
    ]


@pytest.mark.parametrize(
    ("entry", "is_direct"),
    [("registry.example:8443", True), ("registry.example:443", False), ("*", True), (".example", True)],
)
def test_exceptions_of_a_route_are_named_too(tmp_path: Path, entry: str, is_direct: bool) -> None:
    text = CORP + f'no_proxy = ["other.test", "{entry}"]\n'
    found = chain(tmp_path, text + feed('{ url = "https://registry.example:8443/c", route = "corp" }'))
    (leg,) = found.legs
    assert leg.proxy == (None if is_direct else "http://proxy.example:8899")
    assert (leg.because == f"routes.corp.no_proxy, config.toml: '{entry}'") is is_direct


def test_direct_says_who_asked_for_it(tmp_path: Path) -> None:
    found = chain(
        tmp_path, feed('{ url = "https://a.example/c", route = "direct" }'), {"https_proxy": "http://p"}
    )
    assert lines(found) == [
        f"route direct ({PLACE}.route, config.toml)", "  https://a.example: direct (asked for by name)",
    ]  # fmt: skip


def test_route_without_a_proxy_and_an_environment_without_one_are_direct(tmp_path: Path) -> None:
    text = "[routes.bare]\nverify = false\n" + feed('{ url = "https://a.example/c", route = "bare" }')
    assert chain(tmp_path, text, {"https_proxy": "http://p"}).legs[0].because == "routes.bare has no proxy"
    bare = chain(tmp_path, feed('"https://a.example/c"'), {"http_proxy": "http://p"})
    assert bare.legs[0].because == "the environment names no proxy for it"


def test_proxy_that_cannot_be_used_is_told_and_is_no_direct_way(tmp_path: Path) -> None:
    found = chain(tmp_path, feed('"https://a.example/c"'), {"https_proxy": "socks5://p"})
    assert found.legs[0].because.startswith(
        "impossible: the outbound proxy (https_proxy) is not an http or https one"
    )


@pytest.mark.parametrize("url", ["http://user:p@ss/hunter2@proxy:3128", "http://user:hunter2/x@proxy"])
def test_password_that_is_not_percent_encoded_is_told_as_such(tmp_path: Path, url: str) -> None:
    found = chain(tmp_path, feed('"https://a.example/c"'), {"HTTPS_PROXY": url})
    assert "(HTTPS_PROXY) cannot be read; in a user or password write '@' as %40" in found.legs[0].because
    assert "hunter2" not in found.legs[0].because


def test_ca_files_and_verify_are_told_with_their_sources(tmp_path: Path) -> None:
    saved(tmp_path, "root.pem", trustme.CA())
    text = CORP + 'ca_files = ["root.pem"]\nverify = false\n'
    found = chain(tmp_path, text + feed('{ url = "https://a.example/c", route = "corp" }'))
    assert lines(found)[2:] == [
        f"  trusts {tmp_path / 'root.pem'} (routes.corp.ca_files, config.toml)",
        "  VERIFIES NO CERTIFICATE (routes.corp.verify, config.toml)",
    ]


def test_ca_of_pip_is_told_as_pips(tmp_path: Path) -> None:
    saved(tmp_path, "pip.pem", trustme.CA())
    environ = {"PIP_CERT": str(tmp_path / "pip.pem"), "PIP_INDEX_URL": "https://i.example/simple/"}
    found = chain(tmp_path, '[feeds.main]\nkind = "pypi"\n', environ)
    assert [part.source for part in found.ca_files] == ["pip: environment PIP_CERT"]


def test_upstreams_that_ask_no_network_have_no_chain(tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    text = feed('"file:mirror"') + '[feeds.next]\nkind = "conda"\nupstreams = [{ feed = "main" }]\n'
    assert chains_of(loads(tmp_path, text).settings, {}) == {}


def test_readers_are_told_neither_users_nor_folders(tmp_path: Path) -> None:
    saved(tmp_path, "root.pem", trustme.CA())
    text = CORP + 'ca_files = ["root.pem"]\n' + feed('{ url = "https://a.example/c", route = "corp" }')
    told = chain(tmp_path, text).for_readers()
    assert (told.legs[0].user, told.ca_files[0].value) == (None, "root.pem")
    assert told.legs[0].proxy == "http://proxy.example:8899"
