"""A promotion's answer does not depend on what has been looked up before: the first is the same as the fifth."""

from typing import Any

import pytest

from proxy.config.settings import Feed, Upstream
from proxy.feeds.pypi import learning, viewer
from proxy.policy.settings import Policy
from tests.approval.desk import Desk, curated
from tests.support.faults import Fault
from tests.support.gateway import feed, upstream
from tests.support.wheels import Built, sdist, wheel

LINUX: dict[str, Any] = {"include_dependencies": True, "platforms": ["linux-64"], "python_versions": ["3.12"]}
GPL = "License-Expression: GPL-3.0-only"
MIT = "License-Expression: MIT"
NO_GPL = Policy("p", block_licenses=("GPL3",))
SLOW = Fault(delay_s=0.05)


@pytest.fixture(autouse=True)
def impatient_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages do not wait for licences at all, so that what a promotion knows it has found out by itself."""
    monkeypatch.setattr(learning, "_PATIENCE_S", 0.0)


def add(desk: Desk, *built: Built, fault: Fault = SLOW) -> None:
    """List files whose licence comes slowly, or not at all."""
    desk.index.add(*built)
    for each in built:
        path = desk.index.file_path(each.filename)
        for place in (path, f"{path}.metadata"):
            desk.origin.always(place, fault)


def stack(desk: Desk) -> None:
    """An app whose newest versions are GPL, as are the newest of what it needs."""
    for version in ("4.0", "5.0"):
        add(desk, wheel("app", version, fields=[GPL]))
    add(
        desk,
        wheel("app", "3.0", requires=["library", "source"], fields=[MIT]),
        wheel("app", "2.0", fields=[MIT]),
    )
    add(desk, *(wheel("library", f"{number}.0", fields=[GPL]) for number in range(4, 14)))
    add(desk, wheel("library", "3.0", fields=[MIT]))
    add(desk, sdist("source", "2.0", fields=[GPL]), sdist("source", "1.0", fields=[MIT]))
    desk.index.reshape(json_api=False, version_json=False)


def names(document: dict[str, Any]) -> set[str]:
    return {item["artifact"] for item in document["artifacts"]}


@pytest.mark.parametrize("where", ["open", "approved", "behind"])
async def test_the_first_answer_is_the_fifth(desk: Desk, where: str) -> None:
    stack(desk)
    feeds: tuple[Feed, ...]
    if where == "behind":
        behind = feed(upstream(desk.index.url, ttl_s=0.0), name="behind", policy="p")
        feeds = behind, feed(Upstream("of-behind", feed="behind"), name="open"), curated()
    elif where == "open":
        feeds = desk.open(policy="p"), curated()
    else:
        feeds = desk.open(), curated(policy="p")
    await desk.start(*feeds, policies=(NO_GPL,))
    spec = "app <4" if where == "approved" else "app"
    tries = [await desk.order(spec, **LINUX, dry_run=True) for _ in range(5)]
    assert names(tries[0].json()) == {
        "app-3.0-py3-none-any.whl",
        "library-3.0-py3-none-any.whl",
        "source-1.0.tar.gz",
    }
    assert [each.json()["artifacts"] for each in tries] == [tries[0].json()["artifacts"]] * 5
    assert names(await desk.promote(spec, **LINUX)) == names(tries[0].json())


async def test_a_spec_without_dependencies_and_a_file_are_known_at_once_too(desk: Desk) -> None:
    stack(desk)
    await desk.start(desk.open(policy="p"), curated(), policies=(NO_GPL,))
    assert names(await desk.promote("app")) == {"app-3.0-py3-none-any.whl"}
    assert names(await desk.promote(artifacts=["library-3.0-py3-none-any.whl"])) == {
        "library-3.0-py3-none-any.whl"
    }
    assert names(await desk.promote("source", versions="all")) == {"source-1.0.tar.gz"}
    got = await desk.order(artifacts=["library-4.0-py3-none-any.whl"])
    assert [item["rule"] for item in got.json()["artifacts"]] == ["block_licenses"]


async def test_only_what_the_solver_may_take_is_looked_up(desk: Desk) -> None:
    for version in range(1, 40):
        add(desk, wheel("app", f"{version}.0", requires=["leaf <2"], fields=[MIT]))
    await desk.start(desk.open(policy="p"), curated(), policies=(NO_GPL,))
    await desk.promote("app", **LINUX)
    asked = {
        request.path.rpartition("/")[2] for request in desk.origin.requests if ".metadata" in request.path
    }
    assert asked == {"app-39.0-py3-none-any.whl.metadata", "leaf-1.0-py3-none-any.whl.metadata"}


async def test_of_few_versions_the_newest_that_is_allowed_is_kept(desk: Desk) -> None:
    stack(desk)
    await desk.start(
        desk.open(policy="p"), curated(), policies=(Policy("p", block_licenses=("GPL3",), keep_versions=1),)
    )
    assert "app-3.0-py3-none-any.whl" in names(await desk.promote("app", **LINUX))
    got = await desk.order("app ==2.0", **LINUX)
    assert (got.status, got.json()["artifacts"][0]["outcome"]) == (409, "unsolvable")


@pytest.mark.parametrize(
    ("where", "body"), [("open", LINUX), ("approved", {})], ids=["in a closure", "by the target's policy"]
)
async def test_what_could_not_be_looked_up_is_named_in_the_refusal(
    desk: Desk, where: str, body: dict[str, Any]
) -> None:
    root = wheel("app", "2.0", requires=["library"], fields=[MIT])
    add(desk, root, wheel("app", "1.0", fields=[MIT]), wheel("library", "1.0", fields=[MIT]))
    add(desk, wheel("library", "2.0", fields=[MIT]), fault=Fault(status=500))
    for path in (desk.index.api_path("library"), "/pypi/library/2.0/json"):
        desk.origin.always(path, Fault(status=500))
    policy = {"policy": "p"}
    open_, approved = (policy, {}) if where == "open" else ({}, policy)
    await desk.start(desk.open(**open_), curated(**approved), policies=(NO_GPL,))
    for _ in range(2):
        got = await desk.order("app" if body else "library", **body)
        assert got.status == 409, got.body
        (why,) = got.json()["artifacts"]
        assert why["artifact"] == "library-2.0-py3-none-any.whl"
        assert (why["outcome"], why["rule"]) == ("held", "unknown_license")
        assert why["reason"].startswith("its licence could not be looked up: ")
    desk.origin.heal()
    await desk.gateway.restart()
    assert "library-2.0-py3-none-any.whl" in names(await desk.promote("app" if body else "library", **body))


async def test_what_a_package_list_needs_is_worked_out_first(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewer, "_NEEDS_S", 0.0)
    add(desk, wheel("app", "1.0", requires=["library"]), wheel("library", "1.0"))
    policy = Policy("p", only=("app",), include_dependencies=True)
    await desk.start(desk.open(policy="p"), curated(), policies=(policy,))
    assert names(await desk.promote("app", **LINUX)) == {
        "app-1.0-py3-none-any.whl",
        "library-1.0-py3-none-any.whl",
    }
