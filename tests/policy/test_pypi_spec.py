"""PyPI specs: a PEP 508 name or a glob of names, with specifiers; nothing else."""

import pytest

from proxy.policy.facts import Facts
from proxy.policy.spec import BadSpec, parse_spec


def file(name: str, version: str | None) -> Facts:
    return Facts(file="x", name=name, version=version)


@pytest.mark.parametrize(
    ("spec", "name", "version", "is_meant"),
    [
        ("Django", "django", "4.2", True),
        ("Zope.Interface", "zope-interface", "5", True),
        ("django <4", "django", "3.2.1", True),
        ("django <4", "django", "4.0rc1", False),
        ("django<4", "django", "4.2", False),
        ("django (<4)", "django", "3", True),
        ("django >=4,!=4.1.*", "django", "4.1.3", False),
        ("django >=4", "django", "5.0a1", True),
        ("django ==4.2", "django", "4.2.0", True),
        ("torch ==2.0", "torch", "2.0+cu118", True),
        ("corp-*", "corp-tool", "1", True),
        ("corp_*", "corp-tool", "1", True),
        ("corp-*", "corporate", "1", False),
        ("*", "anything", None, True),
        ("foo-?", "foo-a", "1", True),
        ("corp-* >=2", "corp-tool", "1", False),
        ("django", "django-extra", "1", False),
    ],
)
def test_spec_means(spec: str, name: str, version: str | None, is_meant: bool) -> None:
    assert parse_spec("pypi", spec).matches(file(name, version)) is is_meant


@pytest.mark.parametrize(
    "spec",
    [
        "foo[bar]", "foo; python_version<'3'", "foo @ https://example.invalid/foo.whl", "foo 1.2", "foo=1.2",
        "numpy=1.26=py3*",        "conda-forge::foo", "foo >=1.x", "-foo", "", "foo bar", "foo >", "föö",
    ],
)  # fmt: skip
def test_what_is_not_supported_is_refused(spec: str) -> None:
    with pytest.raises(BadSpec):
        parse_spec("pypi", spec)


def test_a_version_alone_is_refused_with_a_hint() -> None:
    with pytest.raises(BadSpec, match=r"==1\.2"):
        parse_spec("pypi", "foo 1.2")


def test_a_version_that_pep_440_does_not_know_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="PEP 440"):
        parse_spec("pypi", "foo <2").matches(file("foo", None))
