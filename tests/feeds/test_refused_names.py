"""A name's index that is refused (401, 403) or redirects elsewhere: not here, or trouble (contract, section 3)."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from proxy.config.settings import Feed
from tests.support.answers import Resource
from tests.support.faults import Fault
from tests.support.gateway import Gateway, Got, feed, upstream
from tests.support.index import JSON, PLAIN, FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel

IMPATIENT = {"ttl_s": 0.0, "negative_ttl_s": 0.0}


@dataclass(frozen=True)
class Two:
    """A storage host that refuses what it lacks, and the public index behind it."""

    storage: Origin
    public: Origin
    first: FakeIndex
    second: FakeIndex

    def refuse_unknown(self, status: int = 403, *, root: int = 200) -> None:
        """Answer for what is not there as storage hosts do."""
        refusal = Resource(b"<Error/>", "application/xml", status=status)
        self.storage.serve("/simple/", lambda _: refusal)
        if root != 200:
            self.storage.always("/simple/", Fault(status=root))

    def feed(self, private: bool = False, **first: Any) -> Feed:
        facts = {"auth": None, "json_api": None, "private": private, **IMPATIENT, **first}
        return feed(
            upstream(self.first.url, "first", **facts), upstream(self.second.url, "second", **IMPATIENT)
        )

    def has_asked_second(self, name: str) -> bool:
        return any(f"/{name}/" in request.path for request in self.public.requests)


@pytest.fixture
async def two() -> AsyncIterator[Two]:
    async with Origin() as storage, Origin() as public:
        both = Two(storage, public, FakeIndex(storage, PLAIN), FakeIndex(public))
        both.first.add(wheel("torch", "1.0"))
        both.second.add(wheel("torch", "9.0"), wheel("numpy", "1.0"), wheel("leaf", "1.0"))
        yield both


async def page(gateway: Gateway, name: str) -> Got:
    return await gateway.get(f"/pypi/pypi/simple/{name}/", Accept=JSON)


async def versions(gateway: Gateway, name: str) -> list[str]:
    got = await page(gateway, name)
    assert got.status == 200, (got.body, gateway.written())
    return [file["filename"].split("-")[1] for file in got.json()["files"]]


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("root", [200, 404, 405])
async def test_a_refused_name_is_the_next_upstreams(two: Two, tmp_path: Path, status: int, root: int) -> None:
    """P4: the feed of pytorch's index and the public one; of the root no list is read."""
    two.refuse_unknown(status, root=root)
    async with Gateway(tmp_path, two.feed()) as gateway:
        assert await versions(gateway, "torch") == ["1.0"]
        assert await versions(gateway, "numpy") == ["1.0"]
        assert (await page(gateway, "nobody")).status == 404


@pytest.mark.parametrize("root", [401, 403, 429, 503])
async def test_a_host_that_refuses_everything_hands_no_name_on(two: Two, tmp_path: Path, root: int) -> None:
    two.refuse_unknown(root=root)
    async with Gateway(tmp_path, two.feed()) as gateway:
        got = await page(gateway, "numpy")
        assert (got.status, got.json()["type"]) == (503, "urn:feedgate:origin-unavailable")
        assert "retry-after" in got.headers
    assert not two.has_asked_second("numpy")


async def test_a_name_that_was_listed_is_not_handed_on(two: Two, tmp_path: Path) -> None:
    """Not even by a server that has lost its cache."""
    two.refuse_unknown()
    async with Gateway(tmp_path, two.feed()) as gateway:
        assert await versions(gateway, "torch") == ["1.0"]
        two.first.remove_project("torch")
        assert await versions(gateway, "torch") == ["1.0"]
        await gateway.restart_without_cache()
        got = await page(gateway, "torch")
        assert (got.status, got.json()["type"]) == (503, "urn:feedgate:origin-unavailable")
    assert not two.has_asked_second("torch")


