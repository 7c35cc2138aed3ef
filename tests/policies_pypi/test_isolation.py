"""What one feed holds is nothing to another (case D13); a policy that cannot be evaluated hides (case D12)."""

from dataclasses import replace
from pathlib import Path

import pytest

from proxy.policy.judge import Judge
from proxy.policy.settings import Policy
from tests.policies_pypi.roads import ROADS, agreed, assert_refused, by_json, place
from tests.support.gateway import Gateway, feed, upstream
from tests.support.index import FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import sdist, wheel

WHEEL = "secret-1.0-py3-none-any.whl"


@pytest.mark.parametrize("policy", [None, "p"])
async def test_a_private_source_s_file_is_unknown_to_a_feed_without_that_source(
    origin: Origin, tmp_path: Path, index: FakeIndex, policy: str | None
) -> None:
    async with Origin() as inside:
        private = FakeIndex(inside)
        private.add(wheel("secret", "1.0"), wheel("shared", "1.0", payload=9))
        index.add(wheel("demo", "1.0"), wheel("shared", "1.0"))
        own = feed(upstream(private.url, "inside", private=True), name="own")
        public = feed(upstream(index.url), name="public", policy=policy)
        async with Gateway(tmp_path, own, public, policies=[Policy("p")]) as gateway:
            held = await gateway.get(place(private, WHEEL, "own"))
            assert held.status == 200
            digest = private.file(WHEEL).sha256
            never = f"{'0' * 64}"
            for path in (
                place(private, WHEEL, "public"),
                f"/pypi/public/files/{digest}/{WHEEL}",
                f"/pypi/public/files/{digest}/demo-1.0-py3-none-any.whl",
                f"/pypi/public/packages/{digest}/{WHEEL}",
            ):
                for road in ROADS:
                    got = await road.ask(gateway, path)
                    assert_refused(got, road.name)
                    assert got.status == 404
                    other = await road.ask(gateway, path.replace(digest, never))
                    assert (other.status, other.headers.keys()) == (got.status, got.headers.keys())
            assert digest.encode() not in (await gateway.get("/pypi/public/simple/secret/")).body
            # The same file name in both, with other bytes: each feed gives its own.
            shared = "shared-1.0-py3-none-any.whl"
            mine = await gateway.get(place(private, shared, "own"))
            theirs = await gateway.get(place(index, shared, "public"))
            assert (mine.body, theirs.body) == (
                private.file(shared).built.data,
                index.file(shared).built.data,
            )
            assert (await gateway.get(place(private, shared, "public"))).status == 404


async def test_a_file_that_another_feed_has_cached_is_judged_by_the_feed_that_is_asked(
    tmp_path: Path, index: FakeIndex
) -> None:
    index.add(wheel("demo", "1.0"), wheel("demo", "2.0"))
    free, strict = (
        feed(upstream(index.url), name="free"),
        feed(upstream(index.url), name="strict", policy="p"),
    )
    async with Gateway(tmp_path, free, strict, policies=[Policy("p", block=("demo <2",))]) as gateway:
        one = "demo-1.0-py3-none-any.whl"
        for suffix in ("", ".metadata"):
            assert (await gateway.get(place(index, one, "free") + suffix)).status == 200
        for road in ROADS:
            assert_refused(await road.ask(gateway, place(index, one, "strict")), road.name)
        assert await agreed(gateway, index, "demo", "strict") == {"demo-2.0-py3-none-any.whl"}


async def test_what_cannot_be_compared_is_hidden(tmp_path: Path, index: FakeIndex) -> None:
    odd = replace(sdist("demo", "1.0"), filename="demo-1.0weird.tar.gz")
    index.add(odd, wheel("demo", "3.0"))
    async with Gateway(
        tmp_path, feed(upstream(index.url), policy="p"), policies=[Policy("p", block=("demo <2",))]
    ) as gateway:
        assert {path.rpartition("/")[2] for path in await by_json(gateway, "demo")} == {
            "demo-3.0-py3-none-any.whl"
        }
        told = (await gateway.get(place(index, odd.filename))).json()
        assert (told["type"], told["rule"]) == ("urn:feedgate:blocked", "error")


async def test_below_a_path_prefix_the_same_is_refused(tmp_path: Path, index: FakeIndex) -> None:
    index.add(wheel("demo", "1.0"), wheel("demo", "2.0"), wheel("evil", "1.0"))
    settings = feed(upstream(index.url), policy="p")
    policies = [Policy("p", block=("demo <2", "evil"))]
    async with Gateway(tmp_path, settings, policies=policies, path_prefix="/mirror") as gateway:
        assert gateway.url.endswith("/mirror")
        blocked = place(index, "demo-1.0-py3-none-any.whl")
        for road in ROADS:
            assert_refused(await road.ask(gateway, blocked), road.name)
        assert await agreed(gateway, index, "demo") == {"demo-2.0-py3-none-any.whl"}
        assert (await gateway.get("/pypi/pypi/simple/evil/")).status == 404
        for path in (f"/mirror{blocked}", f"/mirror/..{blocked}", f"/..{blocked}"):
            assert (await gateway.get(path)).status in (400, 403, 404)


@pytest.mark.parametrize("broken", ["judge_name", "start"])
async def test_a_policy_that_fails_hides(
    tmp_path: Path, index: FakeIndex, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a fault of the program")

    index.add(wheel("demo", "1.0"))
    settings = feed(upstream(index.url), policy="p")
    async with Gateway(tmp_path, settings, policies=[Policy("p")]) as gateway:
        assert (await gateway.get(place(index, "demo-1.0-py3-none-any.whl"))).status == 200
        monkeypatch.setattr(Judge, broken, fail)
        gateway.reload(policies=[Policy("p", keep_versions=1)])
        for road in ROADS:
            got = await road.ask(gateway, place(index, "demo-1.0-py3-none-any.whl"))
            assert got.status == 403, road.name
        assert await by_json(gateway, "demo") == set()
