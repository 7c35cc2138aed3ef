"""A file that its origin changed: who is told what of it, and who may take it (C5, P8; contract, sections 4 and 5)."""

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest

from proxy.config.settings import Feed, Upstream
from proxy.policy.settings import Policy
from tests.api.managed import KEY
from tests.conda_feed.readback import FORMS
from tests.conda_feed.stand import Stand
from tests.faults.turned_clock import TurnedClock
from tests.policies.made import written
from tests.support.conda_packages import bare, replaced
from tests.support.gateway import Gateway, Got, feed, upstream
from tests.support.index import FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel

FILE = "a-1.0-0.conda"
PATH = f"linux-64/{FILE}"
WHEEL = "demo-1.0-py3-none-any.whl"
DAY_S = 86_400.0
API = "/api/v1/feeds"


async def sent(
    gateway: Gateway, feed_name: str, name: str, artifact: str, key: str | None = KEY, **digest: str
) -> Got:
    """Accept a file."""
    fields: dict[str, Any] = {"Authorization": f"Bearer {key}"} if key else {}
    body = orjson.dumps({"artifact": artifact, **digest})
    path = f"{API}/{feed_name}/packages/{name}/accept"
    return await gateway.get(path, method="POST", body=body, Content_Type="application/json", **fields)


async def told(gateway: Gateway, feed_name: str, name: str, artifact: str, key: str | None = None) -> Any:
    """Return what the packages' list says of a file, after explain said the same."""
    fields: dict[str, Any] = {"Authorization": f"Bearer {key}"} if key else {}
    listed = (await gateway.get(f"{API}/{feed_name}/packages/{name}", **fields)).json()["items"]
    (item,) = [each for each in listed if each["artifact"] == artifact]
    answer = await gateway.get(f"{API}/{feed_name}/explain?artifact={artifact}", **fields)
    (explained,) = answer.json()["items"]
    verdict = {name: explained[name] for name in ("outcome", "rule", "reason", "until")}
    assert (verdict, explained.get("change")) == (item["verdict"], item.get("change"))
    return item


async def audited(gateway: Gateway) -> list[Any]:
    items = (await gateway.get("/api/v1/audit", Authorization=f"Bearer {KEY}")).json()["items"]
    return [item for item in items if item["action"] == "artifact.accept"]


def assert_held(item: Any, change: dict[str, Any]) -> None:
    assert (item["verdict"]["outcome"], item["verdict"]["rule"]) == ("hold", "drift")
    assert item["verdict"]["reason"].startswith("changed: ")
    assert {name: item["change"][name] for name in change} == change
    assert item["change"]["since"] is not None


# -- conda -----------------------------------------------------------------------------------------------------


async def changed(stand: Stand, *feeds: Feed, **settings: Any) -> tuple[Any, Any]:
    """Have a file downloaded and then changed at its origin; return both of it."""
    old = bare("a")
    stand.channel.add(old, bare("b"))
    await stand.start(*feeds, server={"admin_key": KEY}, **settings)
    assert (await stand.get(PATH)).status == 200
    new = replaced(old, b"other bytes" * 20)
    stand.channel.add(new)
    await stand.refresh()
    return old, new


