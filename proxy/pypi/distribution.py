"""A distribution: one file of a project with every fact that an index gave (PEP 503, 592, 658, 691, 700).

A value, kept as msgpack in the catalog. None and False mean that the origin said nothing; a renderer leaves
such a fact out (never null, never an empty string: sheet, section 9).
"""

from collections.abc import Mapping

import msgspec

from proxy.pypi.names import FileKind


class Distribution(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One file. Fields are appended, never reordered: the stored form is positional."""

    filename: str
    #: Absolute, where the origin has the bytes; no fragment, no credentials; a query stays.
    url: str
    #: Below the feed's prefix, percent-decoded: "packages/…/<filename>" or "files/<sha256>/<filename>".
    path: str
    #: Algorithm to lower-case hexadecimal digest; empty when the origin gave none.
    hashes: dict[str, str]
    kind: FileKind
    #: As the file name spells it; None when PEP 440 does not know it.
    version: str | None = None
    size: int | None = None
    #: "YYYY-MM-DDThh:mm:ss[.ffffff]Z" (PEP 700).
    upload_time: str | None = None
    #: Verbatim (PEP 345 specifiers); may be unparsable.
    requires_python: str | None = None
    #: False, True, or the reason; never an empty text (PEP 592).
    yanked: bool | str = False
    #: Whether the origin offers `<url>.metadata`, and its digests where known (PEP 658, 714).
    core_metadata: bool | dict[str, str] = False
    #: The origin's attestation document, absolute (PEP 740).
    provenance: str | None = None
    #: Keys of a JSON page that this program does not know: plain JSON values that lead nowhere else.
    extra: dict[str, object] = {}

    @property
    def sha256(self) -> str | None:
        return self.hashes.get("sha256")

    @property
    def is_yanked(self) -> bool:
        return self.yanked is not False


def metadata_hashes(core_metadata: bool | Mapping[str, str]) -> Mapping[str, str]:
    """Return the digests that a core-metadata fact carries, empty when it carries none."""
    return {} if isinstance(core_metadata, bool) else core_metadata
