"""What feeds grant to everybody, to every key and to groups; and that a change of it counts at once."""

from dataclasses import replace
from pathlib import Path

import pytest

from proxy.model.actor import Actor
from proxy.model.redact import Secret
from proxy.web.rights import Rights
from tests.keys.house import House, house, made
from tests.support.origin import Origin

PAGE = "/pypi/{}/simple/demo/"


async def test_every_key_reads_what_is_granted_to_every_key(tmp_path: Path, origin: Origin) -> None:
    async with house(tmp_path, origin, grants=(("authenticated", ("read",)),)) as built:
        for name in ("closed", "other"):
            assert (await built.get(PAGE.format(name))).status == 401
            for key in ("nothing", "reader", "given", "stranger"):
                assert (await built.get(PAGE.format(name), built.keys[key])).status == 200, key
            for key in ("expired", "revoked"):
                assert (await built.get(PAGE.format(name), built.keys[key])).status == 401


async def test_a_group_has_what_is_granted_to_it(tmp_path: Path, origin: Origin) -> None:
    granted = (("group:devs", ("read",)), ("group:reviewers", ("promote",)))
    async with house(tmp_path, origin, grants=granted) as built:
        await built.add("dev", made("D"), groups=("devs",))
        await built.add("reviewer", made("W"), groups=("reviewers", "others"))
        await built.add("guest", made("G"), groups=("guests",))
        assert (await built.get(PAGE.format("closed"), built.keys["dev"])).status == 200
        assert (await built.get(PAGE.format("closed"), built.keys["reviewer"])).status == 200
        assert (await built.get(PAGE.format("closed"), built.keys["guest"])).status == 404
        settings = built.gateway.app.settings
        feeds = settings.feeds.values()
        built.gateway.reload(*(replace(each, grants=()) for each in feeds))
        assert (await built.get(PAGE.format("closed"), built.keys["dev"])).status == 404
        assert (await built.get(PAGE.format("closed"), built.keys["reader"])).status == 200
        rights = Rights(settings)
        assert not rights.of(Actor("d", "d", ("devs",))).may("promote", "closed")
        assert rights.of(Actor("w", "w", ("reviewers",))).may("promote", "closed")


async def test_a_change_of_the_settings_counts_from_the_next_request_on(built: House) -> None:
    feeds = list(built.gateway.settings.feeds.values())
    key = built.keys["reader"]
    assert (await built.get(PAGE.format("open"))).status == 200
    assert (await built.get(PAGE.format("closed"), built.keys["nothing"])).status == 404
    assert (await built.get(PAGE.format("closed"), key)).status == 200
    built.gateway.reload(*(replace(each, anonymous=not each.anonymous) for each in feeds))
    assert (await built.get(PAGE.format("open"))).status == 401
    assert (await built.get(PAGE.format("open"), key)).status == 404
    assert (await built.get(PAGE.format("closed"))).status == 200
    built.gateway.reload(
        *(replace(each, anonymous=False, grants=(("authenticated", ("read",)),)) for each in feeds)
    )
    assert (await built.get(PAGE.format("closed"))).status == 401
    assert (await built.get(PAGE.format("closed"), built.keys["nothing"])).status == 200


async def test_an_admin_key_that_the_environment_changed_replaces_the_former(built: House) -> None:
    """FEEDGATE_ADMIN_KEY_FILE may be a mounted secret, which a reload reads anew."""
    gateway = built.gateway
    assert (await built.get("/api/v1/keys", built.keys["admin"])).status == 200
    gateway.app.apply(replace(gateway.settings, admin_key=Secret("another-key-of-admins")))
    assert (await built.get("/api/v1/keys", "another-key-of-admins")).status == 200
    assert (await built.get("/api/v1/keys", built.keys["admin"])).status == 401


async def test_a_key_counts_and_ends_at_once(built: House) -> None:
    created = await built.change(
        "POST", "/api/v1/keys", {"name": "new", "grants": [{"feed": "alias", "rights": ["read"]}]}
    )
    assert created.status == 201
    told = created.json()
    assert told["grants"] == [{"feed": "closed", "rights": ["read"]}]
    for _ in range(2):
        assert (await built.get(PAGE.format("closed"), told["value"])).status == 200
    listed = (await built.get("/api/v1/keys", built.keys["admin"])).json()["items"]
    assert "value" not in str(next(item for item in listed if item["id"] == told["id"]).keys())
    gone = await built.change("DELETE", f"/api/v1/keys/{told['id']}", None)
    assert (gone.status, gone.json()["id"]) == (200, told["id"])
    assert (await built.get(PAGE.format("closed"), told["value"])).status == 401
    assert (await built.change("DELETE", f"/api/v1/keys/{told['id']}", None)).status == 404


async def test_a_key_ends_when_it_expires(built: House) -> None:
    expires = built.clock.now().replace(microsecond=0).isoformat()
    past = await built.change("POST", "/api/v1/keys", {"name": "late", "expires": expires})
    assert (past.status, past.json()["faults"][0]["key"]) == (422, "expires")
    until = (built.clock.now()).date().isoformat()
    made_now = await built.change(
        "POST", "/api/v1/keys",
        {"name": "day", "expires": until, "grants": [{"feed": "*", "rights": ["read"]}]},
    )  # fmt: skip
    assert made_now.status == 201
    assert made_now.json()["expires"].endswith("T00:00:00Z")
    key = made_now.json()["value"]
    assert (await built.get(PAGE.format("closed"), key)).status == 200
    built.clock.advance(86400)
    assert (await built.get(PAGE.format("closed"), key)).status == 401
    listed = (await built.get("/api/v1/keys", built.keys["admin"])).json()["items"]
    assert [item["expired"] for item in listed if item["name"] == "day"] == [True]


@pytest.mark.parametrize(
    ("body", "places"),
    [
        ({"name": ""}, ["name"]), ({"name": "system"}, ["name"]), ({"name": "a\nb"}, ["name"]),
        ({"name": "x", "grants": [{"feed": "absent", "rights": []}]}, ["grants[0].feed", "grants[0].rights"]),
        ({"name": "x", "grants": [{"feed": "closed", "rights": ["write"]}]}, ["grants[0].rights[0]"]),
        ({"name": "x", "groups": ["a b"], "value": "changeme"}, ["groups[0]", "value"]),
        ({"name": "x", "value": "short"}, ["value"]), ({"name": "x", "expires": "soon"}, ["expires"]),
        ({"name": "x", "admin": "yes"}, ["admin"]), ({"name": "x", "rights": []}, [""]), ({}, [""]),
    ],
)  # fmt: skip
async def test_what_cannot_be_a_key_is_told_by_its_places(
    built: House, body: object, places: list[str]
) -> None:
    before = len(built.gateway.app.base.keys.all())
    got = await built.change("POST", "/api/v1/keys", body)
    assert (got.status, [fault["key"] for fault in got.json()["faults"]]) == (422, places), got.body
    assert len(built.gateway.app.base.keys.all()) == before
    assert b"changeme" not in got.body


async def test_uses_are_told_a_little_later(built: House) -> None:
    await built.get(PAGE.format("closed"), built.keys["reader"])
    await built.gateway.app.base.keys.write_uses()
    listed = (await built.get("/api/v1/keys", built.keys["admin"])).json()["items"]
    used = {item["name"]: item["last_used_at"] for item in listed}
    assert used["reader"] is not None
    assert used["promoter"] is None
