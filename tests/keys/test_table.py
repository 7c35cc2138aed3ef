"""E07: every route, whoever asks, however the path is spelled: one table (contract, section 3).

The cases are generated from the table of routes, so a new route is a new case. What it expects:

| the route                        | no key | wrong, expired, revoked | key of another feed | reads the feed | admin |
|----------------------------------|--------|-------------------------|---------------------|----------------|-------|
| of a closed feed, reading        | 401    | 401                     | 404                 | as the admin   |       |
| of a closed feed, changing (API) | 401    | 401                     | 404                 | 403            | does  |
| of an open feed, reading         | as the admin, whoever asks; the API refuses a wrong key                       |
| of an unknown feed               | 401    | 401                     | 404                 | 404            | 404   |
| the API's others, for admins     | 401    | 401                     | 403                 | 403            | does  |
| pages for everybody              | 200, whoever asks                                                             |
| lists of the API                 | 200    | 401                     | 200, each with what the key may see          |
"""

import asyncio
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from proxy.web.routes import Route
from tests.keys.house import BAD, House
from tests.support.gateway import Got
from tests.support.raw_http import ask as ask_raw

PUBLIC = {"/", "/healthz", "/readyz", "/metrics"}
#: Readings of the API that every key may do, each answered with what that key may see.
FOR_ALL = {"/api/v1/feeds", "/api/v1/policies", "/api/v1/openapi.json"}
#: One of such a list: 404 for who may not see it.
OF_LISTS = {"/api/v1/policies/{policy}"}
#: Readings of a feed that need more than `read`.
MANAGING = {
    "/api/v1/feeds/{feed}/doctor",
    "/api/v1/feeds/{feed}/owners",
    "/api/v1/feeds/{feed}/owners/{name}",
}
WRONG = (*BAD, "expired", "revoked")
_PARAM = re.compile(r"\{([a-z_]+)(\.\.\.)?\}")
_REST = {
    "/pypi/{feed}/packages/{path...}": "demo/demo-1.0-py3-none-any.whl",
    "/pypi/{feed}/files/{path...}": f"{'0' * 64}/demo-1.0-py3-none-any.whl",
}
_FILLED = {"project": "demo", "version": "1.0", "filename": "demo-1.0-py3-none-any.whl", "name": "demo"}


def table(built: House) -> list[Route]:
    return list(built.gateway.app.routes)


def paths(pattern: str, feed: str, token: str) -> str:
    """Return a path of the route, for the feed."""

    def fill(found: re.Match[str]) -> str:
        name = found[1]
        if name in ("feed", "token"):
            return {"feed": feed, "token": token}[name]
        return _REST.get(pattern, "linux-64/repodata.json" if found[2] else _FILLED.get(name, "x"))

    return _PARAM.sub(fill, pattern)


def cases(built: House, closed: bool) -> Iterator[tuple[Route, str, str]]:
    """Yield every route of a feed with each of its methods, and the feed's name."""
    for route in table(built):
        if "{feed}" in route.pattern:
            name = "c-closed" if route.pattern.startswith(("/conda/", "/t/")) else "closed"
            for method in route.allowed:
                yield route, method, name if closed else name.replace("closed", "open")


async def ask(built: House, route: Route, method: str, feed: str, key: str | None) -> Got:
    value = built.keys.get(key, key) if key is not None else None
    path = paths(route.pattern, feed, value or "no-such-key-1")
    is_token = "{token}" in route.pattern
    body = {"body": b"{}", "Content_Type": "application/json"} if method not in ("GET", "HEAD") else {}
    got = await built.get(path, None if is_token else value, method=method, **body)
    for _ in range(200):
        if got.status != 503:
            break
        await asyncio.sleep(0.05)  # what is being prepared is the same for everybody once it is there
        got = await built.get(path, None if is_token else value, method=method, **body)
    return got


def _word(got: Got, method: str) -> str:
    return "forbidden" if method == "HEAD" else word(got)


def word(got: Got) -> str:
    told = "problem+json" in got.headers.get("content-type", "") and got.body
    return str(got.json()["type"]).rpartition(":")[2] if told else ""


async def test_a_closed_feed_answers_by_the_table(built: House) -> None:
    count = 0
    for route, method, feed in cases(built, closed=True):
        place = f"{method} {route.pattern}"
        is_api_change = route.pattern.startswith("/api/") and method not in ("GET", "HEAD")
        if "{token}" not in route.pattern:
            got = await ask(built, route, method, feed, None)
            assert got.status == 401, place
            assert got.headers["www-authenticate"].startswith("Basic realm="), place
        for key in WRONG:
            assert (await ask(built, route, method, feed, key)).status == 401, (place, key)
            built.clock.advance(120)
        for key in ("stranger", "nothing"):
            got = await ask(built, route, method, feed, key)
            assert got.status == 404, (place, key)
            assert method == "HEAD" or word(got) == "unknown", (place, key)
        reader = await ask(built, route, method, feed, "reader")
        if is_api_change or route.pattern in MANAGING:
            assert (reader.status, _word(reader, method)) == (403, "forbidden"), place
        else:
            admin = await ask(built, route, method, feed, "admin")
            assert (reader.status, word(reader)) == (admin.status, word(admin)), place
            assert admin.status not in (401,), place
        count += 1
    assert count > 30


