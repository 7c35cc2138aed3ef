"""`keep_versions`: the newest N versions of a name, counted after all other rules (PyPI sheet, 24).

Counted per name, for conda per name and subdir, so that a platform whose newest build is older than another's is not
left without any. A version counts while a file of it is shown, unless all of them are yanked. Final releases come
first: pre-releases are kept only where there is no final one, development versions only where there is nothing else.
Versions that are equal are one; for PyPI a local version is a build of the version that it extends. One that cannot be
compared is never among the newest.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from packaging.version import Version

from proxy.model.verdict import Verdict
from proxy.policy.conda_version import version_key
from proxy.policy.facts import Facts
from proxy.policy.prereleases import is_prerelease
from proxy.policy.rule import blocked
from proxy.policy.settings import Kind

#: conda's or PyPI's versions; one rule compares one of the two kinds only, and both order and hash.
_Key = Any
_VERSION_OF: Callable[[Facts], str | None] = attrgetter("version")
_YANKED_OF: Callable[[Facts], bool] = attrgetter("is_yanked")


@dataclass(frozen=True, slots=True)
class KeepVersions:
    """Blocks all but the newest `count` versions."""

    kind: Kind
    count: int
    name: str = "keep_versions"

    @property
    def verdict(self) -> Verdict:
        """What is said of an older version."""
        which = "the newest version is" if self.count == 1 else f"the newest {self.count} versions are"
        return blocked(self.name, f"only {which} shown")

    def older(self, candidates: Sequence[Facts]) -> frozenset[tuple[str, str | None]]:
        """Return subdir and version of what is not among the newest of the candidates: all that other rules show."""
        texts = set(map(_VERSION_OF, candidates))
        if len(texts) <= self.count and self._are_plain(texts, candidates):
            return frozenset()
        files: dict[tuple[str, str | None], bool] = {}
        for facts in candidates:
            place = (facts.subdir, facts.version)
            files[place] = files.get(place, True) and facts.is_yanked
        subdirs: dict[str, dict[str | None, bool]] = {}
        for (subdir, version), is_yanked in files.items():
            subdirs.setdefault(subdir, {})[version] = is_yanked
        return frozenset(
            (subdir, version) for subdir, versions in subdirs.items() for version in self._older(versions)
        )

    def _are_plain(self, texts: set[str | None], candidates: Sequence[Facts]) -> bool:
        """Tell whether all are final releases that can be compared and none is yanked, so that only numbers count."""
        return not (
            any(map(_YANKED_OF, candidates))
            or any(is_prerelease(self.kind, text) or self._key(text) is None for text in texts)
        )

    def _older(self, versions: dict[str | None, bool]) -> set[str | None]:
        """Return the spellings of the versions that are not kept; each comes with whether all of it is yanked."""
        spellings: dict[_Key, list[str | None]] = {}
        yanked: set[_Key] = set()
        for version, is_yanked in versions.items():
            key = self._key(version)
            spellings.setdefault(key, []).append(version)
            yanked |= {key} if is_yanked else set()
        yanked -= {
            key for version, is_yanked in versions.items() if not is_yanked for key in (self._key(version),)
        }
        standing = {
            key: self._standing(of[0])
            for key, of in spellings.items()
            if key is not None and key not in yanked
        }
        best = min(standing.values(), default=0)
        newest = sorted((key for key, rank in standing.items() if rank == best), reverse=True)[: self.count]
        kept = {version for key in newest for version in spellings[key]}
        return versions.keys() - kept

    def _key(self, version: str | None) -> _Key:
        """Return what versions are sorted by; None for one that cannot be read, which is never the newest."""
        try:
            return (
                version_key(version or "") if self.kind == "conda" else Version(Version(version or "").public)
            )
        except ValueError:  # BadVersion, InvalidVersion, or more digits than Python reads
            return None

    def _standing(self, version: str | None) -> int:
        """0: final, 1: pre-release, 2: development version."""
        if not is_prerelease(self.kind, version):
            return 0
        return 2 if "dev" in (version or "").lower() else 1
