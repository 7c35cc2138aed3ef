"""The order of files on a page: by version, then by file name (sheet, section 8)."""

from collections.abc import Iterable

from proxy.pypi.distribution import Distribution
from proxy.pypi.versions import ranks


def in_order(files: Iterable[Distribution]) -> tuple[Distribution, ...]:
    """Return the files oldest version first; files without a known version come before all others."""
    listed = list(files)
    rank = ranks(file.version for file in listed)
    return tuple(sorted(listed, key=lambda file: (rank[file.version], file.filename)))
