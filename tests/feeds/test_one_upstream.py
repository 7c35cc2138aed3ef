"""One upstream never costs another: whatever happens to a page, a list of names, a file or its METADATA.

Each row is a feed of its own, of an upstream in trouble and of one that is well, so that one server sees them all.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from proxy.config.settings import Feed
from tests.support.clock import FakeClock
from tests.support.faults import SILENT, Fault
from tests.support.gateway import Gateway, Got, eventually, feed, until, upstream
from tests.support.index import HTML_ONLY, JSON, FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel

#: Nobody listens there.
DEAD = "http://127.0.0.1:1/elsewhere"
STATUSES = (401, 403, 404, 405, 408, 410, 429, 500, 501, 502, 503, 504)
FAULTS: Mapping[str, Fault] = {
    **{str(status): Fault(status=status) for status in STATUSES},
    "503 for a while": Fault(status=503, retry_after="100"),
    "a reset": Fault(refuse=True),
    "a reset in the body": Fault(reset_at=20),
    "a time-out": SILENT,
    "a body that stalls": Fault(stall_at=20),
    "a body that is cut": Fault(truncate_at=20),
    "a redirect to a dead host": Fault(status=302, location=DEAD),
    "a page": Fault(status=200, body=b"<html>login</html>", content_type="text/html"),
    "another type": Fault(headers=(("Content-Type", "image/png"),)),
    "nothing": Fault(status=200, body=b""),
    "gzip": Fault(encoding="gzip"),
}
#: The storage host's words for what it lacks; the next upstream may have it.
NOT_HERE = ("401", "403", "404", "410")


@dataclass(frozen=True)
class Row:
    """A feed: its name, what befalls its first upstream, and that upstream's index."""

    name: str
    kind: str
    index: FakeIndex

    @property
    def fault(self) -> Fault:
        return FAULTS[self.kind]

    @property
    def file(self) -> str:
        return f"mine-{self.name[4:]}.0-py3-none-any.whl"


class Table:
    """The rows, and the second upstream of them all."""

    def __init__(self, first: Origin, second: Origin) -> None:
        self.first = first
        self.second = second
        self.public = FakeIndex(second)
        self.public.add(wheel("mine", "999.0"), wheel("theirs", "1.0"))
        self.clock = FakeClock()
        self.rows: list[Row] = []
        for number, kind in enumerate(FAULTS):
            index = FakeIndex(first, prefix=f"/row-{number}")
            index.add(wheel("mine", f"{number}.0"))
            self.rows.append(Row(f"row-{number}", kind, index))

    def feeds(self) -> tuple[Feed, ...]:
        impatient = {
            "ttl_s": 1.0,
            "negative_ttl_s": 1.0,
            "read_timeout_s": 0.5,
            "auth": None,
            "json_api": None,
        }
        return tuple(
            feed(
                upstream(row.index.url, f"first-{row.name}", **impatient),
                upstream(self.public.url, f"second-{row.name}", **impatient),
                name=row.name,
            )
            for row in self.rows
        )

    def damage(self, path: str) -> None:
        """Let every row's first upstream answer so for a path below it."""
        for row in self.rows:
            self.first.always(f"/{row.name}{path}", row.fault)


@pytest.fixture
async def table() -> AsyncIterator[Table]:
    async with Origin() as first, Origin() as second:
        yield Table(first, second)


