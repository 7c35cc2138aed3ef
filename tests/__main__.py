"""Check everything: style, types, tests. `python -m tests [pytest arguments]`.

Without arguments the tests run in two turns: what watches the loop, the disk or the machine alone, the rest by two at
a time, each file in one process. With arguments pytest gets them, and nothing else.
"""

import subprocess
import sys

CHECKS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
)
#: Folders whose cases would disturb others, or be disturbed.
ALONE = ("tests/app", "tests/benchmarks", "tests/deploy", "tests/faults", "tests/upstream", "tests/web")
TURNS = (
    ("-n", "2", "--dist", "loadfile", *(f"--ignore={folder}" for folder in ALONE)),
    ALONE,
)


def main() -> int:
    for check in CHECKS:
        if (status := _run(*check)) != 0:
            return status
    turns = (tuple(sys.argv[1:]),) if sys.argv[1:] else TURNS
    return max([_run("pytest", *turn) for turn in turns])


def _run(*command: str) -> int:
    print("+", *command, flush=True)
    return subprocess.call([sys.executable, "-m", *command])


if __name__ == "__main__":
    sys.exit(main())
