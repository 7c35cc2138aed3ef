"""`python -m proxy`, the same as `feedgate`.

`serve` in its usual spelling starts without the command-line library, because the server should listen within
0.3 s; everything else (and every odd or wrong spelling of `serve`) goes through the full program.
"""

import errno
import os
import sys
from pathlib import Path


def main() -> int:
    """Run the command of sys.argv and return its exit status: 0 done, 1 failed, 2 usage or configuration."""
    # A stream that the caller has closed is None, which nothing that prints expects.
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115
    try:
        return _flushed(_run())
    except KeyboardInterrupt:
        return 130


def _flushed(status: int) -> int:
    """Write what waits for the output, which the interpreter would do with no word of ours, and a status of its own."""
    try:
        sys.stdout.flush()
    except OSError as err:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if status == 0 and err.errno != errno.EPIPE:
            print(f"feedgate: the output cannot be written: {err.strerror}", file=sys.stderr)
        return status or 1
    return status


def _run() -> int:
    from proxy.cli.quick import parse, serve

    call = parse(sys.argv[1:])
    if call is not None:
        return serve(call)
    from proxy.cli.program import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
