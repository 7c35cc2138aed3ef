"""D14 and the rights that changes need: promotions, revocations and settings, with keys of every sort."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from proxy.config.settings import Feed
from proxy.model.actor import LOCAL, Grant, Right
from proxy.model.key import Key
from tests.api.managed import Managed
from tests.keys.house import BAD, House, house, made
from tests.support.origin import Origin

WHEEL = "demo-1.0-py3-none-any.whl"
PROMOTIONS = "/api/v1/feeds/approved/promotions"
ORDER: dict[str, Any] = {"from": "closed", "specs": ["demo"]}


@pytest.fixture
async def reviewed(tmp_path: Path, origin: Origin) -> AsyncIterator[House]:
    """A curated feed on a closed one, both closed, and keys for the one, the other and both."""
    curated = Feed("approved", "pypi", curated_from=("closed",), anonymous=False)
    async with house(tmp_path, origin, curated) as built:
        await built.add("only-target", made("T"), ("approved", "promote"))
        await built.add("only-source", made("Q"), ("closed", "manage"))
        await built.add("reads-both", made("B"), ("approved", "read"), ("closed", "read"))
        await built.add("reviewer", made("W"), ("approved", "promote"), ("closed", "read"))
        yield built


async def approved(built: House) -> list[str]:
    listed = (await built.get("/api/v1/feeds/approved/approvals", built.keys["admin"])).json()["items"]
    return [item["artifact"] for item in listed if item["state"] == "active"]


@pytest.mark.parametrize(
    ("key", "status", "word"),
    [
        (None, 401, "unauthorized"), (BAD[0], 401, "unauthorized"), ("expired", 401, "unauthorized"),
        ("revoked", 401, "unauthorized"), ("stranger", 404, "unknown"), ("only-source", 404, "unknown"),
        ("reads-both", 403, "forbidden"), ("only-target", 404, "unknown"),
    ],
)  # fmt: skip
async def test_who_lacks_a_right_promotes_nothing(
    reviewed: House, key: str | None, status: int, word: str
) -> None:
    value = reviewed.keys.get(key, key) if key is not None else None
    for body in (ORDER, ORDER | {"dry_run": True}, {"from": "closed", "artifacts": [WHEEL]}, {}):
        got = await reviewed.change("POST", PROMOTIONS, body, value)
        # Who may promote gets as far as the body, which may be no order at all.
        assert got.status == (422 if key == "only-target" and not body else status), (body, got.body)
        assert body == {} or got.json()["type"] == f"urn:feedgate:{word}"
    assert await approved(reviewed) == []


async def test_a_reviewer_promotes_and_revokes_and_a_reader_does_not(reviewed: House) -> None:
    done = await reviewed.change("POST", PROMOTIONS, ORDER, reviewed.keys["reviewer"])
    assert done.status == 201, done.body
    assert await approved(reviewed) == [WHEEL]
    listed = await reviewed.get("/api/v1/feeds/approved/approvals", reviewed.keys["reads-both"])
    number = listed.json()["items"][0]["id"]
    for key, status in (("reads-both", 403), ("stranger", 404), (None, 401)):
        value = reviewed.keys[key] if key is not None else None
        one = f"/api/v1/feeds/approved/approvals/{number}"
        assert (await reviewed.change("DELETE", one, {"reason": "x"}, value)).status == status
        assert (await reviewed.change("POST", f"{one}/accept", {"sha256": "0" * 64}, value)).status == status
    assert await approved(reviewed) == [WHEEL]
    one = f"/api/v1/feeds/approved/approvals/{number}"
    assert (await reviewed.change("DELETE", one, {"reason": "x"}, reviewed.keys["reviewer"])).status == 200
    assert await approved(reviewed) == []
    for path in ("approvals", "promotions"):
        for key, source in (("reviewer", "closed"), ("only-target", "")):
            listed = await reviewed.get(f"/api/v1/feeds/approved/{path}", reviewed.keys[key])
            item = listed.json()["items"][0]
            one = (
                await reviewed.get(f"/api/v1/feeds/approved/{path}/{item['id']}", reviewed.keys[key])
            ).json()
            assert {each.get("source", each.get("from")) for each in (item, one)} == {source}
    told = (await reviewed.get("/api/v1/audit", reviewed.keys["admin"])).json()["items"]
    assert {item["actor"] for item in told if item["feed"] == "approved"} == {"reviewer"}
    assert all(item["address"] for item in told if item["feed"] == "approved")


async def test_who_may_not_read_the_source_accepts_nothing_of_it(reviewed: House) -> None:
    assert (await reviewed.change("POST", PROMOTIONS, ORDER, reviewed.keys["reviewer"])).status == 201
    listed = await reviewed.get("/api/v1/feeds/approved/approvals", reviewed.keys["reviewer"])
    one = f"/api/v1/feeds/approved/approvals/{listed.json()['items'][0]['id']}/accept"
    # 409: there is nothing to accept.
    for key, status in (("only-target", 403), ("reviewer", 409)):
        got = await reviewed.change("POST", one, {"sha256": "0" * 64}, reviewed.keys[key])
        assert got.status == status and b"closed" not in got.body, got.body


async def test_a_source_that_may_not_be_read_is_told_as_none(reviewed: House) -> None:
    """Which closed feeds there are, and what a feed takes from, is not to be learned by promoting from them."""
    names = ("closed", "alias", "other", "absent")
    answers = {
        name: await reviewed.change("POST", PROMOTIONS, ORDER | {"from": name}, reviewed.keys["only-target"])
        for name in names
    }
    assert {got.status for got in answers.values()} == {404}
    assert len({got.body.replace(name.encode(), b"NAME") for name, got in answers.items()}) == 1
    told = await reviewed.change("POST", PROMOTIONS, ORDER | {"from": "other"}, reviewed.keys["reviewer"])
    assert told.status == 404
    told = await reviewed.change("POST", PROMOTIONS, ORDER | {"from": "open"}, reviewed.keys["reviewer"])
    assert (told.status, b"curated from closed" in told.body) == (422, True)


async def test_feeds_are_made_closed_and_managed_by_those_who_may(tmp_path: Path) -> None:
    text = '[feeds.open]\nkind = "pypi"\nupstreams = ["https://index.example/simple/"]\n'
    text += '[feeds.shut]\nkind = "pypi"\nanonymous = false\nupstreams = ["https://index.example/simple/"]\n'
    async with Managed(tmp_path, text) as gateway:

        async def key(letter: str, *grants: tuple[str, Right], **facts: Any) -> str:
            given = tuple(Grant(feed, (right,)) for feed, right in grants)
            await gateway.app.base.keys.create(
                Key(f"id-{letter}", letter, given, **facts), made(letter), LOCAL
            )
            return made(letter)

        manager, member = await key("M", ("shut", "manage")), await key("G", groups=("team",))
        document = {
            "name": "new", "kind": "pypi", "upstreams": [{"feed": "open"}], "anonymous": False,
            "grants": {"group:team": ["manage"]},
        }  # fmt: skip
        assert (await gateway.ask("POST", "/feeds", document, key=None)).status == 401
        assert (await gateway.ask("POST", "/feeds", document, key=manager)).status == 404
        tag = await gateway.made("/feeds", **document)
        assert (await gateway.ask("GET", "/feeds/new", key=None)).status == 401
        assert (await gateway.ask("GET", "/feeds/new", key=manager)).status == 404
        told = await gateway.ask("GET", "/feeds/new", key=member)
        assert (told.status, told.json()["settings"]["anonymous"]) == (200, False)
        assert told.json()["settings"]["grants"] == {"group:team": ["manage"]}
        assert (await gateway.ask("GET", "/feeds/open", key=member)).json()["settings"]["grants"] is None
        assert (
            await gateway.ask("PATCH", "/feeds/new", {"offline": True}, key=manager, tag=tag)
        ).status == 404
        assert (
            await gateway.ask("PATCH", "/feeds/new", {"offline": True}, key=member, tag=tag)
        ).status == 200
        put = {key: value for key, value in document.items() if key != "name"} | {"grants": {}}
        assert (await gateway.ask("PUT", "/feeds/another", put, key=member)).status in (403, 404)
        assert (await gateway.ask("PUT", "/feeds/another", put)).status == 201
        tag = (await gateway.read("/feeds/new"))[1]
        assert (
            await gateway.ask("PATCH", "/feeds/new", {"grants": {"group:team": None}}, tag=tag)
        ).status == 200
        assert (await gateway.ask("GET", "/feeds/new", key=member)).status == 404


OUTSIDE: dict[str, Any] = {"url": "https://index.example/simple/"}
SHUT = '[feeds.shut]\nkind = "pypi"\nanonymous = false\nupstreams = ["https://index.example/simple/"]\n'


@pytest.mark.parametrize(
    ("patch", "place"),
    [
        ({"upstreams": [{"feed": "shut"}]}, "upstreams[0].feed"),
        ({"upstreams": [OUTSIDE, {"feed": "absent"}]}, "upstreams[1].feed"),
        ({"upstreams": None, "curated_from": ["shut"]}, "curated_from[0]"),
    ],
)  # fmt: skip
async def test_who_manages_a_feed_reads_no_other_through_it(
    tmp_path: Path, patch: dict[str, Any], place: str
) -> None:
    """A feed's readers get what it takes from elsewhere, so its manager may name only what he may read."""
    async with Managed(tmp_path, SHUT) as gateway:
        await gateway.app.base.keys.create(Key("m", "m", (Grant("new", ("manage",)),)), made("M"), LOCAL)
        tag = await gateway.made("/feeds", name="new", kind="pypi", upstreams=[OUTSIDE])
        document = {"kind": "pypi"} | {key: value for key, value in patch.items() if value is not None}
        for method, body in (("PATCH", patch), ("PUT", document)):
            got = await gateway.ask(method, "/feeds/new", body, key=made("M"), tag=tag)
            assert (got.status, got.json()["faults"][0]["key"]) == (422, place), got.body
            assert b"did you mean" not in got.body
        there = (await gateway.read("/feeds/new"))[0]["declared"]["upstreams"]
        assert there == [OUTSIDE]


