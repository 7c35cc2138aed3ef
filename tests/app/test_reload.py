"""A reload applies a changed file whole or not at all, and never ends the server."""

import logging
import sqlite3
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

import proxy.app
import proxy.management
from proxy.app import App
from proxy.config.load import Loaded
from proxy.config.settings import Feed
from proxy.config.stored import Declared, Stored
from proxy.model.actor import SYSTEM
from proxy.model.problem import Problem
from proxy.process import reload
from proxy.state.errors import StateError
from proxy.upstream.errors import AddressRefused
from tests.config.loading import loads

CONFIG = """
[server]
port = 0
[feeds.one]
kind = "pypi"
upstreams = ["https://index.example/simple/"]
"""
MORE = CONFIG + '[feeds.two]\nkind = "pypi"\nupstreams = [{ feed = "one" }]\n'


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    return loads(tmp_path, CONFIG)


@pytest.fixture
async def app(loaded: Loaded) -> AsyncIterator[App]:
    app = App(loaded.settings, {}, loaded=loaded)
    await app.start()
    yield app
    await app.stop()


def in_force(app: App) -> Mapping[str, Feed]:
    """Return the feeds that the next reload or change would begin with."""
    assert app.management.current is not None
    return app.management.current.settings.feeds


def told(app: App) -> dict[str, Any]:
    answer: dict[str, Any] = orjson.loads((app.settings.server.state_dir / "reload.json").read_bytes())
    return answer


async def test_a_changed_file_is_in_force(app: App, loaded: Loaded, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(MORE)
    await reload(app)
    assert set(in_force(app)) == set(app.settings.feeds) == {"one", "two"}
    assert told(app)["ok"] is True


async def test_a_file_that_is_gone_leaves_the_feeds_alone(app: App, loaded: Loaded, tmp_path: Path) -> None:
    (tmp_path / "config.toml").unlink()
    await reload(app)
    assert app.management.current is loaded
    assert set(app.settings.feeds) == {"one"}
    assert told(app)["ok"] is False
    assert told(app)["messages"] == ["config.toml: the file is gone; the former settings stay in force"]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (AddressRefused("guard", "a URL without a valid host name"), "valid host name"),
        (KeyError("x"), "KeyError"),
    ],
)
async def test_a_site_that_cannot_be_built_leaves_the_settings_alone(
    app: App, loaded: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    def build(*_: object) -> None:
        raise error

    (tmp_path / "config.toml").write_text(MORE)
    site = app.site
    with monkeypatch.context() as patch:
        patch.setattr(proxy.app, "build_site", build)
        await reload(app)
        assert app.management.current is loaded
    assert app.site is site
    assert set(app.settings.feeds) == {"one"}
    assert told(app)["ok"] is False
    assert words in told(app)["messages"][0]
    await reload(app)
    assert set(in_force(app)) == {"one", "two"}


async def test_a_mistake_of_ours_is_in_the_log_with_its_traceback(
    app: App, loaded: Loaded, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def build(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(proxy.app, "build_site", build)
    with caplog.at_level(logging.ERROR, "feedgate"):
        await reload(app)
    assert any(record.exc_info for record in caplog.records)


async def test_an_answer_that_cannot_be_written_does_not_end_the_server(
    app: App, loaded: Loaded, tmp_path: Path
) -> None:
    (app.settings.server.state_dir / ".reload.json.new").mkdir()
    (tmp_path / "config.toml").write_text(MORE)
    await reload(app)
    assert set(in_force(app)) == {"one", "two"}


async def test_without_its_audit_entry_a_reload_changes_nothing(
    app: App, loaded: Loaded, tmp_path: Path
) -> None:
    """F02: no audit, no change."""
    connection = sqlite3.connect(app.base.database.path)
    connection.execute(
        "CREATE TRIGGER no_audit BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'full'); END"
    )
    connection.commit()
    (tmp_path / "config.toml").write_text(MORE)
    await reload(app)
    assert (set(app.settings.feeds), told(app)["ok"]) == ({"one"}, False)
    assert app.management.current is loaded
    connection.execute("DROP TRIGGER no_audit")
    connection.commit()
    connection.close()
    await reload(app)
    assert (set(app.settings.feeds), told(app)["ok"]) == ({"one", "two"}, True)


async def test_a_change_waits_for_its_turn_and_not_for_ever(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy.management, "_PATIENCE_S", 0.05)
    async with app.management._in_turn():
        with pytest.raises(Problem, match="another change"):
            await app.management.reload(SYSTEM)
    await app.management.reload(SYSTEM)


async def test_settings_that_changed_before_the_lock_was_taken_are_not_started_with(loaded: Loaded) -> None:
    stored: Stored = {"feeds": {"late": Declared({"kind": "pypi"}, "t")}}
    late = replace(loaded, request=replace(loaded.request, stored=lambda folder, url: stored))
    with pytest.raises(StateError, match="changed the settings just now"):
        await App(late.settings, {}, loaded=late).start()
