"""Explain answers for every rule, for what is allowed, and for what is not there at all."""

import gc
from collections.abc import Sequence
from typing import Any

import pytest

from proxy.config.settings import Feed, Upstream
from proxy.feeds.explain import Explainer, ExplainItem, is_artifact
from proxy.model.problem import Problem
from proxy.policy.conda_spec import CondaSpec
from proxy.policy.conda_version import BuildMatcher
from proxy.policy.facts import Facts, License
from proxy.policy.pypi_spec import PypiSpec
from proxy.policy.settings import Kind
from tests.feeds.explaining import JudgedListing
from tests.policy.made import conda, policy, pypi
from tests.policy.test_every_key import ALL, CONDA, PYPI

DIGEST = "ab" * 32


def explainer(kind: Kind, table: dict[str, Any], facts: Sequence[Facts], **changes: Any) -> Explainer:
    given = {"upstreams": (Upstream(id="up"),)} | changes
    return Explainer(Feed("team", kind, **given), JudgedListing(kind, policy(**table), facts))


async def one(asked: Explainer, artifact: str) -> ExplainItem:
    (item,) = await asked.artifact(artifact)
    return item


@pytest.mark.parametrize(
    ("kind", "rule", "facts"),
    [("conda", rule, facts) for rule, facts in CONDA.items()] + [("pypi", rule, facts) for rule, facts in PYPI.items()],
)  # fmt: skip
async def test_every_rule_is_explained(kind: Kind, rule: str, facts: Facts) -> None:
    item = await one(explainer(kind, ALL, [facts]), facts.artifact)
    assert item.rule == rule
    assert (item.artifact, item.policy) == (facts.artifact, "corp")
    assert item.outcome in ("block", "hold")
    assert item.reason
    assert rule in {finding.rule for finding in item.findings}
    assert item.facts["name"] == facts.name
    assert item.approvers == []


async def test_older_version_is_explained() -> None:
    files = [conda("foo 1.0"), conda("foo 2.0")]
    item = await one(explainer("conda", {"keep_versions": 1}, files), "linux-64/foo-1.0-h0_0.conda")
    assert (item.rule, item.outcome) == ("keep_versions", "block")


@pytest.mark.parametrize("kind", ["conda", "pypi"])
async def test_package_list_is_explained(kind: Kind) -> None:
    facts = conda("foo") if kind == "conda" else pypi("foo-1.0.tar.gz")
    asked = explainer(kind, {"only": ["bar"]}, [facts])
    assert (await one(asked, facts.artifact)).rule == "only"
    asked = explainer(kind, {"only": ["bar"], "include_dependencies": True}, [facts])
    item = await one(asked, facts.artifact)
    assert (item.rule, item.outcome) == ("only", "hold")


async def test_hold_tells_its_end() -> None:
    item = await one(explainer("conda", ALL, [CONDA["min_age"]]), CONDA["min_age"].artifact)
    assert (item.outcome, item.until) == ("hold", "2026-11-27T12:15:00Z")


async def test_what_is_allowed_is_said_so_with_its_facts_but_without_digest_and_size() -> None:
    facts = conda("foo 1.0", sha256=DIGEST, md5="cd" * 16, size=123456)
    item = await one(explainer("conda", {}, [facts]), facts.artifact)
    assert (item.outcome, item.rule, item.findings) == ("allow", "open", [])
    assert item.facts["license"] == "MIT"
    assert not any(word in str(item) for word in (DIGEST, "cd" * 16, "123456"))


async def test_exemption_and_allow_are_told() -> None:
    table = {"block_licenses": ["GPL3"], "allow": ["foo"]}
    item = await one(explainer("conda", table, [conda("foo", license="GPL-3.0-only")]), "foo-1.0-h0_0.conda")
    assert (item.outcome, item.rule) == ("allow", "allow")
    assert [finding.rule for finding in item.findings] == ["block_licenses", "allow"]


async def test_audit_mode_is_told_as_a_warning_that_says_what_it_would_be() -> None:
    item = await one(
        explainer("conda", {"block": ["foo"], "mode": "audit"}, [conda("foo")]), "foo-1.0-h0_0.conda"
    )
    assert (item.outcome, item.rule) == ("warn", "block")
    assert "would be blocked, but the policy only audits" in item.reason


async def test_policy_that_cannot_be_evaluated_says_so() -> None:
    facts = pypi("foo-abc.tar.gz", version=None)
    item = await one(explainer("pypi", {"block": ["foo <2"]}, [facts]), facts.artifact)
    assert (item.outcome, item.rule) == ("block", "error")


async def test_licence_that_was_not_looked_up_is_explained() -> None:
    item = await one(
        explainer("pypi", {"block_licenses": ["GPL3"]}, [pypi("foo-1.0.tar.gz", None)]), "foo-1.0.tar.gz"
    )
    assert (item.outcome, item.rule) == ("hold", "unknown_license")
    assert item.facts["license"] == "not known yet"


# -- what is not there -----------------------------------------------------------------------------------------


async def test_file_that_nobody_lists() -> None:
    item = await one(explainer("conda", {}, [conda("foo")]), "linux-64/foo-9-0.conda")
    assert (item.outcome, item.rule) == ("absent", "unlisted")


async def test_name_that_nobody_has() -> None:
    item = await one(explainer("pypi", {}, []), "foo-1.0.tar.gz")
    assert (item.artifact, item.outcome, item.rule) == ("foo-1.0.tar.gz", "absent", "unknown")


