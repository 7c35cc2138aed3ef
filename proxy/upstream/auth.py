"""Credentials of an origin: what is added to a request, and only if it goes to the upstream's own origin.

The own origins are those of the upstream's `urls`. A file link or a redirect that leads elsewhere is asked
without anything; userinfo in such a URL is not even read (target.py drops it). A conda token is part of the
path, so it is put in when the request is made, below the upstream's own URLs only (elsewhere on the host the
same path means something else), and taken out of every URL that is handed on or that leads to another origin.
"""

import asyncio
import base64
import netrc
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from proxy.config.settings import Upstream
from proxy.model.redact import Secret
from proxy.upstream.errors import BadAnswer
from proxy.upstream.target import Target, folder, parse_target


@dataclass(frozen=True, slots=True)
class Grant:
    """Credentials for one origin: header fields, a path prefix (conda), or nothing."""

    headers: tuple[tuple[str, Secret], ...] = ()
    token: Secret | None = None
    #: The paths below which the token is sent.
    folders: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not self.headers and self.token is None

    def apply(self, target: Target) -> Target:
        """Return the target as it is sent: with `/t/TOKEN` before the path of what is below the channel."""
        if not self._is_wanted(target.path):
            return target
        return target.at(self._segment + target.path)

    def hide(self, target: Target) -> Target:
        """Return the target without the token, wherever it stands."""
        if self.token is None:
            return target
        return target.at(target.path.replace(f"{self._segment}/", "/"))

    def _is_wanted(self, path: str) -> bool:
        """Tell whether the path needs the token and has it not yet (a redirect of the origin's own may)."""
        return self.token is not None and path.startswith(self.folders) and f"{self._segment}/" not in path

    @property
    def _segment(self) -> str:
        return f"/t/{quote(self.token.reveal(), safe='')}" if self.token is not None else ""


NOTHING = Grant()


class Credentials:
    """The grants of one upstream, by origin."""

    def __init__(self, upstream: Upstream, environ: Mapping[str, str]) -> None:
        self._auth = upstream.auth
        self._userinfo = {parse_target(url.reveal()).origin: _userinfo(url.reveal()) for url in upstream.urls}
        self._bases = [parse_target(folder(url.reveal())) for url in upstream.urls]
        self._netrc = _netrc_path(environ)
        self._netrc_read: dict[str, Grant] = {}

    @property
    def origins(self) -> frozenset[str]:
        return frozenset(self._userinfo)

    async def grant(self, target: Target) -> Grant:
        """Return what goes with a request to the target; reads the netrc file off the loop, once per host."""
        if target.origin not in self._userinfo:
            return NOTHING
        if self._auth is None:
            return self._userinfo[target.origin]
        if self._auth.kind == "netrc":
            if target.host not in self._netrc_read:
                self._netrc_read[target.host] = await asyncio.to_thread(_from_netrc, self._netrc, target.host)
            return self._netrc_read[target.host]
        if self._auth.kind == "token":
            folders = tuple(base.path for base in self._bases if base.origin == target.origin)
            return Grant(token=self._auth.secret, folders=folders)
        return _configured(self._auth.kind, self._auth.name or "", self._auth.secret or Secret(""))


def _configured(kind: str, name: str, secret: Secret) -> Grant:
    match kind:
        case "basic":
            return _basic(name, secret.reveal())
        case "bearer":
            return Grant((("Authorization", Secret(f"Bearer {secret.reveal()}")),))
        case "header":
            return Grant(((name, secret),))
        case _:
            raise BadAnswer("guard", f"credentials of an unknown kind '{kind}'")


def _basic(user: str, password: str) -> Grant:
    encoded = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
    return Grant((("Authorization", Secret(f"Basic {encoded}")),))


def _userinfo(url: str) -> Grant:
    parts = urlsplit(url)
    if parts.username is None:
        return NOTHING
    return _basic(unquote(parts.username), unquote(parts.password or ""))


def _netrc_path(environ: Mapping[str, str]) -> Path | None:
    if environ.get("NETRC"):
        return Path(environ["NETRC"])
    return Path(environ["HOME"]) / ".netrc" if environ.get("HOME") else None


def _from_netrc(path: Path | None, host: str) -> Grant:
    """Return the file's entry for the host, or nothing if there is none. The file's text is in no error."""
    if path is None:
        return NOTHING
    try:
        found = netrc.netrc(path).authenticators(host)
    except FileNotFoundError:
        return NOTHING
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        unreadable = True
    else:
        unreadable = False
    if unreadable:
        raise BadAnswer("guard", "the netrc file cannot be read")
    return NOTHING if found is None else _basic(found[0], found[2] or "")
