"""What people change while the server runs: the audit, settings made through the API.

The statements are in `schema_0002.py`, which `fresh.py` runs too: one text makes a new database and upgrades one.
"""

from alembic import op

from proxy.state.schema_0002 import SCHEMA_0002

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in SCHEMA_0002:
        op.get_bind().exec_driver_sql(statement)
