"""What one key may ask of promotions at once, and for how long (F12)."""

import asyncio
from typing import Any

import pytest

import proxy.feeds.promotion.promotions as promotions
from proxy.feeds.promotion.select import chosen_by
from tests.approval.desk import Desk


async def test_no_promotion_is_older_than_its_limit(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await desk.start()
    with monkeypatch.context() as patch:
        patch.setattr(promotions, "LIMIT_S", 0.2)
        patch.setattr(promotions, "chosen_by", _never)
        got = await desk.order("demo ==1.0")
    assert (got.status, got.json()["type"]) == (503, "urn:feedgate:busy")
    assert "longer than 0.2 s" in got.json()["detail"] and got.headers["retry-after"] == "5"
    assert await desk.approvals() == {}
    await desk.promote("demo ==1.0")


async def test_one_key_has_so_many_under_way_and_others_are_not_hindered(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.start()
    reviewer: dict[str, Any] = {
        "name": "second",
        "grants": [{"feed": "*", "rights": ["promote"]}],
        "value": "second-key-0123456789",
    }
    assert (await desk.send("POST", "/keys", reviewer)).status == 201
    entered: list[object] = []
    gate = asyncio.Event()

    async def slow(*args: Any) -> Any:
        entered.append(args)
        await gate.wait()
        return await chosen_by(*args)

    monkeypatch.setattr(promotions, "MOST_UNDER_WAY", 2)
    monkeypatch.setattr(promotions, "chosen_by", slow)
    waiting = [asyncio.create_task(desk.order("demo ==1.0")) for _ in range(2)]
    async with asyncio.timeout(10):
        while len(entered) < len(waiting):
            await asyncio.sleep(0.01)
    refused = await desk.order("demo ==1.0")
    assert (refused.status, refused.json()["type"]) == (429, "urn:feedgate:too-many-requests")
    assert "retry-after" in refused.headers
    other = asyncio.create_task(desk.order("leaf", key=reviewer["value"]))
    gate.set()
    assert [(await each).status for each in (*waiting, other)] == [201] * 3
    assert (await desk.order("demo ==1.0")).status == 201


async def _never(*_: object) -> None:
    await asyncio.Event().wait()
