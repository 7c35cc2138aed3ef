"""The child's side: limit the memory, read the arguments from stdin, run the job, write its answer to stdout."""

import errno
import gc
import importlib
import os
import resource
import sys
from typing import NoReturn

import orjson

#: What a disk says that takes no more.
_REFUSALS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM}
)


def main() -> int:
    job, memory_bytes = sys.argv[1], int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    module_name, _, function_name = job.partition(":")
    if not module_name.startswith("proxy."):
        print("only jobs of this package run here", file=sys.stderr)
        return 2
    function = getattr(importlib.import_module(module_name), function_name)
    # Half a million records take a second to walk through again and again; what a job leaves goes with its process.
    gc.disable()
    try:
        answer = function(**orjson.loads(sys.stdin.buffer.read()))
    except MemoryError:
        print("the job ran out of its memory limit", file=sys.stderr)
        return 3
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise
        print(f"the disk refuses to be written: {error}", file=sys.stderr)
        return 4
    sys.stdout.buffer.write(orjson.dumps(answer))
    return 0


def leave(code: int) -> NoReturn:
    """End at once: threads of libraries still run (py-rattler's), and Python's own tidying up has crashed on them."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    leave(main())
