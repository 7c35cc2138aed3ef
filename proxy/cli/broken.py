"""Deleting what was made through the API and stops every start: without the settings, while no server runs.

An upgrade, a certificate's file that is gone or a name that config.toml took may leave a stored thing that cannot be.
The change is audited like any other.
"""

import asyncio

from proxy.cli.asking import AskFailed
from proxy.cli.running import require_state
from proxy.config.masks import masked
from proxy.config.settings import Server, State
from proxy.model.actor import LOCAL
from proxy.model.audit_entry import AuditEntry
from proxy.model.clock import SystemClock
from proxy.model.problem import Problem
from proxy.state.database import Database
from proxy.state.declared import forget_approvals, read_stored, remove
from proxy.state.errors import StateError


def delete_broken(server: Server, state: State, noun: str, singular: str, name: str) -> None:
    """Remove a stored thing from the state. Raises AskFailed."""
    try:
        require_state(server, state)
        asyncio.run(_delete(server, state, noun, singular, name))
    except (StateError, Problem, OSError) as err:
        raise AskFailed("; ".join(line.strip() for line in str(err).splitlines())) from err


async def _delete(server: Server, state: State, noun: str, singular: str, name: str) -> None:
    url = state.url.reveal() if state.url is not None else None
    database = Database(server.state_dir, SystemClock(), url=url)
    await database.open()
    try:
        thing = (await asyncio.to_thread(read_stored, server.state_dir, state.url)).get(noun, {}).get(name)
        if thing is None:
            raise AskFailed(f"no {singular} {name} was made through the API")
        entry = AuditEntry(
            LOCAL, f"{singular}.delete", name, before=masked(noun, thing.document), detail="without the settings",
            feed=name if noun == "feeds" else None,
        )  # fmt: skip
        async with database.change(entry) as connection:
            await remove(connection, noun, name)
            if noun == "feeds":
                await forget_approvals(connection, name)
    finally:
        await database.close()
