"""What all changes of the management API have in common: the body, its faults, tags, foreign pages, leaving clients."""

import asyncio
from typing import Any

import msgspec
import pytest

from proxy.model.actor import ANONYMOUS, LOCAL, Grant
from proxy.model.problem import Problem
from proxy.web.api.answer import Told, accepting, answering, changing, described
from proxy.web.api.body import MAX_BYTES, refused
from proxy.web.api.tags import check_absent, check_match
from proxy.web.inbound import Inbound
from proxy.web.routes import Route
from tests.support.raw_http import Raw, ask
from tests.web.stand import standing

JSON = {"Content-Type": "application/json"}


class Given(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    count: int = 0


class Made(msgspec.Struct, frozen=True):
    name: str


class Things:
    """Handlers as the API's are."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.made: list[str] = []

    def routes(self) -> tuple[Route, ...]:
        return (
            Route(("POST",), "/things", accepting(self.create, status=201)),
            Route(("PUT",), "/thing", accepting(self.edit)),
            Route(("DELETE",), "/thing", changing(self.delete)),
        )

    async def create(self, request: Inbound, body: Given) -> Told[Made]:
        """Make a thing."""
        await self.gate.wait()
        self.made.append(body.name)
        return Told(Made(body.name), (("ETag", '"1"'),))

    async def edit(self, request: Inbound, body: dict[str, Any]) -> Made:
        """Change it."""
        check_absent(request, "1", "the thing")
        check_match(request, "1", "the thing")
        return Made("changed")

    async def delete(self, request: Inbound) -> None:
        """Remove it."""


async def told(method: str, path: str, body: bytes = b"{}", **headers: str) -> tuple[int, dict[str, Any]]:
    things = Things()
    things.gate.set()
    fields = JSON | {name.replace("_", "-"): value for name, value in headers.items()}
    async with standing(*things.routes(), actor=LOCAL) as stand:
        lines = [f"{name}: {value}" for name, value in {**fields, "Content-Length": len(body)}.items()]
        reply = await ask(stand.port, method, path, *lines, body=body)
    return reply.status, msgspec.json.decode(reply.body) if reply.body else {}


async def test_body_is_handed_over_as_its_type() -> None:
    assert await told("POST", "/things", b'{"name": "a"}') == (201, {"name": "a"})
    assert await told("DELETE", "/thing") == (204, {})


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (b'{"name": 1}', "name"), (b'{"name": "a", "other": 1}', ""), (b"{}", ""), (b"[]", ""),
        (b'{"name": "a", "count": "x"}', "count"),
    ],
)  # fmt: skip
async def test_fault_names_its_place(body: bytes, key: str) -> None:
    status, document = await told("POST", "/things", body)
    assert (status, document["type"]) == (422, "urn:feedgate:unprocessable")
    assert [fault["key"] for fault in document["faults"]] == [key]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"name": NaN}', b"[" * 100_000])
async def test_what_is_no_json_is_refused(body: bytes) -> None:
    assert (await told("POST", "/things", body))[0] == 422


async def test_other_media_types_and_large_bodies_are_refused() -> None:
    assert (await told("POST", "/things", b'{"name": "a"}', Content_Type="text/plain"))[0] == 415
    assert (await told("POST", "/things", b'"' + b"x" * MAX_BYTES + b'"'))[0] == 413


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Sec_Fetch_Site": "cross-site"}, {"Origin": "null"}]
)
async def test_pages_of_other_sites_change_nothing(headers: dict[str, str]) -> None:
    for method, path in (("POST", "/things"), ("PUT", "/thing"), ("DELETE", "/thing")):
        status, document = await told(method, path, b'{"name": "a"}', **headers)
        assert (status, document["type"]) == (403, "urn:feedgate:forbidden")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 428), ({"If_Match": '"1"'}, 200), ({"If_Match": '"0", "1"'}, 200), ({"If_Match": "*"}, 200),
        ({"If_Match": '"2"'}, 412), ({"If_Match": 'W/"1"'}, 412), ({"If_None_Match": "*", "If_Match": "*"}, 412),
    ],
)  # fmt: skip
async def test_change_needs_the_tag_of_what_was_seen(headers: dict[str, str], status: int) -> None:
    assert (await told("PUT", "/thing", b"{}", **headers))[0] == status


async def test_change_is_finished_when_its_client_has_left() -> None:
    things = Things()
    async with standing(*things.routes(), actor=LOCAL) as stand:
        async with Raw(stand.port) as raw:
            body = b'{"name": "left"}'
            head = f"POST /things HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
            await raw.send(head.encode() + b"\r\n\r\n" + body)
            await asyncio.sleep(0.1)
        things.gate.set()
        async with asyncio.timeout(10):
            while not things.made:
                await asyncio.sleep(0.01)
    assert things.made == ["left"]


async def test_change_is_finished_when_the_server_stops() -> None:
    things = Things()
    async with standing(*things.routes(), actor=LOCAL) as stand:
        raw = await Raw(stand.port).__aenter__()
        body = b'{"name": "stopped"}'
        head = f"POST /things HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        await raw.send(head.encode() + b"\r\n\r\n" + body)
        await asyncio.sleep(0.1)
    things.gate.set()
    await asyncio.sleep(0.05)
    await raw.__aexit__(None, None, None)
    assert things.made == ["stopped"]


@pytest.mark.parametrize("body", [b"{}", b"junk"])
async def test_who_has_no_key_is_told_so_before_a_body_is_judged(body: bytes) -> None:
    for actor in (ANONYMOUS, ANONYMOUS.with_grants((Grant("*", ("read",)),))):
        async with standing(*Things().routes(), actor=actor) as stand:
            for method, path in (("POST", "/things"), ("PUT", "/thing"), ("DELETE", "/thing")):
                reply = await ask(stand.port, method, path, f"Content-Length: {len(body)}", body=body)
                assert (reply.status, reply.header("www-authenticate") is not None) == (401, True)
    reviewer = ANONYMOUS.with_grants((Grant("main", ("promote",)),))
    async with standing(*Things().routes(), actor=reviewer) as stand:
        assert (await ask(stand.port, "DELETE", "/thing")).status == 204


def test_faults_are_told_all_with_the_first_in_the_detail() -> None:
    problem = refused([("a.b", "is wrong"), ("", "is bad")])
    assert isinstance(problem, Problem)
    assert problem.detail == "a.b: is wrong (and 1 more)"
    assert problem.more["faults"] == [{"key": "a.b", "message": "is wrong"}, {"key": "", "message": "is bad"}]


def test_handler_tells_what_it_takes_and_gives() -> None:
    things = Things()
    create = described(things.routes()[0].handler)
    assert create is not None
    assert (create.body, create.answer, create.summary, create.status) == (
        Given,
        Told[Made],
        "Make a thing.",
        201,
    )

    async def read(request: Inbound) -> Made:
        """Read it."""
        return Made("x")

    reading = described(answering(read, asks=("limit",)))
    assert reading is not None and (reading.answer, reading.asks) == (Made, ("limit",))
