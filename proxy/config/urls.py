"""The URLs of an upstream: index bases for `pypi`, channel bases for `conda`, in one normal form without secrets.

What a URL holds of credentials is taken out the moment it is read: user and password, and a channel's token
(`/t/TOKEN/…`, wherever it stands in the path, as conda itself looks for it). A channel may also be a folder,
`file:///absolute/path` or `file:path/beside/the/file`; only config.toml itself may say so, because who may set a
variable (or, later, call the API) should not thereby read this machine's files.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

from proxy.conda.names import KNOWN_SUBDIRS
from proxy.config.auth import take_userinfo
from proxy.config.faults import RefusedError
from proxy.config.kinds import Kind
from proxy.config.layers import Given
from proxy.config.secrets import check_url, read_secret_text
from proxy.config.settings import Auth
from proxy.model.redact import Secret, SecretUrl

_HTTP = ("http", "https")
_TOKEN = re.compile(r"/t/([^/]+)(?=/|\Z)")
_LOCAL_HOSTS = ("", "localhost")
#: What ends so is a file of a channel.
_FILE = re.compile(r"\.(?:json|zst|bz2|gz|msgpack|html)\Z")
_FORMS = "file:///absolute/folder, or file:folder counted from config.toml's own"


class Place(NamedTuple):
    """A URL as a base, a slash at its end, and the credentials that it held."""

    url: SecretUrl
    auth: Auth | None


def place_kind(feed_kind: str) -> Kind:
    """Return the kind of the upstreams' URLs of a feed."""
    # A channel's are the wider ones, for a feed whose kind is not known.
    return Kind(_index if feed_kind == "pypi" else _channel, lambda place: str(place.url))


def is_folder(url: SecretUrl) -> bool:
    """Tell whether the URL is a folder's."""
    return url.reveal().startswith("file:")


def _index(given: Given, environ: Mapping[str, str]) -> Place:
    text = read_secret_text(given, environ, "https")
    check_url(text, _HTTP)
    url, auth = take_userinfo(SecretUrl(text))
    # Who keeps the URL where secrets are kept may have a token in its path, which no form of this program tells apart.
    return Place(SecretUrl(as_base(url).reveal(), hides_path=not isinstance(given.value, str)), auth)


def _channel(given: Given, environ: Mapping[str, str]) -> Place:
    text = read_secret_text(given, environ, "https")
    if text[:5].lower() == "file:":
        return Place(_folder(text, given), None)
    check_url(text, _HTTP)
    url, auth = take_userinfo(SecretUrl(text))
    url, token = _take_token(url)
    if auth is not None and token is not None:
        raise RefusedError.because("holds a user and a token; give one of them")
    return Place(_whole_channel(as_base(url), is_shown=isinstance(given.value, str)), auth or token)


def as_base(url: SecretUrl) -> SecretUrl:
    """Return the URL in its normal form, a slash at its end: names are resolved below it, not beside it."""
    parts = urlsplit(url.reveal())
    default = {"http": 80, "https": 443}[parts.scheme]
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else (parts.hostname or "")
    netloc = host if parts.port in (None, default) else f"{host}:{parts.port}"
    return SecretUrl(urlunsplit((parts.scheme, netloc, parts.path.rstrip("/") + "/", "", "")))


def _take_token(url: SecretUrl) -> tuple[SecretUrl, Auth | None]:
    """Return the URL without its token, and the token."""
    parts = urlsplit(url.reveal())
    found = _TOKEN.search(parts.path)
    if found is None:
        return url, None
    path = parts.path[: found.start()] + parts.path[found.end() :]
    if _TOKEN.search(path):
        raise RefusedError.because("holds two tokens")
    token = unquote(found[1])
    if not token.isascii() or not token.isprintable() or any(char in token for char in " /"):
        raise RefusedError.because("holds a token that is not ASCII, or has a blank or '/' in it")
    return SecretUrl(urlunsplit((*parts[:2], path, "", ""))), Auth("token", secret=Secret(token))


def _folder(text: str, given: Given) -> SecretUrl:
    """Return the `file://` URL of a folder; relative ones count from the file that names them."""
    if not given.in_file or not isinstance(given.value, str):
        raise RefusedError.because("a file: channel must stand in config.toml itself")
    check_url(text, ("file",), needs_host=False)
    parts = urlsplit(text)
    if parts.netloc.lower() not in _LOCAL_HOSTS:
        raise RefusedError.because(f"names a host; write {_FORMS}")
    path = unquote(parts.path, errors="surrogateescape")
    if not path or path.startswith("~") or not path.isprintable():
        raise RefusedError.because(f"names no folder; write {_FORMS}")
    folder = Path(os.path.normpath(Path(given.base, path)))
    if not folder.is_absolute() or folder == Path("/"):
        raise RefusedError.because(f"names no folder of a channel; write {_FORMS}")
    return _whole_channel(SecretUrl(f"{folder.as_uri()}/"), is_shown=True)


def _whole_channel(url: SecretUrl, *, is_shown: bool) -> SecretUrl:
    """Return the URL of a channel; one of a subdir or a file is refused with what to write, if it may be shown."""
    parts = urlsplit(url.reveal())
    segments = parts.path.strip("/").split("/")
    file = segments.pop() if _FILE.search(segments[-1]) else None
    subdir = segments.pop() if segments and segments[-1] in KNOWN_SUBDIRS else None
    if file is None and subdir is None:
        return url
    path = "".join(f"/{segment}" for segment in segments)
    channel = str(SecretUrl(urlunsplit((*parts[:2], f"{path}/", "", ""))))
    write = f'"{channel}"' if is_shown else "the URL of the channel, which is above that"
    alone = f', and subdirs = ["{subdir}"] if the feed is to have no other' if subdir else ""
    what = f"the file {file}" if file else f"the subdir {subdir}"
    raise RefusedError.because(f"is the address of {what}, not of a channel: write {write}{alone}")
