"""Several upstreams: a name has one owner over all subdirs; the owner is remembered (contract, section 1)."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from proxy.config.settings import Feed
from tests.conda_feed.readback import FORMS, Form, shard_digests
from tests.conda_feed.stand import Stand
from tests.support.channel import SHARD_INDEX, FakeChannel
from tests.support.conda_packages import bare, package
from tests.support.faults import UNAVAILABLE
from tests.support.gateway import Got


class Two:
    """The stand with a second channel; `first` is asked first."""

    def __init__(self, stand: Stand) -> None:
        self.stand = stand
        self.first = stand.channel
        self.second = FakeChannel(stand.origin, prefix="/second")

    def feed(
        self, first: dict[str, Any] | None = None, second: dict[str, Any] | None = None, **settings: Any
    ) -> Feed:
        """Return the feed of both; the changes are those of each upstream."""
        upstreams = (
            self.stand.upstream(self.first, "one", **(first or {})),
            self.stand.upstream(self.second, "two", **(second or {})),
        )
        return self.stand.feed(*upstreams, **settings)

    async def start(self, *args: dict[str, Any], **settings: Any) -> None:
        await self.stand.start(self.feed(*args, **settings))


@pytest.fixture
def two(stand: Stand) -> Two:
    return Two(stand)


def assert_held(got: Got) -> None:
    assert got.status == 403, got.body
    assert (got.json()["type"], got.json()["rule"]) == ("urn:feedgate:held", "owner")


@pytest.mark.parametrize("form", FORMS)
async def test_a_name_of_both_is_the_first_ones_whole(two: Two, form: Form) -> None:
    two.first.add(bare("a"), bare("mine"))
    two.second.add(bare("a", "9.0"), bare("yours", extension=".tar.bz2"))
    await two.start()
    assert await two.stand.files("linux-64", form) == {
        "a-1.0-0.conda",
        "mine-1.0-0.conda",
        "yours-1.0-0.tar.bz2",
    }


async def test_packages_come_from_their_owners(two: Two) -> None:
    two.first.add(bare("a", data=b"of the first" * 9))
    two.second.add(bare("a", data=b"of the second" * 9), bare("b", data=b"b" * 99), bare("a", "9.0"))
    await two.start()
    assert (await two.stand.get("linux-64/a-1.0-0.conda")).body == b"of the first" * 9
    assert (await two.stand.get("linux-64/b-1.0-0.conda")).body == b"b" * 99
    assert (await two.stand.get("linux-64/a-9.0-0.conda")).status == 404
    assert not [path for path in two.second.asked() if "a-" in path]


async def test_a_name_of_another_subdir_is_owned_there_too(two: Two) -> None:
    """The first has it for another platform, so what the second has under the name is somebody else's."""
    two.first.add(bare("a", subdir="noarch"))
    two.second.add(bare("a"), bare("b"))
    await two.start()
    assert await two.stand.files() == {"b-1.0-0.conda"}
    assert await two.stand.files("noarch") == {"a-1.0-0.conda"}


async def test_who_asks_first_does_not_matter(two: Two) -> None:
    two.first.add(bare("a", subdir="noarch"), bare("c", subdir="osx-64"))
    two.second.add(bare("a"), bare("b"), bare("c"))
    await two.start(subdirs=("linux-64", "osx-64"))
    first = await asyncio.gather(*(two.stand.files(subdir) for subdir in ("linux-64", "noarch", "osx-64")))
    assert first == [{"b-1.0-0.conda"}, {"a-1.0-0.conda"}, {"c-1.0-0.conda"}]


async def test_an_empty_owner_subdir_is_served(two: Two) -> None:
    two.first.add(bare("a", subdir="noarch"))
    two.second.add(bare("a"))
    await two.start()
    assert await two.stand.files() == set()
    assert (await two.stand.get("linux-64/repodata.json")).status == 200
    assert (await two.stand.get("osx-64/repodata.json")).status == 404


