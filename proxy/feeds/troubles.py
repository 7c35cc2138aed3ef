"""Troubles: what is wrong with single names of a feed, until it is well again: what, why and since when.

For people: the feed's page of the API, `/readyz`, the doctor and explain read them. Bounded in number and length,
whatever an origin says or a client asks for. No I/O.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from proxy.model.clock import Clock
from proxy.upstream.way import Way

#: Troubles remembered, the latest; of each kind so many are told one by one, the others are counted.
_MOST = 500
_TOLD = 5
_LONGEST = 400
#: Lines of one feed.
_MOST_LINES = 50


@dataclass(frozen=True, slots=True)
class Trouble:
    """One trouble; `text` is a line without a time, such as "demo: 2 entries are left out, such as …"."""

    text: str
    since: datetime

    def __str__(self) -> str:
        return f"{self.text}, since {self.since:%Y-%m-%d %H:%M} UTC"


class Troubles:
    """The troubles of one upstream or feed, by name and kind; a kind is what is said of the others: "pages are …"."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: OrderedDict[tuple[str, str], Trouble] = OrderedDict()

    def note(self, name: str, kind: str, text: str, since: datetime | None = None) -> None:
        """Note a trouble; one that goes on keeps its time."""
        key = (name, kind)
        known = self._known.pop(key, None)
        if since is None:
            since = known.since if known is not None else self._clock.now()
        self._known[key] = Trouble(_line(text), since)
        if len(self._known) > _MOST:
            self._known.popitem(last=False)

    def forget(self, name: str, *kinds: str) -> None:
        """Forget what is well again."""
        for kind in kinds:
            self._known.pop((name, kind), None)

    def of(self, name: str) -> Sequence[str]:
        """Return what is wrong with a name, one line each."""
        return tuple(str(trouble) for (known, _), trouble in self._known.items() if known == name)

    def lines(self) -> Iterator[str]:
        """Yield what is wrong, the latest of each kind first; what is too much is counted."""
        counts: dict[str, int] = {}
        for (_, kind), trouble in reversed(self._known.items()):
            counts[kind] = counts.get(kind, 0) + 1
            if counts[kind] <= _TOLD:
                yield str(trouble)
        for kind, count in counts.items():
            if count > _TOLD:
                yield f"and {count - _TOLD} more {kind}"


def resting(ways: Iterable[Way]) -> Iterator[str]:
    """Yield what of these upstreams is left alone for wrong bytes; of each upstream the latest, the others counted."""
    for way in ways:
        rests = sorted(way.health.rests, key=lambda rest: rest[1], reverse=True)
        for origin, since, why in rests[:_TOLD]:
            yield str(
                Trouble(
                    _line(f"what {origin} sent is wrong, and it is left alone for a while ({why})"), since
                )
            )
        if len(rests) > _TOLD:
            yield f"and {len(rests) - _TOLD} more files are left alone"


def bounded(lines: Iterable[str]) -> Sequence[str]:
    """Return the first lines; the others are counted."""
    told = list(dict.fromkeys(lines))
    return told if len(told) <= _MOST_LINES else [*told[:_MOST_LINES], f"and {len(told) - _MOST_LINES} more"]


def _line(text: str) -> str:
    """Return a text that may hold anything as one short line."""
    line = "".join(letter if letter.isprintable() else "?" for letter in text[:_LONGEST])
    return line if len(text) <= _LONGEST else f"{line}..."
