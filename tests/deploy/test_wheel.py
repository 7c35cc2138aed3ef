"""U15: the wheel that is built here installs and runs without a clone, by pipx and uvx; the shell completes words."""

import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.config.load import Request, load
from tests.support.clients import Clients
from tests.support.gateway import Gateway

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.network, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "proxy", folder / "proxy", ignore=shutil.ignore_patterns("__pycache__"))
    built = subprocess.run(
        ["pip", "wheel", "-q", "--no-deps", "-w", "dist", "."],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    (file,) = (folder / "dist").glob("feedgate-*.whl")
    return file


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    """A server that passes on what this host's pip installs from: what the wheel needs comes through it."""
    (tmp_path / "config.toml").write_text('[feeds.pypi]\nkind = "pypi"\n')
    feed = load(Request(None, dict(os.environ), tmp_path)).settings.feeds["pypi"]
    async with Gateway(tmp_path, feed, environ=dict(os.environ)) as running:
        running.is_swept = False
        yield running


@pytest.mark.parametrize(
    "runner", [("uvx", "--from"), ("pipx", "run", "--spec")], ids=lambda words: str(words[0])
)
async def test_the_wheel_runs_without_a_clone(
    wheel: Path, gateway: Gateway, tmp_path: Path, runner: tuple[str, ...]
) -> None:
    index = gateway.index()
    clients = Clients(
        tmp_path / "home", {"UV_DEFAULT_INDEX": index, "PIP_INDEX_URL": index, "UV_HTTP_TIMEOUT": "100"}
    )
    run = (*runner, str(wheel), "feedgate")
    ran = await clients.run(*run, "init", "--two-feeds", timeout_s=300)
    assert ran.code == 0, ran.text
    ran = await clients.run(*run, "check-config", "--json", timeout_s=300)
    assert ran.code == 0, ran.text
    assert '"feeds.pypi-approved.curated_from"' in ran.out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_the_shell_completes_commands(tmp_path: Path, shell: str) -> None:
    # Else the shell is the one that is found among the ancestors of this process, if there is one.
    clients = Clients(tmp_path / "home", {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"})
    shown = await clients.run("feedgate", "--show-completion", shell)
    assert shown.code == 0 and "_FEEDGATE_COMPLETE" in shown.out, shown.text
    asked = {
        "bash": {"COMP_WORDS": "feedgate check", "COMP_CWORD": "1"},
        "zsh": {"_TYPER_COMPLETE_ARGS": "feedgate check"},
        "fish": {"_TYPER_COMPLETE_ARGS": "feedgate check", "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }[shell]
    told = await clients.told(_FEEDGATE_COMPLETE=f"complete_{shell}", **asked).run("feedgate")
    assert "check-config" in told.out, told.text
