"""Each check matters: for every rule there is a file that this rule alone hides, in a policy with all the others.

Take any one check away and this test fails (contract: "removing any one check makes a test fail").
"""

from datetime import date
from typing import Any

import pytest

from proxy.policy.facts import Facts, License
from proxy.policy.settings import EXEMPTABLE, Kind
from tests.policy.made import NOW, conda, judged, ms, policy, pypi

ALL: dict[str, Any] = {
    "platforms": ["linux-64", "noarch"],
    "python_versions": ["3.11"],
    "block_licenses": ["GPL3", "AGPL-3.0-only"],
    "block": ["bzip2", "openssl <3", "corp-*"],
    "allow": ["readline"],
    "unknown_license": "block",
    "min_age": 7 * 86400,
    "unknown_age": "block",
    "prereleases": False,
    "yanked": "hide",
    "quarantined": "block",
    "max_size": 10_000,
    "keep_versions": 2,
    "exemptions": [{"spec": "curl ==8.1", "rules": ["min_age", "block"], "expires": date(2027, 1, 31)}],
    "pypi": {"blocklist": ["evil"]},
}
#: rule -> its key taken away.
WITHOUT: dict[str, dict[str, Any]] = {
    **{key: {each: value for each, value in ALL.items() if each != key} for key in ALL},
    "prereleases": {**ALL, "prereleases": True},
    "quarantined": {**ALL, "quarantined": "keep"},
    "unknown_age": {**ALL, "unknown_age": "allow"},
    "unknown_license": {**ALL, "unknown_license": "allow"},
    # A version that is yanked whole is never among the newest either.
    "yanked": {**ALL, "yanked": "keep", "keep_versions": 0},
    "pypi.blocklist": {**ALL, "pypi": {}},
}
CONDA: dict[str, Facts] = {
    "platforms": conda("foo", "osx-64"),
    "python_versions": conda("foo", depends=["python >=3.8,<3.9.0a0"]),
    "block_licenses": conda("foo", license="AGPL-3.0-or-later"),
    "block": conda("openssl 1.1.1w"),
    "unknown_license": conda("foo", license="see COPYING"),
    "min_age": conda("foo", uploaded_ms=ms(NOW)),
    "unknown_age": conda("foo", is_initial=False),
    "prereleases": conda("foo 1.0rc1"),
    "yanked": conda("foo", is_yanked=True),
    "quarantined": conda("foo", is_quarantined=True),
    "max_size": conda("foo", size=10_001),
}
PYPI: dict[str, Facts] = {
    "platforms": pypi("foo-1.0-cp311-cp311-win_amd64.whl"),
    "python_versions": pypi("foo-1.0-cp310-cp310-linux_x86_64.whl"),
    "block_licenses": pypi("foo-1.0.tar.gz", license=License(expression="GPL-3.0-only")),
    "block": pypi("corp_tool-1.0.tar.gz"),
    "unknown_license": pypi("foo-1.0.tar.gz", license=License()),
    "min_age": pypi("foo-1.0.tar.gz", uploaded_ms=ms(NOW)),
    "unknown_age": pypi("foo-1.0.tar.gz", is_initial=False),
    "prereleases": pypi("foo-1.0b1.tar.gz"),
    "yanked": pypi("foo-1.0.tar.gz", is_yanked=True),
    "quarantined": pypi("foo-1.0.tar.gz", is_quarantined=True),
    "max_size": pypi("foo-1.0.tar.gz", size=10_001),
    "pypi.blocklist": pypi("evil-1.0.tar.gz"),
}
CASES = [("conda", rule, facts) for rule, facts in CONDA.items()] + [
    ("pypi", rule, facts) for rule, facts in PYPI.items()
]


@pytest.mark.parametrize(("kind", "rule", "facts"), CASES, ids=[f"{kind}-{rule}" for kind, rule, _ in CASES])
def test_one_rule_alone_hides_the_file(kind: Kind, rule: str, facts: Facts) -> None:
    hidden = judged(policy(**ALL), [facts], kind).verdicts[0]
    assert not hidden.is_visible
    assert hidden.rule == rule
    assert judged(policy(**WITHOUT[rule]), [facts], kind).verdicts[0].is_visible


@pytest.mark.parametrize("kind", ["conda", "pypi"])
def test_only_the_newest_rule_hides_an_older_version(kind: Kind) -> None:
    files = [
        conda(f"foo {version}") if kind == "conda" else pypi(f"foo-{version}.tar.gz")
        for version in ("1.0", "2.0", "3.0")
    ]
    assert [each.rule for each in judged(policy(**ALL), files, kind).verdicts] == [
        "keep_versions",
        "open",
        "open",
    ]
    assert all(each.is_visible for each in judged(policy(**WITHOUT["keep_versions"]), files, kind).verdicts)


@pytest.mark.parametrize("kind", ["conda", "pypi"])
def test_allow_and_exemption_each_let_one_file_in(kind: Kind) -> None:
    gpl = License("GPL3") if kind == "conda" else License(text="GPLv3")
    readline = (
        conda("readline", license="GPL3") if kind == "conda" else pypi("readline-1.0.tar.gz", license=gpl)
    )
    assert judged(policy(**ALL), [readline], kind).verdicts[0].rule == "allow"
    assert not judged(policy(**WITHOUT["allow"]), [readline], kind).verdicts[0].is_visible
    young: dict[str, Any] = {"uploaded_ms": ms(NOW)}
    curl = conda("curl 8.1", **young) if kind == "conda" else pypi("curl-8.1.tar.gz", **young)
    assert judged(policy(**ALL), [curl], kind).verdicts[0].rule == "exemption"
    assert not judged(policy(**WITHOUT["exemptions"]), [curl], kind).verdicts[0].is_visible


@pytest.mark.parametrize("kind", ["conda", "pypi"])
def test_package_list_alone_hides_the_rest(kind: Kind) -> None:
    foo = conda("foo") if kind == "conda" else pypi("foo-1.0.tar.gz")
    assert judged(policy(only=["bar"]), [foo], kind).verdicts[0].rule == "only"
    assert judged(policy(only=["foo"]), [foo], kind).verdicts[0].is_visible


def test_every_rule_that_can_be_lifted_has_a_case() -> None:
    assert set(EXEMPTABLE) <= {*CONDA, *PYPI, "only", "keep_versions"}
