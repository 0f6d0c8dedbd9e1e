"""Stock imports in SQLite: written as a whole, in a few statements over all changes.

Never one statement for each: between two statements Python's threads contend for
the interpreter's lock, and 50,000 such moments on a busy server take seconds while
every other write waits.
"""

import json

from availability.errors import MAX_VIOLATIONS
from availability.ledger.logic.stock_import import (
    CheckedImport,
    Drop,
    Imported,
    check_drop,
    left_out_of_range,
    refusal,
)
from availability.ledger.memory.deltas import UnitsDelta
from availability.ledger.statements.session import Session
from availability.model import MAX_STOCK_UNITS, ImportMode

# What each zone named is to hold; zone '' is the part of a location in no zone.
_CREATE_CHANGE = """
CREATE TEMP TABLE IF NOT EXISTS change (
  sku TEXT NOT NULL,
  location_key INTEGER NOT NULL,
  zone_id TEXT NOT NULL,
  position INTEGER,         -- in the import; NULL: a snapshot zeroes it
  counts INTEGER NOT NULL,  -- 1 if the zone is available
  was INTEGER NOT NULL,
  becomes INTEGER NOT NULL,
  safety_stock INTEGER,     -- NULL: as it was
  PRIMARY KEY (sku, location_key, zone_id)
) STRICT, WITHOUT ROWID
"""

# What that makes of each record that is counted or deleted.
_CREATE_TOTAL = """
CREATE TEMP TABLE IF NOT EXISTS total (
  sku TEXT NOT NULL,
  location_key INTEGER NOT NULL,
  position INTEGER,
  on_hand INTEGER NOT NULL,
  allocated INTEGER NOT NULL,
  held INTEGER NOT NULL,
  withdrawn INTEGER NOT NULL,
  safety_stock INTEGER NOT NULL,
  safety_moved INTEGER NOT NULL,
  differs INTEGER NOT NULL,  -- from what the stock is, or was never counted
  PRIMARY KEY (sku, location_key)
) STRICT, WITHOUT ROWID
"""

# The units of a record that are in no zone.
_UNZONED = """
coalesce(stock.on_hand, 0) - coalesce((
  SELECT sum(zone_stock.on_hand) FROM zone_stock CROSS JOIN counted
  WHERE zone_stock.sku = {0}.sku AND zone_stock.location_key = {0}.location_key
    AND counted.location_key = {0}.location_key
    AND counted.zone_id = zone_stock.zone_id
), 0)
"""

_COUNTED = """
counted AS MATERIALIZED (
  SELECT value ->> 0 AS location_key, value ->> 1 AS zone_id FROM json_each(:counted)
)
"""

_FILL = f"""
WITH {_COUNTED}, named AS MATERIALIZED (
  SELECT value ->> 0 AS position, value ->> 1 AS sku, value ->> 2 AS location_key,
    value ->> 3 AS zone_id, value ->> 4 AS counts, value ->> 5 AS on_hand,
    value ->> 6 AS safety_stock
  FROM json_each(:changes)
), known AS (
  SELECT named.*, CASE WHEN named.zone_id = '' THEN {_UNZONED.format("named")}
    ELSE coalesce(zone_stock.on_hand, 0) END AS was
  FROM named
  LEFT JOIN stock
    ON stock.sku = named.sku AND stock.location_key = named.location_key
  LEFT JOIN zone_stock ON zone_stock.sku = named.sku
    AND zone_stock.location_key = named.location_key
    AND zone_stock.zone_id = named.zone_id
)
INSERT INTO temp.change
SELECT sku, location_key, zone_id, position, counts, was,
  on_hand + iif(:delta, was, 0), safety_stock
FROM known
"""

_DELETE_ZONES = f"""
WITH {_COUNTED}
INSERT INTO temp.change
SELECT zone_stock.sku, zone_stock.location_key, zone_stock.zone_id, NULL,
  (zone_stock.location_key, zone_stock.zone_id) IN (
    SELECT location_key, zone_id FROM counted), zone_stock.on_hand, 0, NULL
FROM temp.change AS named CROSS JOIN zone_stock
  ON zone_stock.sku = named.sku AND zone_stock.location_key = named.location_key
WHERE zone_stock.on_hand > 0
"""

