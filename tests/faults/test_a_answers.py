"""A07, A09, A10, A14: wrong bytes, failing origins, absent names, answers to questions that nobody asked."""

import asyncio
import re
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime

import pytest

from proxy.model.redact import SecretUrl
from proxy.upstream.remote import Remote
from tests.faults.scene import SDIST, WHEEL, Scene
from tests.support.faults import Fault, failing
from tests.support.gateway import feed
from tests.support.index import HTML_ONLY, JSON, FakeIndex, Shape
from tests.support.length import sized
from tests.support.origin import Origin
from tests.support.wheels import sdist, wheel

FLIPPED = Fault(flip_at=1000)
FAILURES = (500, 502, 503, 429)


# -- A07: wrong bytes


async def test_wrong_bytes_complete_nowhere_and_stay_nowhere(scene: Scene) -> None:
    """A07: twenty clients, the right size, one bit; the log names both digests."""
    await scene.start()
    page = await scene.warm()
    scene.origin.always(scene.file_path, FLIPPED)
    answers = await asyncio.gather(*(scene.get(scene.file) for _ in range(20)))
    assert not any(answer.status == 200 and answer.is_complete for answer in answers)
    assert {answer.told for answer in answers} <= {(200, ""), (502, "digest-mismatch")}
    assert not scene.holds_wheel
    right = scene.index.file(WHEEL).built.sha256
    told = next(line for line in scene.log.lines if "wrong bytes from an origin" in line)
    assert right in told
    assert len(set(re.findall(r"\b[0-9a-f]{64}\b", told))) == 2
    # One more try at once, then the source rests.
    await scene.settled()
    assert scene.origin.hits(scene.file_path) == 2
    again = await scene.get(scene.page, Accept=JSON)
    assert again.body == page.body


async def test_small_file_with_wrong_bytes_is_a_502_that_names_both_digests(scene: Scene) -> None:
    """A07: nothing of it left, so there is an answer to give."""
    await scene.start()
    await scene.warm()
    path = scene.index.file_path(SDIST)
    scene.origin.always(path, Fault(flip_at=100))
    answers = await asyncio.gather(*(scene.get(scene.path(SDIST)) for _ in range(5)))
    assert {answer.told for answer in answers} == {(502, "digest-mismatch")}
    assert scene.index.file(SDIST).built.sha256 in answers[0].detail
    assert answers[0].detail.count("sha256") == 1
    assert scene.origin.hits(path) == 2


async def test_source_of_wrong_bytes_rests_for_five_minutes(scene: Scene) -> None:
    """A07: what was not asked for cannot lie; other files of the host are served meanwhile."""
    scene.clock.freeze()
    await scene.start()
    await scene.warm()
    scene.origin.always(scene.file_path, FLIPPED)
    await scene.get(scene.file)
    # Its client is cut off; the second try goes on.
    await scene.settled()
    scene.origin.heal()
    scene.origin.forget()
    resting = await scene.get(scene.file)
    assert resting.told == (502, "digest-mismatch")
    assert scene.index.file(WHEEL).built.sha256 in resting.detail
    assert re.search(r"sent sha256 [0-9a-f]{64} where", resting.detail)
    assert "retry-after" not in resting.headers
    assert (await scene.get(scene.path(SDIST))).status == 200
    scene.clock.advance(290)
    again = await scene.get(scene.file)
    assert (again.told, again.detail) == (resting.told, resting.detail)
    assert scene.origin.hits(scene.file_path) == 0
    scene.clock.advance(20)
    assert (await scene.get(scene.file)).status == 200


