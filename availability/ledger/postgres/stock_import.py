"""Stock imports in PostgreSQL: a few statements over all changes.

Records that are new are created first, empty and uncounted, then every row that can
change is locked, both in the order of all writers. What is read after that stays as
it is until the commit.
"""

from dataclasses import replace
from itertools import repeat

from availability.ledger.logic.stock_import import CheckedImport, Imported
from availability.ledger.memory.deltas import UnitsDelta
from availability.ledger.postgres.session import WHOLE_TABLES
from availability.ledger.statements.session import Session
from availability.ledger.statements.stock_import import (
    ADD_UP,
    CONFIRM_THE_REST,
    check_laid_out,
    count_import,
    record_import,
)
from availability.model import ImportMode

# They live as long as the connection, and are empty whenever a transaction begins.
_CREATE = (
    """
CREATE TEMP TABLE IF NOT EXISTS import_named (
  position bigint NOT NULL,
  sku text COLLATE "C" NOT NULL,
  location_key bigint NOT NULL,
  zone_id text COLLATE "C" NOT NULL,  -- '': the part that is in no zone
  counts bigint NOT NULL,             -- 1 if the zone is available
  on_hand bigint NOT NULL,
  safety_stock bigint                 -- NULL: as it was
) ON COMMIT DELETE ROWS
""",
    """
CREATE TEMP TABLE IF NOT EXISTS import_counted (
  location_key bigint NOT NULL,
  zone_id text COLLATE "C" NOT NULL
) ON COMMIT DELETE ROWS
""",
    """
CREATE TEMP TABLE IF NOT EXISTS import_change (
  sku text COLLATE "C" NOT NULL,
  location_key bigint NOT NULL,
  zone_id text COLLATE "C" NOT NULL,
  position bigint,          -- NULL: a snapshot zeroes it
  counts bigint NOT NULL,
  was bigint NOT NULL,
  becomes bigint NOT NULL,
  safety_stock bigint
) ON COMMIT DELETE ROWS
""",
    """
CREATE TEMP TABLE IF NOT EXISTS import_total (
  sku text COLLATE "C" NOT NULL,
  location_key bigint NOT NULL,
  position bigint,
  on_hand bigint NOT NULL,
  promised bigint NOT NULL,
  withdrawn bigint NOT NULL,
  safety_stock bigint NOT NULL,
  safety_moved bigint NOT NULL,
  differs boolean NOT NULL  -- from what the stock is, or was never counted
) ON COMMIT DELETE ROWS
""",
)

_FILL = """
INSERT INTO import_named
SELECT * FROM unnest(%(positions)b::bigint[], %(skus)b::text[], %(keys)b::bigint[],
  %(zones)b::text[], %(counts)b::bigint[], %(on_hand)b::bigint[],
  %(safety)b::bigint[])
"""

_FILL_COUNTED = """
INSERT INTO import_counted
SELECT * FROM unnest(%(keys)b::bigint[], %(zones)b::text[])
"""

_CREATE_STOCK = """
INSERT INTO stock (sku, location_key, on_hand, allocated, held, withdrawn,
  safety_stock, deficit, counted_ms)
SELECT sku, location_key, 0, 0, 0, 0, 0, 0, 0
FROM (SELECT DISTINCT sku, location_key FROM import_named) AS named
  JOIN location USING (location_key)
ORDER BY sku, location_id
ON CONFLICT DO NOTHING
"""

_LOCK_NAMED = """
SELECT count(*) FROM (
  SELECT FROM (SELECT DISTINCT sku, location_key FROM import_named) AS named
    JOIN stock USING (sku, location_key) JOIN location USING (location_key)
  ORDER BY sku, location_id FOR NO KEY UPDATE OF stock
) AS locked
"""

_LOCK_PLACES = """
SELECT count(*) FROM (
  SELECT FROM stock JOIN location USING (location_key)
  WHERE location_key IN (SELECT location_key FROM import_named)
  ORDER BY sku, location_id FOR NO KEY UPDATE OF stock
) AS locked
"""

# By record: the units of the zones that count; the others are in no zone.
_ZONED = """
SELECT z.sku, z.location_key, sum(z.on_hand)::bigint AS units
FROM zone_stock z JOIN import_counted USING (location_key, zone_id)
GROUP BY z.sku, z.location_key
"""

_COMPUTE = f"""
WITH zoned AS ({_ZONED})
INSERT INTO import_change
SELECT n.sku, n.location_key, n.zone_id, n.position, n.counts, known.was,
  n.on_hand + CASE WHEN %(delta)s THEN known.was ELSE 0 END, n.safety_stock
FROM import_named n
  JOIN stock USING (sku, location_key)
  LEFT JOIN zoned USING (sku, location_key)
  LEFT JOIN zone_stock z USING (sku, location_key, zone_id)
  CROSS JOIN LATERAL (SELECT CASE WHEN n.zone_id = ''
    THEN stock.on_hand - coalesce(zoned.units, 0)
    ELSE coalesce(z.on_hand, 0) END AS was) AS known
"""

