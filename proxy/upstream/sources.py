"""Sources: where one thing can be asked for, in which order, and who rests.

An upstream's `urls` are mirrors of one thing, in order of preference. A URL below one of them stands for
the same path below each. Any other URL (a file on another host) has one source. Each source has a breaker:
a mirror one for all of it, other hosts one per origin. A mirror that sent wrong bytes rests; a thing that
has no other source is left alone by itself instead, so that one bad file does not close a whole host, and
only after a second report: one more try at once is due (contract, section 3).
"""

import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from proxy.model.clock import Clock
from proxy.model.redact import SecretUrl
from proxy.upstream.breaker import Breaker
from proxy.upstream.errors import BadAnswer
from proxy.upstream.target import Target, join, parse_target

_MOST = 512
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


@dataclass(frozen=True, slots=True)
class Source:
    """One place to ask: the breaker's key and the target."""

    key: str
    target: Target


class Sources:
    """The sources of one upstream."""

    def __init__(self, urls: Sequence[SecretUrl], clock: Clock) -> None:
        self._clock = clock
        self._bases = [parse_target(_folder(url.reveal())) for url in urls]
        self._breakers: OrderedDict[str, Breaker] = OrderedDict()
        self._rests: OrderedDict[str, float] = OrderedDict()
        self._strikes: OrderedDict[str, float] = OrderedDict()

    @property
    def own_hosts(self) -> tuple[str, ...]:
        return tuple(base.host for base in self._bases)

    def of(self, url: str) -> list[Source]:
        """Return the sources of a URL (relative to the first of `urls`, or absolute), rested ones last."""
        if _ABSOLUTE.match(url):
            target = parse_target(url)
            below = self._below(target)
        else:
            if not self._bases:
                raise BadAnswer("guard", "a relative URL for an upstream without urls")
            target = parse_target(join(self._bases[0].url, url))
            below = self._below(target)
        if below is None:
            return [Source(target.origin, target)]
        mirrors = [Source(base.url, base.at(base.path + below)) for base in self._bases]
        return sorted(mirrors, key=lambda source: self._rest_left_s(source.key))

    def breaker(self, key: str) -> Breaker:
        """Return the memory of a source; the table is bounded, the least used are forgotten."""
        if key not in self._breakers:
            self._breakers[key] = Breaker(self._clock)
            if len(self._breakers) > _MOST:
                self._breakers.popitem(last=False)
        self._breakers.move_to_end(key)
        return self._breakers[key]

    def states(self) -> dict[str, Breaker]:
        """Return the breakers by source, for health."""
        return dict(self._breakers)

    def rest(self, url: str, seconds: float) -> None:
        """Note that a URL sent wrong bytes; see the module's law for what then rests."""
        sources = self.of(url)
        until = self._clock.monotonic() + seconds
        if len(sources) > 1:
            asked = parse_target(join(self._bases[0].url, url))
            mirror = max((s for s in sources if s.target == asked), key=lambda s: len(s.key))
            _remember(self._rests, mirror.key, until)
        elif self._left_s(self._strikes, sources[0].target.url) > 0:
            _remember(self._rests, sources[0].target.url, until)
        else:
            _remember(self._strikes, sources[0].target.url, until)

    def resting_s(self, source: Source) -> float:
        """Return how long this very URL is still left alone."""
        return self._left_s(self._rests, source.target.url)

    def _rest_left_s(self, key: str) -> float:
        return self._left_s(self._rests, key)

    def _left_s(self, table: "OrderedDict[str, float]", key: str) -> float:
        return max(0.0, table.get(key, 0.0) - self._clock.monotonic())

    def _below(self, target: Target) -> str | None:
        """Return the path below the mirror that the target belongs to (the longest base wins), or None."""
        bases = [b for b in self._bases if b.origin == target.origin and target.path.startswith(b.path)]
        return target.path[max(len(b.path) for b in bases) :] if bases else None


def _folder(url: str) -> str:
    """Return the URL with a slash at the end of its path, which is what relative URLs count from."""
    head = url.partition("#")[0].partition("?")[0]
    return head if head.endswith("/") else f"{head}/"


def _remember(table: "OrderedDict[str, float]", key: str, until: float) -> None:
    table[key] = until
    table.move_to_end(key)
    if len(table) > _MOST:
        table.popitem(last=False)
