"""The outbound door: makes the remotes, one per configured upstream, and ends them (design, law 2).

A remote is a `Way`: over http, or for a `file://` channel to a folder of this machine.

The process's environment is passed in, and only read for the outbound proxy's words (route.py) and the
netrc file's place. Every request says who asks: `User-Agent`, with the upstream's `contact`, and a `Via`
token of this server, by which the inbound door knows a request that came back (508).
"""

import re
import secrets
from collections.abc import Mapping
from types import MappingProxyType

from proxy import __version__
from proxy.config.settings import Upstream
from proxy.model.clock import Clock
from proxy.upstream.file_remote import FileRemote
from proxy.upstream.folder import folder_of
from proxy.upstream.health import RemoteHealth
from proxy.upstream.names import Names, SystemNames
from proxy.upstream.remote import Remote
from proxy.upstream.way import Way

_UNPRINTABLE = re.compile(r"[^\x20-\x7e]|[()\\]")


class Door:
    """Every way out of this process. `resolver` replaces the system's for all remotes."""

    def __init__(
        self,
        clock: Clock,
        *,
        resolver: Names | None = None,
        environ: Mapping[str, str] = MappingProxyType({}),
        user_agent: str = f"feedgate/{__version__}",
        instance: str | None = None,
    ) -> None:
        self._clock = clock
        self._resolver = resolver
        self._environ = dict(environ)
        self._user_agent = user_agent
        self.instance = instance or secrets.token_hex(8)
        self._remotes: dict[str, Way] = {}
        self._replaced: list[Way] = []

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment that the remotes look at."""
        return self._environ

    @property
    def via(self) -> str:
        """The `Via` value on every request that leaves."""
        return f"1.1 {self.via_token}"

    @property
    def via_token(self) -> str:
        """The token by which a request that came back is known."""
        return f"feedgate-{self.instance}"

    def remote(self, upstream: Upstream) -> Way:
        """Return the way to an upstream; a new one if its settings changed (the old stays until close)."""
        known = self._remotes.get(upstream.id)
        if known is not None and known.settings == upstream:
            return known
        if known is not None:
            self._replaced.append(known)
        made = self._remotes[upstream.id] = self._made(upstream)
        return made

    def health(self) -> dict[str, RemoteHealth]:
        """Return what is known of each upstream, by its id."""
        return {name: remote.health for name, remote in self._remotes.items()}

    async def close(self) -> None:
        """Drop every connection of every remote."""
        remotes, self._remotes = [*self._remotes.values(), *self._replaced], {}
        self._replaced = []
        for remote in remotes:
            await remote.close()

    def _made(self, upstream: Upstream) -> Way:
        folder = folder_of(upstream)
        if folder is not None:
            return FileRemote(upstream, folder, clock=self._clock)
        own = SystemNames()  # costs nothing until it is asked
        return Remote(
            upstream,
            clock=self._clock,
            names=own if self._resolver is None else self._resolver,
            environ=self._environ,
            fields={"User-Agent": self._agent(upstream), "Via": self.via},
            on_close=own.close,
        )

    def _agent(self, upstream: Upstream) -> str:
        contact = _UNPRINTABLE.sub("", upstream.contact or "").strip()
        return f"{self._user_agent} ({contact})" if contact else self._user_agent
