"""The keys: all of them in memory, every change with its audit entry on disk before it counts.

A value is found by its digest (`key_digests.py`). When a key was last used is told in batches, at most a minute late:
it is no change and has no audit entry.
"""

import asyncio
import hmac
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from proxy.model.actor import Actor
from proxy.model.audit_entry import AuditEntry
from proxy.model.clock import Clock
from proxy.model.key import Key
from proxy.model.key_value import is_made
from proxy.model.problem import Problem
from proxy.state import key_digests
from proxy.state.database import Database
from proxy.state.key_columns import read_all, row_of

_LOG = logging.getLogger("feedgate.keys")
#: How often uses are written.
WRITE_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class Held:
    """The digest of a key's value."""

    key_id: str
    digest: bytes
    is_made: bool


class Keys:
    """All keys but the first admin's. `load` comes before anything is found."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._keys: dict[str, Key] = {}
        self._digests: dict[bytes, Held] = {}
        self._salt: bytes | None = None
        self._used: set[str] = set()
        self._turn = asyncio.Lock()
        self._writing: asyncio.Task[None] | None = None
        self._watchers: list[Callable[[], None]] = []

    async def load(self) -> None:
        """Read the keys of the open database. Raises StateError."""
        for key, row in await asyncio.to_thread(read_all, self._database.path):
            self._keep(key, Held(row["id"], row["digest"], bool(row["is_made"])), row["salt"])

    def start(self) -> None:
        """Begin to write uses; needs a running loop."""
        self._writing = asyncio.create_task(self._write_now_and_then(), name="keys' uses")

    async def close(self) -> None:
        """Write the last uses; the database is still open."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        await self.write_uses()

    def on_change(self, tell: Callable[[], None]) -> None:
        """Have this called after every change, before whoever changed something is answered."""
        self._watchers.append(tell)

    # -- finding -------------------------------------------------------------------------------------------

    def all(self) -> list[Key]:
        """Return every key, the oldest first."""
        return sorted(self._keys.values(), key=lambda key: (key.created_ms, key.id))

    def get(self, key_id: str) -> Key | None:
        return self._keys.get(key_id)

    @property
    def has_given(self) -> bool:
        """Whether any value was given, so that `find_given` can find one."""
        return any(not held.is_made for held in self._digests.values())

    def find_made(self, value: str) -> Key | None:
        """Return the key that has a value of the kind that is made here."""
        return None if self._salt is None else self._of(key_digests.fast(value, self._salt))

    async def find_given(self, value: str) -> Key | None:
        """Return the key that has a given value; some 50 ms of a thread."""
        if self._salt is None:
            return None
        return self._of(await asyncio.to_thread(key_digests.slow, value, self._salt))

    def _of(self, digest: bytes) -> Key | None:
        found = self._digests.get(digest)
        return self._keys[found.key_id] if found and hmac.compare_digest(found.digest, digest) else None

    # -- changing ------------------------------------------------------------------------------------------

    async def create(self, key: Key, value: str, actor: Actor, request_id: str = "") -> None:
        """Add a key. Raises Problem('conflict') if the id, the name or the value is in use."""
        await self._database.rows()  # brings what the next line needs, off the loop
        from proxy.state.key_rows import insert_key

        async with self._turn:
            if any(key.id == held.id or key.name == held.name for held in self._keys.values()):
                raise Problem("conflict", f"there is a key named {key.name} already")
            salt = self._salt or key_digests.new_salt()
            digest = await asyncio.to_thread(key_digests.digest, value, salt)
            if digest in self._digests:
                raise Problem("conflict", "another key has this value; give another, or none")
            held = Held(key.id, digest, is_made(value))
            row = row_of(key) | {"digest": digest, "salt": salt, "is_made": held.is_made}
            entry = AuditEntry(actor, "key.create", key.id, after=told(key), request_id=request_id)
            async with self._database.change(entry) as connection:
                await insert_key(connection, row)
            self._keep(key, held, salt)
            self._tell()

    async def delete(self, key_id: str, actor: Actor, request_id: str = "") -> Key:
        """Take a key away and return what it was. Raises Problem('unknown')."""
        await self._database.rows()
        from proxy.state.key_rows import delete_key

        async with self._turn:
            key = self._keys.get(key_id)
            if key is None:
                raise Problem("unknown", "there is no such key")
            entry = AuditEntry(actor, "key.delete", key_id, before=told(key), request_id=request_id)
            async with self._database.change(entry) as connection:
                await delete_key(connection, key_id)
            self._drop(key_id)
            self._tell()
        return key

    # -- uses ----------------------------------------------------------------------------------------------

    def note_use(self, key_id: str) -> None:
        """Remember that a key was used."""
        self._used.add(key_id)

    async def write_uses(self) -> None:
        """Write what was used since the last time; what cannot be written now is written later."""
        used, self._used = {key_id for key_id in self._used if key_id in self._keys}, set()
        if not used:
            return
        at_ms = self.now_ms()
        try:
            rows = await self._database.rows()
            from proxy.state.key_rows import touch

            await rows.note(*touch(used, at_ms))
        except Problem as problem:
            self._used |= used
            _LOG.warning("when keys were last used could not be written: %s", problem.detail)
            return
        for key_id in used & self._keys.keys():
            self._keys[key_id] = replace(self._keys[key_id], last_used_ms=at_ms)

    def now_ms(self) -> int:
        return round(self._clock.now().timestamp() * 1000)

    async def _write_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(WRITE_EVERY_S)
            await self.write_uses()

    # -- memory --------------------------------------------------------------------------------------------

    def _keep(self, key: Key, held: Held, salt: bytes) -> None:
        self._keys[key.id] = key
        self._digests[held.digest] = held
        self._salt = salt

    def _drop(self, key_id: str) -> None:
        del self._keys[key_id]
        self._digests = {digest: held for digest, held in self._digests.items() if held.key_id != key_id}

    def _tell(self) -> None:
        for tell in self._watchers:
            tell()


def told(key: Key) -> dict[str, object]:
    """Return a key as the audit tells it."""
    grants = [{"feed": grant.feed, "rights": list(grant.rights)} for grant in key.grants]
    return {
        "name": key.name, "grants": grants, "groups": list(key.groups), "admin": key.is_admin,
        "expires_ms": key.expires_ms,
    }  # fmt: skip
