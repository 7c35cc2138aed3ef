"""The parent's side: start a child for one job, wait for its answer, end it when it takes too long.

A child is given as little as possible: no environment in which a secret may stand, and no module from the folder in
which the server was started. What it wrote to stderr may hold anything of what it read, so it goes to the log; what
`ChildFailed` says is ours and may be told to clients.
"""

import asyncio
import logging
import os
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

import proxy
from proxy.child.turns import Turns
from proxy.model.problem import Problem

MIB = 1024**2
OUT_OF_MEMORY = 3
DISK_REFUSED = 4

_LOG = logging.getLogger(__name__)
_PACKAGE = Path(proxy.__file__).resolve().parent.parent
#: Installed packages are found without; before the standard library they might hide parts of it.
_IS_INSTALLED = _PACKAGE in {Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib")}
#: What finds programs and libraries, and how text is written; nothing that could hold a credential.
_KEPT = frozenset({"PATH", "LANG", "TMPDIR", "LD_LIBRARY_PATH"})
_MOST_LOGGED = 4000
_turns = Turns(max(2, min(4, os.cpu_count() or 1)))


class ChildFailed(Exception):
    """The job did not finish: refused its input, ran out of memory or time, or died. The text may be told."""


class NoRoom(ChildFailed):
    """This host had no room for the job: its disk (`word` "disk-full"), or its processes ("busy")."""

    def __init__(self, word: str, text: str) -> None:
        super().__init__(text)
        self.word = word


async def run_in_child(
    job: str,
    arguments: Mapping[str, Any],
    *,
    memory_bytes: int = 2048 * MIB,
    timeout_s: float = 300.0,
    background: bool = False,
) -> Any:
    """Run `job` ("package.module:function") with keyword arguments in a fresh process; return its JSON answer.

    Only a few run at once; `background` marks work that nobody waits for. The time counts from its start.
    Raises ChildFailed; a cancelled caller leaves no process behind.
    """
    async with _turns.turn(background=background):
        return await _run(job, orjson.dumps(dict(arguments)), memory_bytes, timeout_s)


async def _run(job: str, arguments: bytes, memory_bytes: int, timeout_s: float) -> Any:
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "proxy.child", job, str(memory_bytes),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env=environment(os.environ),
        )  # fmt: skip
    except OSError as error:
        _LOG.warning("no child could be started for %s: %s", job, error)
        raise NoRoom("busy", "no process can be started") from error
    try:
        async with asyncio.timeout(timeout_s):
            out, err = await process.communicate(arguments)
    except TimeoutError as late:
        _LOG.warning("a child was ended: %s took longer than %.0f s", job, timeout_s)
        raise ChildFailed(f"it took longer than {timeout_s:.0f} s") from late
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        text = err.decode("utf-8", "replace").strip()[-_MOST_LOGGED:]
        _LOG.warning("a child failed: %s, status %s: %s", job, process.returncode, text)
        if process.returncode == DISK_REFUSED:
            raise NoRoom("disk-full", "the disk cannot be written")
        raise ChildFailed(_told(process.returncode))
    return orjson.loads(out)


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """Return what of the server's environment a child is given."""
    kept = {name: value for name, value in given.items() if name in _KEPT or name.startswith("LC_")}
    return kept if _IS_INSTALLED else kept | {"PYTHONPATH": str(_PACKAGE)}


def _told(status: int | None) -> str:
    return "it ran out of its memory limit" if status == OUT_OF_MEMORY else "the log tells why"


def busy(failed: ChildFailed) -> Problem:
    """Return what a client is told when a document could not be prepared in a child."""
    word = failed.word if isinstance(failed, NoRoom) else "busy"
    return Problem(word, f"a document could not be prepared: {failed}", retry_after_s=30)
