"""Settings that change while the server runs: by the API, one thing at a time, or by a reload of the file.

Each change is the whole of it or nothing: the new settings are checked as at a start, the site is built, the change and
its audit entry are put on disk in one transaction, and only then is the site swapped in. Changes come one after
the other; a change of the API never brings in what somebody is just writing into the file.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ParamSpec, Protocol

from proxy.config.faults import ConfigError
from proxy.config.load import Loaded
from proxy.config.masks import masked
from proxy.config.settings import Settings
from proxy.config.spec_lists import stamps_of
from proxy.config.stored import NOTHING, SINGULAR, Declared, Stored, nothing_stored
from proxy.imports import ImportFailed, load_for, load_for_policies
from proxy.model.actor import SYSTEM, Actor
from proxy.model.audit_entry import AuditEntry
from proxy.model.clock import Clock
from proxy.model.problem import Problem
from proxy.model.stamp import Stamp
from proxy.state.approvals import Approvals
from proxy.state.database import Database
from proxy.state.declared import forget_approvals, read_stored, remove, sealed, write
from proxy.state.errors import StateError
from proxy.state.seal import Seal
from proxy.upstream.errors import UpstreamError

P = ParamSpec("P")
_LOG = logging.getLogger("feedgate")
#: How long a change waits for its turn.
_PATIENCE_S = 20.0
#: How often it is looked whether a package list has changed.
LISTS_S = 1.0
#: How many changed keys a reload names.
_MOST_NAMED = 20


class Prepared(Protocol):
    """Settings that could be put in force at once, and what of them needs a restart, in words."""

    @property
    def changed(self) -> tuple[str, ...]: ...
    @property
    def restart(self) -> tuple[str, ...]: ...


class Running(Protocol):
    """The server, as it is changed."""

    def prepare(self, settings: Settings) -> Any:
        """Build what the settings need (a Prepared), changing nothing. Raises UpstreamError."""
        ...

    def put_in_force(self, prepared: Any) -> None: ...

    def discard(self, prepared: Any) -> None: ...


#: From what is stored to what is to be stored (None: nothing). Raises Problem where the change may not be.
Make = Callable[[Declared | None], Mapping[str, Any] | None]


class Management:
    """The one who changes settings. `current` is None for a server that was given settings without a file."""

    def __init__(
        self, running: Running, database: Database, seal: Seal, approvals: Approvals, clock: Clock,
        current: Loaded | None,
    ) -> None:  # fmt: skip
        self._running = running
        self._database = database
        self._seal = seal
        self._approvals = approvals
        self._clock = clock
        self._turn = asyncio.Lock()
        self.current = current

    @property
    def stored(self) -> Stored:
        return self.current.stored if self.current is not None else NOTHING

    def declared(self, noun: str, name: str) -> Declared | None:
        """Return a thing that was made through the API."""
        return self.stored.get(noun, {}).get(name)

    async def check_stored(self) -> None:
        """Refuse a start on settings that changed between being read and the data folder's lock. Raises StateError."""
        if self.current is None or self.current.request.stored is nothing_stored:
            return
        settings = self.current.settings
        stored = await asyncio.to_thread(
            self.current.request.stored, settings.server.state_dir, settings.state.url
        )
        if stored != self.current.stored:
            raise StateError("another feedgate changed the settings just now", ("start again",))

    async def change(
        self, noun: str, name: str, make: Make, actor: Actor, request_id: str = ""
    ) -> Declared | None:
        """Make, change or remove a thing; return what is stored now. Raises Problem, and nothing has changed then.

        Raises ConfigError where the settings with it would be impossible.
        """
        async with self._in_turn():
            current = self._changeable(noun, name)
            before = self.declared(noun, name)
            document = make(before)
            if document is None and before is None:
                return None
            if noun == "policies":
                await _load(load_for_policies)
            after = Declared(document, secrets.token_hex(16)) if document is not None else None
            loaded = await asyncio.to_thread(current.with_stored, _with(current.stored, noun, name, after))
            entry = self._entry(noun, name, before, after, actor, request_id)
            prepared = await self._prepared(loaded.settings)
            try:
                await self._keep(noun, name, after, entry)
            except BaseException:
                self._running.discard(prepared)
                raise
            self._running.put_in_force(prepared)
            self.current = loaded
            if noun == "feeds" and after is None:
                self._approvals.forgotten(name)
            return after

    async def reload(self, actor: Actor, request_id: str = "") -> tuple[str, ...]:
        """Apply the file anew; return what came of it, in words. Raises ConfigError, UpstreamError, Problem."""
        async with self._in_turn():
            current = self.current
            if current is None:
                raise Problem("conflict", "this server was started without a file")
            stored = current.stored
            again = replace(current, request=replace(current.request, stored=lambda _folder, _url: stored))
            loaded = await asyncio.to_thread(again.again)
            return await self._apply(loaded, "settings.reload", actor, request_id)

    async def reread_lists(self) -> tuple[str, ...]:
        """Read the policies' package lists again, and the settings' file not; raises as `reload` does."""
        async with self._in_turn():
            current = self.current
            if current is None:
                return ()
            loaded = await asyncio.to_thread(current.with_stored, current.stored)
            return await self._apply(loaded, "settings.lists", SYSTEM, "")

    async def _apply(self, loaded: Loaded, act: str, actor: Actor, request_id: str) -> tuple[str, ...]:
        await _load(load_for, loaded.settings)
        prepared = self._running.prepare(loaded.settings)
        detail = ", ".join(prepared.changed) or "nothing changed"
        entry = AuditEntry(actor, act, str(loaded.path or ""), detail=detail, request_id=request_id)
        try:
            async with self._database.change(entry):
                pass
        except BaseException:
            self._running.discard(prepared)
            raise
        self._running.put_in_force(prepared)
        self.current = loaded
        return (*_in_force(prepared), *prepared.restart, *loaded.notes)

    @asynccontextmanager
    async def _in_turn(self) -> AsyncIterator[None]:
        """One change after the other; who would wait for too long is told to come again (F12)."""
        try:
            await asyncio.wait_for(self._turn.acquire(), _PATIENCE_S)
        except TimeoutError as err:
            raise Problem("busy", "another change of the settings is under way", retry_after_s=5) from err
        try:
            yield
        finally:
            self._turn.release()

    def _changeable(self, noun: str, name: str) -> Loaded:
        if self.current is None:
            raise Problem(
                "conflict", "this server was started without a file, so its settings stay as they are"
            )
        if self.current.declares(noun, name):
            raise Problem(
                "conflict", f"the {SINGULAR[noun]} {name} is declared in config.toml: change it there"
            )
        return self.current

    async def _prepared(self, settings: Settings) -> Any:
        await _load(load_for, settings)
        try:
            return self._running.prepare(settings)
        except UpstreamError as err:
            raise Problem("unprocessable", f"an upstream cannot be used: {err}") from err

    async def _keep(self, noun: str, name: str, thing: Declared | None, entry: AuditEntry) -> None:
        try:
            row = await asyncio.to_thread(self._sealed, noun, name, thing) if thing is not None else None
        except StateError as err:
            _LOG.error("%s", err)
            raise Problem("busy", f"{err.what}; see the log", retry_after_s=30) from err
        async with self._database.change(entry) as connection:
            if row is None:
                await remove(connection, noun, name)
                if noun == "feeds":
                    await forget_approvals(connection, name)
            else:
                await write(connection, noun, name, row, round(self._clock.now().timestamp() * 1000))

    def _sealed(self, noun: str, name: str, thing: Declared) -> bytes:
        """Return a row. Blocks; raises StateError where the key on disk is not the one of what is stored."""
        if any(self.stored.values()) and self.current is not None:
            read_stored(self._seal.path.parent, self.current.settings.state.url)
        return sealed(self._seal, noun, name, thing)

    def _entry(
        self,
        noun: str,
        name: str,
        before: Declared | None,
        after: Declared | None,
        actor: Actor,
        request_id: str,
    ) -> AuditEntry:
        verb = "create" if before is None else "delete" if after is None else "edit"
        approved = len(self._approvals.all_of(name)) if noun == "feeds" and after is None else 0
        return AuditEntry(
            actor, f"{SINGULAR[noun]}.{verb}", name, feed=name if noun == "feeds" else None,
            before=masked(noun, before.document) if before is not None else None,
            after=masked(noun, after.document) if after is not None else None,
            detail=f"approvals removed with it: {approved}" if approved else "", request_id=request_id,
        )  # fmt: skip


