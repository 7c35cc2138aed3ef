"""What a fake index knows: projects and their files. Mutable; `index.py` changes and shows them."""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from tests.support.wheels import Built

UPLOADED = datetime(2026, 1, 5, 12, 30, 0, 123456, tzinfo=UTC)


@dataclass(slots=True)
class File:
    """One file of a project as the index tells it; `built` has the bytes."""

    built: Built
    uploaded_at: datetime | None = UPLOADED
    #: False, True, or the reason.
    yanked: bool | str = False
    #: The link has no hash.
    hashed: bool = True
    #: The page says so; whether it is served is another switch.
    core_metadata: bool = True
    provenance: str | None = None
    requires_python: str | None = None
    #: What the page claims instead of the file's own digest and size.
    claimed_sha256: str | None = None
    claimed_size: int | None = None
    claimed_metadata_sha256: str | None = None

    @property
    def filename(self) -> str:
        return self.built.filename

    @property
    def sha256(self) -> str:
        return self.claimed_sha256 or self.built.sha256

    @property
    def size(self) -> int:
        return len(self.built.data) if self.claimed_size is None else self.claimed_size

    @property
    def path(self) -> str:
        """The path on the file host: 2, 2 and 60 digits of the content's BLAKE2b-256, then the file name."""
        digest = self.built.blake2b
        return f"/packages/{digest[:2]}/{digest[2:4]}/{digest[4:]}/{self.filename}"

    @property
    def metadata_sha256(self) -> str | None:
        if self.claimed_metadata_sha256 is not None:
            return self.claimed_metadata_sha256
        return None if self.built.metadata is None else hashlib.sha256(self.built.metadata).hexdigest()


@dataclass(slots=True)
class Project:
    """A project with the files that its page lists."""

    name: str
    serial: int
    files: list[File] = field(default_factory=list)
    status: str = "active"
    status_reason: str | None = None
    #: version -> fields of `info` that the JSON API tells of it in place of the usual ones.
    info: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: An index that marks the project and lists its files all the same.
    shows_quarantined: bool = False

    @property
    def normalized(self) -> str:
        return canonicalize_name(self.name)

    @property
    def listed(self) -> list[File]:
        """The files a page shows, by (version, file name); none while the project is in quarantine."""
        if self.status == "quarantined" and not self.shows_quarantined:
            return []
        return sorted(self.files, key=lambda file: (_order(file.built.version), file.filename))

    @property
    def versions(self) -> list[str]:
        seen = dict.fromkeys(file.built.version for file in self.listed)
        return list(seen)


def _order(version: str) -> Version:
    try:
        return Version(version)
    except InvalidVersion:
        return Version("0.dev0")
