"""What was revoked comes back only on purpose: no closure and no spec approves it again in passing."""

from typing import Any

import pytest

from tests.approval.desk import Desk
from tests.support.wheels import sdist, wheel

LINUX: dict[str, Any] = {"include_dependencies": True, "platforms": ["linux-64"], "python_versions": ["3.12"]}
LEAF1, LEAF2 = "leaf-1.0-py3-none-any.whl", "leaf-2.0-py3-none-any.whl"
DEMO2 = "demo-2.0-py3-none-any.whl"


async def tried(desk: Desk, *specs: str, **body: Any) -> dict[str, Any]:
    """Return the answer to a dry run, which the real one must be the same as."""
    dry = await desk.order(*specs, dry_run=True, **body)
    real = await desk.order(*specs, **body)
    assert (dry.status == 200, dry.status >= 400) == (real.status == 201, real.status >= 400)
    assert dry.json()["artifacts"] == real.json()["artifacts"]
    document: dict[str, Any] = real.json()
    return document


async def test_a_closure_takes_another_version_in_place_of_a_revoked_one(desk: Desk) -> None:
    desk.index.add(sdist("leaf", "2.0"))
    await desk.start()
    await desk.promote("demo", **LINUX)
    await desk.revoke(LEAF2, "CVE-2026-7")
    document = await tried(desk, "demo", **LINUX)
    states = {item["artifact"]: item["state"] for item in document["artifacts"]}
    assert states == {DEMO2: "already", LEAF1: "new"}


@pytest.mark.parametrize("body", [LINUX, {}], ids=["closure", "spec"])
async def test_where_only_the_revoked_one_is_left_its_reason_is_told(
    desk: Desk, body: dict[str, Any]
) -> None:
    desk.index.add(wheel("app", "1.0", requires=["leaf==2.0"]), wheel("leaf", "3.0"))
    await desk.start()
    await desk.promote(artifacts=[LEAF2])
    await desk.revoke(LEAF2, "CVE-2026-7")
    document = await tried(desk, "app" if body else "leaf >=2,<3", **body)
    (why,) = document["artifacts"]
    assert (why["artifact"], why["outcome"], why["rule"]) == (LEAF2, "revoked", "approval")
    assert "CVE-2026-7" in why["reason"]
    assert (await desk.approvals(state="active")) == {}


async def test_who_names_the_file_or_its_exact_version_approves_it_anew(desk: Desk) -> None:
    desk.index.add(wheel("app", "1.0", requires=["leaf==2.0"]))
    await desk.start()
    await desk.promote(artifacts=[LEAF2])
    await desk.revoke(LEAF2, "CVE-2026-7")
    for specs, artifacts in ((("app", "leaf==2.0"), []), (("app",), [LEAF2]), (("leaf ==2.0",), [])):
        got = await desk.order(*specs, artifacts=artifacts, dry_run=True, **LINUX)
        assert got.status == 200, got.body
        (item,) = [each for each in got.json()["artifacts"] if each["artifact"] == LEAF2]
        assert (item["state"], item["revoked"]) == ("new", "CVE-2026-7")
    document = await desk.promote(artifacts=[LEAF2])
    assert document["artifacts"][0]["revoked"] == "CVE-2026-7"
    assert (await desk.file(LEAF2)).status == 200
    document = await desk.promote("app", **LINUX)
    assert not any("revoked" in item for item in document["artifacts"])


async def test_a_spec_means_what_was_not_revoked_of_a_version_that_is_approved(desk: Desk) -> None:
    await desk.start()
    await desk.promote("demo")
    await desk.revoke("demo-2.0.tar.gz", "wheels only")
    document = await tried(desk, "demo")
    assert [(item["artifact"], item["state"]) for item in document["artifacts"]] == [(DEMO2, "already")]
    await desk.revoke(DEMO2, "CVE-2026-8")
    document = await tried(desk, "demo")
    assert {item["version"] for item in document["artifacts"]} == {"1.0"}
