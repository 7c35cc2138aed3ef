"""Generated channels of one size and the nginx that serves them: with a full file only, and with shards.

Below the folder lie `file/0`, `file/1`, `sharded/0` and `sharded/1`, the two days of each. What an upstream's URL names
is a link to the day that it is now, so the next day comes at once and whole.
"""

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.machine import LOAD_CORE, PYTHON, output
from benchmarks.servers import Server, nginx_of

Form = Literal["file", "sharded"]
CHANGED_NAMES = 300

_STATIC = """\
  server {{
    listen 127.0.0.1:{port};
    root {root};
    types {{ }}
    default_type application/octet-stream;
  }}
"""


@dataclass(frozen=True, slots=True)
class Channels:
    """The channels of one size, and their origin."""

    records: int
    folder: Path
    origin: Server

    def url(self, form: Form) -> str:
        return f"{self.origin.url}/now-{form}"

    def turn_to(self, form: Form, day: int) -> None:
        """Let it be this day."""
        now = self.folder / f"now-{form}"
        link = now.with_suffix(".next")
        link.symlink_to(Path(form, str(day)))
        link.replace(now)


@contextlib.contextmanager
def channels(folder: Path, records: int) -> Iterator[Channels]:
    """Make the channels in the folder and serve them for the length of the block."""
    print(f"making channels of {records} records …", file=sys.stderr)
    for day in (0, 1):
        made = folder / "file" / str(day)
        command = [PYTHON, "-m", "benchmarks.channel", str(made)]
        output([*command, "--records", str(records), "--day", str(day)])
        shutil.copytree(made, folder / "sharded" / str(day), copy_function=os.link)
    days = [str(folder / "sharded" / str(day)) for day in (0, 1)]
    output([PYTHON, "-m", "benchmarks.channel.sharded", *days, "--changed", str(CHANGED_NAMES)])
    with static(folder / "nginx", folder, LOAD_CORE) as origin:
        yield Channels(records, folder, origin)


@contextlib.contextmanager
def static(folder: Path, root: Path, core: int) -> Iterator[Server]:
    """Serve the files below a folder with one worker of nginx on one core."""
    with nginx_of(folder, _STATIC, core, root=root) as server:
        yield server
