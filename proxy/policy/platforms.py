"""`platforms`: the first question of all, before anything is blocked or allowed (conda sheet 14.2, PyPI sheet 23).

A word is a conda subdir. conda's `noarch` directory, PyPI's `any` wheels and files without a platform in their name
are `noarch`, which must be named like any other. A wheel for several platforms stays if one of them is named.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from operator import attrgetter

from proxy.model.verdict import Verdict
from proxy.policy.facts import Facts
from proxy.policy.filename import platforms_of
from proxy.policy.rule import blocked
from proxy.policy.settings import Kind
from proxy.policy.wording import listed

KNOWN = frozenset(
    {
        "noarch", "emscripten-wasm32", "wasi-wasm32", "freebsd-64", "linux-32", "linux-64", "linux-aarch64",
        "linux-armv6l", "linux-armv7l", "linux-ppc64", "linux-ppc64le", "linux-riscv64", "linux-s390x", "osx-32",
        "osx-64", "osx-arm64", "win-32", "win-64", "win-arm64", "zos-z",
    }
)  # fmt: skip
_SUBDIR_OF = attrgetter("subdir")
_SUBDIR = re.compile(r"noarch|[a-z0-9]+-[a-z0-9_]+")


def is_subdir(text: str) -> bool:
    """Tell whether the text is a known platform."""
    return text in KNOWN


def may_be_platform(text: str) -> bool:
    """Tell whether the text has the form of a platform, known or not."""
    return len(text) <= 32 and _SUBDIR.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Platforms:
    """Blocks what is for none of the platforms."""

    kind: Kind
    wanted: Collection[str]
    name: str = "platforms"

    def judge(self, facts: Facts, tick_ms: int) -> Verdict | None:
        if self.kind == "conda":
            return None if facts.subdir in self.wanted else self._blocked([facts.subdir])
        found = platforms_of(facts.file)
        for platform in found:
            if platform in self.wanted:
                return None
        return self._blocked(found)

    def is_silent(self, files: Sequence[Facts], tick_ms: int) -> bool:
        """Tell, cheaper than file by file, that it has nothing to say; False where that is not sure."""
        return self.kind == "conda" and all(subdir in self.wanted for subdir in set(map(_SUBDIR_OF, files)))

    def _blocked(self, found: Collection[str]) -> Verdict:
        what = f"it is for {listed(found)}" if found else "its platform is not known"
        return blocked(self.name, f"{what}; this policy shows {listed(sorted(self.wanted))} only")
