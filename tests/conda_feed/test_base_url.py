"""Channels whose packages lie elsewhere (CEP 15): fetched from there, listed and served here, and nobody is told."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from proxy.config.settings import Auth
from proxy.model.redact import Secret
from tests.conda_feed.readback import FORMS, plain
from tests.conda_feed.stand import Stand
from tests.support.channel import FakeChannel
from tests.support.conda_packages import Package, bare
from tests.support.origin import Origin

A, B = bare("a"), bare("b", "1.0+x", extension=".tar.bz2")


@pytest.fixture
async def storage() -> AsyncIterator[Origin]:
    async with Origin() as running:
        yield running


def moved(channel: FakeChannel, storage: Origin, *packages: Package) -> None:
    """List packages, but have their bytes on the storage host only."""
    channel.add(*packages)
    for each in packages:
        del channel.hosted[f"{each.subdir}/{each.file}"]
        storage.add(f"/files/{each.subdir}/{each.file}", each.data)


@pytest.mark.parametrize("sharded", [False, True])
@pytest.mark.parametrize("slash", ["", "/"])
async def test_packages_are_fetched_from_where_the_index_says(
    stand: Stand, storage: Origin, sharded: bool, slash: str
) -> None:
    stand.channel.reshape(shards=sharded, zst=not sharded, json=not sharded)
    moved(stand.channel, storage, A, B)
    stand.channel.subdir("linux-64").top["info"] = {"base_url": f"{storage.url}/files/linux-64{slash}"}
    await stand.start()
    for each in (A, B):
        assert (await stand.get(f"linux-64/{each.file}")).body == each.data
        assert (await stand.get(f"linux-64/{each.file}", Range="bytes=5-9")).body == each.data[5:10]
    for form in FORMS:
        assert storage.url.encode() not in plain((await stand.get(f"linux-64/{form}")).body)
    assert not [line for line in stand.channel.asked() if line.endswith((".conda", ".tar.bz2"))]


async def test_a_relative_base_is_one_from_the_subdir(stand: Stand) -> None:
    stand.channel.add(A)
    del stand.channel.hosted[f"linux-64/{A.file}"]
    stand.origin.add(f"/store/linux-64/{A.file}", A.data)
    stand.channel.subdir("linux-64").top["info"] = {"base_url": "../../store/linux-64"}
    await stand.start()
    assert (await stand.get(f"linux-64/{A.file}")).body == A.data


async def test_another_host_gets_no_credential(stand: Stand, storage: Origin) -> None:
    moved(stand.channel, storage, A)
    stand.channel.subdir("linux-64").top["info"] = {"base_url": f"{storage.url}/files/linux-64/"}
    await stand.start(auth=Auth("basic", "me", Secret("sekret")))
    assert (await stand.get(f"linux-64/{A.file}")).status == 200
    (asked,) = storage.requests
    assert "authorization" not in asked.headers
    assert all("authorization" in seen.headers for seen in stand.origin.requests)


async def test_a_base_that_must_not_be_asked_is_refused(stand: Stand) -> None:
    """The channel is public, so its packages do not lie on this machine."""
    for base in ("file:///etc", "ftp://127.0.0.1/x", "http://169.254.169.254/latest"):
        stand.channel.add(A)
        stand.channel.subdir("linux-64").top["info"] = {"base_url": base}
        await stand.start() if not hasattr(stand, "gateway") else await stand.refresh()
        got = await stand.get(f"linux-64/{A.file}")
        assert got.status in (502, 503), base
        stand.clock.advance(400)


async def test_a_base_that_changes_is_followed(stand: Stand, storage: Origin) -> None:
    stand.channel.add(A, B)
    await stand.start()
    assert (await stand.get(f"linux-64/{A.file}")).body == A.data
    await stand.settled()
    moved(stand.channel, storage, B)
    stand.channel.subdir("linux-64").top["info"] = {"base_url": f"{storage.url}/files/linux-64/"}
    await stand.refresh()
    assert (await stand.get(f"linux-64/{B.file}")).body == B.data


async def test_each_upstream_has_a_base_of_its_own(stand: Stand, storage: Origin) -> None:
    second = FakeChannel(stand.origin, prefix="/second")
    stand.channel.add(A)
    moved(second, storage, B)
    second.subdir("linux-64").top["info"] = {"base_url": f"{storage.url}/files/linux-64/"}
    one, two = stand.upstream(name="one"), stand.upstream(second, "two")
    await stand.start(stand.feed(one, replace(two, only=())))
    assert (await stand.get(f"linux-64/{A.file}")).body == A.data
    assert (await stand.get(f"linux-64/{B.file}")).body == B.data
