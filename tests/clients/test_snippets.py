"""U6: every line that the server gives people to paste is run by the client that it is for, as it stands.

The feed is called `pypi`, as the shipped one is: Poetry keeps that name for itself. `PACKAGE` and `YOUR-KEY` are what a
person puts in.
"""

import re
import sys
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from proxy.config.settings import Feed
from tests.support.channel import FakeChannel
from tests.support.clients import Clients, Ran, installed
from tests.support.conda_packages import bare, python
from tests.support.gateway import Gateway, feed, upstream
from tests.support.index import FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel

ADMIN = "the-admin-key-of-the-test"
READER = "a-reader-key-of-the-test"
BOTH = {"demo": "1.0", "leaf": "2.0"}
PROJECT = '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["demo"]\n'


@pytest.fixture
async def gateway(origin: Origin, tmp_path: Path) -> AsyncIterator[Gateway]:
    index = FakeIndex(origin)
    index.add(wheel("demo", "1.0", requires=["leaf>=2"]))
    index.add(wheel("leaf", "2.0"))
    feeds = [feed(upstream(index.url), name=name, anonymous=name == "pypi") for name in ("pypi", "shut")]
    async with Gateway(tmp_path, *feeds, admin_key=ADMIN) as running:
        body = {"name": "reader", "grants": [{"feed": "shut", "rights": ["read"]}], "value": READER}
        made = await running.get(
            "/api/v1/keys",
            method="POST",
            body=orjson.dumps(body),
            X_ApiKey=ADMIN,
            Content_Type="application/json",
        )
        assert made.status == 201, made.body
        yield running


@pytest.mark.parametrize("name", ["pypi", "shut"])
async def test_every_line_for_pypi_installs(
    gateway: Gateway, clients: Clients, tmp_path: Path, name: str
) -> None:
    told = await gateway.get(f"/api/v1/feeds/{name}/snippets", X_ApiKey=ADMIN)
    texts = {item["client"]: item["text"].replace("YOUR-KEY", READER) for item in told.json()["items"]}
    pasted = Pasted(clients, tmp_path)
    for client, text in texts.items():
        ran, found = await getattr(pasted, client.replace(".", "_").replace("-", "_"))(text)
        assert ran.code == 0, (client, ran.text)
        assert found == BOTH, client


class Pasted:
    """What a person does with the lines for each client, in a folder of its own."""

    def __init__(self, clients: Clients, folder: Path) -> None:
        self._clients = clients
        self._folder = folder

    async def pip(self, text: str) -> tuple[Ran, dict[str, str]]:
        return await self._shell("pip", text.replace("PACKAGE", "--target here demo"))

    async def pip_conf(self, text: str) -> tuple[Ran, dict[str, str]]:
        file = self._written("pip-conf", "pip.conf", text)
        return await self._shell("pip-conf", "pip install --target here demo", PIP_CONFIG_FILE=str(file))

    async def requirements(self, text: str) -> tuple[Ran, dict[str, str]]:
        self._written("requirements", "requirements.txt", f"{text}demo\n")
        return await self._shell("requirements", "pip install --target here -r requirements.txt")

    async def uv(self, text: str) -> tuple[Ran, dict[str, str]]:
        return await self._shell("uv", text.replace("PACKAGE", "--target here demo"))

    async def uv_pyproject(self, text: str) -> tuple[Ran, dict[str, str]]:
        self._written("uv-pyproject", "pyproject.toml", f"{PROJECT}\n{text}")
        lines = f"{_commented(text, 'export')}\nuv sync"
        return await self._shell("uv-pyproject", lines, UV_PROJECT_ENVIRONMENT="here", UV_NO_CONFIG="false")

    async def poetry(self, text: str) -> tuple[Ran, dict[str, str]]:
        self._written("poetry", "pyproject.toml", f"{PROJECT}[tool.poetry]\npackage-mode = false\n")
        return await self._shell(
            "poetry", f"uv venv -q here && export VIRTUAL_ENV=$PWD/here\n{text}\npoetry install"
        )

    async def pdm(self, text: str) -> tuple[Ran, dict[str, str]]:
        self._written("pdm", "pyproject.toml", f"{PROJECT}[tool.pdm]\ndistribution = false\n{text}")
        return await self._shell("pdm", "uv venv -q here && export VIRTUAL_ENV=$PWD/here\npdm install")

    async def dockerfile(self, text: str) -> tuple[Ran, dict[str, str]]:
        lines = re.sub(r"(?m)^ENV ", "export ", text)
        both = "pip install --target here --no-deps demo && uv pip install --target here leaf"
        return await self._shell("dockerfile", f"{lines}\n{both}")

    def _written(self, folder: str, name: str, text: str) -> Path:
        file = self._folder / folder / name
        file.parent.mkdir()
        file.write_text(text)
        return file

    async def _shell(self, name: str, lines: str, **env: str) -> tuple[Ran, dict[str, str]]:
        """Run lines in a shell that stops at the first that fails; return what is then installed in `here`."""
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        # pip of this environment; uv needs to be told one.
        clients = self._clients.elsewhere(f"home-{name}").told(UV_PYTHON=sys.executable, **env)
        ran = await clients.run("bash", "-ec", f"cd {folder}\n{lines}")
        return ran, installed(folder / "here")


def _commented(text: str, word: str) -> str:
    """Return the lines of a text that stand in comments and begin with a word."""
    return "\n".join(re.findall(rf"(?m)^#\s+({word} .*)$", text))


async def test_every_line_for_conda_leads_to_the_feed(
    origin: Origin, clients: Clients, tmp_path: Path
) -> None:
    """py-rattler's lines are run; of the tools that cannot be had here each URL is asked for what they ask first."""
    channel = FakeChannel(origin)
    channel.add(python("3.12.4"), bare("zlib", subdir="noarch", noarch="generic", depends=[]))
    forge = Feed("forge", "conda", (upstream(channel.url),))
    async with Gateway(tmp_path, forge) as gateway:
        told = await gateway.get("/api/v1/feeds/forge/snippets")
        texts = {
            item["client"]: re.sub(r"(?m)^# .*/why/.*\n", "", item["text"]) for item in told.json()["items"]
        }
        assert set(texts) == {"conda", "mamba", "pixi", "py-rattler"}
        for client, text in texts.items():
            urls = {url.rstrip("/") for url in re.findall(r"http://[^\"\s\]]+", text)}
            for url in urls - {f"{gateway.url}/conda"}:
                answer = await gateway.get(f"{url.removeprefix(gateway.url)}/noarch/repodata.json.zst")
                assert answer.status == 200, (client, url)
        # A channel of the company's own: nothing of conda-forge's is redirected to it.
        assert tomllib.loads(texts["pixi"])["workspace"]["channels"] == [f"{gateway.url}/conda/forge"]
        lines = texts["py-rattler"].replace("\n", "\n    ")
        # The library now and then crashes where Python ends beneath its threads, which is after what counts here.
        run = "print(*(str(one.name.normalized) for one in records), flush=True)\n    os._exit(0)"
        code = f"import asyncio, os\nasync def main():\n    {lines}\n    {run}\nasyncio.run(main())\n"
        ran = await clients.run(sys.executable, "-c", code)
    assert (ran.code, ran.out.split()) == (0, ["python"]), ran.text
