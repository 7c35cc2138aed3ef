"""Who holds a key that was presented. A good one is looked up by a keyed digest that only this process knows.

A value that was made here is judged at once; a given one once in a thread (`state/key_digests.py`), and remembered.
So the loop never waits for a check, and the digests that are compared tell nothing about a value (E08). How many
given values may be tried is limited; for a good key that has been seen, or was made here, there is no limit to hit.
"""

import asyncio
import hashlib
import secrets
from collections import OrderedDict
from enum import Enum
from typing import Final

from proxy.model.actor import Actor
from proxy.model.key import ADMIN_ID
from proxy.model.key_value import is_made
from proxy.model.problem import Problem
from proxy.model.redact import Secret
from proxy.state.keys import Keys
from proxy.web.attempts import Attempts

_ADMIN: Final = Actor(ADMIN_ID, "admin key", is_admin=True)
MAX_WRONG = 4096
#: Given values whose check may be waited for at once.
MAX_WAITING = 32
_RETRY_S = 2


class Told(Enum):
    """What is known of a value that nobody is known to hold."""

    WRONG = "wrong, expired or revoked"
    UNCHECKED = "to be checked"


class Holders:
    """Looks keys up."""

    def __init__(self, keys: Keys, attempts: Attempts) -> None:
        self._keys = keys
        self._attempts = attempts
        self._secret = secrets.token_bytes(32)
        self._ids: dict[bytes, str] = {}
        self._wrong: OrderedDict[bytes, None] = OrderedDict()
        self._actors: dict[str, tuple[Actor, int | None]] = {ADMIN_ID: (_ADMIN, None)}
        self._checking: dict[bytes, asyncio.Task[None]] = {}
        self._turn = asyncio.Lock()
        keys.on_change(self._forget)

    def trust_admin(self, admin: Secret) -> bool:
        """Take the first admin's key, instead of a former one; return whether it is another."""
        digest = self._digest(admin.reveal())
        if self._ids.get(digest) == ADMIN_ID:
            return False
        self._ids = {held: key_id for held, key_id in self._ids.items() if key_id != ADMIN_ID} | {
            digest: ADMIN_ID
        }
        return True

    def known(self, value: str) -> Actor | Told:
        """Return who holds the value, as far as that is known without waiting."""
        digest = self._digest(value)
        key_id = self._ids.get(digest)
        if key_id is not None:
            return self._actor(key_id)
        if not value or digest in self._wrong:
            return Told.WRONG
        if not is_made(value):
            return Told.UNCHECKED if self._keys.has_given else Told.WRONG
        key = self._keys.find_made(value)
        if key is None:
            return Told.WRONG
        self._ids[digest] = key.id
        return self._actor(key.id)

    async def check(self, value: str, address: str) -> Actor | Told:
        """Return who holds a value that had not been checked. Raises Problem('too-many-requests')."""
        wait_s = self._attempts.wait_s(address, value)
        if wait_s:
            raise too_many(wait_s)
        digest = self._digest(value)
        if digest not in self._checking:
            if len(self._checking) >= MAX_WAITING:
                raise too_many(_RETRY_S)
            task = asyncio.create_task(self._check(digest, value), name="check a given key")
            self._checking[digest] = task
            task.add_done_callback(lambda _: self._checking.pop(digest, None))
        await asyncio.shield(self._checking[digest])
        told = self.known(value)
        return Told.WRONG if told is Told.UNCHECKED else told

    async def close(self) -> None:
        """Wait for the checks that are under way."""
        await asyncio.gather(*self._checking.values(), return_exceptions=True)

    async def _check(self, digest: bytes, value: str) -> None:
        # One at a time: each takes a processor and 16 MiB.
        async with self._turn:
            key = await self._keys.find_given(value)
        if key is not None:
            self._ids[digest] = key.id
            return
        self._wrong[digest] = None
        while len(self._wrong) > MAX_WRONG:
            self._wrong.popitem(last=False)

    def _actor(self, key_id: str) -> Actor | Told:
        held = self._actors.get(key_id)
        if held is None:
            key = self._keys.get(key_id)
            if key is None:
                return Told.WRONG
            held = self._actors[key_id] = key.actor(), key.expires_ms
        actor, expires_ms = held
        if expires_ms is not None and self._keys.now_ms() >= expires_ms:
            return Told.WRONG
        if key_id != ADMIN_ID:
            self._keys.note_use(key_id)
        return actor

    def _forget(self) -> None:
        """Keys came or went: a value that was wrong may be right now, and who held one may not any more."""
        self._wrong.clear()
        self._actors = {ADMIN_ID: self._actors[ADMIN_ID]}
        self._ids = {
            digest: key_id
            for digest, key_id in self._ids.items()
            if key_id == ADMIN_ID or self._keys.get(key_id) is not None
        }

    def _digest(self, value: str) -> bytes:
        return hashlib.blake2b(value.encode(), key=self._secret, digest_size=16).digest()


def too_many(wait_s: int) -> Problem:
    """Return what is told to who presents too many wrong keys."""
    return Problem("too-many-requests", "too many wrong keys came from this address", retry_after_s=wait_s)
