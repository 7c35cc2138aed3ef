"""conda specs mean what conda means by them, or are refused: never silently something else."""

from typing import Any

import pytest

from proxy.policy.facts import Facts, License
from proxy.policy.spec import BadSpec, parse_spec
from tests.policy.made import conda
from tests.policy.vectors import vectors

EDGES: dict[str, Any] = vectors("matchspec_edge_vectors")
#: What conda reads and a policy refuses: globs inside versions, regular expressions, conditions, features, URLs, an
#: empty version, a name in a bracket, and a digest that is none.
REFUSED = {
    "^f.*$", "foo 1.*8", "foo ^1.*$", "foo 1.8 if python", "foo @", "x@", "foo=", "foo[name=bar]", "foo[md5=abc]",
    "foo[track_features=x]", "https://conda.anaconda.org/conda-forge/linux-64/foo-1.8-py37_0.conda",
}  # fmt: skip


def edge_record() -> Facts:
    return Facts(
        file="foo-1.8-py37_0.conda", name="foo", version="1.8", build="py37_0", subdir="linux-64",
        channel="https://conda.anaconda.org/conda-forge", license=License("MIT", "MIT"),
        md5="ab" * 16, sha256="cd" * 32, size=5,
    )  # fmt: skip


@pytest.mark.parametrize("spec", [spec for spec, _ in EDGES["edge"]])
def test_edge_spec_means_what_conda_means_or_is_refused(spec: str) -> None:
    answer = dict(EDGES["edge"])[spec]
    if spec in REFUSED or isinstance(answer, dict):
        with pytest.raises(BadSpec):
            parse_spec("conda", spec)
        return
    assert parse_spec("conda", spec).matches(edge_record()) == answer[0]


@pytest.mark.parametrize(("spec", "matching"), EDGES["version_matches"])
def test_version_part_matches_what_conda_matches(spec: str, matching: list[str]) -> None:
    parsed = parse_spec("conda", spec)
    found = [each for each in EDGES["version_universe"] if parsed.matches(conda(f"foo {each} x"))]
    assert found == matching


def test_real_specs_match_the_builds_that_conda_matches() -> None:
    wrong = []
    for spec, candidates, matching in vectors("matchspec_match_vectors")["rows"]:
        parsed = parse_spec("conda", spec)
        name = parsed.name.text
        found = [
            at
            for at, (version, build, number) in enumerate(candidates)
            if parsed.matches(Facts(file="x", name=name, version=version, build=build, build_number=number))
        ]
        if found != matching:
            wrong.append((spec, found, matching))
    assert wrong == []


def test_every_dependency_of_real_channels_can_be_a_spec() -> None:
    corpus = vectors("depends_corpus")
    refused = []
    for spec, name, *_ in corpus["rows"]:
        try:
            parsed = parse_spec("conda", spec)
        except BadSpec as err:
            refused.append((spec, str(err)))
        else:
            assert parsed.name.text == name.lower()
    # Globs inside versions, extras and features are conda's alone.
    assert len(refused) < len(corpus["rows"]) / 500, refused


@pytest.mark.parametrize(
    ("spec", "is_meant"),
    [
        ("conda-forge::foo", True),
        ("https-less/conda-forge::foo", False),
        ("defaults::foo", False),
        ("conda-forge/linux-64::foo", True),
        ("conda-forge/osx-64::foo 1.8", False),
        ("linux-64::foo", True),
        ("*[license='GPL*']", False),
        ("*[license='m*']", True),
        ("*[license_family=mit]", True),
        ("f*[subdir=linux-64, license=MIT]", True),
        ("foo[fn='foo-1.8-py37_0.conda']", True),
        ("foo[fn='foo-1.8-py37_0.tar.bz2']", False),
        ("foo[version='>=1.5,<2', build='py3*', build_number=0]", True),
        ("foo 1.7[version=1.8]", True),
        (f"foo[sha256={'cd' * 32}]", True),
        (f"foo[md5={'00' * 16}]", False),
        ("*oo >=1", True),
        ("bar*", False),
    ],
)
def test_what_py_rattler_does_not_check_is_checked_here(spec: str, is_meant: bool) -> None:
    assert parse_spec("conda", spec).matches(edge_record()) is is_meant


@pytest.mark.parametrize(
    "spec",
    [
        "", "  ", "foo\nbar", "foo é", "[license=MIT]", ">=1", "foo[license]", "foo[license=]", "foo[a=b]",
        "foo[version='>=1', version='<2']", "foo[when='python']", "foo[extras=[x]]", "foo >=1 py* more", "foo[sub]dir",
        "foo 1.8[build='py$']", "foo; if python", "pkgs/main::", "::foo", "foo!bar", "foo>=", "foo=1.8=",
        "linux-64/foo-1.8-0.conda", "foo[sha256=cd]", "foo 1..2", "a" * 501,
    ],
)  # fmt: skip
def test_what_is_not_supported_is_refused_with_words(spec: str) -> None:
    with pytest.raises(BadSpec) as refusal:
        parse_spec("conda", spec)
    assert len(str(refusal.value)) > 10


def test_a_version_that_cannot_be_read_is_an_error_only_where_it_is_asked_for() -> None:
    odd = conda("foo 1..2 h0_0")
    assert parse_spec("conda", "foo").matches(odd)
    with pytest.raises(ValueError, match="no version"):
        parse_spec("conda", "foo <2").matches(odd)


def test_build_strings_that_break_the_rules_can_be_matched() -> None:
    record = conda("barrnap 0.8 pl==5.22.0_0")
    assert parse_spec("conda", "barrnap 0.8 pl*").matches(record)
    assert not parse_spec("conda", "barrnap 0.8 py*").matches(record)
