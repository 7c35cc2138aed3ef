"""Every error message, each with its table and key, all at once."""

from pathlib import Path

import pytest

from proxy.config.faults import ConfigError, quote
from proxy.config.load import places_of
from proxy.config.show import as_lines
from tests.config.loading import PYPI, faults, loads, request, upstream

URL = 'url = "https://index.example/simple/"'


def test_all_errors_of_all_tables_are_reported_at_once(tmp_path: Path) -> None:
    text = """
    surprise = 1
    [server]
    port = "x"
    prot = 1
    [cache]
    max_size = "much"
    [log]
    level = "loud"
    [upstream_defaults]
    ttl = 600
    [routes.corp]
    username = "u"
    [feeds.a]
    kind = "pypi"
    upstreams = [{ url = "ftp://x/" }, { feed = "nope" }, { route = "gone", url = "https://h/" }]
    [feeds.B]
    kind = "rpm"
    """
    found = faults(
        tmp_path, text, environ={"FEEDGATE__SERVER__WORKERS": "many"}, overrides={"server.host": ""}
    )
    assert set(found) == {
        "surprise",
        "server.port",
        "server.prot",
        "server.workers",
        "server.host",
        "cache.max_size",
        "log.level",
        "upstream_defaults.ttl",
        "routes.corp.username",
        "feeds.a.upstreams[0].url",
        "feeds.a.upstreams[2].route",
        "feeds.B",
        "feeds.B.kind",
        "feeds.a.upstreams[1].feed",
    }


