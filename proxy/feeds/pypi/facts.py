"""What rules may ask about a project's files, from its shard: the one place where PyPI's facts are filled in.

Age: the first listing of a name is the first complete snapshot that there is of it, so its files are as old as the
origin says, and old where the origin says nothing; a file that appears later counts from its first sight, too
(contract, section 4). Where the document that tells upload times did not come, nobody knows how old a file is.

Licences: what is read from one file of a version speaks for the version's others, until theirs are known (PyPI
sheet, 22).
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from packaging.version import Version

from proxy.feeds.pypi.shard import Shard
from proxy.policy.facts import Facts, License
from proxy.pypi.distribution import Distribution
from proxy.pypi.versions import parse_version

_SILENT = License()


def facts_of(shard: Shard, licenses: Mapping[str, License] | None = None) -> Iterator[Facts]:
    """Yield the facts of each file of the shard, in its order.

    `licenses` are those known, by `key_of`; None where no rule asks for any.
    """
    project, name = shard.project, shard.project.name
    is_quarantined = project.status == "quarantined"
    of_versions = _of_versions(project.files, licenses) if licenses is not None else {}
    for file in project.files:
        uploaded_ms = uploaded_at_ms(file.upload_time)
        first_ms, is_initial = shard.sights.get(file.filename, (None, False))
        if is_initial and uploaded_ms is None and not shard.is_complete:
            first_ms, is_initial = None, False
        licence: License | None = _SILENT
        if licenses is not None:
            licence = licenses.get(key_of(file)) or of_versions.get(version_key(file))
        yield Facts(
            file=file.filename, name=name, version=file.version, requires_python=file.requires_python,
            license=licence, size=file.size, uploaded_ms=uploaded_ms, first_seen_ms=first_ms,
            is_initial=is_initial, is_yanked=file.is_yanked, is_quarantined=is_quarantined,
            sha256=file.sha256, md5=file.hashes.get("md5"),
        )  # fmt: skip


def uploaded_at_ms(upload_time: str | None) -> int | None:
    """Return an upload time as pages have it in UTC milliseconds, rounded up; None where there is none."""
    if upload_time is None:
        return None
    try:
        at = datetime.fromisoformat(upload_time)
    except ValueError:
        return None
    return math.ceil(at.timestamp() * 1000) if at.tzinfo is not None else None


def key_of(file: Distribution) -> str:
    """Return what a file's own facts are kept under: its digest, or where it lies if nobody tells one."""
    return file.sha256 or file.url


def version_key(file: Distribution) -> Version | None:
    """Return what files of one version have in common; None for a file without a version."""
    return parse_version(file.version) if file.version is not None else None


def _of_versions(
    files: Iterable[Distribution], licenses: Mapping[str, License]
) -> dict[Version | None, License]:
    found: dict[Version | None, License] = {}
    for file in files:
        own = licenses.get(key_of(file))
        version = version_key(file)
        if own is not None and version is not None:
            found.setdefault(version, own)
    return found
