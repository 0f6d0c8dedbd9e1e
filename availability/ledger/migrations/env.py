"""Run by alembic, within the transaction `availability.ledger.migrate` began."""

from alembic import context

from availability.ledger.migrate import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"], version_table=VERSION_TABLE
)
context.run_migrations()
