"""The joint answer: shortage, static bound, peel, prices, rounding, repair, proof."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from availability.model import IntArray
from router.optimize.batch.certificate import (
    Certificate,
    LevelValue,
    incomplete_bound,
    levels_of,
    patience_of,
    priced,
    shipments_bound,
)
from router.optimize.batch.greedy import order_by_order
from router.optimize.batch.master import Master
from router.optimize.batch.peel import Peeled, alone, fixed_of, peel
from router.optimize.batch.pricing import EXACT_NODES, SCALE, Patterns, Pricer
from router.optimize.batch.problem import (
    LEVELS,
    BatchPlan,
    BatchProblem,
    check,
    score,
)
from router.optimize.batch.repair import (
    Incumbent,
    MoveCap,
    Neighbourhoods,
    Pieces,
    pieces_of,
    round_down,
)
from router.optimize.batch.shortage import shortage
from router.optimize.problem import BoolArray

_SEEDS = 4
"""Rounds that only look where orders contend, before the first LP."""
_LOOSE_NODES = 2
"""Nodes of large orders until the prices have settled."""
_EXACT_ROUNDS = 3
"""Rounds after that, with large orders priced as the certificate does."""
_NOISY = 5
"""Times that small orders are priced at disturbed prices: patterns to repair with."""
_SMALL = 3_000
"""Orders up to which the order-by-order plan is made too, and the better one kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """When to stop.

    As long as ``wall_seconds`` is not what stops it, the same problem, limits and seed
    give the same answer.
    """

    wall_seconds: float = 120.0
    rounds: int = 10
    iterations: int = 2_000
    neighbourhoods: int = 200
    size: int = 120
    work: float = 1.0
    seed: int = 0


class Progress(NamedTuple):
    """What is known in a phase of the level ``shipments``; None: nothing yet."""

    phase: str
    value: int | None
    bound: int | None


class BatchSolution(NamedTuple):
    """The plan, a (value, bound) for each level, and what proves them."""

    plan: BatchPlan
    levels: tuple[LevelValue, ...]
    certificate: Certificate


def _silent(_: Progress) -> None:
    pass


def _never() -> bool:
    return False


