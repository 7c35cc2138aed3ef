"""Alembic's environment: it runs in the transaction of the connection that `upgrade.py` hands over."""

from alembic import context

from proxy.state.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
