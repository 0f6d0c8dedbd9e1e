"""Moves of stock get a table of their own.

They were counted in ``queue.promised`` on the channel ''. Units queued without a
channel stay there, with nothing promised: a check now refuses the old meaning, so a
server of an older version that is still running fails, and does not lose moves.
"""

from alembic import op

from availability.ledger.migrations.scripts import statements_of

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create ``stock_moves`` and carry the moves over."""
    bind = op.get_bind()
    for statement in statements_of(revision, bind.dialect.name):
        bind.exec_driver_sql(statement)
