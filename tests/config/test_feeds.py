from pathlib import Path

import pytest
import trustme

from proxy.config.settings import Auth, Feed, Rate, Route, Upstream
from proxy.model.redact import Secret, SecretUrl
from tests.config.loading import PYPI, faults, loads, upstream

URL = 'url = "https://index.example/simple"'


def feed(folder: Path, text: str) -> Feed:
    return loads(folder, text).settings.feeds["pypi"]


def first(folder: Path, *lines: str) -> Upstream:
    return feed(folder, upstream(*lines)).upstreams[0]


def test_every_default_of_the_contract_holds(tmp_path: Path) -> None:
    settings = loads(tmp_path, upstream(URL)).settings
    server, one = settings.server, settings.feeds["pypi"].upstreams[0]
    assert (server.host, server.port, server.workers, server.path_prefix) == ("127.0.0.1", 8080, 1, "")
    assert (server.stop_timeout_s, server.header_timeout_s, server.body_timeout_s) == (25, 10, 30)
    assert (server.idle_timeout_s, server.write_timeout_s) == (75, 120)
    assert (settings.cache.max_size_bytes, settings.cache.scrub_s) == (50 * 1024**3, 7 * 86400)
    assert (settings.log.level, settings.log.format, settings.state.url) == ("info", "auto", None)
    assert (one.ttl_s, one.negative_ttl_s, one.stale_if_error_s) == (600, 60, 7 * 86400)
    assert (one.connect_timeout_s, one.read_timeout_s, one.min_rate) == (10, 30, Rate(1024, 30))
    assert (one.concurrency, one.bandwidth_bytes_per_s, one.retries, one.max_index_size_bytes) == (
        8,
        None,
        2,
        1024**3,
    )
    assert one.route == Route()
    assert settings.feeds["pypi"].anonymous


def test_urls_are_bases_in_normal_form(tmp_path: Path) -> None:
    one = first(tmp_path, 'urls = ["HTTPS://Index.EXAMPLE:443/simple", "http://[::1]:8/x//"]')
    assert [url.reveal() for url in one.urls] == ["https://index.example/simple/", "http://[::1]:8/x/"]


def test_an_upstream_may_be_just_a_url(tmp_path: Path) -> None:
    assert feed(tmp_path, PYPI + 'upstreams = ["https://h/simple/"]').upstreams[0].urls == (
        SecretUrl("https://h/simple/"),
    )


def test_json_api_is_the_sibling_of_a_simple_index(tmp_path: Path) -> None:
    assert first(tmp_path, 'url = "https://h/root/simple"').json_api == "https://h/root/pypi/"


def test_json_api_of_another_url_is_none_and_can_be_given_or_switched_off(tmp_path: Path) -> None:
    assert first(tmp_path, 'url = "https://h/links/"').json_api is None
    assert first(tmp_path, URL, 'json_api = "https://h/j"').json_api == "https://h/j/"
    assert first(tmp_path, URL, 'json_api = ""').json_api == ""


def test_credentials_in_a_url_become_basic_authentication(tmp_path: Path) -> None:
    one = first(tmp_path, 'url = "https://us%40er:p%3Aw@h/simple/"')
    assert one.urls == (SecretUrl("https://h/simple/"),)
    assert one.auth == Auth("basic", "us@er", Secret("p:w"))


def test_an_upstream_overrides_the_defaults_of_all(tmp_path: Path) -> None:
    text = (
        "[upstream_defaults]\nttl = '1h'\nretries = 5\n"
        + PYPI
        + "upstreams = [{ url = 'https://h/a', ttl = '0s' }, 'https://h/b']"
    )
    one, two = feed(tmp_path, text).upstreams
    assert (one.ttl_s, one.retries, two.ttl_s, two.retries) == (0, 5, 3600, 5)


def test_an_upstream_may_be_another_feed(tmp_path: Path) -> None:
    text = PYPI + 'upstreams = [{ feed = "b", except = ["x*"] }]\n[feeds.b]\nkind = "pypi"\n'
    one = feed(tmp_path, text).upstreams[0]
    assert (one.feed, one.urls, one.except_) == ("b", (), ("x*",))


