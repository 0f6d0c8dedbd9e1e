"""How others route: walks over a list of locations, one order after the other.

Orders come in turn, the weightiest and then the first first, and each takes what it is
given from the stock of those after it. In a walk every line takes all that a location
has, location after location, and nothing is looked at twice; the functions differ in
the list alone. An order that cannot ship whole waits with nothing shipped, as where a
shop refuses it. Stock is the only limit they know.

Sources: magento/inventory ``GetDefaultSortedSourcesResult`` (priority and distance),
saleor ``warehouse/management.py`` (list order and highest stock), solidus
``allocator/on_hand_first.rb``, spree's ranking of locations by lines covered, HotWax's
rules without and then with partial allocation.
"""

from collections.abc import Callable

import numpy as np

from availability.model import IntArray
from router.optimize.batch.problem import BatchPlan, BatchProblem

Ship = Callable[[IntArray, IntArray, IntArray], IntArray]
"""``(L, N)`` units that ship, of stock ``(L, N)``, demand ``(L,)``, rank ``(N,)``."""


def priority(problem: BatchProblem) -> BatchPlan:
    """Return the walk over the merchant's one list: the locations' own order."""
    return _answer(problem, lambda stock, demand, _: _walk(stock, demand))


def nearest(problem: BatchProblem) -> BatchPlan:
    """Return the walk over each order's own list."""

    def ship(stock: IntArray, demand: IntArray, rank: IntArray) -> IntArray:
        return _walk(stock, demand, rank.argsort(kind="stable"))

    return _answer(problem, ship)


def highest_stock(problem: BatchProblem) -> BatchPlan:
    """Return the walk, line by line, from where most of the line's SKU is."""

    def ship(stock: IntArray, demand: IntArray, rank: IntArray) -> IntArray:
        keys = np.broadcast_to(rank, stock.shape), -stock
        return _walk(stock, demand, np.lexsort(keys, axis=1))

    return _answer(problem, ship)


def coverage(problem: BatchProblem) -> BatchPlan:
    """Return the walk from the location that has most lines whole, asked once."""

    def ship(stock: IntArray, demand: IntArray, rank: IntArray) -> IntArray:
        whole = (stock >= demand[:, None]).sum(axis=0)
        return _walk(stock, demand, np.lexsort((rank, -whole)))

    return _answer(problem, ship)


def whole_first(problem: BatchProblem) -> BatchPlan:
    """Return the first in each order's list that has all of it, or else the walk."""

    def ship(stock: IntArray, demand: IntArray, rank: IntArray) -> IntArray:
        whole = (stock >= demand[:, None]).all(axis=0)
        return _walk(stock, demand, np.lexsort((rank, ~whole)))

    return _answer(problem, ship)


def reranked(problem: BatchProblem) -> BatchPlan:
    """Return the greedy: the location that ships most of what is left, then again.

    Most lines whole, then most units, then the first in the order's list.
    """

    def ship(stock: IntArray, demand: IntArray, rank: IntArray) -> IntArray:
        shipped = np.zeros_like(stock)
        left = demand.copy()
        # Each round empties a location or the order.
        for _ in range(stock.shape[1]):
            reach = np.minimum(stock - shipped, left[:, None])
            whole = ((reach == left[:, None]) & (reach > 0)).sum(axis=0)
            best = int(np.lexsort((rank, -reach.sum(axis=0), -whole))[0])
            taken = reach[:, best]
            shipped[:, best] += taken
            left -= taken
            if not left.any() or not taken.any():
                break
        return shipped

    return _answer(problem, ship)


def _walk(
    stock: IntArray, demand: IntArray, order: IntArray | slice = slice(None)
) -> IntArray:
    """Return what ships when each line takes all it can, in one or in its own order.

    ``order`` is ``(N,)`` locations for all lines, or ``(L, N)`` for each its own.
    """
    if isinstance(order, np.ndarray) and order.ndim == 2:
        there = np.take_along_axis(stock, order, axis=1)
    else:
        there = stock[:, order]
    reached = np.minimum(there.cumsum(axis=1), demand[:, None])
    taken = np.diff(reached, axis=1, prepend=0)
    shipped = np.empty_like(stock)
    if isinstance(order, np.ndarray) and order.ndim == 2:
        np.put_along_axis(shipped, order, taken, axis=1)
    else:
        shipped[:, order] = taken
    return shipped


def _answer(problem: BatchProblem, ship: Ship) -> BatchPlan:
    """Return the plan when each order in turn ships what ``ship`` says.

    Raises
    ------
    ValueError
        The problem has limits that the walks do not know.
    """
    capacities = (problem.capacity_orders, problem.capacity_units)
    if any(each is not None for each in capacities) or len(problem.frozen.line):
        raise ValueError("the walks know neither capacities nor frozen pieces")
    remaining = problem.stock.copy()
    start = problem.start.tolist()
    parts: list[tuple[IntArray, IntArray, IntArray]] = []
    for order in np.argsort(-problem.weights, kind="stable").tolist():
        lines = slice(start[order], start[order + 1])
        skus, demand = problem.sku[lines], problem.demand[lines]
        stock = remaining[skus]
        if (stock.sum(axis=1) < demand).any():
            continue
        shipped = ship(stock, demand, problem.rank_of(order))
        line, location = shipped.nonzero()
        units = shipped[line, location]
        remaining[skus] -= shipped
        parts.append((line + lines.start, location, units))
    none = np.zeros(0, dtype=np.int64)
    columns = zip(*parts, strict=True) if parts else ((none,),) * 3
    return BatchPlan(*(np.concatenate(each) for each in columns)).sorted()
