"""`uv pip compile` of jupyterlab through the server from the real index, without a client cache (network).

The index is the one that a feed without upstreams follows: pip's own, else its default.
Direct runs stand before and after, so that the network's mood is in both.
"""

import os
import statistics
import sys
import time
from pathlib import Path

from benchmarks.machine import LOAD_CORE, PYTHON, ROOT, free_port, output, pinned, running, wait_for_port
from benchmarks.servers import serve_command
from benchmarks.table import Row
from proxy.config.pip import follow

_CONFIG = '[server]\nport = {port}\ndata_dir = "{folder}/data"\n\n[feeds.real]\nkind = "pypi"\n'
_REQUIREMENT = "jupyterlab"


def resolve(folder: Path, rounds: int) -> list[Row]:
    """Compile directly, cold through the server, then warm."""
    folder.mkdir()
    port = free_port()
    (folder / "config.toml").write_text(_CONFIG.format(folder=folder, port=port))
    (folder / "in.txt").write_text(f"{_REQUIREMENT}\n")
    feed = f"http://127.0.0.1:{port}/pypi/real/simple/"
    log = folder / "log"
    with running(serve_command(folder / "config.toml"), log) as process:
        wait_for_port(port, process, log)
        direct = [_compile(folder, None)]
        cold = _compile(folder, feed)
        warm = []
        for _ in range(rounds):
            warm.append(_compile(folder, feed))
            direct.append(_compile(folder, None))
    direct_s, warm_s = statistics.median(direct), statistics.median(warm)
    return [
        _row("uv compiles jupyterlab, warm", warm_s, direct_s, 0.8, 0.45),
        _row("uv compiles jupyterlab, cold", cold, direct_s, None, None),
    ]


def _row(name: str, ours_s: float, direct_s: float, floor: float | None, aim: float | None) -> Row:
    return Row(
        name=name,
        ours=f"{ours_s:.2f} s",
        peer=f"{direct_s:.2f} s direct",
        value=ours_s / direct_s,
        floor=floor,
        aim=aim,
        better="lower",
    )


def _compile(folder: Path, feed: str | None) -> float:
    """Return how long it took, directly if `feed` is None; raise RuntimeError if it failed."""
    followed = follow(os.environ, ROOT)
    index = feed or followed.url.reveal()
    env = dict(os.environ)
    if feed is None and followed.ca_file is not None:
        env["SSL_CERT_FILE"] = str(followed.ca_file)
    uv = str(Path(sys.executable).with_name("uv"))
    command = [uv, "pip", "compile", "--no-cache", "--no-config", "--quiet", "--python", PYTHON]
    began = time.monotonic()
    output(pinned(LOAD_CORE, [*command, "--default-index", index, str(folder / "in.txt")]), env=env)
    return time.monotonic() - began
