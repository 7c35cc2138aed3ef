"""Records that say more than may be read: hidden by the rule that needs it, at no other's cost (S2, S3, S8)."""

from datetime import date
from typing import Any

import pytest

from tests.policies_conda.judged import Ruled, refused
from tests.support.conda_packages import bare

DEEP = "python " + "(" * 5000 + ">1" + ")" * 5000
SHORT_BUT_DEEP = "python " + "(" * 200 + ">1" + ")" * 200
NOTHING_OF_IT: dict[str, Any] = {"block": ["another"], "max_size": 10**9}


BAD: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "pythons": (
        {"python_versions": ["3.11"]},
        [
            {"depends": [DEEP]},
            {"depends": [SHORT_BUT_DEEP]},
            {"depends": ["zlib", DEEP]},
            {"depends": ["python 3.11 " + "1" * 20_000]},
            {"depends": ["python " + "|".join(f"3.11.{n}" for n in range(5000))]},
            {"depends": ["python " + "|".join(f"3.11.{n}" for n in range(65))]},
            {"depends": [f"python >=3.{n % 12}.{n}" for n in range(400)]},
            {"depends": [f"p{n}" for n in range(6000)]},
            {"depends": ["python >=x.y.*z"]},
        ],
    ),
    "licences": (
        {"block_licenses": ["AGPL"]},
        [
            {"license": "GPL " * 40_000},
            {"license": "MIT " * 40_000},
            {"license": "(" * 40_000},
            {"license": "MIT", "license_family": "MIT" * 40_000},
            {"license": "MIT " * 200 + "AGPL", "license_family": "MIT"},
        ],
    ),
    "specs": (
        {"block": ["bad*[license='*AGPL*']"]},
        [{"license": "MIT " * 200 + "AGPL"}, {"license": "MIT " * 40_000}],
    ),
}


@pytest.mark.parametrize("of", BAD)
async def test_records_that_cannot_be_judged_are_hidden_alone(ruled: Ruled, of: str) -> None:
    table, bad = BAD[of]
    sound: dict[str, Any] = {"depends": ["python 3.11.*"], "license": "MIT"}
    ruled.channel.add(
        bare("good", **sound), *(bare("bad", f"0.{n}", **(sound | each)) for n, each in enumerate(bad))
    )
    ruled.channel.add(bare("bad", "2.0", **sound))
    await ruled.start(**table)
    assert await ruled.shown("linux-64") == {"linux-64/good-1.0-0.conda", "linux-64/bad-2.0-0.conda"}
    got = await ruled.stand.get("linux-64/bad-0.0-0.conda")
    assert (got.status, got.json()["type"]) == (403, "urn:feedgate:blocked")
    assert len(got.json()["detail"]) < 500
    await ruled.change(**NOTHING_OF_IT)
    assert len(await ruled.shown("linux-64")) == 2 + len(bad), "rules that do not ask hide nothing"


async def test_explanation_of_a_record_that_cannot_be_judged_says_why(ruled: Ruled) -> None:
    ruled.channel.add(bare("a", depends=[DEEP]), bare("b", license="GPL " * 40_000))
    await ruled.start(python_versions=["3.11"], block_licenses=["AGPL"])
    refused(await ruled.stand.get("linux-64/a-1.0-0.conda"), "python_versions")
    refused(await ruled.stand.get("linux-64/b-1.0-0.conda"), "block_licenses")
    listed = await ruled.listed("a") | await ruled.listed("b")
    reasons = {artifact: verdict["reason"] for artifact, verdict in listed.items()}
    assert "more than can be read" in reasons["linux-64/a-1.0-0.conda"]
    assert "too long to be read" in reasons["linux-64/b-1.0-0.conda"]


async def test_closure_goes_on_beside_what_cannot_be_read(ruled: Ruled) -> None:
    ruled.channel.add(
        bare("app", depends=["lib", SHORT_BUT_DEEP, DEEP]),
        bare("lib", depends=["leaf " + "(" * 400]),
        bare("leaf"),
    )
    ruled.channel.add(bare("app", "2.0", depends=["lib"]))
    await ruled.start(only=["app"], include_dependencies=True)
    shown = await ruled.shown("linux-64")
    assert shown == {f"linux-64/{file}-0.conda" for file in ("app-1.0", "app-2.0", "lib-1.0")}


async def test_closure_goes_on_beside_versions_that_are_none(ruled: Ruled) -> None:
    sound: dict[str, Any] = {"depends": ["python 3.11.*", "lib"]}
    ruled.channel.add(
        bare("app", **sound),
        bare("app", "1..2", **sound),
        bare("app", "1.__", **sound),
        bare("lib"),
        bare("lib", "2.0", depends=["python >3.11.99", "python 3.11.é"]),
        bare("lib", "3.0", depends=["python >3.11.99,3.11._13"]),
        bare("python", "3.11.9"),
        bare("python", "1!!2"),
    )
    await ruled.start(only=["app >=1"], include_dependencies=True, python_versions=["3.11"])
    shown = await ruled.shown("linux-64")
    assert shown == {f"linux-64/{file}-0.conda" for file in ("app-1.0", "lib-1.0", "python-3.11.9")}


async def test_version_that_is_none_costs_no_other_its_place_among_the_newest(ruled: Ruled) -> None:
    ruled.channel.add(*(bare("app", version) for version in ("1.0", "1..2", "2.0")), bare("other"))
    exempt = {"spec": "app <2", "rules": ["keep_versions"], "expires": date(2099, 1, 1), "reason": "x"}
    await ruled.start(keep_versions=1, exemptions=[exempt])
    shown = await ruled.shown("linux-64")
    assert shown == {f"linux-64/{file}-0.conda" for file in ("app-1.0", "app-2.0", "other-1.0")}