def solve_batch(
    problem: BatchProblem,
    limits: BatchLimits = BatchLimits(),
    progress: Callable[[Progress], None] = _silent,
    cancelled: Callable[[], bool] = _never,
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

    Raises
    ------
    ValueError
        More orders have to move than may.
    """
    return _Run(problem, limits, progress, cancelled).run()


class _Run:
    def __init__(
        self,
        problem: BatchProblem,
        limits: BatchLimits,
        progress: Callable[[Progress], None],
        cancelled: Callable[[], bool],
    ) -> None:
        self._problem = problem
        self._limits = limits
        self._progress = progress
        self._cancelled = cancelled
        self._deadline = time.monotonic() + limits.wall_seconds
        self._began = time.monotonic()
        self._incumbent = Incumbent(problem)
        self._price = np.zeros_like(problem.stock)
        self._bound = 0
        self._cap: MoveCap | None = None

    def _stop(self, share: float = 1.0) -> bool:
        spent = time.monotonic() - self._began
        return self._cancelled() or spent >= share * self._limits.wall_seconds

    def run(self) -> BatchSolution:
        problem = self._problem
        self._tell("shortage")
        short = shortage(problem, self._limits.seed, self._limits.wall_seconds / 10)
        waits = np.zeros(problem.orders, dtype=bool)
        waits[short.waiting] = True
        single = self._singles()
        frozen = np.zeros(problem.orders, dtype=bool)
        frozen[list(self._incumbent.remaining.frozen)] = True
        joint = np.flatnonzero(~waits & ~single & ~frozen)
        self._tell("static bound")
        stock = self._incumbent.remaining.stock.copy()
        static = alone(replace(problem, stock=stock), joint)
        limited = self._limited()
        peeled = peel(problem, static, stock, 0 if limited else 3)
        self._keep_in_force()
        for order, pieces in _grouped(problem, peeled):
            self._incumbent.learn(order, pieces)
            if self._cap is None:
                self._incumbent.put(order, pieces)
        np.subtract.at(stock, (problem.sku[peeled.line], peeled.location), peeled.units)
        self._kernel(peeled, stock, static)
        last = np.flatnonzero(~waits & (single | frozen))
        late = np.concatenate([last, short.waiting])
        turn = late[np.argsort(-problem.weights[late], kind="stable")]
        for order in turn.tolist():
            if order not in self._incumbent.plan:
                self._incumbent.place(order, None)
        return self._answer(short.prices)

    def _tell(self, phase: str, value: int | None = None) -> None:
        self._progress(Progress(phase, value, self._bound or None))

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

    def _kernel(self, peeled: Peeled, stock: IntArray, static: Patterns) -> None:
        """Find prices and a plan for the orders that contend."""
        problem, limits = self._problem, self._limits
        orders = peeled.kernel
        if not len(orders):
            return
        master = Master(problem, orders, peeled.scarce, stock)
        pricer = Pricer(problem, orders)
        master.add(static)
        for order, pieces in pieces_of(static):
            self._incumbent.learn(order, pieces)
        price = np.zeros_like(stock)
        best = -1
        exact = 0
        for at in range(_SEEDS + limits.rounds + _EXACT_ROUNDS):
            # The seeds are for contention: small orders show where it is.
            seed = at < _SEEDS - 1
            nodes = EXACT_NODES if exact else 0 if seed else _LOOSE_NODES
            found = pricer.price(stock, price, fixed_of(problem), nodes)
            new = master.add(found)
            for order, pieces in pieces_of(found):
                self._incumbent.learn(order, pieces)
            # Bounds of loosely priced large orders do not compare with exact ones.
            dual = int(found.value.sum()) - int((price * stock).sum())
            if not seed and (exact == 1 or dual > best):
                best, self._price = dual, price
            self._tell("prices")
            if exact >= _EXACT_ROUNDS or (exact and new <= len(orders) // 1_000):
                break
            if self._stop(0.5):
                break
            if at < _SEEDS:
                price = _contention(problem, found, stock, price, peeled)
            if at >= _SEEDS - 1:
                price = master.solve(limits.wall_seconds / 4, limits.iterations)
            settled = at > _SEEDS + 1 and new <= len(orders) // 500
            last = at >= _SEEDS + limits.rounds - 1 or self._stop(0.3)
            if exact or settled or (last and at >= _SEEDS):
                exact += 1
        self._tell("rounding")
        rng = np.random.default_rng(limits.seed)
        for _ in range(_NOISY):
            if self._stop(0.55):
                break
            noise = rng.uniform(0.4, 1.6, price.shape)
            near = pricer.price(
                stock, (price * noise).astype(np.int64), fixed_of(problem), 0
            )
            for order, pieces in pieces_of(near):
                self._incumbent.learn(order, pieces)
        columns: list[tuple[int, Pieces]] = [(0, ())] * len(master.order)
        rows: list[list[tuple[int, int, int]]] = [[] for _ in columns]
        parts = (master.column, master.line, master.location, master.units)
        for at, *piece in zip(*(each.tolist() for each in parts), strict=True):
            rows[at].append((piece[0], piece[1], piece[2]))
        owners = orders[master.order].tolist()
        columns = [
            (order, tuple(sorted(each)))
            for order, each in zip(owners, rows, strict=True)
        ]
        x = np.zeros(len(columns))
        x[: len(master.x)] = master.x
        turn = orders[np.argsort(-np.diff(problem.start)[orders], kind="stable")]
        round_down(self._incumbent, columns, x, turn.tolist(), self._price)
        self._repair(peeled)

    def _repair(self, peeled: Peeled) -> None:
        """Choose again, one neighbourhood around an order that pays extra at a time."""
        limits, incumbent = self._limits, self._incumbent
        around = Neighbourhoods(
            self._problem, peeled.kernel, peeled.scarce, limits.seed
        )
        rng = np.random.default_rng(limits.seed)
        self._tell("repair", incumbent.total())
        tries = 0
        while tries < limits.neighbourhoods and not self._stop(0.9):
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
                if tries >= limits.neighbourhoods or self._stop(0.9):
                    break
                tries += 1
                orders = around.around(
                    extra[at], limits.size, lambda o: len(incumbent.known[o]) > 1
                )
                if incumbent.improve(orders, limits.work, limits.seed, self._cap):
                    self._tell("repair", incumbent.total())

    def _answer(self, sku_prices: tuple[tuple[int, int], ...]) -> BatchSolution:
        problem = self._problem
        plan = self._incumbent.as_plan()
        if problem.orders <= _SMALL and problem.max_moves is None:
            other = order_by_order(problem)
            if score(problem, other) < score(problem, plan):
                plan = other
        breaches = check(problem, plan)
        if breaches:
            raise ValueError("; ".join(breaches[:5]))
        values = score(problem, plan)
        self._tell("proof", values.shipments)
        prices = np.argwhere(self._price > 0)
        certificate = Certificate(
            plan=tuple(zip(*(each.tolist() for each in plan), strict=True)),
            prices=tuple((k, n, int(self._price[k, n])) for k, n in prices.tolist()),
            sku_prices=sku_prices,
        )
        if values.incomplete_orders:
            price, fixed, _ = priced(problem, certificate)
            every = np.arange(problem.orders)
            found = Pricer(problem, every).price(problem.stock, price, fixed, 3)
            least = np.zeros(problem.orders, dtype=np.int64)
            least[found.order] = found.value
            waiting = values.incomplete_orders
            certificate = replace(
                certificate,
                patience=patience_of(least, problem.weights, waiting),
            )
        bounds = (
            incomplete_bound(problem, certificate),
            shipments_bound(problem, certificate, values.incomplete_orders),
            0,
        )
        certificate = replace(
            certificate, claims=tuple(zip(LEVELS, values, bounds, strict=True))
        )
        self._bound = bounds[1]
        self._tell("done", values.shipments)
        return BatchSolution(plan, levels_of(certificate), certificate)


def _grouped(problem: BatchProblem, peeled: Peeled) -> list[tuple[int, Pieces]]:
    rows: dict[int, list[tuple[int, int, int]]] = {}
    order_of = problem.order_of[peeled.line].tolist()
    columns = (peeled.line, peeled.location, peeled.units)
    pieces = zip(*(each.tolist() for each in columns), strict=True)
    for order, piece in zip(order_of, pieces, strict=True):
        rows.setdefault(order, []).append(piece)
    return [(order, tuple(sorted(each))) for order, each in rows.items()]


def _contention(
    problem: BatchProblem,
    found: Patterns,
    stock: IntArray,
    price: IntArray,
    peeled: Peeled,
) -> IntArray:
    """Return prices raised where the patterns take more than there is."""
    used = np.zeros_like(stock)
    np.add.at(used, (problem.sku[found.line], found.location), found.units)
    over = np.clip(used / np.maximum(stock, 1) - 1, -1, 1)
    raised = price + (0.3 * over * SCALE).astype(np.int64)
    return np.where(peeled.scarce, np.clip(raised, 0, SCALE), 0)
