"""Feeds, policies and routes through the API: whole or not at all, kept over a restart, audited (F02, F05)."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.managed import KEY, Managed
from tests.support.gateway import Got
from tests.support.index import FakeIndex

FILE = """
[feeds.main]
kind = "pypi"
upstreams = [{{ url = "{url}", allow_private = true, route = "direct", retries = 0 }}]
[routes.corp]
proxy = "http://u:filesecret@proxy.example:1"
[policies.strict]
block = ["tk"]
"""


@pytest.fixture
async def server(tmp_path: Path, index: FakeIndex) -> AsyncIterator[Managed]:
    async with Managed(tmp_path, FILE.format(url=index.url)) as running:
        yield running


def upstream(index: FakeIndex, **more: Any) -> dict[str, Any]:
    return {"url": index.url, "allow_private": True, "route": "direct", "retries": 0, **more}


def feed(index: FakeIndex, **more: Any) -> dict[str, Any]:
    return {"kind": "pypi", "upstreams": [upstream(index)], **more}


def refused(answer: Got, status: int, word: str, part: str = "") -> dict[str, Any]:
    assert (answer.status, answer.json()["type"]) == (status, f"urn:feedgate:{word}"), answer.body
    assert part in answer.json()["detail"]
    told: dict[str, Any] = answer.json()
    return told


# -- making


async def test_a_feed_that_was_made_serves_at_once_and_after_a_restart(
    server: Managed, index: FakeIndex
) -> None:
    answer = await server.ask("POST", "/feeds", {"name": "more", **feed(index)})
    assert answer.status == 201, answer.body
    assert answer.json() == {"name": "more", "source": "API", "declared": feed(index)}
    assert answer.headers["location"] == "/api/v1/feeds/more"
    assert (await server.get("/pypi/more/simple/demo/")).status == 200
    await server.restart()
    assert (await server.get("/pypi/more/simple/demo/")).status == 200
    told, tag = await server.read("/feeds/more")
    assert (told["source"], told["declared"], tag) == ("API", feed(index), answer.headers["etag"])
    assert (await server.read("/feeds/main"))[0]["source"] == "config.toml"


async def test_the_place_of_what_was_made_is_below_the_prefix(tmp_path: Path, index: FakeIndex) -> None:
    text = FILE.format(url=index.url) + '[server]\npath_prefix = "/pkgs"\n'
    async with Managed(tmp_path, text) as server:
        made = await server.get(
            "/api/v1/policies", method="POST", body=b'{"name": "mine"}', Content_Type="application/json",
            Authorization=f"Bearer {KEY}",
        )  # fmt: skip
        assert (made.status, made.headers["location"]) == (201, "/pkgs/api/v1/policies/mine")


async def test_things_that_need_each_other_are_made_and_unmade_in_order(
    server: Managed, index: FakeIndex
) -> None:
    route = await server.made("/routes", name="alt", verify=True)
    policy = await server.made("/policies", name="mine", min_age="7d")
    made = await server.made("/feeds", name="more", kind="pypi", upstreams=[upstream(index, route="alt")])
    told = refused(await server.ask("DELETE", "/routes/alt", tag=route), 409, "conflict", "still needed")
    assert told["faults"][0]["key"] == "feeds.more.upstreams[0].route"
    assert (await server.read("/routes/alt"))[0]["feeds"] == ["more"]
    assert (await server.ask("DELETE", "/feeds/more", tag=made)).status == 204
    assert (await server.ask("DELETE", "/routes/alt", tag=route)).status == 204
    assert (await server.ask("DELETE", "/policies/mine", tag=policy)).status == 204
    for path in ("/feeds/more", "/routes/alt", "/policies/mine"):
        refused(await server.ask("GET", path), 404, "unknown")
    assert (await server.get("/pypi/more/simple/demo/")).status == 404


async def test_a_name_that_is_taken_is_a_conflict(server: Managed, index: FakeIndex) -> None:
    await server.made("/feeds", name="more", **feed(index, aliases=["also"]))
    for name in ("main", "more"):
        refused(await server.ask("POST", "/feeds", {"name": name, **feed(index)}), 409, "conflict")
    refused(
        await server.ask("POST", "/feeds", {"name": "also", **feed(index)}), 422, "unprocessable", "already"
    )


async def test_everything_that_is_wrong_is_told_at_once(server: Managed, index: FakeIndex) -> None:
    bad = {"name": "Bad!", "kind": "pypi", "upstreams": [{"url": "ftp://x"}], "offlin": 1, "policy": "nope"}
    told = refused(await server.ask("POST", "/feeds", bad), 422, "unprocessable", "more)")
    keys = [fault["key"] for fault in told["faults"]]
    assert {"upstreams[0].url", "offlin"} <= {key.rpartition("Bad!'.")[2] for key in keys}
    assert await server.story() == []


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ({}, "name"), ({"name": 1}, "name"), ({"name": "x"}, "kind"), ({"name": "x", "kind": "conda"}, ""),
        ({"name": "x", "kind": "conda", "upstreams": ["file:///srv"]}, "upstreams[0].url"),
        ({"name": "x", "kind": "pypi", "upstreams": [{"url": {"env": "HOME"}}]}, "upstreams[0].url"),
        ({"name": "x", "kind": "pypi", "upstreams": [1 << 80]}, "upstreams[0]"),
        ({"name": "x", "kind": "pypi", "upstreams": ["https://u:***@h.example/"]}, "upstreams[0]"),
    ],
)  # fmt: skip
async def test_a_document_that_cannot_be_is_refused(server: Managed, body: dict[str, Any], key: str) -> None:
    import json

    told = refused(await server.ask("POST", "/feeds", json.dumps(body).encode()), 422, "unprocessable")
    assert told["faults"][0]["key"] == key


# -- changing


async def test_a_patch_leaves_alone_what_it_does_not_mention(server: Managed, index: FakeIndex) -> None:
    secret = {"basic": ["bob", "hunter2"]}
    way = {"proxy": "http://ann:hunter2@127.0.0.1:9", "no_proxy": ["*"]}
    document = feed(index, aliases=["also"]) | {"upstreams": [upstream(index, auth=secret, route=way)]}
    tag = await server.made("/feeds", name="more", **document)
    answer = await server.ask("PATCH", "/feeds/more", {"offline": True}, tag=tag)
    assert answer.status == 200, answer.body
    thing = server.app.management.declared("feeds", "more")
    assert thing is not None and thing.document == document | {"offline": True}
    assert b"hunter2" not in answer.body
    # What is shown, sent back as it is, changes nothing either.
    shown, tag = await server.read("/feeds/more")
    assert "hunter2" not in repr(shown) and "***" in repr(shown["declared"])
    assert (await server.ask("PUT", "/feeds/more", shown["declared"], tag=tag)).status == 200
    thing = server.app.management.declared("feeds", "more")
    assert thing is not None and thing.document == document | {"offline": True}
    found = server.app.settings.feeds["more"].upstreams[0]
    assert (
        found.auth is not None and found.auth.secret is not None and found.auth.secret.reveal() == "hunter2"
    )
    assert found.route.password is not None and found.route.password.reveal() == "hunter2"


async def test_null_takes_a_key_out(server: Managed, index: FakeIndex) -> None:
    tag = await server.made("/feeds", name="more", **feed(index, offline=True))
    answer = await server.ask("PATCH", "/feeds/more", {"offline": None}, tag=tag)
    assert answer.json()["declared"] == feed(index)
    assert server.app.settings.feeds["more"].offline is False


async def test_null_is_nothing_given(server: Managed, index: FakeIndex) -> None:
    document = {"name": "more", "policy": None, **feed(index)}
    document["upstreams"] = [upstream(index, auth=None, client_cert=None)]
    answer = await server.ask("POST", "/feeds", document)
    assert (answer.status, answer.json()["declared"]) == (201, feed(index)), answer.body


async def test_two_editors_do_not_overwrite_each_other(server: Managed, index: FakeIndex) -> None:
    tag = await server.made("/feeds", name="more", **feed(index))
    first = await server.ask("PATCH", "/feeds/more", {"aliases": ["a"]}, tag=tag)
    assert first.status == 200 and first.headers["etag"] != tag
    refused(await server.ask("PATCH", "/feeds/more", {"offline": True}, tag=tag), 412, "precondition-failed")
    refused(await server.ask("DELETE", "/feeds/more", tag=tag), 412, "precondition-failed")
    for method, body in (("PUT", feed(index)), ("PATCH", {}), ("DELETE", None)):
        refused(await server.ask(method, "/feeds/more", body), 428, "precondition-required")
    assert (await server.read("/feeds/more"))[0]["aliases"] == ["a"]


async def test_a_put_replaces_or_makes(server: Managed, index: FakeIndex) -> None:
    refused(await server.ask("PUT", "/policies/mine", {}, tag="*"), 412, "precondition-failed")
    none = {"If_None_Match": "*"}
    made = await server.ask("PUT", "/policies/mine", {"block": ["a"]}, headers=none)
    assert made.status == 201, made.body
    refused(await server.ask("PUT", "/policies/mine", {}, headers=none), 412, "precondition-failed")
    answer = await server.ask("PUT", "/policies/mine", {"allow": ["b"]}, tag=made.headers["etag"])
    assert (answer.status, answer.json()["declared"]) == (200, {"allow": ["b"]})
    refused(
        await server.ask("PUT", "/policies/mine", {"name": "other"}, tag="*"), 422, "unprocessable", "name"
    )


@pytest.mark.parametrize("path", ["/feeds/main", "/policies/strict", "/routes/corp"])
async def test_what_the_file_declares_is_read_only(server: Managed, path: str) -> None:
    for method, body in (("PUT", {}), ("PATCH", {}), ("DELETE", None)):
        refused(await server.ask(method, path, body, tag="*"), 409, "conflict", "config.toml")
    assert (await server.read(path))[0]["declared"] is None
    assert "filesecret" not in repr(await server.read(path))


async def test_a_change_that_breaks_another_thing_is_refused_whole(server: Managed, index: FakeIndex) -> None:
    tag = await server.made("/policies", name="mine", block=["a"])
    await server.made("/feeds", name="more", **feed(index, policy="mine"))
    told = refused(await server.ask("DELETE", "/policies/mine", tag=tag), 409, "conflict", "still needed")
    assert told["faults"][0]["key"] == "feeds.more.policy"
    assert (await server.read("/policies/mine"))[0]["declared"] == {"block": ["a"]}
    refused(await server.ask("PATCH", "/policies/mine", {"block": ["~~~"]}, tag=tag), 422, "unprocessable")
    assert [story for story in await server.story() if story[0].startswith("policy.")] == [
        ("policy.create", "mine")
    ]


async def test_a_feed_is_changed_by_its_alias_under_its_own_name(server: Managed, index: FakeIndex) -> None:
    tag = await server.made("/feeds", name="more", **feed(index, aliases=["also"]))
    answer = await server.ask("PATCH", "/feeds/also", {"offline": True}, tag=tag)
    assert (answer.status, answer.json()["name"]) == (200, "more")
    assert await server.story() == [("feed.create", "more"), ("feed.edit", "more")]


async def test_a_feed_with_approvals_is_deleted_with_force_only(server: Managed) -> None:
    tag = await server.made("/feeds", name="approved", kind="pypi", curated_from=["main"])
    promoted = await server.ask("POST", "/feeds/approved/promotions", {"from": "main", "specs": ["demo"]})
    assert promoted.status == 201, promoted.body
    assert (await server.get("/pypi/approved/simple/demo/")).status == 200
    refused(
        await server.ask("DELETE", "/feeds/approved", tag=tag),
        409,
        "conflict",
        "?force=true (the command's --force)",
    )
    refused(await server.ask("DELETE", "/feeds/approved?force=yes", tag=tag), 422, "unprocessable", "force")
    refused(await server.ask("DELETE", "/feeds/approved?force=true", tag='"old"'), 412, "precondition-failed")
    assert (await server.get("/pypi/approved/simple/demo/")).status == 200
    assert (await server.ask("DELETE", "/feeds/approved?force=true", tag=tag)).status == 204
    assert (await server.get("/pypi/approved/simple/demo/")).status == 404
    last = (await server.ask("GET", "/audit")).json()["items"][-1]
    assert (last["action"], last["detail"]) == ("feed.delete", "approvals removed with it: 1")
    # Another feed of the name has nothing of it, now and after a restart.
    await server.made("/feeds", name="approved", kind="pypi", curated_from=["main"])
    await server.restart()
    told = await server.ask("GET", "/feeds/approved/approvals")
    assert (told.status, told.json()["items"]) == (200, [])
    assert (await server.get("/pypi/approved/simple/demo/")).json()["type"] == "urn:feedgate:not-approved"


async def test_a_changed_policy_is_in_force_when_it_is_answered(server: Managed, index: FakeIndex) -> None:
    """D09: from the next request on, in the index and at the gate."""
    policy = await server.made("/policies", name="mine", block=["leaf"])
    await server.made("/feeds", name="more", **feed(index, policy="mine"))
    page = "/pypi/more/simple/demo/"
    wheel = f"/pypi/more/packages{index.file_path('demo-1.0-py3-none-any.whl')}"
    for block in (["demo"], ["leaf"], ["demo ==1.0"], []):
        expected = {"demo": 404, "demo ==1.0": 200}.get("".join(block), 200)
        answer = await server.ask("PUT", "/policies/mine", {"block": block}, tag=policy)
        assert answer.status == 200, answer.body
        policy = answer.headers["etag"]
        assert (await server.get(page)).status == expected
        assert (await server.get(wheel)).status == (403 if "demo" in "".join(block) else 200)


async def test_a_closed_feed_is_made_and_opened(server: Managed, index: FakeIndex) -> None:
    tag = await server.made("/feeds", name="closed", **feed(index, anonymous=False))
    assert (await server.get("/pypi/closed/simple/demo/")).status == 401
    assert (await server.ask("PATCH", "/feeds/closed", {"anonymous": True}, tag=tag)).status == 200
    assert (await server.get("/pypi/closed/simple/demo/")).status == 200


# -- what is kept and told


async def test_the_audit_tells_each_change_without_secrets(server: Managed) -> None:
    tag = await server.made(
        "/routes", name="alt", proxy="http://p.example:1", username="u", password="hunter2"
    )
    answer = await server.ask("PATCH", "/routes/alt", {"password": "hunter3"}, tag=tag)
    await server.ask("DELETE", "/routes/alt", tag=answer.headers["etag"])
    items = (await server.ask("GET", "/audit")).json()["items"]
    assert [item["action"] for item in items] == ["route.create", "route.edit", "route.delete"]
    shown = {"proxy": "http://p.example:1", "username": "u", "password": "***"}
    assert [item["before"] for item in items] == [None, shown, shown]
    assert [item["after"] for item in items] == [shown, shown, None]
    assert {(item["actor"], item["address"]) for item in items} == {("admin key", "127.0.0.1")}
    assert items[1]["request_id"] == answer.headers["x-request-id"]


async def test_no_secret_is_in_the_database_in_plain(server: Managed, index: FakeIndex) -> None:
    auth = {"header": ["X-Key", "hunter2"]}
    await server.made("/feeds", name="more", kind="pypi", upstreams=[upstream(index, auth=auth)])
    await server.made("/routes", name="alt", proxy="http://u:hunter2@p.example:1")
    state = server.settings.server.state_dir
    for path in (path for path in state.rglob("*") if path.is_file()):
        assert b"hunter2" not in path.read_bytes(), path
    assert "hunter2" not in server.written().decode()


async def test_without_a_file_nothing_can_be_changed(tmp_path: Path) -> None:
    from tests.support.gateway import Gateway

    async with Gateway(tmp_path, admin_key="an-admins-key-1") as gateway:
        answer = await gateway.get(
            "/api/v1/routes", method="POST", body=b'{"name":"x"}', Content_Type="application/json",
            Authorization="Bearer an-admins-key-1",
        )  # fmt: skip
        refused(answer, 409, "conflict", "without a file")


async def test_a_change_brings_in_nothing_of_a_file_that_is_being_written(
    server: Managed, index: FakeIndex
) -> None:
    server.file.write_text("[feeds.half")
    await server.made("/feeds", name="more", **feed(index))
    assert set(server.app.settings.feeds) == {"main", "more"}
    refused(await server.ask("POST", "/reload"), 422, "unprocessable", "config.toml")


async def test_a_key_that_was_lost_or_replaced_stops_changes_and_no_start(
    server: Managed, index: FakeIndex
) -> None:
    """What is stored would be lost if it were sealed with two keys."""
    await server.made("/feeds", name="more", **feed(index))
    key = server.settings.server.state_dir / "secret.key"
    held = key.read_bytes()
    for other in (None, b"A" * 43 + b"="):
        key.unlink() if other is None else key.write_bytes(other)
        refused(await server.ask("POST", "/policies", {"name": "mine"}), 503, "busy", "secret.key")
        assert key.exists() is (other is not None)
    key.write_bytes(held)
    await server.made("/policies", name="mine")
    await server.restart()
    assert set(server.app.settings.feeds) == {"main", "more"}


# -- reloads


async def test_a_reload_keeps_what_the_api_made(server: Managed, index: FakeIndex) -> None:
    await server.made("/feeds", name="more", **feed(index))
    server.file.write_text(
        server.file.read_text() + '[feeds.third]\nkind = "pypi"\nupstreams = [{ feed = "more" }]\n'
    )
    answer = await server.ask("POST", "/reload")
    assert (answer.status, answer.json()["ok"]) == (200, True), answer.body
    assert set(server.app.settings.feeds) == {"main", "third", "more"}
    items = (await server.ask("GET", "/audit")).json()["items"]
    assert (items[-1]["action"], items[-1]["detail"]) == ("settings.reload", "feeds.third")


async def test_a_name_that_the_file_takes_too_is_refused_by_a_reload(
    server: Managed, index: FakeIndex
) -> None:
    await server.made("/feeds", name="more", **feed(index))
    server.file.write_text(
        server.file.read_text() + '[feeds.more]\nkind = "pypi"\nupstreams = [{ feed = "main" }]\n'
    )
    told = refused(await server.ask("POST", "/reload"), 422, "unprocessable", "through the API too")
    assert told["faults"][0]["key"] == "feeds.more"
    assert (await server.get("/pypi/more/simple/demo/")).status == 200


# -- rights


@pytest.mark.parametrize("has_key", [False, True])
async def test_who_may_not_manage_changes_nothing(server: Managed, index: FakeIndex, has_key: bool) -> None:
    grants = [{"feed": "*", "rights": ["promote"]}]
    made = await server.ask("POST", "/keys", {"name": "reviewer", "grants": grants})
    key = made.json()["value"] if has_key else None
    tries: tuple[tuple[str, str, dict[str, Any] | None], ...] = (
        ("POST", "/feeds", {"name": "x", **feed(index)}), ("PUT", "/feeds/x", feed(index)),
        ("PATCH", "/feeds/main", {}),
        ("DELETE", "/feeds/main", None), ("POST", "/routes", {"name": "x"}), ("DELETE", "/routes/corp", None),
        ("POST", "/policies", {"name": "x"}), ("PUT", "/policies/strict", {}), ("POST", "/reload", None),
        ("GET", "/routes", None), ("GET", "/routes/corp", None),
    )  # fmt: skip
    for method, path, body in tries:
        assert (await server.ask(method, path, body, key=key)).status == (403 if has_key else 401), (
            method, path,
        )  # fmt: skip
    assert await server.story() == [("key.create", made.json()["id"])]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"allow_private": True}, "allow_private"), ({"client_cert": {"cert": "x.pem"}}, "client_cert"),
        ({"auth": {"netrc": True}}, "auth.netrc"), ({"route": {"proxy": "http://10.0.0.1:1"}}, "route.proxy"),
    ],
)  # fmt: skip
async def test_who_manages_a_feed_gets_no_way_into_the_network(
    server: Managed, index: FakeIndex, change: dict[str, Any], words: str
) -> None:
    """E03: what an admin gave stays through the edits of others, and others give none."""
    plain = {"kind": "pypi", "upstreams": [{"url": "https://o.example/simple/"}]}
    await server.made("/feeds", name="plain", **plain)
    await server.made("/feeds", name="wide", **feed(index))
    grants = [{"feed": name, "rights": ["manage"]} for name in ("plain", "wide")]
    key = (await server.ask("POST", "/keys", {"name": "ann", "grants": grants})).json()["value"]
    more = {"upstreams": [{"url": "https://o.example/simple/", **change}]}
    for method, body in (("PATCH", more), ("PUT", {"kind": "pypi", **more})):
        refused(await server.ask(method, "/feeds/plain", body, key=key, tag="*"), 403, "forbidden", words)
    edited = feed(index, offline=True)
    assert (await server.ask("PUT", "/feeds/wide", edited, key=key, tag="*")).status == 200
    elsewhere = {"upstreams": [upstream(index, url="http://127.0.0.1:9/simple/")]}
    refused(
        await server.ask("PATCH", "/feeds/wide", elsewhere, key=key, tag="*"),
        403,
        "forbidden",
        "allow_private",
    )
    assert (await server.ask("PATCH", "/feeds/plain", {"offline": True}, key=key, tag="*")).status == 200


@pytest.mark.parametrize(
    "change",
    [
        {"json_api": "http://10.0.0.1/pypi/"}, {"files_base": "http://10.0.0.1/files/"},
        {"redirect_hosts": ["*.corp.example"]},
    ],
)  # fmt: skip
async def test_who_manages_a_feed_widens_no_way_into_the_network(
    server: Managed, index: FakeIndex, change: dict[str, Any]
) -> None:
    """E03: allow_private covers the hosts that these name, too."""
    await server.made("/feeds", name="wide", **feed(index))
    await server.made("/feeds", name="hosts", kind="pypi", upstreams=[upstream(index, **change)])
    grants = [{"feed": name, "rights": ["manage"]} for name in ("wide", "hosts")]
    key = (await server.ask("POST", "/keys", {"name": "ann", "grants": grants})).json()["value"]
    wider = {"upstreams": [upstream(index, **change)]}
    got = await server.ask("PATCH", "/feeds/wide", wider, key=key, tag="*")
    refused(got, 403, "forbidden", next(iter(change)))
    for kept in (change, {}):
        body = {"upstreams": [upstream(index, **kept)]}
        assert (await server.ask("PATCH", "/feeds/hosts", body, key=key, tag="*")).status == 200


async def test_who_manages_one_feed_changes_that_one_only(server: Managed, index: FakeIndex) -> None:
    tag = await server.made("/feeds", name="more", **feed(index))
    grants = [{"feed": "more", "rights": ["manage"]}, {"feed": "*", "rights": ["read"]}]
    key = (await server.ask("POST", "/keys", {"name": "ann", "grants": grants})).json()["value"]
    refused(await server.ask("POST", "/feeds", {"name": "x", **feed(index)}, key=key), 403, "forbidden")
    assert (await server.ask("PATCH", "/feeds/more", {"offline": True}, key=key, tag=tag)).status == 200
    for name in ("main", "other"):
        refused(await server.ask("PUT", f"/feeds/{name}", feed(index), key=key, tag="*"), 403, "forbidden")
    assert (await server.ask("DELETE", "/feeds/more", key=key, tag="*")).status == 204
