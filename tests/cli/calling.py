"""Calling the program, in this process or as a real one, apart from this machine's environment."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner, Result

from proxy.cli.program import program, run
from proxy.state.file import StateFile
from tests.config.loading import PYPI, QUIET
from tests.faults.secrets import found_in
from tests.support.sweep import planted

ROOT = Path(__file__).parents[2]
#: A feed that asks nobody.
QUIET_FEED = PYPI + 'upstreams = ["https://index.example/simple/"]\n'


class Ended(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    error: str


class Place:
    """A working folder with a config.toml."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, text: str, name: str = "config.toml") -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def begin(self) -> None:
        """Make the state that a first start makes: commands without a server refuse to."""
        StateFile(self.folder / "data/state/state.sqlite").prepare()

    def call(self, *words: str, environ: Mapping[str, str] | None = None) -> Result:
        """Run the words in this process."""
        result = CliRunner().invoke(program, list(words), prog_name="feedgate", env=environ)
        assert "Traceback" not in result.output
        assert found_in(result.output.encode()) == []
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    def run(self, *words: str) -> Ended:
        """Run the words in this process, as the shell would: what is not told by a command ends here too."""
        out, error = StringIO(), StringIO()
        with redirect_stdout(out), redirect_stderr(error):
            status = run(words)
        return Ended(status, out.getvalue(), error.getvalue())

    def json(self, *words: str, status: int = 0) -> dict[str, object]:
        result = self.call(*words, "--json")
        assert result.exit_code == status, result.output
        assert result.stderr == ""
        document: dict[str, object] = json.loads(result.stdout)
        return document

    def start(
        self, *words: str, environ: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the words as a process of their own."""
        env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "HOME": str(self.folder),
            **QUIET,
            **planted(),
        }
        done = subprocess.run(
            [sys.executable, "-W", "error", "-m", "proxy", *words],
            cwd=self.folder,
            env=env | dict(environ or {}),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in done.stderr
        assert "a mistake in feedgate" not in done.stderr
        assert found_in((done.stdout + done.stderr).encode()) == []
        return done


@contextmanager
def serving(
    place: Place, *words: str, environ: Mapping[str, str] | None = None, umask: int = -1
) -> Iterator[list[str]]:
    """Run `serve` as a process until the end of the block; give the lines that it printed at its start.

    After the block they are all that it printed.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "proxy", *(words or ("serve",))],
        cwd=place.folder,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "HOME": str(place.folder),
            **QUIET,
            **(environ or {}),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        umask=umask,
    ) as process:
        assert process.stdout is not None
        lines: list[str] = []
        try:
            for line in process.stdout:
                lines.append(line.rstrip("\n"))
                if line.startswith("Lines for other clients"):
                    break
            assert process.poll() is None, lines
            yield lines
        finally:
            process.send_signal(signal.SIGTERM)
            lines += process.stdout.read().splitlines()
            process.wait(30)


def make_place(folder: Path, patch: pytest.MonkeyPatch) -> Place:
    """Return a working folder that this process works in, with nothing of ours in the environment."""
    for name in list(os.environ):
        if name.upper().startswith(("FEEDGATE", "PIP_")) or name.upper().endswith("_PROXY"):
            patch.delenv(name)
    for name, value in {**QUIET, **planted()}.items():
        patch.setenv(name, value)
    patch.chdir(folder)
    return Place(folder)
