"""Asking the management API: a running server's over HTTP, or, where none runs, this process's own.

Both give the same documents, because the same routes answer both.

Where a key goes: one that is named (`--key`, FEEDGATE_KEY) to the server that it was named with; the first admin's, out
of the data folder, to nobody but the server that holds this folder's lock, at the address that it listens on. Without
a server, a command works on state that is there and never makes any: an empty folder is a slip, not a new world.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import typer

from proxy.cli import running
from proxy.cli.options import asked_folder, is_of_environment
from proxy.config.faults import ConfigError
from proxy.config.load import Loaded
from proxy.config.load import load as load_settings
from proxy.state.admin_key import read as read_admin_key
from proxy.state.errors import StateError

#: For how long an answer that is being prepared is waited for.
_PATIENCE_S = 60.0
#: The most that the API gives at once.
_PAGE = 1000

_SERVER, _KEY = "FEEDGATE_SERVER", "FEEDGATE_KEY"


def _server_named(context: typer.Context, value: str | None) -> str | None:
    """Return the server to ask; a data folder named on the command line counts more than the environment."""
    if value is None or asked_folder(context) is None:
        return value
    if not is_of_environment(context, "server"):
        raise typer.BadParameter("--server and --data-dir name two servers; leave one out")
    return None


def _key_named(context: typer.Context, value: str | None) -> str | None:
    """Return the key to ask with: the environment's is the key of the environment's server, where there is one."""
    owner = os.environ.get(_SERVER)
    if not value or not owner or not is_of_environment(context, "key"):
        return value
    if asked_folder(context) is not None:
        return None
    asked = context.params.get("server")
    if asked is not None and asked.rstrip("/") != owner.rstrip("/"):
        raise typer.BadParameter(
            f"{_KEY} is the key of {_SERVER} and goes to no other server; give this one's with --key"
        )
    return value


ServerUrl = Annotated[
    str | None,
    typer.Option(
        "--server", metavar="URL", envvar=_SERVER, callback=_server_named,
        help="Ask this server; else the one here.",
    ),
]  # fmt: skip
Key = Annotated[
    str | None, typer.Option("--key", envvar=_KEY, callback=_key_named, help="The key to ask it with.")
]
CaFile = Annotated[
    str | None, typer.Option("--ca", metavar="PATH", help="The CA of the server's certificate.")
]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: a path below `/api/v1`; `body` is a value of JSON, None for none."""

    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"
    body: object = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def target(self) -> str:
        return f"/api/v1{self.path}" + (
            f"?{urlencode(self.query, errors='surrogateescape')}" if self.query else ""
        )


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered; `document` is {} where there is nothing to tell, `etag` as the header has it."""

    status: int
    document: dict[str, Any]
    etag: str | None = None


#: Raises AskFailed, Refused.
Send = Callable[[Asked], Reply]
Told = Callable[[Reply], None]
#: What is asked, and who is told of each answer. What is refused is told to nobody.
Beside = Callable[[Asked, Told], AbstractContextManager[None]]
#: How often.
BESIDE_S = 1.0


class AskFailed(Exception):
    """There is no answer; the text is one line that says why."""


@dataclass(slots=True)
class Refused(Exception):
    """The API answered with a problem; `word` is its kind, `document` all of it."""

    word: str
    message: str
    document: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class Whom:
    """Which server a command names, and how it is asked; `url` None: whoever has the data folder."""

    url: str | None = None
    ca: str | None = None
    key: str | None = field(default=None, repr=False)


class Api:
    """The way to ask: called with a path and a query it gets a document, `send` changes something."""

    def __init__(
        self, send: Send, pause: Callable[[float], None], beside: Beside = lambda asked, told: nullcontext()
    ) -> None:
        self._send = send
        self._pause = pause
        #: Asks something now and then during a block, while other requests are waited for.
        self.beside = beside

    def __call__(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Return a document; what is being prepared is waited for."""
        return self.get(path, query).document

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Reply:
        """Return a document with its tag; what is being prepared is waited for."""
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return self._send(Asked(path, query or {}))
            except Refused as refused:
                if refused.word != "preparing" or time.monotonic() > deadline:
                    raise
            self._pause(0.5)  # asking again is the only way to know that it is there

    def listed(
        self, path: str, query: Mapping[str, str] | None = None, limit: int | None = None
    ) -> dict[str, Any]:
        """Return so many items of a list (None: all), however many pages they are on.

        `next` is that of the last page.
        """
        asked, items = dict(query or {}), list[Any]()
        while True:
            wanted = _PAGE if limit is None else min(_PAGE, limit - len(items))
            page = self(path, asked | {"limit": str(wanted)})
            found, following = page["items"], page["next"]
            if not isinstance(found, list):
                raise AskFailed(
                    "the server that was asked gave no list of things; check the address (--server)"
                )
            items += found
            if following is None or (limit is not None and len(items) >= limit):
                return {"items": items, "next": following}
            if not isinstance(following, str) or following == asked.get("cursor") or not found:
                raise AskFailed(
                    "the server that was asked goes round in circles; check the address (--server)"
                )
            asked["cursor"] = following

    def pause(self, seconds: float) -> None:
        """Wait; where the API is this process's own, its work goes on meanwhile."""
        self._pause(seconds)

    def send(
        self,
        method: str,
        path: str,
        body: object = None,
        query: Mapping[str, str] | None = None,
        **headers: str,
    ) -> Reply:
        """Send a change; `If_Match="…"` is a header."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._send(Asked(path, query or {}, method, body, fields))


def _own_key(loaded: Loaded) -> str | None:
    """Return the first admin's key, where this user may read it: for the server on this data folder, and no other."""
    settings = loaded.settings
    try:
        admin = settings.admin_key or read_admin_key(settings.server.state_dir)
    except StateError:
        return None
    return admin.reveal() if admin is not None else None


@contextmanager
def asking(whom: Whom, load: Callable[[], Loaded], *, asks_origins: bool = True) -> Iterator[Api]:
    """Give the way to ask. The settings are loaded only where they are needed. Raises AskFailed.

    `asks_origins` False is for what has to do with the state alone, and so needs no secret of an upstream.
    """
    from proxy.cli import over_http

    if whom.url is not None:
        there = over_http.way_to(whom.url, ca=whom.ca, key=whom.key)
        yield Api(there, time.sleep, partial(over_http.beside, there))
        return
    loaded = load()
    server = loaded.settings.server
    try:
        found = running.find(server.state_dir)
    except running.NotReachableError as err:
        raise AskFailed(str(err)) from err
    if found is not None:
        key = whom.key or _own_key(loaded)
        here = over_http.way_to(found.url, ca=whom.ca, own=found.certificate, key=key, is_direct=True)
        yield Api(here, time.sleep, partial(over_http.beside, here))
        return
    try:
        running.require_state(server, loaded.settings.state)
    except StateError as err:
        raise AskFailed("; ".join((err.what, *err.steps))) from err
    if asks_origins:
        try:
            loaded = load_settings(replace(loaded.request, with_secrets=True))
        except ConfigError as err:
            raise AskFailed("; ".join(map(str, err.faults))) from err
    from proxy.cli import in_process

    with in_process.way_to(loaded, asks_origins=asks_origins) as (send, pause, beside):
        yield Api(send, pause, beside)


def segment(text: str) -> str:
    """Return a text as one segment of a path; bytes of the command line that are not UTF-8 as they are."""
    return quote(text, safe="", errors="surrogateescape")
