"""What a running server tells the commands on its machine: where it is, and what came of the last reload.

`state/server.json` is `{"pid", "url", "config", "started"}`, `state/reload.json` `{"at", "ok", "messages"}`. Both
are replaced whole. They prove nothing (they outlive a kill); the lock does.
"""

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import orjson


def write_running(folder: Path, url: str, config: Path | None, started: datetime) -> None:
    """Tell where the server is; blocks for a moment."""
    fields = {
        "pid": os.getpid(),
        "url": url,
        "config": str(config) if config is not None else None,
        "started": started.isoformat(),
    }
    _replace(folder / "server.json", orjson.dumps(fields))


def write_reloaded(folder: Path, at: datetime, is_ok: bool, messages: Sequence[str]) -> None:
    """Tell what came of a reload; blocks for a moment."""
    fields = {"at": at.isoformat(), "ok": is_ok, "messages": list(messages)}
    _replace(folder / "reload.json", orjson.dumps(fields))


def _replace(path: Path, data: bytes) -> None:
    temp = path.with_name(f".{path.name}.new")
    temp.write_bytes(data + b"\n")
    temp.replace(path)
