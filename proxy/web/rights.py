"""What the settings of the feeds say about rights: which feed a path means, who may read it without a key, and what
everybody, every key and every group is granted (`config/grants.py`)."""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping

from proxy.config.grants import ANY_KEY, ANYBODY, GROUP
from proxy.config.settings import Feed, Settings
from proxy.model.actor import ANONYMOUS, Actor, Grant, Right

#: The id of an upstream (`config/upstreams.py`): its feed and a digest.
_UPSTREAM = re.compile(r"(.+)-[0-9a-f]{12}(?:-[0-9]+)?\Z")
#: Where a feed stands in a path: below its kind, in the management API, or where a person asks why.
API = "api"
WHY = "why"


class Rights:
    """Made anew for every change of the settings."""

    def __init__(self, settings: Settings) -> None:
        by_subject: defaultdict[str, list[Grant]] = defaultdict(list)
        #: (area, name or alias) -> the feed's own name.
        self.own: dict[tuple[str, str | None], str] = {}
        for feed in settings.feeds.values():
            for subject, rights in _granted(feed):
                by_subject[subject].append(Grant(feed.name, rights))
            for name in (feed.name, *feed.aliases):
                self.own[feed.kind, name] = self.own[API, name] = self.own[WHY, name] = feed.name
        self._of: Mapping[str, list[Grant]] = by_subject
        self.nobody: Actor = ANONYMOUS.with_grants(by_subject[ANYBODY])
        #: Those places of packages that everybody may read.
        self.open = frozenset(
            (area, name)
            for (area, name), own in self.own.items()
            if area != API and self.nobody.may("read", own)
        )
        self.has_closed = any(not self.nobody.may("read", name) for name in settings.feeds)

    def of(self, actor: Actor) -> Actor:
        """Return a key's holder with all that feeds grant to everybody, to every key and to its groups."""
        subjects = (ANYBODY, ANY_KEY, *(f"{GROUP}{group}" for group in actor.groups))
        return actor.with_grants(grant for subject in subjects for grant in self._of.get(subject, ()))


def shown_to(actor: Actor, settings: Settings) -> Callable[[str], bool]:
    """Return whether a metric's label value may be told: those that name a feed only to who may read it."""
    own = {name: feed.name for feed in settings.feeds.values() for name in (feed.name, *feed.aliases)}

    def is_shown(value: str) -> bool:
        label = value.rpartition(":")[2]
        upstream = _UPSTREAM.match(label)
        feed = own.get(upstream[1] if upstream else label)
        # Of an upstream whose feed is gone nobody can tell who might have read it.
        return actor.is_admin or (upstream is None if feed is None else actor.may("read", feed))

    return is_shown


def _granted(feed: Feed) -> list[tuple[str, tuple[Right, ...]]]:
    reading: list[tuple[str, tuple[Right, ...]]] = [(ANYBODY, ("read",))] if feed.anonymous else []
    return [*reading, *feed.grants]
