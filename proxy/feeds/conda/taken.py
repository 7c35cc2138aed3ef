"""What was taken of a subdir last, and the trouble of its forms: values that an intake begins with and leaves behind.

The forms are the index's files: the shard index, `repodata.json.zst`, `.json`, `.json.bz2`. One in trouble rests, while
the others do. No I/O.
"""

from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime

import msgspec

from proxy.conda.names import printable
from proxy.feeds.conda.origin_files import PACKINGS, FullFile
from proxy.upstream.errors import UpstreamError

#: A form that was in trouble is asked for again after this long; until then the others do.
FORM_AGAIN_MS = 3600 * 1000


class FormTrouble(msgspec.Struct, frozen=True, array_like=True):
    """Why one form of an index is not asked for until a time. UTC milliseconds."""

    since_ms: int
    until_ms: int
    why: str


class Taken(msgspec.Struct, frozen=True, array_like=True):
    """What was taken last, and how it is revalidated. `stem` None: the origin has no such subdir."""

    stem: str | None = None
    names: int = 0
    #: Of the full file: how it was packed, and its validators.
    packing: str = ""
    etag: str | None = None
    last_modified: str | None = None
    #: None: not known yet.
    has_shards: bool | None = None
    shards_asked_ms: int = 0
    shards_etag: str | None = None
    shards_last_modified: str | None = None
    #: What is wrong with single forms of the index, by their file names.
    troubles: dict[str, FormTrouble] = {}
    #: The Last-Modified of what was taken last, whether the full file or a shard index.
    changed: str | None = None


class Troubles:
    """The troubles of the forms during one intake: those of before, until a form is found to be well."""

    def __init__(self, before: Mapping[str, FormTrouble], now_ms: int) -> None:
        self.noted = dict(before)
        self._now_ms = now_ms

    def rests(self, form: str) -> bool:
        """Tell whether the form is not to be asked for yet."""
        found = self.noted.get(form)
        return found is not None and found.since_ms <= self._now_ms < found.until_ms

    def is_due(self, form: str) -> bool:
        """Tell whether the form was in trouble and is to be tried again now."""
        return form in self.noted and not self.rests(form)

    def note(self, form: str, error: UpstreamError) -> None:
        before = self.noted.get(form)
        since_ms = before.since_ms if before is not None else self._now_ms
        self.noted[form] = FormTrouble(since_ms, self._now_ms + FORM_AGAIN_MS, printable(str(error)))

    def forget(self, form: str) -> None:
        self.noted.pop(form, None)


def without_shards(last: Taken) -> Taken:
    """Return what is known where the settings do not trust the origin's shards any more: the full file is read anew."""
    return msgspec.structs.replace(
        last, has_shards=None, shards_asked_ms=0, shards_etag=None, shards_last_modified=None, etag=None,
        last_modified=None, changed=None,
    )  # fmt: skip


def order_packings(known: Taken, troubles: Troubles, packings: Sequence[str]) -> list[str]:
    """Return the packings in the order in which they are asked for: that of last time first, unless it is bz2.

    bz2 is for channels that have nothing else. A better one that was in trouble comes before that of last time again
    once its rest is over. One in trouble is left alone, unless all of them are.
    """
    first = known.packing if known.stem and known.packing in packings[:-1] else packings[0]
    better = packings[: packings.index(first)]
    due = {packing for packing in better if troubles.is_due(f"repodata.json{packing}")}
    order = sorted(packings, key=lambda each: each != first and each not in due)
    well = [packing for packing in order if not troubles.rests(f"repodata.json{packing}")]
    return well or order


def is_older(file: FullFile, known: Taken) -> bool:
    """Tell whether a file in another packing than that of last time is older than what is held, or may be (bz2).

    zst and json decide where shards are in doubt, and may be written a moment before these; bz2 may be of any age.
    """
    is_doubtful = file.packing == PACKINGS[-1]
    held = known.changed if is_doubtful else known.last_modified
    if file.last_modified is None or held is None:
        return is_doubtful
    try:
        return parsedate_to_datetime(file.last_modified) < parsedate_to_datetime(held)
    except (TypeError, ValueError):
        return is_doubtful