def test_an_upstreams_id_outlives_edits_of_everything_around_it(tmp_path: Path) -> None:
    before = first(tmp_path, 'url = "https://index.example/simple"').id
    moved = feed(
        tmp_path,
        PYPI + 'upstreams = ["https://other.example/", '
        '{ urls = ["https://u:p@INDEX.example:443/simple/", "https://u:p@b.example/"], ttl = "1s" }]',
    )
    assert moved.upstreams[1].id == before
    assert moved.upstreams[0].id != before
    assert before.startswith("pypi-")


def test_two_ways_to_one_url_have_two_ids(tmp_path: Path) -> None:
    text = (
        PYPI + 'upstreams = [{ url = "https://h/", only = ["a"] }, { url = "https://h/", route = "direct" }]'
    )
    one, two = feed(tmp_path, text).upstreams
    assert two.id == f"{one.id}-2"


def test_the_same_url_in_two_feeds_has_two_ids(tmp_path: Path) -> None:
    text = PYPI + 'upstreams = ["https://h/"]\n[feeds.b]\nkind = "pypi"\nupstreams = ["https://h/"]\n'
    feeds = loads(tmp_path, text).settings.feeds
    assert feeds["pypi"].upstreams[0].id != feeds["b"].upstreams[0].id


ROUTES = """
[routes.corp]
proxy = "http://us%40er:p%2Fw@proxy.example:3128"
no_proxy = ["localhost", ".corp.example", "10.0.0.0/8", "fd00::/8", "registry.example:8443", "*"]
[routes.other]
proxy = "https://proxy.example:8443"
username = "u"
password = { env = "PROXY_PW" }
verify = false
"""


def test_routes_are_named_inline_direct_or_the_environments(tmp_path: Path) -> None:
    text = (
        ROUTES
        + PYPI
        + (
            'upstreams = [{ url = "https://a/", route = "corp" }, { url = "https://b/", route = "direct" },'
            ' "https://c/",'
            ' { url = "https://d/", route = { proxy = "http://p:1" } }]'
        )
    )
    settings = loads(tmp_path, text, environ={"PROXY_PW": "hunter2"}).settings
    corp, direct, default, inline = (one.route for one in settings.feeds["pypi"].upstreams)
    assert (corp.proxy, corp.username, corp.password) == (
        SecretUrl("http://proxy.example:3128"),
        "us@er",
        Secret("p/w"),
    )
    assert len(corp.no_proxy) == 6
    assert direct == Route(name="direct", use_environment=False)
    assert default == Route(name="environment", use_environment=True)
    assert (inline.name, inline.use_environment, inline.proxy) == ("inline", False, SecretUrl("http://p:1"))
    assert settings.routes["other"].password == Secret("hunter2")


def test_the_default_route_replaces_the_environments(tmp_path: Path) -> None:
    text = '[routes.default]\nproxy = "http://p:1"\n' + upstream(URL)
    assert feed(tmp_path, text).upstreams[0].route.proxy == SecretUrl("http://p:1")


def test_ca_files_may_be_folders_and_keep_their_links(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    trustme.CA().cert_pem.write_to_path(tmp_path / "real/ca.pem")
    (tmp_path / "certs").symlink_to("real")
    settings = loads(tmp_path, PYPI + '[routes.a]\nca_files = ["certs"]\n').settings
    assert settings.routes["a"].ca_files == (tmp_path / "certs",)


@pytest.mark.parametrize("name", ["t", "-a", "a_b", "a.b", "A", "é", "", "x" * 64])
def test_names_that_no_feed_may_have(tmp_path: Path, name: str) -> None:
    assert any(
        "a-z" in message for message in faults(tmp_path, f'[feeds."{name}"]\nkind = "pypi"\n').values()
    )


@pytest.mark.parametrize("name", ["tt", "0", "x" * 63, "a-b-"])
def test_names_that_a_feed_may_have(tmp_path: Path, name: str) -> None:
    assert name in loads(tmp_path, f'[feeds."{name}"]\nkind = "pypi"\n').settings.feeds


def test_base_url_is_what_people_can_type(tmp_path: Path) -> None:
    def base(lines: str, port: int | None = None) -> str:
        return loads(tmp_path, f"{PYPI}[server]\n{lines}\n").settings.server.base_url(port)

    assert base("") == "http://127.0.0.1:8080"
    assert base('host = "0.0.0.0"\nport = 0', 4711) == "http://127.0.0.1:4711"
    assert base('host = "::"') == "http://[::1]:8080"
    assert base('path_prefix = "/fg/"') == "http://127.0.0.1:8080/fg"
    assert base('public_url = "https://p.example/"') == "https://p.example"
