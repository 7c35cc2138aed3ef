"""`min_age` and `unknown_age`: nothing is shown before it is old enough (contract, section 4; PyPI sheet, 25).

A file of the first complete snapshot is as old as its origin says, and old if the origin says nothing. A file that
appeared later counts from the later of the origin's time and this server's first sight, so a forged date makes it no
older. Compared with the tick, which is never ahead of the clock, a hold never ends early; it ends with the first tick
at or after the age.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any

from proxy.model.verdict import Outcome, Verdict
from proxy.policy.facts import END_MS, Facts, moment
from proxy.policy.rule import by_leniency
from proxy.policy.settings import Kind, Leniency
from proxy.policy.tick import tick_at_or_after

_UPLOADED_OF: Callable[[Facts], Any] = attrgetter("uploaded_ms")
_INITIAL_OF: Callable[[Facts], bool] = attrgetter("is_initial")


def born_ms(facts: Facts) -> int | None:
    """Return the time from which the file's age counts; None where nobody knows. 0: for ever."""
    uploaded = facts.uploaded_ms
    if uploaded is not None and not 0 < uploaded < END_MS:
        uploaded = None
    if facts.is_initial:
        return uploaded or 0
    if facts.first_seen_ms is None:
        return None
    return max(facts.first_seen_ms, uploaded or 0)


@dataclass(frozen=True, slots=True)
class MinAge:
    """Holds what is too young."""

    kind: Kind
    min_age_s: float
    name: str = "min_age"

    def judge(self, facts: Facts, tick_ms: int) -> Verdict | None:
        # Nearly every file is an old one of the first snapshot.
        if facts.is_initial and 0 < (facts.uploaded_ms or 0) <= tick_ms - self.min_age_s * 1000:
            return None
        born = born_ms(facts)
        if born is None:
            return None
        ripe_ms = born + self.min_age_s * 1000
        if ripe_ms <= tick_ms:
            return None
        return self._held(born, moment(tick_at_or_after(self.kind, ripe_ms)))

    def is_silent(self, files: Sequence[Facts], tick_ms: int) -> bool:
        """Tell, cheaper than file by file, that it has nothing to say; False where that is not sure."""
        uploaded = list(map(_UPLOADED_OF, files))
        if None in uploaded or not all(map(_INITIAL_OF, files)):
            return False
        is_old: bool = min(uploaded) > 0 and max(uploaded) <= tick_ms - self.min_age_s * 1000
        return is_old

    def _held(self, born: int, until: datetime | None) -> Verdict:
        since = moment(born)
        came = f"it came {since:%Y-%m-%d %H:%M} UTC" if since else "it came just now"
        reason = f"{came} and has to be {in_words(self.min_age_s)} old"
        return Verdict(Outcome.HOLD, self.name, reason, "held", until)


@dataclass(frozen=True, slots=True)
class UnknownAge:
    """Says what an age that nobody knows means."""

    leniency: Leniency
    name: str = "unknown_age"

    def judge(self, facts: Facts, tick_ms: int) -> Verdict | None:
        if facts.is_initial or facts.first_seen_ms is not None:
            return None
        return by_leniency(self.leniency, self.name, "nobody knows how old it is")

    def is_silent(self, files: Sequence[Facts], tick_ms: int) -> bool:
        """Tell, cheaper than file by file, that it has nothing to say; False where that is not sure."""
        return all(map(_INITIAL_OF, files))


def in_words(seconds: float) -> str:
    """Return a duration in its largest whole unit."""
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds and seconds % size == 0:
            count = round(seconds / size)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{seconds:g} seconds"
