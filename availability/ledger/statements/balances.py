"""Writing balances, movements, counts and withdrawals, in every database."""

from collections.abc import Iterable

from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert as upsert

from availability.ledger.logic.decision import StockBalances
from availability.ledger.statements.session import Session
from availability.ledger.statements.tables import (
    at_key,
    movement,
    queue,
    stock,
    stock_moves,
    withdrawal,
    zone_stock,
)
from availability.ledger.times import milliseconds
from availability.positions import Counts
from availability.reservations import Cause, Movement, Withdrawal

WRITE_ROW = (
    stock.update()
    .where(*at_key(stock, "sku", "location_key"))
    .values(
        {
            name: bindparam(f"new_{name}")
            for name in ("on_hand", "allocated", "held", "withdrawn", "deficit")
        }
    )
)

MOVE_ZONE = (
    zone_stock.update()
    .where(*at_key(zone_stock, "sku", "location_key", "zone_id"))
    .values(on_hand=zone_stock.c.on_hand + bindparam("units"))
)

INSERT_MOVEMENT = movement.insert().values(
    {
        column.name: bindparam(f"new_{column.name}")
        for column in movement.c
        if column.name not in ("movement_key", "xid")
    }
)

# SQLite judges the row to insert before it finds the conflict, so a negative one
# would be refused: the row is made empty, and then moved.
_MAKE_COUNTS = (
    upsert(queue)
    .values(
        channel_id=bindparam("new_channel_id"),
        sku=bindparam("new_sku"),
        queued=0,
        promised=0,
    )
    .on_conflict_do_nothing()
)
_MOVE_COUNTS = (
    queue.update()
    .where(*at_key(queue, "channel_id", "sku"))
    .values(
        queued=queue.c.queued + bindparam("more_queued"),
        promised=queue.c.promised + bindparam("more_promised"),
    )
)

_COUNT_MOVE = (
    upsert(stock_moves)
    .values(sku=bindparam("new_sku"), moves=1)
    .on_conflict_do_update(
        index_elements=[stock_moves.c.sku], set_={"moves": stock_moves.c.moves + 1}
    )
)

INSERT_WITHDRAWAL = withdrawal.insert().values(
    {column.name: bindparam(f"new_{column.name}") for column in withdrawal.c}
)


def write_row(
    session: Session, sku: str, location_key: int, row: StockBalances
) -> None:
    """Write a record's balances; only within the lock they were read under."""
    session.count(
        WRITE_ROW,
        at_sku=sku,
        at_location_key=location_key,
        new_on_hand=row.on_hand,
        new_allocated=row.allocated,
        new_held=row.held,
        new_withdrawn=row.withdrawn,
        new_deficit=max(0, row.allocated + row.held - row.on_hand),
    )


def write_movement(
    session: Session,
    each: Movement,
    location_key: int | None,
    now: float,
    *,
    plan_key: int | None = None,
    reference: str = "",
) -> None:
    """Record a movement, and move its zone's count with it."""
    session.count(
        INSERT_MOVEMENT,
        new_at_ms=milliseconds(now),
        new_cause=each.cause.value,
        new_reference=reference,
        new_plan_key=plan_key,
        new_line_id=each.line_id,
        new_location_key=location_key,
        new_channel_id=each.channel_id,
        new_sku=each.sku,
        new_zone_id=each.zone_id,
        new_on_hand=each.on_hand,
        new_zone_units=each.zone_units,
        new_allocated=each.allocated,
        new_held=each.held,
        new_withdrawn=each.withdrawn,
        new_safety_stock=each.safety_stock,
        new_queued=each.queued,
    )
    if each.zone_units:
        session.count(
            MOVE_ZONE,
            at_sku=each.sku,
            at_location_key=location_key,
            at_zone_id=each.zone_id,
            units=each.zone_units,
        )


def count_moves(session: Session, skus: Iterable[str]) -> None:
    """Count a move of each SKU: its stock changed other than by promises.

    Their rows are locked, so a reservation guarded by this count cannot read one of
    the two and not the other. Every writer locks them after the stock and before the
    counts of channels, in the order of SKUs.
    """
    for sku in sorted(set(skus)):
        session.count(_COUNT_MOVE, new_sku=sku)


def move_counts(session: Session, channel_id: str, sku: str, count: Counts) -> None:
    """Move the counts of a SKU on a channel."""
    session.count(_MAKE_COUNTS, new_channel_id=channel_id, new_sku=sku)
    session.count(
        _MOVE_COUNTS,
        at_channel_id=channel_id,
        at_sku=sku,
        more_queued=count.queued,
        more_promised=count.promised,
    )


def write_withdrawal(
    session: Session, each: Withdrawal, location_key: int, *, active: bool
) -> None:
    """Record a withdrawal; its movement is the caller's."""
    starts, ends = each.starts_seconds, each.ends_seconds
    session.count(
        INSERT_WITHDRAWAL,
        new_sku=each.sku,
        new_location_key=location_key,
        new_withdrawal_id=each.withdrawal_id,
        new_quantity=each.quantity,
        new_reason=each.reason,
        new_starts_ms=None if starts is None else milliseconds(starts),
        new_ends_ms=None if ends is None else milliseconds(ends),
        new_active=int(active),
    )


def counts_of(movements: Iterable[Movement]) -> dict[tuple[str, str], Counts]:
    """Return what movements add to the counts, in the order of (channel, SKU)."""
    added: dict[tuple[str, str], Counts] = {}
    for each in movements:
        units = promised_units(each) if each.channel_id else 0
        if units or each.queued:
            key = (each.channel_id, each.sku)
            added[key] = added.get(key, Counts()).plus(each.queued, units)
    return {key: counts for key, counts in sorted(added.items()) if any(counts)}


def promised_units(each: Movement) -> int:
    """Return what a movement adds to what is promised: what ships stays promised."""
    if each.cause is Cause.SHIPPED:
        return 0
    return each.allocated + each.held + each.queued
