"""The course of a fetch through its sources: what is tried after a failure. Pure.

A body that was cut is taken up at the same source a few times; what cannot be opened, or cannot be cured,
is left for the next source. The retries of an opening are the outbound door's. A source that does not
answer is not one that lacks the file, so of several failures the one that a retry may cure is told.
"""

from dataclasses import dataclass

from proxy.artifacts.rules import Rules
from proxy.model.problem import Problem
from proxy.upstream.errors import BreakerOpen, Busy, Overloaded, UpstreamError

Failure = UpstreamError | Problem


@dataclass(frozen=True, slots=True)
class Again:
    """Try the source with this index after a pause."""

    source: int
    pause_s: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Nothing is left to try."""

    failure: Failure


class Course:
    """Where one fetch stands."""

    def __init__(self, sources: int, rules: Rules, *, first: int = 0) -> None:
        self.source = first
        self._sources = sources
        self._rules = rules
        self._cuts = 0
        self._worst: Failure | None = None

    def after(self, failure: Failure, *, has_begun: bool) -> Again | GiveUp:
        """Decide; `has_begun` says that a source has answered already."""
        if self._worst is None or (_is_curable(failure) and not _is_curable(self._worst)):
            self._worst = failure
        if has_begun and self._cuts < self._rules.resumes and _is_cut(failure):
            self._cuts += 1
            return Again(self.source, self._rules.pause(self._cuts))
        if self.source + 1 < self._sources:
            self.source += 1
            self._cuts = 0
            return Again(self.source, 0.0)
        return GiveUp(self._worst)


def _is_curable(failure: Failure) -> bool:
    return isinstance(failure, UpstreamError) and failure.curable


def _is_cut(failure: Failure) -> bool:
    """Tell whether the connection failed, rather than the source saying no or asking to be left alone."""
    return _is_curable(failure) and not isinstance(failure, BreakerOpen | Busy | Overloaded)
