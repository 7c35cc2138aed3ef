"""Taking back what was approved, many at once: what breaks is told for each platform (conda)."""

from typing import Any

from tests.approval_conda.desk import LINUX, Desk
from tests.support.conda_packages import bare

NOARCH = "noarch/tool-1-0.conda"


async def recall(desk: Desk, *specs: str, **body: Any) -> dict[str, Any]:
    asked = {"specs": list(specs), "reason": "CVE-1", **body}
    got = await desk.send("POST", "/feeds/approved/revocations", asked)
    assert got.status == (200 if body.get("dry_run") else 201), got.body
    return {each["artifact"]: each["needs"] for each in got.json()["breaks"]}


async def test_what_breaks_is_told_for_each_platform(desk: Desk) -> None:
    desk.channel.add(
        bare("a", "1"), bare("a", "2"), bare("a", "2", subdir="osx-arm64"), bare("b", "1", depends=["a >=2"]),
        bare("c", "1", depends=["b", "__glibc >=2", "never"]),
        bare("tool", "1", subdir="noarch", noarch="generic", depends=["a"]),
    )  # fmt: skip
    await desk.begin()
    await desk.promote("a", versions="all", platforms=[])
    await desk.promote("b", "c", "tool")
    b, c = f"{LINUX}/b-1-0.conda", f"{LINUX}/c-1-0.conda"
    # Version 1 is left for the noarch package on the one platform, and nothing on the other.
    assert await recall(desk, "a 2.*[subdir='linux-64']", dry_run=True) == {b: "a >=2", c: "b"}
    assert await recall(desk, "osx-arm64/a-2-0.conda", dry_run=True) == {NOARCH: "a"}
    assert await recall(desk, "a 1.*", dry_run=True) == {}
    assert await recall(desk, "a >=2", "b") == {c: "b", NOARCH: "a"}
    assert await desk.listed() == {f"{LINUX}/a-1-0.conda", c, NOARCH}
    assert (await desk.seen(f"{LINUX}/a-2-0.conda")).status == 403
    assert (
        await desk.send("POST", "/feeds/approved/revocations", {"specs": ["a >>1"], "reason": "x"})
    ).status == 422

    # Explain says of what is left why it cannot be installed.
    for artifact, lacks in ((c, ["b", "never"]), (NOARCH, []), (f"{LINUX}/a-1-0.conda", [])):
        (item,) = (await desk.send("GET", f"/feeds/approved/explain?artifact={artifact}")).json()["items"]
        assert (item["outcome"], item["missing"]) == ("allow", lacks)
