"""The inbound door: from a request that the parser accepted to its answer, in one order for everybody.

Canonical path, route, loop guard, body rules, rights, handler, answer, record. A handler never sees a request whose
path has two readings, that came back to this server, or that hides a body where none belongs (E11).
"""

import asyncio
import logging
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from typing import cast
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from multidict import istr

from proxy.model import via
from proxy.model.actor import Actor
from proxy.model.clock import Clock
from proxy.model.problem import Problem
from proxy.web.access import AccessLog
from proxy.web.disclosure import Disclosure
from proxy.web.exchange import ABORTED, CLOSE, COMPLETE, KEEP, Exchange
from proxy.web.guard import Admit, nobody
from proxy.web.inbound import Inbound
from proxy.web.metrics import Metrics
from proxy.web.outbound import Outbound
from proxy.web.path import Refused, Target, parse_target, render
from proxy.web.problem import heading
from proxy.web.respond import Responder
from proxy.web.routes import Found, NotAllowed, Routes, Unknown
from proxy.web.text import mask_keys, printable_target
from proxy.web.trust import Trust
from proxy.web.verdicts import Verdicts

VIA = istr("Via")
TRANSFER_ENCODING = istr("Transfer-Encoding")
#: How many targets are remembered with their route; longer ones than this are not worth it.
MAX_KNOWN = 4096
MAX_KNOWN_CHARS = 300

_BODILESS = frozenset({"GET", "HEAD"})
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Known:
    """A target that has been canonical and routed before: what a request for it needs."""

    found: Found
    query: str
    route: str
    path: str
    described: str


class Door:
    """Answers requests. `via_token` is what our own outbound requests carry in Via; `admit` says who asks.

    `disclosure` decides what of a problem is told; without it (a server without feeds) all of it is.
    """

    def __init__(
        self,
        routes: Routes,
        responder: Responder,
        trust: Trust,
        access: AccessLog,
        metrics: Metrics,
        clock: Clock,
        *,
        via_token: str,
        admit: Admit = nobody,
        disclosure: Disclosure | None = None,
    ) -> None:
        self._routes = routes
        self._responder = responder
        self._trust = trust
        self._access = access
        self._metrics = metrics
        self._verdicts = Verdicts(metrics)
        self._monotonic = clock.monotonic
        self._via_token = via_token
        self._admit = admit
        self._disclosure = disclosure
        self._known: dict[tuple[str, str], Known] = {}

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; raises only what went wrong in our own code."""
        exchange, responder = cast(Exchange, request), self._responder
        try:
            outbound = await self._ask(exchange)
            if not responder.respond_at_once(exchange, outbound):
                await responder.respond(exchange, outbound)
        except Problem as problem:
            if exchange.has_answered:
                raise
            self._verdicts.refused(problem)
            told = self._disclosed(exchange, problem)
            await responder.respond(exchange, _addressed(told, self._base_url(exchange)))
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not exchange.has_answered and task is not None and not task.cancelling():
                # Not this request was cancelled but what it waited for, because a reload replaced it.
                await responder.respond(exchange, _replaced())
                self._note(exchange)
                return KEEP if exchange.stays_open and exchange.end == COMPLETE else CLOSE
            # The server stops and did not want to wait longer.
            exchange.end = ABORTED
            self._note(exchange)
            exchange.connection.abort()
            raise
        self._note(exchange)
        return KEEP if exchange.stays_open and exchange.end == COMPLETE else CLOSE

    def fail(self, exchange: Exchange, status: int, error: BaseException | None) -> None:
        """Tell of a request that could not be read, or of a handler that broke."""
        if status < 500:
            self._metrics.unreadable_requests += 1
            # Not the error's text: it repeats the line that could not be read, a key in it included.
            _logger.debug("unreadable request from %s: %s", exchange.client, type(error).__name__)
            exchange.route = "unreadable"
            self._responder.refuse(exchange, Problem("bad-request", _unreadable(error)))
        elif exchange.has_answered:
            trace = None if isinstance(error, Problem | OSError | EOFError) else error
            _logger.warning("%s %s aborted: %s", exchange.method, exchange.shown_path, error, exc_info=trace)
            exchange.connection.abort()
        else:
            _logger.error("%s %s failed", exchange.method, exchange.shown_path, exc_info=error)
            detail = f"the server made a mistake; its log tells more under request {exchange.request_id}"
            self._responder.refuse(exchange, Problem("internal", detail))
        self._note(exchange)

    def _ask(self, exchange: Exchange) -> Awaitable[Outbound]:
        known = self._known.get((exchange.method, exchange.target)) or self._look_up(exchange)
        exchange.route = known.route
        exchange.shown_path = known.path
        exchange.described = known.described
        if exchange.has_body or not exchange.is_known_version:
            _check_framing(exchange)
        headers = exchange.headers
        before = headers.getall(VIA, ())
        via.came(before)
        if before and self._via_token in ",".join(before):
            raise Problem("loop", "the request comes from this server itself; check the feed's upstreams")
        connection = exchange.connection
        base_url = connection.base_url
        if connection.is_trusted:
            client = self._trust.judge(connection.client, base_url, headers)
            exchange.client, base_url = client.address, client.base_url
        actor = self._admit(known.found, exchange.method, headers, exchange.client)
        exchange.found = known.found
        if isinstance(actor, Actor):
            exchange.actor = actor
            return known.found.route.handler(_inbound(exchange, known, base_url, actor))
        return _once_known(actor, exchange, known, base_url)

    def _disclosed(self, exchange: Exchange, problem: Problem) -> Problem:
        """Return the problem as this client may know it; before it is known who asks, nothing of a feed is told."""
        if self._disclosure is None or exchange.found is None or exchange.actor is None:
            return problem
        return self._disclosure.of(problem, exchange.found, exchange.actor, exchange.request_id)

    def _base_url(self, exchange: Exchange) -> str:
        """Return the server's URL as the client of a request sees it."""
        connection = exchange.connection
        if not connection.is_trusted:
            return connection.base_url
        return self._trust.judge(connection.client, connection.base_url, exchange.headers).base_url

    def _look_up(self, exchange: Exchange) -> Known:
        target = parse_target(exchange.target)
        if isinstance(target, Refused):
            exchange.route, exchange.shown_path = "refused", printable_target(exchange.target)
            raise Problem("bad-request", target.reason)
        exchange.route, exchange.shown_path = "unknown", mask_keys(render(target.segments))
        known = self._route(exchange, target)
        if len(exchange.target) <= MAX_KNOWN_CHARS:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            self._known[exchange.method, exchange.target] = known
        return known

    def _route(self, exchange: Exchange, target: Target) -> Known:
        match self._routes.find(exchange.method, target.segments):
            case Unknown():
                raise Problem("unknown", "there is nothing at this address; / lists the feeds")
            case NotAllowed(allow):
                raise Problem(
                    "method-not-allowed", f"this address answers {allow} only", headers={"Allow": allow}
                )
            case Found() as found:
                route, path = found.route.pattern, exchange.shown_path
                described = self._access.describe(exchange.method, path, route)
                return Known(found, target.query, route, path, described)

    def _note(self, exchange: Exchange) -> None:
        ended = self._monotonic()
        exchange.connection.finish(ended)
        self._metrics.note_request(
            exchange.route, exchange.status, exchange.cache, exchange.sent_bytes, ended - exchange.started
        )
        if not exchange.described:
            exchange.described = self._access.describe(exchange.method, exchange.shown_path, exchange.route)
        self._access.record(exchange, ended)


