"""What the audit reads and repairs: each balance and the sum of its movements."""

from typing import Any

from sqlalchemy import bindparam, case, func, or_, select

from availability.ledger.statements.tables import (
    at_key,
    location,
    location_load,
    movement,
    plan,
    plan_load,
    queue,
    same,
    stock,
    withdrawal,
    zone_stock,
)
from availability.reservations import OPEN_STATES, Cause, ReservationState

BALANCES = ("on_hand", "allocated", "held", "withdrawn", "safety_stock")


def _sums(*names: str) -> list[Any]:
    return [func.sum(movement.c[name]).label(name) for name in names]


_moved = (
    select(movement.c.sku, movement.c.location_key, *_sums(*BALANCES))
    .where(movement.c.location_key.is_not(None))
    .group_by(movement.c.sku, movement.c.location_key)
    .subquery("moved")
)
_expected = {name: func.coalesce(_moved.c[name], 0) for name in BALANCES}
STOCK = (
    select(
        stock.c.sku,
        stock.c.location_key,
        location.c.location_id,
        *(stock.c[name] for name in BALANCES),
        *_expected.values(),
    )
    .select_from(
        stock.join(location).outerjoin(
            _moved, same(_moved, stock, "sku", "location_key")
        )
    )
    .where(or_(*(stock.c[name] != _expected[name] for name in BALANCES)))
    .order_by(stock.c.sku, location.c.location_id)
)
# Movements without a stock record: it was deleted.
MISSING = (
    select(
        _moved.c.sku,
        func.coalesce(location.c.location_id, "?"),
        *(_moved.c[name] for name in BALANCES),
    )
    .select_from(
        _moved.outerjoin(stock, same(_moved, stock, "sku", "location_key")).outerjoin(
            location, location.c.location_key == _moved.c.location_key
        )
    )
    .where(stock.c.sku.is_(None), or_(*(_moved.c[name] != 0 for name in BALANCES)))
    .order_by(_moved.c.sku, location.c.location_id)
)
SET_STOCK = (
    stock.update()
    .where(*at_key(stock, "sku", "location_key"))
    .values({name: bindparam(f"new_{name}") for name in (*BALANCES, "deficit")})
)

_zone_moved = (
    select(
        movement.c.sku,
        movement.c.location_key,
        movement.c.zone_id,
        func.sum(movement.c.zone_units).label("units"),
    )
    .where(movement.c.zone_id != "")
    .group_by(movement.c.sku, movement.c.location_key, movement.c.zone_id)
    .subquery("zone_moved")
)
ZONES = (
    select(
        zone_stock.c.sku,
        zone_stock.c.location_key,
        location.c.location_id,
        zone_stock.c.zone_id,
        zone_stock.c.on_hand,
        func.coalesce(_zone_moved.c.units, 0),
    )
    .select_from(
        zone_stock.join(
            location, location.c.location_key == zone_stock.c.location_key
        ).outerjoin(
            _zone_moved, same(_zone_moved, zone_stock, "sku", "location_key", "zone_id")
        )
    )
    .where(zone_stock.c.on_hand != func.coalesce(_zone_moved.c.units, 0))
    .order_by(zone_stock.c.sku, location.c.location_id, zone_stock.c.zone_id)
)
SET_ZONE = (
    zone_stock.update()
    .where(*at_key(zone_stock, "sku", "location_key", "zone_id"))
    .values(on_hand=bindparam("new_on_hand"))
)