async def test_next_mirror_is_asked_after_wrong_bytes(scene: Scene) -> None:
    """A07: `urls` are mirrors of one thing; who has not been sent anything yet does not notice."""
    async with Origin() as second:
        mirror = FakeIndex(second)
        mirror.add(*(file.built for file in scene.index.hosted.values()))
        urls = (SecretUrl(scene.index.url), SecretUrl(mirror.url))
        scene.index.reshape(links="root")
        scene.auditor.origins.append(second)
        await scene.start(feed(replace(scene.upstream(), urls=urls)))
        await scene.warm()
        path = scene.index.file_path(SDIST)
        scene.origin.always(path, Fault(flip_at=100))
        answer = await scene.get(scene.path(SDIST))
        assert (answer.status, answer.body) == (200, scene.index.file(SDIST).built.data)
        assert (scene.origin.hits(path), second.hits(path)) == (1, 1)
        # The first one rests: for other files, the second is preferred.
        assert (await scene.get(scene.file)).status == 200
        assert (scene.origin.hits(scene.file_path), second.hits(scene.file_path)) == (0, 1)
        assert await scene.audit() == []


async def test_file_without_a_known_digest_is_pinned_to_what_came_first(scene: Scene) -> None:
    """A07: where the index tells no digest, nobody can say what is wrong; what came stays."""
    scene.index.shape = Shape(forms=HTML_ONLY.forms, json_api=False)
    scene.index.add(sdist("bare", "1.0"), hashed=False)
    await scene.start()
    path = scene.path("bare-1.0.tar.gz")
    first = await scene.get(path)
    assert first.status == 200
    await scene.settled()
    scene.origin.always(scene.index.file_path("bare-1.0.tar.gz"), Fault(flip_at=10))
    assert (await scene.get(path)).body == first.body
    assert scene.origin.hits(scene.index.file_path("bare-1.0.tar.gz"), method="GET") == 1


# -- A09: failing origins


@pytest.mark.parametrize("status", FAILURES)
async def test_failing_origin_gives_the_stored_page_or_a_503(scene: Scene, status: int) -> None:
    """A09: never the origin's own status."""
    await scene.start()
    scene.origin.script(scene.page_path, *failing(status, 1))
    answer = await scene.get(scene.page)
    assert answer.told == (503, "origin-unavailable")
    assert str(status) in answer.detail
    page = await scene.warm()
    await scene.later()
    scene.origin.always("*", Fault(status=status))
    stale = await scene.get(scene.page, Accept=JSON)
    assert (stale.body, stale.cache) == (page.body, "feedgate; hit; fwd=stale")
    assert (await scene.get(scene.file)).told == (503, "origin-unavailable")


@pytest.mark.parametrize("is_date", [False, True], ids=["seconds", "date"])
@pytest.mark.parametrize(("asked_s", "told_s"), [(3, 3), (30, 5), (86_400, 5), (0, 5)])
async def test_retry_after_is_passed_on_within_bounds(
    scene: Scene, is_date: bool, asked_s: int, told_s: int
) -> None:
    """A09: both forms; nobody is sent away for a day."""
    await scene.start()
    at = scene.clock.now() + timedelta(seconds=asked_s)
    text = format_datetime(at, usegmt=True) if is_date else str(asked_s)
    scene.origin.always(scene.page_path, Fault(status=503, retry_after=text))
    answer = await scene.get(scene.page)
    assert answer.status == 503
    # A date has whole seconds, and some time passed; 0 is no time to come again.
    assert answer.retry_after_s in ({told_s, told_s - 1, 1} if asked_s else {told_s, 1})


def impatient(scene: Scene) -> None:
    """Let nobody wait for a probe: a frozen clock brings none."""
    for remote in scene.gateway.app.base.door._remotes.values():
        assert isinstance(remote, Remote)
        remote.patience_s = 0.0