@pytest.mark.parametrize(
    ("lines", "key", "words"),
    [
        ("port = true", "server.port", "whole number, not true"),
        ("port = 80.5", "server.port", "whole number"),
        ("port = 65536", "server.port", "between 0 and 65535"),
        ('port = "8080"', "server.port", "whole number"),
        ('workers = "2"', "server.workers", "whole number"),
        ("workers = 0", "server.workers", "between 1"),
        ("host = 1", "server.host", "must be a string"),
        ('host = "a b"', "server.host", "host name or address"),
        ("data_dir = []", "server.data_dir", "must be a string, not a list"),
        ('data_dir = "~/x"', "server.data_dir", "not expanded"),
        ('data_dir = "a\\u0000b"', "server.data_dir", "control characters"),
        ('data_dir = ""', "server.data_dir", "must not be empty"),
        ('public_url = "packages.example"', "server.public_url", "begins with http:// or https://"),
        ('public_url = "https://u:hunter2@h/"', "server.public_url", "without user and password"),
        ('public_url = "https://h/?a=b"', "server.public_url", "without '?' and '#'"),
        ('public_url = "https://h:99999/"', "server.public_url", "host or port"),
        ('trusted_proxies = "10.0.0.1"', "server.trusted_proxies", "must be a list, not a string"),
        ('trusted_proxies = ["10.0.0.0/33", "x"]', "server.trusted_proxies[1]", "address or network"),
        ('path_prefix = "x"', "server.path_prefix", "plain path"),
        ('path_prefix = "/a//b"', "server.path_prefix", "plain path"),
        ('stop_timeout = "25"', "server.stop_timeout", "needs a unit"),
        ('stop_timeout = "25 parsecs"', "server.stop_timeout", "no known unit"),
        ('stop_timeout = "0s"', "server.stop_timeout", "above zero"),
        ("stop_timeout = 25", "server.stop_timeout", "string with a unit"),
        ("stop_timeout = 2026-01-01", "server.stop_timeout", "a date or time"),
        ('tls = { cert = "gone.pem" }', "server.tls.cert", "there is no file"),
        ('tls = { cret = "gone.pem" }', "server.tls.cret", 'did you mean "cert"'),
        ("tls = 3", "server.tls", "must be a table"),
        ('"we\\nird" = 1', "server.'we\\nird'", "is not known"),
    ],
)
def test_what_is_wrong_with_the_server_is_said(tmp_path: Path, lines: str, key: str, words: str) -> None:
    assert words in faults(tmp_path, f"{PYPI}[server]\n{lines}\n")[key]


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ("[server]\nport = 1\n[[feeds]]\n", "feeds", "must be a table, not a list"),
        ("feeds = 3", "feeds", "must be a table, not 3"),
        ("[feeds]\npypi = 3", "feeds.pypi", "must be a table"),
        ("[feeds.x]\n", "feeds.x.kind", "is missing"),
        ('[feeds.x]\nkind = "rpm"', "feeds.x.kind", "must be one of conda, pypi"),
        ("[feeds.x]\nkind = 1", "feeds.x.kind", "must be one of"),
        ('[feeds.t]\nkind = "pypi"', "feeds.t", 'not "t"'),
        ('[feeds.Upper]\nkind = "pypi"', "feeds.Upper", "a-z"),
        ('[feeds.-x]\nkind = "pypi"', "feeds.-x", "a-z"),
        (f'[feeds.{"x" * 64}]\nkind = "pypi"', f"feeds.{'x' * 64}", "at most 63"),
        (PYPI + "colour = 1", "feeds.pypi.colour", "is not known"),
        (PYPI + 'reserved = ["a b"]', "feeds.pypi.reserved[0]", "glob"),
        (PYPI + "anonymous = 1", "feeds.pypi.anonymous", "true or false"),
        (PYPI + "blocked_project = 500", "feeds.pypi.blocked_project", "403, 404, empty"),
        (PYPI + 'subdirs = ["noarch"]', "feeds.pypi.subdirs", "conda feeds only"),
        (PYPI + 'indexed_timestamp = "off"', "feeds.pypi.indexed_timestamp", "conda feeds only"),
        ('[feeds.c]\nkind = "conda"', "feeds.c", "no default"),
        ('[feeds.c]\nkind = "conda"\nblocked_project = 404', "feeds.c.blocked_project", "pypi feeds only"),
        (
            PYPI + 'curated_from = ["a"]\nupstreams = [{ feed = "a" }]',
            "feeds.pypi",
            "both upstreams and curated_from",
        ),
        (PYPI + "upstreams = []", "feeds.pypi.upstreams", "must not be empty"),
        (PYPI + "upstreams = {}", "feeds.pypi.upstreams", "must be a list"),
        (PYPI + 'upstreams = "x"', "feeds.pypi.upstreams", "must be a list"),
        (PYPI + "upstreams = [3]", "feeds.pypi.upstreams[0]", "a table or a URL"),
        (PYPI + "upstreams = [{}]", "feeds.pypi.upstreams[0]", "exactly one of url, urls and feed"),
        (upstream(URL, 'feed = "x"'), "feeds.pypi.upstreams[0]", "url and feed"),
        (upstream("urls = []"), "feeds.pypi.upstreams[0].urls", "must not be empty"),
        (upstream('urls = ["https://a/", "https://A:443"]'), "feeds.pypi.upstreams[0].urls", "twice"),
        (upstream('urls = ["https://a/", "x"]'), "feeds.pypi.upstreams[0].urls[1]", "begins with"),
        (upstream('url = "file:///x"'), "feeds.pypi.upstreams[0].url", "http:// or https://"),
        (upstream('url = "https:///x"'), "feeds.pypi.upstreams[0].url", "host and port"),
        (upstream('url = "https://[::1/x"'), "feeds.pypi.upstreams[0].url", "cannot be read"),
        (upstream('url = "https://h/a b"'), "feeds.pypi.upstreams[0].url", "blanks"),
        (upstream('url = "https://bücher.example/"'), "feeds.pypi.upstreams[0].url", "ASCII"),
        (upstream(URL, 'uncle = "x"'), "feeds.pypi.upstreams[0].uncle", "is not known"),
        (upstream(URL, 'ttl = "-1s"'), "feeds.pypi.upstreams[0].ttl", "number with a unit"),
        (upstream(URL, "concurrency = 0"), "feeds.pypi.upstreams[0].concurrency", "between 1"),
        (upstream(URL, "retries = 11"), "feeds.pypi.upstreams[0].retries", "between 0 and 10"),
        (upstream(URL, 'min_rate = "1 KiB"'), "feeds.pypi.upstreams[0].min_rate", "a speed and a time"),
        (upstream(URL, 'bandwidth = "1 MiB"'), "feeds.pypi.upstreams[0].bandwidth", "size per second"),
        (upstream(URL, 'redirect_hosts = ["a/b"]'), "feeds.pypi.upstreams[0].redirect_hosts[0]", "host name"),
        (upstream(URL, 'json_api = "x"'), "feeds.pypi.upstreams[0].json_api", "begins with"),
        (upstream(URL, 'route = "gone"'), "feeds.pypi.upstreams[0].route", "there is no route"),
        (upstream(URL, "route = 3"), "feeds.pypi.upstreams[0].route", "name of a route"),
        (upstream(URL, 'route = { verify = "no" }'), "feeds.pypi.upstreams[0].route.verify", "true or false"),
        (upstream(URL, "client_cert = { }"), "feeds.pypi.upstreams[0].client_cert", "needs cert"),
        (
            upstream(URL, 'client_cert = { cert = "x" }'),
            "feeds.pypi.upstreams[0].client_cert.cert",
            "no file",
        ),
        (
            upstream('feed = "pypi"', "private = true"),
            "feeds.pypi.upstreams[0].private",
            "a feed of this server",
        ),
        (PYPI + "[routes.direct]\nverify = true", "routes.direct", "cannot be used"),
        (PYPI + '[routes.a]\nproxy = "socks5://p:1"', "routes.a.proxy", "http:// or https://"),
        (PYPI + '[routes.a]\nproxy = "http://p:1/x"', "routes.a.proxy", "without a path"),
        (PYPI + '[routes.a]\nproxy = "http://user:p@ss/word@proxy"', "routes.a.proxy", "'/' as %2F"),
        (PYPI + '[routes.a]\nproxy = "http://user:p/word@proxy"', "routes.a.proxy", "'/' as %2F"),
        (PYPI + '[routes.a]\nproxy = "http://user:p#word@proxy"', "routes.a.proxy", "'#' as %23"),
        (upstream('url = "https://user:p/w@index.example/simple/"'), "feeds.pypi.upstreams[0].url", "%2F"),
        (PYPI + '[routes.a]\nproxy = "http://u:p@p:1"\nusername = "u"', "routes.a.proxy", "not both"),
        (PYPI + '[routes.a]\nproxy = "http://p:1"\npassword = "p"', "routes.a.password", "needs username"),
        (
            PYPI + '[routes.a]\nproxy = "http://p:1"\nusername = "a:b"',
            "routes.a.username",
            "must not hold ':'",
        ),
        (PYPI + '[routes.a]\nno_proxy = ["x"]', "routes.a.no_proxy", "without proxy"),
        (PYPI + '[routes.a]\nproxy = "http://p:1"\nno_proxy = ["a b"]', "routes.a.no_proxy[0]", "network"),
        (PYPI + '[routes.a]\nca_files = ["gone.pem"]', "routes.a.ca_files[0]", "there is no file"),
        (PYPI + '[state]\nurl = "mysql://x/y"', "state.url", "must be a URL that begins with"),
        (PYPI + '[state]\nurl = "sqlite://:memory:"', "state.url", "must name a file"),
        (PYPI + '[log]\nformat = "xml"', "log.format", "auto, text, json"),
        (PYPI + '[cache]\nscrub = "0s"', "cache.scrub", "above zero"),
        (PYPI + "[cache]\nmax_size = 0", "cache.max_size", "above zero"),
        ("[cashe]\n", "cashe", 'did you mean "cache"'),
    ],
)
def test_what_is_wrong_is_said_with_its_table_and_key(
    tmp_path: Path, text: str, key: str, words: str
) -> None:
    assert words in faults(tmp_path, text)[key]


