"""The part of a stock import that is the same text in every database.

Each database first lays an import out in two temporary tables of its own:
``import_change``, what each zone named is to hold, and ``import_total``, what that
makes of each record. ``position`` is the change's in the import, NULL where a
snapshot zeroes what it does not name; ``counts`` is 1 if the zone is available.
"""

from sqlalchemy import text

from availability.errors import MAX_VIOLATIONS
from availability.ledger.logic.stock_import import (
    CheckedImport,
    Drop,
    Imported,
    check_drop,
    left_out_of_range,
    refusal,
)
from availability.ledger.statements.session import Session
from availability.model import MAX_STOCK_UNITS, ImportMode

ADD_UP = text("""
INSERT INTO import_total
SELECT c.sku, c.location_key, c.position, coalesce(stock.on_hand, 0) + c.moved,
  coalesce(stock.allocated + stock.held, 0), coalesce(stock.withdrawn, 0),
  coalesce(c.safety_stock, stock.safety_stock, 0),
  coalesce(c.safety_stock - coalesce(stock.safety_stock, 0), 0),
  (coalesce(stock.counted_ms, 0) > 0) <> (:counts = 1) OR c.moves = 1
    OR coalesce(c.safety_stock <> stock.safety_stock, false)
FROM (
  SELECT sku, location_key, min(position) AS position,
    CAST(sum((becomes - was) * counts) AS bigint) AS moved,
    max(CASE WHEN becomes <> was THEN 1 ELSE 0 END) AS moves,
    max(safety_stock) AS safety_stock
  FROM import_change GROUP BY sku, location_key
) AS c LEFT JOIN stock ON stock.sku = c.sku AND stock.location_key = c.location_key
""")

# A snapshot confirms that these are still at zero.
CONFIRM_THE_REST = text("""
INSERT INTO import_total
SELECT sku, location_key, NULL, on_hand, allocated + held, withdrawn, safety_stock, 0,
  false
FROM stock
WHERE location_key IN (SELECT location_key FROM import_change) AND counted_ms > 0
  AND NOT EXISTS (SELECT 1 FROM import_total t WHERE t.sku = stock.sku
    AND t.location_key = stock.location_key)
""")

_OUT_OF_RANGE = text("""
SELECT position, min(units) FROM (
  SELECT position, becomes AS units FROM import_change
  WHERE becomes NOT BETWEEN 0 AND :most
  UNION ALL
  SELECT position, on_hand FROM import_total WHERE on_hand > :most
) AS found GROUP BY position ORDER BY position LIMIT :limit
""")

_DROP = text("""
SELECT count(*) FILTER (WHERE t.on_hand = 0), count(*),
  CAST(coalesce(sum(CASE WHEN stock.on_hand > t.on_hand
    THEN stock.on_hand - t.on_hand ELSE 0 END), 0) AS bigint),
  CAST(coalesce(sum(stock.on_hand), 0) AS bigint)
FROM import_total t CROSS JOIN stock
WHERE stock.sku = t.sku AND stock.location_key = t.location_key AND stock.on_hand > 0
""")

_COUNT = text("""
SELECT count(*) FILTER (WHERE differs AND position IS NOT NULL),
  count(*) FILTER (WHERE differs AND position IS NULL)
FROM import_total
""")

_APPLY_ZONES = text("""
INSERT INTO zone_stock (sku, location_key, zone_id, on_hand)
SELECT sku, location_key, zone_id, becomes FROM import_change
WHERE zone_id <> '' ORDER BY sku, location_key, zone_id
ON CONFLICT (sku, location_key, zone_id) DO UPDATE SET on_hand = excluded.on_hand
""")

_RECORD = text("""
INSERT INTO movement (at_ms, cause, reference, line_id, location_key, channel_id,
  sku, zone_id, on_hand, zone_units, allocated, held, withdrawn, safety_stock, queued)
SELECT :now_ms, 'imported', :reference, '', location_key, '', sku, zone_id, on_hand,
  zone_units, 0, 0, 0, safety_stock, 0
FROM (
  SELECT sku, location_key, zone_id, (becomes - was) * counts AS on_hand,
    CASE WHEN zone_id = '' THEN 0 ELSE becomes - was END AS zone_units,
    0 AS safety_stock
  FROM import_change WHERE becomes <> was
  UNION ALL
  SELECT sku, location_key, '', 0, 0, safety_moved FROM import_total
  WHERE safety_moved <> 0
) AS moved
ORDER BY sku, location_key, zone_id
""")

_COUNT_MOVES = text("""
INSERT INTO stock_moves (sku, moves)
SELECT DISTINCT sku, 1 FROM import_total WHERE differs OR :counts = 1
ORDER BY sku
ON CONFLICT (sku) DO UPDATE SET moves = stock_moves.moves + 1
""")


def check_laid_out(session: Session, judged: CheckedImport) -> Imported:
    """Return what an import that is laid out would do.

    Raises
    ------
    InvalidChange
        Every violation, up to `MAX_VIOLATIONS`, in the order of the changes.
    SnapshotDrops
        A snapshot would take away more than its guard allows.
    """
    found = session.rows(_OUT_OF_RANGE, most=MAX_STOCK_UNITS, limit=MAX_VIOLATIONS)
    outside = [(position, units) for position, units in found]
    breaches = judged.breaches + left_out_of_range(outside)
    if breaches:
        raise refusal(breaches)
    drop = Drop()
    if judged.mode is ImportMode.SNAPSHOT:
        drop = Drop(*session.rows(_DROP)[0])
        check_drop(drop, judged.max_drop_permille)
    ((changed, zeroed),) = session.rows(_COUNT)
    return Imported(changed, zeroed, drop, [])


def record_import(session: Session, now_ms: int, reference: str) -> None:
    """Write the zones and the movements of an import that is laid out."""
    session.count(_APPLY_ZONES)
    session.count(_RECORD, now_ms=now_ms, reference=reference)


def count_import(session: Session, judged: CheckedImport) -> None:
    """Count each SKU whose stock moved, for the guards of reservations."""
    session.count(_COUNT_MOVES, counts=int(judged.counts))