async def test_breaker_opens_after_five_failures_and_lets_one_probe_out_per_step(scene: Scene) -> None:
    """A09: a failing origin is left alone, however many names are asked for."""
    scene.clock.freeze()
    await scene.start(json_api=None)
    scene.origin.always("*", Fault(status=500))
    names = iter(range(1000))

    async def ask(count: int) -> None:
        answers = [await scene.get(f"/pypi/pypi/simple/name-{next(names)}/") for _ in range(count)]
        assert {answer.told for answer in answers} == {(503, "origin-unavailable")}
        assert all(1 <= answer.retry_after_s <= 5 for answer in answers)

    await ask(5)
    impatient(scene)
    await ask(15)
    assert scene.origin.hits() == 5
    for step_s in (0.5, 1, 2, 2, 2):
        scene.origin.forget()
        scene.clock.advance(step_s * 0.8)
        await ask(3)
        assert scene.origin.hits() == 0
        scene.clock.advance(step_s * 0.4)
        await ask(5)
        assert scene.origin.hits() == 1
    scene.origin.heal()
    scene.clock.advance(2.1)
    assert (await scene.get(scene.page)).status == 200


async def test_one_refresh_per_backoff_step_keeps_a_stale_page_served(scene: Scene) -> None:
    """A09: clients cost the origin nothing while it fails."""
    scene.clock.freeze()
    await scene.start()
    await scene.warm()
    scene.origin.always("*", Fault(status=503))
    await scene.later()
    scene.origin.forget()
    for _ in range(20):
        assert (await scene.get(scene.page)).cache == "feedgate; hit; fwd=stale"
    assert scene.origin.hits(scene.page_path) == 1
    scene.clock.advance(6)
    for _ in range(20):
        assert (await scene.get(scene.page)).status == 200
    assert scene.origin.hits(scene.page_path) == 2


# -- A10: absent names


@pytest.mark.parametrize("status", [404, 410])
async def test_absent_name_is_remembered_for_a_minute(scene: Scene, status: int) -> None:
    """A10: 404 to everybody, one question to the origin, and a new name appears within the time."""
    scene.clock.freeze()
    await scene.start()
    scene.origin.always(scene.index.page_path("late"), Fault(status=status))
    for _ in range(3):
        assert (await scene.get("/pypi/pypi/simple/late/")).told == (404, "unknown")
    assert scene.origin.hits(scene.index.page_path("late")) == 1
    scene.origin.heal()
    scene.index.add(wheel("late", "1.0"))
    scene.clock.advance(50)
    assert (await scene.get("/pypi/pypi/simple/late/")).status == 404
    scene.clock.advance(11)
    assert (await scene.get("/pypi/pypi/simple/late/")).status == 200


@pytest.mark.parametrize("status", [404, 410])
async def test_withdrawn_name_and_file_are_no_longer_served(scene: Scene, status: int) -> None:
    """A10: also the bytes that are held."""
    await scene.start()
    await scene.warm()
    assert (await scene.get(scene.file)).status == 200
    scene.index.remove_project("demo")
    scene.origin.always(scene.page_path, Fault(status=status))
    await scene.later()
    assert (await scene.get(scene.page)).told == (404, "unknown")
    assert (await scene.get(scene.file)).told == (404, "unknown")


async def test_file_that_is_gone_at_the_origin_makes_the_page_be_asked_again(scene: Scene) -> None:
    """A10: 404 for the file, and the index does not list it any longer than the origin does."""
    scene.clock.freeze()
    await scene.start()
    await scene.warm()
    path = scene.file
    scene.index.remove(WHEEL, bytes_too=True)
    assert (await scene.get(path)).told == (404, "unknown")
    assert scene.origin.hits(scene.page_path) == 2
    # What was rendered a moment ago may be repeated for half a second.
    scene.clock.advance(0.6)
    page = await scene.get(scene.page, Accept=JSON)
    assert [file["filename"] for file in page.json()["files"]] == [SDIST]


