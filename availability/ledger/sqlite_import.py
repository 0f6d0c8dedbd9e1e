"""Stock imports in SQLite: judged as a whole, then written as a whole."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from availability.errors import InvalidChange, Violation
from availability.ledger.mirror import Places, Units
from availability.ledger.protocol import MAX_VIOLATIONS
from availability.ledger.sqlite import Cursor
from availability.model import MAX_STOCK_UNITS, ImportMode, StockChange

MAX_SKU_CHARACTERS = 128
"""Longest SKU."""

# A few statements over all changes, never one for each: between two statements
# Python's threads contend for the interpreter's lock, and 50,000 such moments on
# a busy server take seconds while every other write waits.

_CREATE = """
CREATE TEMP TABLE IF NOT EXISTS change (
  sku TEXT NOT NULL,
  location_key INTEGER NOT NULL,
  position INTEGER,          -- in the import; NULL: a snapshot zeroes it
  on_hand INTEGER NOT NULL,  -- what these three are to be
  allocated INTEGER NOT NULL,
  safety_stock INTEGER NOT NULL,
  differs INTEGER NOT NULL,  -- from what the stock is
  PRIMARY KEY (sku, location_key)
) STRICT, WITHOUT ROWID
"""

_FILL = """
WITH named AS MATERIALIZED (
  SELECT value ->> 0 AS position, value ->> 1 AS sku, value ->> 2 AS location_key,
    value ->> 3 AS on_hand, value ->> 4 AS safety_stock
  FROM json_each(:changes)
), target AS (
  SELECT named.sku, named.location_key, position,
    named.on_hand + iif(:delta, coalesce(stock.on_hand, 0), 0) AS on_hand,
    coalesce(stock.allocated, 0) AS allocated,
    coalesce(named.safety_stock, stock.safety_stock, 0) AS safety_stock,
    stock.on_hand AS was_on_hand, stock.safety_stock AS was_safety_stock
  FROM named LEFT JOIN stock
    ON stock.sku = named.sku AND stock.location_key = named.location_key
)
INSERT INTO temp.change
SELECT sku, location_key, position, on_hand, allocated, safety_stock,
  was_on_hand IS NOT on_hand OR was_safety_stock IS NOT safety_stock
FROM target
"""

_OUT_OF_RANGE = """
SELECT json_group_array(json_array(position, on_hand)) FROM (
  SELECT position, on_hand FROM temp.change
  WHERE on_hand NOT BETWEEN 0 AND :most ORDER BY position LIMIT :limit
)
"""

_ZERO_THE_REST = """
INSERT INTO temp.change
SELECT sku, location_key, NULL, 0, allocated, safety_stock, true FROM stock
WHERE location_key IN (SELECT DISTINCT location_key FROM temp.change) AND on_hand > 0
  AND (sku, location_key) NOT IN (SELECT sku, location_key FROM temp.change)
"""

_APPLY = """
INSERT INTO stock (sku, location_key, on_hand, allocated, safety_stock, deficit)
SELECT sku, location_key, on_hand, allocated, safety_stock, max(0, allocated - on_hand)
FROM temp.change WHERE differs ORDER BY sku, location_key
ON CONFLICT (sku, location_key) DO UPDATE SET on_hand = excluded.on_hand,
  safety_stock = excluded.safety_stock, deficit = excluded.deficit
"""

_UNITS = """
SELECT json_group_array(
  json_array(sku, location_key, on_hand - allocated - safety_stock))
FROM temp.change WHERE differs
"""


class Breach(NamedTuple):
    """A violation, and the change it stands at."""

    position: int
    violation: Violation


@dataclass(slots=True)
class Judged:
    """An import after what can be judged without the stock.

    ``sound`` is a JSON array of [position, SKU, location key, on hand, safety
    stock] of every change that has no breach.
    """

    mode: ImportMode
    breaches: list[Breach]
    sound: str


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did, and what it left of each record it touched."""

    changed_count: int
    zeroed_count: int
    units: list[Units]


