"""What a location's rejection means for the order, and for the location's stock."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from availability.errors import UnitsNotOpen, Violation
from availability.model import LocationId, Sku
from availability.reservations import Cause, Correction, ReservationRecord, Swap
from router.amending.cancelling import still_frozen
from router.amending.rejection import RejectedLine, Rejection, RejectionReason
from router.errors import InvalidOrder
from router.line_units import (
    Counts,
    as_units,
    claims,
    held_units,
    less,
    parts_of,
    queue_of,
)
from router.model import Frozen, Order, RoutingPlan, RoutingPolicy, SplitRung
from router.stored_plans import OwnStock, PlanInputs


class Consequences(NamedTuple):
    """A rejection in terms of the order.

    ``released`` are given up, ``staying`` are open or shipped elsewhere. ``order`` is
    the order from now on, to be stored; ``replan`` the same with all that stays
    frozen, to be planned over the ``own`` stock.
    """

    released: Counts
    staying: Counts
    queued: Mapping[str, int]
    corrections: tuple[Correction, ...]
    order: Order
    replan: Order
    own: OwnStock


def consequences(
    order: Order, record: ReservationRecord, rejection: Rejection
) -> Consequences:
    """Work out what a rejection releases, corrects and bars.

    A line that is indivisible, or in a group that ships together, is refused whole:
    what the location would keep of it could not be shipped. The stock is corrected
    for what was named alone.

    Raises
    ------
    UnitsNotOpen
        The location has fewer units open than it refuses; all are listed.
    InvalidOrder
        UNKNOWN_SKU: a kit has no such component.
    """
    held = held_units(order, record)
    here = {
        line_id: units
        for (line_id, at), units in held.open.items()
        if at == rejection.location_id
    }
    named = _named(order, record, rejection, here)
    amounts = dict(here) if rejection.blocking else _amounts(order, here, named)
    barred = [line.line_id for line in order.lines] if rejection.blocking else amounts
    corrections = _corrections(order, rejection, named)
    released = {(line_id, rejection.location_id): n for line_id, n in amounts.items()}
    staying = less(held.placed, released)
    wanted = order._replace(
        rejected=order.rejected | {(each, rejection.location_id) for each in barred},
        frozen=still_frozen(order.frozen, staying),
    )
    return Consequences(
        released,
        staying,
        held.queued,
        corrections,
        wanted,
        wanted._replace(frozen=tuple(Frozen(*each) for each in as_units(staying))),
        _own_stock(order, staying, corrections),
    )


def _named(
    order: Order,
    record: ReservationRecord,
    rejection: Rejection,
    here: Mapping[str, int],
) -> tuple[RejectedLine, ...]:
    """Return the lines that are refused, all of them open at the location."""
    if not rejection.lines:
        if not here:
            breach = (rejection.location_id, "", "", 1, 0)
            raise UnitsNotOpen(record.plan_id, [breach])
        return tuple(RejectedLine(*each) for each in here.items())
    lines = {line.line_id: line for line in order.lines}
    breaches, unknown = [], []
    for n, each in enumerate(rejection.lines):
        line = lines.get(each.line_id)
        opened = here.get(each.line_id, 0)
        if each.quantity > opened:
            sku = line.sku if line else ""
            at = rejection.location_id
            breaches.append((at, sku, each.line_id, each.quantity, opened))
        elif each.sku and line and each.sku not in dict(parts_of(line)):
            message = f"line {each.line_id!r} has no component {each.sku!r}"
            unknown.append(Violation(f"lines[{n}].sku", "UNKNOWN_SKU", message))
    if unknown:
        raise InvalidOrder(unknown)
    if breaches:
        raise UnitsNotOpen(record.plan_id, breaches)
    return rejection.lines


def _amounts(
    order: Order, here: Mapping[str, int], named: Iterable[RejectedLine]
) -> dict[str, int]:
    """Return the units of each line that are released: named, and bound to named."""
    amounts = {each.line_id: each.quantity for each in named}
    lines = [line for line in order.lines if line.line_id in here]
    groups = {line.ship_together for line in lines if line.line_id in amounts}
    for line in lines:
        together = line.ship_together and line.ship_together in groups
        if together or (line.indivisible and line.line_id in amounts):
            amounts[line.line_id] = here[line.line_id]
    return amounts


def _corrections(
    order: Order, rejection: Rejection, named: Iterable[RejectedLine]
) -> tuple[Correction, ...]:
    """Return what the reason says of the location's stock, SKU by SKU."""
    lines = {line.line_id: line for line in order.lines}
    units: dict[Sku, int] = defaultdict(int)
    for each in named:
        for sku, per_unit in parts_of(lines[each.line_id]):
            if each.sku in ("", sku):
                units[sku] += per_unit * each.quantity
    found = []
    for sku, count in sorted(units.items()):
        correction = Correction(rejection.location_id, sku)
        match rejection.reason:
            case RejectionReason.NOT_IN_STOCK:
                found.append(replace(correction, on_hand=None))
            case RejectionReason.MISMATCH:
                found.append(replace(correction, on_hand=count))
            case RejectionReason.DAMAGED:
                reason = rejection.reason.value
                found.append(replace(correction, withdrawn=count, reason=reason))
            case RejectionReason.TOO_BUSY:
                pass
            case RejectionReason.CLOSED:
                pass
            case RejectionReason.OTHER:
                pass
    return tuple(found)


