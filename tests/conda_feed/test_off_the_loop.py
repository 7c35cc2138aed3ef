"""What takes long for a large channel is done in threads and children, never on the loop."""

import threading

import pytest

from proxy.conda import shard_render
from proxy.conda.pack import Pack
from tests.conda_feed.readback import shard_digests
from tests.conda_feed.stand import Stand
from tests.support.channel import SHARD_INDEX
from tests.support.conda_packages import bare


async def test_the_table_of_shards_is_made_in_a_thread(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    made_in: list[threading.Thread] = []
    honest = shard_render.by_digest

    def by_digest(shards: Pack) -> dict[str, str]:
        made_in.append(threading.current_thread())
        return honest(shards)

    for user in ("packs", "superseded"):
        monkeypatch.setattr(f"proxy.feeds.conda.{user}.by_digest", by_digest)
    stand.channel.add(bare("a"))
    await stand.start()
    old = shard_digests(await stand.get(f"linux-64/{SHARD_INDEX}"))["a"]
    stand.channel.add(bare("a", "2.0"))
    await stand.refresh()
    new = shard_digests(await stand.get(f"linux-64/{SHARD_INDEX}"))["a"]
    for digest in (old, new, old, new):
        assert (await stand.get(f"linux-64/{digest}.msgpack.zst")).status == 200
    assert len(made_in) == 2  # of the present generation, and of what it superseded
    assert threading.current_thread() not in made_in
