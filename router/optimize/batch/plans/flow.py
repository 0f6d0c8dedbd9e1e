"""Orders of one unit and the places they ship from: a transport problem, exactly.

Orders for one SKU from one region are alike: one source; the stock of the SKU at a
location is a sink, and a unit costs the location's rank. All SKUs go into one graph.
A source needs no arc beyond the nearest locations that hold what all sources of its
SKU want together: one of those always has a unit left. Nor has it one to locations
that may not ship its orders.
"""

from typing import NamedTuple

import numpy as np
from ortools.graph.python import min_cost_flow

from availability.model import IntArray
from router.optimize.batch.problem import BatchProblem

_FAR = 2**40
"""The rank of a location that may not ship."""


class NoRoomError(ValueError):
    """Some orders have no place."""


class Transport(NamedTuple):
    """Where each order goes, and what a unit there is worth to the others.

    ``location`` ``(m,)``; ``price`` ``(K, N)`` in ranks: at these prices every
    order is at a location that is cheapest for it, and what is left over costs 0.
    """

    location: IntArray
    price: IntArray


def ranks(problem: BatchProblem) -> tuple[IntArray, IntArray]:
    """Return the lists ``(G, N)`` and which is each order's ``(O,)``."""
    rows = problem.rank
    if rows is None:
        rows = np.arange(problem.stock.shape[1])[None, :]
    if problem.region is None:
        return rows[:1], problem.classes
    if problem.rank is None:
        rows = np.repeat(rows, int(problem.region.max(initial=0)) + 1, axis=0)
    return rows, problem.region


def transport(problem: BatchProblem, orders: IntArray, stock: IntArray) -> Transport:
    """Return the least sum of ranks for ``orders`` ``(m,)`` of one unit each.

    ``stock`` ``(K, N)`` is what they may take together.

    Raises
    ------
    NoRoomError
        There is not enough for all.
    """
    rank, region = ranks(problem)
    if problem.allowed is not None:
        rank = np.where(problem.allowed[: len(rank)], rank, _FAR)
    price = np.zeros_like(stock)
    if not len(orders):
        return Transport(orders.copy(), price)
    skus, locations = stock.shape
    sku = problem.sku[problem.start[orders]]
    key, source, count = np.unique(
        sku * len(rank) + region[orders], return_inverse=True, return_counts=True
    )
    sku_of, region_of = np.divmod(key, len(rank))
    wanted = np.bincount(sku, minlength=skus)
    nearest = np.argsort(rank, axis=1, kind="stable")[region_of]
    held = stock[sku_of[:, None], nearest]
    held = np.where(rank[region_of[:, None], nearest] < _FAR, held, 0)
    before = held.cumsum(axis=1) - held
    start, at = np.nonzero((held > 0) & (before < wanted[sku_of][:, None]))
    where = nearest[start, at]
    cost = rank[region_of[start], where]
    sinks, sink = np.unique(sku_of[start] * locations + where, return_inverse=True)
    graph = min_cost_flow.SimpleMinCostFlow()
    graph.add_arcs_with_capacity_and_unit_cost(
        start, sink + len(key), count[start], cost
    )
    graph.set_nodes_supplies(np.arange(len(key)), count)
    graph.set_nodes_supplies(np.arange(len(sinks)) + len(key), -stock.ravel()[sinks])
    status = graph.solve_max_flow_with_min_cost()
    if status != graph.OPTIMAL or graph.maximum_flow() < len(orders):
        raise NoRoomError("not enough stock for the orders of one unit")
    flow = graph.flows(np.arange(len(start)))
    used = flow > 0
    # Sources are sorted, and so are arcs: orders by source take them in turn.
    location = np.empty(len(orders), dtype=np.int64)
    location[np.argsort(source, kind="stable")] = np.repeat(where[used], flow[used])
    columns = (sku_of[start[used]], region_of[start[used]], where[used])
    _prices(rank, problem.stock, np.stack(columns, axis=1), price)
    return Transport(location, price)


def _prices(rank: IntArray, stock: IntArray, used: IntArray, price: IntArray) -> None:
    """Set the least prices at which each used (SKU, region, location) is cheapest.

    ``stock`` is all that there is: what others have taken has its price too.
    """
    sku, region, location = used.T
    ends = np.flatnonzero(np.diff(sku, append=-1)) + 1
    begin = 0
    for end in ends.tolist():
        k = int(sku[begin])
        here = np.flatnonzero(stock[k])
        rows = rank[region[begin:end]][:, here]
        at = np.searchsorted(here, location[begin:end])
        own = rows[np.arange(end - begin), at]
        cost = np.zeros(len(here), dtype=np.int64)
        # A price goes up for what an order would rather have; each pass is one
        # more order displaced by another.
        for _ in range(len(here)):
            worth = (own + cost[at])[:, None] - rows
            raised = np.maximum(cost, worth.max(axis=0))
            if (raised == cost).all():
                break
            cost = raised
        price[k, here] = cost
        begin = end