def _own_stock(
    order: Order, staying: Counts, corrections: Iterable[Correction]
) -> OwnStock:
    """Return what the order's reservation makes of the stock that is read.

    The units that stay are the order's own. Those that are released are not added:
    the reason takes them away, or the location is barred. What a count of nothing
    leaves of the others there is nothing.
    """
    held: dict[tuple[LocationId, Sku], int] = defaultdict(int)
    for claim in claims(order, as_units(staying)):
        held[claim.location_id, claim.sku] += claim.quantity
    gone = [
        (each.location_id, each.sku) for each in corrections if each.on_hand is None
    ]
    return OwnStock(held, frozenset(gone))


def swap(
    record: ReservationRecord,
    wanted: PlanInputs,
    meant: Consequences,
    plan: RoutingPlan,
    *,
    reply: bytes,
    body: bytes,
) -> Swap:
    """Return the change from a reservation to a new plan."""
    order = wanted.order
    planned = {(each[0], each[2]): each.quantity for each in plan.assignments}
    before = meant.queued
    short = {each.line_id: each.quantity for each in plan.unassigned}
    # Units that waited go on waiting, until a location ships them.
    queued = (
        short
        if wanted.queue_unassigned
        else {at: min(n, before.get(at, 0)) for at, n in short.items()}
    )
    more = {at: max(0, n - before.get(at, 0)) for at, n in queued.items()}
    fewer = {at: max(0, n - queued.get(at, 0)) for at, n in before.items()}
    return Swap(
        record.revision,
        released=claims(order, as_units(meant.released)),
        cause=Cause.REJECTED,
        claims=claims(order, as_units(less(planned, meant.staying))),
        reply=reply,
        body=body,
        corrections=meant.corrections,
        dequeued=queue_of(order, fewer),
        queued=queue_of(order, more),
    )


def relaxations(
    order: Order, policy: RoutingPolicy
) -> Iterator[tuple[Order, RoutingPolicy]]:
    """Yield what to plan by: as it is, then without limits that what stays may break.

    What was shipped cannot be undone: a line of which some left is not whole any
    more, wherever the rest goes. The last is for locations that were changed since.
    """
    yield order, policy
    lines = tuple(
        line._replace(indivisible=False, ship_together="") for line in order.lines
    )
    order = order._replace(lines=lines)
    yield order, replace(policy, min_split_value_micros=0)
    yield (
        order,
        replace(
            policy,
            min_split_value_micros=0,
            max_shipments=0,
            split_rung=SplitRung.QUANTITY_SPLIT,
        ),
    )
