"""Reservations in SQLite: each whole or not at all, many to a commit.

The hot path: its statements are written by hand, and as few as can be.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from availability.errors import (
    AvailabilityError,
    CustomerLimitReached,
    OrderAlreadyRouted,
    StockConflict,
    StoreUnavailable,
)
from availability.ledger.memory.deltas import Added, bought_by
from availability.ledger.memory.mirror import Mirror
from availability.ledger.sqlite.database import ConstraintError
from availability.ledger.sqlite.session import Cursor
from availability.ledger.statements.records import first_reply
from availability.ledger.store import Write
from availability.positions import counted_by
from availability.reservations import Reservation, ReservationState

_IS_REPEAT = "SELECT 1 FROM request WHERE request_id = ?"

_BINDING_PLAN = """
SELECT plan_id FROM plan
WHERE order_id = ? AND state IN ('held', 'placed', 'shipped')
"""

# Check and change are one statement: no other write comes between. What may still be
# promised is within what is on hand, so the deficit stays 0.
_PROMISE = """
UPDATE stock SET {balance} = {balance} + :quantity
WHERE sku = :sku AND location_key = :key
  AND on_hand - allocated - held - withdrawn - safety_stock >= :quantity
"""
_ALLOCATE = _PROMISE.format(balance="allocated")
_HOLD = _PROMISE.format(balance="held")

_ADD_LOAD = """
INSERT INTO location_load (day, location_key, orders, units)
SELECT :day, :key, 1, :units WHERE :most_orders >= 1 AND :most_units >= :units
ON CONFLICT (day, location_key) DO UPDATE
SET orders = orders + 1, units = units + excluded.units
WHERE orders + 1 <= :most_orders AND units + excluded.units <= :most_units
"""

_INSERT_PLAN = """
INSERT INTO plan (plan_id, order_id, state, revision, body, reply, created_ms,
  hold_seconds, expires_ms, work, channel_id, customer_id)
VALUES (?, ?, ?, 0, ?, ?, ?, ?, ?, '', ?, ?)
"""

_INSERT_PLAN_LOAD = """
INSERT INTO plan_load (plan_key, location_key, day, units) VALUES (?, ?, ?, ?)
"""

_INSERT_MOVEMENT = """
INSERT INTO movement (at_ms, cause, reference, plan_key, line_id, location_key,
  channel_id, sku, zone_id, on_hand, zone_units, allocated, held, withdrawn,
  safety_stock, queued)
VALUES (?, ?, '', ?, ?, ?, ?, ?, '', 0, 0, ?, ?, 0, 0, ?)
"""

_ADD_COUNTS = """
INSERT INTO queue (channel_id, sku, queued, promised) VALUES (?, ?, ?, ?)
ON CONFLICT (channel_id, sku) DO UPDATE SET queued = queued + excluded.queued,
  promised = promised + excluded.promised
"""

_COUNTED = """
SELECT coalesce(sum({count}), 0) FROM queue
WHERE sku = ? AND channel_id IN (SELECT value FROM json_each(?))
"""
_PROMISED = _COUNTED.format(count="promised")
_QUEUED = _COUNTED.format(count="queued")

_MOVES = "SELECT moves FROM stock_moves WHERE sku = ?"

_INSERT_PURCHASE = """
INSERT INTO purchase (plan_key, line_id, customer_id, sku, size, units, at_ms)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""

_BOUGHT = """
SELECT coalesce(sum((units + size - 1) / size), 0) FROM purchase
WHERE customer_id = ? AND sku = ? AND at_ms > ?
"""

_INSERT_REQUEST = """
INSERT INTO request (request_id, digest, plan_key, created_ms) VALUES (?, ?, ?, ?)
"""

_NO_LIMIT = 2**62

State = ReservationState


@dataclass(slots=True)
class Group:
    """The outcomes of a group, in its order, and what of it is to be committed."""

    outcomes: list[bytes | AvailabilityError] = field(default_factory=list)
    stored: list[tuple[Reservation, Added]] = field(default_factory=list)

    @property
    def promises(self) -> bool:
        """Whether any of it changes stock."""
        return any(each.claims or each.queued for each, _ in self.stored)


def reserve_group(
    db: Cursor, tx: Write, reservations: Sequence[Reservation], day: int, now_ms: int
) -> Group:
    """Reserve one after another within a transaction, on a UTC day."""
    group = Group()
    for reservation in reservations:
        try:
            request, reply = reservation.request, None
            key = (request.request_id,)
            if request.request_id and db.execute(_IS_REPEAT, key).fetchone():
                reply = first_reply(tx.session, request)
            if reply is None:
                counted = _reserve(db, tx.mirror, reservation, day, now_ms)
                group.stored.append((reservation, counted))
                reply = reservation.reply
            group.outcomes.append(reply)
        except AvailabilityError as error:
            group.outcomes.append(error)
    return group


