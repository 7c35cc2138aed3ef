"""Gauges over the other rooms, and the loop's lag: what `/metrics` reads besides the door's own counts."""

import asyncio
from collections.abc import Callable, Iterable, Mapping

from proxy.artifacts.flights import Flights
from proxy.artifacts.report import StoreStats
from proxy.artifacts.store import BlobStore
from proxy.config.settings import Settings
from proxy.model.clock import Clock
from proxy.model.tally import Tally
from proxy.upstream.authorities import Authorities
from proxy.upstream.door import Door
from proxy.upstream.health import RemoteHealth
from proxy.web.health import Readiness
from proxy.web.metrics import Metrics

_BEAT_S = 0.25
#: How often the routes' certificate files are read anew.
_LOOK_S = 60.0


def register(
    metrics: Metrics, store: BlobStore, vault: BlobStore, flights: Flights, door: Door, tally: Tally
) -> None:
    """Tell the metrics what to read when they are asked."""

    def of_upstreams(read: Callable[[RemoteHealth], float]) -> Callable[[], Mapping[str, float]]:
        return lambda: {name: read(health) for name, health in door.health().items()}

    def of_tally() -> Mapping[str, float]:
        return {f"{name}:{label}" if label else name: count for name, label, count in tally.items()}

    metrics.register("store_bytes", "Bytes of blobs held.", lambda: {"": store.stats().total_bytes})
    metrics.register("store_blobs", "Blobs held.", lambda: {"": store.stats().blobs})
    metrics.register(
        "store_degraded", "1 while the disk takes no writes.",
        lambda: {"": float(store.stats().degraded is not None)},
    )  # fmt: skip
    metrics.register("vault_bytes", "Bytes of approved files held.", lambda: {"": vault.stats().total_bytes})
    metrics.register("vault_files", "Approved files held.", lambda: {"": vault.stats().blobs})
    metrics.register("vault_damaged", "Approved files found damaged.", lambda: {"": vault.stats().damaged})
    metrics.register("flights", "Artifacts being fetched.", lambda: {"": flights.current()})
    metrics.register("events", "Things that happened, by kind.", of_tally, "event")
    metrics.register("origin_requests", "Requests answered.", of_upstreams(lambda h: h.successes), "upstream")
    metrics.register("origin_failures", "Requests failed.", of_upstreams(lambda h: h.failures), "upstream")
    metrics.register("origin_bytes", "Bytes received.", of_upstreams(lambda h: h.received_bytes), "upstream")
    metrics.register(
        "origin_seconds", "Moving average of the time to an origin's header.",
        of_upstreams(lambda h: h.latency_s or 0.0), "upstream",
    )  # fmt: skip


def readiness(
    is_ready: bool, store: StoreStats, settings: Settings, upstreams: Mapping[str, RemoteHealth],
    authorities: Authorities, notes: Iterable[tuple[str, str]] = (),
) -> Readiness:  # fmt: skip
    """Tell what goes on working only in part, or soon will: files without a disk, pages without an origin, trust."""
    missing = () if is_ready else ("starting or stopping",)
    disk = f"the disk takes no writes ({store.degraded}); files are passed through"
    failing = tuple(
        (feed.name, f"feed {feed.name}: {told}; what is held is served")
        for feed in settings.feeds.values()
        for upstream in feed.upstreams
        if (told := _failing(upstream.title, upstreams.get(upstream.id))) is not None
    )
    of_feeds = (*failing, *authorities.of_feeds(), *notes)
    return Readiness(is_ready, missing, (disk,) if store.degraded is not None else (), of_feeds)


def _failing(origin: str, health: RemoteHealth | None) -> str | None:
    """Return how an upstream fails, in words; None for one that answered last."""
    if health is None or not health.is_failing:
        return None
    error, at = health.last_error or "no answer", health.last_failure_at
    if health.breakers:
        return f"{origin} fails and is left alone for a moment ({error})"
    when = "" if at is None else f", at {at:%Y-%m-%dT%H:%M:%SZ}"
    return f"the last request to its upstream failed{when} ({error})"


async def watch_loop(metrics: Metrics, clock: Clock) -> None:
    """Measure, until cancelled, by how much the loop is late."""
    while True:
        before = clock.monotonic()
        await asyncio.sleep(_BEAT_S)
        metrics.note_loop_lag(max(0.0, clock.monotonic() - before - _BEAT_S))


def register_authorities(metrics: Metrics, authorities: Authorities) -> None:
    """Tell the metrics what the routes trust."""
    metrics.register(
        "route_ca_expires_seconds", "Time until the first of a route's own certificate authorities ends.",
        authorities.left_s, "route",
    )  # fmt: skip
    metrics.register(
        "route_unverified", "1: the route verifies no certificate.", authorities.unverified, "route"
    )


async def watch_authorities(authorities: Authorities, settings: Callable[[], Settings]) -> None:
    """Look at the routes' certificates, until cancelled: at once, and after that again and again."""
    while True:
        await asyncio.to_thread(authorities.look, settings())
        await asyncio.sleep(_LOOK_S)