def _inbound(exchange: Exchange, known: Known, base_url: str, actor: Actor) -> Inbound:
    found = known.found
    return Inbound(
        exchange.method,
        found.segments,
        found.params,
        known.query,
        exchange.headers,
        exchange.client,
        exchange.request_id,
        base_url,
        exchange.read_body,
        actor,
    )


async def _once_known(asking: Awaitable[Actor], exchange: Exchange, known: Known, base_url: str) -> Outbound:
    """Answer a request whose key has to be checked first."""
    actor = exchange.actor = await asking
    return await known.found.route.handler(_inbound(exchange, known, base_url, actor))


def _check_framing(exchange: Exchange) -> None:
    """Refuse what may hide another request: a body on GET or HEAD, chunks in HTTP/1.0, other versions."""
    if exchange.method in _BODILESS and exchange.has_body:
        reason = "a GET or HEAD has no body"
    elif exchange.is_http_1_0 and TRANSFER_ENCODING in exchange.headers:
        reason = "HTTP/1.0 has no Transfer-Encoding"
    elif not exchange.is_known_version:
        reason = "only versions 1.0 and 1.1 of HTTP are spoken here"
    else:
        return
    exchange.stays_open = False
    raise Problem("bad-request", reason)


def _addressed(problem: Problem, base_url: str) -> Problem:
    """Return the problem with what this client has to ask to learn why: the path of explain, the page's address."""
    prefix = urlsplit(base_url).path.rstrip("/") if problem.explain is not None else ""
    told = replace(problem, explain=f"{prefix}{problem.explain}") if prefix else problem
    title = heading(problem, base_url)
    return told if title is None else replace(told, heading=title)


def _replaced() -> Problem:
    return Problem("busy", "the server's settings were just changed; ask again", retry_after_s=2)


def _unreadable(error: BaseException | None) -> str:
    if isinstance(error, LineTooLong):
        return "a line of the request is too long"
    return "the request is not well-formed HTTP/1.1"
