"""Policies of feeds with several upstreams, of feeds that take from feeds, and over several subdirs (D07, D13)."""

from dataclasses import replace
from typing import Any

from proxy.config.settings import Upstream
from proxy.policy.settings import Policy
from tests.policies_conda.judged import TICK_S, Ruled, files, refused
from tests.policy.made import policy
from tests.support.channel import FakeChannel
from tests.support.conda_packages import bare

DAY_S = 86_400.0


def feed_of(name: str) -> Upstream:
    """Return the upstream that is another feed."""
    return Upstream(id=f"from-{name}", feed=name)


def named(name: str, **table: Any) -> Policy:
    return replace(policy(**table), name=name)


def second(ruled: Ruled) -> FakeChannel:
    return FakeChannel(ruled.stand.origin, prefix="/second")


async def test_what_a_policy_hides_stays_its_owners(ruled: Ruled) -> None:
    """Ownership comes before policy: a blocked version is not replaced by somebody else's file of the name."""
    other = second(ruled)
    ruled.channel.add(bare("a"), bare("b"))
    other.add(bare("a", "9.0"), bare("c"))
    feed = ruled.feed(ruled.stand.upstream(name="one"), ruled.stand.upstream(other, "two"))
    await ruled.start(feed, block=["a"])
    assert files(await ruled.shown()) == {"b-1.0-0.conda", "c-1.0-0.conda"}
    assert (await ruled.stand.get("linux-64/a-9.0-0.conda")).status == 404
    refused(await ruled.stand.get("linux-64/a-1.0-0.conda"), "block")


async def test_what_a_feed_hides_is_not_brought_in_by_the_next_upstream_of_an_outer_feed(
    ruled: Ruled,
) -> None:
    other = second(ruled)
    ruled.channel.add(bare("a"), bare("b"))
    other.add(bare("a", "9.0"), bare("c"))
    inner = ruled.feed(name="inner")
    outer = ruled.stand.feed(feed_of("inner"), ruled.stand.upstream(other, "two"), name="outer")
    await ruled.stand.start(inner, outer, policies=[policy(block=["a"])])
    assert await ruled.stand.files(feed="outer") == {"b-1.0-0.conda", "c-1.0-0.conda"}
    for feed in ("inner", "outer"):
        refused(await ruled.stand.get("linux-64/a-1.0-0.conda", feed=feed), "block")
    assert (await ruled.stand.get("linux-64/a-9.0-0.conda", feed="outer")).status == 404


async def test_an_outer_feed_sees_what_the_inner_one_shows_and_cannot_widen(ruled: Ruled) -> None:
    ruled.channel.add(bare("a"), bare("b"), bare("c"))
    inner, plain = ruled.feed(name="inner"), ruled.stand.feed(feed_of("inner"), name="plain")
    outer = ruled.stand.feed(feed_of("inner"), name="outer", policy="open")
    rules = [policy(block=["a"]), named("open", allow=["a"], block=["b"])]
    await ruled.stand.start(inner, plain, outer, policies=rules)
    assert await ruled.shown("linux-64", feed="plain") == {"linux-64/b-1.0-0.conda", "linux-64/c-1.0-0.conda"}
    assert await ruled.shown("linux-64", feed="outer") == {"linux-64/c-1.0-0.conda"}
    told = await ruled.stand.get("linux-64/a-1.0-0.conda", feed="outer")
    refused(told, "block")
    assert told.json()["policy"] == "corp"
    own = await ruled.stand.get("linux-64/b-1.0-0.conda", feed="outer")
    refused(own, "block")
    assert own.json()["policy"] == "open"


async def test_a_changed_policy_of_the_inner_feed_reaches_the_outer_one(ruled: Ruled) -> None:
    ruled.channel.add(bare("a"), bare("b"))
    inner, outer = ruled.feed(name="inner"), ruled.stand.feed(feed_of("inner"), name="outer")
    await ruled.stand.start(inner, outer, policies=[policy(block=["nothing-else"])])
    assert len(await ruled.shown("linux-64", feed="outer")) == 2
    await ruled.change(block=["a"])
    assert await ruled.shown("linux-64", feed="outer") == {"linux-64/b-1.0-0.conda"}
    refused(await ruled.stand.get("linux-64/a-1.0-0.conda", feed="outer"), "block")


