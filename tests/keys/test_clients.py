"""Closed feeds with real clients: pip, uv, py-rattler, with the key in every place where they keep one."""

import json
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest
import rattler
from rattler import Channel, Gateway, SourceConfig
from rattler.networking import AuthenticationMiddleware, Client

from tests.keys.house import BAD, House
from tests.support.apps import App
from tests.support.clients import Clients

WHEEL = "demo-1.0-py3-none-any.whl"


@pytest.fixture
def clients(tmp_path: Path) -> Clients:
    return Clients(tmp_path / "home")


def with_user(url: str, key: str, user: str = "__token__") -> str:
    return url.replace("://", f"://{user}:{key}@")


def index(built: House) -> str:
    return built.gateway.index("closed")


# -- pip and uv ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["reader", "given", "everywhere", "admin"])
async def test_pip_installs_with_the_key_in_the_url(built: House, clients: Clients, key: str) -> None:
    got = await clients.download(with_user(index(built), built.keys[key]), "demo")
    assert list(got.files) == [WHEEL], got.ran.text


async def test_pip_installs_with_netrc(built: House, clients: Clients) -> None:
    write_netrc(clients, built, built.keys["reader"])
    got = await clients.download(index(built), "demo")
    assert list(got.files) == [WHEEL], got.ran.text


async def test_uv_installs_with_the_key_in_the_url(built: House, clients: Clients) -> None:
    got = await clients.install(with_user(index(built), built.keys["reader"]), "demo")
    assert got.versions == {"demo": "1.0"}, got.ran.text


async def test_uv_installs_with_netrc_and_with_its_own_variables(built: House, clients: Clients) -> None:
    write_netrc(clients, built, built.keys["reader"])
    got = await clients.install(index(built), "demo")
    assert got.versions == {"demo": "1.0"}, got.ran.text
    told = clients.elsewhere("second").told(
        UV_INDEX_FEED_USERNAME="__token__", UV_INDEX_FEED_PASSWORD=built.keys["reader"], UV_DEFAULT_INDEX=""
    )
    ran = await told.uv(
        "pip", "install", "--index", f"feed={index(built)}", "--target", str(told.home / "t"), "demo"
    )
    assert ran.code == 0, ran.text


@pytest.mark.parametrize("key", [None, "expired", "revoked", "stranger", BAD[0]])
async def test_clients_without_a_good_key_get_nothing_and_are_told_no_key(
    built: House, clients: Clients, key: str | None
) -> None:
    value = built.keys.get(key, key) if key is not None else None
    url = with_user(index(built), value) if value is not None else index(built)
    built.origin.forget()
    pip = await clients.download(url, "demo")
    uv = await clients.install(url, "demo")
    assert (pip.files, uv.versions) == ({}, {})
    assert pip.ran.code != 0
    assert uv.ran.code != 0
    assert value is None or value not in pip.ran.text + uv.ran.text
    assert built.origin.requests == []


def write_netrc(clients: Clients, built: House, key: str) -> None:
    netrc = clients.home / ".netrc"
    netrc.write_text(f"machine {urlsplit(built.gateway.url).hostname} login __token__ password {key}\n")
    netrc.chmod(0o600)


# -- py-rattler ------------------------------------------------------------------------------------------------

PLATFORMS: Final = ("linux-64", "noarch")
FORMS = {
    "shards": SourceConfig(sharded_enabled=True),
    "zst": SourceConfig(sharded_enabled=False, zstd_enabled=True, bz2_enabled=False),
}


async def names(url: str, cache: Path, client: Client | None = None, form: str = "shards") -> list[str]:
    gateway = Gateway(cache_dir=cache, default_config=FORMS[form], client=client)
    found = await gateway.query([Channel(url)], PLATFORMS, ["tool"], recursive=False)
    return sorted(f"{each.subdir}/{each.file_name}" for answer in found for each in answer)


