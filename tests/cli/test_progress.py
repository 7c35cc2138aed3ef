"""How far a command is: a bar on a terminal, a plain line in a pipe, nothing with --json."""

import asyncio
import io
import threading
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest

from proxy.cli import asking, progress
from proxy.config.settings import Feed
from tests.cli.calling import Place
from tests.cli.test_promote import CLOSURE, FEEDS
from tests.support.channel import SHARD_INDEX, FakeChannel
from tests.support.conda_packages import package
from tests.support.faults import Fault
from tests.support.gateway import Gateway, upstream
from tests.support.index import FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel

pytestmark = pytest.mark.usefixtures("begun")


class Terminal(io.StringIO):
    """Where a person reads."""

    def isatty(self) -> bool:
        return True


class Pipe(io.StringIO):
    """Tells when the first line has come."""

    def __init__(self) -> None:
        super().__init__()
        self.has_line = threading.Event()

    def flush(self) -> None:
        self.has_line.set()


def stderr_is(monkeypatch: pytest.MonkeyPatch, file: io.StringIO) -> None:
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=file))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with Origin() as running:
        yield running


@pytest.fixture
def index(origin: Origin, place: Place) -> FakeIndex:
    made = FakeIndex(origin)
    made.add(wheel("demo", "2.0", requires=["leaf"]), wheel("leaf", "1.0"))
    place.write(FEEDS.format(index=made.url))
    return made


async def call(place: Place, *words: str, status: int = 0) -> None:
    result = await asyncio.to_thread(place.call, *words)
    assert result.exit_code == status, result.output


def test_in_a_pipe_what_takes_long_is_a_plain_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = Pipe()
    stderr_is(monkeypatch, pipe)
    with progress.progress("being quick", is_quiet=False) as bar:
        bar.tell(done=1, total=2)
    assert pipe.getvalue() == ""
    monkeypatch.setattr(progress, "FIRST_S", 0.05)
    with progress.progress("working", is_quiet=False) as bar:
        bar.tell(more="1 of 2 files\x1b")
        assert pipe.has_line.wait(10)
    (line,) = pipe.getvalue().splitlines()
    assert line.startswith("feedgate: working: 1 of 2 files\\x1b (") and line.endswith(" s)")
    with progress.progress("working", is_quiet=True) as bar:
        bar.tell("more", 1, 2, "x")
    assert len(pipe.getvalue().splitlines()) == 1


async def test_on_a_terminal_every_long_command_shows_how_far_it_is(
    place: Place, index: FakeIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = sum(len(index.file(f"{name}-py3-none-any.whl").built.data) for name in ("demo-2.0", "leaf-1.0"))
    shown = {
        ("promote", "approved", "demo", *CLOSURE): (
            "finding out what this means for approved",
            f"2 of 2 files, {size / 1024:.1f} KiB of {size / 1024:.1f} KiB",
        ),
        ("feed", "packages", "approved"): ("looking up what approved has",),
        ("explain", "approved", "demo"): ("asking approved about demo",),
        ("doctor",): ("asking the upstreams of approved", "1 of 2 feeds"),
        ("cache", "verify"): ("comparing files with their digests", " files, "),
        ("cache", "prune", "--to", "0 B"): ("removing what was used longest ago", " files, "),
        ("backup", "b.tar"): ("backup", "KiB of"),
        ("restore", "b.tar", "--data-dir", "new"): ("restore", "KiB of"),
    }
    for words, parts in shown.items():
        terminal = Terminal()
        stderr_is(monkeypatch, terminal)
        await call(place, *words)
        for part in parts:
            assert part in terminal.getvalue(), (words, part, terminal.getvalue())
    quiet = Terminal()
    stderr_is(monkeypatch, quiet)
    for words in (("promote", "approved", "demo"), ("cache", "verify"), ("feed", "packages", "open")):
        await call(place, *words, "--json")
    assert quiet.getvalue() == ""


@pytest.mark.parametrize("is_server", [True, False])
async def test_who_waits_for_a_channel_sees_what_is_fetched_for_it(
    place: Place, origin: Origin, monkeypatch: pytest.MonkeyPatch, is_server: bool
) -> None:
    channel = FakeChannel(origin)
    channel.add(package("tool", noarch="python"))
    way = f'{{ url = "{channel.url}", allow_private = true, route = "direct", retries = 0 }}'
    place.write(f'[feeds.forge]\nkind = "conda"\nupstreams = [{way}]\n')
    monkeypatch.setattr(asking, "BESIDE_S", 0.02)
    terminal = Terminal()
    stderr_is(monkeypatch, terminal)
    origin.always(channel.path("noarch", SHARD_INDEX), Fault(delay_s=0.6))
    if is_server:
        async with Gateway(place.folder, Feed("forge", "conda", (upstream(channel.url),))) as running:
            await call(place, "feed", "packages", "forge", "--server", running.url)
    else:
        await call(place, "feed", "packages", "forge")
    assert "noarch is fetched for the first time: 0.0 MiB have come so far" in terminal.getvalue()
