"""`prereleases = false`: alphas, betas, release candidates and development versions are not shown.

PyPI's versions say it (PEP 440). conda's say it in a segment (CEP 33): what stands between ".", "_" and "-". A word for
a pre-release is its first letters ("2.0beta", "1.0.dev75225b9"); a single letter counts only between a release's number
and one of its own, with no other letter in the segment ("1.8a1", "3.0.b127"). So OpenSSL's 1.0.1a, jpeg's 9b and pytz's
2013b are releases, and so are R15B01 and what ends in a git hash ("0.106.gf8a69d0", "6454.b4445ee52", "4445b52").
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

_SEPARATORS = re.compile(r"[._-]+")
_WORD = re.compile(r"\d*(?:dev|rc|alpha|beta|pre|preview)(?![a-z])")
#: A hash's: four to seven digits in front, more than four behind a letter that stands first, seven characters in all.
_HASH_CHARS = 7
_LETTER = re.compile(r"(?:\d{1,3}|\d{8,})[abc]\d+|\d{4,7}[abc]\d|[abc]\d{1,4}")


_VERSION_OF: Callable[[Facts], str | None] = attrgetter("version")
#: Stands for a version that was not asked for yet.
_ASK = blocked("prereleases", "")


@lru_cache(maxsize=65536)
def is_prerelease(kind: Kind, version: str | None) -> bool:
    """Tell whether a version is no final release; False for a text that is no version."""
    if version is None:
        return False
    if kind == "conda":
        segments = _SEPARATORS.split(version.lower().rpartition("!")[2].partition("+")[0])
        return any(map(_is_prerelease_segment, segments))
    try:
        return Version(version).is_prerelease
    except ValueError:  # InvalidVersion, or more digits than Python reads
        return False


def _is_prerelease_segment(segment: str) -> bool:
    if _WORD.match(segment):
        return True
    return len(segment) != _HASH_CHARS and _LETTER.fullmatch(segment) is not None


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
