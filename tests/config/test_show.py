import json
from pathlib import Path

from proxy.config.show import as_json, as_lines, entries
from tests.config.loading import PYPI, loads


def test_every_setting_is_shown_with_where_it_came_from(tmp_path: Path) -> None:
    text = (
        "[cache]\nmax_size = '10 GiB'\n[upstream_defaults]\nttl = '1h'\n"
        + PYPI
        + "upstreams = ['https://h/simple/']\n"
    )
    loaded = loads(
        tmp_path, text, environ={"FEEDGATE__LOG__LEVEL": "debug"}, overrides={"server.port": "9000"}
    )
    shown = as_json(loaded.settings)
    assert shown["cache.max_size"] == {"value": "10 GiB", "source": "config.toml"}
    assert shown["log.level"] == {"value": "debug", "source": "environment FEEDGATE__LOG__LEVEL"}
    assert shown["server.port"] == {"value": 9000, "source": "command line"}
    assert shown["server.host"] == {"value": "127.0.0.1", "source": "default"}
    assert shown["feeds.pypi.upstreams[0].ttl"] == {
        "value": "1h",
        "source": "[upstream_defaults] config.toml",
    }
    assert shown["feeds.pypi.upstreams[0].retries"] == {"value": 2, "source": "default"}
    assert shown["state.url"] == {"value": "sqlite", "source": "default"}


def test_what_is_shown_is_spelled_as_the_file_would(tmp_path: Path) -> None:
    settings = loads(tmp_path, PYPI).settings
    shown = {line.key: line.shown for line in entries(settings)}
    text = "".join(
        f"[{table}]\n{key} = {json.dumps(shown[f'{table}.{key}'])}\n"
        for table, key in [("server", "stop_timeout"), ("upstream_defaults", "min_rate"), ("cache", "scrub")]
    )
    again = loads(tmp_path, PYPI + text).settings
    assert (again.server, again.cache, again.upstream_defaults) == (
        settings.server,
        settings.cache,
        settings.upstream_defaults,
    )


def test_lines_for_people_leave_out_what_is_not_set(tmp_path: Path) -> None:
    lines = list(as_lines(loads(tmp_path, PYPI).settings, is_whole=True))
    assert any(line.startswith("server.port = 8080 ") and line.endswith("# default") for line in lines)
    assert not any("public_url" in line for line in lines)


def test_an_upstream_is_shown_with_its_route_and_the_kind_of_its_credentials(tmp_path: Path) -> None:
    text = PYPI + (
        'upstreams = [{ urls = ["https://u:pw@h/a", "https://u:pw@g/a"], route = { proxy = "http://p:1" } },'
        ' { url = "https://h/b", route = "direct" }]'
    )
    shown = as_json(loads(tmp_path, text).settings)
    assert shown["feeds.pypi.upstreams[0].auth"]["value"] == "basic: ***"
    assert shown["feeds.pypi.upstreams[0].urls"]["value"] == ["https://h/a/", "https://g/a/"]
    route = shown["feeds.pypi.upstreams[0].route"]["value"]
    assert isinstance(route, dict)
    assert route["proxy"] == "http://p:1"
    assert shown["feeds.pypi.upstreams[1].route"]["value"] == "direct"


def test_every_key_of_the_sources_belongs_to_a_shown_setting(tmp_path: Path) -> None:
    text = (
        PYPI
        + 'upstreams = [{ url = "https://h/a", ttl = "1s", auth = { bearer = "x" } }]\n[server]\nport = 1\n'
    )
    settings = loads(tmp_path, text).settings
    shown = {line.key for line in entries(settings)}
    assert set(settings.sources) - shown == {"feeds.pypi.upstreams"}


def test_only_keys_that_the_kind_of_a_feed_has_are_shown(tmp_path: Path) -> None:
    pypi = set(as_json(loads(tmp_path, PYPI + 'upstreams = ["https://h/simple/"]').settings))
    text = '[feeds.conda]\nkind = "conda"\nupstreams = ["https://h/chan/"]\n'
    conda = set(as_json(loads(tmp_path, text).settings))
    for key in ("blocked_project", "upstreams[0].json_api", "upstreams[0].files_base"):
        assert f"feeds.pypi.{key}" in pypi
        assert f"feeds.conda.{key}" not in conda
    switches = ("upstreams[0].repodata_use_zst", "upstreams[0].repodata_use_shards")
    for key in ("subdirs", "indexed_timestamp", *switches):
        assert f"feeds.conda.{key}" in conda
        assert f"feeds.pypi.{key}" not in pypi
