"""Commands on reservations: read, decide, write, in one transaction, on any database.

`availability.ledger.logic.lifecycle` decides what a command does; here its rows are
locked, in the order every writer takes them, and what was decided is written.
"""

import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sqlalchemy import bindparam, func, select

from availability.ledger.logic.decision import Decision, Key, StockBalances
from availability.ledger.logic.lifecycle import decide, decide_together, touched
from availability.ledger.memory.deltas import UnitsDelta
from availability.ledger.statements.balances import (
    count_moves,
    counts_of,
    move_counts,
    promised_units,
    write_movement,
    write_row,
    write_withdrawal,
)
from availability.ledger.statements.capacities import free_capacity, take_capacity
from availability.ledger.statements.locations import available_zones
from availability.ledger.statements.records import PlanRow, find
from availability.ledger.statements.session import Session
from availability.ledger.statements.tables import (
    at_key,
    location,
    plan,
    purchase,
    stock,
    zone_stock,
)
from availability.ledger.times import milliseconds
from availability.model import LocationId
from availability.positions import Counts
from availability.reservations import (
    Cause,
    Command,
    Movement,
    PlanRef,
    ReservationRecord,
    Swap,
)


class Changed(NamedTuple):
    """What a change left behind, for memory to take over.

    ``counts`` was added to the channels' by (channel, SKU); ``moved`` are the SKUs
    of which a move was counted; ``loads`` is whether the load of any location's day
    moved.
    """

    record: ReservationRecord
    left: tuple[UnitsDelta, ...] = ()
    counts: Mapping[tuple[str, str], Counts] = {}
    moved: frozenset[str] = frozenset()
    loads: bool = False


class LocationRow(NamedTuple):
    """A location as a change needs it, straight from the database."""

    location_key: int
    body: Mapping[str, object]


_ROW = (
    select(
        stock.c.location_key,
        stock.c.on_hand,
        stock.c.allocated,
        stock.c.held,
        stock.c.withdrawn,
        stock.c.safety_stock,
        location.c.body,
    )
    .select_from(stock.join(location))
    .where(
        stock.c.sku == bindparam("sku"),
        location.c.location_id == bindparam("location_id"),
    )
    .with_for_update(of=stock)
)

_ZONES = (
    select(zone_stock.c.zone_id, zone_stock.c.on_hand)
    .where(
        zone_stock.c.sku == bindparam("sku"),
        zone_stock.c.location_key == bindparam("location_key"),
    )
    .order_by(zone_stock.c.zone_id)
)

_MOVE_PURCHASE = (
    purchase.update()
    .where(*at_key(purchase, "plan_key", "line_id"))
    .values(units=purchase.c.units + bindparam("more_units"))
)

_UPDATE_PLAN = (
    plan.update()
    .where(plan.c.plan_key == bindparam("at_plan_key"))
    .values(
        {
            name: bindparam(f"new_{name}")
            for name in (
                "state",
                "revision",
                "body",
                "hold_seconds",
                "expires_ms",
                "work",
            )
        }
        | {"current_reply": func.coalesce(bindparam("new_reply"), plan.c.current_reply)}
    )
)


def change(session: Session, ref: PlanRef, command: Command, now: float) -> Changed:
    """Do what a command says within the caller's transaction.

    Raises
    ------
    PlanNotFound, ReservationResolved, UnitsNotOpen, PlanChanged, StockConflict
        See `Ledger.change`; nothing was written.
    """
    now = milliseconds(now) / 1_000  # so that a time is what is read back later
    found = find(session, ref, lock=True)
    keys = touched(found.record, command)
    rows, places = _lock_rows(session, keys)
    decision = decide(found.record, command, rows, now)
    if decision.record is found.record:
        return Changed(found.record)
    return _write(session, found, decision, rows, places, now)


def swap_together(
    session: Session, swaps: Iterable[tuple[PlanRef, Swap]], now: float
) -> list[Changed]:
    """Do several swaps at once within the caller's transaction, or none.

    Plans are locked before any stock row, as by everyone, and in one order.

    Raises
    ------
    PlanNotFound, ReservationResolved, UnitsNotOpen, PlanChanged, StockConflict
        See `Ledger.swap_together`; nothing was written.
    """
    now = milliseconds(now) / 1_000
    turn = sorted(swaps, key=lambda each: each[0].plan_id)
    found = [(find(session, ref, lock=True), swap) for ref, swap in turn]
    meant = [(each.record, swap) for each, swap in found]
    keys = {key for each in meant for key in touched(*each)}
    rows, places = _lock_rows(session, sorted(keys, key=lambda key: (key[1], key[0])))
    decisions = decide_together(meant, rows)
    # What one gives up of a day's capacity another may take.
    freed = [
        _free(session, each, decision, places)
        for (each, _), decision in zip(found, decisions, strict=True)
    ]
    changes = [
        _write(session, each, decision._replace(freed={}), rows, places, now)
        for (each, _), decision in zip(found, decisions, strict=True)
    ]
    return [
        each._replace(loads=each.loads or gave)
        for each, gave in zip(changes, freed, strict=True)
    ]


