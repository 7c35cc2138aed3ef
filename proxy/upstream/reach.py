"""Reach: on which hosts one upstream may be asked at private addresses (design, law 2; E03). Pure.

`allow_private` says that the upstream itself is private, not that whatever its pages link to may be asked: an
index page, a `<base>`, a redirect or a JSON document could otherwise point at any service of the internal
network. It covers the hosts that the settings name: of `urls`, `files_base`, `json_api` and `redirect_hosts`. Ports
do not matter.
"""

from fnmatch import fnmatchcase

from proxy.config.settings import Upstream
from proxy.upstream.errors import AddressRefused
from proxy.upstream.target import parse_target


class Reach:
    """The private hosts of one upstream."""

    def __init__(self, upstream: Upstream) -> None:
        self._is_open = upstream.allow_private
        named = (*(url.reveal() for url in upstream.urls), upstream.files_base, upstream.json_api)
        self._hosts = frozenset(host for url in named if url and (host := _host(url)) is not None)
        self._patterns = tuple(pattern.lower() for pattern in upstream.redirect_hosts)

    def is_private_allowed(self, host: str) -> bool:
        """Tell whether the host (as a Target has it) may be at a private or loopback address."""
        if not self._is_open:
            return False
        return host in self._hosts or any(fnmatchcase(host, pattern) for pattern in self._patterns)


def _host(url: str) -> str | None:
    try:
        return parse_target(url).host
    except AddressRefused:
        return None
