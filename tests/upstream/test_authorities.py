"""What the routes trust is watched: its end is told 30 days ahead, in log and metric; so is trust in anybody."""

import datetime
import logging
from pathlib import Path

import pytest

from proxy.config.settings import Feed, Route, Settings, Upstream
from proxy.model.redact import SecretUrl
from proxy.upstream.authorities import Authorities, authorities_of, routes_of
from tests.support.clock import FakeClock
from tests.support.gateway import Gateway, feed, until, upstream
from tests.upstream.authorities import new_ca, saved, trusting

DAY_S = 86400.0
CA = new_ca("Corporate")
PEM = CA.cert_pem.bytes()


def ends(path: Path) -> datetime.datetime:
    (authority,) = authorities_of(trusting(path))
    return authority.certificate.not_after


def days_before(path: Path, days: float) -> FakeClock:
    return FakeClock(ends(path) - datetime.timedelta(days=days))


def settings(**routes: Route) -> Settings:
    return Settings(routes=routes)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return saved(tmp_path, "corp.pem", CA)


@pytest.mark.parametrize(
    ("days", "words"), [(31, None), (29.5, "expires on"), (0.5, "in 0 days"), (-1, "expired on")]
)
def test_end_of_a_ca_is_told_thirty_days_ahead(
    path: Path, days: float, words: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    authorities = Authorities(days_before(path, days))
    with caplog.at_level(logging.WARNING, "feedgate.upstream"):
        authorities.look(settings(corp=trusting(path)))
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == (words is not None)
    for line in lines:
        assert words is not None
        assert words in line
        assert line.startswith("route corp: CA 'Corporate' in")
    assert authorities.left_s() == {"corp": pytest.approx(days * DAY_S)}


def test_roots_of_the_systems_store_are_not_told(
    path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_DIR", str(path.parent))
    authorities = Authorities(days_before(path, -1))
    authorities.look(settings(corp=trusting(path)))
    assert caplog.records == []
    assert authorities.left_s() == {}


def test_it_is_told_once_a_day_and_no_more_when_it_is_replaced(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = days_before(path, 20)
    authorities = Authorities(clock)
    told = []
    for _ in range(3):
        for _ in range(5):
            authorities.look(settings(corp=trusting(path)))
        told.append(len(caplog.records))
        clock.advance(DAY_S)
    assert told == [1, 2, 3]
    path.write_bytes(b"")
    authorities.look(settings(corp=trusting(path)))
    assert (len(caplog.records), authorities.left_s()) == (3, {})


def test_route_that_verifies_nothing_is_told_loudly(caplog: pytest.LogCaptureFixture) -> None:
    authorities = Authorities(FakeClock())
    authorities.look(settings(bad=trusting(verify=False), good=trusting()))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "route bad verifies no certificate" in caplog.text
    assert authorities.unverified() == {"bad": 1.0}


def test_routes_are_known_by_their_names_and_those_without_by_their_setting(path: Path) -> None:
    named, inline = trusting(path), Route("inline", use_environment=False, ca_files=(path,))
    ups = tuple(
        Upstream(id=str(number), urls=(SecretUrl("https://h/"),), route=route)
        for number, route in enumerate((named, inline, Route()))
    )
    inner = Upstream(id="inner", feed="other")
    found = routes_of(Settings(routes={"own": named}, feeds={"a": Feed("a", "pypi", (*ups, inner))}))
    assert found == {"own": named, "feeds.a.upstreams[1]": inline, "feeds.a.upstreams[2]": Route()}


def test_every_certificate_of_bundles_and_folders_is_looked_at(tmp_path: Path) -> None:
    other = new_ca("Other")
    saved(tmp_path, "a.pem", CA, other)
    (tmp_path / "README").write_text("no certificate")
    found = authorities_of(trusting(tmp_path, tmp_path / "gone.pem"))
    assert [each.certificate.subject for each in found] == ["Corporate", "Other"]


async def test_server_tells_it_at_start_at_reload_and_in_its_metrics(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = saved(tmp_path, "corp.pem", CA)
    route = trusting(path, verify=False)
    async with Gateway(
        tmp_path, feed(upstream("http://127.0.0.1:1/simple/", route=route)), clock=days_before(path, 3)
    ) as gateway:
        got = await until(
            lambda: gateway.get("/metrics"), lambda got: b"route_ca_expires_seconds{" in got.body
        )
        text = got.body.decode()
        assert 'feedgate_route_ca_expires_seconds{route="feeds.pypi.upstreams[0]"} 259200.0' in text
        assert 'feedgate_route_unverified{route="feeds.pypi.upstreams[0]"} 1.0' in text
        assert "expires on" in caplog.text
        assert "verifies no certificate" in caplog.text
        degraded = (await gateway.get("/readyz")).json()["degraded"]
        assert [("verifies no" in line, "expires on" in line) for line in degraded] == [
            (True, False),
            (False, True),
        ]
        front = (await gateway.get("/")).body.decode()
        assert "<p>Degraded: route feeds.pypi.upstreams[0] verifies no certificate" in front
        assert str(tmp_path) not in front
        gateway.reload(feed(upstream("http://127.0.0.1:1/simple/", route=trusting())))
        await until(lambda: gateway.get("/metrics"), lambda got: b"route_unverified{" not in got.body)


def test_reading_survives_what_is_no_certificate(tmp_path: Path) -> None:
    for number, content in enumerate(
        (b"", b"\x30", b"\x30\x80\x00\x00", PEM[:100], PEM.replace(b"M", b"!", 9))
    ):
        (tmp_path / f"{number}.pem").write_bytes(content)
    assert authorities_of(trusting(tmp_path)) == []