_queue_moved = (
    select(
        movement.c.channel_id,
        movement.c.sku,
        func.sum(movement.c.queued).label("queued"),
        func.sum(
            case(
                (movement.c.channel_id == "", 0),
                (movement.c.cause == Cause.SHIPPED.value, 0),
                else_=movement.c.allocated + movement.c.held + movement.c.queued,
            )
        ).label("promised"),
    )
    .group_by(movement.c.channel_id, movement.c.sku)
    .subquery("queue_moved")
)
QUEUES = (
    select(
        queue.c.channel_id,
        queue.c.sku,
        queue.c.queued,
        queue.c.promised,
        func.coalesce(_queue_moved.c.queued, 0),
        func.coalesce(_queue_moved.c.promised, 0),
    )
    .select_from(
        queue.outerjoin(_queue_moved, same(_queue_moved, queue, "channel_id", "sku"))
    )
    .where(
        or_(
            queue.c.queued != func.coalesce(_queue_moved.c.queued, 0),
            queue.c.promised != func.coalesce(_queue_moved.c.promised, 0),
        )
    )
    .order_by(queue.c.channel_id, queue.c.sku)
)
SET_QUEUE = (
    queue.update()
    .where(*at_key(queue, "channel_id", "sku"))
    .values(queued=bindparam("new_queued"), promised=bindparam("new_promised"))
)

_planned = (
    select(
        plan_load.c.day,
        plan_load.c.location_key,
        func.count().label("orders"),
        func.sum(plan_load.c.units).label("units"),
    )
    .group_by(plan_load.c.day, plan_load.c.location_key)
    .subquery("planned")
)
LOADS = (
    select(
        location_load.c.day,
        location_load.c.location_key,
        location.c.location_id,
        location_load.c.orders,
        location_load.c.units,
        func.coalesce(_planned.c.orders, 0),
        func.coalesce(_planned.c.units, 0),
    )
    .select_from(
        location_load.join(location).outerjoin(
            _planned, same(_planned, location_load, "day", "location_key")
        )
    )
    .where(
        or_(
            location_load.c.orders != func.coalesce(_planned.c.orders, 0),
            location_load.c.units != func.coalesce(_planned.c.units, 0),
        )
    )
    .order_by(location_load.c.day, location.c.location_id)
)
SET_LOAD = (
    location_load.update()
    .where(*at_key(location_load, "day", "location_key"))
    .values(orders=bindparam("new_orders"), units=bindparam("new_units"))
)

_active = (
    select(
        withdrawal.c.sku,
        withdrawal.c.location_key,
        func.sum(withdrawal.c.quantity).label("units"),
    )
    .where(withdrawal.c.active == 1)
    .group_by(withdrawal.c.sku, withdrawal.c.location_key)
    .subquery("active")
)
WITHDRAWN = (
    select(
        stock.c.sku,
        stock.c.location_key,
        location.c.location_id,
        stock.c.withdrawn,
        func.coalesce(_active.c.units, 0),
    )
    .select_from(
        stock.join(location).outerjoin(
            _active, same(_active, stock, "sku", "location_key")
        )
    )
    .where(stock.c.withdrawn != func.coalesce(_active.c.units, 0))
    .order_by(stock.c.sku, location.c.location_id)
)

# What plans hold, where their state says that they hold none of it.
STRAYS = (
    select(
        plan.c.plan_key,
        plan.c.plan_id,
        movement.c.line_id,
        movement.c.location_key,
        movement.c.channel_id,
        movement.c.sku,
        *_sums("allocated", "held", "queued"),
    )
    .select_from(movement.join(plan))
    .where(plan.c.state.not_in([each.value for each in OPEN_STATES]))
    .group_by(
        plan.c.plan_key,
        plan.c.plan_id,
        movement.c.line_id,
        movement.c.location_key,
        movement.c.channel_id,
        movement.c.sku,
    )
    .having(
        or_(
            *(func.sum(movement.c[n]) != 0 for n in ("allocated", "held", "queued")),
        )
    )
    .order_by(plan.c.plan_key, movement.c.sku, movement.c.location_key)
)

_ALL = select(func.count())
COUNTS = (
    _ALL.select_from(stock),
    _ALL.select_from(plan).where(plan.c.state != ReservationState.NONE.value),
    _ALL.select_from(movement),
)

READ_STOCK = select(*(stock.c[name] for name in BALANCES)).where(
    *at_key(stock, "sku", "location_key")
)
