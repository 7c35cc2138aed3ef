"""The modes of the data folder: folders 0700 and files 0600, whatever the umask that the process was started with.

Closed feeds' bytes and the digests of keys lie there, and nobody but their owner has business with them. Whoever writes
below the folder calls `keep_private` first; the lock does it for the server and for the commands (`lock.py`). It is the
process's umask because SQLite, children and libraries make files, too. What an earlier version or an administrator made
wider stays so, and is reported with the command that mends it: the server does not change modes behind their back.
"""

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

_OTHERS = 0o077
#: So many entries of a folder are looked at: none of those below has more of its own.
_MOST = 1000


def keep_private() -> None:
    """Make whatever this process and its children make from now on readable for its owner only."""
    os.umask(_OTHERS)


def why_open(data_dir: Path) -> str | None:
    """Return what others may read below the data folder and how to mend it; None where it is private.

    Blocks shortly: the folders and the state's files are looked at, not every blob.
    """
    found = list(_wider(data_dir))
    if not found:
        return None
    path, mode = found[0]
    more = f" and {len(found) - 1} more below it" if len(found) > 1 else ""
    mended = shlex.quote(str(data_dir.resolve()))
    return (
        f"others than its owner may read the data folder: {path} has mode {mode & 0o777:04o}{more}; "
        f"mend it with: chmod -R go= {mended}"
    )


def _wider(data_dir: Path) -> Iterator[tuple[Path, int]]:
    try:
        mode = data_dir.stat().st_mode
    except OSError:
        return
    if mode & _OTHERS:
        yield data_dir, mode
    inner = [
        data_dir / name for name in ("state", "vault", "cache", "cache/blobs", "cache/conda", "cache/notes")
    ]
    for folder in (data_dir, *inner):
        try:
            with os.scandir(folder) as entries:
                for _, entry in zip(range(_MOST), entries, strict=False):
                    mode = entry.stat(follow_symlinks=False).st_mode
                    if mode & _OTHERS and not entry.is_symlink():
                        yield folder / entry.name, mode
        except OSError:
            continue  # what is missing is made private, what is closed is reported by whoever needs it
