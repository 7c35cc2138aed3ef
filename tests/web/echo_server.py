"""The door with one handler that gives the body back, for a process of its own; prints its port."""

import asyncio
import os
import resource
import sys

from proxy.web.inbound import Inbound
from proxy.web.outbound import Bytes, Outbound
from proxy.web.routes import Route
from tests.web.stand import standing


async def echo(inbound: Inbound) -> Outbound:
    return Bytes(body=await inbound.read_body(1000), content_type="text/plain")


async def main() -> None:
    if descriptors := int(os.environ.get("ECHO_DESCRIPTORS", "0")):
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
    async with standing(
        Route(("GET", "POST"), "/e", echo), header_timeout_s=1.0, body_timeout_s=1.0
    ) as stand:
        sys.stdout.write(f"{stand.port}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