async def test_reserved_name_is_told_as_reserved() -> None:
    asked = explainer("pypi", {}, [], reserved=("corp-*",))
    assert (await asked.spec("corp-tool"))[0].rule == "reserved"
    private = (Upstream(id="up", private=True),)
    asked = explainer("pypi", {}, [], reserved=("corp-*",), upstreams=private)
    (item,) = await asked.spec("corp-tool")
    assert (item.rule, item.outcome) == ("reserved", "absent")
    assert "only private upstreams" in item.reason


async def test_name_that_no_upstream_may_have() -> None:
    asked = explainer("conda", {}, [conda("foo")], upstreams=(Upstream(id="up", except_=("foo",)),))
    assert (await asked.spec("foo"))[0].rule == "upstreams"


async def test_subdir_that_is_not_served() -> None:
    asked = explainer("conda", {}, [conda("foo")], subdirs=("linux-64",))
    item = await one(asked, "osx-64/foo-1.0-h0_0.conda")
    assert (item.outcome, item.rule) == ("absent", "subdirs")


async def test_held_owner_and_blocked_name_are_told_with_rule_and_policy() -> None:
    listing = JudgedListing("pypi", policy(), [])
    listing.troubles = {
        "owned": Problem("held", "belonged to another", rule="owner"),
        "bad": Problem("blocked", "on the list", rule="block", policy="corp"),
        "down": Problem("origin-unavailable", "no answer"),
    }
    asked = Explainer(Feed("team", "pypi", (Upstream(id="up"),)), listing)
    (owned,), (bad,) = await asked.spec("owned"), await asked.spec("bad")
    assert (owned.outcome, owned.rule, owned.policy) == ("hold", "owner", None)
    assert (bad.outcome, bad.rule, bad.policy) == ("block", "block", "corp")
    with pytest.raises(Problem, match="no answer"):
        await asked.spec("down")


# -- specs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "versions"),
    [
        ("foo", ["10.0", "2.0", "1.0"]),
        ("foo >=2", ["10.0", "2.0"]),
        ("Foo==2.0", ["2.0"]),
        ("foo[license=MIT]", ["2.0"]),
    ],
)
async def test_matchspec_means_files_newest_first(spec: str, versions: list[str]) -> None:
    files = [
        conda("foo 1.0", license="BSD"),
        conda("foo 2.0"),
        conda("foo 10.0", license="BSD"),
        conda("bar"),
    ]
    items = await explainer("conda", {}, files).spec(spec)
    assert [item.facts["version"] for item in items] == versions


@pytest.mark.parametrize(
    ("spec", "count"),
    [("Foo", 3), ("foo>=2", 2), ("foo[socks] ==2.0 ; python_version < '3'", 1), ("foo (>=10)", 1), ("f*", 4)],
)
async def test_requirement_means_files(spec: str, count: int) -> None:
    names = ("foo-1.0.tar.gz", "foo-2.0.tar.gz", "foo-10.0.tar.gz", "fab-1.tar.gz", "bar-1.tar.gz")
    items = await explainer("pypi", {}, [pypi(name, License()) for name in names]).spec(spec)
    assert len(items) == count


async def test_spec_that_means_none_of_the_files_says_how_many_there_are() -> None:
    (item,) = await explainer("conda", {}, [conda("foo 1.0")]).spec("foo >=5")
    assert (item.artifact, item.outcome, item.rule) == ("foo", "absent", "unlisted")
    assert "none of the 1 files" in item.reason


@pytest.mark.parametrize(
    ("kind", "text"), [("conda", "foo >>1"), ("pypi", "foo @ https://h/x.whl"), ("pypi", "-")]
)
async def test_text_that_is_no_spec_is_refused(kind: Kind, text: str) -> None:
    with pytest.raises(Problem, match="spec: ") as caught:
        await explainer(kind, {}, []).spec(text)
    assert caught.value.word == "unprocessable"


@pytest.mark.parametrize(
    ("kind", "text", "is_file"),
    [
        ("conda", "linux-64/zlib-1.3.1-h0_0.conda", True), ("conda", "zlib-1.3.1-h0_0.tar.bz2", True),
        ("conda", "zlib", False), ("conda", "conda-forge/linux-64::zlib 1.3", False),
        ("pypi", "foo-1.0-py3-none-any.whl", True), ("pypi", "packages/a/b/foo-1.0.tar.gz", True),
        ("pypi", "foo-bar", False), ("pypi", "foo==1.0", False),
    ],
)  # fmt: skip
def test_file_is_told_from_a_spec(kind: Kind, text: str, is_file: bool) -> None:
    assert is_artifact(kind, text) is is_file


@pytest.mark.parametrize(("kind", "spec"), [("conda", "foo >=0.{}.0"), ("pypi", "foo >=0.{}.0")])
async def test_what_anybody_asks_about_is_not_kept(kind: Kind, spec: str) -> None:
    """Each spec remembers its answers, and thousands of them about a large project would fill the memory."""
    facts = [conda("foo 1.0") if kind == "conda" else pypi("foo-1.0.tar.gz")]
    asked = explainer(kind, {}, facts)
    before = len([each for each in gc.get_objects() if isinstance(each, CondaSpec | PypiSpec | BuildMatcher)])
    for number in range(50):
        (item,) = await asked.spec(spec.format(number))
        assert item.outcome == "allow"
    gc.collect()
    after = len([each for each in gc.get_objects() if isinstance(each, CondaSpec | PypiSpec | BuildMatcher)])
    assert after - before < 5


async def test_of_a_glob_no_more_names_are_explained_than_the_page_holds() -> None:
    files = [pypi(f"foo{number}-1.0.tar.gz", License()) for number in range(30)]
    asked = explainer("pypi", {}, files)
    items = await asked.spec("foo*", lambda items: len(items) > 3)
    assert len(items) == 4
    assert len(await asked.spec("foo*")) == 30
