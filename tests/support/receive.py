"""Reading one request as it arrives at the fake origin."""

import asyncio
import time
from urllib.parse import urlsplit

from tests.support.answers import Received


async def receive(reader: asyncio.StreamReader, connection: int) -> Received:
    """Read one request; the target of an absolute-form request loses its origin."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ", 2)
    fields = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines[1:-2]))
    headers = {name.lower(): value for name, value in fields}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    if not target.startswith("/"):
        parts = urlsplit(target)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Received(method, target, headers, time.monotonic(), fields, body, connection)
