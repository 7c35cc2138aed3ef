"""Children: what they are given, what is told of their failure, and how many there are at once."""

import asyncio
import logging
from pathlib import Path

import pytest

from proxy.child.run import ChildFailed, busy, environment, run_in_child
from proxy.child.turns import Turns


async def test_a_job_gets_its_arguments_and_answers() -> None:
    assert await run_in_child("proxy.config.units:parse_size", {"text": "1 KiB"}) == 1024


async def test_a_failing_job_is_told_in_the_log_and_not_to_clients(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), pytest.raises(ChildFailed) as caught:
        await run_in_child("proxy.config.units:parse_size", {"text": "SECRET parsecs"})
    told = busy(caught.value).detail
    assert told.startswith("a document could not be prepared")
    assert "ValueError" not in told
    assert "unit" not in told
    assert "parse_size" not in told
    assert "ValueError" in caplog.text


async def test_a_child_that_takes_too_long_is_ended() -> None:
    with pytest.raises(ChildFailed, match="took longer"):
        await run_in_child("proxy.config.units:parse_size", {"text": "1 KiB"}, timeout_s=0.001)


async def test_modules_of_the_working_folder_are_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = tmp_path / "taken"
    for name in ("orjson", "proxy", "gc"):
        (tmp_path / f"{name}.py").write_text(f"open({str(trap)!r}, 'w').close()\nraise SystemExit(9)\n")
    monkeypatch.chdir(tmp_path)
    assert await run_in_child("proxy.config.units:parse_size", {"text": "2"}) == 2
    assert not trap.exists()


def test_a_child_is_given_no_secret_of_the_environment() -> None:
    given = {
        "PATH": "/bin", "LC_ALL": "C", "LANG": "C", "TMPDIR": "/tmp", "FEEDGATE_ADMIN_KEY": "s", "HTTPS_PROXY": "s",
        "PYTHONSTARTUP": "s", "PYTHONPATH": "/elsewhere", "AWS_SECRET": "s",
    }  # fmt: skip
    kept = environment(given)
    assert kept.pop("PYTHONPATH", "") != "/elsewhere"
    assert kept == {"PATH": "/bin", "LC_ALL": "C", "LANG": "C", "TMPDIR": "/tmp"}


async def test_a_cancelled_caller_leaves_no_turn_taken() -> None:
    callers = [
        asyncio.create_task(run_in_child("proxy.config.units:parse_size", {"text": "1"})) for _ in range(6)
    ]
    await asyncio.sleep(0)
    for caller in callers:
        caller.cancel()
    await asyncio.gather(*callers, return_exceptions=True)
    assert await run_in_child("proxy.config.units:parse_size", {"text": "1"}) == 1


class Running:
    """Notes who runs."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self.order: list[str] = []
        self.go_on = asyncio.Event()

    async def run(self, name: str, *, background: bool = False) -> None:
        async with self._turns.turn(background=background):
            self.order.append(name)
            await self.go_on.wait()


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_only_so_many_run_at_once_and_people_go_first() -> None:
    running = Running(Turns(2))
    async with asyncio.TaskGroup() as tasks:
        for name in ("a", "b"):
            tasks.create_task(running.run(name))
        await settled()
        tasks.create_task(running.run("list of names", background=True))
        await settled()
        tasks.create_task(running.run("person"))
        await settled()
        assert running.order == ["a", "b"]
        running.go_on.set()
    assert running.order == ["a", "b", "person", "list of names"]


async def test_a_turn_that_came_to_somebody_who_left_is_given_on() -> None:
    running = Running(Turns(1))
    first, second = asyncio.create_task(running.run("a")), asyncio.create_task(running.run("b"))
    await settled()
    third = asyncio.create_task(running.run("c"))
    await settled()
    running.go_on.set()
    await first
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    await asyncio.wait_for(third, 5)
    assert "c" in running.order
