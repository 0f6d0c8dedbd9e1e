"""Prices and patterns of the orders that contend, by column generation.

Orders are priced, their patterns join the LP, the LP's duals are the next prices,
until no order has a cheaper pattern. Any prices on the way give a bound; the best
are kept for the certificate.
"""

from dataclasses import dataclass

import numpy as np

from availability.model import BoolArray, IntArray
from router.optimize.batch.column_generation.master import FloatArray, Master
from router.optimize.batch.engines.engine import Chunked, Engine
from router.optimize.batch.limits import BatchLimits, Watch
from router.optimize.batch.plans.incumbent import Incumbent
from router.optimize.batch.plans.moves import Pieces, patterns_of, pieces_of
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
_LOOSE_NODES = 2
"""Nodes of large orders until the prices have settled."""
_EXACT_ROUNDS, _PRICING_NODES = 3, 16
"""Rounds after that, with this many nodes of large orders."""
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
"""Most seconds of one LP: nobody is asked meanwhile whether to go on."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """The best prices, what they prove, and the LP's last columns with their values.

    ``bound`` is what its orders cost together at least, in 1 / `SCALE`.
    """

    prices: Prices
    bound: int
    columns: list[tuple[int, Pieces]]
    x: FloatArray


def generate(
    problem: BatchProblem,
    limits: BatchLimits,
    watch: Watch,
    engine: Engine,
    incumbent: Incumbent,
    peeled: Peeled,
    room: Room,
    static: Patterns,
    greedy: dict[int, Pieces],
    bound: RunningBound,
) -> Kernel:
    """Find prices and patterns for the orders that contend.

    ``room`` is what is left for them, ``static`` their first patterns, ``greedy`` a
    plan of them that the incumbent knows; it learns every pattern.
    """
    orders, stock = peeled.kernel, room.stock
    master = Master(problem, orders, peeled.scarce, room)
    pricer = Chunked(engine, problem, orders, lambda: watch.stop(_SHARE))
    in_force = incumbent.in_force

    def learn(found: Patterns, fresh: BoolArray | None = None) -> None:
        for order, pieces in pieces_of(found, fresh):
            incumbent.learn(order, pieces)

    def solve_lp() -> Prices:
        seconds = min(limits.wall_seconds / 4, watch.left(_LP_SHARE), _LP_SECONDS)
        return master.solve(seconds, limits.iterations)

    learn(static, master.add(static))
    master.add(patterns_of(problem, greedy))
    staying = in_force.staying()
    master.add(staying)
    learn(staying)
    # Prices are kept only if they prove more than none do: the static bound.
    prices = kept = nothing(stock.shape)
    move, shipment = (
        each * SCALE for each in (problem.move_weight, problem.shipment_weight)
    )
    least = in_force.least(static.order, static.value, staying.value, move)
    floors = np.zeros(problem.orders, dtype=np.int64)
    floors[static.order] = least
    best = int(floors[orders].sum())
    exact = 0
    trust = _HALF
    for at in range(_SEEDS + limits.rounds + _EXACT_ROUNDS):
        # The seeds are for contention: small orders show where it is.
        seed = at < _SEEDS - 1
        nodes = _PRICING_NODES if exact else 0 if seed else _LOOSE_NODES
        unit, fixed = prices.unit(), prices.fixed(problem)
        found = pricer.price(stock, unit, fixed, nodes)
        fresh = master.add(found)
        new = int(np.count_nonzero(fresh))
        learn(found, fresh)
        if pricer.cut:
            break
        stay = in_force.cost(unit, fixed)
        least = in_force.least(found.order, found.value, stay, move)
        # Prices make nothing cheaper, however loosely a large order is bounded.
        least = np.maximum(least, floors[found.order])
        paid = prices.paid(room)
        proven = floors.copy()
        proven[found.order] = least
        dual = int(proven[orders].sum()) - paid
        gain = dual - best
        if gain > 0:
            best, kept = dual, prices
        watch.bounded(bound.lagrangian(found._replace(value=least), paid))
        watch.tell("prices")
        if exact >= _EXACT_ROUNDS or (exact and new <= len(orders) // 1_000):
            break
        if exact > 1 and gain * _GAIN < problem.orders * shipment:
            break
        if watch.stop(_SHARE):
            break
        if at < _SEEDS:
            raised = _contention(problem, found, stock, prices.stock, peeled)
            prices = prices._replace(stock=raised)
        if at >= _SEEDS - 1:
            prices = solve_lp()
            if at >= _SEEDS:
                trust = min(_WHOLE, 2 * trust) if gain > 0 else max(1, trust // 2)
            prices = kept.towards(prices, trust, _WHOLE)
        few = new <= len(orders) // 500
        # Loose bounds that hardly rise any more: the prices are good enough.
        flat = 0 <= gain * _SETTLED < problem.orders * shipment
        settled = at > _SEEDS + 1 and (few or flat)
        # With prices that prove less than others did, a closer look is of no use.
        hasten = gain > 0 and watch.stop(_HASTE_SHARE)
        last = at >= _SEEDS + limits.rounds - 1 or hasten
        if exact or settled or (last and at >= _SEEDS):
            exact += 1
    if watch.stop(_SHARE) and not watch.cancelled():
        # The clock came before the LP of the last patterns: they are to plan with.
        solve_lp()
    rng = np.random.default_rng(limits.seed)
    for _ in range(_NOISY):
        if watch.stop(_LP_SHARE):
            break
        unit = prices.unit()
        noisy = (unit * rng.uniform(0.4, 1.6, unit.shape)).astype(np.int64)
        learn(pricer.price(stock, noisy, prices.fixed(problem), 0))
    x = np.zeros(len(master.order))
    x[: len(master.x)] = master.x
    return Kernel(kept, best, _columns(master), x)


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
    price: IntArray,
    peeled: Peeled,
) -> IntArray:
    """Return prices raised where the patterns take more than there is."""
    used = np.zeros_like(stock)
    np.add.at(used, (problem.sku[found.line], found.location), found.units)
    over = np.clip(used / np.maximum(stock, 1) - 1, -1, 1)
    raised = price + (0.3 * over * SCALE).astype(np.int64)
    return np.where(peeled.scarce, np.clip(raised, 0, SCALE), 0)
