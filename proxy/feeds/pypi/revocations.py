"""What was revoked of a project in a curated feed: it does not come back in passing. Pure.

A version of which nothing is approved any more is left out with all of its files: whoever revoked its wheel does not
want its sdist instead. Of a version that is approved otherwise only the revoked files are left out.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from proxy.feeds.promotion.selecting import Refused, refused_as_revoked
from proxy.feeds.pypi.facts import version_key
from proxy.model.approval import Approval
from proxy.pypi.distribution import Distribution
from proxy.pypi.versions import parse_version


@dataclass(frozen=True, slots=True)
class Revocations:
    """Of one name, by file: what is revoked, and what is approved."""

    revoked: Mapping[str, Approval] = field(default_factory=dict)
    active: Mapping[str, Approval] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.revoked)

    def left(self, files: Iterable[Distribution]) -> list[Distribution]:
        """Return the files that may be approved in passing."""
        if not self.revoked:
            return list(files)
        gone = self._versions(self.revoked) - self._versions(self.active)
        return [file for file in files if file.filename not in self.revoked and version_key(file) not in gone]

    def refused(self, files: Iterable[Distribution]) -> list[Refused]:
        """Return the refusals of those files that are left out, with the reason of the revocation."""
        found: dict[str, Refused] = {}
        for file in files:
            version = version_key(file)
            of_it = (each for each in self.revoked.values() if parse_version(each.version) == version)
            approval = self.revoked.get(file.filename) or next(of_it, None)
            if approval is not None:
                found.setdefault(approval.artifact, refused_as_revoked(approval))
        return list(found.values())

    @staticmethod
    def _versions(approvals: Mapping[str, Approval]) -> set[Version]:
        known = (parse_version(each.version) for each in approvals.values())
        return {version for version in known if version is not None}


def names_one_version(specifier: SpecifierSet) -> bool:
    """Tell whether a spec names one version: then what was revoked of it is approved anew on purpose."""
    return any(
        each.operator == "===" or (each.operator == "==" and not each.version.endswith(".*"))
        for each in specifier
    )
