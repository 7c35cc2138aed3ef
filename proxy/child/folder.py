"""A folder for what a child is given and what it gives back, made and removed off the loop."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path


@asynccontextmanager
async def temporary_folder(prefix: str, *, below: Path | None = None) -> AsyncIterator[Path]:
    """Give an empty folder (`below` another, else where the system keeps such) and remove it afterwards."""
    folder = await asyncio.to_thread(
        tempfile.TemporaryDirectory, prefix=prefix, dir=below, ignore_cleanup_errors=True
    )
    try:
        yield Path(folder.name)
    finally:
        await asyncio.to_thread(folder.cleanup)
