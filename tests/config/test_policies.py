"""`[policies.NAME]` in the file and in the environment: every key, every fault with its table and key."""

import json
from datetime import date
from pathlib import Path

import pytest

from proxy.config import unavailable
from proxy.config.changes import Changes, changes
from proxy.config.policies import POLICY, PYPI, parse_given
from proxy.config.settings import Settings
from proxy.config.show import as_json, as_lines, entries
from proxy.policy.parse import KEYS
from proxy.policy.settings import Exemption, PypiLists
from tests.config.loading import faults, loads

CORP = """
[policies.corp]
platforms        = ["linux-64", "noarch"]
python_versions  = ["3.11", "3.12"]
block_licenses   = ["GPL2", "GPL3", "AGPL-3.0-only"]
block            = ["bzip2", "tk", "openssl <3"]
allow            = ["readline"]
unknown_license  = "warn"
min_age          = "7d"
unknown_age      = "hold"
prereleases      = true
yanked           = "keep"
quarantined      = "block"
keep_versions    = 0
max_size         = "2 GiB"
mode             = "enforce"

[[policies.corp.exemptions]]
spec = "openssl ==3.3.2"
rules = ["min_age"]
expires = 2027-01-31
reason = "CVE fix"

[policies.pinned]
platforms = ["linux-64", "noarch"]
only = ["accelerate", "pyqt", "zope", "numpy >=1.26"]
include_dependencies = true

[policies.mirror-pypi.pypi]
pkg_list  = []
allowlist = ["django"]
blocklist = ["tk"]
"""
PYPI_FEED = '[feeds.pypi]\nkind = "pypi"\nupstreams = ["https://h/simple/"]\npolicy = "corp"\n'
CONDA_FEED = '[feeds.main]\nkind = "conda"\nupstreams = ["https://h/main"]\npolicy = "corp"\n'


