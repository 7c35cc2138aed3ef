"""The one redacting type for URLs (design, law 9): redacted when made, so that no later print can leak.

`SecretUrl` shows itself as scheme, host, port and path; userinfo, query, fragment and a conda `/t/TOKEN` segment
never appear in `str`, `repr`, a format or a log, nor does the path of an index that came from a variable or a file.
Only `reveal()` gives the URL to send.
"""

import re
from urllib.parse import unquote, urlsplit, urlunsplit

_PUBLIC_WORDS = frozenset({"simple", "pypi", "packages"})
_TOKEN = re.compile(r"/t/[^/]+")


def redact(url: str) -> str:
    """Return the URL without userinfo, query, fragment and conda token; text that is no URL becomes '<url>'."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port
    except ValueError:
        return "<url>"
    netloc = f"[{host}]" if ":" in host else host
    if port is not None:
        netloc = f"{netloc}:{port}"
    return urlunsplit((parts.scheme, netloc, _TOKEN.sub("/t/***", parts.path), "", ""))


def origin_of(url: str) -> str:
    """Return scheme, host and explicit port only: what an error may name of an upstream (contract, section 3)."""
    parts = urlsplit(redact(url))
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else f"{parts.scheme}:"


class SecretUrl:
    """A URL whose every printed form is redacted. `hides_path`: its path may hold a secret, so that is never shown."""

    __slots__ = ("_url", "hides_path")

    def __init__(self, url: str, *, hides_path: bool = False) -> None:
        self._url = url
        self.hides_path = hides_path

    def reveal(self) -> str:
        """Return the whole URL, credentials included, for the one place that sends it."""
        return self._url

    @property
    def secrets(self) -> frozenset[str]:
        """The segments of a hidden path, decoded; the words that every index has are none."""
        if not self.hides_path:
            return frozenset()
        segments = map(unquote, urlsplit(self._url).path.split("/"))
        return frozenset(segment for segment in segments if segment and segment not in _PUBLIC_WORDS)

    def __str__(self) -> str:
        return f"{origin_of(self._url)}/***" if self.secrets else redact(self._url)

    def __repr__(self) -> str:
        return f"SecretUrl({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretUrl) and other._url == self._url

    def __hash__(self) -> int:
        return hash(self._url)


class Secret:
    """A string that prints as '***'; only `reveal()` gives it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __str__(self) -> str:
        return "***"

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)
