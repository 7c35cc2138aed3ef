"""What the documents of feeds, policies and routes may hold, for the description of the API: the keys of config.toml.

The values' forms are those of the file (README, Configuration); what is wrong with one is told in `faults`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from proxy.config.policies import POLICY
from proxy.config.schema import FEED, ROUTE, UPSTREAM, UPSTREAM_DEFAULTS, Key

_AUTH = {
    "type": "object",
    "properties": {
        "basic": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2},
        "bearer": {"type": "string"},
        "header": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2},
        "token": {"type": "string"},
        "netrc": {"type": "boolean"},
    },
    "additionalProperties": False,
}
_URLS = {"type": "array", "items": {"type": "string"}, "minItems": 1}


def _table(keys: Iterable[Key], **more: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {key.name: {} for key in keys} | more,
        "additionalProperties": False,
    }


_ROUTE = _table(ROUTE, no_proxy={"type": "array"}, ca_files={"type": "array"}, verify={"type": "boolean"})
_UPSTREAM = _table(
    (*UPSTREAM, *UPSTREAM_DEFAULTS), url={"type": "string"}, urls=_URLS, auth=_AUTH,
    route={"anyOf": [{"type": "string"}, _ROUTE]}, client_cert={"type": "object"},
)  # fmt: skip
_LISTS = {"type": "array", "items": {"type": "string"}}
_FEED = _table(
    FEED, kind={"enum": ["conda", "pypi"]}, offline={"type": "boolean"}, aliases=_LISTS, curated_from=_LISTS,
    upstreams={"type": "array", "items": {"anyOf": [{"type": "string"}, _UPSTREAM]}, "minItems": 1},
)  # fmt: skip
_POLICY = _table(POLICY, pypi={"type": "object"}, block=_LISTS, allow=_LISTS)
_EXAMPLES: Mapping[str, dict[str, Any]] = {
    "feeds": {"kind": "pypi", "upstreams": [{"url": "https://index.example/simple/"}]},
    "policies": {"min_age": "7d", "block": ["tk"]},
    "routes": {"proxy": "http://proxy.example:8899", "no_proxy": ["localhost"]},
}
_TABLES = {"feeds": _FEED, "policies": _POLICY, "routes": _ROUTE}


def whole(noun: str) -> dict[str, Any]:
    """Return the schema of a document as PUT takes it."""
    return {**_TABLES[noun], "examples": [_EXAMPLES[noun]]}


def named(noun: str) -> dict[str, Any]:
    """Return the schema of a document as POST takes it."""
    table = _TABLES[noun]
    name = {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,20}$"}
    properties = {"name": name, **table["properties"]}
    return {
        **table,
        "properties": properties,
        "required": ["name"],
        "examples": [{"name": "team", **_EXAMPLES[noun]}],
    }


def partial(noun: str) -> dict[str, Any]:
    """Return the schema of a document as PATCH takes it: any key may be null, which takes it out."""
    table = _TABLES[noun]
    properties = {name: {"anyOf": [schema, {"type": "null"}]} for name, schema in table["properties"].items()}
    return {**table, "properties": properties}
