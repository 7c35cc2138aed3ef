"""TLS of one upstream: the system's certificate authorities plus its route's, and its client certificate.

Each upstream has contexts of its own, so that a CA that one upstream trusts vouches for no other (A16). Two
of them: a client certificate is a credential of the upstream, so other origins and https outbound proxies are
met without it. A CA that is named is trusted whether it is a root or an intermediate one, and authorities that
lack an extension which newer checks demand (most that companies make for their proxies) still count.

Reading certificates blocks, so contexts are made in a thread when the first https request needs one, and made
anew when one of the files has changed: at most CHECK_S later. Files that became unusable change nothing but the log.
"""

import asyncio
import logging
import ssl
from collections.abc import Iterator
from pathlib import Path

from proxy.config.certificates import authority_files
from proxy.config.settings import Upstream
from proxy.model.clock import Clock
from proxy.upstream.errors import TlsFailed

CHECK_S = 5.0

_LOG = logging.getLogger("feedgate.upstream")

#: Path, inode, size and time of change of each file; None for one that is not there.
Stamp = tuple[tuple[str, tuple[int, int, int] | None], ...]


class Tls:
    """The contexts of one upstream."""

    def __init__(self, upstream: Upstream, clock: Clock) -> None:
        self._upstream = upstream
        self._clock = clock
        self._made: dict[bool, ssl.SSLContext] = {}
        self._stamp: Stamp = ()
        self._fresh_until = 0.0
        self._lock = asyncio.Lock()

    async def context(self, *, is_own: bool) -> ssl.SSLContext:
        """Return the context for the upstream's own origin, or for others; raise TlsFailed for bad files."""
        async with self._lock:
            if not self._made or self._clock.monotonic() >= self._fresh_until:
                await self._refresh()
        return self._made[is_own and self._upstream.client_cert is not None]

    async def _refresh(self) -> None:
        # Before the files are read: a change while they are is seen the next time.
        stamp = await asyncio.to_thread(stamp_of, self._upstream)
        if not self._made or stamp != self._stamp:
            made = await self._making()
            if made is not None:
                self._made = made
        self._stamp = stamp
        self._fresh_until = self._clock.monotonic() + CHECK_S

    async def _making(self) -> dict[bool, ssl.SSLContext] | None:
        """Return new contexts; None where the changed files are unusable and there are older contexts."""
        try:
            return await asyncio.to_thread(_contexts, self._upstream)
        except TlsFailed as error:
            if not self._made:
                raise
            _LOG.error("route %s: %s; what was read before goes on", self._upstream.route.name, error.detail)
            return None


def stamp_of(upstream: Upstream) -> Stamp:
    """Return what changes when a certificate file does; blocks shortly."""
    files = [
        *upstream.route.ca_files,
        *(authority for path in upstream.route.ca_files for authority in _inside(path)),
    ]
    files += [path for path in (upstream.client_cert, upstream.client_key) if path is not None]
    return tuple((str(path), _facts(path)) for path in files)


def _inside(path: Path) -> Iterator[Path]:
    try:
        yield from authority_files(path) if path.is_dir() else ()
    except OSError:
        return


def _facts(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _contexts(upstream: Upstream) -> dict[bool, ssl.SSLContext]:
    wanted = (False, True) if upstream.client_cert is not None else (False,)
    return {which: make_context(upstream, with_certificate=which) for which in wanted}


def make_context(upstream: Upstream, *, with_certificate: bool) -> ssl.SSLContext:
    """Return a client context; blocks on the certificate files."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # The same on every Python: 3.13 began to set both of them.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.set_alpn_protocols(["http/1.1"])
    for path in upstream.route.ca_files:
        _trust(context, path)
    if not upstream.route.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if with_certificate and upstream.client_cert is not None:
        _load(context, upstream.client_cert, upstream.client_key)
    return context


def _load(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    try:
        # An encrypted key would ask for its password on the terminal; this answer makes it an error instead.
        context.load_cert_chain(certificate, key, password="")
    except (OSError, ValueError):
        failed = True
    else:
        failed = False
    if failed:
        raise TlsFailed("tls", f"the client certificate '{certificate.name}' or its key cannot be used")


def _trust(context: ssl.SSLContext, path: Path) -> None:
    """Add the certificates of a file, a bundle or a folder."""
    try:
        files = authority_files(path)
        for file in files:
            data = file.read_bytes()
            context.load_verify_locations(
                cadata=data.decode("ascii", "replace") if b"-----BEGIN" in data else data
            )
    except (OSError, ValueError):
        files = []
    if not files:
        raise TlsFailed("tls", f"the CA file or folder '{path.name}' is missing, empty or unreadable")
