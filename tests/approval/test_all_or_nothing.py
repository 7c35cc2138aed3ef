"""A promotion that fails in its middle, an audit that cannot be written: nothing has happened (F02, F03)."""

import asyncio
import sqlite3

from tests.approval.desk import Desk
from tests.support.wheels import wheel

MANY = 500


async def execute(desk: Desk, statement: str) -> None:
    """Change the state's file behind the server's back."""

    def run() -> None:
        with sqlite3.connect(desk.gateway.app.base.database.path) as connection:
            connection.execute(statement)
        connection.close()

    await asyncio.to_thread(run)


async def nothing(desk: Desk) -> None:
    assert await desk.approvals() == {}
    assert (await desk.send("GET", "/feeds/approved/promotions")).json()["items"] == []
    assert "promotion.create" not in await desk.audited()
    assert (await desk.page("many")).status == 404


async def test_five_hundred_that_fail_at_number_251_are_none(desk: Desk) -> None:
    desk.index.add(*(wheel("many", f"1.{number}") for number in range(MANY)))
    await desk.start()
    await execute(
        desk,
        "CREATE TRIGGER broken BEFORE INSERT ON approvals WHEN NEW.artifact = 'many-1.250-py3-none-any.whl' "
        "BEGIN SELECT RAISE(ABORT, 'broken'); END",
    )
    got = await desk.order("many", versions="all", idempotency="k")
    assert got.status == 503, got.body
    await nothing(desk)
    await execute(desk, "DROP TRIGGER broken")
    again = await desk.order("many", versions="all", idempotency="k")
    assert again.status == 201 and len(again.json()["artifacts"]) == MANY
    assert len(await desk.listed("many")) == MANY
    assert (await desk.audited()).count("promotion.create") == 1


async def test_without_an_audit_nothing_is_approved_and_nothing_revoked(desk: Desk) -> None:
    broken = "CREATE TRIGGER broken BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'broken'); END"
    desk.index.add(wheel("many", "1.0"))
    await desk.start()
    await execute(desk, broken)
    assert (await desk.order("many")).status == 503
    await nothing(desk)
    await execute(desk, "DROP TRIGGER broken")
    await desk.promote("many")
    await execute(desk, broken)
    file = "many-1.0-py3-none-any.whl"
    assert (await desk.revoke(file)).status == 503
    assert (await desk.file(file)).status == 200
    await desk.gateway.restart()
    assert (await desk.file(file)).status == 200
