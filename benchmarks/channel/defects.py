"""Defects: one record of each kind of section 6, "Strictness", of the conda fact sheet, and of case D05.

The README of the benchmark and the tests of proxy/conda read from here what must become of each: a *kept* record is
served, perhaps mended; a *dropped* one is not.
"""

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

_ZEROS = "0" * 64
_DEEP: dict[str, Any] = functools.reduce(lambda inner, _: {"x": inner}, range(100), {})


class Defect(NamedTuple):
    """One defective record: what is wrong, what becomes of it, and its place."""

    section: str
    file: str
    record: dict[str, Any]


def defects(subdir: str) -> Iterator[Defect]:
    """Yield every defective record; the name says what is wrong and what must happen to it."""
    for name, changes in (_KEPT | _DROPPED).items():
        record = {
            "build": "0", "build_number": 0, "constrains": [], "depends": ["python"], "license": "MIT",
            "md5": _ZEROS[:32], "name": name, "sha256": _ZEROS, "size": 1000, "subdir": subdir,
            "timestamp": 1_600_000_000_000, "version": "1.0",
        } | changes  # fmt: skip
        for key in [key for key, value in record.items() if value is ...]:
            del record[key]
        yield Defect("packages.conda", f"{name}-1.0-0.conda", record)


def kept() -> set[str]:
    """Return the names of the defective records that are served."""
    return set(_KEPT)


def dropped() -> set[str]:
    """Return the names of the defective records that are not served."""
    return set(_DROPPED)


#: name -> what differs from a sound record; `...` takes the key away.
_KEPT: dict[str, dict[str, Any]] = {
    "mended-depends-missing": {"depends": ...},
    "mended-depends-null": {"depends": None},
    "mended-constrains-null": {"constrains": None},
    "mended-subdir-missing": {"subdir": ...},
    "mended-subdir-elsewhere": {"subdir": "win-64"},
    "mended-subdir-a-path": {"subdir": "../../elsewhere"},
    "mended-hashes-missing": {"md5": ..., "sha256": ...},
    "mended-md5-not-hex": {"md5": "xyz"},
    "mended-sha256-not-hex": {"sha256": "g" * 64},
    "mended-sha256-a-number": {"sha256": 7},
    "mended-sha256-upper-case": {"sha256": "AB" * 32},
    "mended-timestamp-a-string": {"timestamp": "yesterday"},
    "mended-timestamp-in-seconds": {"timestamp": 1_600_000_000},
    "mended-license-a-list": {"license": ["MIT", "GPL-2.0-only"]},
    "mended-size-a-string": {"size": "1000"},
    "mended-url": {"url": "https://elsewhere.invalid/x.conda", "channel": "elsewhere", "fn": "x.conda"},
    "mended-base-url": {"base_url": "https://elsewhere.invalid/"},
    "mended-track-features-a-number": {"track_features": 3},
    "sound-unknown-key": {"namespace": "r", "later": {"deep": [1, 2.5, None]}},
    "sound-bad-dependency": {"depends": ["nonsense ==1=2=3"]},
    "sound-noarch-true": {"noarch": True},
    "sound-version-elsewhere": {"version": "2.0"},
    "sound-build-elsewhere": {"build": "1"},
    "mended-noarch-upper-case": {"noarch": "Python"},
    "mended-revoked-a-string": {"revoked": "yes"},
    "mended-attestations-a-number": {"attestations_sha256": 5},
    "mended-run-exports-a-number": {"run_exports": 5},
    "mended-purls-a-string": {"purls": "pkg:a"},
    "mended-timestamp-out-of-range": {"timestamp": 2**62},
    "mended-depends-with-a-blank": {"depends": [" python >=3", ""]},
}
_DROPPED: dict[str, dict[str, Any]] = {
    "dropped-name-missing": {"name": ...},
    "dropped-version-missing": {"version": ...},
    "dropped-build-missing": {"build": ...},
    "dropped-build-number-missing": {"build_number": ...},
    "dropped-name-elsewhere": {"name": "numpy"},
    "dropped-version-of-no-file": {"version": "1/0"},
    "dropped-too-deep": {"later": _DEEP},
    "dropped-build-number-a-string": {"build_number": "0"},
    "dropped-build-number-negative": {"build_number": -1},
    "dropped-depends-a-string": {"depends": "python"},
    "dropped-depends-with-null": {"depends": ["python", None]},
    "dropped-constrains-a-number": {"constrains": 3},
    "dropped-noarch-a-number": {"noarch": 3},
    "dropped-noarch-unheard-of": {"noarch": "ruby"},
}
