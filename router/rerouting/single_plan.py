"""One open plan decided again by itself: served from what came, or moved if better.

Who waits is served where everything it holds stays. An order that can not be
decided together with others (a kit, a walk, other objectives) may move by itself,
if its own policy says that the new plan is better.
"""

from collections.abc import Callable, Generator, Mapping
from typing import Any, NamedTuple

from availability.model import LocationId
from availability.reservations import Cause, ReservationRecord, Swap
from router.line_units import At, Counts, added, as_units, claims, less, queue_of
from router.model import Order, RoutingPlan, RoutingPolicy
from router.rerouting.joint_problem import GAIN, Wishes
from router.rerouting.open_plans import (
    Pending,
    as_promised,
    own_stock,
    read_pending,
    with_unassigned,
)
from router.stored_plans import OwnStock, PlanCodec

Planning = Generator[Any, Any, RoutingPlan]
Plan = Callable[[Order, RoutingPolicy, OwnStock], Planning]
"""Plans an order again: the order, its policy, its own stock."""


class Decided(NamedTuple):
    """A change of one plan, and the plan that it leads to."""

    swap: Swap
    plan: RoutingPlan


def serve(
    record: ReservationRecord, stored: PlanCodec, plan: Plan
) -> Generator[Any, Any, Decided | None]:
    """Decide what a plan that waits gets now; None: nothing.

    What it holds stays where it is.
    """
    pending = read_pending(record, stored)
    if pending is None or not pending.held.queued:
        return None
    replanned = yield from _keeping(pending, pending.held.placed, plan)
    return _decided(pending, replanned, stored)


def move(
    record: ReservationRecord,
    stored: PlanCodec,
    wishes: Wishes,
    closed: frozenset[LocationId],
    plan: Plan,
) -> Generator[Any, Any, Decided | None]:
    """Decide where an order should be; None: it stays as it is.

    It leaves locations that are ``closed`` if all of it can be elsewhere, and others
    if that is better by its policy, or the one that is wished, and saves enough.
    """
    pending = read_pending(record, stored)
    if pending is None:
        return None
    wanted = pending.wanted._replace(policy=wishes.policy_of(pending))
    pending = pending._replace(wanted=wanted)
    held = pending.held
    fixed = added(held.shipped, pending.picked)
    leaving = {at: units for at, units in held.placed.items() if at[1] in closed}
    staying = added(less(held.placed, leaving), less(leaving, less(leaving, fixed)))
    kept = yield from _keeping(pending, staying, plan)
    free = yield from _keeping(pending, fixed, plan)
    saved = len(kept.shipments) - len(free.shipments)
    enough = not wishes.min_gain_permille or saved * GAIN >= wishes.min_gain_permille
    best = free if enough and _better(free, kept) else kept
    if _units(best) < sum(held.placed.values()):
        return None
    return _decided(pending, best, stored)


def _keeping(pending: Pending, frozen: Counts, plan: Plan) -> Planning:
    """Plan an order of which some units stay where they are."""
    order = as_promised(pending, frozen)
    own = own_stock(order, pending.held.placed)
    replanned: RoutingPlan = yield from plan(order, pending.wanted.policy, own)
    return replanned


def _better(one: RoutingPlan, other: RoutingPlan) -> bool:
    """Return whether one plan is better by their objectives, most important first."""
    for a, b in zip(one.objectives, other.objectives, strict=False):
        if (a.name, a.value) != (b.name, b.value):
            return a.name == b.name and (a.value > b.value) == a.maximize
    return False


def _units(plan: RoutingPlan) -> int:
    return sum(each.quantity for each in plan.assignments)


def _decided(pending: Pending, plan: RoutingPlan, stored: PlanCodec) -> Decided | None:
    held, order, record = pending.held, pending.order, pending.record
    placed: dict[At, int] = {}
    for each in plan.assignments:
        at = (each.line_id, each.location_id)
        placed[at] = placed.get(at, 0) + each.quantity
    wanted = less(placed, held.shipped)
    released, claimed = less(held.open, wanted), less(wanted, held.open)
    if not released and not claimed:
        return None
    short = {each.line_id: each.quantity for each in plan.unassigned}
    served = _served(held.queued, short)
    stored_plan = with_unassigned(plan, pending, stored)
    swap = Swap(
        record.revision,
        released=claims(order, as_units(released)),
        cause=Cause.REROUTED,
        claims=claims(order, as_units(claimed)),
        reply=stored.reply(stored_plan),
        body=record.body,
        dequeued=queue_of(order, served),
    )
    return Decided(swap, stored_plan)


def _served(queued: Mapping[str, int], short: Mapping[str, int]) -> dict[str, int]:
    """Return the units of lines that leave the queue: those that are not short."""
    return {
        line_id: units - short.get(line_id, 0)
        for line_id, units in queued.items()
        if units > short.get(line_id, 0)
    }
