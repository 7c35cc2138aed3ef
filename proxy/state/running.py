"""What a running server tells the commands on its machine: where it is, and what came of the last reload.

`state/server.json` is `{"pid", "url", "config", "started"}`, `state/reload.json` `{"at", "ok", "messages"}`. Both
are replaced whole. They prove nothing (they outlive a kill); the lock does. A server goes on without them where the
disk takes no writes.
"""

import contextlib
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import orjson


def write_running(folder: Path, url: str, config: Path | None, started: datetime) -> None:
    """Write where the server is. Blocks for a moment; raises OSError, and what an earlier server wrote is gone then."""
    fields = {
        "pid": os.getpid(),
        "url": url,
        "config": str(config) if config is not None else None,
        "started": started.isoformat(),
    }
    _replace(folder / "server.json", orjson.dumps(fields))


def write_reloaded(folder: Path, at: datetime, is_ok: bool, messages: Sequence[str]) -> None:
    """Write what came of a reload. Blocks for a moment; raises OSError."""
    fields = {"at": at.isoformat(), "ok": is_ok, "messages": list(messages)}
    _replace(folder / "reload.json", orjson.dumps(fields))


def _replace(path: Path, data: bytes) -> None:
    temp = path.with_name(f".{path.name}.new")
    try:
        temp.write_bytes(data + b"\n")
        temp.replace(path)
    except OSError:
        for left in (temp, path):
            with contextlib.suppress(OSError):
                left.unlink(missing_ok=True)
        raise
