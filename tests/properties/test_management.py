"""Any sequence of changes: what is answered, stored, in force and told by the audit is one story (F02)."""

import random
from pathlib import Path
from typing import Any

import pytest

from tests.api.managed import Managed
from tests.support.length import sized

FILE = '[feeds.main]\nkind = "pypi"\nupstreams = ["https://index.example/simple/"]\n'
NOUNS = {"feeds": "feed", "policies": "policy", "routes": "route"}
NAMES = ("a", "b", "main")
Thing = tuple[str, str]


class Model:
    """What there should be: documents by noun and name."""

    def __init__(self) -> None:
        self.things: dict[Thing, dict[str, Any]] = {}
        self.changes = 0

    def needs(self, noun: str, name: str) -> bool:
        """Tell whether a feed would lack the thing."""
        return any(
            (noun == "policies" and document.get("policy") == name)
            or (noun == "routes" and document["upstreams"][0].get("route") == name)
            or (noun == "feeds" and document["upstreams"][0].get("feed") == name)
            for (kind, _), document in self.things.items()
            if kind == "feeds"
        )

    def is_possible(self, noun: str, name: str, document: dict[str, Any]) -> bool:
        if noun != "feeds":
            return True
        upstream = document["upstreams"][0]
        other = upstream.get("feed")
        if "policy" in document and ("policies", document["policy"]) not in self.things:
            return False
        if "route" in upstream and ("routes", upstream["route"]) not in self.things:
            return False
        return (
            other is None
            or other == "main"
            or (("feeds", other) in self.things and not self._loops(name, other))
        )

    def _loops(self, name: str, other: str) -> bool:
        seen: set[str] = set()
        while other not in seen and other != "main":
            if other == name:
                return True
            seen.add(other)
            other = self.things.get(("feeds", other), {"upstreams": [{}]})["upstreams"][0].get("feed", "main")
        return False


def drawn(chance: random.Random, noun: str) -> dict[str, Any]:
    if noun == "policies":
        return {"block": [chance.choice("xyz")]}
    if noun == "routes":
        return {"proxy": "http://p.example:1", "username": "u", "password": chance.choice(("s1", "s2"))}
    upstream = chance.choice(
        ({"url": "https://o.example/simple/"}, {"url": "https://o.example/simple/", "route": "a"}, {"feed": "a"},
         {"feed": "b"}, {"feed": "main"})
    )  # fmt: skip
    return {"kind": "pypi", "upstreams": [upstream]} | ({"policy": "a"} if chance.random() < 0.3 else {})


async def step(server: Managed, model: Model, chance: random.Random) -> None:
    """Make one change, and compare what is answered with what the model says."""
    noun, name = chance.choice(list(NOUNS)), chance.choice(NAMES)
    thing, method = (noun, name), chance.choice(("POST", "PUT", "PATCH", "DELETE"))
    is_there = thing in model.things
    is_the_files = thing == ("feeds", "main")
    document = drawn(chance, noun)
    path = f"/{noun}/{name}"
    if method == "POST":
        status = (await server.ask("POST", f"/{noun}", {"name": name, **document})).status
        right = 409 if is_there or is_the_files else 201 if model.is_possible(noun, name, document) else 422
    elif method == "DELETE":
        status = (await server.ask("DELETE", path, tag="*")).status
        right = 409 if is_the_files else 404 if not is_there else 409 if model.needs(noun, name) else 204
    elif method == "PUT":
        status = (await server.ask("PUT", path, document, tag="*" if is_there else None)).status
        possible = model.is_possible(noun, name, document)
        right = 409 if is_the_files else 422 if not possible else 200 if is_there else 201
    else:
        status = (await server.ask("PATCH", path, document, tag="*")).status
        document = {**model.things.get(thing, {}), **document}
        possible = not is_there or model.is_possible(noun, name, document)
        right = 409 if is_the_files else 404 if not is_there else 200 if possible else 422
    assert status == right, (method, path, document, status, right)
    if status in (200, 201):
        model.things[thing] = document
    elif status == 204:
        del model.things[thing]
    model.changes += status in (200, 201, 204)


async def compare(server: Managed, model: Model) -> None:
    stored = {
        (noun, name): dict(thing.document)
        for noun, things in server.app.management.stored.items()
        for name, thing in things.items()
    }
    assert stored == model.things
    settings = server.app.settings
    in_force = {(noun, name) for noun in NOUNS for name in getattr(settings, noun)} - {("feeds", "main")}
    assert in_force == set(model.things)
    items = (await server.ask("GET", "/audit?limit=1000")).json()["items"]
    assert len(items) == model.changes
    told: dict[Thing, Any] = {}
    for item in items:
        noun = next(plural for plural, one in NOUNS.items() if item["action"].startswith(f"{one}."))
        assert item["before"] == told.get((noun, item["subject"]))
        told[noun, item["subject"]] = item["after"]
    masked = {
        thing: document | ({"password": "***"} if "password" in document else {})
        for thing, document in model.things.items()
    }
    assert {thing: after for thing, after in told.items() if after is not None} == masked
    assert (await server.ask("GET", "/audit/chain")).json()["ok"]


@pytest.mark.parametrize("seed", range(sized(3, 40)))
async def test_changes_are_one_story(tmp_path: Path, seed: int) -> None:
    chance, model = random.Random(seed), Model()
    async with Managed(tmp_path, FILE) as server:
        for _ in range(60):
            await step(server, model, chance)
        await compare(server, model)
        assert model.changes >= 10
        await server.restart()
        await compare(server, model)
