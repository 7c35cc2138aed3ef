"""The guard: who asks, and whether that one may read the feed in question, before any handler runs (law 3).

A feed that may be read without a key is open to every request for its packages, whatever key comes along: clients
send what netrc has for a host. Elsewhere a wrong key is a 401, as is none. Who has a key without `read` on a feed is
told what is told of an unknown one, and who has no key what is told of a closed one, so that nobody learns which
closed feeds there are. Where no feed is closed there is nothing to hide, and unknown feeds are told as such.
"""

from collections.abc import Awaitable, Callable

import msgspec
from multidict import MultiMapping

from proxy.config.settings import Settings
from proxy.model.actor import ANONYMOUS, EVERY_FEED, Actor, Grant
from proxy.model.clock import Clock
from proxy.model.problem import Problem
from proxy.model.redact import Secret
from proxy.state.keys import Keys
from proxy.web.access_rights import require, require_admin
from proxy.web.attempts import Attempts
from proxy.web.credentials import Line, key_line, presented
from proxy.web.holders import Holders, Told, too_many
from proxy.web.rights import API, WHY, Rights
from proxy.web.routes import Found

#: How many (key, feed) are remembered as admitted.
MAX_ADMITTED = 4096
_SAFE = frozenset({"GET", "HEAD"})
#: Beginning of a route's pattern -> its area.
_AREAS = (
    ("/pypi/", "pypi"), ("/conda/", "conda"), ("/api/", API), ("/why/", WHY), ("/t/{token}/why/", WHY),
    ("/t/", "conda"),
)  # fmt: skip
_NO_FEED = {
    "pypi": "there is no such PyPI feed here",
    "conda": "there is no such conda feed here",
    API: "there is no feed {name}",
    WHY: "there is no feed {name}",
}

_ANYBODY = ANONYMOUS.with_grants((Grant(EVERY_FEED, ("read",)),))

#: Who asks, at once or once that is known. Raises Problem.
Admit = Callable[[Found, str, MultiMapping[str], str], Actor | Awaitable[Actor]]


