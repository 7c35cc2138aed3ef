"""What a reload changes: which settings can be applied to a running server and which need a restart.

Host, port, folders, the state's place and tls need a restart (contract, section 1), and what else `schema.py` marks so;
until then the old ones stay in force, so `applied` gives settings that a running server can really have.
"""

from dataclasses import replace
from typing import NamedTuple, TypeVar

from proxy.config.schema import CACHE, LOG, SERVER, STATE, TLS, Key
from proxy.config.settings import Cache, Log, Server, Settings, State
from proxy.config.show import Entry, entries

T = TypeVar("T", Server, Cache, State, Log)


class Changes(NamedTuple):
    """Dotted keys whose values differ."""

    applicable: tuple[str, ...] = ()
    needs_restart: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.applicable or self.needs_restart)


def changes(old: Settings, new: Settings) -> Changes:
    """Return what differs, a feed, route or policy that came or went by its own name only."""
    before = {line.key: line for line in entries(old)}
    after = {line.key: line for line in entries(new)}
    applicable, restart = dict.fromkeys(_come_and_gone(old, new)), []
    for key in dict.fromkeys((*before, *after)):
        if _value(before.get(key)) == _value(after.get(key)) or key.startswith(
            tuple(f"{k}." for k in applicable)
        ):
            continue
        if (after.get(key) or before[key]).restart:
            restart.append(key)
        else:
            applicable[key] = None
    return Changes(tuple(applicable), tuple(restart))


def _value(line: Entry | None) -> object:
    return None if line is None else line.value


def _come_and_gone(old: Settings, new: Settings) -> list[str]:
    names = (("feeds", old.feeds, new.feeds), ("routes", old.routes, new.routes),
             ("policies", old.policies, new.policies))  # fmt: skip
    return [f"{group}.{name}" for group, was, now in names for name in sorted(set(was) ^ set(now))]


def applied(old: Settings, new: Settings) -> Settings:
    """Return the new settings with those of the old that only a restart can change."""
    return replace(
        new,
        server=_kept(old.server, new.server, (*SERVER, *TLS)),
        cache=_kept(old.cache, new.cache, CACHE),
        state=_kept(old.state, new.state, STATE),
        log=_kept(old.log, new.log, LOG),
    )


def _kept(old: T, new: T, keys: tuple[Key, ...]) -> T:
    return replace(new, **{key.attr: getattr(old, key.attr) for key in keys if key.restart})
