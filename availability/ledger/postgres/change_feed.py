"""How a process learns what others committed: the movements since it last looked.

Every change of a balance writes a movement, and ``movement.xid`` is the transaction
that wrote it. Keys would not do: they are drawn when a row is written and seen when
its transaction commits, so a reader that remembers the highest key it saw passes
over the transaction that drew a lower one and commits later.

A reader remembers instead the *snapshot* it read in: which transactions were over
by then [1]_. A movement is new if its transaction was not over in that snapshot and
is committed now. Nothing is missed and nothing is read twice, however long a
transaction runs and in whatever order they commit:

* a transaction that was over in the last snapshot was seen then, or rolled back;
* one that was not has an id of at least the snapshot's ``xmin``, so the index finds
  it; it is seen by the first read after its commit, and by that one only;
* ids are the 64 bits that never wrap, and of whole transactions: ids of savepoints
  are in no snapshot, and `pg_current_xact_id` never returns one.

What changes without a movement (a record that comes with nothing in it, a count that
is confirmed, a balance that an audit repairs) is recorded in the table ``news`` in the
same way. A transaction that only confirms counts changes no version: it is not among
those that are reported. There are as many confirmations as counts, so those older than
a day are deleted: a process that did not look for so long takes these records for as
old as it knew them.

Rows are read as they are and not added up, so to read one again would do no harm.
The snapshot and the rows come of one statement, which sees one moment. A transaction
that stays open holds ``xmin`` back, and each read then looks at the index from there
on; it takes over only what is new.

References
----------
.. [1] PostgreSQL, "Transaction ID and Snapshot Information Functions":
       ``xmin`` is the lowest transaction id still active, all below it are either
       committed and visible or rolled back; `pg_visible_in_snapshot` tells whether a
       transaction was completed before the snapshot was taken.
       https://www.postgresql.org/docs/current/functions-info.html
"""

from typing import Any, NamedTuple

from availability.ledger.memory.deltas import UnitsDelta
from availability.ledger.postgres.reads import VERSION
from availability.ledger.postgres.session import PostgresSession
from availability.positions import Counts

FEED_ROWS = 20_000
"""Most movements one read takes over; beyond that memory is loaded again, which is
about as fast for so many."""

SNAPSHOT = "SELECT pg_current_snapshot()::text"

_NEWS = f"""
WITH noted AS MATERIALIZED (
  SELECT n.sku, n.location_key, CASE WHEN n.confirmed_ms IS NULL THEN n.xid END AS xid
  FROM news n
  WHERE n.xid >= pg_snapshot_xmin(%(seen)s::pg_snapshot)
    AND NOT pg_visible_in_snapshot(n.xid, %(seen)s::pg_snapshot)
  LIMIT {FEED_ROWS + 1}
), moved AS MATERIALIZED (
  SELECT m.sku, m.location_key, m.channel_id, m.xid FROM movement m
  WHERE m.xid >= pg_snapshot_xmin(%(seen)s::pg_snapshot)
    AND NOT pg_visible_in_snapshot(m.xid, %(seen)s::pg_snapshot)
  UNION ALL SELECT sku, location_key, '', xid FROM noted WHERE sku IS NOT NULL
  LIMIT {FEED_ROWS + 1}
)
SELECT pg_current_snapshot()::text,
  pg_snapshot_xmax(pg_current_snapshot()) < pg_snapshot_xmin(%(seen)s::pg_snapshot)
    OR EXISTS (SELECT FROM noted WHERE sku IS NULL),
  {VERSION}, network_version, setup_version,
  (SELECT count(*) FROM moved),
  (SELECT array_agg(DISTINCT xid::text::bigint) FROM moved WHERE xid IS NOT NULL),
  (SELECT json_agg(json_build_array(s.sku, s.location_key,
      s.on_hand - s.allocated - s.held - s.withdrawn - s.safety_stock,
      s.counted_ms / 1000))
    FROM (SELECT DISTINCT sku, location_key FROM moved) AS touched
      JOIN stock s ON s.sku = touched.sku AND s.location_key = touched.location_key),
  (SELECT json_agg(json_build_array(q.channel_id, q.sku, q.queued, q.promised))
    FROM (SELECT DISTINCT channel_id, sku FROM moved) AS touched
      JOIN queue q ON q.channel_id = touched.channel_id AND q.sku = touched.sku),
  (SELECT json_object_agg(sku, moves)
    FROM (SELECT DISTINCT sku FROM moved) AS touched JOIN stock_moves USING (sku))
FROM ledger_version, ledger
"""


class News(NamedTuple):
    """What was committed since a snapshot.

    ``too_much``: there is more than `FEED_ROWS`, or balances were repaired, or the
    database went back in time (it was restored); and only ``version`` holds. ``xids``
    are the transactions that changed what is there. ``counts`` are balances by
    (channel, SKU), ``moves`` by SKU.
    """

    seen: str
    too_much: bool
    version: int
    network: int
    setup: int
    xids: frozenset[int]
    units: list[UnitsDelta]
    counts: dict[tuple[str, str], Counts]
    moves: dict[str, int]


def read_news(session: PostgresSession, seen: str) -> News:
    """Read what was committed since ``seen``: one statement, one moment."""
    (row,) = session.run(_NEWS, {"seen": seen})
    now, back, version, network, setup, count, xids, units, counts, moves = row
    return News(
        now,
        back or count > FEED_ROWS,
        version,
        network,
        setup,
        frozenset(xids or ()),
        [UnitsDelta(*row) for row in _rows(units)],
        {(channel_id, sku): Counts(*both) for channel_id, sku, *both in _rows(counts)},
        moves or {},
    )


def _rows(found: Any) -> list[list[Any]]:
    return found or []
