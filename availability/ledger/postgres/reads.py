"""What is read from PostgreSQL: pages of stock, and all of memory."""

from availability.ledger.memory.deltas import UnitsDelta
from availability.ledger.memory.mirror import Mirror
from availability.ledger.postgres.session import PostgresSession
from availability.ledger.statements.reads import (
    PageQuery,
    read_counts,
    read_loads,
    read_moves,
    read_places,
    read_setup,
)
from availability.ledger.statements.session import Row, Session
from availability.ledger.statements.setup_items import Promised
from availability.setup.setup import Setup, SetupChange

VERSION = "CASE WHEN is_called THEN last_value ELSE 0 END"
"""What the last commit that changed something drew from ``ledger_version``."""

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

_PROMISED = """
SELECT channel_id, sku, promised FROM queue WHERE sku = ANY (%(skus)s::text[])
ORDER BY channel_id, sku FOR SHARE
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
_OF_LOCATIONS = "location_id = ANY (%(location_ids)s::text[]) AND"


def load_mirror(session: PostgresSession, today: int) -> Mirror:
    """Read everything that memory holds; within one snapshot."""
    places = read_places(session)
    ((version,),) = session.run(f"SELECT {VERSION} FROM ledger_version")
    counts, moves = read_counts(session), read_moves(session)
    loads, setup = read_loads(session, places, today), read_setup(session)
    mirror = Mirror(places, (), loads, counts, moves, version, setup)
    last: tuple[str, int] = ("", 0)
    while True:
        values = {"sku": last[0], "key": last[1], "limit": LOAD_ROWS}
        ((skus, keys, left, counted),) = session.run(_UNITS, values)
        if skus is None:
            return mirror
        mirror.set(map(UnitsDelta, skus, keys, left, counted), version)
        last = (skus[-1], keys[-1])


def lock_promised(session: Session, change: SetupChange, setup: Setup) -> Promised:
    """Return what was promised of the SKUs whose allocations a change names.

    The counts are locked: they stay as they are until the transaction ends.
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


def read_page(session: Session, query: PageQuery) -> list[Row]:
    """Return the rows of a page."""
    sql = _PAGE.format(
        skus=_OF_SKUS if query.skus else "",
        locations=_OF_LOCATIONS if query.location_ids else "",
    )
    values: dict[str, object] = query._asdict()
    lists = {"skus": list(query.skus), "location_ids": list(query.location_ids)}
    return session.run(sql, values | lists)
