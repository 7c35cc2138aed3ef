"""Running out of descriptors: how many there may be, and what is told of having none left (B05).

Out of descriptors, asyncio's accept complains once for every place of the backlog, with a traceback, every
second: a thousand tracebacks a second at the very moment at which nothing is left to write them with.
"""

import asyncio
import errno
import logging
import os
import resource
from typing import Any

from proxy.model.clock import Clock

_LOG = logging.getLogger("feedgate")
_SCARCE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_AGAIN_S = 10.0
#: A client and the file it is sent take two; the usual soft limit of 1,024 is for programs that use select().
_WANTED = 65_536


def raise_limit() -> None:
    """Let the process open as many descriptors as the system allows it without asking, within reason."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _WANTED if hard == resource.RLIM_INFINITY else min(hard, _WANTED)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


class Complaints:
    """The loop's exception handler: of connections that cannot be accepted it tells once in a while."""

    def __init__(self, clock: Clock) -> None:
        self._monotonic = clock.monotonic
        self._told_at = float("-inf")

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in _SCARCE or "accept" not in context["message"]:
            loop.default_exception_handler(context)
        elif self._monotonic() - self._told_at >= _AGAIN_S:
            self._told_at = self._monotonic()
            _LOG.error("no connection can be accepted for now: %s", os.strerror(error.errno))
