"""The statements of schema 0002, for the migration and for a new database. Frozen once it is released."""

from collections.abc import Sequence

_APPEND_ONLY = (
    "CREATE TRIGGER audit_keeps_{what} BEFORE {when} "
    "BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END"
)

SCHEMA_0002: Sequence[str] = (
    "CREATE TABLE audit (number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, at_ms BIGINT NOT NULL, "
    "actor_id VARCHAR NOT NULL, actor VARCHAR NOT NULL, address VARCHAR NOT NULL, action VARCHAR NOT NULL, "
    "subject VARCHAR NOT NULL, feed VARCHAR, before VARCHAR, after VARCHAR, detail VARCHAR NOT NULL, "
    "request_id VARCHAR NOT NULL, previous VARCHAR NOT NULL, hash VARCHAR NOT NULL)",
    "CREATE INDEX ix_audit_at_ms ON audit (at_ms)",
    _APPEND_ONLY.format(what="rows", when="DELETE ON audit"),
    _APPEND_ONLY.format(what="fields", when="UPDATE ON audit"),
    # REPLACE removes rows without asking the trigger for DELETE.
    _APPEND_ONLY.format(
        what="numbers", when="INSERT ON audit WHEN NEW.number <= (SELECT max(number) FROM audit)"
    ),
    "CREATE TABLE declared (noun VARCHAR NOT NULL, name VARCHAR NOT NULL, document BLOB NOT NULL, "
    "changed_ms BIGINT NOT NULL, PRIMARY KEY (noun, name))",
    "CREATE TABLE approvals (id VARCHAR NOT NULL, feed VARCHAR NOT NULL, kind VARCHAR NOT NULL, name VARCHAR NOT NULL, "
    "version VARCHAR NOT NULL, artifact VARCHAR NOT NULL, sha256 VARCHAR NOT NULL, size BIGINT, record BLOB NOT NULL, "
    "source_feed VARCHAR NOT NULL, upstream VARCHAR NOT NULL, origin_url VARCHAR NOT NULL, "
    "promotion_id VARCHAR NOT NULL, at_ms BIGINT NOT NULL, actor VARCHAR NOT NULL, state VARCHAR NOT NULL, "
    "reason VARCHAR NOT NULL, revoked_ms BIGINT, drift BLOB, PRIMARY KEY (id))",
    "CREATE UNIQUE INDEX approvals_active ON approvals (feed, artifact) WHERE state = 'active'",
    "CREATE TABLE promotions (id VARCHAR NOT NULL, feed VARCHAR NOT NULL, source_feed VARCHAR NOT NULL, "
    "at_ms BIGINT NOT NULL, actor VARCHAR NOT NULL, comment VARCHAR NOT NULL, answer BLOB NOT NULL, "
    "key VARCHAR, asked_sha256 VARCHAR, PRIMARY KEY (id))",
    "CREATE INDEX promotions_by_time ON promotions (feed, at_ms)",
    "CREATE UNIQUE INDEX promotions_by_key ON promotions (feed, key)",
    "CREATE TABLE keys (id VARCHAR NOT NULL PRIMARY KEY, name VARCHAR NOT NULL UNIQUE, digest BLOB NOT NULL UNIQUE, "
    "salt BLOB NOT NULL, is_made BOOLEAN NOT NULL, grants VARCHAR NOT NULL, groups VARCHAR NOT NULL, "
    "is_admin BOOLEAN NOT NULL, created_ms BIGINT NOT NULL, created_by VARCHAR NOT NULL, expires_ms BIGINT, "
    "last_used_ms BIGINT)",
)
