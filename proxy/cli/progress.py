"""How far something is that takes long, on standard error: a bar on a terminal, a plain line now and then elsewhere.

What is quick says nothing in a pipe. With `--json` nothing is told, and nothing is counted for it.
"""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from proxy.cli.output import human
from proxy.config.faults import printable

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

#: A line in a pipe comes after the first of these, and then each time after the second.
FIRST_S, AGAIN_S = 3.0, 15.0


class Progress(Protocol):
    """What is told; what is not given stays as it was."""

    def tell(
        self,
        what: str | None = None,
        done: int | None = None,
        total: int | None = None,
        more: str | None = None,
    ) -> None:
        """Say what is being done, how much of how much (None: nobody knows), and more in words."""
        ...


@contextmanager
def progress(what: str, *, is_quiet: bool) -> Iterator[Progress]:
    """Show how far it is until the end of the block; nothing of it stays on a terminal."""
    if is_quiet:
        yield _Nothing()
    elif sys.stderr.isatty():
        with _bars() as bars:
            yield _Bar(bars, bars.add_task(printable(what), total=None, more=""))
    else:
        lines = _Lines(what)
        try:
            yield lines
        finally:
            lines.close()


def so_far(files: int, of_files: int, size: int, of_size: int) -> str:
    """Return counts and bytes in words."""
    return f"{files} of {of_files} files, {human(size)} of {human(of_size)}"


class _Nothing:
    def tell(
        self,
        what: str | None = None,
        done: int | None = None,
        total: int | None = None,
        more: str | None = None,
    ) -> None:
        """Nobody reads it."""


class _Bar:
    """A line of a terminal that rich draws anew, from a thread of its own."""

    def __init__(self, bars: "Bars", task: "TaskID") -> None:
        self._bars = bars
        self._task = task

    def tell(
        self,
        what: str | None = None,
        done: int | None = None,
        total: int | None = None,
        more: str | None = None,
    ) -> None:
        given: dict[str, Any] = {} if more is None else {"more": printable(more)}
        described = None if what is None else printable(what)
        self._bars.update(self._task, description=described, completed=done, total=total, **given)


class _Lines:
    """Lines that come from a thread, because what is told of may not come up for air."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._more = ""
        self._began = time.monotonic()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)
        self._thread.start()

    def tell(
        self,
        what: str | None = None,
        done: int | None = None,
        total: int | None = None,
        more: str | None = None,
    ) -> None:
        if what is not None:
            self._what = what
        if more is not None:
            self._more = more
        elif done is not None and total is not None:
            self._more = f"{done} of {total}"

    def close(self) -> None:
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        pause = FIRST_S
        while not self._is_over.wait(pause):
            more = f": {self._more}" if self._more else ""
            print(
                f"feedgate: {printable(self._what + more)} ({time.monotonic() - self._began:.0f} s)",
                file=sys.stderr,
                flush=True,
            )
            pause = AGAIN_S


def _bars() -> "Bars":
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    return Bars(
        SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(),
        TextColumn("{task.fields[more]}", markup=False), TimeElapsedColumn(),
        console=Console(file=sys.stderr), transient=True,
    )  # fmt: skip
