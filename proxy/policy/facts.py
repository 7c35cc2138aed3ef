"""Facts: what rules may ask about one file, whatever its ecosystem. An ecosystem's feed fills them, nobody else.

None means that the origin does not say. The one other kind of "not known" is `license=None`: nobody has looked yet,
which holds a file where its licence matters. Times are UTC milliseconds.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from proxy.model.clock import stamp

#: The first millisecond that datetime cannot hold. What lies beyond is no time at all.
END_MS = 253_402_300_800_000


#: A longer text is read as a licence that nobody knows (`license`), whatever stands behind it.
_LONGEST_LICENSE = 600


class License(NamedTuple):
    """What a file says about its licence, in the words of its index or metadata; `License()` says nothing.

    conda: `text` is `license`, `family` is `license_family`. PyPI: `expression` is License-Expression (PEP 639),
    `classifiers` are the `License ::` ones, `text` is License.
    """

    text: str | None = None
    family: str | None = None
    expression: str | None = None
    classifiers: tuple[str, ...] = ()

    def bounded(self) -> "License":
        """Return the same words cut to what can still be a licence's name: metadata may hold a whole licence.

        What was too long to be read still is: it is cut behind the most that is read.
        """
        text, family, expression = (
            each and each[:_LONGEST_LICENSE] for each in (self.text, self.family, self.expression)
        )
        classifiers = tuple(each for each in self.classifiers if each.startswith("License ::"))
        return License(text, family, expression, classifiers)


class Facts(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One file. `name` is in its ecosystem's normal form; `file` is unique within a name (and subdir)."""

    file: str
    name: str
    #: conda's version; PyPI: as the file name spells it, None where PEP 440 does not know it.
    version: str | None = None
    #: conda: the directory that lists the file. PyPI files have their platforms in their names.
    subdir: str = ""
    build: str = ""
    build_number: int = 0
    #: None: more than a rule may read (proxy.model.bounds).
    depends: Sequence[str] | None = ()
    requires_python: str | None = None
    #: None: not looked up yet.
    license: License | None = License()
    size: int | None = None
    #: When the origin says that it got the file. conda: `indexed_timestamp`, else `timestamp`.
    uploaded_ms: int | None = None
    #: When this server first saw the file with these bytes.
    first_seen_ms: int | None = None
    #: True when the file was in the first complete snapshot. Who forgets to say so is held, not let through.
    is_initial: bool = False
    is_yanked: bool = False
    is_quarantined: bool = False
    #: conda: the channel's URL or name, without credentials, which `channel::name` specs compare.
    channel: str = ""
    sha256: str | None = None
    md5: str | None = None

    @property
    def artifact(self) -> str:
        """What people call the file: conda `subdir/file`, PyPI the file name."""
        return f"{self.subdir}/{self.file}" if self.subdir else self.file


def moment(ms: int | None) -> datetime | None:
    """Return the time, or None where there is none or nobody's calendar has it."""
    return datetime.fromtimestamp(ms / 1000, UTC) if ms is not None and 0 < ms < END_MS else None


def told(facts: Facts) -> dict[str, object]:
    """Return what explain says about a file: the facts that the origin gave, nothing that names its bytes."""
    uploaded, seen = moment(facts.uploaded_ms), moment(facts.first_seen_ms)
    licence = facts.license
    found: dict[str, object] = {
        "name": facts.name,
        "version": facts.version,
        "build": facts.build or None,
        "subdir": facts.subdir or None,
        "license": licence.expression or licence.text if licence is not None else "not known yet",
        "license_family": licence.family if licence is not None else None,
        "license_classifiers": list(licence.classifiers) if licence is not None else None,
        "requires_python": facts.requires_python,
        "uploaded_at": stamp(uploaded) if uploaded else None,
        "first_seen_at": stamp(seen) if seen else None,
        "is_initial": facts.is_initial,
        "yanked": facts.is_yanked or None,
        "quarantined": facts.is_quarantined or None,
    }
    return {key: value for key, value in found.items() if value not in (None, [])}
