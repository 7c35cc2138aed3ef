"""A policy in plain words."""

from datetime import date

from proxy.policy.describe import describe
from tests.policy.made import policy
from tests.policy.test_parse import EVERY_KEY


def test_every_key_that_restricts_has_its_sentence() -> None:
    words = " ".join(
        describe(policy(**{**EVERY_KEY, "prereleases": False, "yanked": "hide", "keep_versions": 2}))
    )
    for part in (
        "linux-64 and noarch", "3.11 and 3.12", "GPL2 and AGPL-3.0-only", "bzip2 and openssl <3", "readline", "warning",
        "7 days", "held", "Pre-releases", "Yanked", "2 GiB", "newest 2 versions", "2027-01-31", "CVE fix", "django",
        "tk",
    ):  # fmt: skip
        assert part in words, part


def test_package_list_with_dependencies_is_said() -> None:
    assert describe(policy(only=["numpy"], include_dependencies=True)) == [
        "Only these packages are shown: numpy, and all that they need."
    ]


def test_policy_without_rules_shows_everything() -> None:
    assert describe(policy()) == ["Everything is shown."]


def test_audit_is_said_first() -> None:
    assert "audit" in describe(policy(mode="audit", block=["tk"]))[0]


def test_exemption_without_a_reason_has_no_brackets() -> None:
    exemption = {"spec": "a", "rules": ["block"], "expires": date(2027, 1, 31)}
    assert describe(policy(exemptions=[exemption]))[-1].endswith("is exempt from block.")


def test_one_version_and_quarantine_are_said_in_the_singular() -> None:
    words = describe(policy(keep_versions=1, quarantined="keep", pypi={"pkg_list": ["a"]}))
    assert any("the newest version of each" in sentence for sentence in words)
    assert any("quarantine is shown" in sentence for sentence in words)
    assert any("only these projects are shown: a" in sentence for sentence in words)
