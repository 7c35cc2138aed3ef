"""A command looks up the secrets that it uses: those that only the service has stop nobody else (U4)."""

import pytest

from tests.cli.calling import Place, serving

SECRETS = """
[server]
port = 0
[feeds.pypi]
kind = "pypi"
[[feeds.pypi.upstreams]]
url = "https://index.example/simple/"
auth = { basic = ["reader", { env = "ONLY_THE_SERVICE_HAS_IT" }] }
[[feeds.pypi.upstreams]]
url = { env = "WHOLE_URL_OF_THE_SERVICE" }
route = "corp"
[feeds.forge]
kind = "conda"
[[feeds.forge.upstreams]]
url = "https://channel.example/forge"
auth = { token = { file = "of-the-service" } }
[[feeds.forge.upstreams]]
url = { file = "whole-url-of-the-service" }
auth = { bearer = { env = "ANOTHER" } }
[feeds.approved]
kind = "pypi"
curated_from = ["pypi"]
[routes.corp]
proxy = { env = "PROXY_OF_THE_SERVICE" }
username = "feedgate"
password = { env = "ITS_PASSWORD" }
"""
OWN = {
    "ONLY_THE_SERVICE_HAS_IT": "canary-one",
    "WHOLE_URL_OF_THE_SERVICE": "https://other.example/simple/",
    "ANOTHER": "canary-two",
    "PROXY_OF_THE_SERVICE": "http://proxy.example:3128",
    "ITS_PASSWORD": "canary-three",
}
NEED_NONE = [
    ("key", "create", "ci", "--read", "pypi"),
    ("key", "list"),
    ("audit",),
    ("feed", "list"),
    ("snippet", "pypi"),
    ("snippet", "forge"),
    ("cache", "stats"),
    ("cache", "verify"),
    ("backup", "copy.tar"),
]
SERVED = [
    ("reload",),
    ("key", "create", "cd", "--read", "pypi"),
    ("key", "list"),
    ("feed", "list"),
    ("feed", "show", "pypi"),
    ("policy", "list"),
    ("route", "list"),
    ("approvals", "approved"),
    ("audit",),
    ("snippet", "pypi"),
]


@pytest.fixture
def hidden(place: Place) -> Place:
    """A place whose settings refer to secrets that nobody here has."""
    place.write(SECRETS)
    return place


@pytest.mark.parametrize("words", NEED_NONE, ids=" ".join)
def test_what_uses_no_secret_needs_none(hidden: Place, words: tuple[str, ...]) -> None:
    hidden.begin()
    (hidden.folder / "data/cache/blobs").mkdir(parents=True)
    result = hidden.call(*words)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    "words",
    [
        ("check-config",),
        ("serve",),
        ("doctor",),
        ("promote", "approved", "demo"),
        ("explain", "pypi", "demo"),
    ],
    ids=" ".join,
)
def test_what_uses_secrets_says_which_are_missing(hidden: Place, words: tuple[str, ...]) -> None:
    hidden.begin()
    result = hidden.call(*words)
    assert result.exit_code in (1, 2)
    assert "ONLY_THE_SERVICE_HAS_IT" in result.output
    assert "WHOLE_URL_OF_THE_SERVICE" in result.output
    assert "not-looked-up" not in result.output


def test_beside_the_service_no_command_needs_its_secrets(hidden: Place) -> None:
    for name, text in (
        ("of-the-service", "token"),
        ("whole-url-of-the-service", "https://more.example/forge"),
    ):
        (hidden.folder / name).write_text(text)
    with serving(hidden, environ=OWN):
        for name in ("of-the-service", "whole-url-of-the-service"):
            (hidden.folder / name).rename(hidden.folder / f"{name}.away")
        for words in SERVED[1:]:
            result = hidden.call(*words)
            assert result.exit_code == 0, (words, result.output)
        for name in ("of-the-service", "whole-url-of-the-service"):
            (hidden.folder / f"{name}.away").rename(hidden.folder / name)
        result = hidden.call(*SERVED[0])
        assert result.exit_code == 0, result.output


def test_other_faults_are_still_told(hidden: Place) -> None:
    hidden.write(SECRETS.replace('kind = "conda"', 'kind = "condor"'))
    for words in (("feed", "list"), ("reload",), ("key", "list")):
        result = hidden.call(*words)
        assert result.exit_code == 2
        assert "feeds.forge.kind" in result.stderr


def test_where_the_state_lies_is_looked_up_by_every_command(
    hidden: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden.begin()
    state = hidden.folder / "data/state"
    (state / "state.sqlite").rename(state / "other.sqlite")
    (state / "state.sqlite.exists").rename(state / "other.sqlite.exists")
    hidden.write(SECRETS + '[state]\nurl = { env = "STATE" }\n')
    monkeypatch.setenv("STATE", f"sqlite:///{state / 'other.sqlite'}")
    assert hidden.call("key", "list").exit_code == 0
    monkeypatch.delenv("STATE")
    result = hidden.call("key", "list")
    assert result.exit_code == 2
    assert "STATE" in result.stderr
