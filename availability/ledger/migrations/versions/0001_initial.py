"""The first tables of version 2.

DDL as it was on the day, and not made from `tables.metadata`: a migration never
changes once it was released. PostgreSQL has more: ``movement.xid`` says which
transaction wrote a movement, ``news`` what changed without one (both are read by
`availability.ledger.postgres.change_feed`), and a sequence counts the commits, which
one row could not do without making them queue.
"""

from alembic import op

from availability.ledger.migrations.scripts import statements_of

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create everything, and the one row of ``ledger``."""
    bind = op.get_bind()
    for statement in statements_of(revision, bind.dialect.name):
        bind.exec_driver_sql(statement)
