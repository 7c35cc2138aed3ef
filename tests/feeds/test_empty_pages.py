"""P2: an index that answers an empty page for a name that it does not know owns nothing."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from proxy.config.settings import Feed, Upstream
from proxy.feeds import facts as stored
from tests.support.answers import Received, Resource
from tests.support.gateway import Gateway, feed, upstream
from tests.support.index import JSON, PLAIN, FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel

IMPATIENT = {"ttl_s": 0.0, "negative_ttl_s": 0.0}


@dataclass
class Group:
    """A group repository that has an empty page for every name, in front of the public index."""

    first_origin: Origin
    first: FakeIndex
    second: FakeIndex
    is_repaired: bool = False

    def feed(self, *, name: str = "pypi") -> Feed:
        return feed(
            upstream(self.first.url, "first", json_api=None, **IMPATIENT),
            upstream(self.second.url, "second", **IMPATIENT),
            name=name,
        )

    def answer(self, request: Received) -> Resource | None:
        title = f"Links for {request.path.split('/')[2]}"
        page = f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
        return None if self.is_repaired else Resource(page.encode(), "text/html")


@pytest.fixture
async def group() -> AsyncIterator[Group]:
    async with Origin() as ours, Origin() as public:
        made = Group(ours, FakeIndex(ours, PLAIN), FakeIndex(public))
        ours.serve("/simple/", made.answer)
        made.first.add(wheel("mine", "1.0"))
        made.second.add(wheel("mine", "9.0"), wheel("leaf", "1.0"))
        yield made


async def versions(gateway: Gateway, name: str, feed: str = "pypi") -> list[str]:
    got = await gateway.get(f"/pypi/{feed}/simple/{name}/", Accept=JSON)
    assert got.status == 200, got.body
    return [file["filename"].split("-")[1] for file in got.json()["files"]]


async def test_an_empty_page_owns_nothing(group: Group, tmp_path: Path) -> None:
    """Nor does it through a feed that stands in front; where nobody has more, it is the answer."""
    outer = feed(
        Upstream("inner", feed="inner"), upstream(group.second.url, "public", **IMPATIENT), name="outer"
    )
    inner = feed(upstream(group.first.url, "first", json_api=None, **IMPATIENT), name="inner")
    async with Gateway(tmp_path, group.feed(), inner, outer) as gateway:
        for name in ("pypi", "outer"):
            assert await versions(gateway, "mine", name) == ["1.0"]
            assert await versions(gateway, "leaf", name) == ["1.0"]
            assert await versions(gateway, "nobody", name) == []
        group.is_repaired = True
        for name in ("pypi", "outer"):
            assert await versions(gateway, "leaf", name) == ["1.0"]
        # And it takes nothing back by an empty page, either: no owner has changed, no rival is told.
        group.is_repaired = False
        assert await versions(gateway, "leaf") == ["1.0"]
        assert await gateway.app.base.owners.all("pypi") == {"mine": "first", "leaf": "second"}


async def test_an_owner_that_never_listed_the_name_loses_it_to_who_does(group: Group, tmp_path: Path) -> None:
    """As the register of a former version has it, with the page as that version kept it."""
    async with Gateway(tmp_path, group.feed()) as gateway:
        owners, notes = gateway.app.base.owners, gateway.app.base.notes
        assert await versions(gateway, "nobody") == []
        group.second.add(wheel("nobody", "2.0"))
        await owners.set("pypi", "nobody", "first")
        await owners.set("pypi", "leaf", "first")
        catalog = next(each for (key, _), each in gateway.app.site.catalogs.items() if key.id == "first")
        note = catalog._note("nobody")
        facts = stored.unpack(await notes.get(note) or b"")
        assert facts is not None and facts.is_empty
        await notes.set(note, stored.pack(msgspec.structs.replace(facts, is_empty=None)))
        await gateway.restart()
        assert await versions(gateway, "nobody") == ["2.0"]
        group.is_repaired = True
        assert await versions(gateway, "leaf") == ["1.0"]
        assert await gateway.app.base.owners.all("pypi") == {"leaf": "second", "nobody": "second"}


async def test_a_page_that_says_something_is_not_handed_on(group: Group, tmp_path: Path) -> None:
    """What is quarantined lists nothing; what cannot be read was listed."""
    group.first.reshape(forms=(JSON,))
    group.first.add_project("leaf")
    group.first.quarantine("leaf", "malware")
    odd = {
        "meta": {"api-version": "1.0"},
        "name": "odd",
        "files": [{"filename": "another-1.0.tar.gz", "url": "another-1.0.tar.gz", "hashes": {}}],
    }
    group.first_origin.add("/simple/odd/", json.dumps(odd).encode(), content_type=JSON)
    group.second.add(wheel("leaf", "9.0"), wheel("odd", "9.0"))
    group.is_repaired = True
    async with Gateway(tmp_path, group.feed()) as gateway:
        assert await versions(gateway, "leaf") == []
        assert await versions(gateway, "odd") == []
