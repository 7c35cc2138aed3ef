"""Authorities: what the routes trust besides the system's store, and what of it soon ends.

A CA that expires takes every upstream behind its proxy down at once, so its end is told SOON ahead: in the log, once
a day, and as a metric. A route that verifies nothing is told just as loudly (E21). Nothing here decides what is
trusted (tls.py does). Reading the files blocks; what is asked about them afterwards does not.
"""

import logging
import ssl
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from proxy.config.certificates import authority_files
from proxy.config.settings import Route, Settings
from proxy.model.certificate import Certificate, certificates_in
from proxy.model.clock import Clock

SOON = timedelta(days=30)
_AGAIN = timedelta(days=1)

_LOG = logging.getLogger("feedgate.upstream")


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate that a route trusts, and the file it was read from."""

    file: Path
    certificate: Certificate

    def __str__(self) -> str:
        return f"CA '{self.certificate.subject}' in {self.file.name}"


def routes_of(settings: Settings) -> dict[str, Route]:
    """Return every route that can be used, by its name or, for one without, the setting that says it."""
    return dict(settings.routes) | {name: route for _, name, route in _used(settings)}


def _used(settings: Settings) -> Iterator[tuple[str, str, Route]]:
    """Yield feed, name of the route, and the route of every upstream that asks a network."""
    for feed in settings.feeds.values():
        for number, upstream in enumerate(feed.upstreams):
            route = upstream.route
            is_named = settings.routes.get(route.name) == route
            if upstream.feed is None:
                yield feed.name, route.name if is_named else f"feeds.{feed.name}.upstreams[{number}]", route


def authorities_of(route: Route) -> list[Authority]:
    """Return what a route's files hold now; files that cannot be read are left out. Blocks."""
    return [Authority(file, each) for file in _files(route) for each in _certificates(file)]


def is_systems(file: Path) -> bool:
    """Tell whether a file is the system's own store, as pip's `cert` may name: its roots are nobody's task here."""
    paths = ssl.get_default_verify_paths()
    stores = {Path(each).resolve() for each in (paths.cafile, paths.capath) if each is not None}
    return not stores.isdisjoint({file.resolve(), file.resolve().parent})


def _files(route: Route) -> Iterator[Path]:
    for path in route.ca_files:
        try:
            yield from authority_files(path)
        except OSError:
            continue


def _certificates(file: Path) -> list[Certificate]:
    try:
        return certificates_in(file.read_bytes())
    except OSError:
        return []


class Authorities:
    """What was found the last time, and what was told of it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._found: Mapping[str, tuple[Authority, ...]] = {}
        self._unverified: tuple[str, ...] = ()
        #: The feeds that use a route.
        self._feeds: Mapping[str, tuple[str, ...]] = {}
        self._told: dict[str, datetime] = {}

    def look(self, settings: Settings) -> None:
        """Read the files of every route, and log what should be known. Blocks."""
        routes = routes_of(settings)
        self._found = {
            name: tuple(each for each in authorities_of(route) if not is_systems(each.file))
            for name, route in routes.items()
            if route.ca_files
        }
        self._unverified = tuple(name for name, route in routes.items() if not route.verify)
        used = [(feed, name) for feed, name, _ in _used(settings)]
        self._feeds = {name: tuple(feed for feed, other in used if other == name) for _, name in used}
        self._tell([line for _, line in self.warnings()])

    def of_feeds(self) -> Iterator[tuple[str, str]]:
        """Yield (feed, warning) for what concerns a feed."""
        for name, line in self.warnings():
            yield from ((feed, line) for feed in dict.fromkeys(self._feeds.get(name, ())))

    def warnings(self) -> Iterator[tuple[str, str]]:
        """Yield the route and one line for each thing that a person should know."""
        for name in self._unverified:
            yield (
                name,
                f"route {name} verifies no certificate (verify = false): anybody on the way can be the origin",
            )
        now = self._clock.now()
        for name, authorities in self._found.items():
            for authority in authorities:
                ends = authority.certificate.not_after
                if ends < now + SOON:
                    yield (
                        name,
                        f"route {name}: {authority} {_when(ends, now)}; put its successor into ca_files",
                    )

    def left_s(self) -> dict[str, float]:
        """Return the seconds until the first of a route's authorities ends (negative: it has), by route."""
        now = self._clock.now()
        return {
            name: (min(each.certificate.not_after for each in authorities) - now).total_seconds()
            for name, authorities in self._found.items()
            if authorities
        }

    def unverified(self) -> dict[str, float]:
        """Return 1 for each route that verifies nothing."""
        return dict.fromkeys(self._unverified, 1.0)

    def _tell(self, lines: Iterable[str]) -> None:
        now = self._clock.now()
        # By the line without its date, which changes from day to day.
        self._told = {key: at for key, at in self._told.items() if now - at < _AGAIN}
        for line in lines:
            key = line.partition(" expires ")[0].partition(" expired ")[0]
            if key not in self._told:
                self._told[key] = now
                _LOG.warning("%s", line)


def _when(ends: datetime, now: datetime) -> str:
    if ends <= now:
        return f"expired on {ends:%Y-%m-%d}"
    return f"expires on {ends:%Y-%m-%d}, in {(ends - now).days} days"
