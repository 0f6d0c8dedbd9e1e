"""Prices and patterns of the orders that contend, by column generation.

Orders are priced, their patterns join the LP, the LP's duals are the next prices,
until no order has a cheaper pattern. Any prices on the way give a bound; the best
are kept for the certificate.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from availability.model import BoolArray, IntArray
from router.optimize.batch.column_generation.master import FloatArray, Master
from router.optimize.batch.context import BatchContext
from router.optimize.batch.engines.engine import Chunked
from router.optimize.batch.plans.incumbent import Incumbent
from router.optimize.batch.plans.moves import Pieces, patterns_of, pieces_of
from router.optimize.batch.pricing.nodes import LOOSE_NODES, SETTLED_NODES
from router.optimize.batch.pricing.pricing import SCALE, Patterns
from router.optimize.batch.problem import BatchProblem
from router.optimize.batch.proof.running import RunningBound
from router.optimize.batch.scarcity.peel import Peeled
from router.optimize.batch.scarcity.prices import Prices, Room, nothing

_WHOLE, _HALF = 16, 8
"""How far prices go from the best so far towards those of an LP, which are wild while
it has few patterns: half of the way at first, twice as far or half as far after each
round by whether the bound rose."""
_SEEDS = 4
"""Rounds that only look where orders contend, before the first LP."""
_EXACT_ROUNDS = 3
"""Rounds once the prices have settled, which look at large orders closely."""
_GAIN = 10_000
"""They end when the bound gains less than an order's shipment in so many."""
_SETTLED = 2_000
"""The rounds before end when the bound gains less than a shipment in so many."""
_NOISY = 5
"""Times that small orders are priced at disturbed prices: patterns to repair with."""

_HASTE_SHARE, _SHARE, _LP_SHARE = 0.3, 0.5, 0.55
"""Of the time: when rounds of loose bounds end though the prices have not settled, what
prices may take, the static bound included, and when the last LP and the disturbed
prices have to end."""

