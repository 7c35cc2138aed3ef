"""A folder for what a child is given and what it gives back, made and removed off the loop.

Whoever is cancelled while it is being made leaves none behind.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from shutil import rmtree

_remove = partial(rmtree, ignore_errors=True)


@asynccontextmanager
async def temporary_folder(prefix: str, *, below: Path | None = None) -> AsyncIterator[Path]:
    """Give an empty folder (`below` another, else where the system keeps such) and remove it afterwards."""
    making = asyncio.create_task(asyncio.to_thread(tempfile.mkdtemp, prefix=prefix, dir=below))
    try:
        folder = await asyncio.shield(making)
    except asyncio.CancelledError:
        await asyncio.to_thread(_remove, await making)
        raise
    try:
        yield Path(folder)
    finally:
        await asyncio.to_thread(_remove, folder)
