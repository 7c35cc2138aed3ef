"""The composition root: builds every object, owns their life, swaps the site on a reload.

Start: state (and its lock), store, feeds, listen. Stop: stop listening, let answers finish, close in the reverse
order. A reload applies a changed file whole, or, whatever goes wrong with it, leaves everything as it was and says so:
a server that runs is worth more than the settings that it was to get.
"""

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO

from proxy.base import Base, make_base
from proxy.config.changes import applied, changes
from proxy.config.load import Loaded
from proxy.config.settings import Settings
from proxy.curating import Curating
from proxy.feeds.accepting import Acceptance
from proxy.imports import load_for
from proxy.management import Management, watch_lists
from proxy.model.clock import Clock
from proxy.site import Site, build_site
from proxy.state.audit_trail import AuditTrail
from proxy.state.seal import Seal
from proxy.upstream.authorities import Authorities
from proxy.web.access import AccessLog
from proxy.web.api.changes import ChangesApi
from proxy.web.api.owners import OwnersApi
from proxy.web.api.served import Served
from proxy.web.api.table import api_routes
from proxy.web.disclosure import Disclosure
from proxy.web.door import Door
from proxy.web.guard import Guard
from proxy.web.health import Health, Readiness
from proxy.web.kinds.conda import CondaEndpoints
from proxy.web.kinds.pypi import PypiEndpoints
from proxy.web.log import is_json, set_level
from proxy.web.metrics import Metrics
from proxy.web.respond import Responder
from proxy.web.rights import shown_to
from proxy.web.routes import Route, Routes
from proxy.web.server import WebServer
from proxy.web.showcase import feed_cards
from proxy.web.signposts import Signposts
from proxy.web.telemetry import readiness, register, register_authorities, watch_authorities, watch_loop
from proxy.web.trust import Trust
from proxy.web.variants import Variants
from proxy.web.verdicts import Verdicts
from proxy.web.why import Why


@dataclass(frozen=True, slots=True)
class Prepared:
    """The site of changed settings; `changed` are the keys that it changes."""

    site: Site
    changed: tuple[str, ...]
    restart: tuple[str, ...]


