"""What the contract names and this version does not have yet: one line each, refused with words that say so.

Such a setting is read and checked like any other and then refused, never ignored: a policy or a closed door
that silently does nothing would let everything through. Whoever builds the thing deletes its line here.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from proxy.config.faults import Fault
from proxy.config.settings import Feed, Settings, State
from proxy.model.redact import SecretUrl


class OfServer(NamedTuple):
    key: str
    is_used: Callable[[Settings], bool]
    message: str


class OfFeed(NamedTuple):
    key: str
    is_used: Callable[[Feed], bool]
    message: str


_POSTGRESQL = 'PostgreSQL is not available yet; leave it out or use "sqlite"'


def is_unavailable(url: SecretUrl | None) -> bool:
    """Tell whether no state can be kept at a `[state] url` yet."""
    return url is not None and not url.reveal().startswith("sqlite")


SERVER: tuple[OfServer, ...] = (
    OfServer(
        "server.workers", lambda s: s.server.workers > 1, "more than one worker is not available yet; use 1"
    ),
    OfServer("state.url", lambda s: is_unavailable(s.state.url), _POSTGRESQL),
)
FEEDS: tuple[OfFeed, ...] = ()


def refuse_state(state: State, source: str) -> Iterator[Fault]:
    """Yield the fault of a place for the state that does not exist yet."""
    if is_unavailable(state.url):
        yield Fault("state.url", _POSTGRESQL, source)


def refusals(settings: Settings) -> Iterator[Fault]:
    """Yield a fault for each setting of something that does not exist yet."""
    for line in SERVER:
        if line.is_used(settings):
            yield Fault(line.key, line.message, settings.sources.get(line.key, ""))
    for feed in settings.feeds.values():
        for rule in FEEDS:
            if rule.is_used(feed):
                key = f"feeds.{feed.name}.{rule.key}"
                yield Fault(key, rule.message, settings.sources.get(key, ""))
