"""What is read from SQLite: pages of stock, and all of memory."""

import json
from collections.abc import Sequence
from typing import Any

from availability.ledger.memory.deltas import UnitsDelta
from availability.ledger.memory.mirror import Mirror
from availability.ledger.sqlite.session import Cursor, SqliteSession
from availability.ledger.statements.reads import (
    PageQuery,
    read_counts,
    read_loads,
    read_moves,
    read_places,
    read_setup,
)
from availability.ledger.statements.session import Row, Session

_UNITS = """
SELECT sku, location_key, on_hand - allocated - held - withdrawn - safety_stock,
  counted_ms / 1000
FROM stock
"""

# A page comes as one row of JSON: fetched row by row, each row would hand the
# interpreter's lock to another thread, and wait to get it back.
_PAGE = """
SELECT (SELECT version FROM ledger),
  json_group_array(json_array(
    location_id, sku, on_hand, allocated, safety_stock, held, withdrawn,
    counted_ms / 1000))
FROM (
  SELECT location_id, sku, on_hand, allocated, safety_stock, held, withdrawn, counted_ms
  FROM stock CROSS JOIN location USING (location_key)
  WHERE {skus} sku >= :sku AND (sku > :sku OR (rank, location_key) > (:rank, :key))
    AND (:keys IS NULL OR location_key IN (SELECT value FROM json_each(:keys)))
  ORDER BY sku, rank, location_key LIMIT :limit
)
"""

_PAGE_OF_ALL = _PAGE.format(skus="")
_PAGE_OF_SKUS = _PAGE.format(skus="sku IN (SELECT value FROM json_each(:skus)) AND")


def read_version(db: Cursor) -> int:
    """Return the ledger's version."""
    return int(db.execute("SELECT version FROM ledger").fetchone()[0])


def read_page(session: Session, query: PageQuery) -> tuple[int, list[Row]]:
    """Return the ledger's version and the rows of a page."""
    values: dict[str, object] = query._asdict()
    del values["location_ids"]
    values["skus"] = _json(query.skus)
    values["keys"] = _json(query.keys) if query.location_ids else None
    ((version, rows),) = session.run(
        _PAGE_OF_SKUS if query.skus else _PAGE_OF_ALL, values
    )
    return version, json.loads(rows)


def _json(values: Sequence[Any]) -> str:
    return json.dumps(values, ensure_ascii=False)


def load_mirror(db: Cursor, today: int) -> Mirror:
    """Read everything that memory holds; loads from yesterday on."""
    session = SqliteSession(db)
    places, setup = read_places(session), read_setup(session)
    counts, moves = read_counts(session), read_moves(session)
    loads, version = read_loads(session, places, today), read_version(db)
    # Last, row by row: the cursor reads one statement at a time.
    units = (UnitsDelta(*row) for row in db.execute(_UNITS))
    return Mirror(places, units, loads, counts, moves, version, setup)