async def test_only_and_except(two: Two) -> None:
    two.first.add(bare("a"), bare("team-x"), bare("numpy"))
    two.second.add(bare("a", "9.0"), bare("numpy", "9.0"), bare("team-x", "9.0"), bare("scipy", "9.0"))
    await two.start({"only": ("team-*", "a")}, {"except_": ("scipy",)})
    assert await two.stand.files() == {"a-1.0-0.conda", "team-x-1.0-0.conda", "numpy-9.0-0.conda"}
    assert (await two.stand.get("linux-64/numpy-1.0-0.conda")).status == 404
    assert (await two.stand.get("linux-64/scipy-9.0-0.conda")).status == 404


@pytest.mark.parametrize("form", FORMS)
async def test_one_upstream_may_be_restricted(stand: Stand, form: Form) -> None:
    stand.channel.add(bare("a"), bare("b"), bare("c"), bare("b", subdir="noarch"))
    await stand.start(except_=("b",))
    assert await stand.files("linux-64", form) == {"a-1.0-0.conda", "c-1.0-0.conda"}
    assert await stand.files("noarch", form) == set()
    assert (await stand.get("linux-64/b-1.0-0.conda")).status == 404
    assert (await stand.get("linux-64/a-1.0-0.conda")).status == 200


async def test_reserved_names_are_taken_from_private_upstreams_only(two: Two) -> None:
    two.first.add(bare("corp-x", "9.0"), bare("a"))
    two.second.add(bare("corp-x"), bare("corp-y"))
    await two.start({}, {"private": True}, reserved=("corp-*",))
    assert await two.stand.files() == {"a-1.0-0.conda", "corp-x-1.0-0.conda", "corp-y-1.0-0.conda"}
    assert (await two.stand.get("linux-64/corp-x-9.0-0.conda")).status == 404


async def test_a_reserved_name_that_no_private_upstream_has_is_nobodys(stand: Stand) -> None:
    stand.channel.add(bare("corp-x"), bare("a"))
    await stand.start(reserved=("corp-*",))
    assert await stand.files() == {"a-1.0-0.conda"}
    assert (await stand.get("linux-64/corp-x-1.0-0.conda")).status == 404


async def test_the_owner_stays_when_an_earlier_upstream_has_the_name_too(two: Two) -> None:
    two.second.add(bare("a"))
    two.first.add(bare("b"))
    await two.start(subdirs=("linux-64",))
    await two.stand.files()
    two.first.add(bare("a", "9.0"))
    await two.stand.refresh()
    for form in FORMS:
        assert await two.stand.files("linux-64", form) == {"a-1.0-0.conda", "b-1.0-0.conda"}
    assert two.stand.counted("owner_changes_held", "chan") == 1
    assert [line for line in two.stand.log.of("ERROR") if "earlier upstream" in line]


async def test_an_earlier_upstream_has_a_name_as_soon_as_its_subdir_is_known(two: Two) -> None:
    """No setting says which subdirs there are, so a later upstream's name is nothing to be remembered."""
    two.first.add(bare("a", subdir="osx-64"), bare("mine"))
    two.second.add(bare("a", "9.0"), bare("b"))
    await two.start()
    assert await two.stand.files() == {"a-9.0-0.conda", "b-1.0-0.conda", "mine-1.0-0.conda"}
    assert await two.stand.gateway.app.base.owners.all("chan") == {"mine": "one"}
    assert await two.stand.files("osx-64") == {"a-1.0-0.conda"}
    assert await two.stand.files() == {"b-1.0-0.conda", "mine-1.0-0.conda"}
    assert (await two.stand.get("linux-64/a-9.0-0.conda")).status == 404
    assert await two.stand.gateway.app.base.owners.all("chan") == {"a": "one", "mine": "one"}


