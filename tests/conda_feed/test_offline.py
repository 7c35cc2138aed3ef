"""An offline feed causes no request, however many feeds of this server lie between it and the origin."""

from proxy.config.settings import Feed, Upstream
from tests.conda_feed.readback import FORMS
from tests.conda_feed.stand import LATER_S, Stand
from tests.support.channel import SHARD_INDEX
from tests.support.conda_packages import bare

FILE = "a-1.0-0.conda"


def chained(stand: Stand) -> tuple[Feed, ...]:
    """Return three feeds, each the next one's upstream; the last is offline."""
    middle = stand.feed(Upstream("middle-1", feed="chan"), name="middle")
    outer = stand.feed(Upstream("outer-1", feed="middle", except_=("hidden",)), name="outer", offline=True)
    return stand.feed(), middle, outer


async def started(stand: Stand) -> None:
    stand.channel.add(bare("a", data=b"a" * 99), bare("hidden"))
    await stand.start(*chained(stand))
    stand.origin.forget()


async def test_an_offline_feed_does_not_make_its_inner_feeds_ask(stand: Stand) -> None:
    await started(stand)
    for path in (f"linux-64/{SHARD_INDEX}", "linux-64/repodata.json", f"linux-64/{FILE}"):
        assert (await stand.get(path, feed="outer")).status in (404, 503)
    assert stand.origin.hits() == 0


async def test_what_an_inner_feed_holds_is_shown_without_asking(stand: Stand) -> None:
    await started(stand)
    await stand.files()
    stand.origin.forget()
    for _ in range(2):
        for form in FORMS:
            assert await stand.files("linux-64", form, feed="outer") == {FILE}
        stand.clock.advance(LATER_S)
    assert stand.origin.hits() == 0


async def test_a_file_comes_through_an_offline_feed_only_if_it_is_held(stand: Stand) -> None:
    await started(stand)
    await stand.files()
    stand.clock.advance(LATER_S)
    stand.origin.forget()
    for method in ("GET", "HEAD"):
        assert (await stand.get(f"linux-64/{FILE}", method, feed="outer")).status in (200, 404, 503)
    assert (await stand.get(f"linux-64/{FILE}", feed="outer")).status in (404, 503)
    assert (await stand.get(f"linux-64/{FILE}", feed="outer", Range="bytes=0-9")).status in (404, 503)
    assert stand.origin.hits() == 0
    assert (await stand.get(f"linux-64/{FILE}", feed="middle")).body == b"a" * 99
    await stand.settled()
    stand.clock.advance(LATER_S)
    stand.origin.forget()
    assert (await stand.get(f"linux-64/{FILE}", feed="outer")).body == b"a" * 99
    assert stand.origin.hits() == 0
