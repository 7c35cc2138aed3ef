"""What a spec and a file mean in a conda source: newest or all, for platforms and Pythons, with what they need."""

import asyncio
from typing import Any

import pytest

from proxy.feeds.promotion.selecting import Choice, Place, Sought, Wanted
from tests.approval_conda.desk import Desk, artifacts
from tests.support.channel import FULL
from tests.support.conda_packages import Package, bare, python, replaced

LINUX, MAC = "linux-64", "osx-arm64"
HERE = Place(LINUX, "3.11")


def py(name: str, version: str, minor: int, subdir: str = LINUX, **fields: Any) -> Package:
    depends = [f"python >=3.{minor},<3.{minor + 1}.0a0"]
    return bare(name, version, f"py3{minor}h0_0", subdir=subdir, depends=depends, **fields)


async def selected(desk: Desk, spec: str, **sought: object) -> set[str]:
    choice = await desk.selecting.select("chan", spec, Sought(**sought))  # type: ignore[arg-type]
    assert not choice.refused, choice.refused
    return set(artifacts(choice.chosen))


async def solved(desk: Desk, *specs: str, place: Place = HERE, files: tuple[str, ...] = ()) -> dict[str, str]:
    choice = await asked(desk, *specs, place=place, files=files)
    assert not choice.refused, choice.refused
    return artifacts(choice.chosen)


async def asked(desk: Desk, *specs: str, place: Place = HERE, files: tuple[str, ...] = ()) -> Choice:
    found = []
    for file in files:
        choice = await desk.selecting.find("chan", file)
        found += [each.found for each in choice.chosen]
    return await desk.selecting.solve("chan", "approved", Wanted(specs, tuple(found)), place)


# -- specs -----------------------------------------------------------------------------------------------------


async def test_newest_is_the_highest_version_with_all_its_builds(desk: Desk) -> None:
    desk.channel.add(bare("a", "1.9"), bare("a", "1.10", "0"), bare("a", "1.10", "1"), bare("ab", "3"))
    await desk.begin()
    assert await selected(desk, "a", platforms=(LINUX,)) == {
        f"{LINUX}/a-1.10-0.conda",
        f"{LINUX}/a-1.10-1.conda",
    }
    assert await selected(desk, "a <1.10", platforms=(LINUX,)) == {f"{LINUX}/a-1.9-0.conda"}
    assert await selected(desk, "a=1.10=1", platforms=(LINUX,)) == {f"{LINUX}/a-1.10-1.conda"}


async def test_all_is_every_version_that_fits(desk: Desk) -> None:
    desk.channel.add(*(bare("a", version) for version in ("1", "2", "3")))
    await desk.begin()
    found = await selected(desk, "a >=2", every=True, platforms=(LINUX,))
    assert found == {f"{LINUX}/a-2-0.conda", f"{LINUX}/a-3-0.conda"}


async def test_each_platform_and_python_gets_its_newest_and_noarch_is_everywhere(desk: Desk) -> None:
    desk.channel.add(
        py("a", "2", 12), py("a", "1", 11), py("a", "1", 12), py("a", "1", 12, MAC), py("a", "3", 12, "win-64"),
        bare("b", "1", subdir="noarch", noarch="python", depends=["python >=3.12"]),
        bare("b", "0", subdir="noarch", noarch="python", depends=["python"]),
    )  # fmt: skip
    await desk.begin()
    found = await selected(desk, "a", platforms=(LINUX, MAC), pythons=("3.11", "3.12"))
    assert found == {
        f"{LINUX}/a-2-py312h0_0.conda",
        f"{LINUX}/a-1-py311h0_0.conda",
        f"{MAC}/a-1-py312h0_0.conda",
    }
    assert await selected(desk, "b", platforms=(LINUX,), pythons=("3.12",)) == {"noarch/b-1-0.conda"}
    assert await selected(desk, "b", platforms=(LINUX,), pythons=("3.11",)) == {"noarch/b-0-0.conda"}


async def test_of_both_formats_the_one_that_clients_take_is_chosen(desk: Desk) -> None:
    desk.channel.add(bare("a"), bare("a", extension=".tar.bz2"), bare("a", "0.9", extension=".tar.bz2"))
    await desk.begin()
    assert await selected(desk, "a", platforms=(LINUX,)) == {f"{LINUX}/a-1.0-0.conda"}
    every = await selected(desk, "a", platforms=(LINUX,), every=True)
    assert every == {f"{LINUX}/a-1.0-0.conda", f"{LINUX}/a-0.9-0.tar.bz2"}


