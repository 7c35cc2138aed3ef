"""`keep_versions`: the newest N versions of a name, counted after all other rules (PyPI sheet, 24).

Counted per name, for conda per name and subdir, so that a platform whose newest build is older than another's is not
left without any. A version counts while a file of it is shown, unless all of them are yanked. Final releases come
first: pre-releases are kept only where there is no final one, development versions only where there is nothing else.
Versions that are equal are one; for PyPI a local version is a build of the version that it extends.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from packaging.version import InvalidVersion, Version

from proxy.model.verdict import Verdict
from proxy.policy.conda_version import version_key
from proxy.policy.facts import Facts
from proxy.policy.prereleases import is_prerelease
from proxy.policy.rule import blocked
from proxy.policy.settings import Kind

#: conda's or PyPI's versions; one rule compares one of the two kinds only, and both order and hash.
_Key = Any


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

    def kept(self, candidates: Iterable[Facts]) -> frozenset[str]:
        """Return the artifacts of the newest versions among the candidates, which are all that other rules show.

        Raises ValueError for a version that cannot be compared.
        """
        places: dict[str, list[Facts]] = {}
        for facts in candidates:
            places.setdefault(facts.subdir, []).append(facts)
        return frozenset(facts.artifact for place in places.values() for facts in self._newest(place))

    def _newest(self, files: Sequence[Facts]) -> list[Facts]:
        versions: dict[_Key, list[Facts]] = {}
        for facts in files:
            key = self._key(facts.version)
            if key is not None:
                versions.setdefault(key, []).append(facts)
        counted = {key: of for key, of in versions.items() if not all(facts.is_yanked for facts in of)}
        standing = {key: self._standing(of[0].version) for key, of in counted.items()}
        best = min(standing.values(), default=0)
        newest = sorted((key for key, rank in standing.items() if rank == best), reverse=True)
        return [facts for key in newest[: self.count] for facts in counted[key]]

    def _key(self, version: str | None) -> _Key:
        """Return what versions are sorted by; None for one that PEP 440 does not know, which is never the newest."""
        if self.kind == "conda":
            return version_key(version or "")
        try:
            return Version(Version(version or "").public)
        except InvalidVersion:
            return None

    def _standing(self, version: str | None) -> int:
        """0: final, 1: pre-release, 2: development version."""
        if not is_prerelease(self.kind, version):
            return 0
        return 2 if "dev" in (version or "").lower() else 1
