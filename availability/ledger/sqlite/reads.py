"""What is read from SQLite: pages of stock, and all of memory."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from availability.ledger.memory.deltas import DayLoad, UnitsDelta
from availability.ledger.memory.mirror import Mirror
from availability.ledger.memory.places import Places
from availability.ledger.protocol import StockCursor, StockPage
from availability.ledger.sqlite.locations import load_places
from availability.ledger.sqlite.session import Cursor
from availability.ledger.statements.setup_items import setup_of
from availability.model import LocationId, Sku, StockRecord
from availability.positions import Counts

_UNITS = """
SELECT sku, location_key, on_hand - allocated - held - withdrawn - safety_stock,
  counted_ms / 1000
FROM stock
"""

_COUNTS = "SELECT channel_id, sku, queued, promised FROM queue"

_SETUP = "SELECT kind, item_key, body FROM setup_item ORDER BY number"

_LOADS = "SELECT day, location_key, orders, units FROM location_load WHERE day >= ?"

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
    AND (:locations IS NULL
      OR location_key IN (SELECT value FROM json_each(:locations)))
  ORDER BY sku, rank, location_key LIMIT :limit
)
"""

_PAGE_OF_ALL = _PAGE.format(skus="")
_PAGE_OF_SKUS = _PAGE.format(skus="sku IN (SELECT value FROM json_each(:skus)) AND")

_BEFORE_ALL = StockCursor(Sku(""), LocationId(""))


def read_version(db: Cursor) -> int:
    """Return the ledger's version."""
    return int(db.execute("SELECT version FROM ledger").fetchone()[0])


def read_page(
    db: Cursor,
    places: Places,
    skus: Sequence[Sku],
    location_ids: Sequence[LocationId],
    after: StockCursor | None,
    limit: int,
) -> StockPage:
    """Return a page of records by SKU, then location in rank order."""
    rank, key = _place_after(places, after)
    keys = [places.keys[each] for each in location_ids if each in places.keys]
    version, rows = db.execute(
        _PAGE_OF_SKUS if skus else _PAGE_OF_ALL,
        {
            "skus": _json(skus),
            "locations": _json(keys) if location_ids else None,
            "sku": (after or _BEFORE_ALL).sku,
            "rank": rank,
            "key": key,
            "limit": limit + 1,  # one more tells whether there is a next page
        },
    ).fetchone()
    records = tuple(StockRecord(*row) for row in json.loads(rows))
    if len(records) <= limit:
        return StockPage(records, None, version)
    last = records[limit - 1]
    return StockPage(records[:limit], StockCursor(last.sku, last.location_id), version)


def _place_after(places: Places, after: StockCursor | None) -> tuple[int, int]:
    """Return the (rank, key) a page starts after; an unknown location is the last."""
    if after is None:
        return -1, 0
    location = places.locations.get(after.location_id)
    if location is None:
        return 2**62, 0
    return location.rank, places.keys[after.location_id]


def _json(values: Sequence[Any]) -> str:
    return json.dumps(values, ensure_ascii=False)


def load_mirror(db: Cursor, today: int) -> Mirror:
    """Read everything that memory holds; loads from yesterday on."""
    version, network_version, setup_version = db.execute(
        "SELECT version, network_version, setup_version FROM ledger"
    ).fetchone()
    places = load_places(db, network_version)
    counts = {
        (channel_id, sku): Counts(*units)
        for channel_id, sku, *units in db.execute(_COUNTS)
    }
    loads = read_loads(db, places, today)
    setup = setup_of(db.execute(_SETUP), setup_version)
    return Mirror(places, _units(db), loads, counts, version, setup)


def read_loads(
    db: Cursor, places: Places, today: int
) -> dict[tuple[int, LocationId], DayLoad]:
    """Read what the locations were given from yesterday on."""
    ids = {key: location_id for location_id, key in places.keys.items()}
    return {
        (day, ids[key]): DayLoad(orders, units)
        for day, key, orders, units in db.execute(_LOADS, (today - 1,)).fetchall()
    }


def _units(db: Cursor) -> Iterator[UnitsDelta]:
    return (UnitsDelta(*row) for row in db.execute(_UNITS))
