"""What needs no search: each order alone, and orders that contend for nothing.

A pair (SKU, location) is *abundant* if it holds as many units as all orders that
are still open want of the SKU. An order whose own optimum is reachable on abundant
pairs alone is fixed there: whatever the others do, it takes nothing from them.
Connected components are no substitute: in tight stock nearly all orders are one.

References
----------
Xu, P. J., Allgor, R. and Graves, S. C. (2009). Benefits of reevaluating real-time
order fulfillment decisions. Manufacturing & Service Operations Management 11(2).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from availability.model import BoolArray, IntArray
from router.optimize.batch.engines.engine import (
    OrderPricer,
    in_order,
    joined,
    of_orders,
)
from router.optimize.batch.plans.moves import InForce
from router.optimize.batch.pricing.blocks import NEVER
from router.optimize.batch.pricing.nodes import FIRST_NODES, STATIC_NODES
from router.optimize.batch.pricing.pricing import SCALE, Patterns, Pricer, costs_of
from router.optimize.batch.problem import BatchProblem


class Peeled(NamedTuple):
    """Of the orders looked at: what is fixed, and what is left.

    ``line``, ``location``, ``units`` are the fixed pieces; ``kernel`` the orders
    left; ``scarce`` ``(K, N)`` the pairs that can bind among them.
    """

    line: IntArray
    location: IntArray
    units: IntArray
    kernel: IntArray
    scarce: BoolArray


def alone(
    problem: BatchProblem,
    orders: IntArray,
    stock: IntArray,
    pricer_of: Callable[[IntArray], OrderPricer],
) -> Patterns:
    """Return each order's best on the whole stock: the static bound.

    All orders get a first look, then those longer ones that it leaves open.
    """
    none, fixed = np.zeros_like(stock), fixed_of(problem)
    first = _rounded(pricer_of(orders).price(stock, none, fixed, FIRST_NODES))
    above = costs_of(problem, first) * SCALE > first.value
    none_found = np.bincount(first.pattern, minlength=len(first.order)) == 0
    left = first.order[above | (none_found & (first.value < NEVER))]
    again = _rounded(pricer_of(left).price(stock, none, fixed, STATIC_NODES))
    rest = of_orders(first, ~np.isin(first.order, again.order))
    return in_order(joined([rest, again]))


def _rounded(found: Patterns) -> Patterns:
    """Return bounds rounded up: without prices costs are whole numbers of shipments."""
    return found._replace(value=-(-found.value // SCALE) * SCALE)


def fixed_of(problem: BatchProblem) -> IntArray:
    """Return ``(N,)`` what a shipment costs, in 1 / `SCALE`."""
    locations = problem.stock.shape[1]
    return np.full(locations, problem.shipment_weight * SCALE, dtype=np.int64)


def capped(problem: BatchProblem) -> BoolArray:
    """Return ``(N,)`` where a capacity may bind."""
    found = np.zeros(problem.stock.shape[1], dtype=bool)
    if problem.capacity_units is not None:
        found |= problem.capacity_units < problem.demand.sum()
    if problem.capacity_orders is not None:
        found |= problem.capacity_orders < problem.orders
    return found


def peel(
    problem: BatchProblem,
    static: Patterns,
    stock: IntArray,
    in_force: InForce,
    rounds: int = 3,
) -> Peeled:
    """Fix every order of ``static`` that contends for nothing, again and again.

    ``stock`` ``(K, N)`` is what is left for these orders. An order with pieces in
    force is fixed with its pattern in ``static`` or not at all. Nothing is fixed
    where a capacity may bind.
    """
    best = np.zeros(problem.orders, dtype=np.int64)
    best[static.order] = static.value
    roomy = ~capped(problem)
    given = of_orders(static, in_force.has[static.order])
    kernel = np.sort(static.order)
    order_of = problem.order_of
    fixed: list[tuple[IntArray, IntArray, IntArray]] = []
    none = np.zeros_like(stock)
    found = static
    for at in range(rounds + 1):
        is_open = np.zeros(problem.orders, dtype=bool)
        is_open[kernel] = True
        mine = is_open[order_of]
        wanted = np.bincount(
            problem.sku[mine], problem.demand[mine], len(stock)
        ).astype(np.int64)
        abundant = stock >= wanted[:, None]
        if at == rounds or not len(kernel):
            break
        if at:
            # Only orders that are small are worth another look; `peel` is quick.
            counts = np.diff(problem.start)[kernel]
            again = kernel[(counts < 12) & ~in_force.has[kernel]]
            pricer = Pricer(problem, again)
            usable = np.where(abundant & roomy, stock, 0)
            found = _rounded(
                pricer.price(usable, none, fixed_of(problem), STATIC_NODES)
            )
            found = joined([found, given])
        fine = abundant[problem.sku[found.line], found.location]
        fine &= roomy[found.location]
        done = np.ones(len(found.order), dtype=bool)
        done[found.pattern[~fine]] = False
        done &= np.bincount(found.pattern, minlength=len(done)) > 0
        done &= found.value == best[found.order]
        done &= is_open[found.order]
        if not done.any() and at:
            break
        keep = done[found.pattern]
        columns = (found.line[keep], found.location[keep], found.units[keep])
        fixed.append(columns)
        stock = stock.copy()
        np.subtract.at(stock, (problem.sku[columns[0]], columns[1]), columns[2])
        kernel = kernel[~np.isin(kernel, found.order[done])]
    nothing = np.zeros(0, dtype=np.int64)
    fixed.append((nothing, nothing, nothing))
    line, location, units = (np.concatenate(each) for each in zip(*fixed, strict=True))
    return Peeled(line, location, units, kernel, ~abundant & (stock > 0))
