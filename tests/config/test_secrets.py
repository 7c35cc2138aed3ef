"""Secrets come in three forms and go out in none."""

import dataclasses
import json
from pathlib import Path

import pytest

from proxy.config.settings import Auth, Settings
from proxy.config.show import as_json, as_lines
from proxy.model.redact import Secret
from tests.config.loading import PYPI, faults, loads, upstream

URL = 'url = "https://index.example/simple/"'
CANARY = "hunter2-canary"


@pytest.mark.parametrize(
    ("auth", "expected"),
    [
        ('{ basic = ["u", "p"] }', Auth("basic", "u", Secret("p"))),
        ('{ basic = ["", { env = "PW" }] }', Auth("basic", "", Secret(CANARY))),
        ('{ bearer = { file = "token" } }', Auth("bearer", None, Secret("from-file"))),
        ('{ header = ["X-Api-Key", "k"] }', Auth("header", "X-Api-Key", Secret("k"))),
        ("{ netrc = true }", Auth("netrc")),
        ("{ netrc = false }", None),
    ],
)
def test_credentials_of_every_kind_are_read(tmp_path: Path, auth: str, expected: Auth | None) -> None:
    (tmp_path / "token").write_text("from-file\n")
    settings = loads(tmp_path, upstream(URL, f"auth = {auth}"), environ={"PW": CANARY}).settings
    assert settings.feeds["pypi"].upstreams[0].auth == expected


@pytest.mark.parametrize(
    ("auth", "where", "words"),
    [
        ("3", "", "must be a table"),
        ("{ }", "", "exactly one of"),
        (f'{{ bearer = "{CANARY}", token = "x" }}', "", "exactly one of"),
        (f'{{ baerer = "{CANARY}" }}', ".baerer", 'did you mean "bearer"'),
        (f'{{ basic = "{CANARY}" }}', ".basic", "a list [user, secret]"),
        (f'{{ basic = ["{CANARY}:x", 3] }}', ".basic[0]", "must not hold ':'"),
        (f'{{ basic = ["{CANARY}:x", 3] }}', ".basic[1]", "must be a string, {"),
        (f'{{ basic = ["{CANARY}", ""] }}', ".basic[1]", "must not be empty"),
        (f'{{ basic = ["u", "{CANARY}\\n"] }}', ".basic[1]", "line ends"),
        (f'{{ header = ["a b", "{CANARY}"] }}', ".header[0]", "name of a header"),
        (f'{{ header = ["Host", "{CANARY}"] }}', ".header[0]", "server's own"),
        (f'{{ bearer = "{CANARY} x" }}', ".bearer", "without blanks"),
        ('{ bearer = { env = "GONE" } }', ".bearer.env", "no variable GONE"),
        ('{ bearer = { file = "gone" } }', ".bearer", "cannot be read"),
        ('{ bearer = { env = "A", file = "b" } }', ".bearer", "exactly one of env and file"),
        ("{ bearer = { env = 3 } }", ".bearer.env", "must be a name"),
        (f'{{ bearer = {{ evn = "{CANARY}" }} }}', ".bearer.evn", 'did you mean "env"'),
        (f'{{ token = "{CANARY}" }}', ".token", "conda feeds only"),
        ("{ netrc = 1 }", ".netrc", "true or false"),
    ],
)
def test_wrong_credentials_are_refused_without_being_repeated(
    tmp_path: Path, auth: str, where: str, words: str
) -> None:
    found = faults(tmp_path, upstream(URL, f"auth = {auth}"))
    assert words in found[f"feeds.pypi.upstreams[0].auth{where}"]
    assert CANARY not in str(found)


def test_credentials_given_twice_are_refused(tmp_path: Path) -> None:
    text = upstream(f'url = "https://u:{CANARY}@h/"', 'auth = { basic = ["u", "p"] }')
    assert "once" in faults(tmp_path, text)["feeds.pypi.upstreams[0].auth"]
    text = upstream(f'urls = ["https://u:{CANARY}@h/", "https://g/"]')
    found = faults(tmp_path, text)
    assert "different credentials" in found["feeds.pypi.upstreams[0].urls"]
    assert CANARY not in str(found)


def test_a_url_may_itself_be_a_secret(tmp_path: Path) -> None:
    text = upstream('url = { env = "INDEX" }')
    one = (
        loads(tmp_path, text, environ={"INDEX": "https://u:p@h/simple/"}).settings.feeds["pypi"].upstreams[0]
    )
    assert one.auth == Auth("basic", "u", Secret("p"))


def full_of_secrets(folder: Path) -> Settings:
    (folder / "pw").write_text(CANARY)
    inline = f'{{ proxy = "http://u:{CANARY}@q:1" }}'
    text = (
        f"""
    [routes.a]
    proxy = "http://u:{CANARY}@p:1"
    [routes.b]
    proxy = "http://p:1"
    username = "u"
    password = {{ file = "pw" }}
    """
        + PYPI
        + f"""
    upstreams = [
      {{ url = "https://u:{CANARY}@a/" }},
      {{ url = "https://b/", auth = {{ bearer = "{CANARY}" }}, route = {inline} }},
      {{ url = "https://c/", auth = {{ header = ["X", {{ env = "PW" }}] }}, route = "a" }},
      {{ url = "https://d/", auth = {{ basic = ["u", "{CANARY}"] }}, route = "b" }},
    ]
    """
    )
    return loads(folder, text, environ={"PW": CANARY}).settings


def test_no_printed_form_of_the_settings_holds_a_secret(tmp_path: Path) -> None:
    settings = full_of_secrets(tmp_path)
    printed = [
        str(settings),
        repr(settings),
        f"{settings}",
        str(settings.feeds["pypi"].upstreams),
        repr(dataclasses.astuple(settings.routes["b"])),
        "\n".join(as_lines(settings)),
        json.dumps(as_json(settings)),
    ]
    assert not [text for text in printed if CANARY in text]


def test_the_loaded_configuration_prints_no_environment(tmp_path: Path) -> None:
    assert CANARY not in repr(loads(tmp_path, PYPI, environ={"PW": CANARY}))


def test_the_secrets_are_there_for_those_who_send_them(tmp_path: Path) -> None:
    a, b, c, d = full_of_secrets(tmp_path).feeds["pypi"].upstreams
    secrets = [one.auth.secret.reveal() for one in (a, b, c, d) if one.auth and one.auth.secret]
    routes = [one.route.password.reveal() for one in (b, c, d) if one.route.password]
    assert secrets + routes == [CANARY] * 7


def test_a_request_prints_no_environment(tmp_path: Path) -> None:
    assert CANARY not in repr(loads(tmp_path, PYPI, environ={"PW": CANARY}).request)