async def test_a_glob_means_names(desk: Desk) -> None:
    desk.channel.add(bare("zope.a"), bare("zope.b"), bare("other"))
    await desk.begin()
    found = await selected(desk, "zope.*", platforms=(LINUX,))
    assert found == {f"{LINUX}/zope.a-1.0-0.conda", f"{LINUX}/zope.b-1.0-0.conda"}


async def test_a_spec_that_means_nothing_is_unknown_and_a_bad_one_is_told(desk: Desk) -> None:
    desk.channel.add(bare("a"))
    await desk.begin()
    (refused,) = (await desk.selecting.select("chan", "nobody", Sought(platforms=(LINUX,)))).refused
    assert (refused.outcome, refused.what, refused.is_spec) == ("unknown", "nobody", True)
    assert LINUX in refused.reason
    assert await asyncio.to_thread(desk.selecting.fault, "a >=") is not None
    assert await asyncio.to_thread(desk.selecting.fault, "a >=1") is None


async def test_what_the_source_holds_is_refused_with_its_verdict(desk: Desk) -> None:
    desk.channel.shape = FULL
    new = bare("a", "2.0")
    desk.channel.add(bare("a"), new, bare("b", "1"))
    await desk.begin()
    assert (await desk.get(f"{LINUX}/{new.file}")).status == 200
    desk.channel.add(replaced(new, b"other" * 99))
    await desk.gateway.restart_without_cache()
    assert await selected(desk, "a", platforms=(LINUX,)) == {f"{LINUX}/a-1.0-0.conda"}
    for choice in (
        await desk.selecting.select("chan", "a >=2", Sought(platforms=(LINUX,))),
        await desk.selecting.find("chan", f"{LINUX}/a-2.0-0.conda"),
    ):
        (refused,) = choice.refused
        assert (refused.outcome, refused.what) == ("drifted", f"{LINUX}/a-2.0-0.conda")


# -- files -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "artifact", ["a-1.0-0.conda", "linux-64/a", "linux-64/a-9-0.conda", "nix-1/a-1.0-0.conda"]
)
async def test_a_file_that_is_not_there_is_unknown(desk: Desk, artifact: str) -> None:
    desk.channel.add(bare("a"))
    await desk.begin()
    (refused,) = (await desk.selecting.find("chan", artifact)).refused
    assert (refused.outcome, refused.what) == ("unknown", artifact)


async def test_a_file_is_told_with_all_that_is_pinned(desk: Desk) -> None:
    a = bare("a")
    desk.channel.add(a)
    await desk.begin()
    (chosen,) = (await desk.selecting.find("chan", f"{LINUX}/{a.file}")).chosen
    found = chosen.found
    assert (found.name, found.version, found.sha256, found.size) == ("a", "1.0", a.sha256, len(a.data))
    assert found.origin_url == f"{desk.channel.url}{LINUX}/{a.file}"
    assert found.upstream == "origin"


async def test_a_file_without_a_digest_is_fetched_and_hashed(desk: Desk) -> None:
    desk.channel.reshape(hashes=("md5",))
    a = bare("a")
    desk.channel.add(a)
    await desk.begin()
    (chosen,) = (await desk.selecting.find("chan", f"{LINUX}/{a.file}")).chosen
    assert chosen.found.sha256 is None
    hashed = await desk.selecting.hashed("chan", chosen.found)
    assert (hashed.sha256, hashed.size) == (a.sha256, len(a.data))


# -- closures --------------------------------------------------------------------------------------------------


async def test_a_closure_names_who_needs_what(desk: Desk) -> None:
    desk.channel.add(
        bare("tool", "2", subdir="noarch", noarch="python", depends=["python >=3.11", "lib >=2"]),
        bare("lib", "2"), bare("lib", "3", depends=["base", "__glibc >=2.17"]), bare("base"), bare("other"),
        python("3.11.9"), python("3.12.1"),
    )  # fmt: skip
    await desk.begin()
    assert await solved(desk, "tool") == {
        "noarch/tool-2-0.conda": "requested",
        f"{LINUX}/python-3.11.9-h0_0_cpython.conda": "needed by tool",
        f"{LINUX}/lib-3-0.conda": "needed by tool",
        f"{LINUX}/base-1.0-0.conda": "needed by lib",
    }


async def test_python_brings_pip_and_what_pip_needs(desk: Desk) -> None:
    desk.channel.add(
        python(), bare("tool", depends=["python"]),
        bare("pip", "24", subdir="noarch", noarch="python", depends=["python >=3.8", "wheel"]),
        bare("wheel", subdir="noarch", noarch="python", depends=["python"]),
    )  # fmt: skip
    await desk.begin()
    found = await solved(desk, "tool")
    assert found["noarch/pip-24-0.conda"] == "needed by python"
    assert found["noarch/wheel-1.0-0.conda"] == "needed by pip"