@pytest.fixture(autouse=True)
def _enforced(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read is the same before every kind of feed enforces it."""
    monkeypatch.setattr(unavailable, "FEEDS", ())


def settings(folder: Path, text: str) -> Settings:
    return loads(folder, text).settings


def test_every_key_of_the_contract_is_read_from_the_file(tmp_path: Path) -> None:
    loaded = loads(tmp_path, CORP + PYPI_FEED + CONDA_FEED)
    corp, pinned, lists = loaded.settings.policies.values()
    assert loaded.notes == ()
    assert {key.name for key in POLICY} | {"pypi"} == set(KEYS)
    assert (corp.min_age_s, corp.max_size_bytes, corp.keep_versions) == (7 * 86400, 2 * 1024**3, 0)
    assert corp.block == ("bzip2", "tk", "openssl <3")
    assert corp.exemptions == (Exemption("openssl ==3.3.2", ("min_age",), date(2027, 1, 31), "CVE fix"),)
    assert (pinned.only[3], pinned.include_dependencies) == ("numpy >=1.26", True)
    assert lists.pypi == PypiLists((), ("django",), ("tk",))
    assert loaded.settings.policy_of(loaded.settings.feeds["main"]) is corp


def test_environment_gives_every_sort_of_key(tmp_path: Path) -> None:
    environ = {
        "FEEDGATE__POLICIES__CORP__PLATFORMS": '["noarch"]',
        "FEEDGATE__POLICIES__CORP__MIN_AGE": "36h",
        "FEEDGATE__POLICIES__CORP__KEEP_VERSIONS": "3",
        "FEEDGATE__POLICIES__CORP__PRERELEASES": "false",
        "FEEDGATE__POLICIES__CORP__MAX_SIZE": "1 MiB",
        "FEEDGATE__POLICIES__CORP__YANKED": "hide",
        "FEEDGATE__POLICIES__CORP__EXEMPTIONS": '[{"spec": "a", "rules": ["min_age"], "expires": "2027-01-31"}]',
        "FEEDGATE__POLICIES__CORP__PYPI__BLOCKLIST": '["tk"]',
        "FEEDGATE__POLICIES__MIRROR_PYPI__PYPI": '{"allowlist": ["numpy"]}',
        "FEEDGATE__POLICIES__OTHER": '{"min_age": "1d", "block": ["x"]}',
    }
    policies = loads(tmp_path, CORP, environ=environ).settings.policies
    corp = policies["corp"]
    assert (corp.platforms, corp.min_age_s, corp.keep_versions) == (("noarch",), 36 * 3600, 3)
    assert (corp.prereleases, corp.max_size_bytes, corp.yanked) == (False, 1024**2, "hide")
    assert corp.exemptions == (Exemption("a", ("min_age",), date(2027, 1, 31)),)
    assert corp.pypi.blocklist == ("tk",)
    assert corp.block == ("bzip2", "tk", "openssl <3")
    assert policies["mirror-pypi"].pypi == PypiLists((), ("numpy",), ("tk",))
    assert (policies["other"].min_age_s, policies["other"].block) == (86400, ("x",))


def test_all_faults_of_all_policies_are_told_at_once_with_their_keys(tmp_path: Path) -> None:
    text = """
    [policies.a]
    min_age = 7
    max_size = "big"
    block = ["a >>1", "b"]
    platfroms = ["linux-64"]
    python_versions = [3.1]
    keep_versions = -1
    [[policies.a.exemptions]]
    spec = "x"
    rules = ["min_aeg"]
    [policies.a.pypi]
    pkglist = []
    [policies.b]
    only = ["x"]
    block = ["y"]
    [policies."a b"]
    """
    found = faults(tmp_path, text, environ={"FEEDGATE__POLICIES__B__MODE": "odit"})
    assert set(found) == {
        "policies.a.min_age", "policies.a.max_size", "policies.a.block[0]", "policies.a.platfroms",
        "policies.a.python_versions[0]", "policies.a.keep_versions", "policies.a.exemptions[0].rules[0]",
        "policies.a.exemptions[0].expires", "policies.a.pypi.pkglist", "policies.b.only", "policies.b.mode",
        "policies.'a b'",
    }  # fmt: skip
    assert 'did you mean "platforms"' in found["policies.a.platfroms"]
    assert 'did you mean "pkg_list"' in found["policies.a.pypi.pkglist"]
    assert "write its unit" in found["policies.a.min_age"]


def test_fault_says_who_gave_the_value(tmp_path: Path) -> None:
    found = faults(tmp_path, CORP, environ={"FEEDGATE__POLICIES__CORP__BLOCK": '["a >>1"]'})
    assert set(found) == {"policies.corp.block[0]"}
    with pytest.raises(Exception, match=r"\(environment FEEDGATE__POLICIES__CORP__BLOCK\)"):
        loads(tmp_path, CORP, environ={"FEEDGATE__POLICIES__CORP__BLOCK": '["a >>1"]'})


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ("policies = 3", "policies", "must be a table"),
        ("[policies]\ncorp = 3", "policies.corp", "must be a table"),
        ("[policies.corp]\npypi = 3", "policies.corp.pypi", "must be a table"),
        ("[policies.corp]\nexemptions = 3", "policies.corp.exemptions", "must be a list"),
        ("[policies.corp.block]\nx = 1", "policies.corp.block", "must be a list"),
    ],
)
def test_policy_that_is_no_table_is_a_fault(tmp_path: Path, text: str, key: str, words: str) -> None:
    assert words in faults(tmp_path, text)[key]


def test_feed_must_name_a_policy_that_exists(tmp_path: Path) -> None:
    text = CORP + PYPI_FEED.replace('"corp"', '"crop"')
    assert 'did you mean "corp"' in faults(tmp_path, text)["feeds.pypi.policy"]


def test_faulty_policy_is_not_told_as_missing_too(tmp_path: Path) -> None:
    assert set(faults(tmp_path, "[policies.corp]\nmode = 1\n" + PYPI_FEED)) == {"policies.corp.mode"}


@pytest.mark.parametrize(
    ("feed", "spec", "is_good"),
    [
        (PYPI_FEED, "numpy[extra]", False),
        (CONDA_FEED, "numpy 1.26.* py311*", True),
        (PYPI_FEED, "numpy 1.26.* py311*", False),
        (PYPI_FEED + CONDA_FEED, "numpy 1.26.* py311*", False),
        (PYPI_FEED + CONDA_FEED, "numpy >=1.26", True),
        ("", "numpy 1.26.* py311*", True),
    ],
)
def test_specs_must_mean_something_to_the_kinds_that_use_them(
    tmp_path: Path, feed: str, spec: str, is_good: bool
) -> None:
    text = f'{feed}[policies.corp]\nblock = ["{spec}"]\n'
    if is_good:
        assert settings(tmp_path, text).policies["corp"].block == (spec,)
    else:
        assert set(faults(tmp_path, text)) == {"policies.corp.block[0]"}


def test_what_is_hardly_meant_is_a_note(tmp_path: Path) -> None:
    notes = loads(tmp_path, '[policies.corp]\nplatforms = ["linux-64"]\n' + PYPI_FEED).notes
    assert [note.partition(": ")[0] for note in notes] == ["policies.corp.platforms"]
    assert "noarch" in notes[0]


def test_effective_policy_is_shown_with_its_sources(tmp_path: Path) -> None:
    loaded = loads(tmp_path, CORP, environ={"FEEDGATE__POLICIES__CORP__MIN_AGE": "1d"})
    shown = as_json(loaded.settings)
    assert shown["policies.corp.min_age"] == {
        "value": "1d", "source": "environment FEEDGATE__POLICIES__CORP__MIN_AGE",
    }  # fmt: skip
    assert shown["policies.corp.max_size"] == {"value": "2 GiB", "source": "config.toml"}
    assert shown["policies.pinned.unknown_age"] == {"value": "hold", "source": "default"}
    assert shown["policies.mirror-pypi.pypi.allowlist"]["value"] == ["django"]
    assert shown["policies.corp.exemptions"]["value"] == [
        {"spec": "openssl ==3.3.2", "rules": ["min_age"], "expires": "2027-01-31", "reason": "CVE fix"}
    ]
    lines = list(as_lines(loaded.settings))
    assert not any(line.startswith("policies.corp.only") for line in lines)
    assert set(loaded.settings.sources) <= {line.key for line in entries(loaded.settings)}


def test_what_is_shown_is_read_back_as_the_same_policy(tmp_path: Path) -> None:
    before = settings(tmp_path, CORP).policies["corp"]
    shown = {key.name: key.kind.show(getattr(before, key.attr)) for key in POLICY}
    table = {name: value for name, value in shown.items() if value is not None}
    table["pypi"] = {key.name: key.kind.show(getattr(before.pypi, key.attr)) or [] for key in PYPI}
    assert parse_given("corp", json.loads(json.dumps(table))).policy == before


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (CORP.replace('"7d"', '"8d"'), "policies.corp.min_age"),
        (CORP.replace('"CVE fix"', '"other"'), "policies.corp.exemptions"),
        (CORP.replace('["tk"]', '["bz"]'), "policies.mirror-pypi.pypi.blocklist"),
        (CORP + "[policies.more]\nprereleases = false\n", "policies.more"),
    ],
)
def test_changed_policy_is_applied_by_a_reload(tmp_path: Path, text: str, key: str) -> None:
    assert changes(settings(tmp_path, CORP), settings(tmp_path, text)) == Changes(applicable=(key,))
