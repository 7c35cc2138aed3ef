"""`prereleases = false`: alphas, betas, release candidates and development versions are not shown.

PyPI's versions say it (PEP 440). conda's are read with care: a letter behind a number is a pre-release only where a
number follows ("1.8a1"), because OpenSSL's 1.0.1a, jpeg's 9b and pytz's 2013b are releases.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import attrgetter

from packaging.version import Version

from proxy.model.verdict import Verdict
from proxy.policy.facts import Facts
from proxy.policy.rule import blocked
from proxy.policy.settings import Kind
from proxy.policy.wording import quoted

_CONDA = re.compile(
    r"(?:(?<=\d)|(?<=[._-]))(?:(?:a|b|c|rc)[._-]?\d+|(?:rc|alpha|beta|pre|preview|dev)(?:[._-]?\d+)?)(?![a-z])"
)


_VERSION_OF: Callable[[Facts], str | None] = attrgetter("version")
#: Stands for a version that was not asked for yet.
_ASK = blocked("prereleases", "")


@lru_cache(maxsize=65536)
def is_prerelease(kind: Kind, version: str | None) -> bool:
    """Tell whether a version is no final release; False for a text that is no version."""
    if version is None:
        return False
    if kind == "conda":
        return _CONDA.search(version.lower().partition("+")[0]) is not None
    try:
        return Version(version).is_prerelease
    except ValueError:  # InvalidVersion, or more digits than Python reads
        return False


@dataclass(frozen=True, slots=True)
class Prereleases:
    """Blocks pre-releases."""

    kind: Kind
    name: str = "prereleases"
    _known: dict[str | None, Verdict | None] = field(default_factory=dict)

    def judge(self, facts: Facts, tick_ms: int) -> Verdict | None:
        version = facts.version
        try:
            return self._known[version]
        except KeyError:
            is_one = is_prerelease(self.kind, version)
            verdict = blocked(self.name, f"{quoted(version or '')} is a pre-release") if is_one else None
            self._known[version] = verdict
            return verdict

    def is_silent(self, files: Sequence[Facts], tick_ms: int) -> bool:
        """Tell, cheaper than file by file, that it has nothing to say; False where that is not sure."""
        known = self._known
        return all(known.get(version, _ASK) is None for version in set(map(_VERSION_OF, files)))
