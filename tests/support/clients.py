"""Real clients (pip, uv and whatever else is a program) run as children with an environment of their own.

Nothing of this machine's configuration reaches them: no pip or uv settings, no proxies, a home and caches
below the test's folder. Nothing they do reaches the environment that runs the tests: uv has to be told one (it
is not UV_PYTHON, which would win over VIRTUAL_ENV), and pip installs into a folder or not at all. A child that
outlives its time is killed by its own handle.

    clients = Clients(tmp_path / "home")
    got = await clients.download(gateway.index(), "demo")           # with pip
    got = await clients.install(gateway.index(), "demo")            # with uv
    fresh = clients.elsewhere("second")            # the same machine, empty caches
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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
        "UV_PYTHON_DOWNLOADS": "never",
        "PDM_CHECK_UPDATE": "0",
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
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


@dataclass(frozen=True, slots=True)
class Clients:
    """The clients on one machine: a home with their caches and lock files, and an environment."""

    home: Path
    env: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)

    def elsewhere(self, name: str) -> "Clients":
        """Return the clients on another machine: nothing is in their caches."""
        return replace(self, home=self.home.parent / name)

    def told(self, **env: str) -> "Clients":
        """Return the clients with more in their environment."""
        return replace(self, env={**self.env, **env})

    async def run(self, *command: str, timeout_s: float = 60) -> Ran:
        return await run(*command, home=self.home, env=self.env, timeout_s=timeout_s)

    async def pip(self, *arguments: str) -> Ran:
        """Run pip; it asks once and does not wait for a better answer."""
        is_elsewhere = "install" not in arguments or {"--target", "--dry-run"} & set(arguments)
        assert is_elsewhere, "pip would install into the environment that runs the tests"
        return await self.run(sys.executable, "-m", "pip", "--retries", "0", *arguments)

    async def uv(self, *arguments: str) -> Ran:
        """Run uv; it asks once and does not wait for a better answer."""
        return await self.told(UV_HTTP_RETRIES="0").run("uv", *arguments)

    async def download(self, index_url: str, *arguments: str) -> "Downloaded":
        """Download with pip into a folder that was empty."""
        folder = Path(tempfile.mkdtemp(prefix="download-", dir=self.home))
        ran = await self.pip("download", "-i", index_url, "-d", str(folder), *arguments)
        return Downloaded(ran, {file.name: file.read_bytes() for file in folder.iterdir()})

    async def compile(self, index_url: str, *requirements: str, options: Sequence[str] = ()) -> Ran:
        """Resolve with uv; what it found is on stdout, a line each."""
        file = self.home / "requirements.in"
        file.write_text("\n".join(requirements) + "\n")
        quiet = ("--no-header", "--no-annotate", "--default-index", index_url)
        return await self.uv("pip", "compile", *quiet, *options, str(file))

    async def install(self, index_url: str, *arguments: str) -> "Installed":
        """Install with uv into a folder that was empty."""
        folder = Path(tempfile.mkdtemp(prefix="install-", dir=self.home))
        where = ("--default-index", index_url, "--target", str(folder))
        ran = await self.uv("pip", "install", *where, *arguments)
        return Installed(ran, installed(folder))

    async def venv(self, name: str) -> Path:
        """Make an empty virtual environment and return its folder."""
        made = await self.run("uv", "venv", "--quiet", name)
        assert made.code == 0, made.text
        return self.home / name

    async def poetry(self, *arguments: str) -> Ran:
        return await self.run("poetry", "--no-interaction", *arguments)

    async def pdm(self, *arguments: str) -> Ran:
        return await self.run("pdm", *arguments)


@dataclass(frozen=True, slots=True)
class Downloaded:
    """What pip downloaded: file name -> bytes."""

    ran: Ran
    files: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Installed:
    """What uv installed: name -> version."""

    ran: Ran
    versions: Mapping[str, str]


def installed(environment: Path) -> dict[str, str]:
    """Return name -> version of what is installed in a virtual environment or a target folder."""
    found = {}
    for info in environment.rglob("*.dist-info"):
        name, _, version = info.name.removesuffix(".dist-info").rpartition("-")
        found[name] = version
    return found