@pytest.mark.parametrize("facts", [{"private": True}, {"auth": "reader"}])
async def test_a_refusal_of_credentials_is_trouble(two: Two, tmp_path: Path, facts: dict[str, Any]) -> None:
    two.refuse_unknown()
    known = upstream(two.first.url).auth
    changes = {"auth": known} if "auth" in facts else facts
    async with Gateway(tmp_path, two.feed(**changes)) as gateway:
        got = await page(gateway, "numpy")
        assert (got.status, got.json()["type"]) == (502, "urn:feedgate:upstream-auth")
    assert not two.has_asked_second("numpy")


async def test_a_refusal_by_another_host_hands_no_name_on(two: Two, tmp_path: Path) -> None:
    two.storage.always(two.first.page_path("leaf"), Fault(status=302, location="http://localhost:9/leaf/"))
    async with Origin(host="localhost") as other:
        other.add("/leaf/", b"", status=403)
        two.storage.always(two.first.page_path("leaf"), Fault(status=302, location=f"{other.url}/leaf/"))
        async with Gateway(tmp_path, two.feed(redirect_hosts=("localhost",))) as gateway:
            assert (await page(gateway, "leaf")).status == 503
    assert not two.has_asked_second("leaf")


# -- redirects to elsewhere (P3) ------------------------------------------------------------------------------


def send_away(two: Two, name: str) -> None:
    two.storage.always(
        two.first.page_path(name),
        Fault(status=302, location=f"{two.public.url}{two.second.page_path(name)}"),
    )


@pytest.mark.parametrize("hosts", [(), ("cdn.example",)])
async def test_a_private_index_that_redirects_elsewhere_lacks_the_name(
    two: Two, tmp_path: Path, caplog: pytest.LogCaptureFixture, hosts: tuple[str, ...]
) -> None:
    """The public index never learns a reserved name; of others it has what it has."""
    for name in ("corp-tool", "corp-other", "leaf"):
        send_away(two, name)
    asked = two.feed(private=True, redirect_hosts=hosts)
    reserving = feed(*asked.upstreams, reserved=("corp-*",))
    two.second.add(wheel("corp-tool", "9.0"))
    async with Gateway(tmp_path, reserving) as gateway:
        for name in ("corp-tool", "corp-other"):
            got = await page(gateway, name)
            assert (got.status, got.json()["type"]) == (404, "urn:feedgate:unknown")
        assert not any("corp-" in request.target for request in two.public.requests)
        assert await versions(gateway, "leaf") == ["1.0"]
    told = [record.getMessage() for record in caplog.records if "redirects to" in record.getMessage()]
    assert len(told) == 1 and two.public.url in told[0] and "corp-" not in told[0]


async def test_a_private_index_redirects_inside_and_where_it_may(two: Two, tmp_path: Path) -> None:
    """`…/simple/demo` to `…/simple/demo/`, and a host that is named; its files as they like."""
    async with Origin() as elsewhere:
        moved = FakeIndex(elsewhere, PLAIN)
        moved.add(wheel("moved", "1.0"))
        two.storage.always(two.first.page_path("moved"), Fault(status=302, location=f"{moved.url}moved/"))
        two.storage.always(
            two.first.page_path("inside"), Fault(status=301, location=two.first.page_path("torch"))
        )
        file = two.first.file_path("torch-1.0-py3-none-any.whl")
        elsewhere.add("/bucket/torch.whl", wheel("torch", "1.0").data)
        two.storage.always(file, Fault(status=302, location=f"{elsewhere.url}/bucket/torch.whl"))
        async with Gateway(tmp_path, two.feed(private=True, redirect_hosts=("127.0.0.*",))) as gateway:
            assert await versions(gateway, "moved") == ["1.0"]
        async with Gateway(tmp_path / "other", two.feed(private=True)) as gateway:
            assert (await page(gateway, "moved")).status == 404
            assert (await page(gateway, "inside")).status == 200
            assert (await gateway.get(f"/pypi/pypi/packages{file}")).status == 200
