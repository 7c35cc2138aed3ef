"""First sight, digest history, first snapshots, owners of names."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sightings",
        sa.Column("upstream", sa.String(), primary_key=True),
        sa.Column("subdir", sa.String(), primary_key=True),
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "snapshots",
        sa.Column("upstream", sa.String(), primary_key=True),
        sa.Column("subdir", sa.String(), primary_key=True),
        sa.Column("taken_ms", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "owners",
        sa.Column("feed", sa.String(), primary_key=True),
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("upstream", sa.String(), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
    )
