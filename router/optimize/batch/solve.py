"""The joint answer: shortage, static bound, peel, prices, rounding, proof, repair."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from availability.model import BoolArray, IntArray
from router.optimize.batch.column_generation.kernel import Contenders, generate
from router.optimize.batch.context import BatchContext
from router.optimize.batch.engines.engine import (
    LOCAL,
    Chunked,
    Engine,
    joined,
    of_orders,
)
from router.optimize.batch.limits import (
    DEFAULT,
    BatchLimits,
    Progress,
    Watch,
    never,
    silent,
)
from router.optimize.batch.plans.greedy import order_by_order
from router.optimize.batch.plans.incumbent import Incumbent
from router.optimize.batch.plans.moves import InForce
from router.optimize.batch.plans.singles import place_singles
from router.optimize.batch.pricing.blocks import NEVER
from router.optimize.batch.pricing.pricing import SCALE, Patterns
from router.optimize.batch.problem import BatchPlan, BatchProblem, score
from router.optimize.batch.proof.answer import BatchSolution, certified
from router.optimize.batch.proof.proof import prove
from router.optimize.batch.proof.running import RunningBound
from router.optimize.batch.repair.repair import Repair
from router.optimize.batch.repair.rounding import by_coverage, or_else, round_down
from router.optimize.batch.repair.ties import settle
from router.optimize.batch.scarcity.peel import Peeled, alone, capped, peel
from router.optimize.batch.scarcity.prices import Prices, nothing, room_of
from router.optimize.batch.scarcity.shortage import shortage

__all__ = ["BatchLimits", "BatchSolution", "Progress", "solve_batch"]

_STATIC_SHARE, _HURRY_SHARE, _BASE_SHARE = 0.2, 0.7, 0.9
"""Shares of the time: the end of pricing orders alone, when any place is good enough
for an unplaced order, and when the order-by-order plan is skipped."""
_SMALL = 3_000
"""Orders up to which the order-by-order plan is made too, and the better one kept."""


def solve_batch(
    problem: BatchProblem,
    limits: BatchLimits = DEFAULT,
    progress: Callable[[Progress], None] = silent,
    cancelled: Callable[[], bool] = never,
    engine: Engine = LOCAL,
) -> BatchSolution:
    """Return the best plan found and its certificate; `verify` judges it.

    Parameters
    ----------
    problem
        Any; a cap on moves needs a plan in force that the stock still allows.
    limits
        When to stop.
    progress
        Called in each phase with what is known.
    cancelled
        Called between steps; once it returns true, the best plan so far is returned.
    engine
        Where orders are priced.

    Raises
    ------
    ValueError
        More orders have to move than may.
    """
    watch = Watch(limits, progress, cancelled)
    return _BatchRun(BatchContext(problem, limits, watch, engine)).run()


class _Contest(NamedTuple):
    """What is known of the orders that contend: prices, and what those prove.

    ``proven`` is what the orders of ``peeled.kernel`` cost at least, in 1 / `SCALE`.
    """

    peeled: Peeled
    prices: Prices
    proven: int


class _BatchRun:
    def __init__(self, context: BatchContext) -> None:
        self._context = context
        self._problem, self._limits, self._watch, self._engine = context
        problem, watch = context.problem, context.watch
        self._incumbent = Incumbent(problem, lambda: watch.stop(_HURRY_SHARE))
        self._in_force = self._incumbent.in_force
        self._single = _singles(problem, self._in_force)

    def run(self) -> BatchSolution:
        problem, watch = self._problem, self._watch
        watch.tell("shortage")
        short = shortage(problem, self._limits.seed, self._limits.wall_seconds / 10)
        waits = np.zeros(problem.orders, dtype=bool)
        waits[short.waiting] = True
        frozen = np.zeros(problem.orders, dtype=bool)
        frozen[list(self._incumbent.remaining.frozen)] = True
        joint = np.flatnonzero(~waits & ~self._single & ~frozen)
        bound = RunningBound(problem, int(problem.weights[waits].sum()))
        watch.bounded(bound.least())
        watch.tell("static bound")
        contest = self._contend(joint, bound)
        watch.tell("proof")
        proof = prove(problem, self._engine, contest.prices, short, watch)
        watch.bounded(proof.shipments(problem, bound.waiting))
        self._repair(contest)
        # In force first, so that orders that stay find their units.
        last = self._by_weight(np.flatnonzero(~waits & self._single & ~frozen))
        last = last[np.argsort(~self._in_force.has[last], kind="stable")]
        left, stay = self._incumbent.remaining.stock, self._in_force.location_of(last)
        self._incumbent.fix(place_singles(problem, last, left, stay))
        self._place(self._by_weight(short.waiting))
        nearest: IntArray | None = None
        if not watch.cancelled():
            watch.tell("places")
            self._incumbent.release()
            nearest = settle(problem, self._incumbent, watch.stop)
        plan = self._incumbent.as_plan()
        if (
            problem.orders <= _SMALL
            and problem.max_moves is None
            and not watch.stop(_BASE_SHARE)
        ):
            other = order_by_order(problem)
            plan = min(plan, other, key=lambda each: score(problem, each))
        watch.value = score(problem, plan).shipments
        if watch.stop():
            nearest = None  # the last level's proof costs most, and is optional
        solution = certified(problem, self._engine, plan, proof, nearest)
        watch.bound = solution.levels[1].bound
        watch.tell("done")
        return solution

    def _contend(self, joint: IntArray, bound: RunningBound) -> _Contest:
        """Place the orders ``joint``, and all with frozen pieces."""
        problem, watch, incumbent = self._problem, self._watch, self._incumbent
        room = room_of(problem, incumbent.remaining)

        def pricer_of(orders: IntArray) -> Chunked:
            stop = functools.partial(watch.stop, _STATIC_SHARE)
            return Chunked(self._engine, problem, orders, stop)

        static = alone(problem, joint, room.stock, pricer_of)
        settled = self._settled(static)
        watch.bounded(bound.static(settled))
        watch.tell("peel")
        peeled = peel(problem, settled, room.stock, self._in_force)
        never = static.order[static.value >= NEVER]
        peeled = peeled._replace(kernel=np.setdiff1d(peeled.kernel, never))
        incumbent.fix(BatchPlan(peeled.line, peeled.location, peeled.units))
        free = problem.max_moves is None
        if not free:
            for order, pieces in self._in_force.pieces.items():
                if not self._in_force.barred[order]:
                    incumbent.put_if_fits(order, pieces)
        units = (problem.sku[peeled.line], peeled.location)
        np.subtract.at(room.stock, units, peeled.units)
        prices, proven = nothing(room.stock.shape), 0
        if len(peeled.kernel):
            turn = self._by_weight(peeled.kernel).tolist()
            # Under a cap on moves they have what is in force.
            greedy = by_coverage(incumbent, turn) if free else {}
            contenders = Contenders(peeled, room, static, greedy)
            kernel = generate(self._context, incumbent, contenders, bound)
            prices, proven = kernel.prices, kernel.bound
            watch.tell("rounding")
            # Large orders first: the small ones find a place on what is left.
            lines = np.diff(problem.start)[peeled.kernel]
            large = peeled.kernel[np.argsort(-lines, kind="stable")].tolist()
            round_down(incumbent, kernel.columns, kernel.x, large, prices.unit())
            if free:
                or_else(incumbent, turn, greedy)
        left = np.setdiff1d(joint, peeled.kernel)
        frozen = np.array(list(incumbent.remaining.frozen), dtype=np.int64)
        self._place(self._by_weight(np.concatenate([left, frozen])))
        if free:
            incumbent.put_back()
        return _Contest(peeled, prices, proven)

    def _repair(self, contest: _Contest) -> None:
        """Improve the plan of those that contend."""
        if not len(contest.peeled.kernel):
            return
        incumbent, problem = self._incumbent, self._problem
        singles = np.flatnonzero(self._single).tolist()
        later = sum(order not in incumbent.plan for order in singles)
        repair = Repair(
            self._context,
            incumbent,
            contest.peeled,
            contest.prices.unit(),
            later * problem.shipment_weight,
        )
        repair.run(contest.proven)
        incumbent.put_back()

    def _settled(self, static: Patterns) -> Patterns:
        """Return the patterns with the pieces in force where staying costs no more.

        The values count moves. Under a cap on moves an order that gains by moving
        has no pattern: others may gain more.
        """
        problem, in_force = self._problem, self._in_force
        move = problem.move_weight * SCALE
        staying = in_force.staying()
        least = in_force.least(static.order, static.value, staying.value, move)
        best = np.full(problem.orders, NEVER)
        best[static.order] = least
        stays = np.isin(staying.order, static.order)
        stays &= staying.value == best[staying.order]
        keep = of_orders(staying, stays)
        goes = ~np.isin(static.order, keep.order)
        found = static._replace(value=least)
        if problem.max_moves is None:
            return joined([of_orders(found, goes), keep])
        fresh = goes & ~in_force.has[static.order]
        bare = of_orders(found, goes & ~fresh)
        nothing_of = (bare.pattern[:0],) * 4
        bare = Patterns(bare.order, bare.value, *nothing_of)
        return joined([of_orders(found, fresh), keep, bare])

    def _by_weight(self, orders: IntArray) -> IntArray:
        turn = np.argsort(-self._problem.weights[orders], kind="stable")
        weightiest: IntArray = orders[turn]
        return weightiest

    def _place(self, orders: IntArray) -> None:
        """Give each order without a plan the best that is left."""
        for order in orders.tolist():
            if not self._incumbent.placed(order):
                self._incumbent.place(order, None)


def _singles(problem: BatchProblem, in_force: InForce) -> BoolArray:
    """Return which orders want one unit: they ship once, wherever from.

    Not where a capacity can bind, nor those to which it matters that they stay.
    """
    if capped(problem).any():
        return np.zeros(problem.orders, dtype=bool)
    lines = np.diff(problem.start)
    one: BoolArray = (lines == 1) & (problem.demand[problem.start[:-1]] == 1)
    if problem.move_weight or problem.max_moves is not None:
        one &= ~in_force.has
    if problem.allowed is not None:
        # Only where every location with units may ship: one is always left.
        barred = (problem.stock > 0) @ ~problem.allowed.T
        one &= ~barred[problem.sku[problem.start[:-1]], problem.classes]
    return one
