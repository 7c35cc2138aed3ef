"""What belongs to a closed feed is shown to those who may read it: lists, pages, metrics, snippets, health."""

from pathlib import Path
from typing import Any

import pytest

from proxy.config.pastes import pastes
from proxy.config.settings import Feed, Upstream
from proxy.model.placeholders import KEY_PLACEHOLDER
from tests.keys.house import House, house
from tests.support.faults import Fault
from tests.support.gateway import feed, upstream
from tests.support.origin import Origin

#: Key -> the feeds that it may read, in the order of the settings.
READABLE = {
    None: ["open", "c-open"],
    "nothing": ["open", "c-open"],
    "reader": ["open", "closed", "c-open", "c-closed"],
    "stranger": ["open", "other", "c-open", "c-other"],
    "everywhere": ["open", "closed", "other", "c-open", "c-closed", "c-other"],
    "admin": ["open", "closed", "other", "c-open", "c-closed", "c-other"],
}


def value(built: House, key: str | None) -> str | None:
    return built.keys[key] if key is not None else None


@pytest.mark.parametrize("key", READABLE, ids=str)
async def test_the_list_of_feeds_has_those_that_the_key_may_read(built: House, key: str | None) -> None:
    listed = (await built.get("/api/v1/feeds", value(built, key))).json()["items"]
    assert [item["name"] for item in listed] == READABLE[key]


@pytest.mark.parametrize("key", READABLE, ids=str)
async def test_the_page_has_those_that_the_key_may_read(built: House, key: str | None) -> None:
    page = (await built.get("/", value(built, key))).body.decode()
    shown = [name for name in READABLE["admin"] if f"<h2>{name} <small>" in page]
    assert shown == READABLE[key]
    assert all(name in READABLE[key] or f"/{name}/" not in page for name in READABLE["admin"])


@pytest.mark.parametrize("path", ["/metrics", "/readyz", "/"])
async def test_metrics_and_health_name_no_feed_that_may_not_be_read(
    tmp_path: Path, origin: Origin, path: str
) -> None:
    feeds = [_failing(origin, name, anonymous=False) for name in ("hidden-a", "hidden-b")]
    feeds.append(_failing(origin, "seen", anonymous=True))
    async with house(tmp_path, origin, *feeds) as built:
        await built.add("a", "fg-aaaabbbbccccddddeeeeffff00001111", ("hidden-a", "read"))
        for name in ("hidden-a", "hidden-b", "seen"):
            for _ in range(8):
                await built.get(f"/pypi/{name}/simple/demo/", built.keys["admin"])
        told = {key: (await built.get(path, value(built, key))).body.decode() for key in (None, "a", "admin")}
    # People are told a feed's name, programs its upstream's.
    named = "{}-0123456789ab" if path == "/metrics" else "feed {}: "
    assert named.format("seen") in told[None]
    assert "hidden" not in told[None]
    assert named.format("hidden-a") in told["a"]
    assert "hidden-b" not in told["a"]
    assert all(named.format(f"hidden-{letter}") in told["admin"] for letter in "ab")


def _failing(origin: Origin, name: str, *, anonymous: bool) -> Feed:
    """Return a feed whose upstream fails so often that it is left alone."""
    origin.always(f"/{name}/simple/demo/", Fault(status=500))
    one: Upstream = upstream(f"{origin.url}/{name}/simple/", f"{name}-0123456789ab")
    return feed(one, name=name, anonymous=anonymous)


async def test_an_inner_feed_is_named_to_those_who_may_read_it(tmp_path: Path, origin: Origin) -> None:
    outer = Feed("outer", "pypi", (Upstream(id="outer-0123456789ab", feed="closed"),))
    async with house(tmp_path, origin, outer) as built:
        assert (await built.get("/pypi/outer/simple/demo/")).status == 200
        for key, seen in ((None, None), ("stranger", None), ("reader", "closed"), ("admin", "closed")):
            told = (await built.get("/api/v1/feeds/outer", value(built, key))).json()["upstreams"][0]
            assert told["feed"] == seen
            assert ("closed" in str(told)) is (seen is not None)


async def test_a_curated_feeds_source_is_named_to_those_who_may_read_it(
    tmp_path: Path, origin: Origin
) -> None:
    approved = Feed("approved", "pypi", curated_from=("closed", "open"))
    async with house(tmp_path, origin, approved) as built:
        for key, seen in ((None, ["open"]), ("stranger", ["open"]), ("reader", ["closed", "open"])):
            told = (await built.get("/api/v1/feeds/approved", value(built, key))).json()
            assert told["settings"]["curated_from"] == seen
            assert ("closed" in str(told)) is ("closed" in seen), told


async def test_the_lines_to_paste_have_a_place_for_a_key_and_none_in_it(built: House) -> None:
    for name, kind in (("closed", "pypi"), ("c-closed", "conda")):
        told: Any = (await built.get(f"/api/v1/feeds/{name}/snippets", built.keys["reader"])).json()
        texts = {item["client"]: item["text"] for item in told["items"]}
        assert built.keys["reader"] not in str(texts)
        assert all(KEY_PLACEHOLDER in text for text in texts.values()), kind
    opened: Any = (await built.get("/api/v1/feeds/open/snippets")).json()
    assert KEY_PLACEHOLDER not in str(opened)


def test_closed_feeds_show_every_way_to_give_the_key() -> None:
    conda = pastes(Feed("corp", "conda", (Upstream(id="u"),), anonymous=False), "http://h:8080")
    assert "conda config --add channels http://h:8080/conda/t/YOUR-KEY/corp/" in conda["conda"]
    assert "conda config --add channels http://api:YOUR-KEY@h:8080/conda/corp/" in conda["conda"]
    assert '{"h": {"BasicHTTP": {"username": "api", "password": "YOUR-KEY"}}}' in conda["py-rattler"]
    pypi = pastes(Feed("corp", "pypi", (Upstream(id="u"),), anonymous=False), "http://h:8080")
    assert "http://__token__:YOUR-KEY@h:8080/pypi/corp/simple/" in pypi["pip"]
    for client in ("pip", "uv"):
        assert "machine h login __token__ password YOUR-KEY" in pypi[client]
