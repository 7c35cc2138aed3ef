"""An approval: a person's decision that a curated feed shows one artifact. Values only.

It pins sha256, size and the record exactly as the source's view showed it (design, law 7): for conda the record's JSON
bytes, for PyPI what `feeds/pypi/pinned.py` packs. What the origin says later changes nothing of that; it is told as
`drift` until a person accepts it. Whether the bytes are held is not part of it: the vault knows.
"""

from typing import Literal

import msgspec

from proxy.model.digest import Sha256

#: "drifted": the origin lists another record or other bytes. "withdrawn": it lists the file no more. "quarantined": it
#: has put the whole project into quarantine, which reaches curated feeds too (by default).
DriftKind = Literal["drifted", "withdrawn", "quarantined"]


class Drift(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How the source has come to differ from what was approved. Digest, size and record are those of now, if any."""

    kind: DriftKind
    #: One line for the reviewer.
    reason: str
    at_ms: int
    sha256: Sha256 | None = None
    size: int | None = None
    record: bytes | None = None
    origin_url: str = ""


class Approval(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One artifact of one curated feed. `artifact` is conda `subdir/file`, PyPI the file's name."""

    id: str
    feed: str
    kind: str
    #: As the kind normalises it.
    name: str
    version: str
    artifact: str
    sha256: Sha256
    size: int | None
    record: bytes
    #: The feed that it was promoted from, and its upstream and address there: where the bytes are fetched.
    source_feed: str
    upstream: str
    origin_url: str
    promotion_id: str
    at_ms: int
    #: The name of who approved it.
    actor: str
    state: Literal["active", "revoked"] = "active"
    #: Why it was revoked, and when.
    reason: str = ""
    revoked_ms: int | None = None
    drift: Drift | None = None


class Promotion(msgspec.Struct, frozen=True, kw_only=True):
    """One act of promotion, as it was answered; `answer` is the JSON document that was sent."""

    id: str
    feed: str
    source_feed: str
    at_ms: int
    actor: str
    comment: str
    answer: bytes
    #: The client's Idempotency-Key, and the sha256 of what it asked with it.
    key: str | None = None
    asked_sha256: str | None = None