async def test_conda_change_is_told_and_taken(stand: Stand) -> None:
    old, new = await changed(stand)
    gateway = stand.gateway
    assert_held(
        await told(gateway, "chan", "a", PATH), {"before": old.sha256, "after": new.sha256, "is_served": True}
    )
    assert (await stand.get(PATH)).body == old.data
    for name, artifact, digest, status in (
        ("a", PATH, old.sha256, 412),
        ("b", "linux-64/b-1.0-0.conda", bare("b").sha256, 409),
        ("a", "linux-64/a-9-0.conda", new.sha256, 404),
        ("a", "osx-64/" + FILE, new.sha256, 404),
        ("b", PATH, new.sha256, 404),
        ("a", FILE, new.sha256, 404),
    ):
        got = await sent(gateway, "chan", name, artifact, sha256=digest)
        assert got.status == status, (name, artifact, got.body)
    assert (await sent(gateway, "chan", "a", PATH, None, sha256=new.sha256)).status == 401
    assert (await sent(gateway, "chan", "a", PATH)).status == 422
    got = await sent(gateway, "chan", "a", PATH, sha256=new.sha256.upper())
    assert got.status == 200, got.body
    assert (got.json()["sha256"], got.json()["before"]) == (new.sha256, old.sha256)
    for form in FORMS:
        assert (await stand.indexed("linux-64", form))["packages.conda"][FILE]["sha256"] == new.sha256
        assert await stand.files("linux-64", form) == {FILE, "b-1.0-0.conda"}
    assert (await stand.get(PATH)).body == new.data
    assert "change" not in await told(gateway, "chan", "a", PATH)
    (entry,) = await audited(gateway)
    assert (entry["subject"], entry["feed"]) == (PATH, "chan")
    assert (entry["before"]["digest"], entry["after"]["digest"]) == (old.sha256, new.sha256)
    assert (await sent(gateway, "chan", "a", PATH, sha256=new.sha256)).status == 409
    record = (await stand.indexed())["packages.conda"][FILE]
    stand.channel.patch("linux-64", "b-1.0-0.conda", license="MIT")
    await stand.refresh()
    await stand.gateway.restart_without_cache()
    assert (await stand.indexed())["packages.conda"][FILE] == record
    # What a person took binds, whether anybody has fetched it since or not.
    stand.channel.add(old)
    await stand.refresh()
    assert_held(await told(gateway, "chan", "a", PATH), {"before": new.sha256, "after": old.sha256})


async def test_conda_file_whose_first_record_is_lost_is_taken_with_its_twin(stand: Stand) -> None:
    twin = bare("a", extension=".tar.bz2")
    stand.channel.add(twin)
    old, new = await changed(stand)
    await stand.gateway.restart_without_cache()
    gateway, pair = stand.gateway, f"linux-64/{twin.file}"
    assert await stand.files() == {"b-1.0-0.conda"}
    assert_held(await told(gateway, "chan", "a", PATH), {"before": None, "after": None, "is_served": False})
    whole = {"before": old.sha256, "after": new.sha256, "is_served": False}
    assert_held(await told(gateway, "chan", "a", PATH, KEY), whole)
    assert (await told(gateway, "chan", "a", pair))["verdict"]["rule"] == "drift"
    assert (await sent(gateway, "chan", "a", PATH, sha256=new.sha256)).status == 200
    assert await stand.files() == {FILE, twin.file, "b-1.0-0.conda"}
    assert (await stand.get(PATH)).body == new.data
    assert (await stand.get(pair)).body == twin.data
    await stand.refresh()
    assert await stand.files() == {FILE, twin.file, "b-1.0-0.conda"}


async def test_conda_file_that_has_only_an_md5_is_taken_by_it(stand: Stand) -> None:
    stand.channel.reshape(hashes=("md5",))
    old, new = await changed(stand)
    item = await told(stand.gateway, "chan", "a", PATH)
    assert_held(item, {"before": f"md5:{old.record['md5']}", "after": f"md5:{new.record['md5']}"})
    got = await sent(stand.gateway, "chan", "a", PATH, digest=item["change"]["after"])
    assert (got.status, got.json()["sha256"]) == (200, None)
    assert (await stand.get(PATH)).body == new.data


async def test_conda_feed_of_a_feed_takes_the_change_of_the_inner_one(stand: Stand) -> None:
    outer = Feed("outer", "conda", (Upstream(id="outer-1", feed="chan"),))
    old, new = await changed(stand, stand.feed(), outer)
    await stand.get(PATH, feed="outer")
    assert_held(await told(stand.gateway, "outer", "a", PATH), {"after": new.sha256, "is_served": True})
    assert (await stand.get(PATH, feed="outer")).body == old.data
    assert (await sent(stand.gateway, "outer", "a", PATH, sha256=old.sha256)).status == 412
    assert (await sent(stand.gateway, "outer", "a", PATH, sha256=new.sha256)).status == 200
    for name in ("outer", "chan"):
        assert (await stand.get(PATH, feed=name)).body == new.data
    assert "change" not in await told(stand.gateway, "outer", "a", PATH)


