"""Run by alembic, in the transaction of `availability.ledger.migrations.upgrade`."""

from alembic import context

from availability.ledger.migrations.upgrade import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"], version_table=VERSION_TABLE
)
context.run_migrations()
