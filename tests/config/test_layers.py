"""Order: built-in default < file < environment < command line, every value knowing who gave it."""

import itertools
import json
from pathlib import Path

import pytest

from tests.config.loading import PYPI, faults, loads

LAYERS = ("default", "config.toml", "environment FEEDGATE__SERVER__PORT", "command line")


@pytest.mark.parametrize("used", [c for n in range(4) for c in itertools.combinations((1, 2, 3), n)])
def test_the_highest_layer_that_gives_a_value_wins_and_is_named(
    tmp_path: Path, used: tuple[int, ...]
) -> None:
    text = PYPI + ("[server]\nport = 9001\n" if 1 in used else "")
    environ = {"FEEDGATE__SERVER__PORT": "9002"} if 2 in used else {}
    overrides = {"server.port": "9003"} if 3 in used else {}
    settings = loads(tmp_path, text, environ=environ, overrides=overrides).settings
    highest = max(used, default=0)
    assert settings.server.port == {0: 8080, 1: 9001, 2: 9002, 3: 9003}[highest]
    assert settings.sources.get("server.port", "default") == LAYERS[highest]


def test_environment_names_are_case_insensitive(tmp_path: Path) -> None:
    assert loads(tmp_path, PYPI, environ={"feedgate__Server__PORT": "9000"}).settings.server.port == 9000


def test_underscore_in_an_environment_name_matches_a_hyphen(tmp_path: Path) -> None:
    text = '[feeds.my-feed]\nkind = "pypi"\n'
    settings = loads(tmp_path, text, environ={"FEEDGATE__FEEDS__MY_FEED__OFFLINE": "true"}).settings
    assert list(settings.feeds) == ["my-feed"]
    assert settings.feeds["my-feed"].offline


def test_environment_alone_can_make_a_feed(tmp_path: Path) -> None:
    settings = loads(tmp_path, environ={"FEEDGATE__FEEDS__CORP_PYPI__KIND": "pypi"}).settings
    assert settings.feeds["corp-pypi"].kind == "pypi"


def test_lists_and_tables_are_json_in_the_environment(tmp_path: Path) -> None:
    upstreams = [
        {"url": "https://index.example/simple/", "only": ["a*"]},
        {"url": "https://other.example/simple/"},
    ]
    environ = {
        "FEEDGATE__FEEDS__PYPI__UPSTREAMS": json.dumps(upstreams),
        "FEEDGATE__SERVER": json.dumps({"port": 9000, "trusted_proxies": ["10.0.0.0/8"]}),
    }
    settings = loads(tmp_path, PYPI, environ=environ).settings
    assert [u.only for u in settings.feeds["pypi"].upstreams] == [("a*",), ()]
    assert settings.server.port == 9000
    assert settings.server.trusted_proxies == ("10.0.0.0/8",)


def test_the_exact_name_wins_over_the_table_that_holds_it(tmp_path: Path) -> None:
    environ = {"FEEDGATE__SERVER__PORT": "9002", "FEEDGATE__SERVER": '{"port": 9001, "host": "::1"}'}
    server = loads(tmp_path, PYPI, environ=environ).settings.server
    assert (server.port, server.host) == (9002, "::1")


def test_tables_merge_and_lists_replace(tmp_path: Path) -> None:
    text = PYPI + 'reserved = ["a-*", "b-*"]\naliases = ["x"]\n'
    feed = loads(tmp_path, text, environ={"FEEDGATE__FEEDS__PYPI__RESERVED": '["c-*"]'}).settings.feeds[
        "pypi"
    ]
    assert feed.reserved == ("c-*",)
    assert feed.aliases == ("x",)


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("YES", True), ("1", True), ("off", False), ("0", False)]
)
def test_words_for_true_and_false_are_understood_in_the_environment(
    tmp_path: Path, text: str, value: bool
) -> None:
    settings = loads(tmp_path, PYPI, environ={"FEEDGATE__FEEDS__PYPI__OFFLINE": text}).settings
    assert settings.feeds["pypi"].offline is value


def test_a_value_can_come_from_a_file_named_in_the_environment(tmp_path: Path) -> None:
    (tmp_path / "port").write_text("9000\n")
    settings = loads(tmp_path, PYPI, environ={"FEEDGATE__SERVER__PORT__FILE": "port"}).settings
    assert settings.server.port == 9000
    assert settings.sources["server.port"] == "environment FEEDGATE__SERVER__PORT__FILE"


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00", b"9" * 70_000])
def test_a_file_that_cannot_give_a_value_is_a_fault(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "port").write_bytes(content)
    found = faults(tmp_path, PYPI, environ={"FEEDGATE__SERVER__PORT__FILE": "port"})
    assert str(tmp_path / "port") in found["server.port"]


def test_a_value_given_twice_by_the_environment_is_a_fault(tmp_path: Path) -> None:
    environ = {"FEEDGATE__SERVER__PORT": "1", "FEEDGATE__SERVER__PORT__FILE": "port"}
    assert "given twice" in faults(tmp_path, PYPI, environ=environ)["server.port"]


def test_an_unknown_environment_name_is_reported_with_the_nearest_key(tmp_path: Path) -> None:
    found = faults(
        tmp_path, PYPI, environ={"FEEDGATE__SERVER__PROT": "1", "FEEDGATE__CACHES__MAX_SIZE": "1 GiB"}
    )
    assert 'did you mean "port"' in found["server.prot"]
    assert 'did you mean "cache"' in found["caches"]


@pytest.mark.parametrize("name", ["FEEDGATE__", "FEEDGATE__SERVER__", "FEEDGATE____PORT"])
def test_an_environment_name_with_an_empty_part_is_a_fault(tmp_path: Path, name: str) -> None:
    assert "empty part" in faults(tmp_path, PYPI, environ={name: "1"})[name]