_ZERO_THE_REST = f"""
WITH zoned AS ({_ZONED}), place AS (
  SELECT DISTINCT location_key FROM import_named
), rest AS (
  SELECT sku, location_key, '' AS zone_id, 1 AS counts,
    stock.on_hand - coalesce(zoned.units, 0) AS was
  FROM stock JOIN place USING (location_key)
    LEFT JOIN zoned USING (sku, location_key)
  UNION ALL
  SELECT z.sku, location_key, z.zone_id, CASE WHEN c.zone_id IS NULL THEN 0 ELSE 1 END,
    z.on_hand
  FROM zone_stock z JOIN place USING (location_key)
    LEFT JOIN import_counted c USING (location_key, zone_id)
)
INSERT INTO import_change
SELECT sku, location_key, zone_id, NULL, counts, was, 0, NULL FROM rest
WHERE was > 0 AND NOT EXISTS (
  SELECT FROM import_named n WHERE n.sku = rest.sku
    AND n.location_key = rest.location_key AND n.zone_id = rest.zone_id)
"""

_DELETE_ZONES = """
INSERT INTO import_change
SELECT z.sku, z.location_key, z.zone_id, NULL,
  CASE WHEN c.zone_id IS NULL THEN 0 ELSE 1 END, z.on_hand, 0, NULL
FROM import_named n
  JOIN zone_stock z ON z.sku = n.sku AND z.location_key = n.location_key
  LEFT JOIN import_counted c
    ON c.location_key = z.location_key AND c.zone_id = z.zone_id
WHERE z.on_hand > 0
"""

# To delete what is not known changes nothing.
_KEEP_KNOWN = "DELETE FROM import_total WHERE NOT differs"

_APPLY = """
UPDATE stock SET on_hand = t.on_hand, safety_stock = t.safety_stock,
  deficit = greatest(0, t.promised - t.on_hand), counted_ms = %(counted_ms)s::bigint
FROM import_total t
WHERE stock.sku = t.sku AND stock.location_key = t.location_key
"""

# A record that is there now and empty, or was counted again: nothing moved, but others
# must be notified.
_TELL = """
INSERT INTO news (sku, location_key, confirmed_ms)
SELECT sku, location_key, CASE WHEN NOT differs THEN %(now_ms)s::bigint END
FROM import_total t
WHERE safety_moved = 0 AND NOT EXISTS (
  SELECT FROM import_change c WHERE c.sku = t.sku
    AND c.location_key = t.location_key AND c.becomes <> c.was)
"""

FEW_CHANGES = 1_000
"""Up to so many, looking up each beats reading all of the stock."""

CONFIRMED_SECONDS = 86_400
"""How long other processes can read that a count was confirmed."""

# More than are written, so they do not pile up; what another deletes is let be.
_FORGET = """
DELETE FROM news WHERE news_key IN (
  SELECT news_key FROM news WHERE confirmed_ms < %(before_ms)s::bigint
  ORDER BY confirmed_ms LIMIT 2 * (SELECT count(*) FROM import_total)
  FOR UPDATE SKIP LOCKED)
"""

_UNITS = """
SELECT array_agg(sku), array_agg(location_key),
  array_agg(on_hand - promised - withdrawn - safety_stock)
FROM import_total
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
    for statement in _CREATE:
        session.run(statement)
    if dry_run:
        session.run("SAVEPOINT dry_run")
    _fill(session, judged)
    if judged.mode is ImportMode.SNAPSHOT or len(judged.sound) > FEW_CHANGES:
        session.run(WHOLE_TABLES)
    _lay_out(session, judged)
    done = check_laid_out(session, judged)
    if dry_run:
        # Also the records that were created, and their locks.
        session.run("ROLLBACK TO SAVEPOINT dry_run")
        return done
    counted_ms = now_ms if judged.counts else 0
    session.run(_APPLY, {"counted_ms": counted_ms})
    record_import(session, now_ms, reference)
    session.run(_FORGET, {"before_ms": now_ms - CONFIRMED_SECONDS * 1_000})
    session.run(_TELL, {"now_ms": now_ms})
    ((skus, keys, left),) = session.run(_UNITS)
    counted = repeat(counted_ms // 1_000)
    units = list(map(UnitsDelta, skus or (), keys or (), left or (), counted))
    if count_moves and done.changes:
        count_import(session, judged)
    return replace(done, units=units)


def _lay_out(session: Session, judged: CheckedImport) -> None:
    """Lock the records and fill the temporary tables; no balance is written."""
    snapshot = judged.mode is ImportMode.SNAPSHOT
    if judged.counts:
        session.run(_CREATE_STOCK)
    session.run(_LOCK_PLACES if snapshot else _LOCK_NAMED)
    session.run(_COMPUTE, {"delta": judged.mode is ImportMode.DELTA})
    if snapshot:
        session.run(_ZERO_THE_REST)
    elif not judged.counts:
        session.run(_DELETE_ZONES)
    session.run("ANALYZE import_change")
    session.count(ADD_UP, counts=int(judged.counts))
    session.run("ANALYZE import_total")
    if snapshot:
        session.count(CONFIRM_THE_REST)
    elif not judged.counts:
        session.run(_KEEP_KNOWN)


def _fill(session: Session, judged: CheckedImport) -> None:
    columns = [list(each) for each in zip(*judged.sound, strict=True)] or [[]] * 7
    names = ("positions", "skus", "keys", "zones", "counts", "on_hand", "safety")
    values: dict[str, object] = dict(zip(names, columns, strict=True))
    values["counts"] = list(map(int, columns[4]))
    session.run(_FILL, values)
    counted: dict[str, object] = {
        "keys": [key for key, _ in judged.counted],
        "zones": [zone_id for _, zone_id in judged.counted],
    }
    session.run(_FILL_COUNTED, counted)
    for table in ("import_named", "import_counted"):
        session.run(f"ANALYZE {table}")
