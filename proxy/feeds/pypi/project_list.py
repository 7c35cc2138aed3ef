"""The list of a feed's names, for the few clients that want it (`poetry search`, mirrors, people).

No project page ever needs it. The origin is asked for its root list only once a client has asked for ours, in the
background, and at most every few hours; until it is there the answer is 503 with Retry-After. Where one of several
upstreams is in trouble the whole list of before stays, or else the others' names are shown.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import msgspec

from proxy.artifacts.notes import Notes
from proxy.artifacts.store import BlobStore
from proxy.child.folder import temporary_folder
from proxy.child.run import ChildFailed, NoRoom, busy, run_in_child
from proxy.config.settings import Feed, Upstream
from proxy.feeds.pypi.index import is_flat
from proxy.feeds.pypi.names_job import judging
from proxy.feeds.pypi.needs import Needs
from proxy.feeds.refusals import may_mean_absent
from proxy.feeds.shared import finish, outcome
from proxy.model.clock import Clock
from proxy.model.digest import Sha256, StoredSha256
from proxy.model.problem import Problem
from proxy.model.redact import origin_of
from proxy.policy.settings import Policy
from proxy.policy.tick import tick_of
from proxy.pypi.negotiate import UPSTREAM_ACCEPT
from proxy.upstream.answer import Answer
from proxy.upstream.errors import AuthRefused, UpstreamError, problem_for
from proxy.upstream.way import Way

_LOG = logging.getLogger("feedgate.names")
_REFRESH_S = 6 * 3600.0
#: After a failure the origin is left alone for so long; the second where time may cure it.
_RETRY_S = 600.0
_RETRY_CURABLE_S = 60.0
#: So long a request waits for what the policy's package list needs.
_NEEDS_S = 10.0
_MOST_BYTES = 512 * 1024**2
#: Raised when the same names make another list: a list in a former form is made again.
FORM = 1


class _Noted(msgspec.Struct, frozen=True, array_like=True):
    at_ms: int
    html: StoredSha256
    json: StoredSha256
    #: Whether it has the names of every upstream that has a list.
    is_complete: bool = True


_DECODER = msgspec.msgpack.Decoder(_Noted)


class NameList(Protocol):
    """A feed's list of names, however it is made."""

    async def get(self, form: str) -> Sha256: ...

    async def waited(self, form: str) -> Sha256: ...

    def settings_digest(self) -> str: ...

    def is_being_made(self) -> bool: ...

    async def close(self, grace_s: float = 0.0) -> None: ...


