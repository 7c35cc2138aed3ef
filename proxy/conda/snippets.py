"""Snippets: the lines that a person pastes so that a conda client uses a feed (fact sheet 2.2). Text only."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from proxy.model.placeholders import CA_FILE, OWN_CA

#: Any user will do; clients only want one beside the password.
USER = "api"
_SSL_CERT_FILE = f"export SSL_CERT_FILE={CA_FILE}"


@dataclass(frozen=True, slots=True)
class Snippet:
    """One way to do it: the tool, what it does, and the lines."""

    tool: str
    title: str
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


def feed_url(base: str, feed: str, key: str | None = None) -> str:
    """Return a feed's channel URL. `base` is the server's URL; a key goes where every client leaves it (2.3)."""
    token = f"t/{key}/" if key else ""
    return f"{base.rstrip('/')}/conda/{token}{feed}"


def snippets(base: str, feed: str, *, key: str | None = None, origins: Sequence[str] = ()) -> list[Snippet]:
    """Return the lines for each client. `origins` are the channel URLs that pixi shall have from this feed instead.

    Without any (a private channel, a curated feed) pixi gets the feed as a project's channel; no other is redirected.
    """
    url = feed_url(base, feed, key)
    closed = _with_key(base, feed, key) if key is not None else ()
    return [
        *_conda(url, feed),
        *(one for one in closed if one.tool == "conda"),
        _mamba(url),
        _pixi_mirrors(url, origins) if origins else _pixi_channel(url),
        _rattler(url),
        *(one for one in closed if one.tool == "py-rattler"),
    ]


def _conda(url: str, feed: str) -> tuple[Snippet, ...]:
    alias = url.removesuffix(f"/{feed}")
    return (
        Snippet(
            "conda",
            "use this feed, and nothing else",
            (
                f"conda config --add channels {url}/",
                # An older conda adds `defaults` with the first channel, a newer one does not and cannot take it away.
                f"conda config --add default_channels {url}/",
                "conda config --set channel_priority strict",
                "conda config --show channels default_channels",
                *_ca(url, f"conda config --set ssl_verify {CA_FILE}"),
            ),
        ),
        Snippet("conda", f"install with `-c {feed}`", (f"conda config --set channel_alias {alias}/",)),
        Snippet(
            "conda",
            ".condarc: `defaults` and every channel name from this server",
            (
                f"channel_alias: {alias}/",
                "default_channels:",
                f"  - {url}/",
                "channels:",
                f"  - {url}/",
                "channel_priority: strict",
            ),
        ),
    )


def _with_key(base: str, feed: str, key: str) -> tuple[Snippet, ...]:
    """Return the ways to give the key that are not the path, which is the one that every client knows."""
    scheme, _, rest = feed_url(base, feed).partition("://")
    store = {urlsplit(base).hostname: {"BasicHTTP": {"username": USER, "password": key}}}
    return (
        Snippet(
            "conda",
            "the key as a password instead of a part of the path",
            (f"conda config --add channels {scheme}://{USER}:{key}@{rest}/",),
        ),
        Snippet(
            "py-rattler",
            "the key in a file that RATTLER_AUTH_FILE names, for `client=Client([AuthenticationMiddleware()])`",
            (f"# {json.dumps(store)}", f'channels = [Channel("{scheme}://{rest}")]'),
        ),
    )


def _mamba(url: str) -> Snippet:
    return Snippet(
        "mamba",
        "mamba and micromamba",
        (
            f"mamba config append channels {url}/",
            "mamba config set channel_priority strict",
            "mamba config list channels",
            *_ca(url, f"mamba config set ssl_verify {CA_FILE}"),
        ),
    )


def _pixi_channel(url: str) -> Snippet:
    return Snippet(
        "pixi",
        "pixi.toml: packages come from this feed, and from nowhere else",
        ("[workspace]", f'channels = ["{url}"]', *_ca(url, _SSL_CERT_FILE)),
    )


def _pixi_mirrors(url: str, origins: Sequence[str]) -> Snippet:
    lines = ["[mirrors]"]
    lines += [f'"{origin.rstrip("/")}" = ["{url}"]' for origin in origins]
    return Snippet(
        "pixi",
        "~/.pixi/config.toml: projects stay as they are, packages come from this feed",
        (*lines, *_ca(url, _SSL_CERT_FILE)),
    )


def _rattler(url: str) -> Snippet:
    return Snippet(
        "py-rattler",
        "Python",
        (
            "from rattler import Channel, MatchSpec, Platform, solve",
            f'channels = [Channel("{url}")]',
            'platforms = [Platform.current(), Platform("noarch")]',
            'records = await solve(channels, [MatchSpec("python")], platforms=platforms)',
            *_ca(url, _SSL_CERT_FILE),
        ),
    )


def _ca(url: str, way: str) -> tuple[str, ...]:
    """Return how the client is told of a CA that is the company's own, as a comment."""
    return (f"{OWN_CA}: {way}",) if url.startswith("https:") else ()
