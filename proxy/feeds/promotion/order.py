"""What is asked of a promotion, what it comes to, and how it is refused. Values only."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from proxy.feeds.promotion.selecting import Found, Refused
from proxy.model.clock import stamp
from proxy.model.digest import Sha256
from proxy.model.problem import Problem

#: As many problems are told one by one.
_MOST_TOLD = 1000
#: Of several refusals the first of these words is the problem's.
_WORDS: Sequence[tuple[str, str]] = (
    ("unknown", "unknown"),
    ("mismatch", "precondition-failed"),
    ("", "conflict"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One request to promote. `every` takes all versions of a spec instead of the newest."""

    source: str
    specs: tuple[str, ...] = ()
    artifacts: tuple[str, ...] = ()
    every: bool = False
    platforms: tuple[str, ...] = ()
    pythons: tuple[str, ...] = ()
    #: What is known of the machines (conda), `NAME=VERSION=BUILD`.
    virtual_packages: tuple[str, ...] = ()
    include_dependencies: bool = False
    #: artifact -> the digest that the reviewer has seen.
    digests: Mapping[str, str] = field(default_factory=dict)
    comment: str = ""
    is_dry_run: bool = False

    @property
    def sha256(self) -> str:
        """What an Idempotency-Key stands for: all of it, whatever the order of its keys."""
        told = msgspec.json.encode(self, order="sorted")
        if not self.virtual_packages:
            # As it was told before there were any: a key of then still stands for its request.
            told = told.replace(b',"virtual_packages":[]', b"")
        return hashlib.sha256(told).hexdigest()


@dataclass(frozen=True, slots=True)
class Picked:
    """One artifact of a promotion; `is_new` is False for one that was approved already."""

    found: Found
    why: str
    is_new: bool
    sha256: Sha256


class PromotedItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One artifact as it is answered."""

    artifact: str
    name: str
    version: str
    sha256: str
    size: int | None
    #: `requested`, or `needed by X`.
    why: str
    #: `new`, or `already`.
    state: str
    #: `held`, or `pending`: fetched after the answer.
    bytes: str
    #: Of a `new` one that was revoked before: the reason.
    revoked: str | None = None


class LeftOutItem(msgspec.Struct, frozen=True, kw_only=True):
    """An artifact that was meant and is not promoted: no machine that was solved for can install it."""

    artifact: str
    reason: str


class PromotionAnswer(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"source": "from"}
):
    """A promotion as it is answered, now and later. `id` is null for a dry run."""

    id: str | None
    target: str
    source: str
    actor: str
    at: str
    comment: str
    dry_run: bool
    artifacts: list[PromotedItem]
    left_out: list[LeftOutItem] = []


def refusal(feed: str, refused: Iterable[Refused], done: str = "promoted") -> Problem:
    """Return the problem that tells all of what was refused (contract, section 5); `done` is what was not."""
    each = list(dict.fromkeys(refused))
    words = {one.outcome for one in each}
    word = next(word for outcome, word in _WORDS if outcome in words or not outcome)
    first = next((one for one in each if _word(one) == word), each[0])
    others = f" (and {len(each) - 1} more)" if len(each) > 1 else ""
    return Problem(
        word, f"nothing was {done}: {first.what}: {first.reason}{others}", feed=feed,
        more={"artifacts": [_told(one) for one in each[:_MOST_TOLD]]},
    )  # fmt: skip


def _word(refused: Refused) -> str:
    return next(word for outcome, word in _WORDS if outcome in (refused.outcome, ""))


def _told(refused: Refused) -> dict[str, object]:
    until = stamp(refused.until) if refused.until is not None else None
    return {
        "spec" if refused.is_spec else "artifact": refused.what, "outcome": refused.outcome, "rule": refused.rule,
        "reason": refused.reason, "until": until,
    }  # fmt: skip
