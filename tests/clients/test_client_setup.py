"""U15: `feedgate client setup` writes a client's own file, and the real client then installs from the feed alone."""

import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from tests.support.clients import Clients, Ran, installed
from tests.support.gateway import Gateway, feed, upstream
from tests.support.index import FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel

ADMIN = "the-admin-key-of-the-test"
READER = "a-reader-key-of-the-test"
BOTH = {"demo": "1.0", "leaf": "2.0"}
PROJECT = (
    '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["demo"]\n'
    "[tool.pdm]\ndistribution = false\n"
)
#: client -> what stood in its file, with a road around the feed and a line that stays.
FORMER = {
    "pip": (
        "[global]\n# ours\ntimeout = 20\nextra-index-url = https://elsewhere.invalid/simple\n"
        "index_url: https://elsewhere.invalid/a\n[install]\nextra_index_url =\n    https://elsewhere.invalid/b\n"
        "--extra-index-url = https://elsewhere.invalid/c\n"
    ),
    "uv": (
        '# ours\nconcurrent-builds = 2\n\n[[index]]\nurl = "https://elsewhere.invalid/simple"\n'
        '[pip]\nextra-index-url = ["https://elsewhere.invalid/b"]\nprerelease = "disallow"\n'
    ),
    "pdm": (
        '# ours\n[pypi]\nurl = "https://elsewhere.invalid/simple"\nverify_ssl = false\npassword = "of-elsewhere"\n'
        'ignore_stored_index = true\n[venv]\nin_project = false\n[pypi.more]\nurl = "https://elsewhere.invalid/b"\n'
    ),
}
FILES = {"pip": "config/pip/pip.conf", "uv": "config/uv/uv.toml", "pdm": "config/pdm/config.toml"}


@pytest.fixture
async def gateway(origin: Origin, tmp_path: Path) -> AsyncIterator[Gateway]:
    index = FakeIndex(origin)
    index.add(wheel("demo", "1.0", requires=["leaf>=2"]))
    index.add(wheel("leaf", "2.0"))
    feeds = [feed(upstream(index.url), name=name, anonymous=name == "pypi") for name in ("pypi", "shut")]
    async with Gateway(tmp_path, *feeds, admin_key=ADMIN) as running:
        body = orjson.dumps(
            {"name": "reader", "grants": [{"feed": "shut", "rights": ["read"]}], "value": READER}
        )
        made = await running.get(
            "/api/v1/keys", method="POST", body=body, X_ApiKey=ADMIN, Content_Type="application/json"
        )
        assert made.status == 201, made.body
        yield running


async def set_up(clients: Clients, gateway: Gateway, *words: str) -> Ran:
    return await clients.told(FEEDGATE_SERVER=gateway.url).run("feedgate", "client", "setup", *words)


async def used(clients: Clients, client: str) -> tuple[Ran, dict[str, str]]:
    """Install with the client as it now is, without a word of the index."""
    here = clients.home / f"here-{client}"
    if client == "pip":
        ran = await clients.run("pip", "install", "--retries", "0", "--target", str(here), "demo")
    elif client == "uv":
        ran = await clients.run(
            "uv", "pip", "install", "--python", sys.executable, "--target", str(here), "demo"
        )
    else:
        here.mkdir(exist_ok=True)
        (here / "pyproject.toml").write_text(PROJECT)
        env = await clients.venv(str(here / "env"))
        ran = await clients.told(VIRTUAL_ENV=str(env)).pdm("install", "-p", str(here))
    return ran, installed(here)


@pytest.mark.parametrize(("name", "former"), [("pypi", True), ("shut", False)])
async def test_the_client_installs_from_the_feed_alone(
    gateway: Gateway, clients: Clients, name: str, former: bool
) -> None:
    home = clients.home
    clients = clients.told(PIP_CONFIG_FILE=str(home / FILES["pip"]), UV_NO_CONFIG="false")
    key = ("--key", READER) if name == "shut" else ()
    for client, place in FILES.items():
        file = home / place
        if former:
            file.parent.mkdir(parents=True)
            file.write_text(FORMER[client])
        ran = await set_up(clients, gateway, client, "--feed", name, "--yes", *key)
        assert ran.code == 0, ran.text
        # What would change is shown first, without the key.
        assert f"wrote {file}" in ran.out
        assert f"/pypi/{name}/simple/" in ran.out.partition("wrote")[0] and READER not in ran.text
        text = file.read_text()
        assert "elsewhere" not in text
        if former:
            assert "# ours" in text
            assert file.with_name(f"{file.name}.before-feedgate").read_text() == FORMER[client]
        else:
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
        ran, found = await used(clients, client)
        assert (ran.code, found) == (0, BOTH), (client, ran.text)