class ProjectList:
    """One feed's list. `inner` gives the list of a feed that is an upstream of this one."""

    def __init__(
        self, feed: Feed, policy: Policy | None, remotes: Mapping[str, Way], inner: Callable[[str], NameList],
        needs: Callable[[], Needs | None], store: BlobStore, notes: Notes, clock: Clock,
    ) -> None:  # fmt: skip
        self._feed = feed
        self._policy = policy
        self._remotes = remotes
        self._inner = inner
        self._needs = needs
        self._store = store
        self._notes = notes
        self._clock = clock
        self._making: asyncio.Task[None] | None = None
        self._retry_at = float("-inf")
        #: Why the last attempt failed, as a client is told.
        self._failure: Problem | None = None

    async def get(self, form: str) -> Sha256:
        """Return the blob of the list ("html" or "json").

        Raises Problem until there is one: 'preparing', or why the last attempt failed.
        """
        needs = self._needs()
        if needs is not None and (working := needs.work_soon()) is not None and needs.known is None:
            await asyncio.wait({working}, timeout=_NEEDS_S)
        noted = await self._recall()
        if not self._feed.offline and (noted is None or self._is_old(noted)):
            self._make_soon()
        if noted is not None:
            return noted.json if form == "json" else noted.html
        if self._feed.offline:
            raise Problem(
                "unknown", "the list of names is not held and this feed is offline", feed=self._feed.name
            )
        if self._failure is not None and self._making is None:
            raise replace(self._failure)
        raise Problem(
            "preparing",
            "the list of names is being fetched from the origin",
            feed=self._feed.name,
            retry_after_s=30,
        )

    async def waited(self, form: str) -> Sha256:
        """Return the blob of the list, waiting for the one that is being made. Raises Problem."""
        try:
            return await self.get(form)
        except Problem:
            if self._making is None:
                raise
        try:
            await outcome(self._making)
        except (UpstreamError, NoRoom, ChildFailed) as error:
            raise self._told(error) from error
        return await self.get(form)

    async def close(self, grace_s: float = 0.0) -> None:
        """Stop what is under way, after waiting that long for it."""
        await finish(() if self._making is None else (self._making,), grace_s)

    def is_being_made(self) -> bool:
        return self._making is not None

    def _is_old(self, noted: _Noted) -> bool:
        fresh_s = _REFRESH_S if noted.is_complete else _RETRY_CURABLE_S
        return not 0 <= self._clock.now().timestamp() - noted.at_ms / 1000 < fresh_s

    def _make_soon(self) -> None:
        if self._making is None and self._clock.monotonic() >= self._retry_at:
            self._making = asyncio.create_task(self._make(), name="list of names")
            self._making.add_done_callback(self._made)

    def _made(self, task: "asyncio.Task[None]") -> None:
        self._making = None
        if task.cancelled():
            return
        error = task.exception()
        self._failure = None if error is None else self._told(error)
        if error is not None and self._failure is not None:
            is_curable = self._failure.retry_after_s is not None
            self._retry_at = self._clock.monotonic() + (_RETRY_CURABLE_S if is_curable else _RETRY_S)
            _LOG.warning(
                "the list of names could not be made: feed %s, error %s", self._feed.name, str(error)
            )

    def _told(self, error: BaseException) -> Problem:
        """Return what a client is told of a failure."""
        if isinstance(error, Problem):
            # One of a feed that this one takes from stays that feed's: who may not read it is told less.
            return error if error.feed is not None else replace(error, feed=self._feed.name)
        if isinstance(error, UpstreamError):
            return problem_for(error, self._feed.name)
        if isinstance(error, NoRoom):
            return replace(busy(error), feed=self._feed.name)
        why = str(error) if isinstance(error, ChildFailed) else "the log says why"
        detail = f"the origin's list of names cannot be used: {why}"
        return Problem("origin-refused", detail, feed=self._feed.name)

    async def _make(self) -> None:
        async with temporary_folder("feedgate-names-") as place:
            sources, failures = await self._sources(place)
            html, json = place / "html", place / "json"
            note, judged, needs = self._note(), None, self._needs()
            if self._policy is not None:
                judged = judging(self._policy, self._tick_ms(), needs.known if needs is not None else None)
            made: dict[str, Any] = await run_in_child(
                "proxy.feeds.pypi.names_job:build",
                {"sources": sources, "html": str(html), "json": str(json), "judging": judged},
            )
            failures += [ChildFailed(why) for why in made["bad"].values()]
            if failures and await self._has_all():
                raise failures[0]
            for failure in failures:
                _LOG.warning("a list of names is left out: feed %s, error %s", self._feed.name, failure)
            noted = _Noted(
                int(self._clock.now().timestamp() * 1000), await self._keep(html), await self._keep(json),
                not failures,
            )  # fmt: skip
        await self._notes.set(note, msgspec.msgpack.encode(noted))

    async def _sources(self, place: Path) -> tuple[list[dict[str, object]], list[Exception]]:
        """Return the lists that came, and the trouble of the others: one upstream's costs no other one's names.

        An upstream that has no list adds nothing. Raises what is wrong where no list came.
        """
        sources: list[dict[str, object]] = []
        failures: list[Exception] = []
        absences: list[Exception] = []
        for number, upstream in enumerate(self._feed.upstreams):
            try:
                sources.append(await self._source(upstream, place / f"{number}"))
            except (UpstreamError, Problem, ChildFailed) as error:
                is_absent = isinstance(error, Problem) and error.word == "unknown"
                (absences if is_absent else failures).append(error)
        if not sources:
            raise (*failures, *absences)[0]
        return sources, failures

    async def _has_all(self) -> bool:
        """Tell whether a whole list is held that is not too old to be shown on."""
        noted = await self._recall()
        if noted is None or not noted.is_complete:
            return False
        most_s = min((upstream.stale_if_error_s for upstream in self._feed.upstreams), default=0.0)
        return self._clock.now().timestamp() - noted.at_ms / 1000 < _REFRESH_S + most_s

    async def _source(self, upstream: Upstream, path: Path) -> dict[str, object]:
        if upstream.feed is not None:
            body, content_type = await self._inner_list(upstream.feed)
            is_framed = True
        else:
            answer = await self._answer(upstream)
            if answer.status != 200:
                raise _no_list(answer.url, answer.status)
            body, content_type = answer.body, answer.headers.get("content-type", "")
            is_framed = answer.is_framed
        await asyncio.to_thread(path.write_bytes, body)
        withheld = [] if upstream.private else list(self._feed.reserved)
        return {
            "path": str(path), "content_type": content_type, "only": list(upstream.only),
            "except": list(upstream.except_), "withheld": withheld, "is_flat": is_flat(upstream),
            "is_framed": is_framed,
        }  # fmt: skip

    async def _answer(self, upstream: Upstream) -> Answer:
        url = upstream.urls[0].reveal()
        try:
            return await self._remotes[upstream.id].document(
                url,
                accept=UPSTREAM_ACCEPT,
                max_bytes=min(_MOST_BYTES, upstream.max_index_size_bytes),
                background=True,
                has_substitute=True,
            )
        except AuthRefused as error:
            if may_mean_absent(upstream, error):
                raise _no_list(url, error.status) from error
            raise

    async def _inner_list(self, feed: str) -> tuple[bytes, str]:
        blob = await self._store.get(await self._inner(feed).waited("json"))
        if blob is None:
            raise ChildFailed("the list of the feed that it takes from is not there yet")
        return await self._store.read(blob), "application/vnd.pypi.simple.v1+json"

    async def _keep(self, path: Path) -> Sha256:
        return (await self._store.put(await asyncio.to_thread(path.read_bytes))).digest

    async def _recall(self) -> _Noted | None:
        data = await self._notes.get(self._note())
        try:
            noted = _DECODER.decode(data) if data is not None else None
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        if (
            noted is None
            or await self._store.get(noted.html) is None
            or await self._store.get(noted.json) is None
        ):
            return None
        return noted

    def _note(self) -> str:
        return f"names/{self._feed.name}/{self.settings_digest()}"

    def settings_digest(self) -> str:
        """Return a digest of the settings that decide what is listed: a list made under others is not shown."""
        facts = [
            (
                upstream.id, [origin_of(url.reveal()) for url in upstream.urls], upstream.only, upstream.except_,
                upstream.private, self._inner(upstream.feed).settings_digest() if upstream.feed else None,
            )
            for upstream in self._feed.upstreams
        ]  # fmt: skip
        told = msgspec.json.encode([FORM, self._feed.reserved, facts, self._judged_by()])
        return hashlib.sha256(told).hexdigest()[:32]

    def _judged_by(self) -> object:
        """Return what decides which names the policy hides: itself, and the exemptions that have not ended."""
        if self._policy is None:
            return None
        tick_ms = self._tick_ms()
        lasting = [tick_ms < each.ends_at.timestamp() * 1000 for each in self._policy.exemptions]
        needs = self._needs()
        return [self._policy.fingerprint, lasting, needs.digest if needs is not None else None]

    def _tick_ms(self) -> int:
        return tick_of("pypi", self._clock.now())


def _no_list(url: str, status: int | None) -> Problem:
    return Problem("unknown", f"{origin_of(url)} has no list of names: it answered {status}")
