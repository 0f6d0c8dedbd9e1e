"""Who waits where there is too little: the level ``incomplete_orders``.

Locations do not matter for it as long as nothing limits them: an order is complete
if each SKU has units for it anywhere. What is left is a knapsack: over the SKUs of
which less is there than wanted, and, where locations have capacities, over all units
and all shipments together. An order of which the locations that may ship it have too
little waits in any case. That orders contend for what only some locations have, and
that some capacities are in the wrong place, goes unnoticed.
"""

import datetime
from typing import NamedTuple

import numpy as np
from ortools.math_opt.python import mathopt
from ortools.sat.python import cp_model

from availability.model import BoolArray, IntArray
from router.optimize.batch.pricing.pricing import SCALE
from router.optimize.batch.problem import BatchProblem

_WORK = 10.0
"""CP-SAT's deterministic time."""

_UNITS, _SHIPMENTS = -1, -2
"""The rows of no SKU."""


class Supply(NamedTuple):
    """What can leave at most: ``skus`` ``(K,)`` units of each, all units, shipments.

    Each location counts what it has and what its capacities let through.
    """

    skus: IntArray
    units: int
    shipments: int


class Shortage(NamedTuple):
    """The orders that wait, and prices of what is short in 1 / `SCALE`.

    ``prices`` of a unit of each short SKU, ``unit_price`` of any unit,
    ``shipment_price`` of any shipment.
    """

    waiting: IntArray
    prices: tuple[tuple[int, int], ...] = ()
    unit_price: int = 0
    shipment_price: int = 0


class _Row(NamedTuple):
    """Something short: of ``orders``, enough wait that ``over`` is saved.

    ``units`` is what each uses if complete, ``saved`` what it saves by waiting.
    """

    orders: list[int]
    units: list[int]
    saved: list[int]
    over: int


def supply_of(problem: BatchProblem) -> Supply:
    """Return what can leave at most."""
    stock = _let_through(problem, problem.stock)
    through = stock.sum(axis=0)
    if problem.capacity_units is not None:
        through = np.minimum(through, np.maximum(0, problem.capacity_units))
    ships = np.full(len(through), problem.orders)
    if problem.capacity_orders is not None:
        ships = np.clip(problem.capacity_orders, 0, problem.orders)
    return Supply(stock.sum(axis=1), int(through.sum()), int(ships.sum()))


def _let_through(problem: BatchProblem, stock: IntArray) -> IntArray:
    """Return the ``(K, N)`` units that capacities, and any class, let be shipped."""
    if problem.capacity_orders is not None:
        stock = np.where(problem.capacity_orders > 0, stock, 0)
    if problem.capacity_units is not None:
        stock = np.minimum(stock, np.maximum(0, problem.capacity_units))
    if problem.allowed is not None:
        may = problem.allowed[np.unique(problem.classes)].any(axis=0)
        stock = np.where(may, stock, 0)
    return stock


def hopeless(problem: BatchProblem) -> BoolArray:
    """Return ``(O,)`` which orders wait even if all that is not frozen were theirs."""
    line_of, location, units = problem.frozen
    stock = problem.stock.copy()
    np.subtract.at(stock, (problem.sku[line_of], location), units)
    stock = _let_through(problem, np.maximum(0, stock))
    if problem.allowed is None:
        there = stock.sum(axis=1)[problem.sku]
    else:
        rows, row = np.unique(problem.classes, return_inverse=True)
        there = stock @ problem.allowed[rows].T.astype(np.int64)
        there = there[problem.sku, row[problem.order_of]]
    np.add.at(there, line_of, units)
    found = np.zeros(problem.orders, dtype=bool)
    found[problem.order_of[there < problem.demand]] = True
    return found