async def test_conda_change_is_as_old_as_the_change(stand: Stand) -> None:
    """Neither a change before any fetch nor an accepted one comes past `min_age` under an old name."""
    policy: Policy = await written("conda", {"min_age": "3d"})
    unseen = bare("c")
    stand.channel.add(unseen)
    old, new = await changed(stand, policy="corp", policies=(policy,))
    stand.channel.add(replaced(unseen, b"c" * 99))
    await stand.refresh()
    assert_held(await told(stand.gateway, "chan", "a", PATH), {"after": new.sha256, "is_served": True})
    item = await told(stand.gateway, "chan", "c", "linux-64/c-1.0-0.conda")
    assert (item["verdict"]["outcome"], item["verdict"]["rule"]) == ("hold", "min_age")
    assert (await sent(stand.gateway, "chan", "a", PATH, sha256=new.sha256)).status == 200
    assert (await told(stand.gateway, "chan", "a", PATH))["verdict"]["rule"] == "min_age"
    assert [(await stand.get(f"linux-64/{file}")).status for file in (FILE, "c-1.0-0.conda")] == [403, 403]
    assert await stand.files() == {"b-1.0-0.conda"}
    stand.clock.advance(3 * DAY_S + 3600)
    await stand.refresh()
    assert (await stand.get(PATH)).body == new.data
    assert (await stand.get("linux-64/c-1.0-0.conda")).body == b"c" * 99
    assert await stand.files() == {FILE, "b-1.0-0.conda", "c-1.0-0.conda"}
    assert old.data != new.data


# -- PyPI ------------------------------------------------------------------------------------------------------


class Served:
    """A PyPI feed, and one that takes from it."""

    def __init__(self, folder: Path, index: FakeIndex, *policies: Policy, **settings: Any) -> None:
        self.clock, self.index = TurnedClock(), index
        outer = Feed("outer", "pypi", (Upstream(id="outer-1", feed="pypi"),))
        self.gateway = Gateway(
            folder, feed(upstream(index.url, ttl_s=60.0), **settings), outer, clock=self.clock, admin_key=KEY,
            policies=policies,
        )  # fmt: skip

    async def files(self, name: str = "pypi") -> dict[str, Any]:
        got = await self.gateway.get(
            f"/pypi/{name}/simple/demo/", Accept="application/vnd.pypi.simple.v1+json"
        )
        return {file["filename"]: file for file in got.json()["files"]}

    async def file(self, name: str = "pypi") -> Got:
        url = (await self.files(name))[WHEEL]["url"]
        path = url.rpartition("../")[2].partition("#")[0]
        return await self.gateway.get(f"/pypi/{name}/{path}")

    async def later(self, seconds: float = 1000.0) -> None:
        self.clock.advance(seconds)
        await self.files()
        async with asyncio.timeout(10):
            while work := [task for task in asyncio.all_tasks() if task.get_name().startswith("refresh ")]:
                await asyncio.wait(work)


@pytest.mark.parametrize("is_gone", [True, False])
async def test_pypi_build_that_is_replaced_before_anybody_fetched_it_is_a_new_file(
    tmp_path: Path, index: FakeIndex, is_gone: bool
) -> None:
    """P8: the first link may be gone, too."""
    served = Served(tmp_path, index)
    async with served.gateway as gateway:
        first = (await served.files())[WHEEL]
        index.remove(WHEEL, bytes_too=is_gone)
        new = index.add(wheel("demo", "1.0", payload=20)).built
        await served.later()
        file = (await served.files())[WHEEL]
        assert file["hashes"]["sha256"] == new.sha256 != first["hashes"]["sha256"]
        assert (await served.file()).body == (await served.file("outer")).body == new.data
        assert "change" not in await told(gateway, "pypi", "demo", WHEEL)


