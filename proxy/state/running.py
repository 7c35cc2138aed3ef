"""What a running server tells the commands on its machine: where it is, and what came of the last reload.

`state/server.json` is `{"pid", "url", "certificate", "config", "started"}`, `state/reload.json` `{"at", "ok",
"messages"}`. Both are replaced whole. They prove nothing (they outlive a kill); the lock does. A server goes on without
them where the disk takes no writes.

Commands send the admin's key to `url`, so it is the address that is listened on and never `public_url`: that name may
belong to another machine, and lead there without TLS.
"""

import contextlib
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import orjson


def write_running(
    folder: Path, url: str, config: Path | None, started: datetime, certificate: str | None = None
) -> None:
    """Write where the server listens, and the certificate (PEM) that it shows there.

    Blocks for a moment; raises OSError, and what an earlier server wrote is gone then.
    """
    fields = {
        "pid": os.getpid(),
        "url": url,
        "certificate": certificate,
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
