"""The schema: every table and key of config.toml (contract, section 1), and how a table is read.

One `Key` is one line of the contract: its name in the file, its attribute in `settings.py`, its kind, and
whether a change of it needs a restart. `show.py` and `changes.py` walk the same lines, so what can be set is
also shown and compared. `Reader` collects every fault of every table instead of stopping at the first.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proxy.conda.names import is_subdir
from proxy.config import kinds
from proxy.config.faults import Fault, RefusedError, describe, quote
from proxy.config.grants import GRANTS
from proxy.config.kinds import Kind, integer, list_of, secret_url
from proxy.config.layers import Given, Table
from proxy.config.secrets import check_url, read_secret_text
from proxy.config.spec_lists import SpecList
from proxy.model.redact import SecretUrl


@dataclass(frozen=True, slots=True)
class Key:
    """One key: `name` in the file, `attr` in the settings."""

    name: str
    attr: str
    kind: Kind
    restart: bool = False


def _network(given: Given, _: Mapping[str, str]) -> str:
    import ipaddress

    text = kinds.text_in(given)
    try:
        ipaddress.ip_network(text)
    except ValueError as err:
        raise RefusedError.because(f"must be an address or network such as 10.0.0.0/8: {err}") from err
    return text


def _subdir(given: Given, _: Mapping[str, str]) -> str:
    text = kinds.text_in(given)
    if not is_subdir(text):
        raise RefusedError.because(f"must be a subdir such as linux-64 or noarch, not {quote(text)}")
    return text


def _prefix(given: Given, _: Mapping[str, str]) -> str:
    if given.value in ("", "/"):
        return ""
    text = kinds.text_in(given).rstrip("/")
    segments = text.split("/")
    plain = all(
        segment.replace("-", "").replace("_", "").replace(".", "").isalnum() for segment in segments[1:]
    )
    if segments[0] or len(segments) < 2 or not plain or not text.isascii():
        raise RefusedError.because('must be a plain path such as "/feedgate"')
    return text


def _public_url(given: Given, environ: Mapping[str, str]) -> str:
    url: str = kinds.PLAIN_URL.read(given, environ)
    return url.rstrip("/")


def _state_url(given: Given, environ: Mapping[str, str]) -> SecretUrl | None:
    # Every command needs to know where the state lies, so it is looked up where other secrets are not.
    text = read_secret_text(given, dict(environ))
    if text == "sqlite":
        return None
    scheme, _, rest = text.partition("://")
    if scheme in ("sqlite", "sqlite+aiosqlite"):
        path = rest.removeprefix("/")
        if path == rest or not path or path.startswith(":"):
            raise RefusedError.because("must name a file, such as sqlite:///state.db")
        return SecretUrl(f"{scheme}:///{Path(given.base, path)}")
    check_url(text.partition("?")[0], ("postgresql", "postgresql+psycopg"))
    return SecretUrl(text)


SERVER = (
    Key("host", "host", kinds.matching(r"[A-Za-z0-9.:_%-]{1,253}", "a host name or address"), restart=True),
    Key("port", "port", integer(0, 65535), restart=True),
    Key("workers", "workers", integer(1, 256), restart=True),
    Key("data_dir", "data_dir", kinds.FOLDER, restart=True),
    Key("public_url", "public_url", Kind(_public_url, kinds.as_given)),
    Key("trusted_proxies", "trusted_proxies", list_of(Kind(_network, kinds.as_given))),
    Key("path_prefix", "path_prefix", Kind(_prefix, kinds.as_given), restart=True),
    Key("stop_timeout", "stop_timeout_s", kinds.TIMEOUT),
    Key("header_timeout", "header_timeout_s", kinds.TIMEOUT),
    Key("body_timeout", "body_timeout_s", kinds.TIMEOUT),
    Key("idle_timeout", "idle_timeout_s", kinds.TIMEOUT),
    Key("write_timeout", "write_timeout_s", kinds.TIMEOUT),
)
TLS = (
    Key("cert", "tls_cert", kinds.FILE, restart=True),
    Key("key", "tls_key", kinds.FILE, restart=True),
)
CACHE = (
    Key("max_size", "max_size_bytes", kinds.SIZE),
    Key("scrub", "scrub_s", kinds.TIMEOUT, restart=True),
)
STATE = (
    Key("url", "url", Kind(_state_url, lambda url: "sqlite" if url is None else str(url)), restart=True),
)
LOG = (
    Key("level", "level", kinds.choice("debug", "info", "warning", "error")),
    Key("format", "format", kinds.choice("auto", "text", "json"), restart=True),
)
UPSTREAM_DEFAULTS = (
    Key("ttl", "ttl_s", kinds.DURATION),
    Key("negative_ttl", "negative_ttl_s", kinds.DURATION),
    Key("stale_if_error", "stale_if_error_s", kinds.DURATION),
    Key("connect_timeout", "connect_timeout_s", kinds.TIMEOUT),
    Key("read_timeout", "read_timeout_s", kinds.TIMEOUT),
    Key("min_rate", "min_rate", kinds.RATE),
    Key("concurrency", "concurrency", integer(1, 256)),
    Key("bandwidth", "bandwidth_bytes_per_s", kinds.BANDWIDTH),
    Key("retries", "retries", integer(0, 10)),
    Key("contact", "contact", kinds.TEXT),
    Key("max_index_size", "max_index_size_bytes", kinds.SIZE),
)
FEED = (
    Key("kind", "kind", kinds.choice("conda", "pypi")),
    Key("curated_from", "curated_from", list_of(kinds.NAME)),
    Key("policy", "policy", kinds.TEXT),
    Key("reserved", "reserved", list_of(kinds.GLOB)),
    Key("anonymous", "anonymous", kinds.BOOLEAN),
    Key("grants", "grants", GRANTS),
    Key("offline", "offline", kinds.BOOLEAN),
    Key("aliases", "aliases", list_of(kinds.NAME)),
    Key("blocked_project", "blocked_project", kinds.choice("403", "404", "empty")),
    Key("contact", "contact", kinds.CONTACT),
    Key("subdirs", "subdirs", list_of(Kind(_subdir, kinds.as_given))),
    Key("indexed_timestamp", "indexed_timestamp", kinds.choice("observed", "off")),
    Key("fetch", "fetch", kinds.choice("eager", "lazy")),
)
#: An upstream's single values; url, urls, route, auth and client_cert are read in `upstreams.py`.
UPSTREAM = (
    Key("feed", "feed", kinds.NAME),
    Key("allow_private", "allow_private", kinds.BOOLEAN),
    Key("redirect_hosts", "redirect_hosts", list_of(kinds.HOST_GLOB)),
    Key("private", "private", kinds.BOOLEAN),
    Key("only", "only", list_of(kinds.GLOB)),
    Key("except", "except_", list_of(kinds.GLOB)),
    Key(
        "json_api",
        "json_api",
        Kind(lambda g, e: "" if g.value == "" else kinds.PLAIN_URL.read(g, e), kinds.as_given),
    ),
    Key("files_base", "files_base", kinds.PLAIN_URL),
    Key("repodata_use_zst", "repodata_use_zst", kinds.BOOLEAN),
    Key("repodata_use_shards", "repodata_use_shards", kinds.BOOLEAN),
)
CLIENT_CERT = (Key("cert", "client_cert", kinds.FILE), Key("key", "client_key", kinds.FILE))
ROUTE = (
    Key("proxy", "proxy", secret_url("http", "https")),
    Key("username", "username", kinds.TEXT),
    Key("password", "password", kinds.SECRET),
    Key("no_proxy", "no_proxy", list_of(kinds.NO_PROXY)),
    Key("ca_files", "ca_files", list_of(kinds.FILE)),
    Key("verify", "verify", kinds.BOOLEAN),
)
#: Keys that mean something for one kind of feed only.
KIND_OF = {
    "blocked_project": "pypi",
    "subdirs": "conda",
    "indexed_timestamp": "conda",
    "json_api": "pypi",
    "files_base": "pypi",
    "repodata_use_zst": "conda",
    "repodata_use_shards": "conda",
}
TABLES = ("server", "cache", "state", "log", "upstream_defaults", "feeds", "routes", "policies")


class Reader:
    """Reads tables, collecting all faults and where each value came from."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.faults: list[Fault] = []
        self.sources: dict[str, str] = {}
        #: dotted key -> the package list of a file that stands there.
        self.lists: dict[str, SpecList] = {}

    def fault(self, key: str, message: str, source: str = "") -> None:
        self.faults.append(Fault(key, message, source or self.sources.get(key, "")))

    def refuse(self, key: str, err: RefusedError, source: str) -> None:
        self.faults += (Fault(key + where, why, source) for where, why in err.parts)

    def table(self, node: Table | Given | None, place: str) -> Table:
        """Return the node as a table; a value in its place is a fault and reads as an empty table."""
        if isinstance(node, Given):
            if isinstance(node.value, dict):
                return Table({str(name): node.part(value) for name, value in node.value.items()})
            self.fault(place, f"must be a table, not {describe(node.value)}", node.source)
        return node if isinstance(node, Table) else Table()

    def known(self, table: Table, names: Iterable[str], place: str) -> None:
        """Report every entry whose name is not one of these."""
        allowed = dict.fromkeys(names)
        for name in table.entries:
            if name not in allowed:
                self.fault(dotted(place, name), kinds.unknown(name, allowed), source_of(table.entries[name]))

    def values(self, keys: Iterable[Key], table: Table, place: str) -> dict[str, Any]:
        """Return attribute -> value of those keys that are given and right."""
        found: dict[str, Any] = {}
        for key in keys:
            node = table.entries.get(key.name)
            if node is not None:
                read = self.value(key.kind, node, dotted(place, key.name))
                found |= {key.attr: read[0]} if read else {}
        return found

    def value(self, kind: Kind, node: Given | Table, place: str) -> tuple[Any] | None:
        """Return the value in a tuple, or None after reporting why there is none."""
        if isinstance(node, Table):
            node = Given({}, source_of(node), Path())
        self.sources[place] = node.source
        try:
            return (kind.read(node, self.environ),)
        except RefusedError as err:
            self.refuse(place, err, node.source)
            return None


def of_kind(keys: Iterable[Key], kind: str) -> tuple[Key, ...]:
    """Return those of a feed's or an upstream's keys that its kind has."""
    return tuple(key for key in keys if KIND_OF.get(key.name, kind) == kind)


def dotted(place: str, name: str) -> str:
    """Return the key of a name in a table, with the name quoted where it holds more than a bare key may."""
    bare = name.replace("-", "").replace("_", "").isalnum() and name.isascii()
    word = name if bare else ascii(name)[:80]
    return f"{place}.{word}" if place else word


def source_of(node: Given | Table | None) -> str:
    """Return who gave the node; of a table, who gave its first value."""
    if isinstance(node, Given):
        return node.source
    if isinstance(node, Table):
        return next((source for entry in node.entries.values() if (source := source_of(entry))), "")
    return ""