async def test_an_open_feed_is_read_whatever_key_comes_along(built: House) -> None:
    for route, method, feed in cases(built, closed=False):
        place = f"{method} {route.pattern}"
        if route.pattern in MANAGING or (route.pattern.startswith("/api/") and method not in ("GET", "HEAD")):
            assert (await ask(built, route, method, feed, None)).status == 401, place
            continue
        admin = await ask(built, route, method, feed, "admin")
        for key in (None, *WRONG, "stranger", "reader"):
            got = await ask(built, route, method, feed, key)
            if route.pattern.startswith("/api/") and key in WRONG:
                assert got.status == 401, (place, key)
                built.clock.advance(120)
            else:
                assert (got.status, word(got)) == (admin.status, word(admin)), (place, key)


async def test_an_unknown_feed_is_told_as_a_closed_one(built: House) -> None:
    for route, method, closed in cases(built, closed=True):
        place = f"{method} {route.pattern}"
        for key in (None, *WRONG, "stranger"):
            if key is None and "{token}" in route.pattern:
                continue
            there = await ask(built, route, method, closed, key)
            absent = closed.replace("closed", "absent")
            not_there = await ask(built, route, method, absent, key)
            told = not_there.body.replace(absent.encode(), closed.encode())
            assert (there.status, there.reason, there.body) == (not_there.status, not_there.reason, told), (
                place
            )
            assert _plain(there) == _plain(not_there), place
            built.clock.advance(120)
        for key in ("reader", "everywhere", "admin"):
            if key == "admin" and method in ("PUT", "POST", "PATCH", "DELETE"):
                continue  # an admin may be making it
            got = await ask(built, route, method, "absent", key)
            assert got.status == (403 if key == "everywhere" and _is_change(route, method) else 404), (
                place,
                key,
            )


def _is_change(route: Route, method: str) -> bool:
    return route.pattern.startswith("/api/") and method not in ("GET", "HEAD")


def _plain(got: Got) -> dict[str, str]:
    return {name: value for name, value in got.headers.items() if name not in ("x-request-id", "date")}


async def test_what_is_for_admins_is_for_nobody_else(built: House) -> None:
    seen = set()
    for route in table(built):
        if "{feed}" in route.pattern or route.pattern in PUBLIC | FOR_ALL:
            continue
        for method in route.allowed:
            if route.pattern in OF_LISTS and method in ("GET", "HEAD"):
                for key in (None, "reader", "stranger", "admin"):
                    assert (await ask(built, route, method, "", key)).status == 404
                continue
            place = f"{method} {route.pattern}"
            assert route.pattern.startswith("/api/v1/"), place
            assert (await ask(built, route, method, "", None)).status == 401, place
            for key in WRONG:
                assert (await ask(built, route, method, "", key)).status == 401, (place, key)
                built.clock.advance(120)
            for key in ("reader", "stranger", "manager", "everywhere", "nothing"):
                got = await ask(built, route, method, "", key)
                # Who manages a feed gets as far as the handler, which may find fault with the body first.
                may_be = (
                    (403, 422) if key in ("stranger", "manager") and method not in ("GET", "HEAD") else (403,)
                )
                assert got.status in may_be, (place, key, got.body)
            admin = await ask(built, route, method, "", "admin")
            assert admin.status not in (401, 403), (place, admin.body)
            seen.add(place)
    assert {"GET /api/v1/keys", "POST /api/v1/keys", "DELETE /api/v1/keys/{id}", "GET /api/v1/audit"} <= seen


async def test_pages_for_everybody_take_any_key(built: House) -> None:
    for path in PUBLIC | FOR_ALL:
        assert (await built.get(path)).status == 200
        for key in ("reader", "stranger", "nothing", "admin"):
            assert (await built.get(path, built.keys[key])).status == 200, (path, key)
    for path in PUBLIC | FOR_ALL:
        for key in WRONG:
            status = 200 if path in PUBLIC else 401
            assert (await built.get(path, built.keys.get(key, key))).status == status, (path, key)
        built.clock.advance(120)


SPELLINGS = [
    "/pypi/{}/simple/demo/", "/pypi/{}/simple/Demo/", "/pypi/{}/simple/de%6do/", "/pyp%69/{}/simple/demo/",
    "/pypi/{}/simple/demo/?format=json", "/pypi/{}/simple/demo/#x", "http://h/pypi/{}/simple/demo/",
    "/PYPI/{}/simple/demo/", "/pypi//{}/simple/demo/", "/pypi/./{}/simple/demo/", "/pypi/open/../{}/simple/demo/",
    "/pypi/open%2f..%2f{}/simple/demo/", "/pypi/{}%00/simple/demo/", "/pypi/{}%20/simple/demo/",
    "/pypi/{};x/simple/demo/", "/pypi/{}./simple/demo/", "/conda/{}/simple/demo/", "/pypi/\\{}/simple/demo/",
]  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_no_spelling_gets_around_the_gate(built: House, spelling: str) -> None:
    port = urlsplit(built.gateway.url).port
    assert port is not None
    for name in ("closed", "CLOSED", "clo%73ed", "close%64", "alias"):
        built.origin.forget()
        for key in (None, "stranger", BAD[0]):
            headers = [f"X-ApiKey: {built.keys.get(key, key)}"] if key is not None else []
            reply = await ask_raw(port, "GET", spelling.format(name), *headers)
            assert reply.status in (400, 401, 404), (spelling, key, reply.status)
            assert b"demo-1.0" not in reply.body
        assert built.origin.requests == []


async def test_a_closed_feed_is_closed_by_its_alias_too(built: House) -> None:
    assert (await built.get("/pypi/alias/simple/demo/")).status == 401
    assert (await built.get("/pypi/alias/simple/demo/", built.keys["stranger"])).status == 404
    assert (await built.get("/pypi/alias/simple/demo/", built.keys["reader"])).status == 200
