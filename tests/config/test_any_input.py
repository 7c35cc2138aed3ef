"""Whatever is given, the answer is settings or faults, never another error."""

import json
import os
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.config import schema
from proxy.config.faults import ConfigError
from proxy.config.load import Request, load
from proxy.config.policies import POLICY
from proxy.config.show import as_json, as_lines

_WORDS = [
    "",
    "t",
    "pypi",
    "conda",
    "10m",
    "1 GiB",
    "1 KiB/s over 30s",
    "https://u:p@h/simple",
    "https://h/t/token/x",
    "file:x",
    "x.pem",
    "\0",
    "[::1]",
    "%zz",
]
_LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.sampled_from(_WORDS)
)
_KEYS = [
    *(
        key.name
        for table in (schema.SERVER, schema.CACHE, schema.FEED, schema.UPSTREAM, schema.ROUTE, POLICY)
        for key in table
    ),
    *(
        "url",
        "urls",
        "upstreams",
        "auth",
        "basic",
        "bearer",
        "route",
        "client_cert",
        "cert",
        "tls",
        "env",
        "file",
        "pypi",
    ),
    *("feeds", "routes", "policies", "a", "b", "default", "server", "upstream_defaults"),
]
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS) | st.text(max_size=3), inner)
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(schema.TABLES), _VALUES, max_size=4), st.binary(max_size=60))
def test_no_values_whatever_break_the_loader(tables: dict[str, object], noise: bytes) -> None:
    environ = {f"FEEDGATE__{name.upper()}": json.dumps(value) for name, value in tables.items()}
    text = noise.decode("latin-1").replace("\0", "")
    environ |= {"PIP_CONFIG_FILE": os.devnull, f"FEEDGATE__{text}": text}
    try:
        loaded = load(Request(None, environ, Path("/nowhere")))
    except ConfigError as err:
        assert err.faults
        assert all(str(fault).isprintable() for fault in err.faults)
    else:
        assert list(as_lines(loaded.settings))
        assert json.dumps(as_json(loaded.settings))


@settings(max_examples=200, deadline=None)
@given(
    st.fixed_dictionaries(
        {"kind": st.sampled_from(["pypi", "conda", 1])},
        optional=dict.fromkeys(("upstreams", "aliases", "curated_from", "reserved", "policy"), _VALUES),
    ),
    st.lists(st.dictionaries(st.sampled_from(_KEYS), _VALUES, max_size=4), max_size=2),
)
def test_no_feed_whatever_breaks_the_loader(feed: dict[str, object], upstreams: list[object]) -> None:
    feeds = {"a": feed, "b": {"kind": "pypi", "upstreams": upstreams}}
    environ = {"PIP_CONFIG_FILE": os.devnull, "FEEDGATE__FEEDS": json.dumps(feeds)}
    try:
        load(Request(None, environ, Path("/nowhere")))
    except ConfigError as err:
        assert err.faults


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from([*(key.name for key in POLICY), "pypi"]), _VALUES, max_size=4))
def test_no_policy_whatever_breaks_the_loader(policy: dict[str, object]) -> None:
    environ = {"PIP_CONFIG_FILE": os.devnull, "FEEDGATE__POLICIES": json.dumps({"a": policy})}
    try:
        loaded = load(Request(None, environ, Path("/nowhere")))
    except ConfigError as err:
        assert err.faults
    else:
        assert json.dumps(as_json(loaded.settings))
