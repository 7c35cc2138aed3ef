"""`/t/KEY/` as clients really send it: recorded orders, both places, below a path prefix (sheet, 2.3)."""

from pathlib import Path
from typing import cast

import pytest

from tests.conda_feed.players import CONDA, MAMBA, RATTLER, Player, shard_indexes
from tests.conda_feed.stand import Stand
from tests.keys.house import BAD, House, house
from tests.support.origin import Origin

PLACES = ("/t/{}/conda/c-closed", "/conda/t/{}/c-closed")
#: A server below `/mir/ror`: conda and rattler move a token to the very front, and behind `/conda` leave it.
PREFIXED = ("/mir/ror/t/{}/conda/c-closed", "/mir/ror/conda/t/{}/c-closed", "/t/{}/mir/ror/conda/c-closed")
FILES = (
    "linux-64/repodata_shards.msgpack.zst", "noarch/repodata_shards.msgpack.zst", "linux-64/repodata.json.zst",
    "noarch/repodata.json", "notices.json", "linux-64/tool-1.0-0.conda", "noarch/real-1.0-0.conda",
)  # fmt: skip


@pytest.mark.parametrize("client", [CONDA, MAMBA, RATTLER], ids=["conda", "mamba", "rattler"])
@pytest.mark.parametrize("place", PLACES)
async def test_a_client_walks_a_closed_channel_with_its_token(
    built: House, client: tuple[str, ...], place: str
) -> None:
    # A Player wants no more of its stand than the gateway.
    async with Player(cast(Stand, built), client, place.format(built.keys["reader"])) as player:
        indexes = await shard_indexes(player, ("linux-64", "noarch"))
        records = await player.shards_of(["tool", "real"], indexes)
        await player.packages(records)
        assert len(records) == 3
        for path in FILES:
            assert (await player.get(path)).status == 200, path
            assert (await player.ask("HEAD", path)).status == 200, path
        # A second start: everything is revalidated.
        held = await player.get(FILES[0])
        again = await player.get(FILES[0], f"If-None-Match: {held.headers['etag']}")
        assert again.status == 304
    async with Player(cast(Stand, built), client, place.format(built.keys["stranger"])) as player:
        assert {(await player.get(path)).status for path in FILES} == {404}
    async with Player(cast(Stand, built), client, place.format(BAD[0])) as player:
        assert {(await player.get(path)).status for path in FILES} == {401}
    async with Player(cast(Stand, built), client, "/conda/c-closed") as player:
        assert {(await player.get(path)).status for path in FILES} == {401}


async def test_a_token_counts_before_what_netrc_adds(built: House) -> None:
    """conda sends the netrc entry of the host along with a token of the channel."""
    path = PLACES[0].format(built.keys["reader"]) + "/linux-64/repodata.json"
    for line in ("Basic dXNlcjpwYXNzd29yZA==", f"Bearer {built.keys['stranger']}"):
        assert (await built.send("GET", path, {"Authorization": line})).status == 200
    path = PLACES[0].format(BAD[0]) + "/linux-64/repodata.json"
    assert (await built.send("GET", path, {"Authorization": f"Bearer {built.keys['reader']}"})).status == 401


@pytest.mark.parametrize("place", PREFIXED)
async def test_a_token_is_found_below_a_prefix(tmp_path: Path, origin: Origin, place: str) -> None:
    async with house(tmp_path, origin, server={"path_prefix": "/mir/ror"}) as built:
        host = built.gateway.url.removesuffix("/mir/ror")
        for key, status in (("reader", 200), ("stranger", 404), ("revoked", 401)):
            url = f"{host}{place.format(built.keys[key])}/linux-64/repodata.json"
            async with built.session.get(url) as answer:
                assert answer.status == status
        url = f"{host}{place.format(built.keys['reader'])}/linux-64/tool-1.0-0.conda"
        async with built.session.get(url) as answer:
            assert answer.status == 200
        for astray in (
            "/t/{}/mir/conda/c-closed",
            "/t/{}/ror/conda/c-closed",
            "/t/{}/conda/c-closed",
            "/t/{}/mir/ror",
        ):
            url = f"{host}{astray.format(built.keys['reader'])}/linux-64/repodata.json"
            async with built.session.get(url) as answer:
                assert answer.status == 404
        lines = [line.path for line in await built.gateway.answered()]
        assert not any(built.keys["reader"] in path for path in lines)
