"""A pypi feed without a source follows pip's own index, in pip's order."""

import os
from pathlib import Path

import pytest
import trustme

from proxy.config.faults import RefusedError
from proxy.config.pip import Followed, config_files, default_index, follow
from proxy.config.settings import Auth
from proxy.model.redact import Secret, SecretUrl
from tests.config.loading import PYPI, faults, loads


class Host:
    """A machine of the test's own, with pip's folders in it."""

    def __init__(self, folder: Path) -> None:
        self.root, self.home, self.prefix = folder / "root", folder / "home", folder / "venv"
        self.environ = {"HOME": str(self.home)}

    def write(self, path: Path, index: str | None = None, **more: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = ["[global]"] + ([f"index-url = https://{index}.example/simple"] if index else [])
        path.write_text(
            "\n".join(lines + [f"{name.replace('_', '-')} = {value}" for name, value in more.items()])
        )
        return path

    def follow(self) -> Followed:
        return follow(self.environ, self.home, prefix=self.prefix, root=self.root)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_files_are_read_in_pips_order_and_the_environment_wins(host: Host) -> None:
    steps = [
        ("xdg", host.root / "etc/xdg/pip/pip.conf"),
        ("etc", host.root / "etc/pip.conf"),
        ("legacy", host.home / ".pip/pip.conf"),
        ("user", host.home / ".config/pip/pip.conf"),
        ("venv", host.prefix / "pip.conf"),
    ]
    for name, path in steps:
        host.write(path, name)
        followed = host.follow()
        assert followed.url == SecretUrl(f"https://{name}.example/simple/")
        assert followed.source == f"pip: {path}"
    own = host.write(host.home / "own.conf", "own")
    host.environ["PIP_CONFIG_FILE"] = str(own)
    assert host.follow().url == SecretUrl("https://own.example/simple/")
    host.environ["PIP_INDEX_URL"] = "https://variable.example/simple"
    assert host.follow().url == SecretUrl("https://variable.example/simple/")
    assert host.follow().source == "pip: environment PIP_INDEX_URL"


def test_pip_config_file_replaces_the_users_file_but_not_the_others(host: Host) -> None:
    host.write(host.home / ".config/pip/pip.conf", "user")
    own = host.write(host.home / "own.conf", cert="x")
    host.environ["PIP_CONFIG_FILE"] = str(own)
    assert host.follow().url.reveal() == default_index()
    host.write(host.root / "etc/pip.conf", "etc")
    assert host.follow().url == SecretUrl("https://etc.example/simple/")


def test_a_pip_config_file_that_is_not_there_leaves_the_users_in_force(host: Host) -> None:
    host.write(host.home / ".config/pip/pip.conf", "user")
    host.environ["PIP_CONFIG_FILE"] = str(host.home / "gone.conf")
    assert host.follow().url == SecretUrl("https://user.example/simple/")


def test_the_null_device_switches_all_files_off(host: Host) -> None:
    host.write(host.root / "etc/pip.conf", "etc")
    host.environ["PIP_CONFIG_FILE"] = os.devnull
    assert list(config_files(host.environ, host.prefix, host.root)) == []
    assert host.follow().source == "default"


def test_the_users_folder_follows_xdg(host: Host) -> None:
    host.environ["XDG_CONFIG_HOME"] = str(host.home / "elsewhere")
    host.write(host.home / "elsewhere/pip/pip.conf", "xdg")
    assert host.follow().url == SecretUrl("https://xdg.example/simple/")


def test_keys_may_be_spelled_with_underscores_as_pip_allows(host: Host) -> None:
    path = host.root / "etc/pip.conf"
    path.parent.mkdir(parents=True)
    path.write_text(
        "[global]\nINDEX_URL = https://u.example/simple\n[install]\nindex-url = https://no.example/\n"
    )
    assert host.follow().url == SecretUrl("https://u.example/simple/")


def test_without_any_setting_the_default_is_a_simple_index(host: Host) -> None:
    followed = host.follow()
    assert followed == Followed(SecretUrl(default_index()), "default")
    assert default_index().startswith("https://")
    assert default_index().endswith("/simple/")


def test_an_empty_value_counts_as_none(host: Host) -> None:
    host.environ |= {"PIP_INDEX_URL": "", "PIP_CERT": ""}
    assert host.follow().source == "default"


def test_credentials_in_pips_index_become_authentication(host: Host) -> None:
    host.environ["PIP_INDEX_URL"] = "https://us%40er:pw@h.example/simple"
    followed = host.follow()
    assert followed.auth == Auth("basic", "us@er", Secret("pw"))
    assert followed.url == SecretUrl("https://h.example/simple/")


def test_pips_certificate_bundle_is_followed_file_or_variable(host: Host) -> None:
    bundle = host.write(host.home / "ca.pem")
    other = host.write(host.home / "other.pem")
    host.write(host.root / "etc/pip.conf", cert="~/ca.pem")
    assert host.follow().ca_file == bundle
    host.environ["PIP_CERT"] = "other.pem"
    assert host.follow().ca_file == other
    assert host.follow().ca_source == "pip: environment PIP_CERT"


def test_a_certificate_bundle_that_is_not_there_is_left_out_with_a_note(host: Host) -> None:
    host.environ["PIP_CERT"] = str(host.home / "gone.pem")
    followed = host.follow()
    assert followed.ca_file is None
    assert any("names no file" in note for note in followed.notes)


@pytest.mark.parametrize("place", ["file", "variable"])
def test_extra_indexes_are_ignored_with_a_note(host: Host, place: str) -> None:
    if place == "file":
        host.write(host.root / "etc/pip.conf", extra_index_url="https://x.example/")
    else:
        host.environ["PIP_EXTRA_INDEX_URL"] = "https://u:hunter2@x.example/"
    followed = host.follow()
    assert followed.source == "default"
    assert any("extra indexes are not followed" in note for note in followed.notes)
    assert "hunter2" not in str(followed)


@pytest.mark.parametrize("content", [b"no section", b"\xff\xfe", b"[global\n", b"[global]\n[global]\n"])
def test_a_file_that_pip_could_not_read_is_left_out_with_a_note(host: Host, content: bytes) -> None:
    path = host.write(host.root / "etc/pip.conf")
    path.write_bytes(content)
    followed = host.follow()
    assert followed.source == "default"
    assert any(str(path) in note for note in followed.notes)


@pytest.mark.parametrize("index", ["file:///opt/index/simple", "not a url", "https://u:hunter2@h/?x"])
def test_an_index_that_cannot_be_followed_is_refused_without_its_credentials(host: Host, index: str) -> None:
    host.environ["PIP_INDEX_URL"] = index
    with pytest.raises(RefusedError) as caught:
        host.follow()
    assert "pip's own index" in caught.value.parts[0][1]
    assert "hunter2" not in str(caught.value)


def test_a_feed_without_upstreams_follows_pip(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(bundle)
    environ = {"PIP_INDEX_URL": "https://u:p@index.example/root/simple", "PIP_CERT": str(bundle)}
    loaded = loads(tmp_path, "[upstream_defaults]\nttl = '1h'\n" + PYPI, environ=environ)
    one = loaded.settings.feeds["pypi"].upstreams[0]
    assert one.urls == (SecretUrl("https://index.example/root/simple/"),)
    assert one.json_api == "https://index.example/root/pypi/"
    assert one.auth == Auth("basic", "u", Secret("p"))
    assert one.route.use_environment
    assert one.route.ca_files == (bundle,)
    assert one.ttl_s == 3600
    sources = loaded.settings.sources
    assert sources["feeds.pypi.upstreams[0].url"] == "pip: environment PIP_INDEX_URL"
    assert sources["feeds.pypi.upstreams[0].route"] == "pip: environment PIP_CERT"


def test_what_pip_would_have_said_is_a_note_only_where_pip_is_followed(tmp_path: Path) -> None:
    environ = {"PIP_EXTRA_INDEX_URL": "https://x.example/"}
    assert any("extra" in note for note in loads(tmp_path, PYPI, environ=environ).notes)
    named = PYPI + 'upstreams = ["https://h.example/simple/"]\n'
    assert loads(tmp_path, named, environ=environ).notes == ()


def test_an_index_of_pips_that_cannot_be_followed_is_a_fault_of_the_feed(tmp_path: Path) -> None:
    found = faults(tmp_path, PYPI, environ={"PIP_INDEX_URL": "file:///opt/simple"})
    assert "PIP_INDEX_URL" in found["feeds.pypi"]
    assert "cannot be followed" in found["feeds.pypi"]


def test_pip_on_this_host_may_point_at_this_server_and_that_is_refused(tmp_path: Path) -> None:
    found = faults(tmp_path, PYPI, environ={"PIP_INDEX_URL": "http://localhost:8080/pypi/pypi/simple/"})
    assert "this server" in found["feeds.pypi.upstreams[0].url"]