def test_a_fault_names_the_layer_that_gave_the_value(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(PYPI + '[log]\nlevel = "x"\n')
    with pytest.raises(Exception, match=r"log\.level: must be one of .* \(config\.toml\)"):
        loads(tmp_path)
    with pytest.raises(Exception, match=r"server\.port: .* \(environment FEEDGATE__SERVER__PORT\)"):
        loads(tmp_path, PYPI, environ={"FEEDGATE__SERVER__PORT": "x"})
    with pytest.raises(Exception, match=r"server\.port: .* \(command line\)"):
        loads(tmp_path, PYPI, overrides={"server.port": "x"})


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        (PYPI + 'aliases = ["pypi"]', "feeds.pypi.aliases[0]", "its own"),
        (PYPI + 'aliases = ["b", "b"]', "feeds.pypi.aliases[1]", "its own"),
        (PYPI + '[feeds.b]\nkind = "pypi"\naliases = ["pypi"]', "feeds.b.aliases[0]", "already feed pypi's"),
        (PYPI + '[feeds.b]\nkind = "conda"\naliases = ["pypi"]', "feeds.b.aliases[0]", "already feed pypi's"),
        (PYPI + 'aliases = ["t"]', "feeds.pypi.aliases[0]", 'not "t"'),
        (PYPI + 'upstreams = [{ feed = "pypy" }]', "feeds.pypi.upstreams[0].feed", 'did you mean "pypi"'),
        (PYPI + 'curated_from = ["x"]', "feeds.pypi.curated_from[0]", 'there is no feed "x"'),
        (
            PYPI + 'upstreams = [{ feed = "c" }]\n[feeds.c]\nkind = "conda"\nupstreams = ["https://h/"]',
            "feeds.pypi.upstreams[0].feed",
            'feed "c" is conda, and this one is pypi',
        ),
        (PYPI + 'upstreams = [{ feed = "pypi" }]', "feeds.pypi", "pypi -> pypi"),
        (
            '[feeds.a]\nkind = "pypi"\nupstreams = [{ feed = "b" }]\n'
            '[feeds.b]\nkind = "pypi"\nupstreams = [{ feed = "c" }]\n'
            '[feeds.c]\nkind = "pypi"\nupstreams = [{ feed = "a" }]\n',
            "feeds.a",
            "a -> b -> c -> a",
        ),
        (PYPI + 'upstreams = ["https://h/a", "https://h/a/"]', "feeds.pypi.upstreams[1]", "same upstream"),
        (
            PYPI + 'upstreams = ["http://127.0.0.1:8080/pypi/x/simple/"]',
            "feeds.pypi.upstreams[0].url",
            "this server",
        ),
        (
            PYPI + 'upstreams = ["https://p.example/pypi/x/"]\n[server]\npublic_url = "https://p.example/"',
            "feeds.pypi.upstreams[0].url",
            "this server",
        ),
        (PYPI + '[server]\ntls = { cert = "config.toml" }', "server.tls", "needs key"),
    ],
)
def test_impossible_combinations_are_said(tmp_path: Path, text: str, key: str, words: str) -> None:
    assert words in faults(tmp_path, text)[key]