async def test_what_an_admin_put_into_a_feed_stays_when_its_manager_edits_the_rest(tmp_path: Path) -> None:
    async with Managed(tmp_path, SHUT) as gateway:
        await gateway.app.base.keys.create(Key("m", "m", (Grant("new", ("manage",)),)), made("M"), LOCAL)
        tag = await gateway.made("/feeds", name="new", kind="pypi", upstreams=[OUTSIDE, {"feed": "shut"}])
        changed = await gateway.ask("PATCH", "/feeds/new", {"offline": True}, key=made("M"), tag=tag)
        assert changed.status == 200, changed.body
        document, tag = await gateway.read("/feeds/new")
        sent_back = document["declared"] | {"offline": False}
        put = await gateway.ask("PUT", "/feeds/new", sent_back, key=made("M"), tag=tag)
        assert put.status == 200, put.body


@pytest.mark.parametrize(
    ("had", "wanted", "place"),
    [
        ({"curated_from": ["shut"]}, {"upstreams": [{"feed": "shut"}]}, "upstreams[0].feed"),
        (
            {"upstreams": [{"feed": "shut", "only": ["demo"]}]},
            {"upstreams": [{"feed": "shut"}]},
            "upstreams[0].feed",
        ),
        ({"upstreams": [{"feed": "shut"}]}, {"curated_from": ["shut"]}, "curated_from[0]"),
    ],
)  # fmt: skip
async def test_who_manages_a_feed_takes_no_more_from_a_closed_one_than_an_admin_gave(
    tmp_path: Path, had: dict[str, Any], wanted: dict[str, Any], place: str
) -> None:
    async with Managed(tmp_path, SHUT) as gateway:
        await gateway.app.base.keys.create(Key("m", "m", (Grant("new", ("manage",)),)), made("M"), LOCAL)
        tag = await gateway.made("/feeds", name="new", kind="pypi", **had)
        patch = dict.fromkeys(had) | wanted
        for method, body in (("PATCH", patch), ("PUT", {"kind": "pypi", **wanted})):
            got = await gateway.ask(method, "/feeds/new", body, key=made("M"), tag=tag)
            assert (got.status, got.json().get("faults", [{}])[0].get("key")) == (422, place), got.body
        for key, value in had.items():
            assert (await gateway.read("/feeds/new"))[0]["declared"][key] == value
        assert (await gateway.ask("PATCH", "/feeds/new", patch, tag=tag)).status == 200


