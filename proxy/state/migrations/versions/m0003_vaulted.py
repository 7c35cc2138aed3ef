"""For which curated feeds approved bytes have come from where they were approved.

What was approved before this was known counts as it did until now: its origin may be gone for good.
"""

from alembic import op

from proxy.state.schema_0003 import SCHEMA_0003

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in SCHEMA_0003:
        op.get_bind().exec_driver_sql(statement)
    op.get_bind().exec_driver_sql(
        "INSERT INTO vaulted (feed, sha256, at_ms) "
        "SELECT feed, sha256, max(at_ms) FROM approvals WHERE state = 'active' GROUP BY feed, sha256"
    )