def test_a_loop_is_reported_once(tmp_path: Path) -> None:
    text = "".join(f'[feeds.{a}]\nkind = "pypi"\nupstreams = [{{ feed = "{b}" }}]\n' for a, b in ("ab", "ba"))
    assert list(faults(tmp_path, text)) == ["feeds.a"]


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        (PYPI + "[server]\nworkers = 2", "server.workers", "not available yet"),
        (
            PYPI + '[state]\nurl = "postgresql://u:hunter2@db/x?sslmode=require"',
            "state.url",
            "not available yet",
        ),
    ],
)
def test_what_does_not_exist_yet_is_refused_and_not_ignored(
    tmp_path: Path, text: str, key: str, words: str
) -> None:
    found = faults(tmp_path, text)
    assert words in found[key]
    assert len(found) == 1
    assert "hunter2" not in str(found)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (PYPI + 'reserved = ["corp-*"]', "reserved"),
        (PYPI + 'upstreams = ["http://u:p@h/simple/"]', "unencrypted"),
        (PYPI + 'upstreams = ["http://h/simple/"]', "without TLS"),
        (PYPI + "[routes.default]\nverify = false", "verify = false"),
        (PYPI + '[server]\ntrusted_proxies = ["10.0.0.1"]', "public_url"),
        ("[server]\n", "no feed is configured"),
    ],
)
def test_what_works_but_is_probably_not_meant_is_noted(tmp_path: Path, text: str, words: str) -> None:
    assert any(words in note for note in loads(tmp_path, text).notes)


