"""The words, the exit statuses, and that nothing ends in a traceback."""

import subprocess
import sys

import pytest

import proxy
from tests.cli.calling import QUIET_FEED, ROOT, Place


def test_without_words_the_help_is_shown_and_the_status_is_usage(place: Place) -> None:
    result = place.call()
    assert result.exit_code == 2
    assert "check-config" in result.output


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_help_is_there_for_the_program_and_every_command(place: Place, word: str) -> None:
    assert place.call(word).exit_code == 0
    for command in (
        "init",
        "serve",
        "reload",
        "check-config",
        "snippet",
        "doctor",
        "feed list",
        "cache stats",
    ):
        assert place.call(*command.split(), word).exit_code == 0


@pytest.mark.parametrize(
    "words", ["frobnicate", "serve extra", "serve --port", "snippet", "cache", "init --two"]
)
def test_wrong_words_are_a_usage_error(ready: Place, words: str) -> None:
    result = ready.call(*words.split())
    assert result.exit_code == 2
    assert "Usage" in result.output or "Error: " in result.output


def test_the_version_is_told(place: Place) -> None:
    assert place.call("--version").stdout == f"feedgate {proxy.__version__}\n"


@pytest.mark.parametrize(
    "words",
    ["check-config", "feed list", "snippet pypi", "cache stats", "cache verify", "reload", "doctor", "serve"],
)
def test_a_configuration_with_errors_stops_every_command_with_all_of_them(place: Place, words: str) -> None:
    place.write(QUIET_FEED + "[server]\nport = 'x'\n[log]\nlevel = 'loud'\n")
    result = place.call(*words.split())
    assert result.exit_code == 2
    assert result.stdout == ""
    assert [line.split(": ")[:2] for line in result.stderr.splitlines()] == [
        ["feedgate", "server.port"],
        ["feedgate", "log.level"],
    ]
    document = place.json(*words.split(), status=2)
    assert document["ok"] is False
    assert isinstance(document["errors"], list)
    assert [error["key"] for error in document["errors"]] == ["server.port", "log.level"]


def test_the_file_may_be_named_before_or_after_the_command(place: Place) -> None:
    place.write(QUIET_FEED, "a.toml")
    place.write("", "b.toml")
    assert (
        place.call("--config", "a.toml", "feed", "list").stdout
        == place.call("feed", "list", "-c", "a.toml").stdout
    )
    assert "pypi" not in place.call("--config", "a.toml", "feed", "list", "--config", "b.toml").stdout


def test_the_program_runs_as_a_process_and_gives_its_status(place: Place) -> None:
    assert place.start("--version").stdout.startswith("feedgate ")
    assert place.start("check-config", "--config", "gone.toml").returncode == 2
    done = place.start("serve", "--config", "gone.toml")
    assert (done.returncode, done.stderr) == (
        2,
        "feedgate: gone.toml: cannot be read: No such file or directory\n",
    )
    assert place.start("check-config", environ={"FEEDGATE__SERVER__PORT": "x"}).returncode == 2
    assert place.start("reload").returncode == 1


def test_a_reader_that_goes_away_does_no_harm(ready: Place) -> None:
    script = f'"{sys.executable}" -m proxy check-config | head -n 1'
    done = subprocess.run(
        ["sh", "-c", script],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert done.stdout.startswith("# ")


def test_bytes_that_are_no_text_in_the_words_or_the_environment_do_no_harm(ready: Place) -> None:
    assert ready.start("check-config", "--config", "\udcff.toml").returncode == 2
    assert ready.start("check-config", environ={"FEEDGATE__LOG__LEVEL": "\udcff"}).returncode == 2
    assert ready.start("snippet", "\udcff").returncode == 2
