"""What was revoked comes back only on purpose, in neither format: no closure and no spec approves it in passing."""

from typing import Any

import pytest

from proxy.feeds.conda.revocations import names_one_version
from tests.approval_conda.desk import LINUX, Desk
from tests.support.conda_packages import bare

DEPS: dict[str, Any] = {"include_dependencies": True, "python_versions": ["3.12"]}
LIB1, LIB2, OLD2 = (f"{LINUX}/{file}" for file in ("lib-1-0.conda", "lib-2-0.conda", "lib-2-0.tar.bz2"))
TOOL, NEW = f"{LINUX}/tool-1.0-0.conda", f"{LINUX}/new-1.0-0.conda"


async def revoked(desk: Desk) -> None:
    desk.channel.add(
        bare("tool", depends=["lib"]), bare("new", depends=["lib >=2"]), bare("lib", "1"), bare("lib", "2"),
        bare("lib", "2", extension=".tar.bz2"),
    )  # fmt: skip
    await desk.begin()
    await desk.approve(LIB2)
    await desk.revoke(LIB2, "CVE-2026-9")


async def test_a_closure_and_a_spec_take_another_version_in_place_of_a_revoked_one(desk: Desk) -> None:
    await revoked(desk)
    assert set(await desk.promote("tool", **DEPS)) == {TOOL, LIB1}
    assert set(await desk.promote("lib")) == {LIB1}


async def test_where_only_the_revoked_one_is_left_its_reason_is_told(desk: Desk) -> None:
    await revoked(desk)
    for specs, body in ((("new",), DEPS), (("lib >=2",), DEPS), (("lib >=2",), {})):
        for is_dry in (True, False):
            got = await desk.order(*specs, **body, dry_run=is_dry)
            assert got.status == 409, got.body
            (why,) = got.json()["artifacts"]
            assert (why["artifact"], why["outcome"], why["rule"]) == (LIB2, "revoked", "approval")
            assert "CVE-2026-9" in why["reason"]


async def test_who_names_the_file_or_its_exact_version_approves_it_anew(desk: Desk) -> None:
    await revoked(desk)
    for specs, files in ((("new", "lib ==2"), []), (("new",), [LIB2]), (("lib=2=0",), [])):
        found = await desk.promote(*specs, artifacts=files, **DEPS, dry_run=True)
        assert (found[LIB2]["state"], found[LIB2]["revoked"]) == ("new", "CVE-2026-9")
    assert set(await desk.promote(artifacts=[LIB2])) == {LIB2}
    found = await desk.promote("new", **DEPS)
    assert (found[LIB2]["state"], found[NEW]["state"]) == ("already", "new")


@pytest.mark.parametrize(
    ("spec", "is_one"),
    [("a ==1.0", True), ("a==1.0", True), ("a 1.0", True), ("a 1.0 py_0", True), ("a=1.0=py_0", True),
     ("a[fn='a-1.0-0.conda']", True), ("a[version='==1.0']", True), ("a[sha256=" + "0" * 64 + "]", True),
     ("a", False), ("a >=1", False), ("a =1.0", False), ("a=1.0", False), ("a 1.*", False), ("a ==1.*", False),
     ("a ==1.0|==2.0", False), ("a[version='>=1']", False), ("a[license=MIT]", False), ("a !=1.0", False)],
)  # fmt: skip
def test_an_exact_version_is_told_from_a_range(spec: str, is_one: bool) -> None:
    assert names_one_version(spec) is is_one
