"""Which files of a conda feed a spec means, and which of these are the newest. Pure.

What is hidden is known by its file name only, so a spec that asks for more (a licence, a hash) means none of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.conda.names import parse_file, twin
from proxy.conda.record import Facts as Record
from proxy.feeds.promotion.selecting import Sought
from proxy.model.verdict import Verdict
from proxy.policy import conda_pythons
from proxy.policy.conda_version import BadVersion, version_key
from proxy.policy.facts import Facts, License
from proxy.policy.spec import Spec

NOARCH = "noarch"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file of a view."""

    subdir: str
    file: str
    facts: Facts

    @property
    def path(self) -> str:
        return f"{self.subdir}/{self.file}"


def shown(path: str, record: Record, channel: str = "") -> Candidate:
    """Return a file that is shown; `channel` is the URL of the one that it comes from."""
    subdir, _, file = path.partition("/")
    facts = Facts(
        file=file, name=record.name.lower(), version=record.version, subdir=subdir, build=record.build,
        build_number=record.build_number, depends=record.depends, sha256=record.sha256, md5=record.md5,
        license=License(record.license, record.license_family).bounded(), channel=channel,
    )  # fmt: skip
    return Candidate(subdir, file, facts)


def hidden(path: str) -> Candidate:
    """Return a file that is hidden, as far as its name tells."""
    subdir, _, file = path.partition("/")
    parsed = parse_file(file)
    assert parsed is not None, "what is no file name is left out on ingest"
    facts = Facts(
        file=file, name=parsed.name, version=parsed.version, subdir=subdir, build=parsed.build, license=None
    )
    return Candidate(subdir, file, facts)


def means(spec: Spec, candidate: Candidate) -> bool:
    """Tell whether a spec means a file; what cannot be compared is not meant."""
    try:
        return spec.matches(candidate.facts)
    except ValueError:
        return False


def fits(candidate: Candidate, platform: str | None, python: str | None) -> bool:
    """Tell whether a file can be installed on a platform, for a Python; None is any."""
    if platform is not None and candidate.subdir not in (platform, NOARCH):
        return False
    if python is None:
        return True
    found = conda_pythons.read(conda_pythons.part(candidate.facts), (python,))
    if found is None:
        found = conda_pythons.read(conda_pythons.otherwise(candidate.facts), (python,))
    return found is None or found[0]


def chosen(candidates: Iterable[Candidate], sought: Sought) -> list[Candidate]:
    """Return what is sought of the candidates of one name, for each platform and Python by itself."""
    known = sorted(candidates, key=lambda each: each.path)
    found: dict[str, Candidate] = {}
    for platform in sought.platforms or (None,):
        for python in sought.pythons or (None,):
            fitting = [each for each in known if fits(each, platform, python)]
            found |= {each.path: each for each in (fitting if sought.every else newest(fitting))}
    return [each for each in found.values() if not _has_better_twin(each, found)]


def newest(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the files of the highest version; one whose version cannot be compared is never it."""
    keys = {each.path: key for each in candidates if (key := _key(each.facts.version)) is not None}
    highest = max(keys.values(), default=None)
    return [each for each in candidates if each.path in keys and keys[each.path] == highest]


def verdicts_on(spec: Spec, hiding: Mapping[str, Verdict], sought: Sought) -> dict[str, Verdict]:
    """Return the hidden files that a spec means, with why; of the newest version only, unless all are sought."""
    meant = [each for each in map(hidden, hiding) if means(spec, each)]
    return {each.path: hiding[each.path] for each in chosen(meant, sought)}


def _key(version: str | None) -> Any:
    try:
        return version_key(version or "")
    except BadVersion:
        return None


def _has_better_twin(candidate: Candidate, among: Mapping[str, Candidate]) -> bool:
    """Tell whether a `.tar.bz2` is there as `.conda` as well, which is what every client takes."""
    other = twin(candidate.file)
    return candidate.file.endswith(".tar.bz2") and f"{candidate.subdir}/{other}" in among