class App:
    """One server, from `start` to `stop`."""

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        *,
        clock: Clock | None = None,
        out: TextIO = sys.stdout,
        loaded: Loaded | None = None,
    ) -> None:
        self.settings = settings
        self.base: Base = make_base(settings, environ, clock)
        self.metrics = Metrics()
        self.site: Site = build_site(settings, self.base)
        self._out = out
        self._is_ready = self._is_stopped = False
        self._authorities = Authorities(self.base.clock)
        self._watching: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._prefetching: asyncio.Task[None] | None = None
        self._rereading: asyncio.Task[None] | None = None
        self._retired: set[asyncio.Task[None]] = set()
        self.management = Management(
            self,
            self.base.database,
            Seal(settings.server.state_dir),
            self.base.approvals,
            self.base.clock,
            loaded,
        )
        self.curating = Curating(self.base, lambda: self.site)
        served = Served(lambda: self.site.settings, lambda: self.site.listings, self.base.door)
        self._why = Why(served)
        self.api = api_routes(
            served, AuditTrail(self.base.database), self.base.keys, self.management, self.base.approvals,
            *self.curating.nouns(served), OwnersApi(served, self.base.owners, lambda: self.site),
            ChangesApi(served, Acceptance(lambda name: self.site.accepting(name), self.base.sightings)),
        )  # fmt: skip
        self._access = AccessLog(out.buffer.write, self.base.clock, as_json=is_json(settings.log, out))
        self._guard = Guard(lambda: self.site.settings, self.base.keys, self.base.clock)
        self._web = self._web_server(settings)

    def _web_server(self, settings: Settings) -> WebServer:
        base, metrics = self.base, self.metrics
        health = Health(
            self._readiness, lambda url: feed_cards(self.site.settings, url), metrics,
            lambda actor: shown_to(actor, self.site.settings),
        )  # fmt: skip
        verdicts = Verdicts(metrics)
        pypi = PypiEndpoints(
            lambda name: self.site.pypi_feed(name), lambda: self.site.keeper, verdicts, self._why
        )
        conda = CondaEndpoints(lambda name: self.site.conda_feed(name), lambda: self.site.keeper, verdicts)
        signposts = Signposts(lambda: self.site.settings)
        table = (
            *health.routes(),
            *self.api,
            *self._why.routes(),
            *pypi.routes(),
            *conda.routes(),
            *signposts.routes(),
        )
        self.routes: tuple[Route, ...] = table
        routes = Routes(table, settings.server.path_prefix)
        trust = Trust(settings.server)
        responder = Responder(Variants(), base.clock)
        door = Door(
            routes, responder, trust, self._access, metrics, base.clock,
            via_token=base.door.via_token, admit=self._guard.admit,
            disclosure=Disclosure(lambda: self.site.settings),
        )  # fmt: skip
        return WebServer(settings.server, door, responder, trust, metrics, base.clock)

    @property
    def url(self) -> str:
        """The URL that people are given, without a trailing slash."""
        return self._web.url

    @property
    def listening_url(self) -> str:
        """The address that is listened on, as this machine's programs reach it, without a trailing slash."""
        return self._web.listening_url

    @property
    def certificate(self) -> str | None:
        """The certificate that clients are shown, in PEM; None without TLS."""
        return self._web.certificate

    async def start(self) -> None:
        """Open (which takes the data folder's lock) and listen.

        Ready is what has imported all that requests may need. Raises StateError, ImportFailed, OSError or ssl.SSLError,
        and then nothing is left running.
        """
        try:
            await self.base.start()
            await self.management.check_stored()
            if self.base.admin_key is not None:
                self._guard.trust_admin(self.base.admin_key)
            self.curating.start()
            self.metrics.judged = lambda: self.site.judged()
            register(
                self.metrics,
                self.base.store,
                self.base.vault,
                self.base.flights,
                self.base.door,
                self.base.tally,
            )
            self._watching = asyncio.create_task(watch_loop(self.metrics, self.base.clock), name="loop lag")
            register_authorities(self.metrics, self._authorities)
            self._look()
            await self._web.start()
            await asyncio.to_thread(load_for, self.settings)
            self._is_ready = True
            self._prefetching = asyncio.create_task(self.site.prefetch(), name="prefetch")
            self._rereading = asyncio.create_task(watch_lists(self.management), name="watch package lists")
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Let answers finish within `stop_timeout`, then close everything; after a failed start, or again, too."""
        if self._is_stopped:
            return
        self._is_stopped, self._is_ready = True, False
        await self._web.stop()
        all_tasks = (self._watching, self._looking, self._prefetching, self._rereading)
        tasks = [task for task in all_tasks if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.curating.close()
        await self.site.close()
        for retiring in self._retired:
            retiring.cancel()
        await asyncio.gather(*self._retired, return_exceptions=True)
        await self._guard.close()
        await self.base.close()
        await self._access.close()

    def apply(self, settings: Settings) -> tuple[str, ...]:
        """Swap in the site of changed settings; return what of the change needs a restart, in words.

        Raises UpstreamError for an upstream that cannot be used, and then nothing has changed.
        """
        prepared = self.prepare(settings)
        self.put_in_force(prepared)
        return prepared.restart

    def prepare(self, settings: Settings) -> Prepared:
        """Build the site of changed settings. Raises UpstreamError; nothing is in force before `put_in_force`."""
        differing = changes(self.settings, settings)
        settings = applied(self.settings, settings)
        restart = tuple(
            f"{key} needs a restart; the former value stays in force" for key in differing.needs_restart
        )
        if settings.server.tls_cert and "server.header_timeout" in differing.applicable:
            restart += ("server.header_timeout counts for TLS handshakes after a restart",)
        return Prepared(build_site(settings, self.base, self.site), differing.applicable, restart)

    def discard(self, prepared: Prepared) -> None:
        """Let go of a site that is not to be."""
        self._retire(asyncio.create_task(prepared.site.close(self.site), name="discard site"))

    def put_in_force(self, prepared: Prepared) -> None:
        """Swap in a site, which is the only one that was prepared since the last swap."""
        site = prepared.site
        retired, former, self.site, self.settings = self.site, self.settings, site, site.settings
        self._retire(asyncio.create_task(retired.close(site), name="retire site"))
        self._follow(former, site.settings)
        if site.settings.admin_key is not None:
            self._guard.trust_admin(site.settings.admin_key)
        if self._prefetching is not None:
            self._prefetching.cancel()
            self._retire(self._prefetching)
            self._prefetching = asyncio.create_task(site.prefetch(), name="prefetch")
        if self._looking is not None:
            self._look()

    def _follow(self, former: Settings, settings: Settings) -> None:
        """Take what is not the site's: how the server listens to clients, the cache's size, the log's level."""
        if settings.server != former.server:
            self._web.follow(settings.server)
        if settings.cache != former.cache:
            limiting = self.base.store.limit(settings.cache.max_size_bytes)
            self._retire(asyncio.create_task(limiting, name="limit the cache"))
        if settings.log != former.log:
            set_level(settings.log)

    def _look(self) -> None:
        """Begin (anew, after a reload) to watch what the routes trust."""
        if self._looking is not None:
            self._looking.cancel()
            self._retire(self._looking)
        watching = watch_authorities(self._authorities, lambda: self.settings)
        self._looking = asyncio.create_task(watching, name="watch authorities")

    def _retire(self, task: "asyncio.Task[None]") -> None:
        self._retired.add(task)
        task.add_done_callback(self._retired.discard)

    def _readiness(self) -> Readiness:
        health = self.base.door.health()
        notes = [(name, note) for name, listing in self.site.listings.items() for note in listing.notes()]
        return readiness(
            self._is_ready, self.base.store.stats(), self.settings, health, self._authorities, notes
        )
