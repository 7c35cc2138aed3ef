"""The top of an index: of all that an origin says about its channel, what is told to clients.

Only `subdir` and relative `channel_relations` (CEP 42) are. `base_url` (CEP 15) is for us, who fetch packages from
there; it and absolute relations would lead clients past the gate, `signatures` no longer match, an unfiltered `v3`
section shows what is hidden (design, law 8; fact sheet 11, item 4); the rest is read by nobody.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

Relations = Mapping[str, Sequence[str]]

#: `../other` or `../../team/other`: resolved against the channel's URL it stays on this server.
_RELATIVE = re.compile(
    r"(?:\.\./){1,3}[a-z0-9_][a-z0-9_.-]*(?:/[a-z0-9_][a-z0-9_.-]*){0,3}/?\Z", re.IGNORECASE
)
_KINDS = ("base", "overrides")
_LIMIT = 32
_LONGEST = 2000


def relations_of(info: object) -> dict[str, list[str]]:
    """Return the relative channel relations of a decoded `info`; whatever else it is, there are none."""
    found = info.get("channel_relations") if isinstance(info, dict) else None
    if not isinstance(found, dict):
        return {}
    kept = {kind: _relative(found.get(kind)) for kind in _KINDS}
    return {kind: entries for kind, entries in kept.items() if entries}


def base_url_of(info: object) -> str:
    """Return where an index says that its packages lie; "" is beside the index itself."""
    found = info.get("base_url") if isinstance(info, dict) else None
    return found if isinstance(found, str) and len(found) <= _LONGEST else ""


def _relative(entries: object) -> list[str]:
    found = entries if isinstance(entries, list) else []
    return [entry for entry in found if isinstance(entry, str) and _RELATIVE.match(entry)][:_LIMIT]


def info(subdir: str, relations: Relations) -> dict[str, Any]:
    """Return the `info` of a served repodata.json."""
    return {"channel_relations": relations, "subdir": subdir} if relations else {"subdir": subdir}


def render_info(subdir: str, relations: Relations) -> bytes:
    """Return the same as compact JSON."""
    return msgspec.json.encode(info(subdir, relations))
