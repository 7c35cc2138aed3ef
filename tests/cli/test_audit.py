"""`feedgate audit`: the story of all changes, of a running server or of the data folder, and whether it is whole."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from proxy.model.actor import Actor
from proxy.model.audit_entry import AuditEntry
from proxy.state.database import Database
from tests.cli.calling import QUIET_FEED, Place
from tests.support.clock import FakeClock
from tests.support.gateway import Gateway

pytestmark = pytest.mark.usefixtures("begun")

KEY = "an-admins-key"


def entry(subject: str) -> AuditEntry:
    return AuditEntry(Actor("k1", "ann"), "feed.edit", subject, detail="\x1b[2Jwhy", feed=subject)


async def fill(folder: Path, count: int = 3) -> None:
    database = Database(folder / "data" / "state", FakeClock())
    await database.open()
    for number in range(count):
        async with database.change(entry(f"f{number}")):
            pass
    await database.close()


def test_changes_are_listed_from_the_data_folder(place: Place) -> None:
    place.write(QUIET_FEED)
    asyncio.run(fill(place.folder))
    shown = place.call("audit")
    assert shown.exit_code == 0
    header, first, *_ = (line.split() for line in shown.stdout.splitlines())
    assert header == ["NUMBER", "AT", "ACTOR", "ACTION", "SUBJECT", "DETAIL"]
    assert first == ["1", "2026-11-02T09:00:00.000Z", "ann", "feed.edit", "f0", "\\x1b[2Jwhy"]
    document = place.json(
        "audit", "--feed", "f1", "--actor", "ann", "--action", "feed", "--since", "2026-11-01"
    )
    assert isinstance(document["items"], list) and [item["subject"] for item in document["items"]] == ["f1"]
    assert "--limit gives more" in place.call("audit", "--limit", "2").stderr


def test_a_wrong_time_is_refused(place: Place) -> None:
    place.write(QUIET_FEED)
    result = place.call("audit", "--since", "soon")
    assert (result.exit_code, result.stdout) == (1, "") and "since is a time" in result.stderr


def test_a_chain_that_is_whole_is_told_with_its_head(place: Place) -> None:
    place.write(QUIET_FEED)
    asyncio.run(fill(place.folder))
    result = place.call("audit", "--verify")
    assert (result.exit_code, result.stderr) == (
        0,
        "",
    ) and "3 entries, all there and unchanged" in result.stdout


def test_a_chain_that_was_tampered_with_is_found(place: Place) -> None:
    place.write(QUIET_FEED)
    asyncio.run(fill(place.folder))
    connection = sqlite3.connect(place.folder / "data" / "state" / "state.sqlite")
    query = "SELECT sql FROM sqlite_master WHERE name = 'audit_keeps_fields'"
    (trigger,) = connection.execute(query).fetchone()
    connection.execute("DROP TRIGGER audit_keeps_fields")
    connection.execute("UPDATE audit SET actor = 'bob' WHERE number = 2")
    # Without it the state would be refused before anybody looks at the chain.
    connection.execute(trigger)
    connection.commit()
    connection.close()
    result = place.call("audit", "--verify")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "the audit is broken: entry 2 was changed; sound up to 1 " in result.stderr
    assert place.json("audit", "--verify", status=1)["fault"] == "entry 2 was changed"


async def test_a_running_server_is_asked(place: Place) -> None:
    async with Gateway(place.folder, admin_key=KEY) as gateway:
        async with gateway.app.base.database.change(entry("main")):
            pass
        words = ("audit", "--server", gateway.url, "--key", KEY)
        assert "main" in (await asyncio.to_thread(place.call, *words)).stdout
        refused = await asyncio.to_thread(place.call, *words[:3])
        assert refused.exit_code == 1 and "Authentication required" in refused.stderr
