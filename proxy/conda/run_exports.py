"""`run_exports.json`, filtered (CEP 12): what packages pass on to what is built with them, by file name.

The origin's file lists every package of the unpatched index; ours lists those that are shown, in its own words.
"""

from collections.abc import Container

import msgspec

_encode = msgspec.json.Encoder(order="sorted").encode


class BadRunExports(Exception):
    """The bytes are no run_exports.json."""


class _File(msgspec.Struct):
    packages: dict[str, msgspec.Raw] = {}
    conda: dict[str, msgspec.Raw] = msgspec.field(name="packages.conda", default_factory=dict)


def filter_run_exports(document: bytes, subdir: str, shown: Container[str]) -> bytes:
    """Return the run_exports.json of the shown files. Raises BadRunExports."""
    try:
        found = msgspec.json.decode(document, type=_File)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise BadRunExports(f"not a run_exports.json: {error}") from error
    return _encode(
        {
            "info": {"subdir": subdir, "version": 1},
            "packages": _kept(found.packages, shown),
            "packages.conda": _kept(found.conda, shown),
        }
    )


def _kept(files: dict[str, msgspec.Raw], shown: Container[str]) -> dict[str, msgspec.Raw]:
    return {file: raw for file, raw in files.items() if file in shown}
