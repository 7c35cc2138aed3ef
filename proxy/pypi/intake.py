"""Intake: which entries of a page, in either form, become files of the project, and what is told of the rest.

An entry is dropped, never fatal, when it cannot be a file of this project that a client may use; the caller
logs what was dropped. A body that is no page at all is `BadPage`, never an empty project: the last good copy
stays.
"""

from dataclasses import dataclass
from typing import NamedTuple

from proxy.pypi.links import BadLink, Links, feed_path
from proxy.pypi.names import FileKind, belongs, is_safe_filename, kind_of, version_of
from proxy.pypi.project import Project

#: A flat page of ten thousand foreign files must not fill the log.
_MAX_TOLD = 50


class BadPage(ValueError):
    """A body that is not a page of an index; `reason` is one line for a person."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Parsed:
    """A page, and (file name, why) of every entry that was left out."""

    project: Project
    dropped: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page came from: the project asked for, the final URL, and the upstream's configured URLs.

    `secrets` are segments of its URL's path that no link may hold.
    """

    name: str
    url: str
    index_url: str
    files_base: str | None = None
    secrets: frozenset[str] = frozenset()


class Admitted(NamedTuple):
    """The facts that an entry's name and link give."""

    url: str
    path: str
    kind: FileKind
    version: str | None


class Intake:
    """Admits the entries of one page."""

    def __init__(self, place: Place, links: Links) -> None:
        self._place = place
        self._links = links
        self._seen: set[str] = set()
        self._told: list[tuple[str, str]] = []
        self._untold = 0
        #: Entries whose name is one of a distribution of any project.
        self.distributions = 0

    @property
    def project(self) -> str:
        """The normalised name of the page's project."""
        return self._place.name

    def drop(self, filename: str, why: str) -> None:
        """Remember an entry that is left out."""
        if len(self._told) < _MAX_TOLD:
            self._told.append((ascii(filename[:200])[1:-1], why))
        else:
            self._untold += 1

    @property
    def dropped(self) -> tuple[tuple[str, str], ...]:
        more = (("…", f"and {self._untold} more entries"),) if self._untold else ()
        return (*self._told, *more)

    def absolute(self, href: str, filename: str) -> str | None:
        """Return the link's URL, or None after dropping the entry."""
        try:
            return self._links.absolute(href)
        except BadLink as err:
            self.drop(filename, str(err))
            return None

    def resolved(self, href: object) -> str | None:
        """Return the URL of a link beside the file, or None where it has none."""
        if not isinstance(href, str):
            return None
        try:
            return self._links.absolute(href)
        except BadLink:
            return None

    def admit(self, filename: str, url: str, sha256: str | None) -> Admitted | None:
        """Return what the entry's name and URL say, or None after dropping it."""
        name = self._place.name
        kind = kind_of(filename)
        why = self._objection(filename, kind)
        if kind is None or why is not None:
            self.drop(filename, why or "not a distribution")
            return None
        self._seen.add(filename)
        path = feed_path(
            url,
            sha256,
            index_url=self._place.index_url,
            files_base=self._place.files_base,
            filename=filename,
            secrets=self._place.secrets,
        )
        return Admitted(url, path, kind, version_of(filename, name))

    def _objection(self, filename: str, kind: FileKind | None) -> str | None:
        if not is_safe_filename(filename):
            return "a name that cannot be served"
        if kind is None:
            return "not a distribution"
        self.distributions += 1
        if not belongs(filename, self._place.name):
            return "a file of another project"
        return "listed twice" if filename in self._seen else None
