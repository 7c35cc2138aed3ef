"""A generation that another version of the mending made is served, and its origin is asked again without conditions."""

import asyncio
from pathlib import Path

import msgspec

from proxy.artifacts.notes import Notes
from proxy.conda.pack_writer import PackWriter
from proxy.conda.snapshot import pack_top
from proxy.feeds.conda.packs import open_generation, records_path, shards_path
from proxy.feeds.conda.subdir_catalog import SubdirFacts
from tests.conda_feed.stand import Stand
from tests.support.channel import SHARD_INDEX
from tests.support.conda_packages import bare


def write_in_another_form(folder: Path, stem: str) -> str:
    """Write the generation as a program would that has another form; return its stem."""
    old = open_generation(folder, stem)
    path = folder / "other"
    with path.open("wb") as out:
        writer = PackWriter(out, pack_top(msgspec.structs.replace(old.snapshot.top, form=0)))
        for name in old.snapshot:
            writer.copy(old.snapshot.pack, name)
        writer.finish()
    shards = shards_path(folder, stem).read_bytes()
    with path.open("rb") as file:
        other = file.read()[-40:-8].hex()  # the digest of the index, in front of the magic
    path.rename(records_path(folder, other))
    shards_path(folder, other).write_bytes(shards)
    return other


async def test_a_generation_of_another_form_is_served_until_it_is_made_again(stand: Stand) -> None:
    stand.channel.add(*(bare(f"n{number}") for number in range(5)))
    await stand.start()
    files = await stand.files()
    await stand.gateway.stop()
    (folder,) = (path.parent for path in stand.cache.glob("conda/*/linux-64/*.sizes"))
    notes, decoder = Notes(stand.cache / "notes", stand.clock), msgspec.msgpack.Decoder(SubdirFacts)
    key = "subdir/origin/linux-64"
    data = await notes.get(key)
    assert data is not None
    facts = decoder.decode(data)
    assert facts.stem is not None and facts.taken.shards_etag is not None
    other = await asyncio.to_thread(write_in_another_form, folder, facts.stem)
    taken = msgspec.structs.replace(facts.taken, stem=other)
    await notes.set(key, msgspec.msgpack.encode(msgspec.structs.replace(facts, stem=other, taken=taken)))
    await notes.close()
    stand.origin.forget()
    await stand.gateway.start()
    assert (await stand.get(f"linux-64/{SHARD_INDEX}")).status == 200
    await stand.settled()
    asked = [request for request in stand.origin.requests if "linux-64" in request.path]
    assert asked and not any("if-none-match" in request.headers for request in asked)
    assert any("made by another version" in line for line in stand.log.of("WARNING"))
    assert await stand.files() == files
    stand.origin.forget()
    await stand.refresh()
    asked = [request for request in stand.origin.requests if "linux-64" in request.path]
    assert asked and all("if-none-match" in request.headers for request in asked)
