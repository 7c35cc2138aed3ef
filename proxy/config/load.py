"""Loading: built-in default < file < environment < command line, to frozen settings or to all faults at once.

The only reader of settings files and of the environment (design, section 3). `load` blocks on small files and
never on the network. What it returns remembers how it was asked, so that a reload asks again in the same
words.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from proxy.config import certificates, schema, unavailable, validate
from proxy.config.admin_key import read_admin_key
from proxy.config.faults import ConfigError, Fault, RefusedError
from proxy.config.feeds import Surroundings, read_feeds
from proxy.config.layers import Given, Table, lay_environment, lay_text, read_file
from proxy.config.pip import follow
from proxy.config.policies import read_policies
from proxy.config.routes import read_routes
from proxy.config.schema import Key, Reader
from proxy.config.secrets import WithoutSecrets
from proxy.config.settings import Cache, Log, Server, Settings, State, Upstream
from proxy.config.stored import NOTHING, Stored, StoredAt, lay_stored, nothing_stored

DEFAULT_FILE = "config.toml"
COMMAND_LINE = "command line"


@dataclass(frozen=True, slots=True)
class Request:
    """What to load: the file asked for and the layers above it.

    `path` None means FEEDGATE_CONFIG, else ./config.toml if it is there. `overrides` are dotted keys of the
    command line with their texts.
    """

    path: str | None
    environ: Mapping[str, str] = field(repr=False)
    cwd: Path
    overrides: Mapping[str, str] = field(default_factory=dict)
    #: Tells what was made through the API; may raise errors of its own.
    stored: StoredAt = field(default=nothing_stored, repr=False)
    #: False: secrets by reference are not looked up; for what asks nobody and only shows.
    with_secrets: bool = True

    @classmethod
    def here(
        cls, path: str | None = None, overrides: Mapping[str, str] | None = None, *,
        stored: StoredAt = nothing_stored, with_secrets: bool = True,
    ) -> "Request":  # fmt: skip
        """Return a request in this process's environment and folder."""
        return cls(path, dict(os.environ), Path.cwd(), dict(overrides or {}), stored, with_secrets)

    @property
    def reader(self) -> Reader:
        """A reader of the settings' tables, for once."""
        return Reader(self.environ if self.with_secrets else WithoutSecrets(self.environ))

    @property
    def named(self) -> str | None:
        """The file as it was asked for; None if nobody named one."""
        return self.path or self.environ.get("FEEDGATE_CONFIG")

    @property
    def file(self) -> tuple[Path, str] | None:
        """The file to read and its name as it was asked for; None if there is no default file."""
        path = self.cwd / (self.named or DEFAULT_FILE)
        if self.named is None and not path.exists():
            return None
        return path, self.named or DEFAULT_FILE


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings with the file they came from (None: none was there) and what a person should know of them."""

    settings: Settings
    path: Path | None
    notes: tuple[str, ...]
    request: Request = field(repr=False)
    #: The layers without what was made through the API.
    layers: Table = field(default_factory=Table, repr=False)
    stored: Stored = field(default_factory=lambda: NOTHING, repr=False)

    def declares(self, noun: str, name: str) -> bool:
        """Tell whether a feed, policy or route is the file's or the environment's."""
        group = self.layers.entries.get(noun)
        return isinstance(group, Table) and name in group.entries

    def with_stored(self, stored: Stored) -> "Loaded":
        """Return the settings with other things of the API, and the file as it was read; raise ConfigError."""
        return _settled(self.request, self.request.reader, self.layers, stored)

    def again(self) -> "Loaded":
        """Load anew from the same file, environment and command line; raise ConfigError.

        A file that is gone is an error: to go on without it would drop every feed.
        """
        if self.path is None:
            return load(self.request)
        name = self.request.named or DEFAULT_FILE
        if not self.path.exists():
            raise ConfigError([Fault(name, "the file is gone; the former settings stay in force")])
        # By name: a default file that vanishes in this moment is missed too.
        return load(replace(self.request, path=name))


def load(request: Request) -> Loaded:
    """Return the effective settings; raise ConfigError with every fault there is."""
    reader = request.reader
    tree = _layers(request, reader)
    # Only where the state lies is asked here; what is wrong with these tables is told below.
    scratch = Reader(request.environ)
    state = _one(scratch, tree, "state", schema.STATE)
    url = state.get("url")
    # Where no state can be, none is looked for: the refusal stands among the other faults.
    stored = (
        NOTHING
        if unavailable.is_unavailable(url)
        else request.stored(_server(scratch, tree, _base(request)).state_dir, url)
    )
    return _settled(request, reader, tree, stored)


def places_of(request: Request) -> tuple[Server, State]:
    """Return `[server]` and `[state]` alone: where the data lie, whatever is wrong elsewhere; raise ConfigError."""
    reader = Reader(request.environ)
    tree = _layers(request, reader)
    server = _server(reader, tree, _base(request))
    state = State(**_one(reader, tree, "state", schema.STATE))
    faults = [*reader.faults, *unavailable.refuse_state(state, reader.sources.get("state.url", ""))]
    if faults:
        raise ConfigError(faults)
    return server, state


def _base(request: Request) -> Path:
    """Return the folder that relative paths count from where no file names them."""
    return request.file[0].parent if request.file else request.cwd


def _settled(request: Request, reader: Reader, layers: Table, stored: Stored) -> Loaded:
    base = _base(request)
    tree = lay_stored(reader, layers, stored, base)
    pip = lru_cache(maxsize=1)(lambda: follow(request.environ, request.cwd))
    settings, policy_notes = _settings(reader, tree, base, pip)
    admin_key = read_admin_key(request.environ, request.cwd)
    if isinstance(admin_key, Fault):
        reader.faults.append(admin_key)
    else:
        settings = replace(settings, admin_key=admin_key)
    faults = [
        *reader.faults,
        *validate.faults(settings),
        *certificates.faults(settings),
        *unavailable.refusals(settings),
    ]
    if faults:
        raise ConfigError(dict.fromkeys(faults))
    notes = [*validate.notes(settings), *validate.notes_beside(settings, request.environ), *policy_notes]
    if any(source.startswith("pip:") or source == "default" for source in _index_sources(settings)):
        notes += pip().notes
    path = request.file[0] if request.file else None
    return Loaded(settings, path, tuple(notes), request, layers, stored)


def _index_sources(settings: Settings) -> list[str]:
    """Return the sources of upstream URLs: a default or pip's means that pip was followed."""
    return [source for key, source in settings.sources.items() if key.endswith("upstreams[0].url")]


