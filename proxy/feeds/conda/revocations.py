"""What was revoked in a curated conda feed: it does not come back in passing, in neither of its formats. Pure."""

import re
from collections.abc import Iterable, Mapping

from proxy.conda.names import twin
from proxy.feeds.promotion.selecting import Refused, refused_as_revoked
from proxy.model.approval import Approval

#: A hash or a file's name; `==1.0`; `name 1.0`, `name 1.0 build`; `name=1.0=build`. No globs, no lists.
_ONE_VERSION = re.compile(
    r".*\[(?:.*,)?\s*(?:fn|md5|sha256)\s*="
    r"|[^\s=<>!~\[]+\s*==\s*[^\s=*,|]+(?:\s+\S+)?\s*\Z"
    r"|[^\s=<>!~\[]+\s+[0-9][^\s=<>!~*,|\[]*(?:\s+\S+)?\s*\Z"
    r"|[^\s=<>!~\[]+\s*=\s*[^\s=*,|\[]+=[^\s=*\[]+\s*\Z"
    r"|.*\[(?:.*,)?\s*version\s*=\s*['\"]==[^*,|'\"]+['\"]"
)


class Revocations:
    """The files, `subdir/file`, with their last approval."""

    def __init__(self, revoked: Mapping[str, Approval]) -> None:
        self._revoked = dict(revoked)
        for path, approval in revoked.items():
            other = twin(path)
            if other is not None:
                self._revoked.setdefault(other, approval)

    @property
    def files(self) -> frozenset[str]:
        return frozenset(self._revoked)

    def refused(self, paths: Iterable[str]) -> list[Refused]:
        """Return the refusals of those of the files that were revoked, with the reason."""
        found = {self._revoked[path].artifact: self._revoked[path] for path in paths if path in self._revoked}
        return [refused_as_revoked(approval) for approval in found.values()]


def names_one_version(spec: str) -> bool:
    """Tell whether a spec names one version or file: then what was revoked of it is approved anew on purpose."""
    return _ONE_VERSION.match(spec.strip()) is not None