@pytest.fixture
async def gateway(table: Table, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with Gateway(tmp_path, *table.feeds(), clock=table.clock) as running:
        yield running


async def page(gateway: Gateway, row: Row, name: str) -> Got:
    return await gateway.get(f"/pypi/{row.name}/simple/{name}/", Accept=JSON)


def files(got: Got) -> list[str]:
    assert got.status == 200, got.body
    return [file["filename"] for file in got.json()["files"]]


def assert_trouble(got: Got, kind: str) -> None:
    """503 with a short wait for what a moment may cure, else 502; nothing of the origin's own."""
    assert got.status in (502, 503), (kind, got.status)
    assert (got.status == 503) == ("retry-after" in got.headers), kind
    assert int(got.headers.get("retry-after", 5)) <= 5, kind
    assert "www-authenticate" not in got.headers


async def test_a_page_in_trouble_costs_no_other_name(table: Table, gateway: Gateway) -> None:
    """What is not there is the next upstream's; what is in trouble is nobody's."""
    table.damage("/simple/mine/")
    for row in table.rows:
        got = await page(gateway, row, "mine")
        if row.kind in NOT_HERE:
            assert files(got) == ["mine-999.0-py3-none-any.whl"], row.kind
        elif row.kind == "gzip":
            assert files(got) == [row.file]
        else:
            assert_trouble(got, row.kind)
        got = await page(gateway, row, "theirs")
        if "for a while" in row.kind:
            # The first asked to be left alone: nobody knows whether the name is its own.
            assert_trouble(got, row.kind)
        else:
            assert files(got) == ["theirs-1.0-py3-none-any.whl"], row.kind
    assert table.second.hits("/simple/mine/") == len(NOT_HERE)


async def test_a_page_that_gets_into_trouble_later_stays_as_it_was(table: Table, gateway: Gateway) -> None:
    """A name that is taken away is held, and given to nobody."""
    for row in table.rows:
        assert files(await page(gateway, row, "mine")) == [row.file]
        assert files(await page(gateway, row, "theirs")) == ["theirs-1.0-py3-none-any.whl"]
    table.damage("/simple/mine/")
    table.damage("/simple/theirs/")
    for round_ in range(2):
        table.clock.advance(10)
        for row in table.rows:
            if row.kind in ("404", "410"):
                held = await eventually(partial(page, gateway, row, "mine"), 404)
                assert held.json()["type"] == "urn:feedgate:held"
            else:
                assert files(await page(gateway, row, "mine")) == [row.file], (row.kind, round_)
            assert files(await page(gateway, row, "theirs")) == ["theirs-1.0-py3-none-any.whl"], row.kind


async def names(gateway: Gateway, row: Row, wanted: bytes = b"projects") -> list[str]:
    got = await until(
        lambda: gateway.get(f"/pypi/{row.name}/simple/", Accept=JSON), lambda got: wanted in got.body
    )
    return [str(project["name"]) for project in got.json()["projects"]]


#: Each list is made by a process of its own.
OF_LISTS = ("403", "404", "405", "503 for a while", "a time-out", "a body that is cut", "a page")


async def test_a_list_of_names_in_trouble_costs_no_others(table: Table, gateway: Gateway) -> None:
    """The others' names are there meanwhile, a whole list stays from then on, and pages do not notice."""
    rows = [row for row in table.rows if row.kind in OF_LISTS]
    for row in rows:
        table.first.always(f"/{row.name}/simple/", row.fault)
    for row in rows:
        assert await names(gateway, row) == ["mine", "theirs"], row.kind
        row.index.add(wheel("own", "1.0"))
        assert files(await page(gateway, row, "own")) == ["own-1.0-py3-none-any.whl"]
    table.first.heal()
    table.clock.advance(6 * 3600 + 1)
    for row in rows:
        assert await names(gateway, row, b'"own"') == ["mine", "own", "theirs"], row.kind
    kept = [row for row in rows if row.kind not in NOT_HERE]
    for row in kept:
        table.first.always(f"/{row.name}/simple/", row.fault)
    table.first.forget()
    table.clock.advance(6 * 3600 + 1)
    for row in kept:
        assert "own" in await names(gateway, row), row.kind
    for row in kept:
        while not table.first.hits(f"/{row.name}/simple/"):
            await asyncio.sleep(0.01)
        assert "own" in await names(gateway, row), row.kind


async def test_a_file_in_trouble_costs_no_other_file(table: Table, gateway: Gateway) -> None:
    """Right bytes or none; once it is well it is had."""
    for row in table.rows:
        (told,) = (await page(gateway, row, "mine")).json()["files"]
        path = f"/pypi/{row.name}/{told['url'].removeprefix('../../')}"
        data = row.index.file(row.file).built.data
        table.first.always(row.index.file_path(row.file), row.fault)
        got = await gateway.get(path)
        if row.kind in ("gzip", "another type"):
            assert (got.status, got.body) == (200, data), row.kind
        elif row.kind in ("404", "410"):
            assert (got.status, got.json()["type"]) == (404, "urn:feedgate:unknown")
        else:
            assert_trouble(got, row.kind)
        (theirs,) = (await page(gateway, row, "theirs")).json()["files"]
        got = await gateway.get(f"/pypi/{row.name}/{theirs['url'].removeprefix('../../')}")
        assert got.status == 200, row.kind


async def test_metadata_in_trouble_is_made_from_the_wheel(table: Table, gateway: Gateway) -> None:
    for row in table.rows:
        (told,) = (await page(gateway, row, "mine")).json()["files"]
        path = f"/pypi/{row.name}/{told['url'].removeprefix('../../')}.metadata"
        table.first.always(f"{row.index.file_path(row.file)}.metadata", row.fault)
        got = await gateway.get(path)
        assert (got.status, got.body) == (200, row.index.file(row.file).built.metadata), row.kind


async def test_a_json_api_that_asks_for_rest_costs_no_page_and_no_file(table: Table, tmp_path: Path) -> None:
    """It shares a host, and what is known of that, with the files."""
    index = FakeIndex(table.first, HTML_ONLY)
    index.add(wheel("one", "1.0"), wheel("two", "1.0"))
    for name in ("one", "two"):
        # After the page: its success makes good what failed before.
        table.first.always(index.api_path(name), replace(FAULTS["503 for a while"], delay_s=0.1))
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        for name in ("one", "two"):
            got = await gateway.get(f"/pypi/pypi/simple/{name}/", Accept=JSON)
            (told,) = got.json()["files"]
            path = f"/pypi/pypi/{told['url'].removeprefix('../../')}"
            assert (await gateway.get(f"/pypi/pypi/pypi/{name}/json")).status == 200
            assert (await gateway.get(path)).status == 200
