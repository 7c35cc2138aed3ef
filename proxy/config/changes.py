"""What a reload changes: which settings can be applied to a running server and which need a restart.

Host, port, workers, folders, the state's place and tls need a restart (contract, section 1); until then the
old ones stay in force, so `applied` gives settings that a running server can really have.
"""

from dataclasses import replace
from typing import NamedTuple

from proxy.config.schema import SERVER, TLS, Key
from proxy.config.settings import Settings
from proxy.config.show import Entry, entries


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
    keys: tuple[Key, ...] = (*SERVER, *TLS)
    kept = {key.attr: getattr(old.server, key.attr) for key in keys if key.restart}
    return replace(new, server=replace(new.server, **kept), state=old.state)
