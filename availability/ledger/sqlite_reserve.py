"""Reservations in SQLite: each whole or not at all, many to a commit."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from availability.errors import (
    AvailabilityError,
    OrderAlreadyRouted,
    StockConflict,
    StoreUnavailable,
)
from availability.ledger.mirror import Mirror, utc_day
from availability.ledger.sqlite import ConstraintError, Cursor
from availability.ledger.sqlite_reads import find_request, first_reply
from availability.model import Request, Reservation

_LIVE_PLAN = "SELECT plan_id FROM plan WHERE order_id = ? AND live = 1"

# Check and change are one statement: nobody can come between.
_ALLOCATE = """
UPDATE stock SET allocated = allocated + :quantity
WHERE sku = :sku AND location_key = :key
  AND on_hand - allocated - safety_stock >= :quantity
"""

_ADD_LOAD = """
INSERT INTO location_load (day, location_key, orders, units)
SELECT :day, :key, 1, :units WHERE :most_orders >= 1 AND :most_units >= :units
ON CONFLICT (day, location_key) DO UPDATE
SET orders = orders + 1, units = units + excluded.units
WHERE orders + 1 <= :most_orders AND units + excluded.units <= :most_units
"""

_INSERT_PLAN = """
INSERT INTO plan (plan_id, order_id, live, reply, created_ms) VALUES (?, ?, ?, ?, ?)
"""

_INSERT_CLAIM = """
INSERT INTO claim (plan_key, sku, location_key, quantity) VALUES (?, ?, ?, ?)
"""

_INSERT_REQUEST = """
INSERT INTO request (request_id, digest, plan_key, reply, created_ms)
VALUES (?, ?, ?, ?, ?)
"""

_NO_LIMIT = 2**62


@dataclass(slots=True)
class Group:
    """The outcomes of a group, in its order, and what of it is to be committed."""

    outcomes: list[bytes | AvailabilityError] = field(default_factory=list)
    stored: list[Reservation] = field(default_factory=list)

    @property
    def allocates(self) -> bool:
        """Whether any of it changes stock."""
        return any(reservation.claims for reservation in self.stored)


def reserve_group(
    db: Cursor, mirror: Mirror, reservations: Sequence[Reservation], now: float
) -> Group:
    """Reserve one after another within the caller's transaction."""
    group = Group()
    for reservation in reservations:
        try:
            request = reservation.request
            reply = first_reply(find_request(db, request), request)
            if reply is None:
                _reserve(db, mirror, reservation, now)
                group.stored.append(reservation)
                reply = reservation.reply
            group.outcomes.append(reply)
        except AvailabilityError as error:
            group.outcomes.append(error)
    return group


def store_reply(
    db: Cursor, request: Request, now: float, plan_key: int | None, reply: bytes | None
) -> None:
    """Remember a request's reply: a plan's, or its own."""
    if request.request_id:
        row = (request.request_id, request.digest, plan_key, reply, _ms(now))
        db.execute(_INSERT_REQUEST, row)


def _ms(seconds: float) -> int:
    return int(seconds * 1_000)


def _reserve(db: Cursor, mirror: Mirror, reservation: Reservation, now: float) -> None:
    live = db.execute(_LIVE_PLAN, (reservation.order_id,)).fetchone()
    if live is not None:
        raise OrderAlreadyRouted(reservation.order_id, live[0])
    db.execute("SAVEPOINT reservation")
    try:
        _allocate(db, mirror, reservation)
        if mirror.places.capped:
            _add_load(db, mirror, reservation, utc_day(now))
        _store_plan(db, mirror, reservation, now)
    except (StockConflict, ConstraintError) as error:
        db.execute("ROLLBACK TO reservation")
        db.execute("RELEASE reservation")
        if isinstance(error, StockConflict):
            raise
        raise StoreUnavailable(
            f"the database refused plan {reservation.plan_id!r}: {error}"
        ) from error
    db.execute("RELEASE reservation")


def _allocate(db: Cursor, mirror: Mirror, reservation: Reservation) -> None:
    places, rows = mirror.places, mirror.grid.rows
    for claim in reservation.claims:
        location = places.locations.get(claim.location_id)
        if location is None or not location.active or claim.sku not in rows:
            raise StockConflict(f"{claim.location_id!r} ships no {claim.sku!r}")
        values = {
            "quantity": claim.quantity,
            "sku": claim.sku,
            "key": places.keys[claim.location_id],
        }
        if db.execute(_ALLOCATE, values).rowcount != 1:
            raise StockConflict(
                f"{claim.quantity} of {claim.sku!r} are gone at {claim.location_id!r}"
            )


def _add_load(db: Cursor, mirror: Mirror, reservation: Reservation, day: int) -> None:
    places = mirror.places
    for location_id, units in mirror.load_of(reservation).items():
        location = places.locations[location_id]
        orders, most = location.capacity_orders, location.capacity_units
        values = {
            "day": day,
            "key": places.keys[location_id],
            "units": units,
            "most_orders": _NO_LIMIT if orders is None else orders,
            "most_units": _NO_LIMIT if most is None else most,
        }
        if db.execute(_ADD_LOAD, values).rowcount != 1:
            raise StockConflict(f"{location_id!r} has no capacity left for {units}")


def _store_plan(
    db: Cursor, mirror: Mirror, reservation: Reservation, now: float
) -> None:
    live = 1 if reservation.claims else 0
    plan_key = db.execute(
        _INSERT_PLAN,
        (
            reservation.plan_id,
            reservation.order_id,
            live,
            reservation.reply,
            _ms(now),
        ),
    ).lastrowid
    keys = mirror.places.keys
    db.executemany(
        _INSERT_CLAIM,
        [
            (plan_key, claim.sku, keys[claim.location_id], claim.quantity)
            for claim in reservation.claims
        ],
    )
    store_reply(db, reservation.request, now, plan_key, None)
