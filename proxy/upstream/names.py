"""Names: host to addresses.

Looking names up blocks a thread for as long as the resolver likes, so each upstream has threads of its own
for it: a slow answer for one upstream delays neither another upstream nor the file work of the process
(A17). What the answers may be is not decided here but where the connection is made (guard.py).
"""

import asyncio
import errno
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol

_THREADS = 4


class Names(Protocol):
    """A resolver."""

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """Return the host's addresses as text, best first; raise OSError when there are none."""
        ...


class SystemNames:
    """The system's resolver, on threads of its own that start when they are needed."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="names")

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._executor, ask)
        except UnicodeError:
            raise OSError(errno.ENOENT, "no name that can be looked up") from None
        # The fifth field is (address, port, …); a scope id after '%' means a link-local address.
        return list(dict.fromkeys(str(info[4][0]).partition("%")[0] for info in found))

    def close(self) -> None:
        """Forget what waits; a lookup under way ends by itself."""
        self._executor.shutdown(wait=False, cancel_futures=True)
