"""`python -m benchmarks`: measure, print a markdown table, say what is below its floor.

python -m benchmarks                 every row, some four minutes
python -m benchmarks --quick         a smoke: small files, short turns, the numbers mean nothing
python -m benchmarks --network       with the rows that need the real index
python -m benchmarks --only herd     rows by name; --json FILE keeps the numbers
python -m benchmarks --conda         the conda rows instead; --records 50000,550000 says at which sizes
"""

import argparse
import datetime
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.machine import IS_SHARED, output
from benchmarks.rows import cold, conda, crowd, keys, resolve, start, steady
from benchmarks.servers import Bench, bench
from benchmarks.site import SCALES
from benchmarks.table import Row, as_json, markdown

ROWS: dict[str, Callable[[Bench], list[Row]]] = {
    "small-file": steady.small_file,
    "closed-file": keys.closed_file,
    "small-page": steady.small_page,
    "large-page": steady.large_page,
    "large-file": steady.large_file,
    "cold": cold.alone,
    "herd": cold.herd,
    "swarm": cold.swarm,
    "crowd": crowd.crowd,
    "arriving": crowd.arriving,
    "start": start.start,
}


def main() -> int:
    arguments = _arguments()
    missing = [tool for tool in ("nginx", "wrk", "taskset") if not _has(tool)]
    if missing:
        print(f"missing: {', '.join(missing)} (apt-get install nginx-light wrk util-linux)", file=sys.stderr)
        return 2
    scale = "quick" if arguments.quick else "full"
    if arguments.conda:
        rows = _measured_conda(scale, arguments.records or ([2_000] if arguments.quick else [50_000]))
    else:
        rows = _measured(scale, arguments.only or [*ROWS, *(["resolve"] if arguments.network else [])])
    print(markdown(rows))
    if arguments.json is not None:
        arguments.json.write_text(as_json(rows, _facts(scale)))
    below = [row.name for row in rows if row.verdict == "BELOW"]
    if below and not arguments.quick:
        print(f"\nbelow the floor: {'; '.join(below)}", file=sys.stderr)
        return 1
    return 0


def _measured(scale: str, chosen: list[str]) -> list[Row]:
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="feedgate-bench-") as name:
        folder = Path(name)
        if any(key in ROWS for key in chosen):
            with bench(folder, scale) as running:
                for key in [key for key in ROWS if key in chosen]:
                    print(f"measuring {key} …", file=sys.stderr)
                    rows += ROWS[key](running)
        if "resolve" in chosen:
            print("measuring resolve …", file=sys.stderr)
            rows += resolve.resolve(folder / "resolve", SCALES[scale].rounds)
    return rows


def _measured_conda(scale: str, sizes: list[int]) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="feedgate-bench-") as name:
        return [row for records in sizes for row in conda.conda(Path(name), records, SCALES[scale])]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a smoke for CI")
    parser.add_argument("--network", action="store_true", help="also the rows that need the real index")
    parser.add_argument(
        "--only", action="append", choices=[*ROWS, "resolve"], help="only this row; repeatable"
    )
    parser.add_argument("--conda", action="store_true", help="the rows of conda feeds instead")
    parser.add_argument(
        "--records", type=_sizes, metavar="N[,N…]", help="sizes of the conda channels (50000)"
    )
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    return parser.parse_args()


def _sizes(text: str) -> list[int]:
    return [int(size) for size in text.split(",")]


def _has(tool: str) -> bool:
    return shutil.which(tool) is not None or Path("/usr/sbin", tool).exists()


def _facts(scale: str) -> dict[str, object]:
    """Return what a reader of the numbers must know."""
    return {
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "scale": scale,
        "python": platform.python_version(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "one_core_for_all": IS_SHARED,
        "wrk": output(["sh", "-c", "wrk -v 2>&1 | head -1 || true"]).strip(),
    }


if __name__ == "__main__":
    sys.exit(main())
