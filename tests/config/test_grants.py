"""`[feeds.NAME.grants]`, and the admin key of the environment."""

import json
from pathlib import Path

import pytest

from proxy.config.show import as_json
from tests.config.loading import PYPI, faults, loads

GRANTS = '[feeds.pypi.grants]\nauthenticated = ["read"]\n"group:reviewers" = ["promote", "read"]\n'
GRANTED = (("authenticated", ("read",)), ("group:reviewers", ("promote", "read")))
KEY = "Kx7-aa19-Lm20-given"


def test_a_feed_grants_to_everybody_to_every_key_and_to_groups(tmp_path: Path) -> None:
    settings = loads(tmp_path, PYPI + "anonymous = false\n" + GRANTS).settings
    assert settings.feeds["pypi"].grants == GRANTED
    assert not settings.feeds["pypi"].anonymous
    shown = {"authenticated": ["read"], "group:reviewers": ["promote", "read"]}
    assert as_json(settings)["feeds.pypi.grants"]["value"] == shown


def test_grants_come_from_the_environment_as_a_whole(tmp_path: Path) -> None:
    environ = {"FEEDGATE__FEEDS__PYPI__GRANTS": json.dumps({"anonymous": ["promote"]})}
    settings = loads(tmp_path, PYPI + GRANTS, environ=environ).settings
    assert settings.feeds["pypi"].grants == (("anonymous", ("promote",)),)


@pytest.mark.parametrize(
    ("text", "key", "part"),
    [
        ('grants = ["read"]', "feeds.pypi.grants", "must be a table"),
        ('[feeds.pypi.grants]\neverybody = ["read"]', "feeds.pypi.grants.everybody", '"group:NAME"'),
        ('[feeds.pypi.grants]\n"group:" = ["read"]', "feeds.pypi.grants.group:", '"group:NAME"'),
        ('[feeds.pypi.grants]\n"group:a b" = ["read"]', "feeds.pypi.grants.group:a b", '"group:NAME"'),
        ('[feeds.pypi.grants]\nauthenticated = ["write"]', "feeds.pypi.grants.authenticated[0]", "read, promote"),
        ('[feeds.pypi.grants]\nauthenticated = "read"', "feeds.pypi.grants.authenticated", "must be a list"),
        ('anonymous = false\n[feeds.pypi.grants]\nanonymous = ["read"]', "feeds.pypi.grants.anonymous", "remove one"),
    ],
)  # fmt: skip
def test_what_grants_cannot_be_is_told(tmp_path: Path, text: str, key: str, part: str) -> None:
    ((place, message),) = faults(tmp_path, PYPI + text).items()
    assert place == key
    assert part in message


def test_the_admin_key_comes_from_the_environment_or_a_file(tmp_path: Path) -> None:
    assert loads(tmp_path, PYPI, environ={}).settings.admin_key is None
    given = loads(tmp_path, PYPI, environ={"FEEDGATE_ADMIN_KEY": KEY}).settings.admin_key
    assert given is not None
    assert given.reveal() == KEY
    (tmp_path / "secret").write_text(f"{KEY}\n")
    named = loads(
        tmp_path, PYPI, environ={"FEEDGATE_ADMIN_KEY_FILE": str(tmp_path / "secret")}
    ).settings.admin_key
    assert named == given
    assert KEY not in repr(loads(tmp_path, PYPI, environ={"FEEDGATE_ADMIN_KEY": KEY}))


@pytest.mark.parametrize(
    "value", ["", "   ", "shrt", "admin", "password", "changeme", "aaaaaaaaaa", "under_score_key"]
)
def test_a_blank_or_default_admin_key_stops_the_start(tmp_path: Path, value: str) -> None:
    ((place, message),) = faults(tmp_path, PYPI, environ={"FEEDGATE_ADMIN_KEY": value}).items()
    assert place == "FEEDGATE_ADMIN_KEY"
    assert not value.strip() or value not in message
    (tmp_path / "secret").write_text(f"{value}\n")
    assert list(faults(tmp_path, PYPI, environ={"FEEDGATE_ADMIN_KEY_FILE": str(tmp_path / "secret")})) == [
        "FEEDGATE_ADMIN_KEY_FILE"
    ]


def test_an_admin_key_that_cannot_be_read_or_is_given_twice_stops_the_start(tmp_path: Path) -> None:
    missing = {"FEEDGATE_ADMIN_KEY_FILE": str(tmp_path / "none")}
    assert "cannot be read" in faults(tmp_path, PYPI, environ=missing)["FEEDGATE_ADMIN_KEY_FILE"]
    twice = faults(tmp_path, PYPI, environ={"FEEDGATE_ADMIN_KEY": KEY} | missing)["FEEDGATE_ADMIN_KEY"]
    assert "twice" in twice
    assert KEY not in twice