class Guard:
    """Asked once for every request; `settings` gives those in force."""

    def __init__(self, settings: Callable[[], Settings], keys: Keys, clock: Clock) -> None:
        self._settings = settings
        self._attempts = Attempts(clock)
        self._holders = Holders(keys, self._attempts)
        self._of = settings()
        self._rights = Rights(self._of)
        self._areas: dict[str, str] = {}
        self._actors: dict[str, tuple[Actor, Actor]] = {}
        self._keys = keys
        #: Good keys only, and only here: no value of a wrong one is kept.
        self._admitted: dict[tuple[Line, tuple[str, str | None]], Admitted] = {}
        keys.on_change(self._admitted.clear)

    def trust_admin(self, admin: Secret) -> None:
        """Take the first admin's key, once it is known; a former one counts for nothing then."""
        if self._holders.trust_admin(admin):
            self._admitted.clear()

    async def close(self) -> None:
        """Wait for checks that are under way."""
        await self._holders.close()

    def admit(
        self, found: Found, method: str, headers: MultiMapping[str], address: str
    ) -> Actor | Awaitable[Actor]:
        """Return who asks. Raises Problem for who may not even know what is there."""
        settings = self._settings()
        if settings is not self._of:
            self._learn(settings)
        pattern = found.route.pattern
        area = self._areas.get(pattern) or self._area(pattern)
        place = area, found.params.get("feed")
        if place in self._rights.open:
            return self._rights.nobody
        line = key_line(headers, found.params)
        if line is None:
            return self._judge(Asked(area, place[1], method, address), None)
        admitted = self._admitted.get((line, place))
        if admitted is not None and method in _SAFE and admitted.is_good(self._keys):
            return admitted.actor
        value = presented(headers, found.params)
        asked = Asked(area, place[1], method, address, value or "")
        told = self._holders.known(asked.value)
        if told is Told.UNCHECKED:
            return self._later(asked)
        actor = self._judge(asked, told)
        if isinstance(told, Actor) and method in _SAFE:
            self._remember(line, place, actor)
        return actor

    def _remember(self, line: Line, place: tuple[str, str | None], actor: Actor) -> None:
        """Remember that a good key may read a feed, by the line that it came in: most requests are like another."""
        if len(self._admitted) >= MAX_ADMITTED:
            self._admitted.clear()
        key = self._keys.get(actor.id)
        self._admitted[line, place] = Admitted(actor, key.expires_ms if key is not None else None)

    async def _later(self, asked: "Asked") -> Actor:
        return self._judge(asked, await self._holders.check(asked.value, asked.address))

    def _judge(self, asked: "Asked", told: Actor | Told | None) -> Actor:
        is_wrong = isinstance(told, Told)
        wait_s = self._count(asked) if is_wrong else 0
        actor = self._granted(told) if isinstance(told, Actor) else self._rights.nobody
        own = self._rights.own.get((asked.area, asked.feed)) if asked.feed is not None else None
        is_open = asked.feed is None or (own is not None and actor.may("read", own))
        # Where nothing is closed, or to who may read all, there is nothing to hide: the handler speaks of the unknown.
        is_unknown = (
            asked.feed is not None
            and own is None
            and (not self._rights.has_closed or actor.may("read", EVERY_FEED))
        )
        if is_wrong and (asked.area == API or not (is_open or is_unknown)):
            raise (
                too_many(wait_s)
                if wait_s
                else Problem("unauthorized", "the key is wrong, expired or revoked")
            )
        if not (is_open or is_unknown):
            raise _refusal(asked, actor)
        if asked.method in _SAFE:
            return actor
        if asked.area == API:
            _check_change(actor, own)
        return actor.at(asked.address)

    def _count(self, asked: "Asked") -> int:
        """Count a wrong key; return for how many seconds its sender has to wait."""
        wait_s = self._attempts.wait_s(asked.address, asked.value)
        self._attempts.note(asked.address, asked.value)
        return wait_s

    def _granted(self, actor: Actor) -> Actor:
        """Return the actor with what feeds grant to everybody, to every key and to groups."""
        known = self._actors.get(actor.id)
        if known is None or known[0] is not actor:
            known = self._actors[actor.id] = actor, self._rights.of(actor)
        return known[1]

    def _learn(self, settings: Settings) -> None:
        self._of, self._rights = settings, Rights(settings)
        self._actors.clear()
        self._admitted.clear()

    def _area(self, pattern: str) -> str:
        area = next((area for start, area in _AREAS if pattern.startswith(start)), "")
        return self._areas.setdefault(pattern, area)


class Admitted(msgspec.Struct, frozen=True):
    """Somebody who may read a feed, until a time."""

    actor: Actor
    expires_ms: int | None

    def is_good(self, keys: Keys) -> bool:
        if self.expires_ms is not None and keys.now_ms() >= self.expires_ms:
            return False
        keys.note_use(self.actor.id)
        return True


class Asked(msgspec.Struct, frozen=True):
    """What is asked: the feed's name as the path has it (None: no feed's), and the key that came along."""

    area: str
    feed: str | None
    method: str
    address: str
    value: str = ""


def _check_change(actor: Actor, feed: str | None) -> None:
    """Refuse a change, before its body is read, to who may change nothing; the handler asks for the very right."""
    if feed is not None:
        require(actor, "promote", feed)
    elif not (actor.is_admin or any(set(grant.rights) - {"read"} for grant in actor.grants)):
        require_admin(actor)


def _refusal(asked: Asked, actor: Actor) -> Problem:
    """Return what is told of a feed that may not be read, or is not there: the same for both."""
    if actor.is_anonymous:
        return Problem("unauthorized", "this feed needs a key that may read it")
    return Problem("unknown", _NO_FEED[asked.area].format(name=asked.feed))


def nobody(found: Found, method: str, headers: MultiMapping[str], address: str) -> Actor:
    """Return the actor of a server that is open to everybody."""
    return _ANYBODY
