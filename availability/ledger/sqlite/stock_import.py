"""Stock imports in SQLite: written as a whole, in a few statements over all changes.

Never one statement for each: between two statements Python's threads contend for
the interpreter's lock, and 50,000 such moments on a busy server take seconds while
every other write waits.
"""

import json
from dataclasses import replace

from availability.ledger.logic.stock_import import CheckedImport, Imported
from availability.ledger.memory.deltas import UnitsDelta
from availability.ledger.statements.session import Session
from availability.ledger.statements.stock_import import (
    ADD_UP,
    CONFIRM_THE_REST,
    check_laid_out,
    count_import,
    record_import,
)
from availability.model import ImportMode

# What each zone named is to hold; zone '' is the part of a location in no zone.
_CREATE_CHANGE = """
CREATE TEMP TABLE IF NOT EXISTS import_change (
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

# What that makes of each record that is counted or deleted. A record that is new has
# no promises; of one that is known `_APPLY` leaves them alone.
_CREATE_TOTAL = """
CREATE TEMP TABLE IF NOT EXISTS import_total (
  sku TEXT NOT NULL,
  location_key INTEGER NOT NULL,
  position INTEGER,
  on_hand INTEGER NOT NULL,
  promised INTEGER NOT NULL,
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
INSERT INTO import_change
SELECT sku, location_key, zone_id, position, counts, was,
  on_hand + iif(:delta, was, 0), safety_stock
FROM known
"""

_DELETE_ZONES = f"""
WITH {_COUNTED}
INSERT INTO import_change
SELECT zone_stock.sku, zone_stock.location_key, zone_stock.zone_id, NULL,
  (zone_stock.location_key, zone_stock.zone_id) IN (
    SELECT location_key, zone_id FROM counted), zone_stock.on_hand, 0, NULL
FROM import_change AS named CROSS JOIN zone_stock
  ON zone_stock.sku = named.sku AND zone_stock.location_key = named.location_key
WHERE zone_stock.on_hand > 0
"""

_ZERO_THE_REST = f"""
WITH {_COUNTED}, place AS MATERIALIZED (
  SELECT DISTINCT location_key FROM import_change
), rest AS (
  SELECT sku, location_key, '' AS zone_id, 1 AS counts,
    {_UNZONED.format("stock")} AS was
  FROM stock WHERE location_key IN (SELECT location_key FROM place)
  UNION ALL
  SELECT sku, location_key, zone_id,
    (location_key, zone_id) IN (SELECT location_key, zone_id FROM counted), on_hand
  FROM zone_stock WHERE location_key IN (SELECT location_key FROM place)
)
INSERT INTO import_change
SELECT sku, location_key, zone_id, NULL, counts, was, 0, NULL FROM rest
WHERE was > 0 AND NOT EXISTS (
  SELECT 1 FROM import_change c WHERE c.sku = rest.sku
    AND c.location_key = rest.location_key AND c.zone_id = rest.zone_id)
"""

_APPLY = """
INSERT INTO stock (sku, location_key, on_hand, allocated, held, withdrawn,
  safety_stock, deficit, counted_ms)
SELECT sku, location_key, on_hand, promised, 0, withdrawn, safety_stock,
  max(0, promised - on_hand), :counted_ms
FROM import_total WHERE differs OR :counted_ms > 0 ORDER BY sku, location_key
ON CONFLICT (sku, location_key) DO UPDATE SET on_hand = excluded.on_hand,
  safety_stock = excluded.safety_stock,
  deficit = excluded.deficit,
  counted_ms = excluded.counted_ms
"""

_UNITS = """
SELECT json_group_array(
  json_array(sku, location_key, on_hand - promised - withdrawn - safety_stock))
FROM import_total WHERE differs OR :counted_ms > 0
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
    done = check_laid_out(session, judged)
    if not dry_run:
        counted_ms = now_ms if judged.counts else 0
        session.run(_APPLY, {"counted_ms": counted_ms})
        record_import(session, now_ms, reference)
        ((rows,),) = session.run(_UNITS, {"counted_ms": counted_ms})
        counted = counted_ms // 1_000
        units = [
            UnitsDelta(sku, key, left, counted) for sku, key, left in json.loads(rows)
        ]
        done = replace(done, units=units)
        if count_moves and done.changes:
            count_import(session, judged)
    for statement in _EMPTY:
        session.run(statement)
    return done


def _lay_out(session: Session, judged: CheckedImport) -> None:
    """Fill the temporary tables; nothing else is written."""
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
    session.count(ADD_UP, counts=int(judged.counts))
    if snapshot:
        session.count(CONFIRM_THE_REST)


_EMPTY = ("DELETE FROM import_change", "DELETE FROM import_total")
