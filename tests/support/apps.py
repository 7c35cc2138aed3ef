"""An application that depends on packages: one folder whose `pyproject.toml` serves uv, Poetry and PDM alike.

    app = App.made(tmp_path / "app", gateway.index(), clients, "demo>=1")
    ran = await app.uv("lock")
    assert app.installed("uv") == {"demo": "1.0"}

Each tool has a virtual environment of its own beside the file.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from tests.support.clients import Clients, Ran, installed

TOOLS = ("uv", "poetry", "pdm")

_PYPROJECT = """\
[project]
name = "app"
version = "1"
requires-python = ">=3.11"
dependencies = [{dependencies}]

[tool.poetry]
package-mode = false

[[tool.poetry.source]]
name = "feed"
url = "{url}"
priority = "primary"

[tool.pdm]
distribution = false

[[tool.pdm.source]]
name = "pypi"
url = "{url}"
verify_ssl = false
"""


@dataclass(frozen=True, slots=True)
class App:
    """The application's folder, and on whose machine it is worked on."""

    folder: Path
    index_url: str
    clients: Clients

    @classmethod
    def made(cls, folder: Path, index_url: str, clients: Clients, *requirements: str) -> "App":
        """Write the application's `pyproject.toml`."""
        folder.mkdir(parents=True)
        dependencies = ", ".join(f'"{requirement}"' for requirement in requirements)
        text = _PYPROJECT.format(dependencies=dependencies, url=index_url)
        (folder / "pyproject.toml").write_text(text)
        return cls(folder, index_url, clients)

    def on(self, clients: Clients) -> "App":
        """Return the same application on another machine."""
        return replace(self, clients=clients)

    async def uv(self, *arguments: str) -> Ran:
        """Run uv in the application; the index is the only one."""
        told = self.clients.told(UV_PROJECT_ENVIRONMENT=str(self.environment("uv")))
        project = ("--project", str(self.folder), "--default-index", self.index_url)
        return await told.uv(*arguments, *project)

    async def poetry(self, *arguments: str) -> Ran:
        return await (await self._inside("poetry")).poetry("-C", str(self.folder), *arguments)

    async def pdm(self, command: str, *arguments: str) -> Ran:
        return await (await self._inside("pdm")).pdm(command, "-p", str(self.folder), *arguments)

    async def lock(self, tool: str) -> Ran:
        """Write the tool's lock file."""
        match tool:
            case "uv":
                return await self.uv("lock")
            case "poetry":
                return await self.poetry("lock")
            case _:
                return await self.pdm("lock")

    async def install(self, tool: str) -> Ran:
        """Install what the tool's lock file says."""
        match tool:
            case "uv":
                return await self.uv("sync", "--frozen")
            case "poetry":
                return await self.poetry("sync")
            case _:
                return await self.pdm("sync", "--clean")

    def locked(self, tool: str) -> dict[str, str]:
        """Return name -> version of the tool's lock file, without the application itself."""
        text = (self.folder / f"{tool}.lock").read_text()
        found = dict(re.findall(r'\[\[package]]\nname = "([^"]+)"\nversion = "([^"]+)"', text))
        found.pop("app", None)
        return found

    def installed(self, tool: str) -> dict[str, str]:
        return installed(self.environment(tool))

    def environment(self, tool: str) -> Path:
        return self.folder / f"env-{tool}"

    async def _inside(self, tool: str) -> Clients:
        environment = self.environment(tool)
        if not environment.exists():
            await self.clients.venv(str(environment))
        return self.clients.told(VIRTUAL_ENV=str(environment))
