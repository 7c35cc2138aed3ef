"""Answers: what an upstream said, as values for the rest of the program."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Validators:
    """What makes a request conditional."""

    etag: str | None = None
    last_modified: str | None = None

    def fields(self) -> dict[str, str]:
        found = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in found.items() if value}


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: header fields of the allow-list in lower case; the body decoded, empty unless 200."""

    status: int
    #: Where it came from after redirects, without credentials and query.
    url: str
    headers: Mapping[str, str]
    body: bytes
    #: False when nothing but the end of the connection marked the end of the body.
    is_framed: bool = True
