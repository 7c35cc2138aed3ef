"""Checklist 6: the clients' own cool-downs see upload times through the feed, for poor origins too."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.apps import App
from tests.support.clients import Clients
from tests.support.gateway import Gateway, feed, upstream
from tests.support.index import HTML_ONLY, JSON, PLAIN, PUBLIC, FakeIndex, Shape
from tests.support.origin import Origin
from tests.support.wheels import wheel

OLD, NEW = "demo-1.0-py3-none-any.whl", "demo-2.0-py3-none-any.whl"
CUTOFF = "2026-03-01T00:00:00Z"

SHAPES = {
    "json": PUBLIC,
    "html and the json api": HTML_ONLY,
    "a plain mirror and the json api": PLAIN,
    "a plain mirror alone": replace(PLAIN, json_api=False),
}


def filled(origin: Origin, shape: Shape) -> FakeIndex:
    index = FakeIndex(origin, shape)
    index.add(wheel("demo", "1.0"), uploaded_at=datetime(2026, 1, 1, tzinfo=UTC))
    index.add(wheel("demo", "2.0"), uploaded_at=datetime(2026, 5, 1, tzinfo=UTC))
    return index


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
async def test_every_client_takes_only_what_is_old_enough(
    origin: Origin, clients: Clients, tmp_path: Path, shape: Shape
) -> None:
    index = filled(origin, shape)
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        url = gateway.index()
        got = await clients.download(url, "--uploaded-prior-to", CUTOFF, "demo")
        assert list(got.files) == [OLD], got.ran.text
        ran = await clients.compile(url, "demo", options=["--exclude-newer", CUTOFF])
        assert ran.out == "demo==1.0\n", ran.text
        app = App.made(tmp_path / "app", url, clients, "demo")
        ran = await app.pdm("lock", "--exclude-newer", "2026-03-01")
        assert ran.code == 0, ran.text
        assert app.locked("pdm") == {"demo": "1.0"}
        assert list((await clients.download(url, "demo")).files) == [NEW]


async def test_poetry_waits_for_a_release_to_age(origin: Origin, clients: Clients, tmp_path: Path) -> None:
    index = filled(origin, HTML_ONLY)
    index.file(NEW).uploaded_at = datetime.now(UTC)
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        patient = clients.told(POETRY_SOLVER_MIN_RELEASE_AGE="7")
        app = App.made(tmp_path / "app", gateway.index(), patient, "demo")
        ran = await app.lock("poetry")
        assert ran.code == 0, ran.text
        assert app.locked("poetry") == {"demo": "1.0"}


async def test_a_time_that_nobody_knows_is_not_made_up(
    origin: Origin, clients: Clients, tmp_path: Path
) -> None:
    index = filled(origin, replace(PLAIN, json_api=False))
    for filename in (OLD, NEW):
        index.file(filename).uploaded_at = None
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        page = await gateway.get("/pypi/pypi/simple/demo/", Accept=JSON)
        assert b"upload-time" not in page.body
        got = await clients.download(gateway.index(), "--uploaded-prior-to", CUTOFF, "demo")
        assert got.ran.code != 0
        assert "Traceback" not in got.ran.text
        ran = await clients.compile(gateway.index(), "demo", options=["--exclude-newer", CUTOFF])
        assert ran.code != 0


async def test_sizes_and_times_in_a_lock_file_do_not_depend_on_the_form_of_the_origin(
    origin: Origin, clients: Clients, tmp_path: Path
) -> None:
    """A feed that gains or loses them makes lock files churn (sheet, section 14)."""
    index = filled(origin, PUBLIC)
    locks = set()
    for number, shape in enumerate((PUBLIC, HTML_ONLY, PLAIN)):
        index.shape = shape
        async with Gateway(tmp_path / f"{number}", feed(upstream(index.url))) as gateway:
            app = App.made(tmp_path / f"app{number}", gateway.index(), clients, "demo")
            ran = await app.lock("uv")
            assert ran.code == 0, ran.text
            locks.add((app.folder / "uv.lock").read_text().replace(gateway.url, "SERVER"))
    assert len(locks) == 1