TOOLS = ["linux-64/tool-1.0-0.conda", "noarch/tool-1.0-0.conda"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("place", ["/conda/t/{key}/c-closed", "/t/{key}/conda/c-closed"])
async def test_rattler_reads_with_the_key_in_the_path(
    built: House, tmp_path: Path, place: str, form: str
) -> None:
    url = built.gateway.url + place.format(key=built.keys["reader"])
    assert await names(url, tmp_path / "cache", form=form) == TOOLS


@pytest.mark.parametrize("place", ["/conda/t/{key}/c-closed", "/t/{key}/conda/c-closed"])
async def test_rattler_installs_with_the_key_in_the_path(built: House, tmp_path: Path, place: str) -> None:
    await assert_installs(built.gateway.url + place.format(key=built.keys["reader"]), tmp_path)


async def test_rattler_installs_with_user_and_password_in_the_url(built: House, tmp_path: Path) -> None:
    await assert_installs(
        with_user(built.gateway.url, built.keys["reader"], "api") + "/conda/c-closed", tmp_path
    )


@pytest.mark.parametrize(
    "stored",
    [
        {"BasicHTTP": {"username": "api", "password": "{key}"}}, {"BearerToken": "{key}"}, {"CondaToken": "{key}"},
    ],
    ids=lambda stored: next(iter(stored)),
)  # fmt: skip
async def test_rattler_installs_with_its_stored_keys(
    built: House, tmp_path: Path, stored: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = json.dumps({urlsplit(built.gateway.url).hostname: stored}).replace("{key}", built.keys["reader"])
    (tmp_path / "auth.json").write_text(text)
    monkeypatch.setenv("RATTLER_AUTH_FILE", str(tmp_path / "auth.json"))
    await assert_installs(
        f"{built.gateway.url}/conda/c-closed", tmp_path, Client([AuthenticationMiddleware()])
    )


async def assert_installs(url: str, folder: Path, client: Client | None = None) -> None:
    gateway = Gateway(cache_dir=folder / "repodata", default_config=FORMS["shards"], client=client)
    found = await rattler.solve([Channel(url)], ["real"], gateway=gateway, platforms=PLATFORMS)
    await rattler.install(
        found,
        target_prefix=folder / "prefix",
        cache_dir=folder / "packages",
        client=client,
        show_progress=False,
    )
    assert [path.name for path in (folder / "prefix" / "conda-meta").glob("*.json")] == ["real-1.0-0.json"]


@pytest.mark.parametrize("key", [None, "expired", "stranger", BAD[0]])
async def test_rattler_without_a_good_key_gets_nothing(built: House, tmp_path: Path, key: str | None) -> None:
    value = built.keys.get(key, key) if key is not None else None
    url = f"{built.gateway.url}/conda/{f't/{value}/' if value is not None else ''}c-closed"
    built.origin.forget()
    with pytest.raises(Exception, match=r"40[14]|not found|authentication|noarch"):
        await names(url, tmp_path / "cache")
    assert built.origin.requests == []


# -- poetry and pdm --------------------------------------------------------------------------------------------


async def test_poetry_and_pdm_lock_with_their_own_ways_to_keep_a_key(
    built: House, clients: Clients, tmp_path: Path
) -> None:
    key = built.keys["reader"]
    told = clients.told(
        POETRY_HTTP_BASIC_FEED_USERNAME="__token__", POETRY_HTTP_BASIC_FEED_PASSWORD=key, PDM_PYPI_USERNAME="__token__",
        PDM_PYPI_PASSWORD=key,
    )  # fmt: skip
    for tool in ("poetry", "pdm"):
        app = App.made(tmp_path / tool, index(built), told, "demo")
        ran = await app.lock(tool)
        assert ran.code == 0, ran.text
        assert key not in "".join(path.read_text() for path in app.folder.glob("*.lock"))
        denied = await App.made(
            tmp_path / f"{tool}-none", index(built), clients.elsewhere(tool), "demo"
        ).lock(tool)
        assert denied.code != 0
