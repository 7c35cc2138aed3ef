"""`python_versions`: which Pythons a file is for, by what it depends on or what its name says."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from proxy.policy import pypi_pythons
from proxy.policy.conda_pythons import _NUMBERS, otherwise, part, read
from proxy.policy.pypi_pythons import read as pypi_read
from tests.policy.made import conda, pypi, shown, verdict
from tests.support.cost import assert_linear


def runs(depends: list[str], *wanted: str, build: str = "0", name: str = "foo", version: str = "1.0") -> bool:
    facts = conda(f"{name} {version} {build}", depends=depends)
    return verdict({"python_versions": list(wanted)}, facts).is_visible


@pytest.mark.parametrize(
    ("spec", "wanted", "expected"),
    [
        ("python 3.3*", "3.3", True),
        ("python 3.3*", "3.4", False),
        ("python 3.3.*", "3.3", True),
        ("python >=3.6,<3.7.0a0", "3.6", True),
        ("python >=3.6,<3.7.0a0", "3.7", False),
        ("python >=3.6,<3.7.0a0", "3.5", False),
        ("python 2.7|>=3.6", "2.7", True),
        ("python 2.7|>=3.6", "3.5", False),
        ("python <3", "2.7", True),
        ("python <3", "3.6", False),
        ("python ==2.7.13", "2.7", True),
        ("python 2.7.11 0", "2.7", True),
        ("python 2.7.11 0", "3.5", False),
        ("python", "3.12", True),
        ("python >=3.9.1", "3.9", True),
        ("python >3.8.19,<3.9", "3.8", True),
        ("python >=3.13.0rc1,<3.14.0a0", "3.13", True),
        ("python 3.1.*", "3.11", False),
        ("python ==3.13.0rc1", "3.13", True),
        ("python ==3.6.77", "3.6", True),
        ("python >=3.6,<3.7.0a0|==3.7.0b1", "3.7", True),
        ("cpython >=3.9", "3.10", True),
        ("cpython >=3.9", "3.8", False),
        ("python-gil", "3.12", True),
        ("python_abi 3.11.* *_cp311", "3.11", True),
        ("python_abi 3.11.* *_cp311", "3.12", False),
        ("python_abi 3.9 *_pypy39_pp73", "3.9", True),
        ("python >=3.6,!=3.7.*", "3.7", False),
    ],
)
def test_conda_dependency_ties_a_record_to_pythons(spec: str, wanted: str, expected: bool) -> None:
    assert runs(["libgcc >=13", spec], wanted) is expected


def test_all_dependencies_on_python_must_agree() -> None:
    both = ["python >=3.6", "python <3.8"]
    assert runs(both, "3.7")
    assert not runs(both, "3.8")
    assert not runs(["python >=3.6", "python_abi 3.9.* *_cp39"], "3.8")


@pytest.mark.parametrize(
    ("build", "tag"),
    [
        ("py33_0", "3.3"), ("np19py33_0", "3.3"), ("py310h06a4308_0", "3.10"), ("py36hf484d3e_1", "3.6"),
        ("py3.9_cuda11.3_cudnn8.2.0_0", "3.9"), ("py27_0", "2.7"), ("py_0", ""), ("pyhd8ed1ab_0", ""), ("h0_0", ""),
        ("happy36_0", ""), ("py3_0", ""), ("py3123_0", ""),
    ],
)  # fmt: skip
def test_tag_of_a_build_counts_where_no_dependency_does(build: str, tag: str) -> None:
    facts = conda(f"foo 1.0 {build}", depends=["pytest", "python-dateutil"])
    assert read(part(facts), ("3.11",)) is None
    assert otherwise(facts) == tag
    assert part(conda(f"foo 1.0 {build}", depends=["pytest"])) == tag


def test_dependency_counts_before_the_tag() -> None:
    assert runs(["python >=2.7,<2.8.0a0"], "2.7", build="py36_1")
    assert not runs(["python >=2.7,<2.8.0a0"], "3.6", build="py36_1")


def test_python_itself_is_for_its_own_version() -> None:
    assert runs([], "3.11", name="python", version="3.11.4")
    assert not runs([], "3.12", name="python", version="3.11.4")
    assert not runs([], "3.1", name="python", version="3.11.4")


def test_what_needs_no_python_stays() -> None:
    assert runs([], "3.12")
    assert runs(["numpy"], "3.12", build="h123_0")


def test_dependency_that_cannot_be_read_and_no_tag_hide() -> None:
    assert not runs(["python >=x.y.*z"], "3.12")
    assert not runs(["python >=3.6", "python >=x.y.*z"], "3.12")
    assert runs(["python-dateutil >=x.y.*z"], "3.12")


@pytest.mark.parametrize(
    "spec", ["python 3.11.é", "python ~3.11.é", "python >3.11.99,3.11._13", "python ((3.11.9_.4"]
)
def test_what_looks_like_a_version_in_a_dependency_and_is_none_is_passed_over(spec: str) -> None:
    assert not runs(["python >3.11.99", spec], "3.11")
    assert runs(["python >=3.11", spec], "3.11", build="py311_0")


def test_numbers_of_a_dependency_are_found_in_linear_time() -> None:
    assert_linear(_NUMBERS.findall, lambda n: "1" * n, 5_000)
    assert _NUMBERS.findall("3.11.4 11 2.7.x1 v3.6 1.2a") == ["3.11.4", "2.7.x1", "3.6", "1.2"]


def test_dependency_that_cannot_be_read_leaves_the_tag() -> None:
    assert not runs(["python >=x.y.*z"], "3.12", build="py36_0")
    assert runs(["python >=x.y.*z"], "3.6", build="py36_0")


def test_answers_for_several_wanted_versions_need_one_only() -> None:
    assert read(("python >=3.6,<3.7.0a0",), ("3.5", "3.6")) == (True, "Python 3.6")


@pytest.mark.parametrize(
    ("tags", "wanted", "expected"),
    [
        ("py3-none-any", "3.12", True), ("py3-none-any", "2.7", False), ("py2.py3-none-any", "2.7", True),
        ("py38-none-any", "3.12", True), ("py38-none-any", "3.7", False), ("cp311-cp311-win32", "3.11", True),
        ("cp311-cp311-win32", "3.12", False), ("cp39-abi3-win32", "3.12", True), ("cp39-abi3-win32", "3.8", False),
        ("cp39-none-win32", "3.12", False), ("cp39-none-win32", "3.9", True), ("cp313-cp313t-win32", "3.13", True),
        ("pp310-pypy310_pp73-win32", "3.10", False), ("cp315-abi3t-win32", "3.16", True),
        ("cp313-abi3t-win32", "3.14", False), ("cp27-cp27mu-win32", "2.7", True),
        ("cp310.cp311-none-win32", "3.11", True), ("graalpy311-none-any", "3.11", False),
        ("cp3-none-any", "3.11", True),
    ],
)  # fmt: skip
def test_wheel_is_for_the_pythons_of_its_tags(tags: str, wanted: str, expected: bool) -> None:
    assert verdict({"python_versions": [wanted]}, pypi(f"foo-1.0-{tags}.whl"), "pypi").is_visible is expected


@pytest.mark.parametrize(
    ("requires", "wanted", "expected"),
    [
        (">=3.8", "3.12", True), (">=3.8", "3.7", False), ("<3.12", "3.12", False), (">=3.11.4", "3.11", True),
        (">=3.8,!=3.9.*", "3.9", False), (None, "3.9", True), ("", "3.9", True), ("nonsense", "3.9", True),
        ("~=3.8", "3.12", True), ("==3.8.5", "3.8", True), ("===3.11", "3.11", True), ("===3.11", "3.12", False),
        ("===3.11.4", "3.11", True), ("===3.11.*", "3.11", True), ("===3.11,<3.11", "3.11", False),
        ("===whatever", "3.11", False), ("==3.13.0rc1", "3.13", True), (">=3.11.0a1,<3.11.1rc1", "3.11", True),
        (">=3.11.0a1,<3.11.0", "3.12", False),
    ],
)  # fmt: skip
def test_requires_python_must_agree_for_wheels_and_sources(
    requires: str | None, wanted: str, expected: bool
) -> None:
    for file in ("foo-1.0-py3-none-any.whl", "foo-1.0.tar.gz"):
        found = verdict({"python_versions": [wanted]}, pypi(file, requires_python=requires), "pypi")
        assert found.is_visible is expected


def test_eggs_name_their_python() -> None:
    files = [pypi("foo-1.0-py2.7.egg", version="1.0"), pypi("foo-1.0-py3.6.egg", version="1.0")]
    assert shown({"python_versions": ["2.7"]}, files, "pypi") == ["foo-1.0-py2.7.egg"]


def test_reason_names_what_the_file_is_for() -> None:
    found = verdict({"python_versions": ["3.11"]}, conda("foo", depends=["python >=3.6,<3.7.0a0"]))
    assert found.rule == "python_versions"
    assert re.search(r"python >=3\.6,<3\.7\.0a0.*3\.11", found.reason)


def test_requires_python_that_is_too_long_to_be_read_hides() -> None:
    table = {"python_versions": ["3.11"]}
    long = ",".join(f"!=3.11.{n}" for n in range(100))
    assert not verdict(table, pypi("foo-1.0.tar.gz", requires_python=long), "pypi").is_visible
    assert verdict(table, pypi("foo-1.0.tar.gz", requires_python=long[:99]), "pypi").is_visible


_SERIES = ("2.7", "3.1", "3.8", "3.11", "3.12")
_RELEASE = st.lists(st.sampled_from([0, 1, 2, 3, 7, 8, 11, 12]), min_size=1, max_size=4).map(
    lambda parts: ".".join(map(str, [3 if parts[0] > 3 else parts[0], *parts[1:]]))
)
_SPECIFIER = st.one_of(
    st.tuples(st.sampled_from([">=", ">", "<=", "<", "==", "!="]), _RELEASE).map("".join),
    st.tuples(st.sampled_from(["==", "!="]), _RELEASE, st.just(".*")).map("".join),
    _RELEASE.filter(lambda text: "." in text).map("~={}".format),
)


@settings(deadline=None, max_examples=300)
@given(st.lists(_SPECIFIER, min_size=1, max_size=4).map(",".join), st.sampled_from(_SERIES))
def test_plain_requires_python_is_read_as_the_library_reads_it(requires: str, wanted: str) -> None:
    specifiers = SpecifierSet(requires)
    mentioned = [each.version.removesuffix(".*").split(".") for each in specifiers]
    patches = {int(parts[2]) + more for parts in mentioned if len(parts) > 2 for more in (-1, 0, 1)} | {0, 99}
    expected = any(specifiers.contains(f"{wanted}.{patch}") for patch in patches if patch >= 0)
    found = pypi_read((None, requires), (wanted,))
    assert found is not None and found[0] is expected


def test_many_texts_of_requires_python_are_read_at_a_bounded_cost() -> None:
    def read_all(texts: list[str]) -> None:
        pypi_pythons._allows.cache_clear()
        for text in texts:
            pypi_read((None, text), ("3.11",))

    def texts(count: int) -> list[str]:
        return [",".join(f"!=3.11.{at}" for at in range(n, n + count)) for n in range(100, 140)]

    assert_linear(read_all, texts, 20)


def test_odd_requires_python_of_countless_parts_hides() -> None:
    odd = ",".join(f"!=3.11.{n}rc1" for n in range(13))
    assert not verdict(
        {"python_versions": ["3.11"]}, pypi("foo-1.0.tar.gz", requires_python=odd), "pypi"
    ).is_visible
