"""Check everything: style, types, tests. `python -m tests [pytest arguments]`."""

import subprocess
import sys

CHECKS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
)


def main() -> int:
    for check in CHECKS:
        print("+", *check, flush=True)
        if (status := subprocess.call([sys.executable, "-m", *check])) != 0:
            return status
    return subprocess.call([sys.executable, "-m", "pytest", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