async def test_nothing_is_written_unless_it_is_agreed_to(gateway: Gateway, clients: Clients) -> None:
    for words in ((), ("--dry-run",), ("--json",)):
        ran = await set_up(clients, gateway, "uv", "--feed", "pypi", *words)
        assert ran.code == 0 and "/pypi/pypi/simple/" in ran.out, ran.text
    # What counts beside the file, and a word of pip's that is no file.
    told = clients.told(PIP_EXTRA_INDEX_URL="https://elsewhere.invalid/", PIP_CONFIG_FILE="")
    ran = await set_up(told, gateway, "pip", "--feed", "pypi", "--dry-run")
    assert "PIP_EXTRA_INDEX_URL of this shell still counts" in ran.err
    ran = await set_up(clients.told(PIP_CONFIG_FILE="/dev/null"), gateway, "pip", "--feed", "pypi", "--yes")
    assert (ran.code, stat.S_ISCHR(Path("/dev/null").stat().st_mode)) == (1, True) and "no file" in ran.err
    refused = {
        ("uv", "--feed", "shut"): "needs a key",
        ("uv", "--feed", "shut", "--key", READER, "--yes", "--server", "http://127.0.0.1:1"): "127.0.0.1:1",
        ("conda", "--feed", "pypi"): "no feed for this client",
        ("yarn", "--feed", "pypi"): "yarn",
    }
    for asked, words_told in refused.items():
        ran = await set_up(clients, gateway, *asked)
        assert ran.code in (1, 2) and words_told in ran.err and "Traceback" not in ran.text, ran.text
    assert not (clients.home / FILES["uv"]).exists()
    # pip's word for "no file": even as root it is not written over.
    ran = await set_up(
        clients.told(PIP_CONFIG_FILE="/dev/null"), gateway, "pip", "--feed", "pypi", "--dry-run"
    )
    assert ran.code == 1 and "/dev/null is no file" in ran.err and len(ran.err.splitlines()) == 1, ran.text


@pytest.mark.parametrize(
    ("client", "text"), [("uv", "= no toml"), ("pip", "no section"), ("conda", "a: ["), ("conda", "[" * 5000)]
)
async def test_a_file_that_cannot_be_read_is_left_as_it_is(
    clients: Clients, tmp_path: Path, client: str, text: str
) -> None:
    config = tmp_path / "config.toml"
    config.write_text(
        '[feeds.pypi]\nkind = "pypi"\n[feeds.forge]\nkind = "conda"\nupstreams = ["https://c.example/x"]\n'
    )
    place = {**FILES, "conda": ".condarc"}[client]
    file = clients.home / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    clients = clients.told(PIP_CONFIG_FILE=str(clients.home / FILES["pip"]))
    name = "forge" if client == "conda" else "pypi"
    ran = await clients.run(
        "feedgate", "client", "setup", client, "--feed", name, "--yes", "--config", str(config)
    )
    assert ran.code == 1 and str(file) in ran.err and len(ran.err.splitlines()) == 1, ran.text
    assert file.read_text() == text


async def test_conda_and_pixi_get_the_feed_as_their_only_channel(clients: Clients, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[feeds.forge]\nkind = "conda"\nupstreams = ["https://channel.example/x"]\n')
    condarc = clients.home / ".condarc"
    condarc.write_text("# ours\nauto_activate: false\nchannels:\n  - defaults\n  - bioconda\n")
    for client in ("conda", "mamba", "pixi"):
        ran = await clients.run(
            "feedgate", "client", "setup", client, "--feed", "forge", "--yes", "--config", str(config)
        )
        assert ran.code == 0, ran.text
    url = "http://127.0.0.1:8080/conda/forge/"
    told: dict[str, Any] = yaml.safe_load(condarc.read_text())
    assert told == {
        "auto_activate": False, "channels": [url], "default_channels": [url], "channel_priority": "strict",
    }  # fmt: skip
    assert "# ours" in condarc.read_text()
    assert f'default-channels = ["{url[:-1]}"]' in (clients.home / ".pixi/config.toml").read_text()


async def test_what_people_had_is_kept_through_a_second_setup(gateway: Gateway, clients: Clients) -> None:
    file = clients.home / FILES["uv"]
    file.parent.mkdir(parents=True)
    file.write_text("# ours\n")
    for words in (("pypi", "--yes"), ("shut", "--yes", "--key", READER)):
        ran = await set_up(clients, gateway, "uv", "--feed", *words)
        assert ran.code == 0, ran.text
    assert "what was there is in uv.toml.before-feedgate-2" in ran.out
    assert file.with_name("uv.toml.before-feedgate").read_text() == "# ours\n"
    assert "/pypi/pypi/" in file.with_name("uv.toml.before-feedgate-2").read_text()
