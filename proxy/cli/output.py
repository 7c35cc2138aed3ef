"""What the commands say: results on standard output, errors and notes on standard error, one line each.

With `--json` the result is one JSON document on standard output, errors included, and standard error stays
empty.
"""

import contextlib
import json
import sys
from collections.abc import Iterable, Sequence

from proxy.config.faults import ConfigError, printable
from proxy.config.settings import MIB

FAILED = 1
USAGE = 2


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
    """Return a size for people: whole bytes while small, MiB with one digit otherwise."""
    return f"{size} B" if size < MIB else f"{size / MIB:.1f} MiB"


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print aligned columns; on a terminal they are folded to its width, in a pipe never."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*header, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*row)
    width = None if sys.stdout.isatty() else 10_000
    Console(markup=False, highlight=False, emoji=False, width=width).print(table)
