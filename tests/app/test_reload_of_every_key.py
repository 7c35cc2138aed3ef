"""A reload puts every key of the server's own tables in force, or says that it needs a restart."""

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import trustme

from proxy.app import App
from proxy.config import schema
from proxy.config.settings import Upstream
from proxy.process import reload
from tests.app.test_reload import told
from tests.config.loading import loads
from tests.support.raw_http import Raw

RESTART = "restart"
_FEED = '[feeds.one]\nkind = "pypi"\nupstreams = ["https://index.example/simple/"]\n'


def _upstream(app: App) -> Upstream:
    """Return the upstream as it is asked: the catalog's, and the way's out."""
    ((upstream, _),) = app.site.catalogs
    assert app.base.door.remote(upstream).settings == upstream
    assert [way.settings for way in app.base.door._remotes.values()] == [upstream]
    return upstream


def _of_upstream(attr: str) -> Callable[[App], object]:
    return lambda app: getattr(_upstream(app), attr)


#: key -> another value, and how its effect is seen (here, or in a test below), or that it needs a restart.
KEYS: Mapping[str, tuple[str, Any]] = {
    "server.host": ('"127.0.0.2"', RESTART),
    "server.port": ("9", RESTART),
    "server.workers": ("1", RESTART),
    "server.data_dir": ('"elsewhere"', RESTART),
    "server.public_url": ('"https://p.example"', lambda app: app.url == "https://p.example"),
    "server.trusted_proxies": ('["127.0.0.0/8"]', lambda app: app._web._trust.is_trusted("127.0.0.1")),
    "server.path_prefix": ('"/x"', RESTART),
    "server.tls": ('{ cert = "c.pem", key = "c.pem" }', RESTART),
    "server.stop_timeout": ('"1s"', lambda app: app._web._settings.stop_timeout_s == 1),
    "server.header_timeout": ('"2s"', lambda app: app._web._watch.limits.header_s == 2),
    "server.body_timeout": ('"3s"', lambda app: app._web._listener._body_timeout_s == 3),
    "server.idle_timeout": ('"4s"', lambda app: app._web._listener._kwargs["keepalive_timeout"] == 4),
    "server.write_timeout": ('"5s"', lambda app: app._web._watch.limits.write_s == 5),
    "cache.max_size": ('"1 GiB"', lambda app: app.base.store.stats().max_bytes == 2**30),
    "cache.scrub": ('"1d"', RESTART),
    "state.url": ('"sqlite:///other.sqlite"', RESTART),
    "log.level": ('"error"', lambda app: logging.getLogger().level == logging.ERROR),
    "log.format": ('"json"', RESTART),
    "upstream_defaults.ttl": ('"1m"', _of_upstream("ttl_s")),
    "upstream_defaults.negative_ttl": ('"2m"', _of_upstream("negative_ttl_s")),
    "upstream_defaults.stale_if_error": ('"3d"', _of_upstream("stale_if_error_s")),
    "upstream_defaults.connect_timeout": ('"4s"', _of_upstream("connect_timeout_s")),
    "upstream_defaults.read_timeout": ('"5s"', _of_upstream("read_timeout_s")),
    "upstream_defaults.min_rate": ('"6 KiB/s over 7s"', _of_upstream("min_rate")),
    "upstream_defaults.concurrency": ("7", _of_upstream("concurrency")),
    "upstream_defaults.bandwidth": ('"8 MiB/s"', _of_upstream("bandwidth_bytes_per_s")),
    "upstream_defaults.retries": ("9", _of_upstream("retries")),
    "upstream_defaults.contact": ('"me@team.example"', _of_upstream("contact")),
    "upstream_defaults.max_index_size": ('"2 GiB"', _of_upstream("max_index_size_bytes")),
}


@pytest.fixture
def root_level() -> Any:
    level = logging.getLogger().level
    yield
    logging.getLogger().setLevel(level)


@pytest.fixture
async def app(tmp_path: Path, root_level: None) -> AsyncIterator[App]:
    loaded = loads(tmp_path, f"[server]\nport = 0\n{_FEED}")
    app = App(loaded.settings, {}, loaded=loaded)
    await app.start()
    yield app
    await app.stop()


def _text(values: Mapping[str, str]) -> str:
    tables: dict[str, dict[str, str]] = {"server": {"port": "0"}}
    for key, value in values.items():
        table, _, name = key.partition(".")
        tables.setdefault(table, {})[name] = value
    lines = (
        f"[{table}]\n" + "".join(f"{k} = {v}\n" for k, v in keys.items()) for table, keys in tables.items()
    )
    return "".join(lines) + _FEED


def test_the_table_has_every_key() -> None:
    tables = {
        "server": schema.SERVER, "cache": schema.CACHE, "state": schema.STATE, "log": schema.LOG,
        "upstream_defaults": schema.UPSTREAM_DEFAULTS,
    }  # fmt: skip
    keys = {f"{table}.{key.name}" for table, keys in tables.items() for key in keys}
    assert set(KEYS) == keys | {"server.tls"}


async def test_every_key_is_in_force_or_named_as_needing_a_restart(app: App, tmp_path: Path) -> None:
    trustme.CA().issue_cert("h").private_key_and_cert_chain_pem.write_to_path(tmp_path / "c.pem")
    for key, (value, effect) in KEYS.items():
        if key == "server.workers":
            continue  # there is no other value yet
        seen = None if effect is RESTART else effect(app)
        (tmp_path / "config.toml").write_text(_text({key: value}))
        await reload(app)
        answer = told(app)
        assert answer["ok"], (key, answer)
        in_force = " ".join(line for line in answer["messages"] if "are in force" in line)
        waiting = [line.partition(" ")[0] for line in answer["messages"] if "needs a restart" in line]
        if effect is RESTART:
            assert waiting, (key, answer)
            assert all(line.startswith(key) for line in waiting), (key, answer)
            assert key not in in_force
        else:
            assert not waiting
            assert key in in_force.replace(",", "").split(), (key, answer)
            assert effect(app) != seen, key


async def test_open_connections_follow_a_reload(app: App, tmp_path: Path) -> None:
    async with Raw(app._web.port) as raw:

        async def base_url() -> str:
            forwarded = ("X-Forwarded-Proto: https", "X-Forwarded-Host: via.example")
            page = (await raw.ask("GET", "/", *forwarded)).body.decode()
            return page.partition("<code>")[2].partition("/pypi/")[0]

        async def change(key: str, value: str) -> None:
            (tmp_path / "config.toml").write_text(_text({key: value}))
            await reload(app)

        assert (await base_url()).startswith("http://127.0.0.1:")
        await change("server.trusted_proxies", '["127.0.0.1"]')
        assert await base_url() == "https://via.example"
        await change("server.public_url", '"https://p.example"')
        assert await base_url() == "https://p.example"
        await change("server.idle_timeout", '"50ms"')
        assert (await base_url()).startswith("http://127.0.0.1:")
        assert await raw.read_to_end() == b""
