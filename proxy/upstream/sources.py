"""Sources: where one thing can be asked for, in which order, and who rests.

An upstream's `urls` are mirrors of one thing, in order of preference. A URL below one of them stands for
the same path below each; a URL beside one of them, on its host, for the same way up and down from each
(`…/simple/` and `…/packages/` are siblings). Any other URL (a file on another host) has one source. Each
source has a breaker:
a mirror one for all of it, other hosts one per origin; and all that lie on one host share what is known of its
connections. A mirror that sent wrong bytes rests; a thing that
has no other source is left alone by itself instead, so that one bad file does not close a whole host, and
only after a second report: one more try at once is due (contract, section 3).
"""

import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from proxy.model.clock import Clock
from proxy.model.redact import SecretUrl
from proxy.upstream.breaker import Breaker, Gate
from proxy.upstream.errors import BadAnswer
from proxy.upstream.rests import Rests
from proxy.upstream.target import Target, folder, join, parse_target

_MOST = 512
#: A mirror whose answer broke off comes after the others for so long.
_BROKEN_S = 5.0
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
        self._bases = [parse_target(folder(url.reveal())) for url in urls]
        self._breakers: OrderedDict[str, Breaker] = OrderedDict()
        #: What is known of hosts: whether they can be reached.
        self._hosts: OrderedDict[str, Breaker] = OrderedDict()
        self._rests = Rests(clock)
        #: Mirrors whose answers broke off a moment ago.
        self._broken_until: dict[str, float] = {}

    @property
    def own_hosts(self) -> tuple[str, ...]:
        return tuple(base.host for base in self._bases)

    @property
    def own_origins(self) -> tuple[str, ...]:
        return tuple(base.origin for base in self._bases)

    def of(self, url: str) -> list[Source]:
        """Return the sources of a URL (relative to the first of `urls`, or absolute), rested ones last."""
        target = self._asked(url)
        mirrors = self._mirrors(target)
        if not mirrors:
            return [Source(target.origin, target)]
        return sorted(mirrors, key=lambda source: (self._rests.left_s(source.key), self._has_broken(source)))

    def at(self, url: str, mirror: int) -> Target:
        """Return the URL's target at the mirror of that number (doctor), whoever rests."""
        target = self._asked(url)
        return next((s.target for n, s in enumerate(self._mirrors(target)) if n == mirror), target)

    def gate(self, source: Source) -> Gate:
        """Return what is before a request to a source: its own breaker, and its host's."""
        own = self.breaker(source.key)
        return Gate(own, self._breaker(source.target.origin, self._hosts))

    def breaker(self, key: str) -> Breaker:
        """Return the memory of a source; the table is bounded, the least used are forgotten."""
        return self._breaker(key, self._breakers)

    def _breaker(self, key: str, table: "OrderedDict[str, Breaker]") -> Breaker:
        if key not in table:
            table[key] = Breaker(self._clock)
            if len(table) > _MOST:
                table.popitem(last=False)
        table.move_to_end(key)
        return table[key]

    def states(self) -> dict[str, Breaker]:
        """Return the breakers by source, for health."""
        return dict(self._breakers)

    def rest(self, url: str, seconds: float, why: str = "") -> None:
        """Note that a URL sent wrong bytes, and which; see the module's law for what then rests."""
        sources = self.of(url)
        if len(sources) > 1:
            asked = parse_target(join(self._bases[0].url, url))
            mirror = max((s for s in sources if s.target == asked), key=lambda s: len(s.key))
            self._rests.rest(mirror.key, seconds, why)
        else:
            self._rests.strike(sources[0].target.url, seconds, why)

    def broke(self, source: Source) -> None:
        """Note that an answer of a mirror broke off: whoever asks for the rest of it asks another one first."""
        if all(source.key != base.url for base in self._bases):
            return
        self._broken_until[source.key] = self._clock.monotonic() + _BROKEN_S

    def _has_broken(self, source: Source) -> bool:
        return self._broken_until.get(source.key, 0.0) > self._clock.monotonic()

    def resting_s(self, source: Source) -> float:
        """Return how long this very URL is still left alone."""
        return self._rests.left_s(source.target.url)

    def rests(self) -> list[tuple[str, datetime, str]]:
        """Return the origin of what is left alone for wrong bytes, since when, and why."""
        return [(parse_target(url).origin, since, why) for url, since, why in self._rests.present()]

    def check_rest(self, source: Source) -> None:
        """Raise Resting while this very URL is left alone."""
        self._rests.check(source.target.url)

    def _asked(self, url: str) -> Target:
        if _ABSOLUTE.match(url):
            return parse_target(url)
        if not self._bases:
            raise BadAnswer("guard", "a relative URL for an upstream without urls")
        return parse_target(join(self._bases[0].url, url))

    def _mirrors(self, target: Target) -> list[Source]:
        """Return where each mirror has the target; nothing if it belongs to none of them."""
        homes = [base for base in self._bases if base.origin == target.origin]
        if not homes:
            return []
        home = max(homes, key=lambda base: len(_shared(base.path, target.path)))
        shared = _shared(home.path, target.path)
        steps, below = home.path.removeprefix(shared).count("/"), target.path.removeprefix(shared)
        if steps and len(self._bases) == 1:
            # One mirror is no choice, and what lies beside its index need not fail with it.
            return []
        found = []
        for base in self._bases:
            above = _above(base.path, steps)
            if above is not None:
                found.append(Source(base.url, base.at(above + below)))
        return found


def _shared(base: str, path: str) -> str:
    """Return the deepest folder of the base's path in which the other path lies."""
    while not path.startswith(base):
        base = base[: base.rstrip("/").rindex("/") + 1]
    return base


def _above(base: str, steps: int) -> str | None:
    """Return the folder so many steps above, None where there is none."""
    folders = base.split("/")
    return "/".join((*folders[: len(folders) - 1 - steps], "")) if steps < len(folders) - 1 else None
