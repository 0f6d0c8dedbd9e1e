"""What is read from PostgreSQL: locations, pages of stock, and all of memory."""

from collections.abc import Callable, Sequence

from availability.ledger.memory.deltas import DayLoad, UnitsDelta
from availability.ledger.memory.mirror import Mirror
from availability.ledger.memory.places import Places
from availability.ledger.postgres.locations import read_places
from availability.ledger.postgres.session import PostgresSession
from availability.ledger.protocol import StockCursor, StockPage
from availability.ledger.statements.setup_items import setup_of
from availability.model import LocationId, Sku, StockRecord
from availability.positions import Counts
from availability.setup.channels import Allocation
from availability.setup.setup import Setup, SetupChange

VERSION = "CASE WHEN is_called THEN last_value ELSE 0 END"
"""What the last commit that changed something drew from ``ledger_version``."""

_LEDGER = f"SELECT {VERSION}, network_version FROM ledger_version, ledger"


# One array a column, and not a row of Python each.
_UNITS = """
SELECT array_agg(sku), array_agg(location_key),
  array_agg(on_hand - allocated - held - withdrawn - safety_stock),
  array_agg(counted_ms / 1000)
FROM (SELECT * FROM stock WHERE (sku, location_key) > (%(sku)s, %(key)s::bigint)
  ORDER BY sku, location_key LIMIT %(limit)s::bigint) AS stock
"""

LOAD_ROWS = 50_000
"""Stock rows read at once when memory is filled."""

_COUNTS = "SELECT channel_id, sku, queued, promised FROM queue"

_PROMISED = """
SELECT channel_id, sku, promised FROM queue WHERE sku = ANY (%(skus)s::text[])
ORDER BY channel_id, sku FOR SHARE
"""

_SETUP = "SELECT kind, item_key, body FROM setup_item ORDER BY number"

_LOADS = """
SELECT day, location_key, orders, units FROM location_load WHERE day >= %(day)s
"""

_PAGE = """
SELECT location_id, sku, on_hand, allocated, safety_stock, held, withdrawn,
  counted_ms / 1000
FROM stock JOIN location USING (location_key)
WHERE {skus} {locations} sku >= %(sku)s
  AND (sku > %(sku)s OR (rank, location_key) > (%(rank)s::bigint, %(key)s::bigint))
ORDER BY sku, rank, location_key LIMIT %(limit)s::bigint
"""
_OF_SKUS = "sku = ANY (%(skus)s::text[]) AND"
_OF_LOCATIONS = "location_id = ANY (%(locations)s::text[]) AND"

_BEFORE_ALL = StockCursor(Sku(""), LocationId(""))


def load_mirror(session: PostgresSession, today: int) -> Mirror:
    """Read everything that memory holds; within one snapshot."""
    places = read_places(session)
    ((version, _),) = session.run(_LEDGER)
    counts = {
        (channel_id, sku): Counts(*units)
        for channel_id, sku, *units in session.run(_COUNTS)
    }
    loads = read_loads(session, places, today)
    mirror = Mirror(places, (), loads, counts, version, read_setup(session))
    last: tuple[str, int] = ("", 0)
    while True:
        values = {"sku": last[0], "key": last[1], "limit": LOAD_ROWS}
        ((skus, keys, left, counted),) = session.run(_UNITS, values)
        if skus is None:
            return mirror
        mirror.set(map(UnitsDelta, skus, keys, left, counted), version)
        last = (skus[-1], keys[-1])


def read_setup(session: PostgresSession) -> Setup:
    """Return what is said about selling, as this transaction sees it."""
    ((version,),) = session.run("SELECT setup_version FROM ledger")
    return setup_of(session.run(_SETUP), version)


def read_promised(
    session: PostgresSession, change: SetupChange, setup: Setup
) -> Callable[[Allocation], int]:
    """Read what was promised of the SKUs whose allocations a change names.

    The counts stay as they are until the transaction ends.
    """
    named = [
        *change.allocations.values(),
        *map(setup.allocations.get, change.allocations),
    ]
    skus = sorted({each.sku for each in named if each is not None})
    rows = session.run(_PROMISED, {"skus": skus}) if skus else []
    promised = {(channel_id, sku): units for channel_id, sku, units in rows}
    return lambda each: sum(
        promised.get((channel_id, each.sku), 0) for channel_id in each.channel_ids
    )


def read_loads(
    session: PostgresSession, places: Places, today: int
) -> dict[tuple[int, LocationId], DayLoad]:
    """Read what the locations were given from yesterday on."""
    ids = {key: location_id for location_id, key in places.keys.items()}
    return {
        (day, ids[key]): DayLoad(orders, units)
        for day, key, orders, units in session.run(_LOADS, {"day": today - 1})
        if key in ids
    }


def read_page(
    session: PostgresSession,
    mirror: Mirror,
    skus: Sequence[Sku],
    location_ids: Sequence[LocationId],
    after: StockCursor | None,
    limit: int,
) -> StockPage:
    """Return a page of records by SKU, then location in rank order."""
    version = mirror.version  # from before: the page is at least as new
    rank, key = _place_after(mirror.places, after)
    sql = _PAGE.format(
        skus=_OF_SKUS if skus else "", locations=_OF_LOCATIONS if location_ids else ""
    )
    values: dict[str, object] = {
        "skus": list(skus),
        "locations": list(location_ids),
        "sku": (after or _BEFORE_ALL).sku,
        "rank": rank,
        "key": key,
        "limit": limit + 1,  # one more tells whether there is a next page
    }
    records = tuple(StockRecord(*row) for row in session.run(sql, values))
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
