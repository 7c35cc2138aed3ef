"""What a package list needs: over records for conda, over names for PyPI."""

from collections.abc import Sequence
from typing import Any

import pytest

from proxy.policy.closure import (
    NeededNames,
    NeededRecords,
    list_names,
    needed_names,
    needed_records,
    required_name,
)
from proxy.policy.facts import Facts
from proxy.policy.judge import Judge
from tests.policy.made import NOW, conda, judged, policy, pypi


def needed(catalog: Sequence[Facts], **table: Any) -> NeededRecords:
    names = dict.fromkeys(each.name for each in catalog)
    judge = Judge(policy(include_dependencies=True, **table), "conda")
    return needed_records(judge, names, lambda name: [each for each in catalog if each.name == name])


def found(catalog: Sequence[Facts], **table: Any) -> set[str]:
    return {
        artifact.split("/")[1]
        for records in needed(catalog, **table).records.values()
        for artifact in records
    }


CATALOG = [
    conda("numpy 1.26 py311_0", depends=["python >=3.11,<3.12.0a0", "libblas >=3", "__glibc >=2.17"]),
    conda("numpy 1.20 py38_0", depends=["python >=3.8,<3.9.0a0", "oldlib"]),
    conda("python 3.11.4 0", depends=["zlib 1.2.*", "tzdata"]),
    conda("python 3.8.1 0", depends=["openssl 1.1.*"]),
    conda("libblas 3.9 0"),
    conda("libblas 2.0 0", depends=["oldlib"]),
    conda("zlib 1.2.13 0"),
    conda("zlib 1.3 0"),
    conda("tzdata 2026a 0", "noarch"),
    conda("pip 24 0", "noarch", depends=["setuptools", "wheel"]),
    conda("setuptools 70 0", "noarch"),
    conda("oldlib 1 0"),
    conda("unrelated 1 0"),
]


def test_closure_takes_every_record_that_a_dependency_matches_and_no_other() -> None:
    assert found(CATALOG, only=["numpy >=1.26"]) == {
        "numpy-1.26-py311_0.conda", "python-3.11.4-0.conda", "libblas-3.9-0.conda", "zlib-1.2.13-0.conda",
        "tzdata-2026a-0.conda", "pip-24-0.conda", "setuptools-70-0.conda",
    }  # fmt: skip


def test_closure_walks_over_the_named_platforms_and_pythons_only() -> None:
    names = found(CATALOG, only=["numpy"], python_versions=["3.8"], platforms=["linux-64"])
    assert names == {"numpy-1.20-py38_0.conda", "python-3.8.1-0.conda", "oldlib-1-0.conda"}


def test_cycles_end() -> None:
    cycle = [conda("a 1 0", depends=["b"]), conda("b 1 0", depends=["a >=1"])]
    assert found(cycle, only=["a"]) == {"a-1-0.conda", "b-1-0.conda"}


def test_virtual_packages_are_of_no_channel() -> None:
    assert found([conda("a 1 0", depends=["__glibc >=2"]), conda("__glibc 2.28 0")], only=["a"]) == {
        "a-1-0.conda"
    }


def test_dependency_that_cannot_be_read_needs_nothing() -> None:
    assert found([conda("a 1 0", depends=["b >=1.x.*y", ""]), conda("b 1 0")], only=["a"]) == {"a-1-0.conda"}


def test_needed_records_are_shown_with_the_list_and_the_rest_is_not() -> None:
    closure = needed(CATALOG, only=["numpy >=1.26"])
    rules = policy(only=["numpy >=1.26"], include_dependencies=True)
    zlib = [each for each in CATALOG if each.name == "zlib"]
    assert [each.is_visible for each in judged(rules, zlib, needed=closure).verdicts] == [True, False]
    judge = Judge(rules, "conda", closure)
    unrelated = judge.judge_name("unrelated", judge.tick_of(NOW))
    assert unrelated is not None
    assert judge.judge_name("zlib", judge.tick_of(NOW)) is None


def test_while_the_closure_is_not_there_what_only_it_could_show_is_held() -> None:
    rules = policy(only=["numpy"], include_dependencies=True)
    assert judged(rules, [conda("numpy")]).verdicts[0].is_visible
    waiting = judged(rules, [conda("zlib")]).verdicts[0]
    assert (waiting.outcome.value, waiting.rule, waiting.word) == ("hold", "only", "held")


def test_without_dependencies_a_closure_is_not_asked() -> None:
    closure = NeededNames({"zlib": "x"})
    assert not judged(policy(only=["numpy"]), [conda("zlib")], needed=closure).verdicts[0].is_visible


def test_who_needs_a_record_is_told() -> None:
    records = needed(CATALOG, only=["numpy >=1.26"]).records
    assert records["numpy"] == {"linux-64/numpy-1.26-py311_0.conda": "the package list"}
    assert records["tzdata"] == {"noarch/tzdata-2026a-0.conda": "linux-64/python-3.11.4-0.conda"}


def test_names_of_a_package_list_are_its_exact_ones_and_what_its_globs_find() -> None:
    rules = policy(only=["Django >=4", "corp-*"])
    assert list_names(rules, "pypi") == ("django",)
    assert list_names(rules, "pypi", ["corp-x", "flask", "django"]) == ("django", "corp-x")


def test_names_are_walked_without_extras_and_whatever_the_markers() -> None:
    known = {
        "app": ["Requests >=2", "colorama; sys_platform == 'win32'", "pytest; extra == 'test'", "not a requirement !!"],
        "requests": ["urllib3<3", "idna[all]"],
        "urllib3": [], "idna": ["app"], "colorama": [],
    }  # fmt: skip
    result = needed_names(["app"], known)
    assert set(result.names) == {"app", "requests", "colorama", "urllib3", "idna"}
    assert result.missing == frozenset()
    assert result.names["urllib3"] == "requests"


def test_names_whose_needs_are_not_known_yet_are_in_and_told() -> None:
    result = needed_names(["app"], {"app": ["requests"]})
    assert set(result.names) == {"app", "requests"}
    assert result.missing == {"requests"}
    assert result.needs(pypi("requests-2.0.tar.gz"))
    assert not result.needs(pypi("flask-2.0.tar.gz"))


@pytest.mark.parametrize(
    ("requirement", "name"),
    [
        ("Zope.Interface>=5", "zope-interface"),
        ("foo; extra == 'x'", None),
        ("foo; python_version < '3' and extra == 'x'", None),
        ("foo; extra == 'x' or python_version < '3'", "foo"),
        ("foo[extra]; python_version < '3'", "foo"),
        ("foo @ https://example.invalid/foo.whl", "foo"),
        ("!!", None),
    ],
)
def test_requirement_asks_for_a_name(requirement: str, name: str | None) -> None:
    assert required_name(requirement) == name
