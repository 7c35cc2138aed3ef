"""The short way to serve understands its usual spelling, and only that."""

import subprocess
import sys

import pytest

from proxy.cli import serve as full
from proxy.cli.quick import OPTIONS, Call, parse
from tests.cli.calling import ROOT, Place


@pytest.mark.parametrize(
    ("words", "call"),
    [
        ("serve", Call()),
        ("serve --port 9000", Call(overrides={"server.port": "9000"})),
        ("serve --port=9000 --host ::1", Call(overrides={"server.port": "9000", "server.host": "::1"})),
        ("serve --config a.toml --data-dir d", Call("a.toml", {"server.data_dir": "d"})),
        ("--config a.toml serve --log-level debug", Call("a.toml", {"log.level": "debug"})),
    ],
)
def test_the_usual_spellings_are_read(words: str, call: Call) -> None:
    assert parse(words.split()) == call


@pytest.mark.parametrize(
    "words",
    [
        "",
        "check-config",
        "serve --help",
        "serve -h",
        "serve --port",
        "serve --port --host x",
        "serve --port 1 --port 2",
        "serve --prot 1",
        "serve extra",
        "serve --json",
        "serve serve",
        "snippet serve",
        "--port 1 --config serve",
    ],
)
def test_everything_else_is_left_to_the_full_program(words: str) -> None:
    assert parse(words.split()) is None


def test_both_ways_know_the_same_options(place: Place) -> None:
    text = place.call("serve", "--help").output
    assert all(option in text for option in OPTIONS)
    assert full.serve.__doc__


def test_starting_the_server_imports_no_command_line_library(ready: Place) -> None:
    program = (
        "import sys\n"
        "from proxy.cli.quick import parse\n"
        "from proxy.config.load import Request, load\n"
        "call = parse(['serve', '--port', '1'])\n"
        "load(Request.here(call.config, call.overrides))\n"
        "print(sorted({'typer', 'rich', 'click', 'distlib.index', 'difflib'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ready.folder,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"
