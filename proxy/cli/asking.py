"""Asking the management API: a running server's over HTTP, or, where none runs, this process's own.

Both give the same documents, because the same routes answer both.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import typer

from proxy.cli import running
from proxy.config.load import Loaded

#: For how long an answer that is being prepared is waited for.
_PATIENCE_S = 60.0

ServerUrl = Annotated[
    str | None,
    typer.Option(
        "--server", metavar="URL", envvar="FEEDGATE_SERVER", help="Ask this server; else the one here."
    ),
]
Key = Annotated[str | None, typer.Option("--key", envvar="FEEDGATE_KEY", help="The key to ask it with.")]
CaFile = Annotated[
    str | None, typer.Option("--ca", metavar="PATH", help="The CA of the server's certificate.")
]

#: Path below `/api/v1` and query -> the answer's document. Raises AskFailed, Refused.
Get = Callable[[str, Mapping[str, str]], dict[str, Any]]


class AskFailed(Exception):
    """There is no answer; the text is one line that says why."""


@dataclass(slots=True)
class Refused(Exception):
    """The API answered with a problem; `word` is its kind."""

    word: str
    message: str

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class Whom:
    """Which server a command names, and how it is asked; `url` None: whoever has the data folder."""

    url: str | None = None
    ca: str | None = None
    key: str | None = field(default=None, repr=False)


@contextmanager
def asking(whom: Whom, load: Callable[[], Loaded]) -> Iterator[Get]:
    """Give the way to ask. The settings are loaded only where they are needed. Raises AskFailed."""
    from proxy.cli import over_http

    if whom.url is not None:
        yield patient(over_http.way_to(whom.url, ca=whom.ca, key=whom.key), time.sleep)
        return
    loaded = load()
    server = loaded.settings.server
    try:
        found = running.find(server.state_dir)
    except running.NotReachableError as err:
        raise AskFailed(str(err)) from err
    if found is not None:
        # The certificate may be of any name: it is known by itself.
        own = server.tls_cert if server.public_url is None else None
        here = over_http.way_to(found.url, ca=whom.ca, own=own, key=whom.key, is_direct=True)
        yield patient(here, time.sleep)
        return
    from proxy.cli import in_process

    with in_process.way_to(loaded) as (get, pause):
        yield patient(get, pause)


def patient(get: Get, pause: Callable[[float], None]) -> Get:
    """Return the way to ask that waits for what is being prepared."""

    def ask(path: str, query: Mapping[str, str]) -> dict[str, Any]:
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return get(path, query)
            except Refused as refused:
                if refused.word != "preparing" or time.monotonic() > deadline:
                    raise
            pause(0.5)  # asking again is the only way to know that it is there

    return ask


def target(path: str, query: Mapping[str, str]) -> str:
    """Return the request target of a path below the API; whatever stands in a segment is escaped by the caller."""
    return f"/api/v1{path}" + (f"?{urlencode(query)}" if query else "")


def segment(text: str) -> str:
    """Return a text as one segment of a path."""
    return quote(text, safe="")
