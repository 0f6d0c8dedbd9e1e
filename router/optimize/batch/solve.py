"""The joint answer: shortage, static bound, peel, prices, rounding, repair, proof."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from router.optimize.batch.answer import BatchSolution, certified
from router.optimize.batch.engine import LOCAL, Engine
from router.optimize.batch.greedy import order_by_order
from router.optimize.batch.kernel import generate
from router.optimize.batch.limits import (
    DEFAULT,
    BatchLimits,
    Progress,
    Watch,
    never,
    silent,
)
from router.optimize.batch.peel import Peeled, alone, peel
from router.optimize.batch.problem import BatchProblem, score
from router.optimize.batch.repair import (
    Incumbent,
    MoveCap,
    Neighbourhoods,
    Pieces,
    round_down,
)
from router.optimize.batch.shortage import shortage
from router.optimize.problem import BoolArray

__all__ = ["BatchLimits", "BatchSolution", "Progress", "solve_batch"]

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
        Told of each phase and of what is known.
    cancelled
        Asked between steps; once it says yes, the best so far is the answer.
    engine
        Where orders are priced.

    Raises
    ------
    ValueError
        More orders have to move than may.
    """
    watch = Watch(limits, progress, cancelled)
    return _Run(problem, limits, watch, engine).run()


class _Run:
    def __init__(
        self, problem: BatchProblem, limits: BatchLimits, watch: Watch, engine: Engine
    ) -> None:
        self._problem = problem
        self._limits = limits
        self._watch = watch
        self._engine = engine
        self._incumbent = Incumbent(problem)
        self._cap: MoveCap | None = None

    def run(self) -> BatchSolution:
        problem, watch = self._problem, self._watch
        watch.tell("shortage")
        short = shortage(problem, self._limits.seed, self._limits.wall_seconds / 10)
        waits = np.zeros(problem.orders, dtype=bool)
        waits[short.waiting] = True
        single = self._singles()
        frozen = np.zeros(problem.orders, dtype=bool)
        frozen[list(self._incumbent.remaining.frozen)] = True
        joint = np.flatnonzero(~waits & ~single & ~frozen)
        watch.tell("static bound")
        stock = self._incumbent.remaining.stock.copy()
        static = alone(replace(problem, stock=stock), joint)
        peeled = peel(problem, static, stock, 0 if self._limited() else 3)
        self._keep_in_force()
        for order, pieces in _grouped(problem, peeled):
            self._incumbent.learn(order, pieces)
            if self._cap is None:
                self._incumbent.put(order, pieces)
        np.subtract.at(stock, (problem.sku[peeled.line], peeled.location), peeled.units)
        price = np.zeros_like(stock)
        if len(peeled.kernel):
            kernel = generate(
                problem,
                self._limits,
                watch,
                self._engine,
                self._incumbent,
                peeled,
                stock,
                static,
            )
            price = kernel.price
            watch.tell("rounding")
            # Large orders first: the small ones find a place on what is left.
            lines = np.diff(problem.start)[peeled.kernel]
            turn = peeled.kernel[np.argsort(-lines, kind="stable")].tolist()
            round_down(self._incumbent, kernel.columns, kernel.x, turn, price)
            self._repair(peeled)
        last = np.flatnonzero(~waits & (single | frozen))
        late = np.concatenate([last, short.waiting])
        turn = late[np.argsort(-problem.weights[late], kind="stable")].tolist()
        for order in turn:
            if order not in self._incumbent.plan:
                self._incumbent.place(order, None)
        plan = self._incumbent.as_plan()
        if problem.orders <= _SMALL and problem.max_moves is None:
            other = order_by_order(problem)
            plan = min(plan, other, key=lambda each: score(problem, each))
        watch.value = score(problem, plan).shipments
        watch.tell("proof")
        solution = certified(problem, self._engine, plan, price, short.prices)
        watch.bound = solution.levels[1].bound
        watch.tell("done")
        return solution

    def _singles(self) -> BoolArray:
        """Return which orders want one unit: they ship once, wherever from."""
        problem = self._problem
        if self._limited():
            return np.zeros(problem.orders, dtype=bool)
        lines = np.diff(problem.start)
        one: BoolArray = (lines == 1) & (problem.demand[problem.start[:-1]] == 1)
        return one

    def _limited(self) -> bool:
        limits = (self._problem.capacity_orders, self._problem.capacity_units)
        return any(each is not None for each in (*limits, self._problem.max_moves))

    def _keep_in_force(self) -> None:
        """With a cap on moves, start from the plan in force."""
        problem = self._problem
        grouped: dict[int, list[tuple[int, int, int]]] = {}
        order_of = problem.order_of
        rows = zip(*(each.tolist() for each in problem.incumbent), strict=True)
        for piece in rows:
            grouped.setdefault(int(order_of[piece[0]]), []).append(piece)
        original = {order: tuple(sorted(p)) for order, p in grouped.items()}
        for order, pieces in original.items():
            units = sum(each for _, _, each in pieces)
            lines = slice(problem.start[order], problem.start[order + 1])
            if units == problem.demand[lines].sum():
                self._incumbent.learn(order, pieces)
        if problem.max_moves is None:
            return
        self._cap = MoveCap(original, problem.max_moves)
        for order, pieces in original.items():
            self._incumbent.put_if_fits(order, pieces)

    def _repair(self, peeled: Peeled) -> None:
        """Choose again, one neighbourhood around an order that pays extra at a time."""
        limits, incumbent, watch = self._limits, self._incumbent, self._watch
        around = Neighbourhoods(
            self._problem, peeled.kernel, peeled.scarce, limits.seed
        )
        rng = np.random.default_rng(limits.seed)
        watch.tell("repair")
        tries = 0
        while tries < limits.neighbourhoods and not watch.stop(0.9):
            extra = [
                order
                for order in peeled.kernel.tolist()
                if order in incumbent.plan
                and incumbent.cost(incumbent.plan[order])
                > min(incumbent.known[order].values(), default=0)
            ]
            if not extra:
                break
            for at in rng.permutation(len(extra))[:20].tolist():
                if tries >= limits.neighbourhoods or watch.stop(0.9):
                    break
                tries += 1
                orders = around.around(
                    extra[at], limits.size, lambda o: len(incumbent.known[o]) > 1
                )
                if incumbent.improve(orders, limits.work, limits.seed, self._cap):
                    watch.tell("repair")


def _grouped(problem: BatchProblem, peeled: Peeled) -> list[tuple[int, Pieces]]:
    rows: dict[int, list[tuple[int, int, int]]] = {}
    order_of = problem.order_of[peeled.line].tolist()
    columns = (peeled.line, peeled.location, peeled.units)
    pieces = zip(*(each.tolist() for each in columns), strict=True)
    for order, piece in zip(order_of, pieces, strict=True):
        rows.setdefault(order, []).append(piece)
    return [(order, tuple(sorted(each))) for order, each in rows.items()]