_LP_SECONDS = 20.0
"""Most seconds of one LP, which cannot be cancelled."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """The best prices, what they prove, and the LP's last columns with their values.

    ``bound`` is the least total cost of its orders, in 1 / `SCALE`.
    """

    prices: Prices
    bound: int
    columns: list[tuple[int, Pieces]]
    x: FloatArray


class Contenders(NamedTuple):
    """The orders that contend, and what is known of them before the first price.

    Parameters
    ----------
    peeled
        Who contends, and for which stock.
    room
        What is left for them.
    static
        Their first patterns, which cost least without prices.
    greedy
        A plan of them that the incumbent knows.
    """

    peeled: Peeled
    room: Room
    static: Patterns
    greedy: dict[int, Pieces]


def generate(
    context: BatchContext,
    incumbent: Incumbent,
    contenders: Contenders,
    bound: RunningBound,
) -> Kernel:
    """Find prices and patterns for the orders that contend.

    The incumbent learns every pattern, ``bound`` every round.
    """
    rounds = _Rounds(context, incumbent, contenders, bound)
    rounds.run()
    return rounds.kernel()


class _Round(NamedTuple):
    """One pricing of all orders: ``new`` patterns, and what the bound gained."""

    at: int
    found: Patterns
    new: int
    gain: int


class _Rounds:
    """The state of the loop: this round's prices, and the best so far."""

    def __init__(
        self,
        context: BatchContext,
        incumbent: Incumbent,
        contenders: Contenders,
        bound: RunningBound,
    ) -> None:
        problem, limits, watch, engine = context
        peeled, room, static, greedy = contenders
        self._problem, self._limits, self._watch = problem, limits, watch
        self._incumbent, self._in_force = incumbent, incumbent.in_force
        self._peeled, self._room, self._bound = peeled, room, bound
        self._orders = peeled.kernel
        self._master = Master(problem, self._orders, peeled.scarce, room)
        self._pricer = Chunked(
            engine, problem, self._orders, lambda: watch.stop(_SHARE)
        )
        self._learn(static, self._master.add(static))
        self._master.add(patterns_of(problem, greedy))
        staying = self._in_force.staying()
        self._master.add(staying)
        self._learn(staying)
        self._shipment = problem.shipment_weight * SCALE
        self._move = problem.move_weight * SCALE
        # Prices are kept only if they prove more than none do: the static bound.
        self._prices = self._best_prices = nothing(room.stock.shape)
        self._floors = np.zeros(problem.orders, dtype=np.int64)
        self._floors[static.order] = self._in_force.least(
            static.order, static.value, staying.value, self._move
        )
        self._best = int(self._floors[self._orders].sum())
        self._exact = 0
        """Rounds so far that looked at large orders closely."""
        self._trust = _HALF

    def run(self) -> None:
        """Alternate pricing and LP, then look for patterns to repair with."""
        for at in range(_SEEDS + self._limits.rounds + _EXACT_ROUNDS):
            each = self._price(at)
            if each is None or self._is_last(each):
                break
            self._change_prices(each)
            self._exact += self._looks_closer(each)
        if self._watch.stop(_SHARE) and not self._watch.cancelled():
            # The clock came before the LP of the last patterns: they are to plan with.
            self._solve_lp()
        self._disturb()

    def kernel(self) -> Kernel:
        """Return the best prices, and the LP's columns and their values."""
        x = np.zeros(len(self._master.order))
        x[: len(self._master.x)] = self._master.x
        return Kernel(self._best_prices, self._best, _columns(self._master), x)

    def _price(self, at: int) -> _Round | None:
        """Price all orders; None: there was no time for some."""
        # The seeds are for contention: small orders show where it is.
        seed = at < _SEEDS - 1
        nodes = SETTLED_NODES if self._exact else 0 if seed else LOOSE_NODES
        unit, fixed = self._prices.unit(), self._prices.fixed(self._problem)
        found = self._pricer.price(self._room.stock, unit, fixed, nodes)
        fresh = self._master.add(found)
        self._learn(found, fresh)
        if self._pricer.cut:
            return None
        gain = self._prove(found, self._in_force.cost(unit, fixed))
        return _Round(at, found, int(np.count_nonzero(fresh)), gain)

    def _prove(self, found: Patterns, stay: IntArray) -> int:
        """Keep the prices if they prove more than all before; return how much.

        ``stay`` is what orders cost at these prices where the plan in force has them.
        """
        least = self._in_force.least(found.order, found.value, stay, self._move)
        # Prices make nothing cheaper, however loosely a large order is bounded.
        least = np.maximum(least, self._floors[found.order])
        paid = self._prices.paid(self._room)
        proven = self._floors.copy()
        proven[found.order] = least
        gain = int(proven[self._orders].sum()) - paid - self._best
        if gain > 0:
            self._best += gain
            self._best_prices = self._prices
        self._watch.bounded(self._bound.lagrangian(found._replace(value=least), paid))
        self._watch.tell("prices")
        return gain

    def _is_last(self, each: _Round) -> bool:
        if self._exact >= _EXACT_ROUNDS:
            return True
        if self._exact and each.new <= len(self._orders) // 1_000:
            return True
        if (
            self._exact > 1
            and each.gain * _GAIN < self._problem.orders * self._shipment
        ):
            return True
        return self._watch.stop(_SHARE)

    def _change_prices(self, each: _Round) -> None:
        """Raise the prices of what is short, or go towards those of the LP."""
        if each.at < _SEEDS:
            stock = _contention(
                self._problem, each.found, self._room.stock, self._prices, self._peeled
            )
            self._prices = self._prices._replace(stock=stock)
        if each.at >= _SEEDS - 1:
            prices = self._solve_lp()
            if each.at >= _SEEDS:
                more = min(_WHOLE, 2 * self._trust)
                self._trust = more if each.gain > 0 else max(1, self._trust // 2)
            self._prices = self._best_prices.towards(prices, self._trust, _WHOLE)

    def _looks_closer(self, each: _Round) -> bool:
        """Return whether the next round looks at large orders closely."""
        few = each.new <= len(self._orders) // 500
        # Loose bounds that hardly rise any more: the prices are good enough.
        flat = 0 <= each.gain * _SETTLED < self._problem.orders * self._shipment
        settled = each.at > _SEEDS + 1 and (few or flat)
        # With prices that prove less than others did, a closer look is of no use.
        hasten = each.gain > 0 and self._watch.stop(_HASTE_SHARE)
        last = each.at >= _SEEDS + self._limits.rounds - 1 or hasten
        return bool(self._exact) or settled or (last and each.at >= _SEEDS)

    def _solve_lp(self) -> Prices:
        left = self._watch.left(_LP_SHARE)
        seconds = min(self._limits.wall_seconds / 4, left, _LP_SECONDS)
        return self._master.solve(seconds, self._limits.iterations)

    def _disturb(self) -> None:
        """Learn patterns that are cheapest at prices near the last."""
        rng = np.random.default_rng(self._limits.seed)
        for _ in range(_NOISY):
            if self._watch.stop(_LP_SHARE):
                break
            unit, fixed = self._prices.unit(), self._prices.fixed(self._problem)
            noisy = (unit * rng.uniform(0.4, 1.6, unit.shape)).astype(np.int64)
            self._learn(self._pricer.price(self._room.stock, noisy, fixed, 0))

    def _learn(self, found: Patterns, fresh: BoolArray | None = None) -> None:
        for order, pieces in pieces_of(found, fresh):
            self._incumbent.learn(order, pieces)


def _columns(master: Master) -> list[tuple[int, Pieces]]:
    """Return the (order, pieces) of each column."""
    rows: list[list[tuple[int, int, int]]] = [[] for _ in range(len(master.order))]
    parts = (master.column, master.line, master.location, master.units)
    for at, *piece in zip(*(each.tolist() for each in parts), strict=True):
        rows[at].append((piece[0], piece[1], piece[2]))
    owners = master.kernel[master.order].tolist()
    return [(o, tuple(sorted(each))) for o, each in zip(owners, rows, strict=True)]


def _contention(
    problem: BatchProblem,
    found: Patterns,
    stock: IntArray,
    prices: Prices,
    peeled: Peeled,
) -> IntArray:
    """Return prices of units raised where the patterns take more than there is."""
    used = np.zeros_like(stock)
    np.add.at(used, (problem.sku[found.line], found.location), found.units)
    over = np.clip(used / np.maximum(stock, 1) - 1, -1, 1)
    raised = prices.stock + (0.3 * over * SCALE).astype(np.int64)
    return np.where(peeled.scarce, np.clip(raised, 0, SCALE), 0)
