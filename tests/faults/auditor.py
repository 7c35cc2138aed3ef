"""The auditor: what must hold after every case, whatever went wrong in it (reliability, section 2.1, I1 to I10).

Each law is a method that returns complaints, so that one run tells all that is broken. I3 and I4 speak of changes,
which the first part has none of; the memory of I8 is measured in a process of its own (C05).
"""

import asyncio
import contextlib
import hashlib
import re
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from proxy.model.problem import TABLE
from tests.faults.client import Fetched
from tests.faults.lag import LagWatch
from tests.faults.secrets import found_in
from tests.support.index import FakeIndex
from tests.support.origin import Origin

_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)\Z")
LAG_S = 0.2
_SETTLING_S = 5.0
_DESCRIPTORS = Path("/proc/self/fd")
#: Threads of the loop's own executor and of the test's tools outlive a server.
_OTHERS_THREADS = ("asyncio_", "MainThread", "pytest", "Thread-")


@dataclass(frozen=True)
class Baseline:
    """What is there without the server."""

    tasks: frozenset[int]
    descriptors: int

    @classmethod
    def now(cls) -> "Baseline":
        return cls(frozenset(map(id, asyncio.all_tasks())), len(list(_DESCRIPTORS.iterdir())))


class Auditor:
    """Collects what a case did and judges it."""

    def __init__(self, data_dir: Path) -> None:
        self._data = data_dir
        self._baseline: Baseline | None = None
        self._faults: list[str] = []
        self.answers: list[Fetched] = []
        self.indexes: list[FakeIndex] = []
        self.origins: list[Origin] = []
        self.lag = LagWatch()
        #: Whether this case may have several requests for one artifact at an origin (a disk that takes nothing).
        self.may_overlap = False
        #: Why the last 200 ms of I9 do not hold in this case, if they do not.
        self.may_lag = ""

    def begin(self) -> None:
        """Take the baseline: before the server is there."""
        self._baseline = Baseline.now()
        asyncio.get_running_loop().set_exception_handler(self._loop_failed)

    def note(self, fetched: Fetched) -> None:
        self.answers.append(fetched)

    # -- the laws ------------------------------------------------------------------------------------------

    def bytes_are_right(self) -> Iterator[str]:
        """I1: no completed response with other bytes than the artifact's."""
        truths = self._truths()
        for answer in self.answers:
            # "/pypi/FEED/packages" is followed by the path at the origin.
            place = answer.path.split("/", 3)[-1]
            right = truths.get(place.removeprefix("packages")) or truths.get(f"/{place}")
            if right is None or not answer.is_complete or answer.method != "GET":
                continue
            if answer.status == 200 and answer.body != right:
                yield f"I1: {answer.path} was completed with {len(answer.body)} wrong bytes"
            if answer.status == 206:
                told = _RANGE.match(answer.headers["content-range"])
                start, stop = (int(told[1]), int(told[2]) + 1) if told else (0, 0)
                if not told or int(told[3]) != len(right) or answer.body != right[start:stop]:
                    yield f"I1: {answer.path} was completed with a wrong part {answer.headers['content-range']}"

    def answers_are_the_contracts(self) -> Iterator[str]:
        """The table of answers (contract, section 3): form, words and headers."""
        for answer in self.answers:
            yield from (f"form of {answer.method} {answer.path}: {why}" for why in _misshapen(answer))

    def one_fetch(self) -> Iterator[str]:
        """I6: at most one request for an artifact is at an origin at a time."""
        paths = {file.path for index in self.indexes for file in index.hosted.values()}
        for origin in self.origins if not self.may_overlap else ():
            for path in paths:
                if origin.peak(path) > 1:
                    yield f"I6: {origin.peak(path)} requests for {path} at once"

    async def no_temps(self) -> list[str]:
        """I7: nothing half-written stays."""
        return await self._settled(lambda: [f"I7: {path} is left" for path in self._files("cache/blobs/tmp")])

    def blobs_are_their_names(self) -> Iterator[str]:
        """No file is stored under another digest than its own."""
        for path in self._files("cache/blobs"):
            if re.fullmatch(r"[0-9a-f]{64}", path.name):
                found = hashlib.sha256(path.read_bytes()).hexdigest()
                if found != path.name or path.parent.name != path.name[:2]:
                    yield f"a stored blob {path.name} holds {found}"

    def no_secrets(self, texts: Iterable[tuple[str, bytes]]) -> Iterator[str]:
        """I5: no canary in answers, files or any of the texts (name, bytes)."""
        searched = set[bytes]()
        for answer in self.answers:
            head = "\n".join(f"{name}: {value}" for name, value in answer.headers.items()).encode()
            parts = {head, answer.body} - searched
            searched |= parts
            for kind in found_in(b"\n".join(parts)):
                yield f"I5: the {kind} secret is in the answer to {answer.path}"
        for path in self._files(""):
            for kind in found_in(path.read_bytes()):
                yield f"I5: the {kind} secret is in {path}"
        for name, text in texts:
            for kind in found_in(text):
                yield f"I5: the {kind} secret is in {name}"

    def loop_was_free(self) -> Iterator[str]:
        """I9: nobody held the loop."""
        if self.lag.worst.late_s >= LAG_S and not self.may_lag:
            yield f"I9: the loop was late by {self.lag.worst}"

    def loop_is_sound(self) -> Iterator[str]:
        """No exception that nobody took."""
        yield from self._faults

    async def nothing_is_left(self) -> list[str]:
        """I8: tasks, threads and descriptors are as they were before the server."""
        return await self._settled(lambda: list(self._leftovers()))

    # -- parts ---------------------------------------------------------------------------------------------

    def _truths(self) -> dict[str, bytes | None]:
        """Return the right bytes of everything that the indexes have, by its path at the origin or by digest."""
        truths: dict[str, bytes | None] = {}
        for file in (file for index in self.indexes for file in index.hosted.values()):
            for suffix, data in (("", file.built.data), (".metadata", file.built.metadata)):
                truths[f"{file.path}{suffix}"] = data
                truths[f"/files/{file.built.sha256}/{file.filename}{suffix}"] = data
        return truths

    def _leftovers(self) -> Iterator[str]:
        before = self._baseline
        if before is None:
            return
        current = asyncio.current_task()
        for task in asyncio.all_tasks():
            if id(task) not in before.tasks and task is not current:
                yield f"I8: task {task.get_name()} is left: {task.get_coro()}"
        for thread in threading.enumerate():
            if not thread.name.startswith(_OTHERS_THREADS):
                yield f"I8: thread {thread.name} is left"
        descriptors = len(list(_DESCRIPTORS.iterdir()))
        if descriptors > before.descriptors:
            yield f"I8: {descriptors} descriptors where {before.descriptors} were"

    def _files(self, below: str) -> Iterator[Path]:
        root = self._data / below
        for path in sorted(root.rglob("*")) if root.is_dir() else ():
            # What is being written is there for a moment only.
            with contextlib.suppress(FileNotFoundError):
                if stat.S_ISREG(path.lstat().st_mode):
                    yield path

    @staticmethod
    async def _settled(complaints: Callable[[], list[str]]) -> list[str]:
        """Return the complaints that do not go away by themselves."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _SETTLING_S
        while (found := complaints()) and loop.time() < until:
            await asyncio.sleep(0.02)
        return found

    def _loop_failed(self, _: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        self._faults.append(f"the loop was told: {context.get('message')}: {context.get('exception')!r}")


def _misshapen(answer: Fetched) -> Iterator[str]:
    """Yield what in an answer is not as the contract has it."""
    headers = answer.headers
    if not answer.status:
        return
    if "x-request-id" not in headers or "cache-status" not in headers:
        yield "a header of every answer is missing"
    if headers.get("x-content-type-options") != "nosniff" or headers.get("referrer-policy") != "no-referrer":
        yield "nosniff or no-referrer is missing"
    if answer.status in (401, 407, 500, 504) or "www-authenticate" in headers or "set-cookie" in headers:
        yield f"{answer.status} {dict(headers)} never leaves this server"
    if answer.status < 400 or answer.method == "HEAD" or not answer.is_complete:
        return
    status, title = TABLE.get(answer.word, (0, ""))
    # A project that is hidden whole has a page of its own status; a refusal's title goes on with the reason.
    is_page = "/simple/" in answer.path and answer.status == 404
    if not (answer.status == status or is_page) or not answer.reason.startswith(title):
        yield f"{answer.status} {answer.reason!r} with the word {answer.word!r}"
    if answer.status == 503 and not 1 <= int(headers.get("retry-after", "0")) <= 5:
        yield f"503 with Retry-After {headers.get('retry-after')}"