async def test_what_needs_no_python_brings_none(desk: Desk) -> None:
    desk.channel.add(python(), bare("tool", depends=["base"]), bare("base"))
    await desk.begin()
    assert set(await solved(desk, "tool")) == {f"{LINUX}/tool-1.0-0.conda", f"{LINUX}/base-1.0-0.conda"}


async def test_what_the_target_has_is_preferred_where_it_is_enough(desk: Desk) -> None:
    desk.channel.add(bare("tool", depends=["lib"]), bare("new", depends=["lib >=3"]), bare("lib", "2"))
    await desk.begin()
    await desk.approve(f"{LINUX}/lib-2-0.conda")
    desk.channel.add(bare("lib", "3"))
    await desk.refresh()
    assert f"{LINUX}/lib-2-0.conda" in await solved(desk, "tool")
    assert f"{LINUX}/lib-3-0.conda" in await solved(desk, "new")


async def test_what_the_target_has_serves_though_the_source_lacks_it_by_now(desk: Desk) -> None:
    desk.channel.add(bare("tool", depends=["lib"]), bare("lib", "2"))
    await desk.begin()
    await desk.approve(f"{LINUX}/lib-2-0.conda")
    desk.channel.remove(LINUX, "lib-2-0.conda", bytes_too=True)
    await desk.refresh()
    found = await solved(desk, "tool")
    assert set(found) == {f"{LINUX}/tool-1.0-0.conda", f"{LINUX}/lib-2-0.conda"}


async def test_the_solvers_words_are_told_where_nothing_fits(desk: Desk) -> None:
    desk.channel.add(bare("tool", depends=["lib >=2"]), bare("lib", "1"))
    await desk.begin()
    (refused,) = (await asked(desk, "tool")).refused
    assert (refused.outcome, refused.what) == ("unsolvable", "tool")
    assert "lib >=2" in refused.reason


async def test_what_the_source_hides_is_no_candidate(desk: Desk) -> None:
    desk.channel.shape = FULL
    lib = bare("lib", "2")
    desk.channel.add(bare("tool", depends=["lib >=2"]), lib)
    await desk.begin()
    assert (await desk.get(f"{LINUX}/{lib.file}")).status == 200
    desk.channel.add(replaced(lib, b"other" * 99))
    await desk.gateway.restart_without_cache()
    (refused,) = (await asked(desk, "tool")).refused
    assert refused.outcome == "unsolvable"


async def test_every_file_that_is_asked_for_is_made_installable(desk: Desk) -> None:
    desk.channel.add(
        bare("blas", "1", "mkl", depends=["mkl"]), bare("blas", "1", "open", depends=["openblas"]),
        bare("mkl"), bare("openblas"),
    )  # fmt: skip
    await desk.begin()
    found = await solved(desk, files=(f"{LINUX}/blas-1-mkl.conda", f"{LINUX}/blas-1-open.conda"))
    assert {path for path, why in found.items() if why == "requested"} == {
        f"{LINUX}/blas-1-mkl.conda",
        f"{LINUX}/blas-1-open.conda",
    }
    assert found[f"{LINUX}/mkl-1.0-0.conda"] == found[f"{LINUX}/openblas-1.0-0.conda"] == "needed by blas"


async def test_a_spec_means_all_builds_of_its_version_that_can_be_installed_there(desk: Desk) -> None:
    desk.channel.add(
        bare("blas", "1", "mkl", depends=["mkl"]), bare("blas", "1", "open", depends=["openblas"]),
        bare("blas", "1", "odd", depends=["nobody"]), bare("blas", "0"), bare("mkl"), bare("openblas"),
    )  # fmt: skip
    await desk.begin()
    found = await solved(desk, "blas")
    assert {path for path, why in found.items() if why == "requested"} == {
        f"{LINUX}/blas-1-mkl.conda",
        f"{LINUX}/blas-1-open.conda",
    }
    assert set(found) >= {f"{LINUX}/mkl-1.0-0.conda", f"{LINUX}/openblas-1.0-0.conda"}


async def test_a_file_for_another_place_does_not_count_there(desk: Desk) -> None:
    desk.channel.add(py("a", "1", 11), py("a", "1", 12), bare("b", subdir=MAC), python("3.12.1"))
    await desk.begin()
    files = (f"{LINUX}/a-1-py311h0_0.conda", f"{LINUX}/a-1-py312h0_0.conda", f"{MAC}/b-1.0-0.conda")
    found = await solved(desk, place=Place(LINUX, "3.12"), files=files)
    assert set(found) == {f"{LINUX}/a-1-py312h0_0.conda", f"{LINUX}/python-3.12.1-h0_0_cpython.conda"}