async def test_absent_names_cost_a_bounded_table(scene: Scene) -> None:
    """A10: any number of different names (long: 100,000); metrics do not grow with them."""
    await scene.start(concurrency=64)
    count = sized(300, 100_000)
    for start in range(0, count, 50):
        names = range(start, min(start + 50, count))
        answers = await asyncio.gather(*(scene.get(f"/pypi/pypi/simple/no-{n}/") for n in names))
        assert {answer.told for answer in answers} == {(404, "unknown")}
        scene.auditor.answers.clear()
    metrics = (await scene.get("/metrics")).body
    assert b"no-1" not in metrics
    assert len(metrics.splitlines()) < 400


# -- A14: answers to other questions


async def test_content_encoding_of_an_artifact_is_no_part_of_its_bytes(scene: Scene) -> None:
    """A14: an origin that labels a .tar.gz as gzip sends the stored bytes all the same."""
    await scene.start()
    await scene.warm()
    labelled = Fault(headers=(("Content-Encoding", "gzip"),))
    scene.origin.always(scene.index.file_path(SDIST), labelled)
    answer = await scene.get(scene.path(SDIST))
    assert (answer.status, answer.body) == (200, scene.index.file(SDIST).built.data)
    assert "content-encoding" not in answer.headers


async def test_artifact_that_really_was_coded_is_decoded(scene: Scene) -> None:
    """C4: identity was asked for, but size and digest are those of what comes out."""
    await scene.start()
    await scene.warm()
    scene.origin.always(scene.index.file_path(SDIST), Fault(encoding="gzip"))
    answer = await scene.get(scene.path(SDIST))
    assert (answer.status, answer.body) == (200, scene.index.file(SDIST).built.data)
    assert "content-encoding" not in answer.headers


async def test_artifact_that_was_coded_in_another_way_is_refused(scene: Scene) -> None:
    """A14: other bytes have another digest."""
    await scene.start()
    await scene.warm()
    scene.origin.always(scene.index.file_path(SDIST), Fault(encoding="zstd"))
    assert (await scene.get(scene.path(SDIST))).told == (502, "digest-mismatch")


async def test_part_that_nobody_asked_for_is_refused(scene: Scene) -> None:
    """A14: 502, for the artifact and for the page."""
    await scene.start()
    await scene.warm()
    scene.origin.always(scene.file_path, Fault(unasked_206=True))
    assert (await scene.get(scene.file)).told == (502, "origin-refused")
    scene.origin.always(scene.index.page_path("other"), Fault(unasked_206=True))
    scene.index.add(wheel("other", "1.0"))
    assert (await scene.get("/pypi/pypi/simple/other/")).told == (502, "origin-refused")


async def test_304_without_a_condition_is_asked_again_once(scene: Scene) -> None:
    """A14: one refetch past the cache that made it; if it insists, 502."""
    await scene.start()
    scene.origin.script(scene.page_path, Fault(unasked_304=True))
    assert (await scene.get(scene.page)).status == 200
    assert scene.origin.requests[-1].headers.get("cache-control") == "no-cache"
    scene.index.add(wheel("other", "1.0"))
    scene.origin.always(scene.index.page_path("other"), Fault(unasked_304=True))
    assert (await scene.get("/pypi/pypi/simple/other/")).told == (502, "origin-refused")


async def test_everything_in_answer_to_a_range_is_cut_to_what_was_asked(scene: Scene) -> None:
    """A14: a client's range of a file that is not held goes through, whatever the origin makes of it."""
    await scene.start()
    await scene.warm()
    scene.origin.always(scene.file_path, Fault(ignore_range=True))
    answer = await scene.get(scene.file, Range="bytes=1000-1999")
    assert (answer.status, answer.body) == (206, scene.data[1000:2000])


async def test_another_range_than_asked_is_not_passed_on(scene: Scene) -> None:
    """A14: bytes of another place would be joined to the wrong ones; the file is fetched whole in their place (P1)."""
    await scene.start()
    await scene.warm()
    scene.origin.always(scene.file_path, Fault(shift_range=7))
    answer = await scene.get(scene.file, Range="bytes=1000-1999")
    assert (answer.status, answer.body) == (206, scene.data[1000:2000])
