"""The statements of schema 0003, for the migration and for a new database. Frozen once it is released."""

from collections.abc import Sequence

SCHEMA_0003: Sequence[str] = (
    "CREATE TABLE vaulted (feed VARCHAR NOT NULL, sha256 VARCHAR NOT NULL, at_ms BIGINT NOT NULL, "
    "PRIMARY KEY (feed, sha256))",
)