def _reserve(
    db: Cursor, mirror: Mirror, reservation: Reservation, day: int, now_ms: int
) -> Added:
    """Reserve, and return what it adds to the counts."""
    binding = db.execute(_BINDING_PLAN, (reservation.order_id,)).fetchone()
    if binding is not None:
        raise OrderAlreadyRouted(reservation.order_id, binding[0])
    counted: Added = {}
    if reservation.channel_id or reservation.queued:
        counted = counted_by(reservation)
    db.execute("SAVEPOINT reservation")
    try:
        _promise(db, mirror, reservation)
        plan_key = _insert_plan(db, reservation, now_ms)
        if mirror.places.capped:
            _add_load(db, mirror, reservation, plan_key, day)
        _insert_movements(db, mirror, reservation, plan_key, now_ms)
        for at, counts in counted.items():
            db.execute(_ADD_COUNTS, (*at, *counts))
        _check_guards(db, reservation)
        if reservation.customer_id:
            _add_purchases(db, reservation, plan_key, now_ms)
    except (AvailabilityError, ConstraintError) as error:
        db.execute("ROLLBACK TO reservation")
        db.execute("RELEASE reservation")
        if isinstance(error, AvailabilityError):
            raise
        raise StoreUnavailable(
            f"the database refused plan {reservation.plan_id!r}: {error}"
        ) from error
    db.execute("RELEASE reservation")
    return counted


def _promise(db: Cursor, mirror: Mirror, reservation: Reservation) -> None:
    places, rows = mirror.places, mirror.grid.rows
    statement = _ALLOCATE if reservation.hold_seconds is None else _HOLD
    for claim in reservation.claims:
        location = places.locations.get(claim.location_id)
        if location is None or not location.active or claim.sku not in rows:
            raise StockConflict(f"{claim.location_id!r} ships no {claim.sku!r}")
        values = {
            "quantity": claim.quantity,
            "sku": claim.sku,
            "key": places.keys[claim.location_id],
        }
        if db.execute(statement, values).rowcount != 1:
            raise StockConflict(
                f"{claim.quantity} of {claim.sku!r} are gone at {claim.location_id!r}"
            )


def _insert_plan(db: Cursor, reservation: Reservation, created_ms: int) -> int:
    held = reservation.hold_seconds
    state = State.NONE
    if reservation.claims or reservation.queued:
        state = State.PLACED if held is None else State.HELD
    expires_ms = None
    if state is State.HELD and held is not None:
        expires_ms = created_ms + 1_000 * held
    plan_key = db.execute(
        _INSERT_PLAN,
        (
            reservation.plan_id,
            reservation.order_id,
            state.value,
            reservation.body,
            reservation.reply,
            created_ms,
            None if expires_ms is None else held,
            expires_ms,
            reservation.channel_id,
            reservation.customer_id,
        ),
    ).lastrowid
    request = reservation.request
    if request.request_id:
        row = (request.request_id, request.digest, plan_key, created_ms)
        db.execute(_INSERT_REQUEST, row)
    return plan_key


def _add_load(
    db: Cursor, mirror: Mirror, reservation: Reservation, plan_key: int, day: int
) -> None:
    places = mirror.places
    for location_id, units in mirror.load_of(reservation).items():
        location = places.locations[location_id]
        orders, most = location.capacity_orders, location.capacity_units
        key = places.keys[location_id]
        values = {
            "day": day,
            "key": key,
            "units": units,
            "most_orders": _NO_LIMIT if orders is None else orders,
            "most_units": _NO_LIMIT if most is None else most,
        }
        if db.execute(_ADD_LOAD, values).rowcount != 1:
            raise StockConflict(f"{location_id!r} has no capacity left for {units}")
        db.execute(_INSERT_PLAN_LOAD, (plan_key, key, day, units))


def _check_guards(db: Cursor, reservation: Reservation) -> None:
    """Refuse what takes channels further than they may go; all of it is counted."""
    for each in reservation.guards:
        statement = _QUEUED if each.queued else _PROMISED
        channel_ids = json.dumps(each.channel_ids, ensure_ascii=False)
        (units,) = db.execute(statement, (each.sku, channel_ids)).fetchone()
        if units > each.most_units:
            raise StockConflict(f"others took what {each.sku!r} had for sale")
        if each.moves is not None:
            found = db.execute(_MOVES, (each.sku,)).fetchone()
            if (found[0] if found else 0) != each.moves:
                raise StockConflict(f"the stock of {each.sku!r} moved meanwhile")


def _add_purchases(
    db: Cursor, reservation: Reservation, plan_key: int, at_ms: int
) -> None:
    """Count what a customer buys, and refuse more than the limit."""
    customer_id = reservation.customer_id
    bought = bought_by(reservation)
    for each in reservation.purchases:
        units = bought.get(each.line_id, 0)
        at = (plan_key, each.line_id, customer_id, each.sku, each.size_units)
        db.execute(_INSERT_PURCHASE, (*at, units, at_ms))
    for each in reservation.purchases:
        if each.max_units is not None:
            since_ms = at_ms - 1_000 * each.window_seconds
            (had,) = db.execute(_BOUGHT, (customer_id, each.sku, since_ms)).fetchone()
            if had > each.max_units:
                raise CustomerLimitReached(each.line_id, each.sku, each.max_units)


def _insert_movements(
    db: Cursor, mirror: Mirror, reservation: Reservation, plan_key: int, at_ms: int
) -> None:
    keys = mirror.places.keys
    held = reservation.hold_seconds is not None
    cause = "held" if held else "allocated"
    moved: list[tuple[object, ...]] = []
    for claim in reservation.claims:
        at, sku, line = keys[claim.location_id], claim.sku, claim.line_id
        units = claim.quantity
        balances = (0, units, 0) if held else (units, 0, 0)
        channel_id = reservation.channel_id
        moved.append((at_ms, cause, plan_key, line, at, channel_id, sku, *balances))
    for each in reservation.queued:
        place = (None, each.channel_id, each.sku)
        balances = (0, 0, each.quantity)
        moved.append((at_ms, "queued", plan_key, each.line_id, *place, *balances))
    db.executemany(_INSERT_MOVEMENT, moved)