async def test_a_manager_learns_of_no_closed_feeds_by_changes_that_cannot_be(tmp_path: Path) -> None:
    text = SHUT.replace("\nupstreams", '\naliases = ["hush"]\nupstreams') + "[routes.hideout]\n"
    async with Managed(tmp_path, text) as gateway:
        await gateway.app.base.keys.create(Key("m", "m", (Grant("new", ("manage",)),)), made("M"), LOCAL)
        tag = await gateway.made("/feeds", name="new", kind="pypi", upstreams=[OUTSIDE])
        await gateway.made("/feeds", name="behind", kind="pypi", anonymous=False, upstreams=[{"feed": "new"}])
        got = await gateway.ask("DELETE", "/feeds/new", key=made("M"), tag=tag)
        assert (got.status, b"still needed" in got.body) == (409, True)
        refusals = [got]
        for patch in (
            {"kind": "conda", "upstreams": ["https://channel.example/x"]}, {"aliases": ["hush"]},
            {"upstreams": [OUTSIDE | {"route": "hideou"}]},
        ):  # fmt: skip
            refusals.append(await gateway.ask("PATCH", "/feeds/new", patch, key=made("M"), tag=tag))
            assert refusals[-1].status == 422, refusals[-1].body
        for got in refusals:
            assert not any(name in got.body for name in (b"shut", b"behind", b"hideout")), got.body
        got = await gateway.ask("DELETE", "/feeds/new", tag=tag)
        assert (got.status, b"feeds.behind.upstreams" in got.body) == (409, True)


async def test_a_manager_names_no_certificates_of_this_host(tmp_path: Path) -> None:
    async with Managed(tmp_path, SHUT) as gateway:
        await gateway.app.base.keys.create(Key("m", "m", (Grant("new", ("manage",)),)), made("M"), LOCAL)
        tag = await gateway.made("/feeds", name="new", kind="pypi", upstreams=[OUTSIDE])
        for path in ("/etc/passwd", "/absent"):
            patch = {"upstreams": [OUTSIDE | {"route": {"ca_files": [path]}}]}
            assert (await gateway.ask("PATCH", "/feeds/new", patch, key=made("M"), tag=tag)).status == 403
