"""What this machine refuses, told to clients: a full or unwritable disk, no descriptors, no processes (case B03).

Hits go on as long as what they need can be read; changes are refused until there is room (contract, section 3).
"""

import errno
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from proxy.artifacts.files import LASTING, DiskError
from proxy.conda.pack import BadPack
from proxy.model.problem import Problem

_LOG = logging.getLogger("feedgate.conda")
_NO_SPACE = LASTING | {errno.EFBIG}
_AGAIN_S = 30


@contextmanager
def told(feed: str) -> Iterator[None]:
    """Turn what the disk says into a Problem, for the length of the block."""
    try:
        yield
    except OSError as error:
        raise _problem(feed, error, error.errno) from error
    except DiskError as error:
        raise _problem(feed, error, error.code) from error
    except BadPack as damage:
        _LOG.warning("what is held of %s is damaged: %s", feed, damage)
        raise Problem(
            "busy", "what is held is damaged and is made anew", feed=feed, retry_after_s=2
        ) from damage


def _problem(feed: str, error: Exception, code: int | None) -> Problem:
    _LOG.error("the disk or the system refuses to serve %s: %s", feed, error)
    if code in _NO_SPACE:
        detail = f"the server's disk cannot be written: {os.strerror(code or 0)}"
        return Problem("disk-full", detail, feed=feed, retry_after_s=_AGAIN_S)
    return Problem("busy", "the server's disk or system refuses", feed=feed, retry_after_s=_AGAIN_S)
