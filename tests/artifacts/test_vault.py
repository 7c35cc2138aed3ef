"""The vault: what is in it stays, whatever happens to the cache, and the cache's readers find it (C11)."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.artifacts.blob import LostBlobError
from proxy.artifacts.vault import Vault, VaultedStore
from proxy.model.clock import SystemClock
from proxy.model.tally import Tally
from tests.artifacts.tools import data_of, files_below, sha256_of

SIZE = 100_000
DATA = data_of(SIZE)


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[Vault]:
    made = Vault(tmp_path / "vault", SystemClock(), scrub_s=0)
    await made.start()
    yield made
    await made.close()


@pytest.fixture
async def cache(tmp_path: Path, vault: Vault) -> AsyncIterator[VaultedStore]:
    made = VaultedStore(
        tmp_path / "blobs", SystemClock(), vault, max_bytes=2 * SIZE, scrub_s=0, tally=Tally()
    )
    await made.start()
    yield made
    await made.close()


async def read(store: VaultedStore) -> bytes:
    blob = await store.find(sha256_of(DATA))
    assert blob is not None
    return await store.read(blob)


async def test_a_copied_blob_outlives_every_removal_from_the_cache(vault: Vault, cache: VaultedStore) -> None:
    await vault.copy(cache, await cache.put(DATA))
    for seed in range(2, 6):
        await cache.put(data_of(SIZE, seed=seed))
    await cache.prune(0)
    await cache.purge(lambda _: True)
    assert not cache.holds(sha256_of(DATA)) and cache.stats().blobs == 0
    assert vault.holds(sha256_of(DATA))
    assert await read(cache) == DATA
    found = await cache.get(sha256_of(DATA))
    assert found is not None and (await cache.open(found)) is not None


async def test_the_vault_does_not_count_as_cache(vault: Vault, cache: VaultedStore) -> None:
    for seed in range(1, 8):
        await vault.put(data_of(SIZE, seed=seed))
    assert cache.stats().total_bytes == 0
    assert vault.stats().total_bytes == 7 * SIZE


async def test_a_damaged_copy_in_the_cache_gives_way_to_the_vaults(vault: Vault, cache: VaultedStore) -> None:
    blob = await cache.put(DATA)
    await vault.copy(cache, blob)
    blob.path.write_bytes(b"x" * SIZE)
    assert await read(cache) == DATA


async def test_damaged_bytes_do_not_get_into_the_vault(
    tmp_path: Path, vault: Vault, cache: VaultedStore
) -> None:
    blob = await cache.put(DATA)
    blob.path.write_bytes(b"x" * SIZE)
    with pytest.raises(LostBlobError):
        await vault.copy(cache, blob)
    assert not vault.holds(blob.digest)
    assert files_below(tmp_path / "vault") == []


async def test_a_blob_that_was_evicted_meanwhile_is_lost(vault: Vault, cache: VaultedStore) -> None:
    blob = await cache.put(DATA)
    await cache.purge(lambda _: True)
    with pytest.raises(LostBlobError):
        await vault.copy(cache, blob)


async def test_what_rots_in_the_vault_is_no_longer_held(vault: Vault, cache: VaultedStore) -> None:
    blob = await vault.put(DATA)
    blob.path.write_bytes(b"x" * SIZE)
    assert (await vault.verify_all()).damaged == (blob.digest,)
    assert not vault.holds(blob.digest)
    assert await cache.find(blob.digest) is None


async def test_a_new_start_finds_what_the_vault_holds(tmp_path: Path, vault: Vault) -> None:
    blob = await vault.put(DATA)
    again = Vault(tmp_path / "vault", SystemClock(), scrub_s=0)
    await again.start()
    await again.scanned()
    assert again.holds(blob.digest)
    await again.close()