def _layers(request: Request, reader: Reader) -> Table:
    """Return all layers in one tree; a layer that cannot be read is reported and left out."""
    tree = Table()
    if request.file is not None:
        path, name = request.file
        try:
            tree = read_file(path, name)
        except RefusedError as err:
            reader.refuse(name, err, "")
    reader.faults += lay_environment(tree, request.environ, request.cwd)
    for key, text in request.overrides.items():
        try:
            lay_text(tree, tuple(key.split(".")), Given(text, COMMAND_LINE, request.cwd, is_text=True))
        except RefusedError as err:
            reader.refuse(key, err, COMMAND_LINE)
    return tree


def _settings(reader: Reader, tree: Table, base: Path, pip: Any) -> tuple[Settings, tuple[str, ...]]:
    reader.known(tree, schema.TABLES, "")
    routes = read_routes(reader, tree.entries.get("routes"))
    defaults = Upstream(id="", **_one(reader, tree, "upstream_defaults", schema.UPSTREAM_DEFAULTS))
    feeds = read_feeds(reader, tree.entries.get("feeds"), Surroundings(defaults, routes, pip))
    policies, notes = read_policies(reader, tree.entries.get("policies"), feeds)
    settings = Settings(
        server=_server(reader, tree, base),
        cache=Cache(**_one(reader, tree, "cache", schema.CACHE)),
        state=State(**_one(reader, tree, "state", schema.STATE)),
        log=Log(**_one(reader, tree, "log", schema.LOG)),
        feeds=feeds,
        routes=routes,
        policies=policies,
        lists={each.path: each.stamp for each in reader.lists.values()},
        upstream_defaults=defaults,
        sources=reader.sources,
    )
    return settings, notes


def _one(reader: Reader, tree: Table, name: str, keys: tuple[Key, ...]) -> dict[str, Any]:
    """Return the values of one top-level table."""
    table = reader.table(tree.entries.get(name), name)
    reader.known(table, (key.name for key in keys), name)
    return reader.values(keys, table, name)


def _server(reader: Reader, tree: Table, base: Path) -> Server:
    table = reader.table(tree.entries.get("server"), "server")
    reader.known(table, (*(key.name for key in schema.SERVER), "tls"), "server")
    values = reader.values(schema.SERVER, table, "server")
    tls = reader.table(table.entries.get("tls"), "server.tls")
    reader.known(tls, (key.name for key in schema.TLS), "server.tls")
    values |= reader.values(schema.TLS, tls, "server.tls")
    return Server(**({"data_dir": base / Server().data_dir} | values))
