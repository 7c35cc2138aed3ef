"""The server's own pages: health, readiness, metrics, the list of feeds (E10)."""

import base64
import hashlib
import json

from prometheus_client.parser import text_string_to_metric_families

from proxy.model.actor import LOCAL
from proxy.web.health import FeedCard, Health, Paste, Readiness, render_index
from proxy.web.metrics import Metrics
from proxy.web.outbound import BlobAnswer
from tests.support.raw_http import Raw, Reply, ask
from tests.web.stand import get, small_blob, standing

CARD = FeedCard(
    "main", "pypi", "http://h:1/pypi/main/simple/", (Paste("pip", "pip install --index-url U x"),)
)


def health(readiness: Readiness | None = None, metrics: Metrics | None = None) -> Health:
    return Health(lambda: readiness or Readiness(True), lambda base_url: [CARD], metrics or Metrics())


async def test_process_that_answers_is_healthy() -> None:
    async with standing(*health().routes(), path_prefix="/x") as stand, Raw(stand.port) as raw:
        for target in ("/healthz", "/x/healthz"):
            reply = await raw.ask("GET", target)
            assert (reply.status, json.loads(reply.body)) == (200, {"status": "ok"})
            assert reply.header("cache-control") == "no-store"


async def test_readiness_tells_what_is_missing() -> None:
    async with standing(*health(Readiness(False, ("state",))).routes()) as stand:
        reply = await ask(stand.port, "GET", "/readyz")
    assert (reply.status, json.loads(reply.body)["missing"]) == (503, ["state"])


async def test_ready_server_says_so() -> None:
    async with standing(*health().routes()) as stand:
        assert (await ask(stand.port, "GET", "/readyz")).status == 200


async def test_what_is_degraded_is_told_and_escaped_while_the_server_is_ready() -> None:
    async with standing(*health(Readiness(True, degraded=("<disk> full",))).routes()) as stand:
        ready = await ask(stand.port, "GET", "/readyz")
        page = await ask(stand.port, "GET", "/")
    assert (ready.status, json.loads(ready.body)["degraded"]) == (200, ["<disk> full"])
    assert b"&lt;disk&gt; full" in page.body


async def test_page_lists_feeds_and_loads_nothing() -> None:
    async with standing(*health().routes(), actor=LOCAL) as stand, Raw(stand.port) as raw:
        reply = await raw.ask("GET", "/")
        again = await raw.ask("GET", "/", f"If-None-Match: {reply.header('etag')}")
    page = reply.body.decode()
    assert reply.header("content-type") == "text/html; charset=utf-8"
    assert "pip install --index-url U x" in page
    assert "http://h:1/pypi/main/simple/" in page
    policy = reply.header("content-security-policy") or ""
    style = page.partition("<style>")[2].partition("</style>")[0]
    assert policy.startswith("default-src 'none'; ")
    assert f"'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'" in policy
    assert again.status == 304


def test_names_on_the_page_are_text() -> None:
    nasty = "</h2><script>alert(1)</script>\"'&$feeds"
    page = render_index([FeedCard(nasty, nasty, nasty, (Paste(nasty, nasty),), nasty)])
    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 6


def test_page_without_feeds_says_so() -> None:
    assert "No feed is configured" in render_index([])


async def test_browser_finds_no_icon() -> None:
    async with standing(*health().routes()) as stand:
        assert (await ask(stand.port, "GET", "/favicon.ico")).status == 404


async def test_metrics_count_requests_by_route_status_and_cache() -> None:
    metrics = Metrics()
    routes = (*health(metrics=metrics).routes(), get("/f/{name}", BlobAnswer(blob=small_blob(b"12345"))))
    metrics.register("store_bytes", "Bytes of blobs.", lambda: {"": 7.0})
    metrics.register("origin_seconds", "Time.", lambda: {"pypi:0": 0.5}, "upstream")
    async with standing(*routes) as stand, Raw(stand.port) as raw:
        for name in ("a", "b"):
            await raw.ask("GET", f"/f/{name}")
        await raw.ask("GET", "/f/a/../b")
        metrics.requests.update(stand.metrics.requests)
        reply = await raw.ask("GET", "/metrics")
    assert (reply.header("content-type") or "").startswith("text/plain")
    samples = _samples(reply)
    assert samples["feedgate_requests_total", "/f/{name}", "200", "hit"] == 2
    assert samples["feedgate_requests_total", "refused", "400", ""] == 1
    assert samples["feedgate_sent_bytes_total", "/f/{name}"] == 10
    assert samples["feedgate_request_seconds_count", "/f/{name}"] == 2
    assert samples["feedgate_store_bytes",] == 7
    assert samples["feedgate_origin_seconds", "pypi:0"] == 0.5
    assert ("process_resident_memory_bytes",) in samples


async def test_labels_stay_few_whatever_is_asked() -> None:
    async with standing(get("/f/{name}", BlobAnswer(blob=small_blob(b"1")))) as stand, Raw(stand.port) as raw:
        for n in range(200):
            await raw.ask("GET", f"/f/{n}")
            await raw.ask("GET", f"/unknown/{n}")
            await raw.ask("GET", f"/f/%2f{n}")
        assert {key[0] for key in stand.metrics.requests} == {"/f/{name}", "unknown", "refused"}


def _samples(reply: Reply) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(reply.body.decode())
    return {
        (sample.name, *(sample.labels[key] for key in _order(sample.labels))): sample.value
        for family in families
        for sample in family.samples
    }


def _order(labels: dict[str, str]) -> list[str]:
    return [
        key for key in ("route", "status", "cache", "upstream", "phase", "le", "generation") if key in labels
    ]
