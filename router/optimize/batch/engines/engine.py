"""Where orders are priced: here, or sharded over other processes.

All that the solver does order by order goes through this seam: it asks an engine
once for a pricer of some orders, and prices them with it as often as it wants.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from availability.model import BoolArray, IntArray
from router.optimize.batch.pricing.nodes import EXACT_NODES
from router.optimize.batch.pricing.pricing import Patterns, Pricer
from router.optimize.batch.problem import BatchProblem

CHUNK = 10_000
"""Orders priced between two questions whether to go on, where they are small."""
_LINES, _LOCATIONS = 4, 100
"""An order of more lines, or over more locations, counts as several."""


class EngineError(RuntimeError):
    """The engine cannot start or go on; the problem is not at fault."""


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


def joined(parts: list[Patterns]) -> Patterns:
    """Return the patterns of disjoint sets of orders as one."""
    ends = np.cumsum([0] + [len(part.order) for part in parts])
    shifted = [
        part._replace(pattern=part.pattern + end)
        for part, end in zip(parts, ends.tolist(), strict=False)
    ]
    columns = [np.concatenate(column) for column in zip(*shifted, strict=True)]
    return Patterns(*(column.astype(np.int64) for column in columns))


def of_orders(found: Patterns, keep: BoolArray) -> Patterns:
    """Return the patterns of which ``keep`` ``(m,)`` is true."""
    place = np.cumsum(keep) - 1
    piece = keep[found.pattern]
    pieces = (place[found.pattern], found.line, found.location, found.units)
    return Patterns(
        found.order[keep], found.value[keep], *(each[piece] for each in pieces)
    )


class Chunked:
    """A pricer that asks between chunks whether to go on; if not, orders are missing.

    The patterns are in order; see `in_order`.
    """

    def __init__(
        self,
        engine: Engine,
        problem: BatchProblem,
        orders: IntArray,
        cancelled: Callable[[], bool],
    ) -> None:
        self._cancelled = cancelled
        lines = np.diff(problem.start)[orders]
        locations = max(1, problem.stock.shape[1] // _LOCATIONS)
        work = np.maximum(1, lines // _LINES) ** 2 * locations
        ends = np.flatnonzero(np.diff(work.cumsum() // CHUNK)) + 1
        self._pricers = [
            engine.pricer(problem, each) for each in np.split(orders, ends) if len(each)
        ]
        self.cut = False
        """Whether orders are missing from what was priced last."""

    def __len__(self) -> int:
        """Return the number of chunks, which take about as long as each other."""
        return len(self._pricers)

    def price(
        self,
        stock: IntArray,
        price: IntArray,
        fixed: IntArray,
        nodes: int = EXACT_NODES,
    ) -> Patterns:
        """Return the least costs of the orders priced; see `OrderPricer.price`."""
        empty = np.zeros(0, dtype=np.int64)
        parts = [Patterns(*(empty for _ in Patterns._fields))]
        self.cut = False
        for pricer in self._pricers:
            if self._cancelled():
                self.cut = True
                break
            parts.append(pricer.price(stock, price, fixed, nodes))
        return in_order(joined(parts))
