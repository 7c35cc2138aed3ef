"""TLS of one upstream: the system's certificate authorities plus its own, and its client certificate.

Each upstream has contexts of its own, so that a CA that one upstream trusts vouches for no other (A16). Two
of them: a client certificate is a credential, so requests to other origins go without it. Reading
certificates blocks, so contexts are made in a thread, once, when the first https request needs one.
"""

import asyncio
import ssl
from pathlib import Path

from proxy.config.settings import Upstream
from proxy.upstream.errors import TlsFailed

_SUFFIXES = frozenset({".pem", ".crt", ".cer", ".der"})


class Tls:
    """The contexts of one upstream."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._made: dict[bool, ssl.SSLContext] = {}
        self._lock = asyncio.Lock()

    async def context(self, *, is_own: bool) -> ssl.SSLContext:
        """Return the context for the upstream's own origin, or for others; raise TlsFailed for bad files."""
        with_certificate = is_own and self._upstream.client_cert is not None
        async with self._lock:
            if with_certificate not in self._made:
                self._made[with_certificate] = await asyncio.to_thread(
                    make_context, self._upstream, with_certificate=with_certificate
                )
        return self._made[with_certificate]


def make_context(upstream: Upstream, *, with_certificate: bool) -> ssl.SSLContext:
    """Return a client context; blocks on the certificate files."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
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
        files = (
            sorted(f for f in path.iterdir() if f.suffix.lower() in _SUFFIXES) if path.is_dir() else [path]
        )
        for file in files:
            data = file.read_bytes()
            context.load_verify_locations(
                cadata=data.decode("ascii", "replace") if b"-----BEGIN" in data else data
            )
    except (OSError, ValueError):
        files = []
    if not files:
        raise TlsFailed("tls", f"the CA file or folder '{path.name}' is missing, empty or unreadable")
