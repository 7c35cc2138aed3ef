"""What the promotion engine asks of a kind: which artifacts of a source are meant, and what they need.

One object for each kind (`feeds/pypi/selecting.py`, `feeds/conda/selecting.py`); feeds go by name. A source is seen
as its view shows it, its policy included; it may be curated itself (test -> production). Everything here only reads.
What may not be promoted is no exception but a `Refused` in the answer, so that all refusals are told at once; a source
that cannot be asked is a Problem (503).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from proxy.model.approval import Approval
from proxy.model.digest import Sha256
from proxy.model.verdict import Outcome, Verdict

#: Why something is refused. All but these two are a 409: "unknown" is a 404, "mismatch" (another digest) a 412.
Why = Literal["blocked", "held", "drifted", "revoked", "unsolvable", "conflict", "unknown", "mismatch"]
REQUESTED = "requested"


@dataclass(frozen=True, slots=True)
class Found:
    """One artifact of a source's view, with what an approval of it pins (`proxy.model.approval.Approval`)."""

    artifact: str
    name: str
    version: str
    #: None where the origin tells none: it is fetched and hashed before it is approved (`Selecting.hashed`).
    sha256: Sha256 | None
    size: int | None
    record: bytes
    #: The upstream of the source (its id) and the absolute URL there; for a source that is curated: of the approval.
    upstream: str
    origin_url: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """An artifact that is to be approved: "requested", or "needed by X"."""

    found: Found
    why: str = REQUESTED


@dataclass(frozen=True, slots=True)
class Refused:
    """Something that may not be promoted. `what` is a spec or an artifact as it was asked for."""

    what: str
    outcome: Why
    rule: str
    reason: str
    until: datetime | None = None
    is_spec: bool = False


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An artifact that was meant and is not promoted, because no machine that was solved for can install it."""

    artifact: str
    reason: str


@dataclass(frozen=True, slots=True)
class Choice:
    """What a question came to. Where anything is refused nothing is promoted."""

    chosen: tuple[Chosen, ...] = ()
    refused: tuple[Refused, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True, slots=True)
class Sought:
    """How a spec is meant: the newest version that fits, or every one; for each of the platforms and Pythons.

    Platforms are conda's subdirs for both kinds ("linux-64", "noarch"), Pythons "3.12"; empty means any.
    """

    every: bool = False
    platforms: tuple[str, ...] = ()
    pythons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is to be installed. Without a Python ("") it must not need any."""

    platform: str
    python: str
    #: What is known of the machine (conda): `__archspec=1=x86_64_v3`.
    virtual_packages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What must be installable together in a place: specs, and artifacts (those that do not fit there do not count)."""

    specs: tuple[str, ...] = ()
    found: tuple[Found, ...] = ()


class Selecting(Protocol):
    """One kind."""

    @property
    def needs_python(self) -> bool:
        """Tell whether every closure is solved for a Python."""
        ...

    def machine_fault(self, virtual_package: str) -> str | None:
        """Return what is wrong with what is said of a machine; None for what can be solved with."""
        ...

    def fault(self, spec: str) -> str | None:
        """Return what is wrong with a spec that cannot be read, in words; None for a good one."""
        ...

    async def select(self, source: str, spec: str, sought: Sought, target: str = "") -> Choice:
        """Return the artifacts that a spec means: of the newest version for each platform and Python, or of all.

        What the source hides is no candidate; where only hidden ones match, they are refused with their verdicts, and
        where none matches, the spec is refused as "unknown". What was revoked in the target is a candidate only where
        the spec names its exact version; where nothing else matches, it is refused as "revoked".
        """
        ...

    async def find(self, source: str, artifact: str) -> Choice:
        """Return one artifact, or why not: hidden, drifted, unknown."""
        ...

    async def solve(self, source: str, target: str, wanted: Wanted, place: Place) -> Choice:
        """Return what is wanted (as requested) with all that it needs in a place, or refuse it as unsolvable.

        Candidates are what the source shows and what the target shows already; of the latter the answer may name some:
        they are `already` approved then. What was revoked in the target is none, unless it is wanted itself; where
        there is no solution without it, it is refused as "revoked".
        """
        ...

    async def hashed(self, source: str, found: Found) -> Found:
        """Return the artifact with digest and size, fetched where nothing tells its digest. Raises Problem."""
        ...

    async def hidden(self, source: str, target: str, found: Sequence[Found]) -> Mapping[str, Verdict]:
        """Return what the target's own policy would hide of these if they were approved: artifact -> verdict."""
        ...


def refused(what: str, verdict: Verdict, *, is_spec: bool = False) -> Refused:
    """Return a verdict that hides as a refusal."""
    drifted = verdict.rule == "drift"
    outcome: Why = "drifted" if drifted else "held" if verdict.outcome is Outcome.HOLD else "blocked"
    return Refused(what, outcome, verdict.rule, verdict.reason, verdict.until, is_spec)


def refused_as_revoked(approval: Approval) -> Refused:
    """Return why an artifact is not approved again unless somebody names it."""
    why = f": {approval.reason}" if approval.reason else ""
    reason = f"its approval was revoked{why}; name the file, or its exact version, to approve it again"
    return Refused(approval.artifact, "revoked", "approval", reason)
