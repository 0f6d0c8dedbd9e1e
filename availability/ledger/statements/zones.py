"""Zones of a location: what counts as on hand when they open and close."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import bindparam, case, select

from availability.errors import MAX_VIOLATIONS, InvalidChange, Violation
from availability.ledger.memory.deltas import UnitsDelta
from availability.ledger.memory.places import Places
from availability.ledger.protocol import MAX_PAGE, ZoneRecord
from availability.ledger.statements.balances import count_moves, write_movement
from availability.ledger.statements.session import Session
from availability.ledger.statements.tables import (
    STRING,
    at_key,
    location,
    stock,
    zone_stock,
)
from availability.model import Location, LocationId, Sku
from availability.reservations import Cause, Movement

_HELD = (
    select(zone_stock.c.sku, zone_stock.c.zone_id, zone_stock.c.on_hand)
    .where(
        zone_stock.c.location_key == bindparam("location_key"),
        zone_stock.c.on_hand > 0,
    )
    .order_by(zone_stock.c.sku, zone_stock.c.zone_id)
)

_COUNT = stock.c.on_hand + bindparam("units")
_PROMISED = stock.c.allocated + stock.c.held
_RECOUNT = (
    stock.update()
    .where(*at_key(stock, "sku", "location_key"))
    .values(
        on_hand=_COUNT,
        deficit=case((_PROMISED > _COUNT, _PROMISED - _COUNT), else_=0),
    )
    .returning(
        stock.c.on_hand - _PROMISED - stock.c.withdrawn - stock.c.safety_stock,
        stock.c.counted_ms // 1_000,
    )
)

_SKU = bindparam("sku", type_=STRING)
_LIST = (
    select(
        location.c.location_id,
        stock.c.location_key,
        stock.c.on_hand,
        zone_stock.c.zone_id,
        zone_stock.c.on_hand,
    )
    .select_from(
        stock.join(location).outerjoin(
            zone_stock,
            (zone_stock.c.sku == stock.c.sku)
            & (zone_stock.c.location_key == stock.c.location_key),
        )
    )
    .where(stock.c.sku == _SKU)
    .order_by(location.c.location_id, zone_stock.c.zone_id)
)


def _open(each: Location | None) -> dict[str, bool]:
    return {zone.zone_id: zone.available for zone in each.zones} if each else {}


class _Turned(NamedTuple):
    """Units of a zone that count from now on or, below 0, no longer."""

    sku: str
    location_id: LocationId
    location_key: int
    zone_id: str
    units: int


def rezone(
    session: Session, locations: Sequence[Location], before: Places, now: float
) -> list[UnitsDelta]:
    """Count the zones of locations that open, and no longer those that close.

    Only within the transaction that changes the locations; ``locations`` are all
    that are put, changed or not.

    Raises
    ------
    InvalidChange
        ZONE_NOT_EMPTY at ``locations[n].zones``: one that holds units is gone.
    """
    turned: list[_Turned] = []
    violations: list[Violation] = []
    for n, each in enumerate(locations):
        known = _open(before.locations.get(each.location_id))
        wanted = _open(each)
        if not known or known == wanted:
            continue
        key = before.keys[each.location_id]
        gone = set()
        for sku, zone_id, count in session.rows(_HELD, location_key=key):
            if zone_id not in wanted:
                gone.add(zone_id)
            elif wanted[zone_id] != known.get(zone_id, False):
                units = count if wanted[zone_id] else -count
                turned.append(_Turned(sku, each.location_id, key, zone_id, units))
        violations += [
            Violation(
                f"locations[{n}].zones", "ZONE_NOT_EMPTY", f"{zone!r} holds units"
            )
            for zone in sorted(gone)
        ]
    if violations:
        raise InvalidChange(violations[:MAX_VIOLATIONS])
    # In the order in which every writer takes its row locks.
    left = [_recount(session, each, now) for each in sorted(turned)]
    count_moves(session, (each.sku for each in left))
    return left


def _recount(session: Session, turned: _Turned, now: float) -> UnitsDelta:
    sku, _, key, zone_id, units = turned
    moved = Movement(Cause.ZONED, sku, zone_id=zone_id, on_hand=units)
    write_movement(session, moved, key, now)
    at = {"at_sku": sku, "at_location_key": key}
    ((left, counted),) = session.rows(_RECOUNT, units=units, **at)
    return UnitsDelta(sku, key, left, counted)


def list_zones(
    session: Session,
    places: Places,
    skus: Sequence[Sku],
    location_ids: Sequence[LocationId],
) -> list[ZoneRecord]:
    """Return counts zone by zone; see `Ledger.zones`."""
    found: list[ZoneRecord] = []
    for sku in sorted(set(skus)):
        totals: dict[LocationId, int] = {}
        zones: list[ZoneRecord] = []
        for at, _, on_hand, zone_id, count in session.rows(_LIST, sku=sku):
            location_id = LocationId(at)
            if location_ids and location_id not in location_ids:
                continue
            known = _open(places.locations.get(location_id))
            if not known:
                continue
            totals.setdefault(location_id, on_hand)
            if zone_id in known:  # not one that is gone, or that was never counted
                totals[location_id] -= count * known[zone_id]
                zones.append(ZoneRecord(location_id, sku, zone_id, count))
        zones += [ZoneRecord(at, sku, "", units) for at, units in totals.items()]
        found += sorted(zones)
    return found[:MAX_PAGE]
