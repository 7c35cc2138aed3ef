"""Policies as real clients see them: the hidden is not chosen, and a file locked before is refused in words."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from proxy.policy.settings import Policy
from tests.support.apps import App
from tests.support.clients import Clients
from tests.support.gateway import Gateway, feed, upstream
from tests.support.index import HTML_ONLY, PLAIN, PUBLIC, FakeIndex, Shape
from tests.support.origin import Origin
from tests.support.wheels import wheel

MIT, GPL = (
    ("License-Expression: MIT",),
    ("Classifier: License :: OSI Approved :: GNU General Public License v3 (GPLv3)",),
)
CORP = Policy(
    "corp", platforms=("linux-64", "noarch"), python_versions=("3.11", "3.12"), block_licenses=("GPL3",),
    block=("demo ==1.5",), min_age_s=7 * 86400, unknown_license="hold", prereleases=False,
)  # fmt: skip


def filled(index: FakeIndex) -> None:
    """Six versions of which one passes: 1.0."""
    young = datetime.now(UTC) - timedelta(days=1)
    index.add(
        wheel("demo", "1.0", fields=MIT), wheel("demo", "1.5", fields=MIT), wheel("demo", "2.0", fields=GPL)
    )
    index.add(wheel("demo", "3.0", fields=MIT, tag="py3-none-win_amd64"))
    index.add(wheel("demo", "4.0", fields=MIT, requires_python="<3.11"))
    index.add(wheel("demo", "5.0", fields=MIT), uploaded_at=young)
    index.add(wheel("demo", "6.0rc1", fields=MIT))


@pytest.mark.parametrize("shape", [PUBLIC, HTML_ONLY, PLAIN], ids=["json", "html", "plain"])
async def test_pip_and_uv_choose_what_passes_every_rule(
    origin: Origin, clients: Clients, tmp_path: Path, shape: Shape
) -> None:
    index = FakeIndex(origin, shape)
    filled(index)
    settings = feed(upstream(index.url), policy="corp")
    async with Gateway(tmp_path, settings, policies=[CORP]) as gateway:
        got = await clients.download(gateway.index(), "demo")
        assert list(got.files) == ["demo-1.0-py3-none-any.whl"], got.ran.text
        ran = await clients.compile(gateway.index(), "demo")
        assert ran.out == "demo==1.0\n", ran.text
        for version in ("1.5", "2.0", "5.0"):
            got = await clients.download(gateway.index(), f"demo=={version}")
            assert got.ran.code != 0
            assert "Traceback" not in got.ran.text


@pytest.mark.parametrize("setting", ["403", "404", "empty"])
async def test_pip_and_uv_go_back_to_a_version_that_does_not_need_what_is_blocked(
    origin: Origin, clients: Clients, tmp_path: Path, setting: str
) -> None:
    index = FakeIndex(origin)
    index.add(wheel("top", "1.0"), wheel("top", "2.0", requires=["evil"]), wheel("evil", "1.0"))
    settings = feed(upstream(index.url), policy="p", blocked_project=setting)
    async with Gateway(tmp_path, settings, policies=[Policy("p", block=("evil",))]) as gateway:
        ran = await clients.compile(gateway.index(), "top")
        assert ran.out == "top==1.0\n", ran.text
        got = await clients.download(gateway.index(), "top")
        assert list(got.files) == ["top-1.0-py3-none-any.whl"], got.ran.text
        assert origin.hits(index.page_path("evil")) == 0


async def test_a_locked_file_that_is_blocked_by_now_is_refused_with_the_reason(
    origin: Origin, clients: Clients, tmp_path: Path
) -> None:
    index = FakeIndex(origin)
    index.add(wheel("demo", "1.0"))
    settings = feed(upstream(index.url), policy="p")
    async with Gateway(tmp_path, settings, policies=[Policy("p")]) as gateway:
        app = App.made(tmp_path / "app", gateway.index(), clients, "demo")
        ran = await app.lock("uv")
        assert ran.code == 0, ran.text
        ran = await app.install("uv")
        assert ran.code == 0, ran.text
        gateway.reload(policies=[Policy("p", block=("demo",))])
        elsewhere = app.on(clients.elsewhere("second"))
        ran = await elsewhere.uv("sync", "--frozen", "--reinstall")
        assert ran.code != 0
        assert "blocked by block of policy p" in " ".join(ran.text.split()), ran.text
        url = f"{gateway.url}/pypi/pypi/packages{index.file_path('demo-1.0-py3-none-any.whl')}"
        got = await clients.pip("download", "--no-deps", "--dest", str(tmp_path / "out"), url)
        assert got.code != 0
        assert "Blocked by policy" in " ".join(got.text.split()), got.text


async def test_a_package_list_installs_with_what_it_needs(
    origin: Origin, clients: Clients, tmp_path: Path
) -> None:
    index = FakeIndex(origin)
    index.add(wheel("top", "1.0", requires=["leaf"]), wheel("leaf", "1.0"), wheel("other", "1.0"))
    settings = feed(upstream(index.url), policy="p")
    policy = Policy("p", only=("top",), include_dependencies=True)
    async with Gateway(tmp_path, settings, policies=[policy]) as gateway:
        got = await clients.download(gateway.index(), "top")
        assert sorted(got.files) == ["leaf-1.0-py3-none-any.whl", "top-1.0-py3-none-any.whl"], got.ran.text
        got = await clients.download(gateway.index(), "other")
        assert got.ran.code != 0