def shortage(problem: BatchProblem, seed: int, seconds: float) -> Shortage:
    """Return which orders wait, and the prices that bound how few can.

    CP-SAT stops by its own count of work, so that the answer does not depend on the
    machine; ``seconds`` is the last resort.
    """
    rows = _rows(problem)
    never = hopeless(problem)
    if not rows:
        return Shortage(np.flatnonzero(never))
    orders = sorted({order for row in rows.values() for order in row.orders})
    weights = problem.weights.tolist()
    model = cp_model.CpModel()
    linear = mathopt.Model()
    wait = {order: model.new_bool_var("") for order in orders}
    share = {
        order: linear.add_variable(lb=float(never[order]), ub=1.0) for order in orders
    }
    for order in np.intersect1d(orders, np.flatnonzero(never)).tolist():
        model.add(wait[order] == 1)
    duals_of = {}
    for name, row in rows.items():
        ours = [wait[order] for order in row.orders]
        if sum(row.saved) >= row.over:
            model.add(cp_model.LinearExpr.weighted_sum(ours, row.saved) >= row.over)
        duals_of[name] = linear.add_linear_constraint(
            mathopt.fast_sum(
                units * share[order]
                for order, units in zip(row.orders, row.units, strict=True)
            )
            >= row.over
        )
    model.minimize(
        cp_model.LinearExpr.weighted_sum(
            [wait[order] for order in orders], [weights[order] for order in orders]
        )
    )
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = seed
    solver.parameters.linearization_level = 2
    solver.parameters.max_deterministic_time = _WORK
    solver.parameters.max_time_in_seconds = seconds
    status = solver.solve(model)
    if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        waits = [order for order in orders if solver.boolean_value(wait[order])]
    else:
        waits = orders
    linear.minimize(mathopt.fast_sum(weights[each] * share[each] for each in orders))
    limits = mathopt.SolveParameters(time_limit=datetime.timedelta(seconds=seconds))
    result = mathopt.solve(linear, mathopt.SolverType.GLOP, params=limits)
    found = dict.fromkeys(rows, 0)
    if result.has_dual_feasible_solution():
        duals = result.dual_values()
        for name, row_of in duals_of.items():
            found[name] = max(0, round(duals[row_of] * SCALE))
    units, shipments = found.pop(_UNITS, 0), found.pop(_SHIPMENTS, 0)
    waiting = np.union1d(np.array(waits, dtype=np.int64), np.flatnonzero(never))
    return Shortage(waiting, tuple(found.items()), units, shipments)


def _rows(problem: BatchProblem) -> dict[int, _Row]:
    """Return what is short: of each SKU, of all units, of all shipments."""
    supply = supply_of(problem)
    wanted = np.bincount(problem.sku, problem.demand, len(supply.skus))
    over = wanted.astype(np.int64) - supply.skus
    order_of = problem.order_of
    # An order that has frozen pieces takes those units whether it waits or not.
    frozen = np.zeros(len(problem.sku), dtype=np.int64)
    np.add.at(frozen, problem.frozen.line, problem.frozen.units)
    rows: dict[int, _Row] = {
        sku: _Row([], [], [], int(over[sku]))
        for sku in np.flatnonzero(over > 0).tolist()
    }
    for line in np.flatnonzero(over[problem.sku] > 0).tolist():
        row = rows[int(problem.sku[line])]
        row.orders.append(int(order_of[line]))
        row.units.append(int(problem.demand[line]))
        row.saved.append(int(problem.demand[line] - frozen[line]))
    every = list(range(problem.orders))
    units = np.bincount(order_of, problem.demand).astype(np.int64)
    if units.sum() > supply.units:
        saved = units - np.bincount(order_of, frozen).astype(np.int64)
        rows[_UNITS] = _Row(
            every, units.tolist(), saved.tolist(), int(units.sum()) - supply.units
        )
    if problem.orders > supply.shipments:
        free = np.bincount(order_of, frozen) == 0
        rows[_SHIPMENTS] = _Row(
            every,
            [1] * problem.orders,
            free.astype(np.int64).tolist(),
            problem.orders - supply.shipments,
        )
    return rows
