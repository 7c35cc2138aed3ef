"""Reload, and the orders that a running server forbids, against a stand-in server that keeps the same three files."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from proxy.cli import running
from tests.cli.calling import QUIET_FEED, ROOT, Place

STAND_IN = """
import json, os, signal, sys
from pathlib import Path
from proxy.state.lock import StateLock

state, answer = Path(sys.argv[1]), json.loads(sys.argv[2])
lock = StateLock(state)
lock.acquire()
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP, signal.SIGTERM})
facts = {"pid": os.getpid(), "url": "http://127.0.0.1:1", "config": None, "started": "now"}
(state / "server.json").write_text(json.dumps(facts))
print("ready", flush=True)
times = 0
while signal.sigwait({signal.SIGHUP, signal.SIGTERM}) == signal.SIGHUP:
    times += 1
    if answer is not None:
        (state / "reload.tmp").write_text(json.dumps({"at": times, **answer}))
        (state / "reload.tmp").replace(state / "reload.json")
"""


@contextmanager
def server(
    folder: Path, answer: str = '{"ok": true, "messages": ["applied"]}'
) -> Iterator[subprocess.Popen[str]]:
    """Run the stand-in on the folder's data until the end of the block."""
    state = folder / "data" / "state"
    state.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-c", STAND_IN, str(state), answer],
        env={"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_reload_without_a_server_fails_and_says_what_to_do(ready: Place) -> None:
    result = ready.call("reload")
    assert result.exit_code == 1
    assert "feedgate serve" in result.stderr


def test_reload_waits_for_the_servers_answer_and_tells_it(ready: Place) -> None:
    with server(ready.folder):
        for _ in range(2):
            result = ready.call("reload")
            assert (result.exit_code, result.stdout) == (0, "applied\n")
        assert ready.json("reload") == {"ok": True, "messages": ["applied"]}


def test_a_refused_reload_fails_with_the_servers_words(ready: Place) -> None:
    with server(ready.folder, '{"ok": false, "messages": ["server.port: wrong", "log.level: wrong"]}'):
        result = ready.call("reload")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.splitlines() == ["feedgate: server.port: wrong", "feedgate: log.level: wrong"]
        assert ready.json("reload", status=1)["ok"] is False


def test_a_server_that_does_not_answer_is_given_up(ready: Place) -> None:
    with server(ready.folder, "null"):
        result = ready.call("reload", "--timeout", "0.2")
    assert result.exit_code == 1
    assert "did not answer within 0.2 s" in result.stderr


def test_a_broken_file_is_told_before_the_server_is_asked(ready: Place) -> None:
    ready.write(QUIET_FEED + "[server]\nport = 'x'\n")
    with server(ready.folder):
        assert ready.call("reload").exit_code == 2
    assert not (ready.folder / "data/state/reload.json").exists()


def test_the_files_of_a_killed_server_are_not_believed(ready: Place) -> None:
    with server(ready.folder):
        pass
    assert (ready.folder / "data/state/server.json").exists()
    assert not running.is_running(ready.folder / "data/state")
    assert ready.call("reload").exit_code == 1


@pytest.mark.parametrize("facts", ["", "{}", '{"pid": 1, "url": "x"}', '{"pid": "x"}', "[" * 100_000])
def test_nobody_is_signalled_on_the_word_of_a_damaged_file(ready: Place, facts: str) -> None:
    with server(ready.folder):
        (ready.folder / "data/state/server.json").write_text(facts)
        result = ready.call("reload")
    assert result.exit_code == 1
    assert "try again" in result.stderr


def test_only_the_locks_holder_is_signalled(ready: Place) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        with server(ready.folder):
            path = ready.folder / "data/state/server.json"
            path.write_text(f'{{"pid": {stranger.pid}, "url": "x"}}')
            assert ready.call("reload").exit_code == 1
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.parametrize("words", ["cache verify", "cache prune", "cache purge --all"])
def test_orders_to_the_cache_are_refused_while_a_server_runs(ready: Place, words: str) -> None:
    with server(ready.folder) as process:
        result = ready.call(*words.split())
        assert result.exit_code == 1
        assert f"pid {process.pid}" in result.stderr
        assert len(result.stderr.splitlines()) == 1
        assert ready.json(*words.split(), status=1)["ok"] is False
        assert ready.call("cache", "stats").exit_code == 0


def test_the_lock_is_free_again_after_an_order(ready: Place) -> None:
    (ready.folder / "data/cache/blobs").mkdir(parents=True)
    assert ready.call("cache", "verify").exit_code == 0
    with running.hold(ready.folder / "data/state"):
        assert running.is_running(ready.folder / "data/state")
    assert not running.is_running(ready.folder / "data/state")


def test_a_stand_in_that_ends_while_it_is_asked_is_told(ready: Place) -> None:
    found = running.Running(_ended_pid(), "x")
    with pytest.raises(running.NotReachableError, match="just stopped"):
        running.reload(found, ready.folder, 1.0)


def _ended_pid() -> int:
    """Return the pid of a process that is over and buried."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    for _ in range(100):
        try:
            os.kill(process.pid, 0)
        except ProcessLookupError:
            return process.pid
        time.sleep(0.01)  # the kernel's own pace
    raise AssertionError(signal.SIGKILL)