@pytest.mark.parametrize(
    ("path", "is_secret"), [("hunter2/simple/", True), ("simple/", False), ("pypi/simple/", False)]
)
def test_the_path_of_an_index_from_a_variable_is_a_secret(tmp_path: Path, path: str, is_secret: bool) -> None:
    loaded = loads(
        tmp_path,
        PYPI + 'upstreams = [{ url = { env = "INDEX" } }]',
        environ={"INDEX": f"https://h.example/{path}"},
    )
    assert any("counts as a secret" in note for note in loaded.notes) is is_secret
    shown = "\n".join(as_lines(loaded.settings))
    assert "https://h.example/***" in shown if is_secret else f"https://h.example/{path}" in shown
    assert "hunter2" not in shown + repr(loaded.settings.feeds["pypi"].upstreams[0].urls)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("abc", '"abc"'),
        ("x" * 100, '"' + "x" * 60 + '…"'),
        ("https://user:hunter2@h/secret", '"https://h/…"'),
        ("user:hunter2@h", "this value"),
        ("\x1b[31m", '"\\x1b[31m"'),
        (3, "3"),
        ([1], "a list"),
        (None, "null"),
    ],
)
def test_an_echoed_value_is_bounded_printable_and_without_credentials(value: object, shown: str) -> None:
    assert quote(value) == shown


def test_a_misspelt_kind_and_a_state_that_cannot_be_hide_nothing_else(tmp_path: Path) -> None:
    """What hangs on the kind is left alone, and nobody says that the feed is not there."""
    text = """
    [state]
    url = "postgresql://u@db/x"
    [feeds.a]
    kind = "pypy"
    offine = true
    subdirs = ["linux-64"]
    reserved = ["Corp_*"]
    upstreams = [{ url = "https://h/x", rout = "r" }, { url = "file:channel" }]
    [feeds.b]
    upstreams = [{ feed = "a" }]
    policy = "gone"
    [policies.p]
    blok = []
    """
    found = faults(tmp_path, text)
    assert set(found) == {
        "state.url",
        "feeds.a.kind",
        "feeds.a.offine",
        "feeds.a.upstreams[0].rout",
        "feeds.b.kind",
        "feeds.b.policy",
        "policies.p.blok",
    }
    assert "PostgreSQL is not available yet" in found["state.url"]


def test_where_the_data_lie_is_not_told_for_a_state_that_cannot_be(tmp_path: Path) -> None:
    asked = request(tmp_path, '[state]\nurl = "postgresql://u@db/x"\n[server]\nport = "x"\n')
    with pytest.raises(ConfigError) as caught:
        places_of(asked)
    assert [fault.key for fault in caught.value.faults] == ["server.port", "state.url"]


@pytest.mark.parametrize(
    ("route", "environ", "is_noted"),
    [
        ("verify = true", {"https_proxy": "http://p:1"}, True),
        ("verify = true", {"ALL_PROXY": "http://p:1"}, True),
        ("verify = true", {"HTTPS_PROXY": ""}, False),
        ("verify = true", {}, False),
        ('proxy = "http://q:1"', {"HTTPS_PROXY": "http://p:1"}, False),
    ],
)
def test_a_default_route_that_passes_the_environments_proxy_over_is_noted(
    tmp_path: Path, route: str, environ: dict[str, str], is_noted: bool
) -> None:
    notes = loads(tmp_path, upstream(URL) + f"[routes.default]\n{route}\n", environ=environ).notes
    assert any("routes.default names no proxy" in note for note in notes) == is_noted
