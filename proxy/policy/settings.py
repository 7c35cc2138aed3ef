"""A policy as an administrator gives it: every key of the contract's section 4, typed, nothing looked up.

Specs and licence words stay the texts that were given; `parse` has made sure that they can be compiled for every
kind of feed that uses the policy, `judge` compiles them. A key that is None or empty is a rule that does not exist.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

#: Raised when the same policy over the same facts may give other verdicts: views and documents are made anew.
EDITION = 2

Kind = Literal["conda", "pypi"]
Leniency = Literal["allow", "warn", "hold", "block"]

#: The rules that an exemption may lift: the keys of the table, as verdicts name them.
EXEMPTABLE = (
    "platforms", "python_versions", "only", "block_licenses", "block", "unknown_license", "min_age", "unknown_age",
    "prereleases", "yanked", "quarantined", "max_size", "keep_versions",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Exemption:
    """What `spec` names is not asked by `rules`, until the end of the day `expires` (UTC)."""

    spec: str
    rules: tuple[str, ...]
    expires: date
    reason: str = ""

    @property
    def ends_at(self) -> datetime:
        """The first moment at which it is over."""
        return datetime.combine(self.expires + timedelta(days=1), time(), UTC)


@dataclass(frozen=True, slots=True)
class PypiLists:
    """`[policies.NAME.pypi]`: the words of the PyPI mirror tool, which mean something else there.

    `pkg_list` restricts, and then the other two are not asked; else `allowlist` restricts where it names anything,
    and `blocklist` removes, for good: `allow` does not add back what it removed.
    """

    pkg_list: tuple[str, ...] = ()
    allowlist: tuple[str, ...] = ()
    blocklist: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """`[policies.NAME]`. Durations are seconds, sizes bytes."""

    name: str
    platforms: tuple[str, ...] = ()
    python_versions: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    include_dependencies: bool = False
    block_licenses: tuple[str, ...] = ()
    block: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    #: None: "warn" where `block_licenses` names something, else licences are not asked at all.
    unknown_license: Leniency | None = None
    min_age_s: float = 0.0
    unknown_age: Leniency = "hold"
    prereleases: bool = True
    yanked: Literal["keep", "hide"] = "keep"
    quarantined: Literal["block", "keep"] = "block"
    #: 0: all.
    keep_versions: int = 0
    max_size_bytes: int | None = None
    mode: Literal["enforce", "audit"] = "enforce"
    exemptions: tuple[Exemption, ...] = ()
    pypi: PypiLists = field(default_factory=PypiLists)

    @property
    def asks_licenses(self) -> bool:
        """Whether a file's licence has to be known."""
        return bool(self.block_licenses) or self.unknown_license is not None

    @property
    def unknown_license_outcome(self) -> Leniency:
        return self.unknown_license or "warn"

    @property
    def fingerprint(self) -> str:
        """The name of what this policy means: equal policies of one edition give equal verdicts."""
        return hashlib.sha256(f"{EDITION} {self!r}".encode()).hexdigest()
