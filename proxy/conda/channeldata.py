"""`channeldata.json`, filtered (CEP 38): what a channel says of its names over all subdirs, for people and conda-build.

A name of which nothing is shown is left out; what is said of versions and subdirs that are hidden is too. The order
of versions is not known here: the newest that is shown is handed in.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

_encode = msgspec.json.Encoder(order="sorted").encode


class BadChannelData(Exception):
    """The bytes are no channeldata.json."""


@dataclass(frozen=True, slots=True)
class Visible:
    """What is shown of one name over all subdirs of a feed."""

    newest: str
    versions: Collection[str]
    subdirs: Collection[str]
    #: `subdir/file` of everything shown; tells whether the reference package is.
    files: Collection[str] = ()


class _File(msgspec.Struct):
    packages: dict[str, dict[str, Any]] = {}


def filter_channeldata(
    document: bytes | None, shown: Mapping[str, Visible], subdirs: Collection[str]
) -> bytes:
    """Return the channeldata.json of what is shown; None: the origin has none. Raises BadChannelData."""
    try:
        found = msgspec.json.decode(document, type=_File).packages if document else {}
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise BadChannelData(f"not a channeldata.json: {error}") from error
    packages = {name: _seen(found[name], shown[name]) for name in found.keys() & shown.keys()}
    return _encode({"channeldata_version": 1, "packages": packages, "subdirs": sorted(subdirs)})


def _seen(said: dict[str, Any], visible: Visible) -> dict[str, Any]:
    seen = said | {"subdirs": sorted(visible.subdirs)}
    if seen.get("version") not in visible.versions:
        seen["version"] = visible.newest
    exports = seen.get("run_exports")
    if isinstance(exports, dict):
        seen["run_exports"] = {
            version: found for version, found in exports.items() if version in visible.versions
        }
    if seen.get("reference_package") not in visible.files:
        seen.pop("reference_package", None)
    return seen