async def test_the_subdirs_of_the_settings_are_all_asked_before_a_name_is_shown(two: Two) -> None:
    two.first.add(bare("a", subdir="osx-64"))
    two.second.add(bare("a", "9.0"), bare("b"))
    for file in (SHARD_INDEX, "repodata.json.zst", "repodata.json", "repodata.json.bz2"):
        two.stand.origin.always(two.first.path("osx-64", file), UNAVAILABLE)
    await two.start(subdirs=("linux-64", "osx-64"))
    assert await two.stand.files() == set()
    got = await two.stand.get("linux-64/a-9.0-0.conda")
    assert (got.status, got.json()["rule"]) == (403, "owner")
    assert await two.stand.gateway.app.base.owners.all("chan") == {}
    two.stand.origin.heal()
    two.stand.clock.advance(1000)
    assert await two.stand.files() == {"b-1.0-0.conda"}
    assert await two.stand.gateway.app.base.owners.all("chan") == {"a": "one", "b": "two"}


async def test_a_change_of_owner_is_held_logged_and_counted_once(two: Two) -> None:
    two.first.add(bare("a"), bare("b"))
    two.second.add(bare("c"))
    await two.start()
    await two.stand.files()
    two.first.remove("linux-64", "a-1.0-0.conda")
    two.second.add(bare("a"), bare("a", "9.0"))
    await two.stand.refresh()
    for form in FORMS:
        assert await two.stand.files("linux-64", form) == {"b-1.0-0.conda", "c-1.0-0.conda"}
    assert_held(await two.stand.get("linux-64/a-1.0-0.conda"))
    assert_held(await two.stand.get("linux-64/a-9.0-0.conda"))
    assert (await two.stand.get("linux-64/a-8.0-0.conda")).status == 404
    two.second.add(bare("d"))
    await two.stand.refresh()
    assert two.stand.counted("owner_changes_held", "chan") == 1
    (line,) = two.stand.log.of("ERROR")
    assert "a" in line.rsplit(" ", 1)[1]


async def test_an_owner_is_remembered_over_restarts_without_cache(two: Two) -> None:
    two.first.add(bare("a"), bare("b"))
    two.second.add(bare("c"))
    await two.start()
    await two.stand.files()
    two.first.remove("linux-64", "a-1.0-0.conda")
    two.second.add(bare("a", "9.0"))
    await two.stand.gateway.restart_without_cache()
    assert await two.stand.files() == {"b-1.0-0.conda", "c-1.0-0.conda"}
    assert_held(await two.stand.get("linux-64/a-9.0-0.conda"))


async def test_an_owner_that_has_the_name_again_has_it_again(two: Two) -> None:
    two.first.add(bare("a"), bare("b"))
    two.second.add(bare("c"))
    await two.start()
    await two.stand.files()
    two.first.remove("linux-64", "a-1.0-0.conda")
    two.second.add(bare("a", "9.0"))
    await two.stand.refresh()
    await two.stand.files()
    two.first.add(bare("a"))
    await two.stand.refresh()
    assert "a-1.0-0.conda" in await two.stand.files()


async def test_the_administrator_gives_the_name_to_another(two: Two) -> None:
    two.first.add(bare("a"), bare("b"))
    two.second.add(bare("c"))
    await two.start()
    await two.stand.files()
    two.first.remove("linux-64", "a-1.0-0.conda")
    two.second.add(bare("a", "9.0"))
    await two.stand.refresh()
    await two.stand.files()
    two.stand.gateway.reload(two.feed({"except_": ("a",)}))
    assert "a-9.0-0.conda" in await two.stand.files()
    assert (await two.stand.get("linux-64/a-9.0-0.conda")).status == 200


async def test_an_upstream_that_does_not_answer_does_not_lack_the_name(two: Two) -> None:
    two.first.add(bare("a"))
    two.second.add(bare("a", "9.0"))
    feed = two.feed({"url": "http://127.0.0.1:9/nothing/"})
    await two.stand.start(feed)
    for path in ("linux-64/repodata.json", f"linux-64/{SHARD_INDEX}", "linux-64/a-9.0-0.conda"):
        got = await two.stand.get(path)
        assert got.status == 503
        assert "retry-after" in got.headers


