"""The subdir in which there is nothing, which a channel shows where clients insist on one."""

import asyncio
from pathlib import Path

from proxy.feeds.conda.packs import Generation, make_empty


class EmptySubdir:
    """Makes its generation once, when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._generation: Generation | None = None
        self._making = asyncio.Lock()

    async def generation(self, subdir: str) -> tuple[Generation, Path]:
        """Return the generation, and the folder in which it lies."""
        folder = self._folder / f"{subdir}-empty"
        async with self._making:
            if self._generation is None:
                self._generation = await asyncio.to_thread(make_empty, folder, subdir)
            return self._generation, folder

    def damaged(self, stem: str) -> None:
        """Forget it, if it is the one of this name: its files were found damaged."""
        if self._generation is not None and self._generation.stem == stem:
            self._generation = None
