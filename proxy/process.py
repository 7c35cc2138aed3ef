"""The server as a process: runs one `App` until a signal ends it, reloads at SIGHUP, and answers with an exit status.

What is told to other processes of the same data folder (where the server listens, what came of a reload) is told here.
"""

import asyncio
import gc
import logging
import signal
import sys
from pathlib import Path

from proxy.app import App
from proxy.config.faults import ConfigError
from proxy.config.load import Loaded
from proxy.config.settings import Settings
from proxy.imports import ImportFailed
from proxy.management import in_words
from proxy.model.actor import SYSTEM
from proxy.model.problem import Problem
from proxy.scarcity import Complaints, raise_limit
from proxy.state.admin_key import NAME as ADMIN_KEY_FILE
from proxy.state.errors import StateError
from proxy.state.modes import why_open
from proxy.state.running import write_reloaded, write_running
from proxy.upstream.errors import UpstreamError
from proxy.web.log import LogPipe
from proxy.web.showcase import banner

_LOG = logging.getLogger("feedgate")

#: For how long a thread may keep the interpreter while the loop waits for it. The loop lets go of it with each call to
#: the system, some dozens in a turn: beside a thread that reads a page of 3 MB, a turn took 40 to 60 ms at Python's
#: 5 ms, and 6 to 25 ms at this (measured on 2026-12-01).
SWITCH_INTERVAL_S = 0.001


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
        # What was loaded since, beside the first answers, stays as well.
        gc.freeze()
        await _tell_others(app, loaded.path)
        made = app.base.state_folder / ADMIN_KEY_FILE if app.base.is_admin_key_new else None
        is_open = await asyncio.to_thread(why_open, settings.server.data_dir)
        if is_open is not None:
            _LOG.warning("%s", is_open)
        if app.base.database.is_new:
            _LOG.info("new data folder: there was no state in %s", settings.server.data_dir)
        _show(
            banner(
                settings,
                app.url,
                made,
                listening=app.listening_url if settings.server.public_url else "",
                is_new=app.base.database.is_new,
            )
        )
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


async def _tell_others(app: App, config: Path | None) -> None:
    """Write where the server is for the commands on this machine; the server itself can do without."""
    folder = app.settings.server.state_dir
    try:
        started, certificate = app.base.clock.now(), app.certificate
        await asyncio.to_thread(write_running, folder, app.listening_url, config, started, certificate)
    except OSError as error:
        _LOG.warning(
            "server.json could not be written: %s; commands on this machine do not find the server by its data folder: "
            "name it with --server", error.strerror,
        )  # fmt: skip


def _show(text: str) -> None:
    """Print for people; where the output goes may be full, or gone."""
    try:
        print(text, flush=True)
    except OSError as error:
        _LOG.warning("the list of feeds could not be printed: %s", error.strerror)


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
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    # Modules live as long as the process: the collector need not walk them again and again (10 ms, measured).
    gc.collect()
    gc.freeze()
    try:
        return asyncio.run(_serve(settings, loaded))
    except UpstreamError as error:
        print(f"feedgate: an upstream cannot be used: {error}", file=sys.stderr)
        return 2
    except (StateError, ImportFailed, OSError) as error:
        print(f"feedgate: {error}", file=sys.stderr)
        return 1
    finally:
        pipe.close()
