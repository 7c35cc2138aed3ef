"""The composition root: builds every object, owns their life, swaps the site on a reload.

Start: state (and its lock), store, feeds, listen. Stop: stop listening, let answers finish, close in the reverse
order. A reload applies a changed file whole, or, whatever goes wrong with it, leaves everything as it was and says so:
a server that runs is worth more than the settings that it was to get.
"""

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO

from proxy.base import Base, make_base
from proxy.config.changes import applied, changes
from proxy.config.faults import ConfigError
from proxy.config.load import Loaded
from proxy.config.settings import Settings
from proxy.curating import Curating
from proxy.management import Management, in_words
from proxy.model.actor import SYSTEM
from proxy.model.clock import Clock
from proxy.model.problem import Problem
from proxy.scarcity import Complaints, raise_limit
from proxy.site import Site, build_site
from proxy.state.admin_key import NAME as ADMIN_KEY_FILE
from proxy.state.audit_trail import AuditTrail
from proxy.state.errors import StateError
from proxy.state.running import write_reloaded, write_running
from proxy.state.seal import Seal
from proxy.upstream.authorities import Authorities
from proxy.upstream.errors import UpstreamError
from proxy.web.access import AccessLog
from proxy.web.api.served import Served
from proxy.web.api.table import api_routes
from proxy.web.door import Door
from proxy.web.guard import Guard
from proxy.web.health import Health, Readiness
from proxy.web.kinds.conda import CondaEndpoints
from proxy.web.kinds.pypi import PypiEndpoints
from proxy.web.log import LogPipe, is_json
from proxy.web.metrics import Metrics
from proxy.web.respond import Responder
from proxy.web.rights import shown_to
from proxy.web.routes import Route, Routes
from proxy.web.server import WebServer
from proxy.web.showcase import banner, feed_cards
from proxy.web.signposts import Signposts
from proxy.web.telemetry import readiness, register, register_authorities, watch_authorities, watch_loop
from proxy.web.trust import Trust
from proxy.web.variants import Variants
from proxy.web.verdicts import Verdicts

_LOG = logging.getLogger("feedgate")


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
        self.api = api_routes(
            served, AuditTrail(self.base.database), self.base.keys, self.management, self.base.approvals,
            *self.curating.nouns(served),
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
        pypi = PypiEndpoints(lambda name: self.site.pypi_feed(name), lambda: self.site.keeper, verdicts)
        conda = CondaEndpoints(lambda name: self.site.conda_feed(name), lambda: self.site.keeper, verdicts)
        signposts = Signposts(lambda: self.site.settings)
        table = (*health.routes(), *self.api, *pypi.routes(), *conda.routes(), *signposts.routes())
        self.routes: tuple[Route, ...] = table
        routes = Routes(table, settings.server.path_prefix)
        trust = Trust(settings.server)
        responder = Responder(Variants(), base.clock)
        door = Door(
            routes, responder, trust, self._access, metrics, base.clock,
            via_token=base.door.via_token, admit=self._guard.admit,
        )  # fmt: skip
        return WebServer(settings.server, door, responder, trust, metrics, base.clock)

    @property
    def url(self) -> str:
        """The server's own URL, without a trailing slash."""
        return self._web.url

    async def start(self) -> None:
        """Open (which takes the data folder's lock) and listen.

        Raises StateError, OSError or ssl.SSLError, and then nothing is left running.
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
            self._is_ready = True
            await self._web.start()
            self._prefetching = asyncio.create_task(self.site.prefetch(), name="prefetch")
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Let answers finish within `stop_timeout`, then close everything; after a failed start, or again, too."""
        if self._is_stopped:
            return
        self._is_stopped, self._is_ready = True, False
        await self._web.stop()
        tasks = [task for task in (self._watching, self._looking, self._prefetching) if task is not None]
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
        return Prepared(build_site(settings, self.base, self.site), differing.applicable, restart)

    def discard(self, prepared: Prepared) -> None:
        """Let go of a site that is not to be."""
        self._retire(asyncio.create_task(prepared.site.close(self.site), name="discard site"))

    def put_in_force(self, prepared: Prepared) -> None:
        """Swap in a site, which is the only one that was prepared since the last swap."""
        site = prepared.site
        retired, self.site, self.settings = self.site, site, site.settings
        self._retire(asyncio.create_task(retired.close(site), name="retire site"))
        if site.settings.admin_key is not None:
            self._guard.trust_admin(site.settings.admin_key)
        if self._prefetching is not None:
            self._prefetching.cancel()
            self._retire(self._prefetching)
            self._prefetching = asyncio.create_task(site.prefetch(), name="prefetch")
        if self._looking is not None:
            self._look()

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
        return readiness(self._is_ready, self.base.store.stats(), self.settings, health, self._authorities)


async def _serve(settings: Settings, loaded: Loaded) -> int:
    app = App(settings, loaded.request.environ, loaded=loaded)
    stopping = asyncio.Event()
    reloading = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(Complaints(app.base.clock))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    loop.add_signal_handler(signal.SIGHUP, reloading.set)
    await app.start()
    try:
        await asyncio.to_thread(
            write_running, settings.server.state_dir, app.url, loaded.path, app.base.clock.now()
        )
        made = app.base.state_folder / ADMIN_KEY_FILE if app.base.is_admin_key_new else None
        print(banner(settings, app.url, made), flush=True)
        while not stopping.is_set():
            waits = {asyncio.create_task(stopping.wait()), asyncio.create_task(reloading.wait())}
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
            if reloading.is_set():
                reloading.clear()
                await reload(app)
    finally:
        _LOG.info("stopping")
        await app.stop()
    return 0


async def reload(app: App) -> None:
    """Apply the file anew, or say why not, for `feedgate reload` and in the log.

    Raises nothing: whatever goes wrong, the server lives on with the settings that it has.
    """
    is_ok = False
    try:
        messages = await app.management.reload(SYSTEM)
    except (ConfigError, UpstreamError, Problem) as error:
        messages = in_words(error)
    except Exception as error:  # noqa: BLE001 - a mistake of ours in new settings must not end a server that works
        _LOG.exception("the changed settings could not be applied")
        messages = in_words(error)
    else:
        is_ok = True
    if is_ok:
        _LOG.info("; ".join(messages))
    else:
        _LOG.error("the changed settings have errors; the former stay in force: %s", "; ".join(messages))
    await _tell(app, is_ok, messages)


async def _tell(app: App, is_ok: bool, messages: tuple[str, ...]) -> None:
    """Write what came of a reload for the command that asked for it, which may not be possible."""
    try:
        await asyncio.to_thread(
            write_reloaded, app.settings.server.state_dir, app.base.clock.now(), is_ok, messages
        )
    except OSError as error:
        _LOG.warning("the answer to a reload could not be written: %s", error)


def run(settings: Settings, loaded: Loaded) -> int:
    """Serve until SIGTERM or SIGINT; return the exit status: 2 for settings that cannot be used."""
    pipe = LogPipe(settings.log)
    raise_limit()
    # Modules live as long as the process: the collector need not walk them again and again (10 ms, measured).
    gc.collect()
    gc.freeze()
    try:
        return asyncio.run(_serve(settings, loaded))
    except UpstreamError as error:
        print(f"feedgate: an upstream cannot be used: {error}", file=sys.stderr)
        return 2
    except (StateError, OSError) as error:
        print(f"feedgate: {error}", file=sys.stderr)
        return 1
    finally:
        pipe.close()
