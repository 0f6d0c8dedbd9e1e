"""From a joint plan to changes of plans: what each order gives up and takes."""

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from availability.model import IntArray, LocationId, Sku
from availability.reservations import Cause, PlanRef, Swap
from router.line_units import At, Counts, added, as_units, claims, less, queue_of
from router.model import RoutingPlan
from router.optimize.batch.problem import BatchPlan
from router.optimize.problem import Piece, Solution
from router.planning.assemble import PlanMeta, accept, make_plan
from router.planning.build import build
from router.rerouting.joint_problem import JointProblem, Wishes
from router.rerouting.open_plans import as_promised, own_stock, with_unassigned
from router.stored_plans import PlanCodec

ENGINE = "joint"
"""What a plan says that was decided together with others."""


class Move(NamedTuple):
    """One order's change: what to write, and its effect.

    ``wanted`` are the units that are open at locations then. ``gain`` is the shipments
    it saves; ``served_units`` leave the queue.
    """

    plan: PlanRef
    order_id: str
    swap: Swap
    wanted: Counts
    gain: int
    served_units: int


def moves_of(
    joint: JointProblem,
    plan: BatchPlan,
    wishes: Wishes,
    stored: PlanCodec,
    version: int,
) -> list[Move]:
    """Return the changes that turn the held units into a joint plan.

    Orders that the plan leaves incomplete keep what they hold. ``version`` is the
    ledger's, of the stock that was read.

    Raises
    ------
    SolverError
        The plan breaks a limit of an order: a fault of ours.
    """
    problem = joint.problem
    used = np.zeros_like(problem.stock)
    np.add.at(used, (problem.sku[plan.line], plan.location), plan.units)
    left = problem.stock - used
    shipped = np.bincount(plan.line, plan.units, len(problem.sku)).astype(np.int64)
    order_of = problem.order_of
    pieces: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for line, n, units in zip(*(each.tolist() for each in plan), strict=True):
        pieces[int(order_of[line])].append((line, n, units))
    short = set(order_of[shipped < problem.demand].tolist())
    stock = _Left(joint, left, version)
    found = []
    for o, mine in sorted(pieces.items()):
        if o in short:
            continue
        pending = joint.orders[o]
        wanted = _by_line(joint, o, mine)
        if wanted == dict(pending.held.open) and not pending.held.queued:
            continue
        found.append(_move(joint, o, wanted, stock, wishes, stored))
    return found


def _by_line(
    joint: JointProblem, o: int, pieces: list[tuple[int, int, int]]
) -> dict[At, int]:
    """Return pieces as units of the order's own lines, most where they are now.

    Lines with one SKU are one line of the problem: what is at a location already
    stays with its line, the rest is dealt out in the order of lines.
    """
    problem, pending = joint.problem, joint.orders[o]
    locations = joint.network.locations
    units: dict[tuple[Sku, LocationId], int] = {
        (joint.skus[problem.sku[line]], locations[n].location_id): count
        for line, n, count in pieces
    }
    wants: dict[str, int] = defaultdict(int)
    for (line_id, _), count in pending.held.open.items():
        wants[line_id] += count
    for line_id, count in pending.held.queued.items():
        wants[line_id] += count
    found: dict[At, int] = defaultdict(int)
    lines = [line for line in pending.order.lines if wants[line.line_id]]
    # What is picked stays for certain, so it comes first.
    for counts in (pending.picked, pending.held.open):
        for line in lines:
            for (line_id, at), count in counts.items():
                if line_id != line.line_id:
                    continue
                most = count - found[line_id, at]
                take = min(most, units.get((line.sku, at), 0), wants[line_id])
                if take > 0:
                    found[line_id, at] += take
                    units[line.sku, at] -= take
                    wants[line_id] -= take
    for line in lines:
        for (sku, at), count in units.items():
            take = min(count, wants[line.line_id]) if sku == line.sku else 0
            if take > 0:
                found[line.line_id, at] += take
                units[sku, at] -= take
                wants[line.line_id] -= take
    return {at: count for at, count in found.items() if count}


def _move(
    joint: JointProblem,
    o: int,
    wanted: Counts,
    stock: "_Left",
    wishes: Wishes,
    stored: PlanCodec,
) -> Move:
    pending = joint.orders[o]
    order, record, held = pending.order, pending.record, pending.held
    plan = _plan_of(joint, o, wanted, stock, wishes, stored)
    swap = Swap(
        record.revision,
        released=claims(order, as_units(less(held.open, wanted))),
        cause=Cause.REROUTED,
        claims=claims(order, as_units(less(wanted, held.open))),
        reply=stored.reply(plan),
        body=record.body,
        dequeued=queue_of(order, held.queued),
    )
    before = len({at for _, at in held.open})
    after = len({at for _, at in wanted})
    served = sum(held.queued.values())
    # Queued units had no shipment before, so theirs is not a loss.
    gain = 0 if served else before - after
    return Move(PlanRef(record.plan_id), record.order_id, swap, wanted, gain, served)


def _plan_of(
    joint: JointProblem,
    o: int,
    wanted: Counts,
    stock: "_Left",
    wishes: Wishes,
    stored: PlanCodec,
) -> RoutingPlan:
    """Return the stored plan, checked against every limit of its own order."""
    pending = joint.orders[o]
    held = pending.held
    whole = added(wanted, held.shipped)
    order = as_promised(pending, added(held.shipped, pending.picked))
    policy = wishes.policy_of(pending)
    own = own_stock(order, whole)
    candidates = joint.candidates_of(order, policy)
    built = build(order, policy, candidates, stock, {}, own)
    index = built.candidates.pool.index
    line_at = {line.line_id: n for n, line in enumerate(order.lines)}
    pieces = sorted(
        Piece(index[at], line_at[line_id], units)
        for (line_id, at), units in whole.items()
    )
    checked = accept(built, Solution(tuple(pieces), ENGINE, {}))
    plan = make_plan(checked, {}, PlanMeta(plan_id=pending.record.plan_id))
    return with_unassigned(plan, pending, stored)


class _Left:
    """The stock that a joint plan leaves, as `router.planning.build` reads a grid."""

    def __init__(self, joint: JointProblem, left: IntArray, version: int) -> None:
        self.version = version
        self.rows: Mapping[str, int] = {sku: n for n, sku in enumerate(joint.skus)}
        self._left = left

    def read(self, rows: list[int]) -> IntArray:
        """Copy rows: (len(rows), N) of the network."""
        return self._left[rows]
