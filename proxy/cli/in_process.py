"""The management API without a server: the site is built on the data folder, its lock held, and nothing listens."""

import asyncio
import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

from multidict import CIMultiDict

from proxy.app import App
from proxy.cli import asking
from proxy.cli.asking import Asked, AskFailed, Beside, Refused, Reply, Send, Told
from proxy.config.load import Loaded
from proxy.model.actor import LOCAL
from proxy.model.problem import Problem
from proxy.state.errors import StateError
from proxy.upstream.errors import UpstreamError
from proxy.web.inbound import Inbound
from proxy.web.outbound import Bytes
from proxy.web.path import Target, parse_target
from proxy.web.problem import document as problem_document
from proxy.web.routes import Found, Routes


@contextmanager
def way_to(
    loaded: Loaded, *, asks_origins: bool = True
) -> Iterator[tuple[Send, Callable[[float], None], Beside]]:
    """Give the way to ask, to wait while work goes on, and to ask beside a request. Raises AskFailed."""
    # What goes wrong is told in the answer; the log is for servers.
    logging.getLogger("feedgate").addHandler(logging.NullHandler())
    with asyncio.Runner() as runner:
        app = runner.run(_opened(loaded, asks_origins))
        try:
            yield (
                lambda asked: runner.run(_answer(app, asked)),
                lambda seconds: runner.run(asyncio.sleep(seconds)),
                partial(_beside, runner, app),
            )
        finally:
            runner.run(app.stop())


@contextmanager
def _beside(runner: asyncio.Runner, app: App, asked: Asked, told: Told) -> Iterator[None]:
    """Ask now and then while this process's loop works on a request."""

    async def look() -> None:
        while True:
            await asyncio.sleep(asking.BESIDE_S)
            with suppress(Refused):
                told(await _answer(app, asked))

    async def start() -> "asyncio.Task[None]":
        return asyncio.create_task(look(), name="look beside")

    async def end(task: "asyncio.Task[None]") -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    task = runner.run(start())
    try:
        yield
    finally:
        runner.run(end(task))


async def _opened(loaded: Loaded, asks_origins: bool) -> App:
    try:
        app = App(loaded.settings, loaded.request.environ, out=sys.stdout, loaded=loaded)
    except UpstreamError as err:
        raise AskFailed(f"an upstream cannot be used: {err}") from err
    try:
        await app.base.start()
        if asks_origins:
            app.curating.start()
    except (StateError, OSError) as err:
        await app.stop()
        raise AskFailed("; ".join(line.strip() for line in str(err).splitlines())) from err
    return app


async def _answer(app: App, asked: Asked) -> Reply:
    parsed = parse_target(asked.target)
    if not isinstance(parsed, Target):
        raise _refused(Problem("bad-request", parsed.reason))
    found = Routes(app.api).find(asked.method, parsed.segments)
    if not isinstance(found, Found):
        raise _refused(Problem("unknown", "there is nothing at this address"))
    headers = CIMultiDict({**asked.headers, "Content-Type": "application/json"})
    body = b"" if asked.body is None else json.dumps(asked.body).encode()
    request = Inbound(
        method=asked.method, segments=found.segments, params=found.params, query=parsed.query, headers=headers,
        peer="", request_id="", base_url=app.settings.server.base_url(), read_body=partial(_body, body),
        actor=LOCAL,
    )  # fmt: skip
    try:
        answer = await found.route.handler(request)
    except Problem as problem:
        raise _refused(problem) from problem
    assert isinstance(answer, Bytes), "the API answers in small documents"
    tags = [value for name, value in answer.headers if name == "ETag"]
    return Reply(answer.status, json.loads(answer.body or b"{}"), tags[0] if tags else None)


def _refused(problem: Problem) -> Refused:
    return Refused(problem.word, str(problem), json.loads(problem_document(problem).body))


async def _body(body: bytes, _: int) -> bytes:
    return body
