"""What a manager may name: S10 and S12. Whoever has `manage` on one feed takes nothing that is other people's."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from proxy.model.actor import LOCAL, Grant
from proxy.model.key import Key
from tests.api.managed import Managed
from tests.keys.house import made
from tests.support.gateway import Got
from tests.support.outproxy import OutboundProxy

OUTSIDE: dict[str, Any] = {"url": "https://index.example/simple/"}
TEXT = """
[feeds.shut]
kind = "pypi"
anonymous = false
policy = "shutpolicy"
aliases = ["shutalias"]
upstreams = ["https://shut.example/simple/"]
[feeds.open]
kind = "pypi"
policy = "openpolicy"
upstreams = ["https://index.example/simple/"]
[policies.shutpolicy]
block = ["canary"]
[policies.openpolicy]
block = ["tk"]
[policies.sparepolicy]
[routes.corp]
proxy = "http://svc:secretpass@proxy.example:3128"
"""
MANAGER = made("M")


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Managed]:
    async with Managed(tmp_path, TEXT) as running:
        await running.app.base.keys.create(Key("m", "m", (Grant("new", ("manage",)),)), MANAGER, LOCAL)
        yield running


async def tries(server: Managed, change: dict[str, Any], key: str = MANAGER) -> list[Got]:
    """Return the answers to a change that is sent as a PATCH and as a PUT."""
    declared = (await server.read("/feeds/new"))[0]["declared"]
    whole = {name: value for name, value in (declared | change).items() if value is not None}
    return [
        await server.ask(method, "/feeds/new", body, key=key, tag="*")
        for method, body in (("PATCH", change), ("PUT", whole))
    ]


def said(got: Got, name: str) -> tuple[int, bytes]:
    """Return status and body without the name that was asked for and the number of the request."""
    told = {key: value for key, value in got.json().items() if key != "instance"}
    return got.status, repr(told).replace(name, "NAME").encode()


@pytest.mark.parametrize(
    "route",
    ["corp", "absent", "default", "direct", {"verify": False}, {}, {"ca_files": ["absent.pem"]},
     {"proxy": "http://proxy.example:3128"}, {"no_proxy": ["*"], "proxy": "http://proxy.example:3128"}],
)  # fmt: skip
async def test_a_manager_takes_no_route(server: Managed, route: object) -> None:
    await server.made("/feeds", name="new", kind="pypi", upstreams=[OUTSIDE])
    for upstreams in (
        [OUTSIDE | {"route": route}], [OUTSIDE, {"urls": ["https://other.example/simple/"], "route": route}],
    ):  # fmt: skip
        for got in await tries(server, {"upstreams": upstreams}):
            assert got.status in (403, 422), got.body
            assert got.status == (422 if isinstance(route, str) and route != "direct" else 403)
    assert (await server.read("/feeds/new"))[0]["declared"]["upstreams"] == [OUTSIDE]
    assert server.app.settings.feeds["new"].upstreams[0].route.verify


async def test_a_route_that_is_there_is_answered_as_one_that_is_not(server: Managed) -> None:
    await server.made("/feeds", name="new", kind="pypi", upstreams=[OUTSIDE])
    there, absent = [
        [said(got, name) for got in await tries(server, {"upstreams": [OUTSIDE | {"route": name}]})]
        for name in ("corp", "cork")
    ]
    assert there == absent


async def test_a_route_stays_with_the_upstream_that_an_admin_gave_it_to(server: Managed) -> None:
    routed = OUTSIDE | {"route": "corp"}
    await server.made("/feeds", name="new", kind="pypi", upstreams=[routed])
    for got in await tries(
        server, {"upstreams": [{"url": "https://more.example/simple/"}, routed | {"ttl": "5m"}]}
    ):
        assert got.status == 200, got.body
    kept = server.app.settings.feeds["new"].upstreams[1]
    assert (kept.route.name, kept.ttl_s) == ("corp", 300.0)
    inside = "http://metadata.internal.example/"
    for upstream in (
        {"url": inside, "route": "corp"}, {"urls": [OUTSIDE["url"], inside], "route": "corp"},
        routed | {"json_api": inside}, routed | {"files_base": inside},
        routed | {"redirect_hosts": ["metadata.internal.example"]},
    ):  # fmt: skip
        for got in await tries(server, {"upstreams": [upstream]}):
            assert got.status in (403, 422), (upstream, got.body)
    # Without the route it leaves as everybody's requests do.
    assert (await tries(server, {"upstreams": [OUTSIDE]}))[0].status == 200


async def test_an_admins_proxy_is_asked_for_nothing_that_a_manager_chose(tmp_path: Path) -> None:
    """The proxy resolves names itself, so the guard of addresses does not see where a request would go."""
    async with (
        OutboundProxy() as proxy,
        Managed(tmp_path, f'[routes.corp]\nproxy = "{proxy.url}"\n') as server,
    ):
        await server.app.base.keys.create(Key("m", "m", (Grant("new", ("manage",)),)), MANAGER, LOCAL)
        given = {"url": "http://index.example/simple/", "route": "corp", "retries": 0}
        await server.made("/feeds", name="new", kind="pypi", upstreams=[given])
        for got in await tries(
            server, {"upstreams": [given | {"url": "http://metadata.internal.example/simple/"}]}
        ):
            assert got.status == 422, got.body
        await server.get("/pypi/new/simple/demo/")
        assert {urlsplit(each.target).hostname for each in proxy.requests} == {"index.example"}


async def test_a_manager_names_only_policies_that_he_may_read(server: Managed) -> None:
    await server.made("/feeds", name="new", kind="pypi", upstreams=[OUTSIDE])
    answers = {
        name: [said(got, name) for got in await tries(server, {"policy": name})]
        for name in ("shutpolicy", "sparepolicy", "openpolicx")
    }
    assert answers["shutpolicy"] == answers["sparepolicy"] == answers["openpolicx"]
    assert {status for status, _ in answers["shutpolicy"]} == {422}
    for path in ("/policies/shutpolicy", "/feeds/new"):
        got = await server.ask("GET", path, key=MANAGER)
        assert b"canary" not in got.body and (path != "/feeds/new" or b"shutpolicy" not in got.body)
    assert [got.status for got in await tries(server, {"policy": "openpolicy"})] == [200, 200]
    assert [got.status for got in await tries(server, {"policy": None})] == [200, 200]


async def test_a_policy_that_an_admin_gave_stays_through_a_managers_edits(server: Managed) -> None:
    await server.made("/feeds", name="new", kind="pypi", upstreams=[OUTSIDE], policy="sparepolicy")
    assert [got.status for got in await tries(server, {"offline": True})] == [200, 200]
    assert server.app.settings.feeds["new"].policy == "sparepolicy"


async def test_an_alias_that_is_taken_is_answered_as_one_that_is_free(server: Managed) -> None:
    await server.made("/feeds", name="new", kind="pypi", upstreams=[OUTSIDE], aliases=["mine"])
    answers = {}
    for name in ("shut", "shutalias", "open", "free-name"):
        got = await tries(server, {"aliases": ["mine", name]})
        answers[name] = [said(each, name) for each in got]
        # The same name for the feed itself, where a key for it was made before there was one.
        assert (await server.ask("PUT", f"/feeds/{name}", {"kind": "pypi"}, key=MANAGER)).status in (403, 404)
    assert len({repr(answer) for answer in answers.values()}) == 1, answers
    assert {status for status, _ in answers["free-name"]} == {422}
    assert [got.status for got in await tries(server, {"aliases": ["mine"], "offline": True})] == [200, 200]
    assert [got.status for got in await tries(server, {"aliases": []})] == [200, 200]


async def test_a_manager_does_not_take_pips_own_settings_of_this_host(server: Managed) -> None:
    """They may hold a private index with its credentials."""
    await server.made("/feeds", name="new", kind="pypi", upstreams=[OUTSIDE])
    for got in await tries(server, {"upstreams": None}):
        assert (got.status, got.json()["type"]) == (403, "urn:feedgate:forbidden"), got.body


async def test_a_manager_is_shown_no_feed_that_he_may_not_read(server: Managed) -> None:
    """What an admin put into his feed stays when it is sent back as it was shown."""
    sources = [{"feed": "shut", "only": ["demo"]}, OUTSIDE, {"feed": "open"}]
    await server.made("/feeds", name="new", kind="pypi", upstreams=sources)
    read = await server.ask("GET", "/feeds/new", key=MANAGER)
    assert b"shut" not in read.body
    shown = read.json()["declared"]["upstreams"]
    assert shown == [{"feed": "***", "only": ["demo"]}, OUTSIDE, {"feed": "open"}]
    for upstreams in (shown, [shown[1], shown[0]], shown):
        got = await server.ask(
            "PATCH", "/feeds/new", {"upstreams": upstreams, "offline": True}, key=MANAGER, tag="*"
        )
        assert got.status == 200 and b"shut" not in got.body, got.body
        there = (await server.read("/feeds/new"))[0]["declared"]["upstreams"]
        assert there == [sources[shown.index(each)] for each in upstreams]
    for upstreams in ([{"feed": "***"}], [shown[0], shown[0]]):
        got = await server.ask("PATCH", "/feeds/new", {"upstreams": upstreams}, key=MANAGER, tag="*")
        assert got.status == 422 and b"shut" not in got.body, got.body
    got = await server.ask("PATCH", "/feeds/new", {"kind": "conda"}, key=MANAGER, tag="*")
    assert got.status == 422 and b"shut" not in got.body, got.body


async def test_hidden_sources_of_a_curated_feed_stay_in_their_order(server: Managed) -> None:
    await server.made("/feeds", name="new", kind="pypi", curated_from=["open", "shut"])
    read = await server.ask("GET", "/feeds/new", key=MANAGER)
    assert read.json()["declared"]["curated_from"] == ["open", "***"] and b"shut" not in read.body
    change = {"curated_from": ["***", "open"], "fetch": "lazy"}
    assert (await server.ask("PATCH", "/feeds/new", change, key=MANAGER, tag="*")).status == 200
    assert (await server.read("/feeds/new"))[0]["declared"]["curated_from"] == ["shut", "open"]


async def test_what_a_manager_may_name_is_his_to_set(server: Managed) -> None:
    """The rules refuse what is other people's, and nothing else."""
    await server.made("/feeds", name="new", kind="pypi", upstreams=[OUTSIDE])
    change = {
        "upstreams": [OUTSIDE | {"auth": {"basic": ["me", "mine"]}, "only": ["demo"], "ttl": "1h"}, {"feed": "open"}],
        "policy": "openpolicy", "reserved": ["corp-*"], "anonymous": False, "grants": {"authenticated": ["read"]},
    }  # fmt: skip
    assert [got.status for got in await tries(server, change)] == [200, 200]