async def _load(load: Callable[P, None], *what: P.args, **more: P.kwargs) -> None:
    """Import what changed settings need, before anything of them is in force."""
    try:
        await asyncio.to_thread(load, *what, **more)
    except ImportFailed as err:
        _LOG.error("%s", err)
        raise Problem("busy", f"{err}; see the log", retry_after_s=30) from err


def _in_force(prepared: Prepared) -> tuple[str, ...]:
    """Return what a reload has put in force, in words."""
    keys = prepared.changed
    if not keys:
        return (
            () if prepared.restart else ("nothing has changed; the settings in force are those of the file",)
        )
    more = f" and {len(keys) - _MOST_NAMED} more" if len(keys) > _MOST_NAMED else ""
    return (f"the changed settings are in force: {', '.join(keys[:_MOST_NAMED])}{more}",)


def _with(stored: Stored, noun: str, name: str, thing: Declared | None) -> Stored:
    things = {
        other: known for other, known in stored.get(noun, {}).items() if other != name or thing is not None
    }
    return {**stored, noun: things | ({name: thing} if thing is not None else {})}


def in_words(error: Exception) -> tuple[str, ...]:
    """Return why changed settings are not in force, a line for each fault."""
    match error:
        case ConfigError():
            return tuple(str(fault) for fault in error.faults)
        case UpstreamError() | Problem():
            return (str(error),)
        case _:
            return (f"the changed settings could not be applied: {type(error).__name__}; see the log",)


async def watch_lists(management: Management) -> None:
    """Put a package list in force when its file has changed, and has stayed so for a look; ends when cancelled.

    One that has an error leaves the former in force, and is told once.
    """
    changing: Mapping[Path, Stamp] = {}
    refused: Mapping[Path, Stamp] = {}
    while True:
        await asyncio.sleep(LISTS_S)
        lists = management.current.settings.lists if management.current is not None else {}
        seen = await asyncio.to_thread(stamps_of, lists) if lists else {}
        if seen not in (lists, refused) and seen == changing:
            refused = {} if await _reread(management) else seen
        changing = seen


async def _reread(management: Management) -> bool:
    try:
        told = await management.reread_lists()
    except (ConfigError, UpstreamError, Problem) as err:
        _LOG.error(
            "a changed package list has errors; the former stays in force: %s", "; ".join(in_words(err))
        )
        return False
    _LOG.info("a package list has changed; %s", "; ".join(told))
    return True
