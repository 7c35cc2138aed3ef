"""What was made through the API stands beside the file: checked with it, told apart from it, never over it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.config.faults import ConfigError
from proxy.config.load import Loaded
from proxy.config.show import as_json
from proxy.config.stored import Declared, Stored
from proxy.model.redact import SecretUrl
from tests.config.loading import loads

FILE = """
[feeds.main]
kind = "pypi"
upstreams = ["https://index.example/simple/"]
[routes.corp]
proxy = "http://proxy.example:1"
[policies.strict]
block = ["tk"]
"""
FEED = {"kind": "pypi", "upstreams": [{"url": "https://other.example/simple/", "route": "corp"}]}


def stored(**nouns: dict[str, dict[str, Any]]) -> Stored:
    return {
        noun: {name: Declared(document, "t") for name, document in things.items()}
        for noun, things in nouns.items()
    }


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    return loads(tmp_path, FILE)


def refused(loaded: Loaded, things: Stored) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded.with_stored(things)
    return [f"{fault.key}: {fault.message}" for fault in caught.value.faults]


def test_stored_things_stand_beside_those_of_the_file(loaded: Loaded) -> None:
    merged = loaded.with_stored(stored(feeds={"more": FEED}, routes={"alt": {"proxy": "http://p.example:2"}}))
    assert list(merged.settings.feeds) == ["main", "more"] and set(merged.settings.routes) == {"corp", "alt"}
    assert merged.settings.feeds["more"].upstreams[0].route.name == "corp"
    told = as_json(merged.settings)
    assert told["feeds.more.kind"]["source"] == "API" and told["feeds.main.kind"]["source"] == "config.toml"
    assert merged.declares("feeds", "main") and not merged.declares("feeds", "more")
    # The file's part is as it was.
    assert set(merged.with_stored({}).settings.feeds) == {"main"}


def test_a_name_in_both_places_is_an_error(loaded: Loaded) -> None:
    faults = refused(
        loaded,
        stored(
            feeds={"main": FEED}, routes={"corp": {"verify": True}}, policies={"strict": {"block": ["x"]}}
        ),
    )
    assert [fault.partition(":")[0] for fault in faults] == ["routes.corp", "policies.strict", "feeds.main"]
    assert all("through the API too" in fault for fault in faults)


def test_all_faults_are_told_at_once(loaded: Loaded) -> None:
    bad = {
        "kind": "pypi",
        "upstreams": [{"url": "ftp://x", "route": "nope"}],
        "offlin": True,
        "aliases": ["main"],
    }
    text = "\n".join(refused(loaded, stored(feeds={"more": bad})))
    assert all(
        part in text for part in ("upstreams[0].url", 'no route "nope"', "offlin", "already feed main's")
    )


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("file:///etc", "must stand in config.toml itself"),
        ({"file": "/etc/passwd"}, "only config.toml may refer"),
        ({"env": "HOME"}, "only config.toml may refer"),
    ],
)
def test_the_api_reads_no_files_and_variables_of_this_machine(
    loaded: Loaded, url: object, words: str
) -> None:
    (fault,) = refused(loaded, stored(feeds={"more": {"kind": "conda", "upstreams": [{"url": url}]}}))
    assert words in fault
    secret = {
        "kind": "conda",
        "upstreams": [{"url": "https://h.example/c", "auth": {"bearer": {"env": "HOME"}}}],
    }
    (fault,) = refused(loaded, stored(feeds={"more": secret}))
    assert "only config.toml may refer" in fault


def test_a_reload_asks_for_what_is_stored_by_then(loaded: Loaded) -> None:
    things = [stored(feeds={"more": FEED})]
    request = replace(loaded.request, stored=lambda folder, url: things[0])
    assert set(replace(loaded, request=request).again().settings.feeds) == {"main", "more"}
    things[0] = {}
    assert set(replace(loaded, request=request).again().settings.feeds) == {"main"}


def test_the_place_of_the_state_is_told(tmp_path: Path) -> None:
    seen: list[tuple[Path, SecretUrl | None]] = []

    def at(folder: Path, url: SecretUrl | None) -> Stored:
        seen.append((folder, url))
        return {}

    loaded = loads(tmp_path, FILE + '[server]\ndata_dir = "there"\n[state]\nurl = "sqlite:///x.db"\n')
    replace(loaded, request=replace(loaded.request, stored=at)).again()
    assert seen == [(tmp_path / "there" / "state", SecretUrl(f"sqlite:///{tmp_path / 'x.db'}"))]
