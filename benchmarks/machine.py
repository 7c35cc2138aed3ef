"""The machine under the benchmarks: two cores, processes ended by their own handle, ports, memory.

What is measured (our server, its peer) runs on one core; what measures (origin, load) on another. With a
single core they share it, and the table says so.
"""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
_CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE = _CORES[0]
LOAD_CORE = _CORES[-1]
IS_SHARED = SERVER_CORE == LOAD_CORE
PYTHON = sys.executable


def pinned(core: int, command: Sequence[str]) -> list[str]:
    """Return the command, bound to one core."""
    return ["taskset", "-c", str(core), *command]


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def rss_bytes(pid: int) -> int:
    """Return the resident memory of a process and its children."""
    total = 0
    for each in (pid, *children(pid)):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            pages = Path(f"/proc/{each}/statm").read_text().split()[1]
            total += int(pages) * os.sysconf("SC_PAGE_SIZE")
    return total


def children(pid: int) -> list[int]:
    """Return the processes that this one started, and theirs."""
    found: list[int] = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *children(int(child))]
    return found


@contextlib.contextmanager
def running(
    command: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program for the length of the block; what it says goes to the log file."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            yield process
        finally:
            end(process)


def end(process: subprocess.Popen[bytes], timeout_s: float = 30) -> None:
    """Ask the process to end; make it, if it does not."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def output(command: Sequence[str], *, timeout_s: float = 300, env: Mapping[str, str] | None = None) -> str:
    """Run a program to its end and return what it wrote; raise RuntimeError with its words if it fails."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=timeout_s,
        check=False,
    )
    if done.returncode != 0:
        told = (done.stderr or done.stdout).decode(errors="replace")[-2000:]
        raise RuntimeError(f"{command[0]} … ended with {done.returncode}: {told}")
    return done.stdout.decode(errors="replace")


def wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path, timeout_s: float = 30) -> None:
    """Return once somebody listens; raise RuntimeError if the process ends first."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)  # another process is starting; nothing else tells when it listens
    raise RuntimeError(f"nobody listens on {port}: {log.read_text(errors='replace')[-2000:]}")
