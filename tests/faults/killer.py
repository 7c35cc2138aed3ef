"""Runs the program and kills it at the N-th of some calls: `python -m tests.faults.killer CALL N COUNTS serve ...`.

strace counts the calls of each thread by itself, and the file work goes to whichever thread of a pool is free, so
the calls that Python makes are counted here, all threads together. With N = 0 nothing is killed, and the file
COUNTS tells how many there were. A killed write has written half of its bytes.
"""

import atexit
import json
import os
import runpy
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

CALLS = ("open", "pwrite", "fsync", "rename", "replace", "unlink", "mkdir")


class Killer:
    """Counts; at the chosen call the process is gone."""

    def __init__(self, call: str, when: int) -> None:
        self._call = call
        self._when = when
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()

    def around(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **options: Any) -> Any:
            with self._lock:
                self.counts[name] += 1
                if name == self._call and self.counts[name] == self._when:
                    if name == "pwrite":
                        real(args[0], bytes(args[1])[: len(args[1]) // 2], args[2])
                    os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **options)

        return counted

    def tell(self, path: Path) -> None:
        path.write_text(json.dumps(self.counts))


def main() -> None:
    call, when, counts, *rest = sys.argv[1:]
    killer = Killer(call, int(when))
    for name in CALLS:
        setattr(os, name, killer.around(name, getattr(os, name)))
    atexit.register(killer.tell, Path(counts))
    sys.argv = ["proxy", *rest]
    runpy.run_module("proxy", run_name="__main__")


if __name__ == "__main__":
    main()