def judge(mode: ImportMode, changes: Sequence[StockChange], places: Places) -> Judged:
    """Check everything but what a DELTA would leave on hand.

    Raises
    ------
    InvalidChange
        Outside DELTA, where the stock has no say: the writer need not be kept busy.
    """
    least = -MAX_STOCK_UNITS if mode is ImportMode.DELTA else 0
    breaches: list[Breach] = []
    sound: list[tuple[int, str, int, int, int | None]] = []
    seen: set[tuple[str, str]] = set()
    for n, change in enumerate(changes):
        location_id, sku = change.location_id, change.sku
        key = places.keys.get(location_id)
        safety = change.safety_stock
        pair = (location_id, sku)
        if (
            key is None
            or pair in seen
            or not 0 < len(sku) <= MAX_SKU_CHARACTERS
            or not sku.isprintable()
            or not least <= change.on_hand <= MAX_STOCK_UNITS
            or not (safety is None or 0 <= safety <= MAX_STOCK_UNITS)
        ):
            found = _violations(f"changes[{n}]", change, places, pair in seen, least)
            breaches += [Breach(n, each) for each in found]
            if len(breaches) >= MAX_VIOLATIONS:
                break
        else:
            sound.append((n, sku, key, change.on_hand, safety))
        seen.add(pair)
    if breaches and mode is not ImportMode.DELTA:
        raise _refusal(breaches)
    return Judged(mode, breaches, json.dumps(sound, ensure_ascii=False))


def _violations(
    path: str, change: StockChange, places: Places, repeated: bool, least: int
) -> list[Violation]:
    """Spell out what is wrong with one change."""
    sku, found = change.sku, []
    if change.location_id not in places.keys:
        message = f"no location {change.location_id!r}"
        found.append(Violation(f"{path}.location_id", "UNKNOWN_LOCATION", message))
    if not 0 < len(sku) <= MAX_SKU_CHARACTERS or not sku.isprintable():
        message = f"must be 1 to {MAX_SKU_CHARACTERS} printable characters"
        found.append(Violation(f"{path}.sku", "INVALID_SKU", message))
    elif repeated:
        message = f"{sku!r} at {change.location_id!r} came before"
        found.append(Violation(f"{path}.sku", "DUPLICATE", message))
    for name, value, low in (
        ("on_hand_units", change.on_hand, least),
        ("safety_stock_units", change.safety_stock, 0),
    ):
        if value is not None and not low <= value <= MAX_STOCK_UNITS:
            message = f"must be {low} to {MAX_STOCK_UNITS}, got {value}"
            found.append(Violation(f"{path}.{name}", "OUT_OF_RANGE", message))
    return found


def import_stock(db: Cursor, judged: Judged) -> Imported:
    """Write an import within the caller's transaction.

    Raises
    ------
    InvalidChange
        Every violation, up to `MAX_VIOLATIONS`, in the order of the changes.
    """
    db.execute(_CREATE)
    db.execute("DELETE FROM temp.change")
    delta = judged.mode is ImportMode.DELTA
    db.execute(_FILL, {"changes": judged.sound, "delta": delta})
    breaches = judged.breaches + (_left_out_of_range(db) if delta else [])
    if breaches:
        raise _refusal(breaches)
    zeroed = 0
    if judged.mode is ImportMode.SNAPSHOT:
        zeroed = db.execute(_ZERO_THE_REST).rowcount
    written = db.execute(_APPLY).rowcount
    units = [Units(*row) for row in json.loads(db.execute(_UNITS).fetchone()[0])]
    db.execute("DELETE FROM temp.change")
    return Imported(written - zeroed, zeroed, units)


def _refusal(breaches: list[Breach]) -> InvalidChange:
    ordered = sorted(breaches, key=lambda breach: breach.position)
    return InvalidChange([each.violation for each in ordered[:MAX_VIOLATIONS]])


def _left_out_of_range(db: Cursor) -> list[Breach]:
    """Find the deltas that would leave less than nothing, or too much, on hand."""
    limits = {"most": MAX_STOCK_UNITS, "limit": MAX_VIOLATIONS}
    (rows,) = db.execute(_OUT_OF_RANGE, limits).fetchone()
    breaches = []
    for position, on_hand in json.loads(rows):
        reason = "BELOW_ZERO" if on_hand < 0 else "OUT_OF_RANGE"
        message = f"would leave {on_hand} on hand"
        path = f"changes[{position}].on_hand_units"
        breaches.append(Breach(position, Violation(path, reason, message)))
    return breaches
