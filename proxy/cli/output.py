"""What the commands say: results on standard output, errors and notes on standard error, one line each.

With `--json` the result is one JSON document on standard output, errors included, and standard error stays
empty.
"""

import contextlib
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from proxy.config.faults import ConfigError, printable
from proxy.config.settings import MIB
from proxy.model.clock import moment_in_words

if TYPE_CHECKING:
    from rich.console import Console

FAILED = 1
USAGE = 2

_STEP = 1024
_UNITS = ("KiB", "MiB", "GiB", "TiB")
_WORD = re.compile(r"[a-z]+")
#: Columns whose cells are states, and those that are short and read at a glance.
_STATES = frozenset({"STATE", "OUTCOME"})
_NEVER_FOLDED = frozenset({"SIZE", "NUMBER", "APPROVED", "DATE"})
#: Between columns, and how far one of long cells is folded before it cannot be read any more.
_GAP, _LEAST = 2, 12
_COLOURS: Mapping[str, str] = {
    **dict.fromkeys(("ok", "active", "new", "allow", "allowed"), "green"),
    **dict.fromkeys(
        ("warning", "warn", "hold", "held", "bytes", "drifted", "yanked", "shown", "not"), "yellow"
    ),
    **dict.fromkeys(("failed", "block", "blocked", "revoked", "withdrawn", "quarantined"), "red"),
}


def print_json(value: object) -> None:
    """Print one JSON document."""
    print(json.dumps(value, indent=2))


def print_error(message: str) -> None:
    """Print one line about what went wrong and what to do."""
    print(f"feedgate: {printable(message)}", file=sys.stderr)


def print_notes(notes: Iterable[str]) -> None:
    """Print notes where they can be printed: the disk behind the output may be full."""
    with contextlib.suppress(OSError):
        for note in notes:
            print(f"feedgate: note: {printable(note)}", file=sys.stderr)


def refuse(err: ConfigError, *, as_json: bool = False) -> int:
    """Print every fault of a configuration and return the status of a usage error."""
    if as_json:
        faults = [{"key": f.key, "message": f.message, "source": f.source} for f in err.faults]
        print_json({"ok": False, "errors": faults})
    else:
        for fault in err.faults:
            print_error(str(fault))
    return USAGE


def fail(message: str, *, as_json: bool = False) -> int:
    """Print why a command failed, in one line, and return its status."""
    message = "; ".join(line.strip() for line in message.splitlines())
    if as_json:
        print_json({"ok": False, "error": message})
    else:
        print_error(message)
    return FAILED


def rounded(size: int) -> str:
    """Return a size for people; in a pipe whole bytes while small, and MiB otherwise."""
    if not is_terminal():
        return f"{size} B" if size < MIB else f"{size / MIB:.1f} MiB"
    return human(size)


def human(size: int) -> str:
    """Return a size in the largest unit that is not larger."""
    number, unit = float(size), "B"
    for larger in _UNITS:
        if number < _STEP:
            break
        number, unit = number / _STEP, larger
    return f"{size} B" if unit == "B" else f"{number:.1f} {unit}"


def is_terminal() -> bool:
    """Tell whether a person reads what is printed."""
    return sys.stdout.isatty()


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]], empty: str = "") -> None:
    """Print aligned columns, or one line that says that there is nothing.

    On a terminal they are folded to its width, so that every cell can be read whole, and a state has its colour; where
    it is too narrow for that, each row is a paragraph, whose first cell stands on a line of its own. In a pipe a row is
    one line.
    """
    rows = list(rows)
    if not rows:
        if empty:
            print(printable(empty))
        return
    console = _console()
    if _least_width(header, rows) > console.width:
        _print_paragraphs(console, header, rows)
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in header:
        table.add_column(name, overflow="fold", no_wrap=name in _NEVER_FOLDED)
    for row in rows:
        cells = zip(header, map(printable, row), strict=True)
        table.add_row(*(Text(cell, colour_of(cell) if name in _STATES else "") for name, cell in cells))
    console.print(table)


def _least_width(header: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Return how wide a terminal has to be for columns that can still be read."""
    widths = _GAP * (len(header) - 1)
    for name, *cells in zip(header, *rows, strict=True):
        longest = max(len(printable(cell)) for cell in (name, *cells))
        widths += longest if name in _NEVER_FOLDED else min(longest, _LEAST)
    return widths


def _print_paragraphs(console: "Console", header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print each row as a few lines, none of them cut: what is copied is whole."""
    from rich.text import Text

    for first, *others in rows:
        console.print(Text(printable(first), "bold"), soft_wrap=True)
        for name, cell in zip(header[1:], others, strict=True):
            if cell:
                shown = Text(printable(cell), colour_of(cell) if name in _STATES else "")
                console.print(Text(f"  {name.lower()} ").append_text(shown), soft_wrap=True)


def print_state(before: str, state: str, after: str = "") -> None:
    """Print a line with a state in it, which has its colour on a terminal."""
    from rich.text import Text

    line = Text.assemble(printable(before), (printable(state), colour_of(state)), printable(after))
    _console().print(line, soft_wrap=True)


def colour_of(state: str) -> str:
    """Return the colour of what a state begins with, "" where it is nothing special."""
    word = _WORD.match(state.strip().lower())
    return _COLOURS.get(word[0], "") if word is not None else ""


def _console() -> "Console":
    # It leaves out colours where NO_COLOR is set, or no terminal reads them.
    from rich.console import Console

    width = None if is_terminal() else 10_000
    return Console(markup=False, highlight=False, emoji=False, width=width)


def until_in_words(stamp: str | None) -> str:
    """Return until when something counts, as every line for people says it; nothing where no end is known."""
    return "" if not stamp else f"until {moment_in_words(datetime.fromisoformat(stamp))}"
