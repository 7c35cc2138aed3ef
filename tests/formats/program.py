"""A server as a process, of this program or of a former one, on a data folder that is kept or to be kept."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import orjson

from tests.formats.stock import ADMIN, config
from tests.support.gateway import Got

THIS = Path(__file__).parents[2]
_LISTENS = re.compile(rb"listens at (http://\S+)/")
_START_S, _STOP_S, _WITHIN_S = 60.0, 30.0, 60.0


class Program:
    """`data` is below `folder`; `root` is where the program's own source lies."""

    def __init__(
        self, folder: Path, *, has_approvals: bool, root: Path = THIS, program: Sequence[str] = ("-m", "proxy"),
        settings: str | None = None,
    ) -> None:  # fmt: skip
        self.data = folder / "data"
        self.url = ""
        self._folder = folder
        self._root = root
        self._program = program
        self._settings = settings if settings is not None else config(has_approvals=has_approvals)
        self.has_approvals = has_approvals
        self._process: asyncio.subprocess.Process

    async def __aenter__(self) -> Self:
        path = self._folder / "config.toml"
        path.write_text(self._settings)
        command = (
            sys.executable,
            *self._program,
            "serve",
            "--config",
            str(path),
            "--data-dir",
            str(self.data),
        )
        environ = {"PATH": os.environ["PATH"], "HOME": str(self._folder), "FEEDGATE_ADMIN_KEY": ADMIN}
        with self._log_path.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                cwd=self._root,
                env=environ,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            async with asyncio.timeout(_START_S):
                while not (found := _LISTENS.findall(self.log)):
                    assert self._process.returncode is None, self.log.decode()
                    await asyncio.sleep(0.05)
        except BaseException:
            self._process.kill()
            await self._process.wait()
            raise
        self.url = found[-1].decode()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_STOP_S):
                code = await self._process.wait()
        except TimeoutError:
            self._process.kill()
            raise
        assert error is not None or code == 0, self.log.decode()

    @property
    def pid(self) -> int:
        return self._process.pid

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    @property
    def _log_path(self) -> Path:
        return self._folder / "program.log"

    @property
    def log(self) -> bytes:
        return self._log_path.read_bytes()

    async def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        body: object = None,
        key: str | None = None,
        accept: str = "*/*",
    ) -> Got:
        headers = {"Accept": accept} | ({"Authorization": f"Bearer {key}"} if key is not None else {})
        data = None
        if body is not None:
            data, headers["Content-Type"] = orjson.dumps(body), "application/json"
        async with (
            aiohttp.ClientSession(auto_decompress=False, timeout=aiohttp.ClientTimeout(total=60)) as session,
            session.request(
                method,
                f"{self.url}{path}",
                headers=headers,
                data=data,
                skip_auto_headers=("Accept-Encoding",),
            ) as answer,
        ):
            return Got(answer.status, dict(answer.headers), await answer.read(), answer.reason or "")

    async def until(
        self, path: str, holds: Callable[[Got], bool] = lambda got: got.status == 200, **more: Any
    ) -> Got:
        """Ask until it holds."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _WITHIN_S
        while not holds(got := await self.ask(path, **more)):
            assert loop.time() < deadline, f"{path}: {got.status} {got.body[:300]!r}"
            await asyncio.sleep(0.1)
        return got
