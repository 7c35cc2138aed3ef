from pathlib import Path

import pytest
import trustme

from proxy.config.changes import Changes, applied, changes
from proxy.config.settings import Settings
from tests.config.loading import PYPI, loads

BASE = PYPI + 'upstreams = [{ url = "https://h/simple/", auth = { bearer = "one" } }]\n'


def settings(folder: Path, text: str) -> Settings:
    return loads(folder, text).settings


def test_the_same_file_changes_nothing(tmp_path: Path) -> None:
    same = changes(settings(tmp_path, BASE), settings(tmp_path, BASE))
    assert same == Changes()
    assert not same


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('host = "0.0.0.0"', "server.host"),
        ("port = 9000", "server.port"),
        ('data_dir = "elsewhere"', "server.data_dir"),
    ],
)
def test_address_and_folders_need_a_restart_and_say_so(tmp_path: Path, line: str, key: str) -> None:
    old, new = settings(tmp_path, BASE), settings(tmp_path, f"{BASE}[server]\n{line}\n")
    assert changes(old, new) == Changes(needs_restart=(key,))
    assert applied(old, new).server == old.server


def test_tls_needs_a_restart(tmp_path: Path) -> None:
    trustme.CA().issue_cert("h").private_key_and_cert_chain_pem.write_to_path(tmp_path / "c.pem")
    new = settings(tmp_path, BASE + '[server]\ntls = { cert = "c.pem", key = "c.pem" }\n')
    assert changes(settings(tmp_path, BASE), new) == Changes(
        needs_restart=("server.tls.cert", "server.tls.key")
    )


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (BASE + "[log]\nlevel = 'debug'", "log.level"),
        (BASE + "[server]\nidle_timeout = '5s'", "server.idle_timeout"),
        (BASE + "[server]\npublic_url = 'https://p.example'", "server.public_url"),
        (BASE.replace('"one"', '"two"'), "feeds.pypi.upstreams[0].auth"),
        (BASE + "offline = true", "feeds.pypi.offline"),
        (BASE + "[feeds.b]\nkind = 'pypi'", "feeds.b"),
        (BASE + "[routes.x]\nverify = true", "routes.x"),
    ],
)
def test_everything_else_can_be_applied(tmp_path: Path, text: str, key: str) -> None:
    assert changes(settings(tmp_path, BASE), settings(tmp_path, text)) == Changes(applicable=(key,))


def test_a_feed_that_went_is_one_change(tmp_path: Path) -> None:
    more = BASE + "[feeds.b]\nkind = 'pypi'\n"
    assert changes(settings(tmp_path, more), settings(tmp_path, BASE)).applicable == ("feeds.b",)


def test_what_can_be_applied_is_applied_beside_what_needs_a_restart(tmp_path: Path) -> None:
    old = settings(tmp_path, BASE)
    new = settings(tmp_path, BASE + "[server]\nport = 9000\nidle_timeout = '5s'\n[log]\nlevel = 'debug'\n")
    found = changes(old, new)
    assert found == Changes(("server.idle_timeout", "log.level"), ("server.port",))
    now = applied(old, new)
    assert (now.server.port, now.server.idle_timeout_s, now.log.level) == (8080, 5, "debug")
