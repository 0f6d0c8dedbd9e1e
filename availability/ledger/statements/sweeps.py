"""What time alone does to stock: holds expire, withdrawals begin and end."""

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import and_, bindparam, case, or_, select

from availability.ledger.memory.deltas import UnitsDelta
from availability.ledger.statements.balances import count_moves, write_movement
from availability.ledger.statements.commands import Changed, change
from availability.ledger.statements.session import Row, Session
from availability.ledger.statements.tables import at_key, plan, stock, withdrawal
from availability.ledger.times import milliseconds
from availability.reservations import (
    Cause,
    Expire,
    Movement,
    PlanRef,
    ReservationState,
    Swept,
)

# Several servers may sweep at once: each takes what no other has in hand.
_DUE_HOLDS = (
    select(plan.c.plan_id)
    .where(plan.c.expires_ms <= bindparam("now_ms"))
    .order_by(plan.c.expires_ms, plan.c.plan_key)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)

_STARTS = and_(
    withdrawal.c.active == 0,
    or_(
        withdrawal.c.starts_ms.is_(None),
        withdrawal.c.starts_ms <= bindparam("now_ms"),
    ),
)
_ENDS_MS = withdrawal.c.ends_ms
_ENDS = bindparam("now_ms") >= _ENDS_MS

_DUE_WITHDRAWALS = (
    select(
        withdrawal.c.sku,
        withdrawal.c.location_key,
        withdrawal.c.withdrawal_id,
        withdrawal.c.quantity,
        withdrawal.c.active,
        _ENDS.label("ends"),
    )
    .where(or_(_STARTS, _ENDS))
    .order_by(
        case((withdrawal.c.active == 0, withdrawal.c.starts_ms), else_=_ENDS_MS),
        withdrawal.c.sku,
        withdrawal.c.location_key,
        withdrawal.c.withdrawal_id,
    )
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)

_AT_WITHDRAWAL = (
    withdrawal.c.sku == bindparam("at_sku"),
    withdrawal.c.location_key == bindparam("at_location_key"),
    withdrawal.c.withdrawal_id == bindparam("at_withdrawal_id"),
)
ACTIVATE = withdrawal.update().where(*_AT_WITHDRAWAL).values(active=1)
FORGET = withdrawal.delete().where(*_AT_WITHDRAWAL)

WITHDRAW = (
    stock.update()
    .where(*at_key(stock, "sku", "location_key"))
    .values(withdrawn=stock.c.withdrawn + bindparam("units"))
    .returning(
        stock.c.on_hand
        - stock.c.allocated
        - stock.c.held
        - stock.c.withdrawn
        - stock.c.safety_stock,
        stock.c.counted_ms // 1_000,
    )
)


class SweepDone(NamedTuple):
    """What a sweep did, and what memory has to take over."""

    swept: Swept
    changes: tuple[Changed, ...]
    left: tuple[UnitsDelta, ...]


def sweep(session: Session, now: float, limit: int) -> SweepDone:
    """End what is due within the caller's transaction; see `Ledger.sweep`."""
    now_ms = milliseconds(now)
    changes = tuple(
        change(session, PlanRef(plan_id), Expire(), now)
        for (plan_id,) in session.rows(_DUE_HOLDS, now_ms=now_ms, most=limit)
    )
    # One that was cancelled in part ends as cancelled.
    expired = sum(each.record.state is not ReservationState.HELD for each in changes)
    # In the order in which every writer takes its row locks.
    due = sorted(session.rows(_DUE_WITHDRAWALS, now_ms=now_ms, most=limit))
    left = tuple(_turn(session, due, now))
    count_moves(session, (each.sku for each in left))
    ended = sum(bool(row[5]) for row in due)
    swept = Swept(expired, len(changes) - expired, len(due) - ended, ended)
    return SweepDone(swept, changes, left)


def _turn(session: Session, due: list[Row], now: float) -> Iterator[UnitsDelta]:
    for sku, location_key, withdrawal_id, quantity, active, ends in due:
        at = {
            "at_sku": sku,
            "at_location_key": location_key,
            "at_withdrawal_id": withdrawal_id,
        }
        session.count(FORGET if ends else ACTIVATE, **at)
        units = -quantity * active if ends else quantity
        if units:  # one that ended before it began never counted
            yield withdraw(session, sku, location_key, withdrawal_id, units, now)


def withdraw(
    session: Session,
    sku: str,
    location_key: int,
    withdrawal_id: str,
    units: int,
    now: float,
) -> UnitsDelta:
    """Take units out of sale, or (below 0) put them back."""
    cause = Cause.WITHDRAWN if units > 0 else Cause.RETURNED
    moved = Movement(cause, sku, withdrawn=units)
    write_movement(session, moved, location_key, now, reference=withdrawal_id)
    at = {"at_sku": sku, "at_location_key": location_key}
    ((left, counted),) = session.rows(WITHDRAW, units=units, **at)
    return UnitsDelta(sku, location_key, left, counted)
