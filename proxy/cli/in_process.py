"""The management API without a server: the site is built on the data folder, its lock held, and nothing listens."""

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from multidict import CIMultiDict

from proxy.app import App
from proxy.cli.asking import AskFailed, Get, Refused, target
from proxy.config.load import Loaded
from proxy.model.actor import LOCAL
from proxy.model.problem import Problem
from proxy.state.errors import StateError
from proxy.upstream.errors import UpstreamError
from proxy.web.inbound import Inbound
from proxy.web.outbound import Bytes
from proxy.web.path import Target, parse_target
from proxy.web.routes import Found, Routes


@contextmanager
def way_to(loaded: Loaded) -> Iterator[tuple[Get, Callable[[float], None]]]:
    """Give the way to ask, and the way to wait while work goes on. Raises AskFailed."""
    # What goes wrong is told in the answer; the log is for servers.
    logging.getLogger("feedgate").addHandler(logging.NullHandler())
    with asyncio.Runner() as runner:
        app = runner.run(_opened(loaded))
        try:
            yield (
                lambda path, query: runner.run(_answer(app, target(path, query))),
                lambda seconds: runner.run(asyncio.sleep(seconds)),
            )
        finally:
            runner.run(app.stop())


async def _opened(loaded: Loaded) -> App:
    try:
        app = App(loaded.settings, loaded.request.environ)
    except UpstreamError as err:
        raise AskFailed(f"an upstream cannot be used: {err}") from err
    try:
        await app.base.start()
    except (StateError, OSError) as err:
        await app.stop()
        raise AskFailed("; ".join(line.strip() for line in str(err).splitlines())) from err
    return app


async def _answer(app: App, asked: str) -> dict[str, Any]:
    parsed = parse_target(asked)
    if not isinstance(parsed, Target):
        raise _refused(Problem("bad-request", parsed.reason))
    found = Routes(app.api).find("GET", parsed.segments)
    if not isinstance(found, Found):
        raise _refused(Problem("unknown", "there is nothing at this address"))
    request = Inbound(
        method="GET", segments=found.segments, params=found.params, query=parsed.query, headers=CIMultiDict(),
        peer="", request_id="", base_url=app.settings.server.base_url(), read_body=_no_body, actor=LOCAL,
    )  # fmt: skip
    try:
        answer = await found.route.handler(request)
    except Problem as problem:
        raise _refused(problem) from problem
    assert isinstance(answer, Bytes), "the API answers in small documents"
    document: dict[str, Any] = json.loads(answer.body)
    return document


def _refused(problem: Problem) -> Refused:
    return Refused(problem.word, str(problem))


async def _no_body(_: int) -> bytes:
    return b""
