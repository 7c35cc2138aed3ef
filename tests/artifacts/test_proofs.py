"""The file of proofs: survives a restart, forgets the oldest, and never says yes where it cannot tell."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from proxy.artifacts.proofs import Proofs
from proxy.model.digest import Sha256
from tests.support.clock import FakeClock

ONE, TWO = Sha256("1" * 64), Sha256("2" * 64)


async def test_a_proof_counts_for_its_upstream_and_its_bytes_and_survives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "cache" / "proofs.sqlite"
    proofs = Proofs(path, FakeClock())
    assert not await proofs.has(["up"], ONE)
    await proofs.add("up", ONE)
    await proofs.close()
    proofs = Proofs(path, FakeClock())
    assert not proofs.peek(["up"], ONE)
    assert await proofs.has(["other", "up"], ONE)
    assert proofs.peek(["up"], ONE)
    assert not await proofs.has(["other"], ONE)
    assert not await proofs.has(["up"], TWO)
    assert not await proofs.has([], ONE)
    await proofs.close()


async def test_memory_and_file_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "proofs.sqlite"
    proofs = Proofs(path, FakeClock(), most_rows=100, remembered=10)
    for number in range(20_001):
        await proofs.add("up", Sha256(f"{number:064x}"))
    assert len(proofs._known) == 10
    await proofs.close()
    rows = sqlite3.connect(path).execute("SELECT count(*) FROM proofs").fetchone()[0]
    assert rows <= 100
    proofs = Proofs(path, FakeClock())
    assert await proofs.has(["up"], Sha256(f"{20_000:064x}"))
    assert not await proofs.has(["up"], Sha256(f"{0:064x}"))
    await proofs.close()


@pytest.mark.parametrize(
    "content", [b"", b"nothing that is a database" * 400, b"SQLite format 3\0" + bytes(5000)]
)
async def test_a_damaged_file_is_made_new_and_proves_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "proofs.sqlite"
    path.write_bytes(content)
    proofs = Proofs(path, FakeClock())
    assert not await proofs.has(["up"], ONE)
    await proofs.add("up", ONE)
    await proofs.close()
    proofs = Proofs(path, FakeClock())
    assert await proofs.has(["up"], ONE)
    await proofs.close()


async def test_a_table_of_another_program_is_as_good_as_damaged(tmp_path: Path) -> None:
    path = tmp_path / "proofs.sqlite"
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE proofs (something TEXT)")
    database.commit()
    database.close()
    proofs = Proofs(path, FakeClock())
    await proofs.add("up", ONE)
    await proofs.close()
    proofs = Proofs(path, FakeClock())
    assert await proofs.has(["up"], ONE)
    await proofs.close()


async def test_a_disk_that_refuses_is_left_alone_for_a_while_and_nothing_counts_that_is_not_known(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    proofs = Proofs(blocked / "proofs.sqlite", clock)
    await proofs.add("up", ONE)
    assert await proofs.has(["up"], ONE)
    assert not await proofs.has(["up"], TWO)
    await asyncio.to_thread(blocked.unlink)
    await proofs.add("up", TWO)
    assert not (blocked / "proofs.sqlite").exists()
    clock.advance(60)
    await proofs.add("up", TWO)
    assert (blocked / "proofs.sqlite").exists()
    await proofs.close()
