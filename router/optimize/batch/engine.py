"""Where orders are priced: here, or sharded over other processes.

All that the solver does order by order goes through this seam: it asks an engine
once for a pricer of some orders, and prices them with it as often as it wants.
"""

from typing import Protocol

import numpy as np

from availability.model import IntArray
from router.optimize.batch.pricing import EXACT_NODES, Patterns, Pricer
from router.optimize.batch.problem import BatchProblem


class OrderPricer(Protocol):
    """Prices a fixed set of orders again and again."""

    def price(
        self,
        stock: IntArray,
        price: IntArray,
        fixed: IntArray,
        nodes: int = EXACT_NODES,
    ) -> Patterns:
        """Return each order's least cost and a pattern, as `Pricer.price` does.

        The orders may come in any sequence, each at most once; with ``nodes`` 0
        large orders may be missing. The arrays are not changed, neither by the
        pricer nor by its caller while it works.
        """
        ...


class Engine(Protocol):
    """Makes pricers."""

    def pricer(self, problem: BatchProblem, orders: IntArray) -> OrderPricer:
        """Return a pricer of ``orders`` ``(m,)``, each in it once."""
        ...


class Local:
    """Prices in this process."""

    def pricer(self, problem: BatchProblem, orders: IntArray) -> OrderPricer:
        """Return a `Pricer`."""
        return Pricer(problem, orders)


LOCAL: Engine = Local()


def in_order(found: Patterns) -> Patterns:
    """Return the same patterns by rising order, each one's pieces by line, location.

    So an answer does not depend on how an engine divides the orders.
    """
    turn = np.argsort(found.order, kind="stable")
    place = np.empty_like(turn)
    place[turn] = np.arange(len(turn))
    pattern = place[found.pattern]
    sort = np.lexsort((found.location, found.line, pattern))
    pieces = (pattern, found.line, found.location, found.units)
    return Patterns(
        found.order[turn], found.value[turn], *(each[sort] for each in pieces)
    )
