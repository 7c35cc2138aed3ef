"""A target: the one canonical form of a URL that is about to be asked for.

Everything that decides something about a URL (scheme, guard, proxy, credentials, redirects) looks at this
value, and this value is what is sent, so that no two readings of one URL can differ. Userinfo and fragment
never get in: credentials come from the settings only. The path's own escapes are kept as they are (a signed
URL must arrive as it was signed; `%2B` and `+` are two objects in a bucket).
"""

import ipaddress
import re
import string
from dataclasses import dataclass, replace
from urllib.parse import quote, urljoin, urlsplit

from yarl import URL

from proxy.upstream.errors import AddressRefused

DEFAULT_PORTS = {"http": 80, "https": 443}

_SAFE = "".join(c for c in string.printable if "!" <= c <= "~" and c not in '"<>\\^`{|}')
_CONTROL = re.compile(r"[\x00-\x20\x7f\\]")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,62})"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\Z")
_LONGEST = 64 * 1024


@dataclass(frozen=True, slots=True)
class Target:
    """Scheme, host (lower-case, IDNA, no brackets), port, and path with query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if DEFAULT_PORTS[self.scheme] == self.port else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme, host and port: what errors may name, and what credentials are bound to."""
        return f"{self.scheme}://{self.authority}"

    @property
    def url(self) -> str:
        return self.origin + self.path

    def at(self, path: str) -> "Target":
        return replace(self, path=path)


def parse_target(url: str) -> Target:
    """Return the target of an absolute URL; raise AddressRefused for what is none of http and https."""
    if len(url) > _LONGEST or _CONTROL.search(url):
        raise AddressRefused(
            "guard", "a URL that is too long or holds control characters, spaces or backslashes"
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise AddressRefused("guard", "text that is no URL") from None
    scheme = parts.scheme.lower()
    if scheme not in DEFAULT_PORTS:
        raise AddressRefused("guard", f"only http and https are asked for, not '{_named(scheme)}'")
    path = _quoted(parts.path or "/") + (f"?{_quoted(parts.query)}" if parts.query else "")
    if port == 0:
        raise AddressRefused("guard", "port 0")
    return Target(scheme, _host(host), DEFAULT_PORTS[scheme] if port is None else port, path)


def folder(url: str) -> str:
    """Return the URL with a slash at the end of its path, which is what relative URLs count from."""
    head = url.partition("#")[0].partition("?")[0]
    return head if head.endswith("/") else f"{head}/"


def join(base: str, reference: str) -> str:
    """Return the reference resolved against a base (RFC 3986, section 5)."""
    try:
        return urljoin(base, reference)
    except ValueError:
        raise AddressRefused("guard", "a reference that is no URL") from None


def _host(host: str) -> str:
    """Return the host as it is looked up: an IPv6 address, or an ASCII name or IPv4 address."""
    if ":" in host:
        try:
            return str(ipaddress.IPv6Address(host.replace("%", "?")))
        except ValueError:
            raise AddressRefused("guard", "a host that is no IPv6 address (zones are not allowed)") from None
    try:
        ascii_host = host if host.isascii() else (URL.build(scheme="http", host=host).raw_host or "")
    except ValueError:
        ascii_host = ""
    ascii_host = ascii_host.lower().removesuffix(".")
    if not _HOST.match(ascii_host) or len(ascii_host) > 253:
        raise AddressRefused("guard", "a URL without a valid host name")
    return ascii_host


def _quoted(text: str) -> str:
    try:
        return quote(text, safe=_SAFE, errors="surrogateescape")
    except UnicodeEncodeError:
        raise AddressRefused("guard", "a URL with half a character in it") from None


def _named(scheme: str) -> str:
    return scheme[:20] if scheme.isascii() and scheme.replace("+", "").isalnum() else "?"
