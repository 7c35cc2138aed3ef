"""What a power cut may take: the calls of a run, as strace tells them, replayed on a model of the disk.

The model is POSIX's, stricter than any one file system: written bytes are on the disk after `fsync` or `fdatasync` of
the file, a name that was made, moved or removed after `fsync` of its folder. A program marks a moment with
`os.write(2, b"MARK name\\n")`; `lost[name]` is then what a power cut at that moment could have taken. `early` are files
that got their final name before their bytes were on the disk.
"""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
_WRITES = (
    "write",
    "pwrite64",
    "writev",
    "pwritev",
    "pwritev2",
    "ftruncate",
    "fallocate",
    "copy_file_range",
    "sendfile",
)
_SYNCS = ("fsync", "fdatasync")
_NAMES = (
    "open", "openat", "creat", "rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "rmdir",
    "mkdir", "mkdirat",
)  # fmt: skip
_CALL = re.compile(r"(?P<call>\w+)\((?P<args>.*)\)\s*= (?P<result>-?\d+)")
_OF_DESCRIPTOR = re.compile(r"\d+<(?P<path>/[^>]*)>")
_TEXT = re.compile(r'"(?P<text>(?:[^"\\]|\\.)*)"')
_MARK = re.compile(r'"MARK (?P<name>[\w-]+)\\n"')


class DiskLog:
    """A run's calls below a folder."""

    def __init__(self, root: Path, existing: frozenset[str]) -> None:
        self._root = f"{root}/"
        self._there = set(existing)
        self._bytes: set[str] = set()
        self._names: set[str] = set()
        self.lost: dict[str, frozenset[str]] = {}
        self.early: list[str] = []
        #: What could be taken when the file was first written to.
        self.before_first_write: dict[str, frozenset[str]] = {}

    def take(self, line: str) -> None:
        """Replay one call."""
        found = _CALL.search(line)
        if found is None or found["result"].startswith("-"):
            return
        call, args = found["call"], found["args"]
        if call in _WRITES:
            mark = _MARK.search(args)
            if mark is not None:
                self.lost[mark["name"]] = self._at_risk()
            self._write(args if call != "copy_file_range" else args.partition(",")[2])
        elif call in _SYNCS:
            self._sync(args)
        elif call in _NAMES:
            self._rename(call, args)

    def _at_risk(self) -> frozenset[str]:
        return frozenset(
            [f"bytes of {path.removeprefix(self._root)}" for path in self._bytes]
            + [f"name {path.removeprefix(self._root)}" for path in self._names]
        )

    def _write(self, args: str) -> None:
        found = _OF_DESCRIPTOR.match(args.strip())
        if found is not None and self._is_ours(found["path"]):
            self.before_first_write.setdefault(found["path"].removeprefix(self._root), self._at_risk())
            self._bytes.add(found["path"])

    def _sync(self, args: str) -> None:
        found = _OF_DESCRIPTOR.match(args)
        if found is not None:
            self._bytes.discard(found["path"])
            self._names = {name for name in self._names if str(Path(name).parent) != found["path"]}

    def _rename(self, call: str, args: str) -> None:
        paths = [match["text"] for match in _TEXT.finditer(args)]
        if not paths or not self._is_ours(paths[-1]):
            return
        if call in ("open", "openat", "creat"):
            if ("O_CREAT" in args or call == "creat") and paths[0] not in self._there:
                self._appeared(paths[0])
        elif call.startswith("mkdir"):
            self._appeared(paths[0])
        elif call.startswith("link"):
            self._published(*paths)
        elif call.startswith("rename") and paths[0] != paths[1]:
            self._published(*paths)
            self._vanished(paths[0])
            self._moved(*paths)
        elif call.startswith(("unlink", "rmdir")):
            self._vanished(paths[0])

    def _published(self, source: str, target: str) -> None:
        if source in self._bytes:
            self.early.append(target.removeprefix(self._root))
            self._bytes.add(target)
        self._appeared(target)

    def _moved(self, source: str, target: str) -> None:
        """Carry along what is at risk in a folder that moves."""
        for at_risk in (self._bytes, self._names):
            for path in [each for each in at_risk if each.startswith(f"{source}/")]:
                at_risk.discard(path)
                at_risk.add(target + path.removeprefix(source))

    def _appeared(self, path: str) -> None:
        self._there.add(path)
        self._names.add(path)

    def _vanished(self, path: str) -> None:
        self._there.discard(path)
        self._bytes.discard(path)
        self._names.add(path)

    def _is_ours(self, path: str) -> bool:
        return path.startswith(self._root)


def logged(root: Path, program: str, *arguments: str, environ: Mapping[str, str] | None = None) -> DiskLog:
    """Run a Python program under strace and replay what it did below the folder."""
    existing = frozenset(str(path) for path in root.rglob("*"))
    trace = root.with_name(f"{root.name}.trace")
    calls = ",".join((*_WRITES, *_SYNCS, *_NAMES))
    command = (
        "strace", "-f", "-y", "-qq", "-s", "4096", "-o", str(trace), "-e", f"trace={calls}",
        sys.executable, "-c", program, *arguments,
    )  # fmt: skip
    done = subprocess.run(
        command, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", **(environ or {})}, capture_output=True,
        text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    log = DiskLog(root, existing)
    for line in _whole(trace.read_text(errors="replace").splitlines()):
        log.take(line)
    return log


def _whole(lines: Sequence[str]) -> Iterator[str]:
    """Yield each call once, when it ended: those that another thread's interrupted are put together."""
    begun: dict[str, str] = {}
    for line in lines:
        thread, _, rest = line.partition(" ")
        rest = rest.strip()
        if rest.endswith("<unfinished ...>"):
            begun[thread] = rest.removesuffix("<unfinished ...>").rstrip()
        elif rest.startswith("<... "):
            yield begun.pop(thread, "") + rest.partition("resumed>")[2]
        else:
            yield rest
