"""The text of /metrics: what `metrics.py` counted, as Prometheus reads it.

prometheus-client is imported while the server listens already, before it is ready (proxy.imports), and a registry of
our own is used, so that nothing else in the process adds to it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from proxy.web.metrics import BUCKETS_S, Latency, Metrics

if TYPE_CHECKING:
    from prometheus_client.metrics_core import HistogramMetricFamily, Metric

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


#: Whether the reader may know of a label's value.
IsShown = Callable[[str], bool]


def everything(value: str) -> bool:
    return True


def render(metrics: Metrics, is_shown: IsShown = everything) -> bytes:
    """Return the text, as far as the reader may know; takes milliseconds and is meant for a thread."""
    from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Counts(metrics, is_shown))
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    return generate_latest(registry)


class Counts:
    """A collector over the counts; each dict is copied first, since the loop goes on counting meanwhile."""

    def __init__(self, metrics: Metrics, is_shown: IsShown = everything) -> None:
        self._metrics = metrics
        self._is_shown = is_shown

    def collect(self) -> Iterable[Metric]:
        yield from self._requests()
        yield self._verdicts()
        yield self._judged()
        yield from self._connections()
        yield from self._registered()

    def _requests(self) -> Iterable[Metric]:
        from prometheus_client.metrics_core import CounterMetricFamily

        requests = CounterMetricFamily(
            "feedgate_requests", "Requests answered.", labels=("route", "status", "cache")
        )
        sent = CounterMetricFamily("feedgate_sent_bytes", "Body bytes sent to clients.", labels=("route",))
        sums: defaultdict[str, int] = defaultdict(int)
        times: defaultdict[str, Latency] = defaultdict(Latency)
        for (route, status, cache), tally in dict(self._metrics.requests).items():
            requests.add_metric((route, str(status), cache), tally.requests)
            sums[route] += tally.sent_bytes
            times[route].merge(tally.latency)
        for route, count in sums.items():
            sent.add_metric((route,), count)
        yield requests
        yield sent
        yield _histogram("feedgate_request_seconds", "Time to answer.", "route", times)

    def _verdicts(self) -> Metric:
        from prometheus_client.metrics_core import CounterMetricFamily

        family = CounterMetricFamily(
            "feedgate_verdicts",
            "Files asked for that a rule had something to say of.",
            labels=("rule", "outcome"),
        )
        for labels, count in dict(self._metrics.verdicts).items():
            family.add_metric(labels, count)
        return family

    def _judged(self) -> Metric:
        from prometheus_client.metrics_core import GaugeMetricFamily

        labelled = ("feed", "rule", "outcome")
        text = "Files of conda feeds by what their policy says."
        family = GaugeMetricFamily("feedgate_judged_files", text, labels=labelled)
        for labels, count in self._metrics.judged().items():
            if self._is_shown(labels[0]):
                family.add_metric(labels, count)
        return family

    def _connections(self) -> Iterable[Metric]:
        from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

        metrics = self._metrics
        cut = CounterMetricFamily(
            "feedgate_cut_connections", "Connections ended at a deadline.", labels=("phase",)
        )
        for phase, count in dict(metrics.cut_connections).items():
            cut.add_metric((phase,), count)
        yield cut
        yield CounterMetricFamily(
            "feedgate_shed_connections", "Idle connections ended near a limit.", metrics.shed_connections
        )
        yield CounterMetricFamily(
            "feedgate_unreadable_requests", "Requests that were not HTTP.", metrics.unreadable_requests
        )
        yield GaugeMetricFamily("feedgate_connections", "Open client connections.", metrics.connections)
        yield GaugeMetricFamily("feedgate_loop_lag_seconds", "Lag of the event loop.", metrics.loop_lag_s)
        yield GaugeMetricFamily(
            "feedgate_loop_lag_worst_seconds", "Worst lag since the start.", metrics.worst_loop_lag_s
        )

    def _registered(self) -> Iterable[Metric]:
        from prometheus_client.metrics_core import GaugeMetricFamily

        for gauge in list(self._metrics.gauges):
            labels = (gauge.label,) if gauge.label else ()
            family = GaugeMetricFamily(f"feedgate_{gauge.name}", gauge.help, labels=labels)
            for value, number in gauge.read().items():
                if self._is_shown(value):
                    family.add_metric((value,) if gauge.label else (), number)
            yield family


def _histogram(
    name: str, help_text: str, label: str, latencies: Mapping[str, Latency]
) -> HistogramMetricFamily:
    from prometheus_client.metrics_core import HistogramMetricFamily

    family = HistogramMetricFamily(name, help_text, labels=(label,))
    for value, latency in latencies.items():
        total, buckets = 0, []
        for bound, count in zip((*map(str, BUCKETS_S), "+Inf"), latency.counts, strict=True):
            total += count
            buckets.append((bound, total))
        family.add_metric((value,), buckets, latency.sum_s)
    return family