@pytest.mark.parametrize(
    ("platform", "depends"),
    [(LINUX, "__glibc >=2.28"), (LINUX, "__linux"), (MAC, "__osx >=11.0"), ("win-64", "__win"), (LINUX, "__cuda >=12"),
     (LINUX, "__archspec 1.* x86_64"), (LINUX, "__unix")],
)  # fmt: skip
async def test_a_foreign_platform_is_solved_for(desk: Desk, platform: str, depends: str) -> None:
    desk.channel.add(bare("tool", subdir=platform, depends=[depends]))
    await desk.begin()
    assert set(await solved(desk, "tool", place=Place(platform, "3.12"))) == {f"{platform}/tool-1.0-0.conda"}


async def test_an_old_machine_is_solved_for_first(desk: Desk) -> None:
    desk.channel.add(
        bare("tool", "2", depends=["__glibc >=2.34"]), bare("tool", "1", depends=["__glibc >=2.17"])
    )
    await desk.begin()
    assert set(await solved(desk, "tool")) == {f"{LINUX}/tool-1-0.conda"}
    assert set(await solved(desk, "tool >=2")) == {f"{LINUX}/tool-2-0.conda"}


# -- chains ----------------------------------------------------------------------------------------------------


async def test_from_a_curated_feed_the_first_origin_is_pinned(desk: Desk) -> None:
    a = bare("a")
    desk.channel.add(a)
    await desk.begin(desk.curated(), desk.curated("production", "approved"))
    await desk.approve(f"{LINUX}/{a.file}")
    (chosen,) = (await desk.selecting.find("approved", f"{LINUX}/{a.file}")).chosen
    assert (chosen.found.upstream, chosen.found.sha256) == ("origin", a.sha256)
    assert chosen.found.origin_url == f"{desk.channel.url}{LINUX}/{a.file}"
    assert chosen.found.record == desk.approval(f"{LINUX}/{a.file}").record
    (refused,) = (await desk.selecting.find("approved", f"{LINUX}/b-1.0-0.conda")).refused
    assert refused.outcome == "unknown"


# -- specs in closures -----------------------------------------------------------------------------------------


async def test_what_is_asked_for_is_the_sources_newest_whatever_the_target_has(desk: Desk) -> None:
    desk.channel.add(bare("tool", "1"))
    await desk.begin()
    await desk.approve(f"{LINUX}/tool-1-0.conda")
    desk.channel.add(bare("tool", "2"))
    await desk.refresh()
    assert set(await solved(desk, "tool")) == {f"{LINUX}/tool-2-0.conda"}


@pytest.mark.parametrize(
    "spec", ["chan::tool", "tool[subdir=linux-64]", "tool[license=mit]", "to*l", "tool >=2"]
)
async def test_a_spec_means_the_same_with_and_without_dependencies(desk: Desk, spec: str) -> None:
    desk.channel.add(bare("tool", "2", depends=["lib"]), bare("tool", "1"), bare("lib"))
    await desk.begin()
    assert await solved(desk, spec) == {
        f"{LINUX}/tool-2-0.conda": "requested",
        f"{LINUX}/lib-1.0-0.conda": "needed by tool",
    }


async def test_a_spec_that_means_nothing_there_is_unknown_in_a_closure_too(desk: Desk) -> None:
    desk.channel.add(bare("tool"))
    await desk.begin()
    (refused,) = (await asked(desk, "nobody")).refused
    assert (refused.outcome, refused.what) == ("unknown", "nobody")


@pytest.mark.parametrize("key", ["depends", "constrains"])
@pytest.mark.parametrize("depth", [200, 5000])
async def test_record_that_no_solver_may_be_given_is_left_out_of_a_solve(
    desk: Desk, key: str, depth: int
) -> None:
    deep: dict[str, Any] = {key: [f"zlib {'(' * depth}>1{')' * depth}"]}
    desk.channel.add(bare("app", depends=["lib"]), bare("lib", "1"), bare("lib", "2", **deep))
    await desk.begin()
    assert (await solved(desk, "app")).keys() == {f"{LINUX}/app-1.0-0.conda", f"{LINUX}/lib-1-0.conda"}


async def test_file_that_no_solver_may_be_given_is_refused_with_the_reason(desk: Desk) -> None:
    desk.channel.add(bare("lib", depends=[f"zlib {'(' * 200}>1{')' * 200}"]))
    await desk.begin()
    (refusal,) = (await asked(desk, files=(f"{LINUX}/lib-1.0-0.conda",))).refused
    assert refusal.outcome == "unsolvable"
    assert "too long, or nested too deep, to be read" in refusal.reason
