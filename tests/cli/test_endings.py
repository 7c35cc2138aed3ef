"""How commands end that cannot go on: by Ctrl-C, without a reader, without room; never with a traceback (U7)."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.calling import ROOT, Place
from tests.config.loading import QUIET

_WITH_CTRL_C = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from proxy.__main__ import main; sys.exit(main())"
)


def _started(place: Place, *words: str, **streams: object) -> "subprocess.Popen[str]":
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(place.folder), **QUIET}
    process: subprocess.Popen[str] = subprocess.Popen(
        # Behind `nohup … &` the tests themselves would leave Ctrl-C ignored to the command.
        [sys.executable, "-c", _WITH_CTRL_C, *words], cwd=place.folder, env=environ, text=True,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams},  # type: ignore[call-overload]
    )  # fmt: skip
    return process


def test_ctrl_c_ends_a_command_quietly(ready: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with _started(ready, "feed", "list", "--server", url) as process:
            connection, _ = silent.accept()
            process.send_signal(signal.SIGINT)
            out, error = process.communicate(timeout=30)
            connection.close()
    assert (process.returncode, out, error.strip()) == (130, "", "")


def test_a_reader_that_has_gone_is_no_error_of_ours(ready: Place) -> None:
    with _started(ready, "check-config", "--all") as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        error = process.stderr.read()
        process.wait(30)
    assert "Traceback" not in error and "BrokenPipe" not in error and "mistake" not in error


@pytest.mark.parametrize("words", [("feed", "list"), ("--version",)], ids=" ".join)
def test_output_without_room_is_one_line(ready: Place, words: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full, _started(ready, *words, stdout=full) as process:
        _, error = process.communicate(timeout=30)
    assert process.returncode == 1
    assert error.startswith("feedgate: the output") and "No space left on device" in error
    assert len(error.splitlines()) == 1


def test_a_closed_output_is_no_error(ready: Place) -> None:
    with _started(ready, "feed", "list", stdout=None, preexec_fn=lambda: os.close(1)) as process:
        _, error = process.communicate(timeout=30)
    assert (process.returncode, error) == (0, "")
