"""What the plans take of the locations' days, given back when they give it up."""

from collections.abc import Mapping

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert as upsert

from availability.errors import StockConflict
from availability.ledger.statements.session import Session
from availability.ledger.statements.tables import at_key, location_load, plan_load
from availability.ledger.times import utc_day
from availability.model import LocationId

_OF_PLAN = (
    select(plan_load.c.day, plan_load.c.units)
    .where(
        plan_load.c.plan_key == bindparam("plan_key"),
        plan_load.c.location_key == bindparam("location_key"),
    )
    .order_by(plan_load.c.day.desc())
)

_AT_PLAN = (
    plan_load.c.plan_key == bindparam("at_plan_key"),
    plan_load.c.location_key == bindparam("at_location_key"),
    plan_load.c.day == bindparam("at_day"),
)
_LOWER = (
    plan_load.update()
    .where(*_AT_PLAN)
    .values(units=plan_load.c.units - bindparam("freed"))
)
_FORGET = plan_load.delete().where(*_AT_PLAN)

_INSERT_PLAN = upsert(plan_load).values(
    plan_key=bindparam("new_plan_key"),
    location_key=bindparam("new_location_key"),
    day=bindparam("new_day"),
    units=bindparam("new_units"),
)
_RAISE = _INSERT_PLAN.on_conflict_do_update(
    index_elements=["plan_key", "location_key", "day"],
    set_={"units": plan_load.c.units + _INSERT_PLAN.excluded.units},
)

_FREE = (
    location_load.update()
    .where(*at_key(location_load, "day", "location_key"))
    .values(
        orders=location_load.c.orders - bindparam("orders_freed"),
        units=location_load.c.units - bindparam("units_freed"),
    )
)

_OF_DAY = select(location_load.c.orders, location_load.c.units).where(
    location_load.c.day == bindparam("day"),
    location_load.c.location_key == bindparam("location_key"),
)

_INSERT_LOAD = upsert(location_load).values(
    day=bindparam("new_day"),
    location_key=bindparam("new_location_key"),
    orders=bindparam("new_orders"),
    units=bindparam("new_units"),
)
_ADD = _INSERT_LOAD.on_conflict_do_update(
    index_elements=["day", "location_key"],
    set_={
        "orders": location_load.c.orders + _INSERT_LOAD.excluded.orders,
        "units": location_load.c.units + _INSERT_LOAD.excluded.units,
    },
)


def free_capacity(session: Session, plan_key: int, freed: Mapping[int, int]) -> bool:
    """Give units back to the days they were taken from, the latest first.

    A plan that has nothing left of a location's day gives its order back too. What
    was shipped is not given back: the work was done. Returns whether any was.
    """
    gave = False
    for location_key, units in sorted(freed.items()):
        at = {"plan_key": plan_key, "location_key": location_key}
        for day, taken in session.rows(_OF_PLAN, **at):
            part = min(taken, units)
            if not part:
                break
            units -= part
            where = {"at_plan_key": plan_key, "at_day": day}
            where["at_location_key"] = location_key
            if part == taken:
                session.count(_FORGET, **where)
            else:
                session.count(_LOWER, freed=part, **where)
            session.count(
                _FREE,
                at_day=day,
                at_location_key=location_key,
                orders_freed=int(part == taken),
                units_freed=part,
            )
            gave = True
    return gave


def take_capacity(
    session: Session,
    plan_key: int,
    location_id: LocationId,
    location_key: int,
    body: Mapping[str, object],
    units: int,
    now: float,
) -> bool:
    """Count units against the day of a location that has a capacity.

    The order counts once a day. Returns whether the location has a capacity.

    Raises
    ------
    StockConflict
        There is not enough of it left.
    """
    most_orders, most_units = body["capacity_orders"], body["capacity_units"]
    if most_orders is None and most_units is None:
        return False
    day = utc_day(now)
    known = session.rows(_OF_PLAN, plan_key=plan_key, location_key=location_key)
    orders = int(not any(each == day for each, _ in known))
    session.count(
        _ADD,
        new_day=day,
        new_location_key=location_key,
        new_orders=orders,
        new_units=units,
    )
    # Checked once the row exists and is locked: no other write comes between.
    load = session.rows(_OF_DAY, day=day, location_key=location_key)[0]
    for most, after in zip((most_orders, most_units), load, strict=True):
        if isinstance(most, int) and after > most:
            raise StockConflict(f"{location_id!r} has no capacity left for {units}")
    session.count(
        _RAISE,
        new_plan_key=plan_key,
        new_location_key=location_key,
        new_day=day,
        new_units=units,
    )
    return True
