"""Package lists that people keep as plain files: `only = { file = "approved.txt" }`, in config.toml alone.

One spec a line; what follows a `#` at a line's start or behind a blank is a comment, and empty lines are passed over.
The running server reads a list again when it changes (`management.watch_lists`).
"""

import os
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from proxy.config.faults import RefusedError, describe
from proxy.config.layers import Given
from proxy.model.stamp import Stamp

_LARGEST = 4 * 1024**2
_COMMENT = re.compile(r"(?:^|\s)#.*")


@dataclass(frozen=True, slots=True)
class SpecList:
    """A list as it was read: the specs, and the number of the line that each stands on."""

    path: Path
    stamp: Stamp
    specs: tuple[str, ...]
    lines: tuple[int, ...]


def read_spec_list(given: Given) -> SpecList:
    """Return the list that a `{ file = "…" }` names. Blocks; raises RefusedError."""
    if not given.in_file:
        raise RefusedError.because("must be a list: only config.toml may name a file")
    name = given.value.get("file") if isinstance(given.value, dict) and len(given.value) == 1 else None
    if not isinstance(name, str) or not name or "\0" in name:
        raise RefusedError.because(
            f'must be a list of specs or {{ file = "…" }}, not {describe(given.value)}'
        )
    path = Path(given.base, name)
    try:
        # One that is no plain file (a pipe, a device) may never come to an end, or never begin.
        with open(path, "rb", opener=_open_at_once) as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise RefusedError.because(f"{name} is not a plain file")
            stamp = _stamp(status)
            data = stream.read(_LARGEST + 1)
        text = data.decode("utf-8-sig")
    except OSError as err:
        raise RefusedError.because(f"{name} cannot be read: {err.strerror}") from err
    except UnicodeDecodeError as err:
        line = data.count(b"\n", 0, err.start) + 1
        raise RefusedError.because(f"{name} is not UTF-8 (line {line})") from err
    if len(data) > _LARGEST:
        raise RefusedError.because(f"{name} is larger than 4 MiB and no list of packages")
    numbered = [(number, _COMMENT.sub("", line).strip()) for number, line in enumerate(text.splitlines(), 1)]
    found = {spec: number for number, spec in reversed(numbered) if spec}
    in_order = sorted(found.items(), key=lambda item: item[1])
    if not in_order:
        raise RefusedError.because(f"{name} names no package: leave `only` out, and it restricts nothing")
    return SpecList(path, stamp, tuple(spec for spec, _ in in_order), tuple(number for _, number in in_order))


def stamps_of(paths: Iterable[Path]) -> Mapping[Path, Stamp]:
    """Return what tells each file from another of its name. Blocks."""
    stamps: dict[Path, Stamp] = {}
    for path in paths:
        try:
            stamps[path] = _stamp(path.stat())
        except OSError:
            stamps[path] = None
    return stamps


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_mtime_ns, status.st_size, status.st_ino