async def test_pypi_change_is_told_and_taken(tmp_path: Path, index: FakeIndex) -> None:
    served = Served(tmp_path, index)
    async with served.gateway as gateway:
        old = index.file(WHEEL).built
        assert (await served.file()).body == old.data
        index.remove(WHEEL, bytes_too=True)
        new = index.add(wheel("demo", "1.0", payload=20)).built
        await served.later()
        change = {"before": old.sha256, "after": new.sha256, "is_served": True}
        for name in ("pypi", "outer"):
            assert_held(await told(gateway, name, "demo", WHEEL), change)
            assert (await served.file(name)).body == old.data
        for package, artifact, digest, status in (
            ("demo", WHEEL, old.sha256, 412),
            ("demo", "demo-2.0-py3-none-any.whl", index.file("demo-2.0-py3-none-any.whl").built.sha256, 409),
            ("demo", "demo-9.0-py3-none-any.whl", new.sha256, 404),
            ("nope", WHEEL, new.sha256, 404),
        ):
            got = await sent(gateway, "pypi", package, artifact, sha256=digest)
            assert got.status == status, (package, artifact, got.body)
        assert (await sent(gateway, "pypi", "demo", WHEEL, None, sha256=new.sha256)).status == 401
        got = await sent(gateway, "outer", "demo", WHEEL, sha256=new.sha256)
        assert (got.status, got.json()["sha256"]) == (200, new.sha256)
        for name in ("pypi", "outer"):
            assert (await served.files(name))[WHEEL]["hashes"]["sha256"] == new.sha256
            assert (await served.file(name)).body == new.data
            assert "change" not in await told(gateway, name, "demo", WHEEL)
        (entry,) = await audited(gateway)
        assert (entry["subject"], entry["feed"], entry["after"]["digest"]) == (WHEEL, "outer", new.sha256)
        assert (await sent(gateway, "pypi", "demo", WHEEL, sha256=new.sha256)).status == 409
        await gateway.restart_without_cache()
        assert (await served.file()).body == new.data


async def test_pypi_change_whose_first_link_is_lost_is_hidden_until_it_is_taken(
    tmp_path: Path, index: FakeIndex
) -> None:
    """The cache is deleted: that the bytes were held is remembered even so."""
    served = Served(tmp_path, index)
    async with served.gateway as gateway:
        assert (await served.file()).status == 200
        old = index.file(WHEEL).built
        new = index.add(wheel("demo", "1.0", payload=20)).built
        await gateway.restart_without_cache()
        assert WHEEL not in await served.files()
        bare_change = {"before": None, "after": None, "is_served": False}
        assert_held(await told(gateway, "pypi", "demo", WHEEL), bare_change)
        whole = {"before": old.sha256, "after": new.sha256, "is_served": False}
        item = await told(gateway, "pypi", "demo", WHEEL, KEY)
        assert_held(item, whole)
        assert (await gateway.get(f"/pypi/pypi/{item['path']}")).status == 403
        assert (await sent(gateway, "pypi", "demo", WHEEL, sha256=new.sha256)).status == 200
        assert (await served.file()).body == new.data


async def test_pypi_change_is_as_old_as_the_change(tmp_path: Path, index: FakeIndex) -> None:
    policy: Policy = await written("pypi", {"min_age": "3d"})
    served = Served(tmp_path, index, policy, policy="corp")
    async with served.gateway as gateway:
        await served.files()
        index.add(wheel("demo", "1.0", payload=20))
        await served.later()
        item = await told(gateway, "pypi", "demo", WHEEL)
        assert (item["verdict"]["outcome"], item["verdict"]["rule"]) == ("hold", "min_age")
        assert WHEEL not in await served.files()
        await served.later(3 * DAY_S + 3600)
        assert (await served.file()).status == 200


async def test_a_curated_feed_has_approvals_for_this(
    tmp_path: Path, origin: Origin, index: FakeIndex
) -> None:
    curated = Feed("approved", "pypi", curated_from=("pypi",))
    async with Gateway(tmp_path, feed(upstream(index.url)), curated, admin_key=KEY) as gateway:
        got = await sent(gateway, "approved", "demo", WHEEL, sha256="0" * 64)
        assert (got.status, origin.requests) == (422, [])
        assert "approvals" in got.json()["detail"]
