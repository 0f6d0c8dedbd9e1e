"""Reading locations, the setup, loads and pages of stock, in every database."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import bindparam, select

from availability.ledger.memory.deltas import DayLoad
from availability.ledger.memory.places import Places
from availability.ledger.protocol import StockCursor, StockPage
from availability.ledger.statements.locations import location_of
from availability.ledger.statements.session import Row, Session
from availability.ledger.statements.setup_items import setup_of
from availability.ledger.statements.tables import (
    ledger,
    location,
    location_load,
    queue,
    setup_item,
    stock_moves,
)
from availability.model import LocationId, Sku, StockRecord
from availability.positions import Counts
from availability.setup.setup import Setup

VERSIONS = select(ledger.c.network_version, ledger.c.setup_version)
"""When a location last changed, and the setup."""

SHARE_NETWORK = VERSIONS.with_for_update(read=True)
"""No zone opens or closes until the transaction ends."""

LOCK_NETWORK = VERSIONS.with_for_update()
"""No location and no setup changes until the transaction ends."""

_PLACES = select(
    location.c.location_key, location.c.location_id, location.c.rank, location.c.body
).order_by(location.c.location_key)

_COUNTS = select(queue.c.channel_id, queue.c.sku, queue.c.queued, queue.c.promised)

_MOVES = select(stock_moves.c.sku, stock_moves.c.moves)

_SETUP = select(setup_item.c.kind, setup_item.c.item_key, setup_item.c.body).order_by(
    setup_item.c.number
)

_LOADS = select(
    location_load.c.day,
    location_load.c.location_key,
    location_load.c.orders,
    location_load.c.units,
).where(location_load.c.day >= bindparam("first_day"))


class PageQuery(NamedTuple):
    """A page of stock: at most ``limit`` rows after (``sku``, ``rank``, ``key``).

    Empty ``skus`` or ``location_ids`` mean all; ``keys`` are those of the locations
    that memory knows. ``version`` is the ledger's before the page was read.
    """

    skus: Sequence[Sku]
    location_ids: Sequence[LocationId]
    keys: Sequence[int]
    sku: str
    rank: int
    key: int
    limit: int
    version: int


def page_query(
    places: Places,
    version: int,
    skus: Sequence[Sku],
    location_ids: Sequence[LocationId],
    after: StockCursor | None,
    limit: int,
) -> PageQuery:
    """Return the query of a page: one record more shows whether another follows."""
    rank, key = -1, 0
    if after is not None:
        # An unknown location is the last.
        last = places.locations.get(after.location_id)
        rank = 2**62 if last is None else last.rank
        key = places.keys.get(after.location_id, 0)
    keys = [places.keys[each] for each in location_ids if each in places.keys]
    return PageQuery(
        skus,
        location_ids,
        keys,
        "" if after is None else after.sku,
        rank,
        key,
        limit + 1,
        version,
    )


def stock_page(rows: Iterable[Row], limit: int, version: int) -> StockPage:
    """Return the page of a query's rows."""
    records = tuple(StockRecord(*row) for row in rows)
    if len(records) <= limit:
        return StockPage(records, None, version)
    last = records[limit - 1]
    return StockPage(records[:limit], StockCursor(last.sku, last.location_id), version)


def read_places(session: Session) -> Places:
    """Return all locations and the network's version, as this transaction sees them."""
    ((network_version, _),) = session.rows(VERSIONS)
    locations, keys = {}, {}
    for key, location_id, rank, body in session.rows(_PLACES):
        locations[location_id] = location_of(location_id, rank, body)
        keys[location_id] = key
    return Places.of(locations, keys, network_version)


def read_setup(session: Session) -> Setup:
    """Return channels, kits, settings and more, as this transaction sees them."""
    ((_, version),) = session.rows(VERSIONS)
    return setup_of(session.rows(_SETUP), version)


def read_counts(session: Session) -> dict[tuple[str, str], Counts]:
    """Return what is queued and promised, by (channel, SKU)."""
    return {
        (channel_id, sku): Counts(queued, promised)
        for channel_id, sku, queued, promised in session.rows(_COUNTS)
    }


def read_moves(session: Session) -> dict[str, int]:
    """Return how often the stock of each SKU changed other than by promises."""
    return dict(session.rows(_MOVES))


def read_loads(
    session: Session, places: Places, today: int
) -> dict[tuple[int, LocationId], DayLoad]:
    """Return the load of each location by UTC day, from yesterday on."""
    ids = {key: location_id for location_id, key in places.keys.items()}
    return {
        (day, ids[key]): DayLoad(orders, units)
        for day, key, orders, units in session.rows(_LOADS, first_day=today - 1)
        if key in ids
    }
