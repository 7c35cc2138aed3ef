"""How long a start takes until `/readyz` says yes, and how much memory an idle server holds."""

import http.client
import statistics
import time

from benchmarks.machine import free_port, rss_bytes, running
from benchmarks.servers import Bench, serve_command, write_config
from benchmarks.table import Row

_SETTLE_S = 2.0


def start(bench: Bench) -> list[Row]:
    """Start anew several times on the same folder; the first start, which makes the state, is told apart."""
    folder = bench.folder / "start"
    folder.mkdir()
    times, rss = [], []
    for _ in range(1 + bench.scale.starts):
        port = free_port()
        config = write_config(folder, port, bench.origin)
        began = time.monotonic()
        with running(serve_command(config), folder / "log") as process:
            while not _is_ready(port):
                if process.poll() is not None:
                    raise RuntimeError((folder / "log").read_text(errors="replace")[-2000:])
                time.sleep(0.005)  # nothing but asking tells when another process is ready
            times.append(time.monotonic() - began)
            time.sleep(_SETTLE_S)  # what is loaded after readiness counts too
            rss.append(rss_bytes(process.pid))
    return [
        Row(
            name="start to ready",
            ours=f"{statistics.median(times[1:]) * 1000:.0f} ms",
            value=statistics.median(times[1:]),
            unit="s",
            floor=0.6,
            aim=0.3,
            better="lower",
            note=f"the very first, which makes the state: {times[0] * 1000:.0f} ms",
        ),
        Row(
            name="idle memory",
            ours=f"{statistics.median(rss) / 1e6:.0f} MB",
            value=statistics.median(rss) / 1e6,
            unit="MB",
            floor=90,
            aim=60,
            better="lower",
        ),
    ]


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