def _lock_rows(
    session: Session, keys: Iterable[Key]
) -> tuple[dict[Key, StockBalances], dict[LocationId, LocationRow]]:
    rows: dict[Key, StockBalances] = {}
    places: dict[LocationId, LocationRow] = {}
    for location_id, sku in keys:
        read = session.rows(_ROW, sku=sku, location_id=location_id)
        if not read:
            continue  # what that means depends on the command
        key, on_hand, allocated, held, withdrawn, safety_stock, text = read[0]
        place = places.setdefault(location_id, LocationRow(key, json.loads(text)))
        zones = available_zones(place.body)
        counts: tuple[tuple[str, int], ...] = ()
        if zones:
            read = session.rows(_ZONES, sku=sku, location_key=key)
            counts = tuple((each, count) for each, count in read if each in zones)
        rows[location_id, sku] = StockBalances(
            on_hand,
            allocated,
            held,
            withdrawn,
            safety_stock,
            counts,
            bool(place.body["active"]),
        )
    return rows, places


def _write(
    session: Session,
    found: PlanRow,
    decision: Decision,
    before: Mapping[Key, StockBalances],
    places: Mapping[LocationId, LocationRow],
    now: float,
) -> Changed:
    left = []
    for key, row in decision.rows.items():
        location_key = places[key[0]].location_key
        if row != before[key]:
            write_row(session, key[1], location_key, row)
        elif key[0] not in decision.taken:  # or capacity moved from day to day
            continue
        left.append(UnitsDelta(key[1], location_key, row.left))
    moved = [_on_channel(each, found.channel_id) for each in decision.movements]
    for each in moved:
        at = LocationId(each.location_id)
        place = places[at].location_key if at else None
        write_movement(session, each, place, now, plan_key=found.plan_key)
    for withdrawn in decision.withdrawals:
        location_key = places[withdrawn.location_id].location_key
        write_withdrawal(session, withdrawn, location_key, active=True)
    loads = _free(session, found, decision, places)
    for at, units in decision.taken.items():
        place_row = places[at]
        loads |= take_capacity(
            session,
            found.plan_key,
            at,
            place_row.location_key,
            place_row.body,
            units,
            now,
        )
    skus = frozenset(each.sku for each in moved if each.cause not in _STILL)
    count_moves(session, skus)
    counts = counts_of(moved)
    for (channel_id, sku), count in counts.items():
        move_counts(session, channel_id, sku, count)
    if found.customer_id:
        _move_purchases(session, found.plan_key, moved)
    _write_plan(session, found, decision.record)
    return Changed(decision.record, tuple(left), counts, skus, loads)


def _free(
    session: Session,
    found: PlanRow,
    decision: Decision,
    places: Mapping[LocationId, LocationRow],
) -> bool:
    freed = {places[at].location_key: units for at, units in decision.freed.items()}
    return free_capacity(session, found.plan_key, freed)


_STILL = (Cause.PLACED, Cause.SHIPPED)
"""What leaves as much to be promised as there was."""


def _on_channel(each: Movement, channel_id: str) -> Movement:
    """Return a movement on its plan's channel, if it moves what is promised."""
    if each.channel_id or not (each.allocated or each.held):
        return each
    return each._replace(channel_id=channel_id)


def _move_purchases(
    session: Session, plan_key: int, movements: Iterable[Movement]
) -> None:
    lines: dict[str, int] = {}
    for each in movements:
        lines[each.line_id] = lines.get(each.line_id, 0) + promised_units(each)
    for line_id, units in sorted(lines.items()):
        if units:
            at = {"at_plan_key": plan_key, "at_line_id": line_id}
            session.count(_MOVE_PURCHASE, more_units=units, **at)


def _write_plan(session: Session, found: PlanRow, record: ReservationRecord) -> None:
    expires = record.expires_seconds
    held = expires is not None
    session.count(
        _UPDATE_PLAN,
        at_plan_key=found.plan_key,
        new_state=record.state.value,
        new_revision=record.revision,
        new_body=record.body,
        new_reply=None if record.reply is found.record.reply else record.reply,
        new_hold_seconds=record.hold_seconds if held else None,
        new_expires_ms=None if expires is None else milliseconds(expires),
        new_work=record.work,
    )
