"""A policy that the API made: index forms and downloads follow each change at once, for conda and PyPI alike."""

from pathlib import Path

from tests.api.managed import Managed
from tests.support.channel import FakeChannel
from tests.support.clients import Clients
from tests.support.conda_packages import bare
from tests.support.index import FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel


async def statuses(server: Managed, name: str) -> tuple[int, int]:
    """Return how the page and the package of a name are answered."""
    page = await server.get(f"/pypi/team/simple/{name}/")
    package = await server.get(f"/conda/forge/linux-64/{name}-1.0-0.conda")
    return page.status, package.status


async def test_policy_made_and_changed_by_the_api_is_in_force_at_once(
    tmp_path: Path, origin: Origin, index: FakeIndex, clients: Clients
) -> None:
    channel = FakeChannel(origin)
    for name in ("demo", "other"):
        index.add(wheel(name, "1.0"))
        channel.add(bare(name))
    here = {"allow_private": True, "route": "direct"}
    async with Managed(tmp_path, "") as server:
        tag = await server.made("/policies", name="mine", block=["demo"])
        await server.made(
            "/feeds", name="team", kind="pypi", policy="mine", upstreams=[{"url": index.url, **here}]
        )
        await server.made(
            "/feeds", name="forge", kind="conda", policy="mine", subdirs=["linux-64", "noarch"],
            upstreams=[{"url": channel.url, **here}],
        )  # fmt: skip
        assert await statuses(server, "demo") == (404, 403)
        assert await statuses(server, "other") == (200, 200)
        changed = await server.ask("PUT", "/policies/mine", {"block": ["other"]}, tag=tag)
        assert changed.status == 200, changed.body
        assert await statuses(server, "demo") == (200, 200)
        assert await statuses(server, "other") == (404, 403)
        got = await clients.install(server.index("team"), "demo", "other")
        assert got.versions == {}
        assert (await clients.install(server.index("team"), "demo")).versions == {"demo": "1.0"}
        refused = await server.ask("PUT", "/policies/mine", {"block": ["x >>1"]}, tag=changed.headers["etag"])
        assert (refused.status, "block[0]" in str(refused.json()["faults"])) == (422, True)
        assert await statuses(server, "other") == (404, 403)
        await server.restart()
        assert await statuses(server, "other") == (404, 403)
