"""Folder locks: one writer at a time in a folder of generations, over all feeds and over a reload of the settings."""

import asyncio
from pathlib import Path
from weakref import WeakValueDictionary


class FolderLocks:
    """A lock for each folder in which somebody works or waits; the others are forgotten."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[Path, asyncio.Lock] = WeakValueDictionary()

    def of(self, folder: Path) -> asyncio.Lock:
        lock = self._locks.get(folder)
        if lock is None:
            lock = self._locks[folder] = asyncio.Lock()
        return lock
