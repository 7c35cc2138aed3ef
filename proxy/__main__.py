"""`python -m proxy`, the same as `feedgate`.

`serve` in its usual spelling starts without the command-line library, because the server should listen within
0.3 s; everything else (and every odd or wrong spelling of `serve`) goes through the full program.
"""

import sys


def main() -> int:
    """Run the command of sys.argv and return its exit status: 0 done, 1 failed, 2 usage or configuration."""
    from proxy.cli.quick import parse, serve

    call = parse(sys.argv[1:])
    if call is not None:
        return serve(call)
    from proxy.cli.program import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
