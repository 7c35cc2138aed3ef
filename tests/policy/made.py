"""Facts and judgements for tests, in few words."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from proxy.model.verdict import Verdict
from proxy.policy.facts import Facts, License
from proxy.policy.judge import Judge
from proxy.policy.judged import Judged
from proxy.policy.only import Needed
from proxy.policy.parse import parse_policy
from proxy.policy.settings import Kind, Policy

NOW = datetime(2026, 11, 20, 12, 7, 31, tzinfo=UTC)
OLD_MS = 1_600_000_000_000
MIT = License(expression="MIT")
DAY_MS = 86_400_000


def ms(when: datetime) -> int:
    return int(when.timestamp() * 1000)


def conda(spec: str, subdir: str = "linux-64", license: str | None = "MIT", **more: Any) -> Facts:
    """Return the facts of `name version build`, an old file of the first snapshot."""
    name, version, build = (spec.split() + ["1.0", "h0_0"][len(spec.split()) - 1 :])[:3]
    family, extension = more.pop("family", None), more.pop("extension", ".conda")
    given: dict[str, Any] = {
        "file": f"{name}-{version}-{build}{extension}",
        "name": name,
        "version": version,
        "subdir": subdir,
        "build": build,
        "license": License(license, family),
        "size": 1000,
        "uploaded_ms": OLD_MS,
        "is_initial": True,
    }
    return Facts(**(given | more))


def pypi(file: str, license: License | None = MIT, **more: Any) -> Facts:
    """Return the facts of a file, an old one of the first snapshot."""
    name, version = file.removesuffix(".tar.gz").split("-")[:2]
    given: dict[str, Any] = {
        "file": file,
        "name": name.replace("_", "-").lower(),
        "version": version,
        "license": license,
        "size": 1000,
        "uploaded_ms": OLD_MS,
        "is_initial": True,
    }
    return Facts(**(given | more))


def policy(**table: Any) -> Policy:
    """Return the policy of a table, which has to be a good one."""
    parsed = parse_policy("corp", table)
    assert parsed.policy is not None, parsed.faults
    return parsed.policy


def judged(
    given: Policy | Mapping[str, Any], facts: Sequence[Facts], kind: Kind = "conda", now: datetime = NOW,
    needed: Needed | None = None,
) -> Judged:  # fmt: skip
    """Return what a policy makes of the files of one name."""
    judge = Judge(given if isinstance(given, Policy) else policy(**given), kind, needed)
    return judge.judge(facts[0].name, facts, judge.tick_of(now))


def verdict(
    given: Policy | Mapping[str, Any], facts: Facts, kind: Kind = "conda", now: datetime = NOW
) -> Verdict:
    """Return what a policy makes of one file."""
    return judged(given, [facts], kind, now).verdicts[0]


def shown(
    given: Policy | Mapping[str, Any], facts: Sequence[Facts], kind: Kind = "conda", now: datetime = NOW
) -> list[str]:
    """Return the artifacts that a policy shows, of files of many names."""
    rules = given if isinstance(given, Policy) else policy(**given)
    names = dict.fromkeys(each.name for each in facts)
    results = [judged(rules, [each for each in facts if each.name == name], kind, now) for name in names]
    return [
        each.artifact
        for result in results
        for each, found in zip(result.facts, result.verdicts, strict=True)
        if found.is_visible
    ]


def names_shown(given: Policy | Mapping[str, Any], facts: Sequence[Facts], kind: Kind = "conda") -> set[str]:
    """Return the names of which something is shown."""
    visible = set(shown(given, facts, kind))
    return {each.name for each in facts if each.artifact in visible}
