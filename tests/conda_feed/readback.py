"""An index read back from what a client gets, by nothing of ours: whatever the form, the records as JSON has them."""

import hashlib
import json
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any, Protocol

import msgspec
import zstandard

from tests.support.conda_index import Records, Sections


class Answered(Protocol):
    """An answer, however it was asked for."""

    @property
    def status(self) -> int: ...

    @property
    def body(self) -> bytes: ...


Ask = Callable[[str], Awaitable[Answered]]


class Form(StrEnum):
    """The forms of an index; the value is the file's name."""

    JSON = "repodata.json"
    ZST = "repodata.json.zst"
    SHARDS = "repodata_shards.msgpack.zst"


FORMS = tuple(Form)


async def read_back(ask: Ask, form: Form) -> Sections:
    """Return the records of both sections; every shard is checked against its digest."""
    if form is not Form.SHARDS:
        return sections_of(await ask(form))
    found: Sections = {"packages": {}, "packages.conda": {}}
    for name, digest in shard_digests(await ask(form)).items():
        answer = await ask(f"{digest}.msgpack.zst")
        assert answer.status == 200, f"the shard of {name}: {answer.status}"
        assert hashlib.sha256(answer.body).hexdigest() == digest
        shard = unpacked(answer.body)
        for section, records in found.items():
            records |= _texts(shard[section])
    return found


def sections_of(answer: Answered) -> Sections:
    """Return the records of a repodata.json or .json.zst."""
    assert answer.status == 200, answer.body
    document = json.loads(plain(answer.body))
    return {section: document[section] for section in ("packages", "packages.conda")}


def shard_digests(answer: Answered) -> dict[str, str]:
    """Return name -> digest of its shard in hexadecimal."""
    assert answer.status == 200, answer.body
    return {name: digest.hex() for name, digest in unpacked(answer.body)["shards"].items()}


def unpacked(body: bytes) -> Any:
    """Return what a `.msgpack.zst` says; it is one frame, as conda reads only the first."""
    frame = zstandard.ZstdDecompressor().decompressobj()
    text = frame.decompress(body)
    assert frame.eof
    assert not frame.unused_data
    return msgspec.msgpack.decode(text)


def plain(body: bytes) -> bytes:
    """Return a document unpacked, if it is packed."""
    if not body.startswith(b"\x28\xb5\x2f\xfd"):
        return body
    frame = zstandard.ZstdDecompressor().decompressobj()
    text = frame.decompress(body)
    assert frame.eof
    assert not frame.unused_data
    return text


def _texts(records: Records) -> Records:
    return {
        file: {key: value.hex() if isinstance(value, bytes) else value for key, value in record.items()}
        for file, record in records.items()
    }
