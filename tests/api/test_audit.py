"""`/api/v1/audit`: the story of all changes, in order, for admins only."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from proxy.model.actor import SYSTEM, Actor
from proxy.model.audit_entry import AuditEntry
from tests.support.clock import FakeClock
from tests.support.gateway import Gateway, Got

KEY = "an-admins-key"
ANN = Actor("k1", "ann", address="192.0.2.7")


async def get(gateway: Gateway, path: str, key: str | None = KEY) -> Got:
    target = f"/api/v1/audit{path}"
    return await (gateway.get(target, Authorization=f"Bearer {key}") if key else gateway.get(target))


async def filled(gateway: Gateway, clock: FakeClock) -> None:
    for number in range(3):
        entry = AuditEntry(
            ANN,
            "feed.edit",
            f"f{number}",
            {"offline": False},
            {"offline": True},
            feed=f"f{number}",
            request_id="r",
        )
        async with gateway.app.base.database.change(entry):
            pass
        clock.advance(60)
    async with gateway.app.base.database.change(AuditEntry(SYSTEM, "approval.drift", "x", detail="seen")):
        pass


async def subjects(gateway: Gateway, **query: Any) -> list[str]:
    text = "&".join(f"{name}={quote(str(value))}" for name, value in query.items())
    answer = await get(gateway, f"?{text}")
    assert answer.status == 200, answer.body
    return [item["subject"] for item in answer.json()["items"]]


async def test_entries_tell_who_did_what_from_where(tmp_path: Path) -> None:
    clock = FakeClock()
    async with Gateway(tmp_path, clock=clock, admin_key=KEY) as gateway:
        await filled(gateway, clock)
        first, *_, last = (await get(gateway, "")).json()["items"]
    assert first | {"hash": ""} == {
        "number": 1, "at": "2026-11-02T09:00:00.000Z", "actor": "ann", "actor_id": "k1", "address": "192.0.2.7",
        "action": "feed.edit", "subject": "f0", "feed": "f0", "before": {"offline": False}, "after": {"offline": True},
        "detail": "", "request_id": "r", "previous": "0" * 64, "hash": "",
    }  # fmt: skip
    assert (last["actor"], last["before"], last["after"], last["feed"]) == ("system", None, None, None)


async def test_entries_are_chosen_and_come_in_pages(tmp_path: Path) -> None:
    clock = FakeClock()
    async with Gateway(tmp_path, clock=clock, admin_key=KEY) as gateway:
        await filled(gateway, clock)
        assert await subjects(gateway, since="2026-11-02T09:01:00Z") == ["f1", "f2", "x"]
        assert await subjects(gateway, since="2026-11-02T10:02:00+01:00") == ["f2", "x"]
        assert await subjects(gateway, since="2026-11-03") == []
        assert await subjects(gateway, since=2) == ["f2", "x"] and await subjects(
            gateway, since=0, limit=1
        ) == ["f0"]
        assert await subjects(gateway, since=1, limit=2, cursor=2) == ["f2", "x"]
        assert await subjects(gateway, feed="f1") == ["f1"]
        assert await subjects(gateway, actor="system") == await subjects(gateway, action="approval") == ["x"]
        page = (await get(gateway, "?limit=3")).json()
        assert ([item["subject"] for item in page["items"]], page["next"]) == (["f0", "f1", "f2"], "3")
        assert await subjects(gateway, limit=3, cursor=page["next"]) == ["x"]
        assert (await get(gateway, "?limit=4")).json()["next"] is None


@pytest.mark.parametrize(
    "query", ["since=yesterday", "since=", "cursor=-1", "cursor=x", "limit=0", "since=0001-01-01"]
)
async def test_wrong_questions_are_refused(tmp_path: Path, query: str) -> None:
    async with Gateway(tmp_path, admin_key=KEY) as gateway:
        expected = 200 if query.endswith("0001-01-01") else 422
        assert (await get(gateway, f"?{query}")).status == expected


async def test_chain_is_told_with_its_head(tmp_path: Path) -> None:
    clock = FakeClock()
    async with Gateway(tmp_path, clock=clock, admin_key=KEY) as gateway:
        assert (await get(gateway, "/chain")).json() == {
            "ok": True, "entries": 0, "head": {"number": 0, "hash": "0" * 64}, "fault": None,
        }  # fmt: skip
        await filled(gateway, clock)
        last = (await get(gateway, "")).json()["items"][-1]
        told = (await get(gateway, "/chain")).json()
    assert (told["ok"], told["entries"], told["head"]) == (True, 4, {"number": 4, "hash": last["hash"]})


@pytest.mark.parametrize("path", ["", "/chain"])
async def test_only_admins_read_the_audit(tmp_path: Path, path: str) -> None:
    async with Gateway(tmp_path, admin_key=KEY) as gateway:
        assert (await get(gateway, path, None)).status == 401
        assert (await get(gateway, path, "another-key-1")).status == 401
        assert (await get(gateway, path)).status == 200
