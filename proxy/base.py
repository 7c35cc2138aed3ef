"""What lives as long as the process, whatever the settings of feeds become: doors, stores, state, flights."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from proxy.artifacts.flights import Flights
from proxy.artifacts.notes import Notes
from proxy.artifacts.proofs import Proofs
from proxy.artifacts.vault import Vault, VaultedStore
from proxy.config.settings import Settings
from proxy.feeds.arrivals import Arrivals
from proxy.feeds.conda.folder_locks import FolderLocks
from proxy.feeds.conda.packs import sweep_leftovers
from proxy.feeds.conda.view import CondaView
from proxy.feeds.documents import Documents
from proxy.feeds.promotion.comparing import Refreshes
from proxy.feeds.pypi.view import PypiView
from proxy.feeds.views import Views
from proxy.model.clock import Clock, SystemClock
from proxy.model.redact import Secret
from proxy.model.tally import Tally
from proxy.state.admin_key import read_or_make
from proxy.state.approvals import Approvals
from proxy.state.database import Database
from proxy.state.keys import Keys
from proxy.state.owners import Owners
from proxy.state.sightings import Sightings
from proxy.upstream.door import Door

_DOCUMENT_BYTES = 32 * 1024**2
#: Records in memory: some 600 bytes each.
_VIEW_RECORDS = 40_000


@dataclass(slots=True)
class Base:
    """Built once; `start` and `close` own the order of life."""

    clock: Clock
    tally: Tally
    #: What is cached; approved bytes, which it finds too, lie in the vault.
    store: VaultedStore
    vault: Vault
    notes: Notes
    #: Which upstream has shown that it has which of the bytes.
    proofs: Proofs
    flights: Flights
    #: Those that land in the vault.
    vault_flights: Flights
    arrivals: Arrivals
    database: Database
    sightings: Sightings
    owners: Owners
    approvals: Approvals
    keys: Keys
    state_folder: Path
    #: Tells the watch over approvals that a source was read anew.
    refreshes: Refreshes
    door: Door
    documents: Documents
    pypi_views: Views[PypiView]
    conda_views: Views[CondaView]
    #: Generations of conda subdirs lie here; like all of the cache it may be wiped while the server is stopped.
    conda_folder: Path
    conda_locks: FolderLocks = field(default_factory=FolderLocks)
    #: The first admin's key: the environment's, else that of `state/admin.key` once this has started.
    admin_key: Secret | None = None
    #: Whether the file was made at this start.
    is_admin_key_new: bool = False
    _warming: "asyncio.Task[None] | None" = field(default=None)

    async def start(self) -> None:
        """Open what must be open before the first request. Raises StateError."""
        await self.database.open()
        await self.approvals.load()
        await self.vault.start()
        await self.keys.load()
        if self.admin_key is None:
            self.admin_key, self.is_admin_key_new = await asyncio.to_thread(read_or_make, self.state_folder)
        self.keys.start()
        await self.store.start()
        await asyncio.to_thread(sweep_leftovers, self.conda_folder)
        self._warming = asyncio.create_task(self.database.warm(), name="warm database")

    async def close(self) -> None:
        """Close everything, what others stand on last."""
        if self._warming is not None:
            await asyncio.gather(self._warming, return_exceptions=True)
        await self.keys.close()
        await self.flights.close()
        await self.vault_flights.close()
        await self.arrivals.close()
        await self.sightings.close()
        await self.documents.close()
        await self.door.close()
        await self.store.close()
        await self.vault.close()
        await self.notes.close()
        await self.proofs.close()
        await self.database.close()


def make_base(settings: Settings, environ: Mapping[str, str], clock: Clock | None = None) -> Base:
    """Build what the settings' `[server]`, `[cache]` and `[state]` say."""
    clock = clock or SystemClock()
    tally = Tally()
    cache = settings.server.cache_dir
    url = settings.state.url.reveal() if settings.state.url is not None else None
    database = Database(settings.server.state_dir, clock, url=url)
    approvals = Approvals(database)
    vault = Vault(settings.server.vault_dir, clock, scrub_s=settings.cache.scrub_s)
    store = VaultedStore(
        cache / "blobs",
        clock,
        vault,
        max_bytes=settings.cache.max_size_bytes,
        scrub_s=settings.cache.scrub_s,
        tally=tally,
        # What is approved stays until the vault has it.
        is_pinned=lambda digest: approvals.pins(digest) and not vault.holds(digest),
    )
    notes = Notes(cache / "notes", clock, tally=tally)
    proofs = Proofs(cache / "proofs.sqlite", clock)
    sightings = Sightings(database)
    return Base(
        clock=clock, tally=tally, store=store, vault=vault, notes=notes, flights=Flights(store, clock),
        vault_flights=Flights(vault, clock),
        arrivals=Arrivals(notes, proofs, sightings), proofs=proofs, database=database, sightings=sightings,
        owners=Owners(database, clock),
        approvals=approvals, refreshes=Refreshes(), door=Door(clock, environ=environ),
        admin_key=settings.admin_key,
        keys=Keys(database, clock), state_folder=settings.server.state_dir,
        documents=Documents(store, notes, max_bytes=_DOCUMENT_BYTES), pypi_views=Views(max_records=_VIEW_RECORDS),
        conda_views=Views(max_records=_VIEW_RECORDS), conda_folder=cache / "conda",
    )  # fmt: skip
