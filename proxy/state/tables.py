"""The tables. Migrations make them, `fresh.py` makes them at once in a new file; a test compares them."""

from sqlalchemy import BigInteger, Column, LargeBinary, MetaData, String, Table

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
