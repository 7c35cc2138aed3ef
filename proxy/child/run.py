"""The parent's side: start a child for one job, wait for its answer, end it when it takes too long."""

import asyncio
import sys
from collections.abc import Mapping
from typing import Any

import orjson

from proxy.model.problem import Problem

MIB = 1024**2


class ChildFailed(Exception):
    """The job did not finish: refused its input, ran out of memory or time, or died. The text says which."""


async def run_in_child(
    job: str, arguments: Mapping[str, Any], *, memory_bytes: int = 2048 * MIB, timeout_s: float = 300.0
) -> Any:
    """Run `job` ("package.module:function") with keyword arguments in a fresh process; return its JSON answer.

    Raises ChildFailed; a cancelled caller leaves no process behind.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "proxy.child", job, str(memory_bytes),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(timeout_s):
            out, err = await process.communicate(orjson.dumps(dict(arguments)))
    except TimeoutError as late:
        raise ChildFailed(f"{job} took longer than {timeout_s:.0f} s") from late
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise ChildFailed(_last_line(err) or f"{job} ended with status {process.returncode}")
    return orjson.loads(out)


def _last_line(err: bytes) -> str:
    lines = err.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:300] if lines else ""


def busy(failed: ChildFailed) -> Problem:
    """Return what a client is told when a document could not be prepared in a child."""
    return Problem("busy", f"a document could not be prepared: {failed}", retry_after_s=30)
