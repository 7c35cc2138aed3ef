"""Freshness: whether what is stored may be used, must be asked for again, or both (RFC 9111, RFC 5861). Pure.

Freshness fails open (design, law 4): as long as a stored copy is younger than `stale_if_error`, a client never
waits long for a slow origin and never sees its failure. What the origin said no to ("no such name") is believed
for `negative_ttl` only. A clock that jumped backwards makes ages unknowable, so the copy counts as just expired:
at most one refetch, never a negative age.
"""

from dataclasses import dataclass

#: How long a request waits for a revalidation before it takes the stored copy.
PATIENCE_S = 0.04
#: The same for a copy older than OLD_S while its origin is not known to be in trouble: nobody wants Friday's
#: page on Monday if a second buys today's.
OLD_PATIENCE_S = 2.0
OLD_S = 86400.0
#: A copy that may not be used without its origin's word waits for that word, as long as timeouts let it.
ORIGINS_WORD_S = 3600.0
#: After a failed refresh the origin is left alone for this long, doubling up to the second figure.
BACKOFF_S = (5.0, 300.0)


@dataclass(frozen=True, slots=True)
class Fresh:
    """Use it; do not ask."""

    fresh_for_s: float


@dataclass(frozen=True, slots=True)
class Stale:
    """Ask again, and take the stored copy if no answer came within `patience_s`."""

    patience_s: float


@dataclass(frozen=True, slots=True)
class Resting:
    """Use the stored copy, marked stale; the origin failed a moment ago and is left alone."""

    for_s: float


@dataclass(frozen=True, slots=True)
class Expired:
    """Too old to be used without the origin's word, or not there at all."""


Freshness = Fresh | Stale | Resting | Expired


@dataclass(frozen=True, slots=True)
class Limits:
    """The settings of an upstream that freshness depends on, in seconds."""

    ttl_s: float
    negative_ttl_s: float
    stale_if_error_s: float


def age_s(checked_at_ms: int, now_ms: int) -> float | None:
    """Return the seconds since the last check, or None when the clock says it lies in the future."""
    return None if checked_at_ms > now_ms + 1000 else max(0.0, (now_ms - checked_at_ms) / 1000)


def decide(
    *, is_present: bool, checked_at_ms: int, failures: int, failed_at_ms: int, now_ms: int, limits: Limits,
    is_for_one_only: bool = False,
) -> Freshness:  # fmt: skip
    """Return what to do with a stored answer that was last confirmed at `checked_at_ms` (UTC milliseconds).

    One that `is_for_one_only` is never fresh: it is there for a conditional request, and for an origin that fails.
    """
    age = age_s(checked_at_ms, now_ms)
    ttl = limits.ttl_s if is_present else limits.negative_ttl_s
    if age is not None and age < ttl and not is_for_one_only:
        return Fresh(ttl - age)
    if not is_present or (age is not None and age > ttl + limits.stale_if_error_s):
        return Expired()
    rest = rest_s(failures, failed_at_ms, now_ms)
    if rest > 0:
        return Resting(rest)
    if is_for_one_only:
        return Stale(ORIGINS_WORD_S)
    is_old = age is not None and age > OLD_S and failures == 0
    return Stale(OLD_PATIENCE_S if is_old else PATIENCE_S)


def rest_s(failures: int, failed_at_ms: int, now_ms: int) -> float:
    """Return how many seconds an origin is still left alone after `failures` failures in a row."""
    if failures <= 0:
        return 0.0
    first, most = BACKOFF_S
    since = age_s(failed_at_ms, now_ms)
    return 0.0 if since is None else max(0.0, min(most, first * 2 ** min(failures - 1, 10)) - since)
