"""Which units an order gives up when some of it is cancelled."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from availability.errors import UnitsNotOpen
from availability.model import LocationId
from availability.reservations import Claim, Queued, ReservationRecord
from router.line_units import At, Counts, as_units, claims, held_units, less, queue_of
from router.model import Frozen, Order, RoutingPlan


class GivenUp(NamedTuple):
    """What leaves the locations and the queue, and the order as it is wanted then."""

    units: tuple[Claim, ...]
    queued: tuple[Queued, ...]
    order: Order


def give_up(
    order: Order,
    record: ReservationRecord,
    plan: RoutingPlan,
    lines: Mapping[str, int],
) -> GivenUp:
    """Choose the units of each line that are given up.

    First units that no location was given. Then units of the plan's last shipment,
    the least busy, then of the one before: so that the rest ships in few shipments,
    from where most of the order is. Within a shipment the last room first. ``plan``
    is the current plan.

    Raises
    ------
    UnitsNotOpen
        More units of a line than are open; every such line is listed.
    """
    held = held_units(order, record)
    skus = {line.line_id: line.sku for line in order.lines}
    breaches = [
        ("", skus.get(line_id, ""), line_id, units, held.open_of(line_id))
        for line_id, units in lines.items()
        if units > held.open_of(line_id)
    ]
    if breaches:
        raise UnitsNotOpen(record.plan_id, breaches)
    at_locations: dict[At, int] = {}
    queued: dict[str, int] = {}
    for line_id, units in lines.items():
        queued[line_id] = min(units, held.queued.get(line_id, 0))
        left = units - queued[line_id]
        left -= min(left, held.unassigned.get(line_id, 0))
        for location_id in _last_first(plan, line_id, held.open):
            part = min(left, held.open[line_id, location_id])
            if part:
                at_locations[line_id, location_id] = part
                left -= part
    return GivenUp(
        claims(order, as_units(at_locations)),
        queue_of(order, queued),
        _without(order, lines, less(held.placed, at_locations)),
    )


def _last_first(plan: RoutingPlan, line_id: str, opened: Counts) -> list[LocationId]:
    """Return the locations with open units of a line, the last shipment's first."""
    have = [at for line, at in opened if line == line_id]
    planned = [each.location_id for each in plan.assignments if each.line_id == line_id]
    place = {location_id: n for n, location_id in enumerate(planned)}
    return sorted(have, key=lambda at: (-place.get(at, -1), at))


def _without(order: Order, lines: Mapping[str, int], placed: Counts) -> Order:
    """Return the order as it is wanted when some units are not."""
    left = tuple(
        line._replace(quantity=line.quantity - lines.get(line.line_id, 0))
        for line in order.lines
        if line.quantity > lines.get(line.line_id, 0)
    )
    known = {line.line_id for line in left}
    return order._replace(
        lines=left,
        frozen=still_frozen(order.frozen, placed),
        rejected=frozenset(pair for pair in order.rejected if pair[0] in known),
    )


def still_frozen(frozen: Sequence[Frozen], placed: Counts) -> tuple[Frozen, ...]:
    """Return of the units that were picked those that are where they were."""
    kept = [
        each._replace(quantity=min(each.quantity, placed.get((each[0], each[1]), 0)))
        for each in frozen
    ]
    return tuple(each for each in kept if each.quantity)