async def test_what_an_upstream_had_counts_while_it_does_not_answer(two: Two) -> None:
    two.first.add(bare("a"))
    two.second.add(bare("a", "9.0"), bare("b"))
    await two.start()
    before = await two.stand.files()
    await two.stand.origin.off()
    two.stand.clock.advance(5000)
    await two.stand.restart()
    assert await two.stand.files() == before
    got = await two.stand.get(f"linux-64/{SHARD_INDEX}")
    assert "fwd=stale" in got.cache
    assert int(got.headers["age"]) >= 5000


async def test_a_change_of_one_upstream_is_shown(two: Two) -> None:
    two.first.add(bare("a"))
    two.second.add(bare("b"))
    await two.start()
    first = await two.stand.get(f"linux-64/{SHARD_INDEX}")
    two.second.add(bare("b", "2.0"))
    await two.stand.refresh()
    for form in FORMS:
        assert await two.stand.files("linux-64", form) == {"a-1.0-0.conda", "b-1.0-0.conda", "b-2.0-0.conda"}
    assert (await two.stand.get(f"linux-64/{SHARD_INDEX}")).headers["etag"] != first.headers["etag"]


async def test_old_shards_of_a_composed_feed_are_served(two: Two) -> None:
    two.first.add(bare("a"))
    two.second.add(bare("b"))
    await two.start()
    stand = two.stand
    old = shard_digests(await stand.get(f"linux-64/{SHARD_INDEX}"))["b"]
    two.second.add(bare("b", "2.0"))
    await stand.refresh()
    await stand.files()
    assert (await stand.get(f"linux-64/{old}.msgpack.zst")).status == 200


async def test_nothing_is_composed_again_when_nothing_changed(two: Two) -> None:
    two.first.add(bare("a"))
    two.second.add(bare("b"))
    await two.start()
    first = await two.stand.get(f"linux-64/{SHARD_INDEX}")
    await two.stand.restart()
    again = await two.stand.get(f"linux-64/{SHARD_INDEX}")
    assert again.headers["etag"] == first.headers["etag"]
    folder = two.stand.cache / "conda" / "feed-chan" / "linux-64"
    assert len(list(folder.glob("*.records"))) == 1


async def test_side_documents_are_each_owners_own(two: Two) -> None:
    for channel in (two.first, two.second):
        channel.reshape(run_exports=True, channeldata=True)
    two.first.add(package("a", run_exports=("a >=1",)))
    two.second.add(package("a", "9.0", run_exports=("a >=9",)), package("b", run_exports=("b >=1",)))
    await two.start()
    await two.stand.files()
    exports = (await two.stand.get("linux-64/run_exports.json")).json()["packages.conda"]
    assert exports == {
        "a-1.0-0.conda": {"run_exports": {"weak": ["a >=1"]}},
        "b-1.0-0.conda": {"run_exports": {"weak": ["b >=1"]}},
    }
    data = (await two.stand.get("channeldata.json")).json()["packages"]
    assert {name: (each["version"], list(each["run_exports"])) for name, each in data.items()} == {
        "a": ("1.0", ["1.0"]),
        "b": ("1.0", ["1.0"]),
    }


async def test_feeds_that_share_a_channel_do_not_share_their_restrictions(stand: Stand) -> None:
    stand.channel.add(bare("a"), bare("b"))
    every = stand.feed(stand.upstream(name="every-1"), name="every")
    some = stand.feed(replace(stand.upstream(name="some-1"), only=("a",)), name="some")
    await stand.start(every, some)
    assert await stand.files(feed="every") == {"a-1.0-0.conda", "b-1.0-0.conda"}
    assert await stand.files(feed="some") == {"a-1.0-0.conda"}
    assert (await stand.get("linux-64/b-1.0-0.conda", feed="every")).status == 200
    assert (await stand.get("linux-64/b-1.0-0.conda", feed="some")).status == 404
