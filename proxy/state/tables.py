"""The tables. Migrations make them, `fresh.py` makes them at once in a new file; a test compares them."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, String, Table

metadata = MetaData()

#: One row per upstream, subdir ('' for PyPI) and name; `payload` is a packed `Sighting`.
sightings = Table(
    "sightings",
    metadata,
    Column("upstream", String, primary_key=True),
    Column("subdir", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("payload", LargeBinary, nullable=False),
)

#: When the first complete listing of an upstream's subdir had been taken.
snapshots = Table(
    "snapshots",
    metadata,
    Column("upstream", String, primary_key=True),
    Column("subdir", String, primary_key=True),
    Column("taken_ms", BigInteger, nullable=False),
)

#: Which upstream of a feed a name belongs to (contract, section 1).
owners = Table(
    "owners",
    metadata,
    Column("feed", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("upstream", String, nullable=False),
    Column("since_ms", BigInteger, nullable=False),
)

#: Who changed what: append-only (triggers), each row with the hash of the one before. See `audit.py`.
audit = Table(
    "audit",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("at_ms", BigInteger, nullable=False, index=True),
    Column("actor_id", String, nullable=False),
    Column("actor", String, nullable=False),
    Column("address", String, nullable=False),
    Column("action", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("feed", String),
    Column("before", String),
    Column("after", String),
    Column("detail", String, nullable=False),
    Column("request_id", String, nullable=False),
    Column("previous", String, nullable=False),
    Column("hash", String, nullable=False),
    # Remembers the highest number there ever was, so that a cut-off end is seen.
    sqlite_autoincrement=True,
)

#: Feeds, policies and routes that were made through the API; `document` is JSON, its secrets encrypted.
declared = Table(
    "declared",
    metadata,
    Column("noun", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("document", LargeBinary, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
)

#: What people have approved in curated feeds: `proxy.model.approval.Approval`; `drift` is packed.
approvals = Table(
    "approvals",
    metadata,
    Column("id", String, primary_key=True),
    Column("feed", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("name", String, nullable=False),
    Column("version", String, nullable=False),
    Column("artifact", String, nullable=False),
    Column("sha256", String, nullable=False),
    Column("size", BigInteger),
    Column("record", LargeBinary, nullable=False),
    Column("source_feed", String, nullable=False),
    Column("upstream", String, nullable=False),
    Column("origin_url", String, nullable=False),
    Column("promotion_id", String, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("actor", String, nullable=False),
    Column("state", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("revoked_ms", BigInteger),
    Column("drift", LargeBinary),
)
#: One active approval for each artifact of a feed; revoked ones stay as history.
Index(
    "approvals_active",
    approvals.c.feed,
    approvals.c.artifact,
    unique=True,
    sqlite_where=approvals.c.state == "active",
)

#: The acts of approving; `answer` is the JSON that was sent. A key stands for its first promotion for seven days.
promotions = Table(
    "promotions",
    metadata,
    Column("id", String, primary_key=True),
    Column("feed", String, nullable=False),
    Column("source_feed", String, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("actor", String, nullable=False),
    Column("comment", String, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    Column("key", String),
    Column("asked_sha256", String),
)
Index("promotions_by_time", promotions.c.feed, promotions.c.at_ms)
Index("promotions_by_key", promotions.c.feed, promotions.c.key, unique=True)
#: Curated feeds and the digests that have come for them from where they were approved: only for these feeds may the
#: vault's copy be sent (`approvals.py`).
vaulted = Table(
    "vaulted",
    metadata,
    Column("feed", String, primary_key=True),
    Column("sha256", String, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
)
#: API keys (`keys.py`): of the value only a digest under `salt`, which is the same in every row.
keys = Table(
    "keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("salt", LargeBinary, nullable=False),
    Column("is_made", Boolean, nullable=False),
    Column("grants", String, nullable=False),
    Column("groups", String, nullable=False),
    Column("is_admin", Boolean, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("created_by", String, nullable=False),
    Column("expires_ms", BigInteger),
    Column("last_used_ms", BigInteger),
)
