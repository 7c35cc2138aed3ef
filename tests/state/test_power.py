"""A power cut takes nothing that was acknowledged: what is not on the disk then is found in the run's calls (R13).

Images of a disk that really lost its power are in `tests/faults/test_b_power.py`; here the model is stricter than ext4.
"""

import hashlib
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.disk_log import DiskLog, logged

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="not installed: strace")

RELEASED = Path(__file__).parents[1] / "data/state/schema-0001.sql"
#: The lock holds nothing; of the marker only the name counts, and a name that is lost is made again by the next start.
_CHEAP = re.compile(r"(bytes of|name) (data/)?state/lock|bytes of (data/)?state/state\.sqlite\.exists")

CHANGES = """
import asyncio, os, sys
from pathlib import Path
from proxy.model.actor import LOCAL
from proxy.model.audit_entry import AuditEntry
from proxy.model.clock import SystemClock
from proxy.state.admin_key import read_or_make
from proxy.state.database import Database
from proxy.state.seal import Seal

def mark(name):
    os.write(2, b"MARK " + name + b"\\n")

async def main(folder):
    database = Database(folder, SystemClock())
    await database.open()
    mark(b"opened")
    read_or_make(folder)
    mark(b"admin-key")
    Seal(folder).close(b"secret")
    mark(b"seal")
    rows = await database.rows()
    for name in (b"first", b"second"):
        await rows.write_sightings("up", "", {name.decode(): b"payload"})
        mark(b"row-" + name)
        async with database.change(AuditEntry(LOCAL, "key.create", name.decode())):
            pass
        mark(b"change-" + name)
    await database.close()
    mark(b"closed")

asyncio.run(main(Path(sys.argv[1])))
"""


def lost(log: DiskLog, mark: str) -> set[str]:
    return {each for each in log.lost[mark] if not _CHEAP.fullmatch(each)}


def test_what_a_start_makes_and_a_change_acknowledges_is_on_the_disk(tmp_path: Path) -> None:
    root = tmp_path / "disk"
    root.mkdir()
    log = logged(root, CHANGES, str(root / "data/state"))
    marks = [
        "opened",
        "admin-key",
        "seal",
        "row-first",
        "change-first",
        "row-second",
        "change-second",
        "closed",
    ]
    assert list(log.lost) == marks
    assert {mark: lost(log, mark) for mark in marks} == {mark: set() for mark in marks}
    assert log.early == []
    assert {"data/state/state.sqlite", "data/state/state.sqlite-journal"} <= set(log.before_first_write)
    # A marker without its database would stop every start.
    at_marker = log.before_first_write["data/state/state.sqlite.exists"]
    assert {each for each in at_marker if each.endswith("state/state.sqlite")} == set()


UPGRADE = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from proxy.state.upgrade import upgrade

upgrade(Path(sys.argv[1]), "0001", datetime(2026, 1, 1, tzinfo=UTC))
os.write(2, b"MARK upgraded\\n")
"""


def test_the_copy_is_on_the_disk_before_an_upgrade_changes_anything(tmp_path: Path) -> None:
    root = tmp_path / "disk"
    (root / "state").mkdir(parents=True)
    path = root / "state/state.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(RELEASED.read_text())
    log = logged(root, UPGRADE, str(path))
    for first in ("state/state.sqlite", "state/state.sqlite-journal"):
        assert {each for each in log.before_first_write[first] if ".before-" in each} == set()
    assert any(".before-" in name for name in log.before_first_write)
    assert lost(log, "upgraded") == set()
    assert log.early == []


ARCHIVE = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from proxy.state.archive import Places
from proxy.state.backup import backup
from proxy.state.restore import restore

def places(root):
    state = root / "state"
    name = "state.sqlite" if root == source else "renamed.sqlite"
    return Places(state, state / name, root / "vault", root / "config.toml")

source, target, archive = map(Path, sys.argv[1:])
backup(archive, places(source), now=datetime(2026, 1, 1, tzinfo=UTC))
os.write(2, b"MARK backup\\n")
restore(archive, places(target))
os.write(2, b"MARK restore\\n")
"""


def test_a_backup_and_what_is_restored_from_it_are_on_the_disk(tmp_path: Path) -> None:
    root = tmp_path / "disk"
    root.mkdir()
    logged(root, CHANGES, str(root / "data/state"))
    digest = "b5d4045c3f466fa91fe2cc6abe79232a1a57cdf104f7a26e716e0a1e2789df78"  # of b"ABC"
    blob = root / "data/vault" / digest[:2] / digest
    blob.parent.mkdir(parents=True)
    blob.write_bytes(b"ABC")
    (root / "data/config.toml").write_text("")
    (root / "copies").mkdir()
    log = logged(root, ARCHIVE, str(root / "data"), str(root / "other/data"), str(root / "copies/copy.tar"))
    assert {each for each in log.lost["backup"] if each.endswith("copy.tar")} == set()
    assert {each for each in log.lost["restore"] if "other" in each and ".restoring" not in each} == set()
    assert log.early == []
    assert (root / "other/data/vault" / digest[:2] / digest).read_bytes() == b"ABC"


STORED = """
import asyncio, os, sys
from pathlib import Path
from proxy.artifacts.store import BlobStore
from proxy.artifacts.vault import Vault
from proxy.model.clock import SystemClock

async def main(folder):
    store = BlobStore(folder / "cache/blobs", SystemClock(), max_bytes=10**9, scrub_s=86400)
    vault = Vault(folder / "vault", SystemClock(), scrub_s=86400)
    await store.start()
    await vault.start()
    for text in (b"one", b"two"):
        partial = store.partial()
        await partial.append(text)
        blob = await store.adopt(partial, partial.hashes.sha256())
        os.write(2, b"MARK cached-" + text + b"\\n")
        await vault.copy(store, blob)
        os.write(2, b"MARK vaulted-" + text + b"\\n")
        partial.close()
    await store.close()
    await vault.close()

asyncio.run(main(Path(sys.argv[1])))
"""


def test_bytes_that_are_kept_are_on_the_disk_under_their_name(tmp_path: Path) -> None:
    root = tmp_path / "disk"
    root.mkdir()
    log = logged(root, STORED, str(root / "data"))
    for text in ("one", "two"):
        digest = hashlib.sha256(text.encode()).hexdigest()
        for place, mark in (("cache/blobs", f"cached-{text}"), ("vault", f"vaulted-{text}")):
            path = f"data/{place}/{digest[:2]}/{digest}"
            assert (root / path).read_text() == text
            needed = {f"bytes of {path}", *(f"name {each}" for each in (path, *map(str, Path(path).parents)))}
            assert log.lost[mark] & needed == set()
    assert [path for path in log.early if not path.endswith("/ledger")] == []  # its loss costs nothing
