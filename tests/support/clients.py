"""Real clients (pip, uv and whatever else is a program) run as children with an environment of their own.

Nothing of this machine's configuration reaches them: no pip or uv settings, no proxies, a home and caches
below the test's folder. A child that outlives its time is killed by its own handle.
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Ran:
    """How a program ended."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err


def environment(home: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment that leads nowhere but where the test says."""
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}",
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_DATA_HOME": str(home / "data"),
        "LANG": "C.UTF-8",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "UV_NO_CONFIG": "1",
        "UV_PYTHON": sys.executable,
        "UV_PYTHON_DOWNLOADS": "never",
        "NO_PROXY": "127.0.0.1,localhost",
        **(extra or {}),
    }


async def run(*command: str, home: Path, env: Mapping[str, str] | None = None, timeout_s: float = 60) -> Ran:
    """Run a program to its end and return what it said; raise TimeoutError after `timeout_s`."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environment(home, env),
        cwd=home,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), timeout_s)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Ran(process.returncode or 0, out.decode(errors="replace"), err.decode(errors="replace"))


async def pip_install(index_url: str, target: Path, *requirements: str, home: Path) -> Ran:
    """Install into a folder with pip."""
    python = (sys.executable, "-m", "pip", "install", "--isolated", "--index-url", index_url)
    return await run(*python, "--target", str(target), *requirements, home=home)


async def uv_install(index_url: str, target: Path, *requirements: str, home: Path) -> Ran:
    """Install into a folder with uv."""
    uv = ("uv", "pip", "install", "--default-index", index_url)
    return await run(*uv, "--target", str(target), *requirements, home=home)