async def test_first_sight_is_known_through_feeds(ruled: Ruled) -> None:
    """The state remembers files of the origin's upstream, whichever feed judges how old they are."""
    other = second(ruled)
    ruled.channel.add(bare("old"))
    other.add(bare("old2"))
    inner = ruled.stand.feed(
        ruled.stand.upstream(name="one"),
        ruled.stand.upstream(other, "two"),
        name="inner",
        indexed_timestamp="off",
    )
    middle = ruled.stand.feed(feed_of("inner"), name="middle", policy="corp")
    outer = ruled.stand.feed(feed_of("middle"), name="outer", policy="late")
    rules = [policy(block=["nothing-else"]), named("late", min_age=7 * DAY_S)]
    await ruled.stand.start(inner, middle, outer, policies=rules)
    first = {"linux-64/old-1.0-0.conda", "linux-64/old2-1.0-0.conda"}
    assert await ruled.shown("linux-64", feed="outer") == first
    ruled.channel.add(bare("new"))
    other.add(bare("new2"))
    ruled.stand.clock.advance(1000)
    new = {"linux-64/new-1.0-0.conda", "linux-64/new2-1.0-0.conda"}
    assert await ruled.shown("linux-64", feed="middle") | new == first | new
    await ruled.stand.settled()
    assert await ruled.stand.files(feed="middle") == files(first | new)
    assert await ruled.stand.files(feed="outer") == files(first)
    refused(await ruled.stand.get("linux-64/new2-1.0-0.conda", feed="outer"), "min_age", "held")
    ruled.stand.clock.advance(7 * DAY_S + TICK_S)
    await ruled.stand.files(feed="outer")
    await ruled.stand.settled()
    assert await ruled.stand.files(feed="outer") == files(first | new)


async def test_another_feeds_private_files_are_no_road(ruled: Ruled) -> None:
    """D13: a blob that another feed holds is asked for through a feed that has no such source."""
    private = second(ruled)
    ruled.channel.add(bare("a"))
    private.add(bare("secret"))
    own = ruled.stand.feed(ruled.stand.upstream(private, "two"), name="private")
    await ruled.stand.start(ruled.feed(), own, policies=[policy(block=["nothing-else"])])
    assert (await ruled.stand.get("linux-64/secret-1.0-0.conda", feed="private")).status == 200
    for headers in ({}, {"Range": "bytes=0-3"}, {"If_None_Match": f'"{bare("secret").sha256}"'}):
        assert (await ruled.stand.get("linux-64/secret-1.0-0.conda", **headers)).status == 404


async def test_dependencies_of_a_list_are_shown_over_all_subdirs(ruled: Ruled) -> None:
    ruled.channel.add(
        bare("app", depends=["lib >=2", "tool"]), bare("app", "0.9"), bare("lib", "1.0"), bare("lib", "2.0"),
        bare("tool", subdir="noarch", depends=["python"]), bare("python", "3.12.1"), bare("pip", subdir="noarch"),
        bare("other"), bare("other", subdir="noarch"),
    )  # fmt: skip
    await ruled.start(only=["app >=1"], include_dependencies=True)
    wanted = {"linux-64/app-1.0-0.conda", "linux-64/lib-2.0-0.conda", "linux-64/python-3.12.1-0.conda"}
    assert await ruled.shown() == wanted | {"noarch/tool-1.0-0.conda", "noarch/pip-1.0-0.conda"}
    refused(await ruled.stand.get("linux-64/lib-1.0-0.conda"), "only")
    ruled.channel.add(bare("lib", "3.0", depends=["other"]))
    await ruled.stand.refresh("linux-64", "noarch")
    assert await ruled.shown() >= {
        "linux-64/lib-3.0-0.conda",
        "linux-64/other-1.0-0.conda",
        "noarch/other-1.0-0.conda",
    }


async def test_a_needed_file_may_still_be_hidden_by_another_rule(ruled: Ruled) -> None:
    ruled.channel.add(bare("app", depends=["lib"]), bare("lib"), bare("lib", "2.0"))
    await ruled.start(only=["app"], include_dependencies=True, exemptions=[], keep_versions=1)
    assert files(await ruled.shown()) == {"app-1.0-0.conda", "lib-2.0-0.conda"}
    refused(await ruled.stand.get("linux-64/lib-1.0-0.conda"), "keep_versions")


async def test_a_platform_that_is_not_named_is_empty_and_noarch_must_be(ruled: Ruled) -> None:
    ruled.channel.add(bare("a"), bare("a", subdir="osx-64"), bare("n", subdir="noarch"))
    await ruled.start(platforms=["linux-64"])
    assert await ruled.shown("linux-64", "osx-64", "noarch") == {"linux-64/a-1.0-0.conda"}
    assert (await ruled.stand.get("noarch/repodata.json")).status == 200