def test_a_key_below_a_single_value_is_a_fault(tmp_path: Path) -> None:
    found = faults(tmp_path, PYPI, environ={"FEEDGATE__SERVER__PORT__X": "1"})
    assert "one value" in found["server.port.x"]


@pytest.mark.parametrize("text", ["nonsense", "[1]", "3", "[" * 100_000])
def test_a_table_that_is_not_json_is_a_fault(tmp_path: Path, text: str) -> None:
    found = faults(tmp_path, PYPI, environ={"FEEDGATE__SERVER": text})
    assert "JSON" in found["server"]


def test_a_list_that_is_not_json_is_a_fault(tmp_path: Path) -> None:
    found = faults(tmp_path, PYPI, environ={"FEEDGATE__FEEDS__PYPI__RESERVED": "a,b"})
    assert "JSON" in found["feeds.pypi.reserved"]


def test_a_single_value_where_the_file_needs_a_table_is_reported_for_both_layers(tmp_path: Path) -> None:
    found = faults(tmp_path, 'server = "x"\n' + PYPI, environ={"FEEDGATE__SERVER__PORT": "1"})
    assert "must be a table" in found["server"]
    assert "config.toml" in found["server.port"]


def test_other_names_of_ours_in_the_environment_are_no_settings(tmp_path: Path) -> None:
    environ = {
        "FEEDGATE_PORT": "tcp://10.0.0.1:80",
        "FEEDGATE_ADMIN_KEY": "k-2-of-ours",
        "FEEDGATE_SERVER": "http://x",
    }
    assert loads(tmp_path, PYPI, environ=environ).settings.server.port == 8080


def test_relative_paths_count_from_the_file_that_names_them(tmp_path: Path) -> None:
    etc, work = tmp_path / "etc", tmp_path / "work"
    etc.mkdir()
    work.mkdir()
    (etc / "fg.toml").write_text(PYPI + '[server]\ndata_dir = "store"\n')
    assert loads(work, path="../etc/fg.toml").settings.server.data_dir == work / "../etc/store"
    assert loads(work, path=str(etc / "fg.toml")).settings.server.data_dir == etc / "store"


def test_the_default_data_folder_lies_beside_the_file(tmp_path: Path) -> None:
    etc, work = tmp_path / "etc", tmp_path / "work"
    etc.mkdir()
    work.mkdir()
    (etc / "fg.toml").write_text(PYPI)
    assert loads(work, path=str(etc / "fg.toml")).settings.server.data_dir == etc / "data"
    assert loads(work).settings.server.data_dir == work / "data"


def test_relative_paths_of_environment_and_command_line_count_from_the_working_folder(tmp_path: Path) -> None:
    etc, work = tmp_path / "etc", tmp_path / "work"
    etc.mkdir()
    work.mkdir()
    (etc / "fg.toml").write_text(PYPI)
    path = str(etc / "fg.toml")
    by_environment = loads(work, path=path, environ={"FEEDGATE__SERVER__DATA_DIR": "d"})
    by_option = loads(work, path=path, overrides={"server.data_dir": "d"})
    assert by_environment.settings.server.data_dir == by_option.settings.server.data_dir == work / "d"


def test_a_relative_path_read_from_a_file_counts_from_that_file(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "where").write_text("d")
    settings = loads(tmp_path, PYPI, environ={"FEEDGATE__SERVER__DATA_DIR__FILE": "secrets/where"}).settings
    assert settings.server.data_dir == tmp_path / "secrets" / "d"


def test_feedgate_config_names_the_file_and_the_option_wins_over_it(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(PYPI + "[server]\nport = 1\n")
    (tmp_path / "b.toml").write_text(PYPI + "[server]\nport = 2\n")
    environ = {"FEEDGATE_CONFIG": "a.toml"}
    assert loads(tmp_path, environ=environ).settings.server.port == 1
    assert loads(tmp_path, environ=environ, path="b.toml").settings.server.port == 2


def test_a_named_file_that_is_not_there_is_a_fault_and_a_default_one_is_not(tmp_path: Path) -> None:
    assert "cannot be read" in faults(tmp_path, path="gone.toml")["gone.toml"]
    assert "cannot be read" in faults(tmp_path, environ={"FEEDGATE_CONFIG": "gone.toml"})["gone.toml"]
    loaded = loads(tmp_path)
    assert loaded.path is None
    assert any("no feed" in note for note in loaded.notes)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"[server\n", "line 1"),
        (b"a = 1\na = 2\n", "TOML"),
        (b"# \xff\n", "UTF-8 (line 1)"),
        (b"a = " + b"[" * 5000, "TOML"),
        (b"#" * (4 * 1024**2 + 1), "4 MiB"),
    ],
)
def test_a_file_that_is_not_toml_is_one_clear_fault(tmp_path: Path, content: bytes, word: str) -> None:
    (tmp_path / "config.toml").write_bytes(content)
    assert word in faults(tmp_path)["config.toml"]


def test_a_folder_instead_of_a_file_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "config.toml").mkdir()
    assert "cannot be read" in faults(tmp_path)["config.toml"]


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"\xef\xbb\xbf" + PYPI.encode())
    assert loads(tmp_path).settings.feeds


def test_loading_again_uses_the_same_words_and_the_file_as_it_is_now(tmp_path: Path) -> None:
    loaded = loads(tmp_path, PYPI, overrides={"server.port": "9003"})
    (tmp_path / "config.toml").write_text(PYPI + '[log]\nlevel = "debug"\n')
    again = loaded.again()
    assert (again.settings.server.port, again.settings.log.level) == (9003, "debug")