_ZERO_THE_REST = f"""
WITH {_COUNTED}, place AS MATERIALIZED (
  SELECT DISTINCT location_key FROM temp.change
), rest AS (
  SELECT sku, location_key, '' AS zone_id, 1 AS counts,
    {_UNZONED.format("stock")} AS was
  FROM stock WHERE location_key IN (SELECT location_key FROM place)
  UNION ALL
  SELECT sku, location_key, zone_id,
    (location_key, zone_id) IN (SELECT location_key, zone_id FROM counted), on_hand
  FROM zone_stock WHERE location_key IN (SELECT location_key FROM place)
)
INSERT INTO temp.change
SELECT sku, location_key, zone_id, NULL, counts, was, 0, NULL FROM rest
WHERE was > 0 AND (sku, location_key, zone_id) NOT IN (
  SELECT sku, location_key, zone_id FROM temp.change)
"""

_ADD_UP = """
INSERT INTO temp.total
SELECT change.sku, change.location_key, min(position),
  coalesce(stock.on_hand, 0) + sum((becomes - was) * counts),
  coalesce(stock.allocated, 0), coalesce(stock.held, 0), coalesce(stock.withdrawn, 0),
  coalesce(max(change.safety_stock), stock.safety_stock, 0),
  coalesce(max(change.safety_stock) - coalesce(stock.safety_stock, 0), 0),
  (coalesce(stock.counted_ms, 0) > 0) <> :counts OR max(becomes <> was)
    OR coalesce(max(change.safety_stock) <> stock.safety_stock, 0)
FROM temp.change LEFT JOIN stock
  ON stock.sku = change.sku AND stock.location_key = change.location_key
GROUP BY change.sku, change.location_key
"""

# A snapshot says of these that they are still not there.
_CONFIRM_THE_REST = """
INSERT INTO temp.total
SELECT sku, location_key, NULL, on_hand, allocated, held, withdrawn, safety_stock, 0, 0
FROM stock WHERE location_key IN (SELECT location_key FROM temp.change)
  AND counted_ms > 0
  AND (sku, location_key) NOT IN (SELECT sku, location_key FROM temp.total)
"""

_DROP = """
SELECT count(*) FILTER (WHERE total.on_hand = 0), count(*),
  coalesce(sum(max(0, stock.on_hand - total.on_hand)), 0),
  coalesce(sum(stock.on_hand), 0)
FROM temp.total AS total CROSS JOIN stock
  ON stock.sku = total.sku AND stock.location_key = total.location_key
WHERE stock.on_hand > 0
"""

_OUT_OF_RANGE = """
SELECT json_group_array(json_array(position, units)) FROM (
  SELECT position, min(units) AS units FROM (
    SELECT position, becomes AS units FROM temp.change
    WHERE becomes NOT BETWEEN 0 AND :most
    UNION ALL
    SELECT position, on_hand FROM temp.total WHERE on_hand > :most
  ) GROUP BY position ORDER BY position LIMIT :limit
)
"""

_APPLY = """
INSERT INTO stock (sku, location_key, on_hand, allocated, held, withdrawn,
  safety_stock, deficit, counted_ms)
SELECT sku, location_key, on_hand, allocated, held, withdrawn, safety_stock,
  max(0, allocated + held - on_hand), :counted_ms
FROM temp.total WHERE differs OR :counted_ms > 0 ORDER BY sku, location_key
ON CONFLICT (sku, location_key) DO UPDATE SET on_hand = excluded.on_hand,
  safety_stock = excluded.safety_stock,
  deficit = excluded.deficit,
  counted_ms = excluded.counted_ms
"""

_APPLY_ZONES = """
INSERT INTO zone_stock (sku, location_key, zone_id, on_hand)
SELECT sku, location_key, zone_id, becomes FROM temp.change
WHERE zone_id <> '' ORDER BY sku, location_key, zone_id
ON CONFLICT (sku, location_key, zone_id) DO UPDATE SET on_hand = excluded.on_hand
"""

