"""An integer plan from the LP: its patterns by falling value, then what is left.

And one without, to begin with: where there is little time or orders are large, the
greedy is hard to beat. The LP knows its patterns, so its plan is seldom worse.
"""

import numpy as np

from availability.model import IntArray
from router.optimize.batch.column_generation.master import FloatArray
from router.optimize.batch.plans.incumbent import Incumbent
from router.optimize.batch.plans.moves import Pieces, pieces_of
from router.optimize.batch.pricing.nodes import LEFT_OVER_NODES
from router.optimize.batch.pricing.pricing import Pricer
from router.optimize.batch.scarcity.peel import fixed_of

_LEAST = 0.05
"""Value of a pattern in the LP below which it is not looked at."""
_TURNS, _FEW = 20, 20
"""Most times that all orders left over ask at once, and how few ask one by one."""


def round_down(
    incumbent: Incumbent,
    columns: list[tuple[int, Pieces]],
    x: FloatArray,
    orders: list[int],
    price: IntArray,
) -> list[int]:
    """Take patterns of the LP by falling value, then the rest, many at once.

    Returns the orders that nothing was left for.
    """
    for at in np.argsort(-x, kind="stable").tolist():
        if x[at] < _LEAST:
            break
        incumbent.put_if_fits(*columns[at])
    rest = [order for order in orders if not incumbent.placed(order)]
    rest = _together(incumbent, rest, price)
    return [order for order in rest if not incumbent.place(order, price)]


def by_coverage(incumbent: Incumbent, orders: list[int]) -> dict[int, Pieces]:
    """Return the plans of orders that, one after the other, cover most of themselves.

    They have no plan, and no frozen pieces; the incumbent learns the patterns, and is
    as before.
    """
    given: dict[int, Pieces] = {}
    for order in orders:
        if incumbent.hurry():
            break
        pieces = tuple(sorted(incumbent.remaining.covered(order)))
        pieces = incumbent.or_stay(order, pieces)
        if pieces:
            incumbent.put(order, pieces)
            incumbent.learn(order, pieces)
            given[order] = pieces
    incumbent.take_away(given)
    return given


def or_else(incumbent: Incumbent, orders: list[int], plan: dict[int, Pieces]) -> None:
    """Give orders what another plan of them all has, if the whole is better so.

    The plan is one of what all others leave. No cap is on moves.
    """
    weights = incumbent.problem.weights

    def worth(plan: dict[int, Pieces]) -> tuple[int, int]:
        none = [order for order in orders if order not in plan]
        total = sum(incumbent.worth(*each) for each in plan.items())
        return int(weights[none].sum()), total

    if worth(plan) < worth(incumbent.plans_of(orders)):
        incumbent.take_away(orders)
        incumbent.put_all(plan)


def _together(incumbent: Incumbent, orders: list[int], price: IntArray) -> list[int]:
    """Place orders that all ask at once, the first first; return those left."""
    problem = incumbent.problem
    hopeless: list[int] = []
    fixed = fixed_of(problem)
    for _ in range(_TURNS):
        if len(orders) < _FEW or incumbent.hurry():
            break
        pricer = Pricer(problem, np.array(orders, dtype=np.int64))
        found = pricer.price(
            incumbent.remaining.usable(), price, fixed, LEFT_OVER_NODES
        )
        priced = dict(pieces_of(found))
        left = []
        for order in orders:
            pieces = incumbent.or_stay(order, priced.get(order, ()))
            if not pieces:
                hopeless.append(order)
            elif incumbent.put_if_fits(order, pieces):
                incumbent.learn(order, pieces)
            else:
                left.append(order)
        orders = left
    return hopeless + orders
