"""Reading the movements back: a journal that is only ever added to."""

from sqlalchemy import bindparam, func, or_, select

from availability.ledger.statements.session import Row, Session
from availability.ledger.statements.tables import STRING, location, movement, plan
from availability.model import LocationId, Sku
from availability.reservations import Cause, Movement, RecordedMovement

_SKU = bindparam("sku", type_=STRING)
_LOCATION = bindparam("location_id", type_=STRING)
_PLAN = bindparam("plan_id", type_=STRING)

_PAGE = (
    select(
        movement.c.movement_key,
        movement.c.at_ms,
        func.coalesce(plan.c.plan_id, ""),
        movement.c.reference,
        movement.c.cause,
        movement.c.sku,
        func.coalesce(location.c.location_id, ""),
        movement.c.zone_id,
        movement.c.channel_id,
        movement.c.line_id,
        movement.c.on_hand,
        movement.c.zone_units,
        movement.c.allocated,
        movement.c.held,
        movement.c.withdrawn,
        movement.c.safety_stock,
        movement.c.queued,
    )
    .select_from(
        movement.outerjoin(
            location, location.c.location_key == movement.c.location_key
        ).outerjoin(plan, plan.c.plan_key == movement.c.plan_key)
    )
    .where(movement.c.movement_key > bindparam("after"))
    .order_by(movement.c.movement_key)
    .limit(bindparam("most"))
)
# One statement for each way to narrow it, so that each can use its index.
_BY_SKU = _PAGE.where(
    movement.c.sku == _SKU,
    or_(_LOCATION.is_(None), location.c.location_id == _LOCATION),
)
_BY_LOCATION = _PAGE.where(location.c.location_id == _LOCATION)
_BY_PLAN = _PAGE.where(
    plan.c.plan_id == _PLAN,
    or_(_SKU.is_(None), movement.c.sku == _SKU),
    or_(_LOCATION.is_(None), location.c.location_id == _LOCATION),
)


def read_movements(
    session: Session,
    sku: Sku | None,
    location_id: LocationId | None,
    plan_id: str | None,
    after: int,
    limit: int,
) -> list[RecordedMovement]:
    """Return movements in the order of their keys; see `Ledger.movements`."""
    values: dict[str, object] = {"after": after, "most": limit}
    if plan_id is not None:
        values |= {"plan_id": plan_id, "sku": sku, "location_id": location_id}
        rows = session.rows(_BY_PLAN, **values)
    elif sku is not None:
        rows = session.rows(_BY_SKU, sku=sku, location_id=location_id, **values)
    elif location_id is not None:
        rows = session.rows(_BY_LOCATION, location_id=location_id, **values)
    else:
        rows = session.rows(_PAGE, **values)
    return [_recorded(row) for row in rows]


def _recorded(row: Row) -> RecordedMovement:
    key, at_ms, plan_id, reference, cause, *rest = row
    movement = Movement(Cause(cause), *rest)
    return RecordedMovement(key, at_ms / 1_000, plan_id, reference, movement)