_RECORD = """
INSERT INTO movement (at_ms, cause, reference, line_id, location_key, channel_id,
  sku, zone_id, on_hand, zone_units, allocated, held, withdrawn, safety_stock, queued)
SELECT :now_ms, 'imported', :reference, '', location_key, '', sku, zone_id, on_hand,
  zone_units, 0, 0, 0, safety_stock, 0
FROM (
  SELECT sku, location_key, zone_id, (becomes - was) * counts AS on_hand,
    iif(zone_id = '', 0, becomes - was) AS zone_units, 0 AS safety_stock
  FROM temp.change WHERE becomes <> was
  UNION ALL
  SELECT sku, location_key, '', 0, 0, safety_moved FROM temp.total
  WHERE safety_moved <> 0
)
"""

_COUNT = """
SELECT count(*) FILTER (WHERE differs AND position IS NOT NULL),
  count(*) FILTER (WHERE differs AND position IS NULL)
FROM temp.total
"""

_UNITS = """
SELECT json_group_array(
  json_array(sku, location_key, on_hand - allocated - held - withdrawn - safety_stock))
FROM temp.total WHERE differs OR :counted_ms > 0
"""

_COUNT_MOVES = """
INSERT INTO queue (channel_id, sku, queued, promised)
SELECT DISTINCT '', sku, 0, 1 FROM temp.total WHERE differs OR :counted_ms > 0
ON CONFLICT (channel_id, sku) DO UPDATE SET promised = promised + 1
"""


def import_stock(
    session: Session,
    judged: CheckedImport,
    now_ms: int,
    reference: str,
    *,
    dry_run: bool,
    count_moves: bool,
) -> Imported:
    """Write an import, or only compute it; see `Store.import_stock`."""
    for statement in (_CREATE_CHANGE, _CREATE_TOTAL, *_EMPTY):
        session.run(statement)
    _lay_out(session, judged)
    limits = {"most": MAX_STOCK_UNITS, "limit": MAX_VIOLATIONS}
    ((found,),) = session.run(_OUT_OF_RANGE, limits)
    breaches = judged.breaches + left_out_of_range(json.loads(found))
    if breaches:
        raise refusal(breaches)
    drop = Drop()
    if judged.mode is ImportMode.SNAPSHOT:
        drop = Drop(*session.run(_DROP)[0])
        check_drop(drop, judged.max_drop_permille)
    counted_ms = now_ms if judged.counts else 0
    units = [] if dry_run else _write(session, counted_ms, now_ms, reference)
    ((changed, zeroed),) = session.run(_COUNT)
    if count_moves and units and (changed or zeroed):
        session.run(_COUNT_MOVES, {"counted_ms": counted_ms})
    for statement in _EMPTY:
        session.run(statement)
    return Imported(changed, zeroed, drop, units)


def _lay_out(session: Session, judged: CheckedImport) -> None:
    """Fill the temporary tables; nothing is written."""
    counted = {"counted": json.dumps(judged.counted, ensure_ascii=False)}
    values = {
        "changes": json.dumps(judged.sound, ensure_ascii=False),
        "delta": judged.mode is ImportMode.DELTA,
    }
    session.run(_FILL, {**values, **counted})
    snapshot = judged.mode is ImportMode.SNAPSHOT
    if snapshot:
        session.run(_ZERO_THE_REST, counted)
    elif not judged.counts:
        session.run(_DELETE_ZONES, counted)
    session.run(_ADD_UP, {"counts": judged.counts})
    if snapshot:
        session.run(_CONFIRM_THE_REST)


def _write(
    session: Session, counted_ms: int, now_ms: int, reference: str
) -> list[UnitsDelta]:
    """Write what was laid out; return what it leaves of each record."""
    counted = {"counted_ms": counted_ms}
    session.run(_APPLY, counted)
    session.run(_APPLY_ZONES)
    session.run(_RECORD, {"now_ms": now_ms, "reference": reference})
    ((rows,),) = session.run(_UNITS, counted)
    seconds = counted_ms // 1_000
    return [UnitsDelta(sku, key, left, seconds) for sku, key, left in json.loads(rows)]


_EMPTY = ("DELETE FROM temp.change", "DELETE FROM temp.total")
