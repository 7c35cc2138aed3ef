"""The settings: frozen values that the rest of the program is built from. No I/O, no parsing.

`load.py` makes them from built-in defaults, the file, the environment and the command line (contract,
section 1). Durations are seconds (`*_s`), sizes bytes (`*_bytes`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from proxy.model.actor import Right
from proxy.model.redact import Secret, SecretUrl, origin_of
from proxy.model.stamp import Stamp
from proxy.policy.settings import Policy

MIB = 1024**2
GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Server:
    """`[server]`: where to listen, where data lies, how long to wait."""

    host: str = "127.0.0.1"
    port: int = 8080
    workers: int = 1
    data_dir: Path = Path("data")
    public_url: str | None = None
    trusted_proxies: tuple[str, ...] = ()
    path_prefix: str = ""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    stop_timeout_s: float = 25.0
    header_timeout_s: float = 10.0
    body_timeout_s: float = 30.0
    idle_timeout_s: float = 75.0
    write_timeout_s: float = 120.0

    def base_url(self, port: int | None = None) -> str:
        """Return the URL under which people reach this server, without a slash at its end.

        `port` is the one really listened on (port 0 asks for any). Behind a proxy only `public_url` knows.
        """
        if self.public_url:
            return self.public_url
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)
        host = f"[{host}]" if ":" in host and not host.startswith("[") else host
        scheme = "https" if self.tls_cert else "http"
        return f"{scheme}://{host}:{self.port if port is None else port}{self.path_prefix}"

    @property
    def cache_dir(self) -> Path:
        return self.data_dir / "cache"

    @property
    def vault_dir(self) -> Path:
        return self.data_dir / "vault"

    @property
    def state_dir(self) -> Path:
        return self.data_dir / "state"


@dataclass(frozen=True, slots=True)
class Cache:
    """`[cache]`: the files on disk that may be fetched again."""

    max_size_bytes: int = 50 * GIB
    scrub_s: float = 7 * 86400.0


@dataclass(frozen=True, slots=True)
class State:
    """`[state]`: where what the origin cannot tell again is kept."""

    #: None means SQLite below data_dir.
    url: SecretUrl | None = None


@dataclass(frozen=True, slots=True)
class Log:
    """`[log]`."""

    level: str = "info"
    format: str = "auto"


@dataclass(frozen=True, slots=True)
class Rate:
    """At least `bytes_per_s`, measured over any `window_s` seconds."""

    bytes_per_s: float
    window_s: float


@dataclass(frozen=True, slots=True)
class Route:
    """How a request leaves. `proxy` None with `use_environment` False means direct."""

    name: str = "environment"
    use_environment: bool = True
    proxy: SecretUrl | None = None
    username: str | None = None
    password: Secret | None = None
    no_proxy: tuple[str, ...] = ()
    ca_files: tuple[Path, ...] = ()
    verify: bool = True


@dataclass(frozen=True, slots=True)
class Auth:
    """Credentials for an origin: exactly one of the kinds 'basic', 'bearer', 'header', 'token', 'netrc'."""

    kind: str
    name: str | None = None
    secret: Secret | None = None


@dataclass(frozen=True, slots=True)
class Upstream:
    """One configured remote source: `urls` are mirrors of one thing, in order; or `feed` is one of ours."""

    #: Stable over restarts and edits of other keys: the feed's name and a hash of the first URL or feed.
    id: str
    urls: tuple[SecretUrl, ...] = ()
    feed: str | None = None
    route: Route = field(default_factory=Route)
    auth: Auth | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    allow_private: bool = False
    redirect_hosts: tuple[str, ...] = ()
    private: bool = False
    only: tuple[str, ...] = ()
    except_: tuple[str, ...] = ()
    #: PyPI: base URL of `/<name>/json`, already the sibling `/pypi/` where `urls[0]` ends in `/simple/`;
    #: None or '': there is none.
    json_api: str | None = None
    files_base: str | None = None
    #: conda: whether `repodata.json.zst` and CEP-16 shards are asked for, in the clients' own words.
    repodata_use_zst: bool = True
    repodata_use_shards: bool = True
    ttl_s: float = 600.0
    negative_ttl_s: float = 60.0
    stale_if_error_s: float = 7 * 86400.0
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 30.0
    min_rate: Rate = Rate(1024.0, 30.0)
    concurrency: int = 8
    bandwidth_bytes_per_s: float | None = None
    retries: int = 2
    contact: str | None = None
    max_index_size_bytes: int = GIB

    @property
    def title(self) -> str:
        """What people know it by, in logs and notes: where it is, at most its origin, or which feed. Never the id."""
        if self.feed is not None:
            return f"feed {self.feed}"
        return origin_of(self.urls[0].reveal()) if self.urls else "what is approved"

    @property
    def has_credentials(self) -> bool:
        """Whether an origin that refuses us has something to refuse."""
        return self.auth is not None or self.client_cert is not None


@dataclass(frozen=True, slots=True)
class Feed:
    """`[feeds.NAME]`: open with `upstreams`, or curated with `curated_from`."""

    name: str
    kind: str
    upstreams: tuple[Upstream, ...] = ()
    curated_from: tuple[str, ...] = ()
    #: The name of one of the settings' policies.
    policy: str | None = None
    reserved: tuple[str, ...] = ()
    anonymous: bool = True
    #: Subject ("anonymous", "authenticated", "group:NAME") and rights.
    grants: tuple[tuple[str, tuple[Right, ...]], ...] = ()
    offline: bool = False
    aliases: tuple[str, ...] = ()
    #: "404", "403" or "empty"
    blocked_project: str = "404"
    #: Whom people ask who miss something: a mailto: or https: URL.
    contact: str | None = None
    subdirs: tuple[str, ...] = ()
    indexed_timestamp: str = "observed"
    fetch: str = "eager"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that was configured."""

    server: Server = Server()
    cache: Cache = Cache()
    state: State = State()
    log: Log = Log()
    feeds: Mapping[str, Feed] = field(default_factory=dict)
    routes: Mapping[str, Route] = field(default_factory=dict)
    policies: Mapping[str, Policy] = field(default_factory=dict)
    #: The files of package lists that policies name (`only = { file = "…" }`), as they were read.
    lists: Mapping[Path, Stamp] = field(default_factory=dict)
    #: `[upstream_defaults]`: what an upstream made later begins with. Its id means nothing.
    upstream_defaults: Upstream = Upstream(id="")
    #: The environment's; None: the one in `state/admin.key`.
    admin_key: Secret | None = None
    #: dotted key -> where its value came from ("config.toml", "environment FEEDGATE__…", "command line",
    #: "pip: …"); a key that is not there has its built-in default.
    sources: Mapping[str, str] = field(default_factory=dict)

    def policy_of(self, feed: Feed) -> Policy | None:
        """Return the policy that a feed names. Raises KeyError where there is none of the name: nothing may run so."""
        return self.policies[feed.policy] if feed.policy is not None else None
