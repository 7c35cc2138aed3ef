"""From a table to a policy: every key, and every way in which a table can be wrong."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from proxy.policy.parse import KEYS, Fault, parse_policy
from proxy.policy.settings import Exemption, Kind, PypiLists

EVERY_KEY: dict[str, Any] = {
    "platforms": ["linux-64", "noarch"],
    "python_versions": ["3.11", "3.12"],
    "block_licenses": ["GPL2", "AGPL-3.0-only"],
    "block": ["bzip2", "openssl <3"],
    "allow": ["readline"],
    "unknown_license": "warn",
    "min_age": 604800.0,
    "unknown_age": "hold",
    "prereleases": True,
    "yanked": "keep",
    "quarantined": "block",
    "keep_versions": 0,
    "max_size": 2 * 1024**3,
    "mode": "enforce",
    "exemptions": [
        {"spec": "openssl ==3.3.2", "rules": ["min_age"], "expires": date(2027, 1, 31), "reason": "CVE fix"}
    ],
    "pypi": {"pkg_list": [], "allowlist": ["django"], "blocklist": ["tk"]},
}
PACKAGE_LIST: dict[str, Any] = {"only": ["accelerate", "numpy >=1.26"], "include_dependencies": True}


def faults(table: dict[str, Any], *kinds: Kind) -> dict[str, str]:
    parsed = parse_policy("corp", table, kinds)
    assert parsed.policy is None
    return dict(parsed.faults)


def warnings(table: dict[str, Any], *kinds: Kind) -> dict[str, str]:
    parsed = parse_policy("corp", table, kinds)
    assert parsed.policy is not None, parsed.faults
    return dict(parsed.warnings)


def test_every_key_of_the_contract_is_read() -> None:
    parsed = parse_policy("corp", EVERY_KEY, ("conda", "pypi"))
    policy = parsed.policy
    assert policy is not None, parsed.faults
    assert parsed.warnings == ()
    assert {*EVERY_KEY, *PACKAGE_LIST} == set(KEYS)
    assert policy.platforms == ("linux-64", "noarch")
    assert (policy.min_age_s, policy.max_size_bytes, policy.keep_versions) == (604800, 2 * 1024**3, 0)
    assert policy.exemptions == (Exemption("openssl ==3.3.2", ("min_age",), date(2027, 1, 31), "CVE fix"),)
    assert policy.pypi == PypiLists((), ("django",), ("tk",))
    only = parse_policy("pinned", PACKAGE_LIST).policy
    assert only is not None
    assert only.include_dependencies


def test_empty_table_is_a_policy_of_defaults() -> None:
    policy = parse_policy("corp", {}).policy
    assert policy is not None
    assert (policy.prereleases, policy.yanked, policy.quarantined, policy.mode) == (
        True,
        "keep",
        "block",
        "enforce",
    )
    assert (policy.unknown_age, policy.unknown_license, policy.max_size_bytes) == ("hold", None, None)


@pytest.mark.parametrize("other", ["block", "allow", "block_licenses"])
def test_package_list_with_block_or_allow_is_a_fault(other: str) -> None:
    table = {"only": ["numpy"], other: ["MIT"]}
    assert other in faults(table)["only"]
    assert parse_policy("corp", {"only": ["numpy"], other: []}).policy is not None


def test_dependencies_need_a_package_list() -> None:
    assert "only" in faults({"include_dependencies": True})["include_dependencies"]


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("blocks", "block"), ("block-licenses", "block_licenses"), ("minage", "min_age"), ("Platforms", "platforms"),
        ("license_blacklist", ""),
    ],
)  # fmt: skip
def test_unknown_key_is_a_fault_with_a_hint(key: str, hint: str) -> None:
    message = faults({key: []})[key]
    assert "is not known" in message
    assert f'did you mean "{hint}"' in message or not hint


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("platforms", "linux-64"), ("platforms", []), ("platforms", ["linux64"]), ("platforms", ["linux-46"]),
        ("platforms", [1]), ("python_versions", [3.11]), ("python_versions", ["3"]), ("python_versions", ["3.11.4"]),
        ("python_versions", []), ("only", []), ("block", "tk"), ("block", [""]), ("block", [7]), ("block", ["a\nb"]),
        ("block_licenses", ["GLP3"]), ("block_licenses", ["MIT OR BSD"]), ("unknown_license", "deny"),
        ("unknown_license", True), ("min_age", "7d"), ("min_age", -1), ("min_age", True), ("min_age", 10**12),
        ("min_age", float("nan")), ("unknown_age", "maybe"), ("prereleases", "yes"), ("prereleases", 1),
        ("yanked", "drop"),
        ("quarantined", False), ("keep_versions", -1), ("keep_versions", True), ("keep_versions", 1.5), ("max_size", 0),
        ("max_size", "2 GiB"), ("mode", "dry-run"), ("exemptions", {}), ("exemptions", ["x"]), ("pypi", []),
        ("pypi", {"allow_list": []}), ("pypi", {"blocklist": ["foo[bar]"]}), ("include_dependencies", "yes"),
    ],
)  # fmt: skip
def test_wrong_value_is_a_fault_at_its_key(key: str, value: object) -> None:
    found = faults({key: value})
    assert [each for each in found if each.startswith(key)]
    assert all(len(message) > 10 for message in found.values())


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"spec": None}, "exemptions[0].spec"), ({"rules": []}, "exemptions[0].rules"),
        ({"rules": ["min_ages"]}, "exemptions[0].rules[0]"), ({"expires": "soon"}, "exemptions[0].expires"),
        ({"expires": datetime(2027, 1, 31, tzinfo=UTC)}, "exemptions[0].expires"),
        ({"expires": 2027}, "exemptions[0].expires"),
        ({"expires": date(9999, 12, 31)}, "exemptions[0].expires"), ({"until": "x"}, "exemptions[0].until"),
        ({"spec": "foo[when=x]"}, "exemptions[0].spec"),
    ],
)  # fmt: skip
def test_wrong_exemption_is_a_fault_at_its_key(change: dict[str, Any], key: str) -> None:
    assert key in faults({"exemptions": [{**EVERY_KEY["exemptions"][0], **change}]})


def test_exemption_needs_spec_rules_and_expiry() -> None:
    assert set(faults({"exemptions": [{"reason": "x"}]})) == {
        "exemptions[0].spec", "exemptions[0].rules", "exemptions[0].expires",
    }  # fmt: skip


def test_day_may_be_given_as_text() -> None:
    parsed = parse_policy(
        "corp", {"exemptions": [{"spec": "a", "rules": ["block"], "expires": "2027-01-31"}]}
    )
    assert parsed.policy is not None
    assert parsed.policy.exemptions[0].expires == date(2027, 1, 31)


def test_all_faults_are_told_at_once() -> None:
    assert set(faults({"blok": [], "mode": 1, "block": ["a b c d"], "platforms": ["x"]})) == {
        "blok", "mode", "block[0]", "platforms[0]",
    }  # fmt: skip


def test_spec_must_mean_something_to_every_kind_of_feed_that_uses_the_policy() -> None:
    table = {"block": ["numpy 1.26.* py311*"]}
    assert parse_policy("corp", table).policy is not None
    assert parse_policy("corp", table, ("conda",)).policy is not None
    assert "pypi" in faults(table, "conda", "pypi")["block[0]"]
    assert "conda" in faults({"block": ["numpy ===1.26"]}, "conda")["block[0]"]
    assert "conda" in faults({"block": ["foo[bar]"]})["block[0]"]
    assert (
        parse_policy("corp", {"block": ["openssl <3", "corp-*", "numpy >=1.26"]}, ("conda", "pypi")).policy
        is not None
    )


@pytest.mark.parametrize(
    ("table", "key", "word"),
    [
        ({"platforms": ["linux-64"]}, "platforms", "noarch"),
        ({"allow": ["readline"]}, "allow", "block"),
        ({"pypi": {"pkg_list": ["a"], "blocklist": ["b"]}}, "pypi", "ignored"),
        ({"exemptions": EVERY_KEY["exemptions"]}, "exemptions[0].rules", "min_age"),
    ],
)
def test_what_is_legal_and_hardly_meant_is_warned_of(table: dict[str, Any], key: str, word: str) -> None:
    assert word in warnings(table)[key]


def test_pypi_table_on_conda_feeds_only_is_warned_of() -> None:
    assert "no effect" in warnings({"pypi": {"blocklist": ["tk"]}}, "conda")["pypi"]
    assert warnings({"pypi": {"blocklist": ["tk"]}}, "pypi") == {}


def test_fingerprint_changes_with_every_key() -> None:
    plain = parse_policy("corp", {}).policy
    assert plain is not None
    prints = {plain.fingerprint}
    changes = {
        **EVERY_KEY,
        "prereleases": False,
        "yanked": "hide",
        "quarantined": "keep",
        "keep_versions": 2,
        "mode": "audit",
    }
    changes |= {"unknown_age": "warn", "only": ["a"]}
    for key, value in changes.items():
        changed = parse_policy("corp", {key: value}).policy
        assert changed is not None
        prints.add(changed.fingerprint)
    assert len(prints) == len(changes) + 1
    assert parse_policy("corp", {}).policy == plain


def test_fault_is_a_key_and_a_message() -> None:
    assert Fault("block[0]", "x") == ("block[0]", "x")
