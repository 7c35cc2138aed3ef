"""Sending an answer with the faults that concern the wire: pace, cuts, resets, stray bytes.

Every write waits until the kernel has taken it, so that "reset after N bytes" means N bytes were sent.
"""

import asyncio
import socket
import struct

from tests.support.answers import Answer, Body, head
from tests.support.faults import Fault

_PIECE = 64 * 1024
#: A reset may overtake bytes that the reader's kernel has not delivered yet; this lets them arrive first.
_SETTLE_S = 0.02


class GoneError(Exception):
    """The connection is over and nothing more is to be sent on it."""


async def send(
    reply: Answer, fault: Fault, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Send the answer; raise GoneError when the connection must not be used again."""
    if fault.delay_s:
        await asyncio.sleep(fault.delay_s)
    if fault.refuse:
        await reset(writer)
    if fault.silent:
        await _until_closed(reader)
    if fault.raw is not None:
        await _write(writer, fault.raw)
        raise GoneError
    await _write(writer, head(reply, version="HTTP/1.0" if fault.close_delimited else "HTTP/1.1"))
    if reply.has_body:
        await _send_body(reply.body, fault, reader, writer)


async def follow(fault: Fault, writer: asyncio.StreamWriter) -> None:
    """Send what comes behind a whole answer; raise GoneError when the connection must not be used again."""
    if fault.trailing and fault.trailing_after_s:
        await asyncio.sleep(fault.trailing_after_s)
        await _write(writer, fault.trailing)
    if fault.close or fault.close_delimited:
        raise GoneError


async def reset(writer: asyncio.StreamWriter) -> None:
    """End the connection with a RST (linger 0)."""
    await asyncio.sleep(_SETTLE_S)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    raise GoneError


async def _until_closed(reader: asyncio.StreamReader) -> None:
    while await reader.read(_PIECE):
        pass
    raise GoneError


async def _send_body(
    body: Body, fault: Fault, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    chunked = fault.chunked or fault.endless or fault.length_and_chunked
    cuts = [at for at in (fault.reset_at, fault.truncate_at, fault.stall_at) if at is not None]
    end = min([len(body), *cuts])
    await _paced(body, end, fault, writer, chunked=chunked)
    if cuts:
        await _cut(fault, reader, writer)
    if fault.endless:
        while True:
            await _write(writer, _chunk(b"x" * _PIECE))
    if chunked:
        await _write(writer, _chunk(b"") + (b"" if fault.trailing_after_s else fault.trailing))


async def _cut(fault: Fault, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    if fault.reset_at is not None:
        await reset(writer)
    if fault.stall_at is not None:
        await _until_closed(reader)
    raise GoneError


async def _paced(body: Body, end: int, fault: Fault, writer: asyncio.StreamWriter, *, chunked: bool) -> None:
    """Send the body up to `end` at the fault's pace; a rate is kept over the whole of it."""
    piece, pause = fault.drip or (_PIECE, 0.0)
    clock = asyncio.get_running_loop().time
    began = clock()
    for at in range(0, end, piece):
        data = body[at : min(end, at + piece)]
        last = at + piece >= end
        if last and not chunked and not fault.trailing_after_s:
            data += fault.trailing
        await _write(writer, _chunk(data) if chunked else data)
        if fault.rate is not None:
            await asyncio.sleep(max(0.0, began + (at + len(data)) / fault.rate - clock()))
        elif pause and not last:
            await asyncio.sleep(pause)
    if not end and not chunked and not fault.trailing_after_s:
        await _write(writer, fault.trailing)


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


async def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    if not data:
        return
    writer.write(data)
    await writer.drain()
