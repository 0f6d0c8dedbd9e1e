"""Who waits where stock is short: the level ``incomplete_orders``.

Locations do not matter for it as long as nothing limits them: an order is complete
if each SKU has units for it anywhere. What is left is a knapsack over the SKUs of
which less is there than wanted, and the orders that want one of those.
"""

import datetime
from typing import NamedTuple

import numpy as np
from ortools.math_opt.python import mathopt
from ortools.sat.python import cp_model

from availability.model import IntArray
from router.optimize.batch.pricing import SCALE
from router.optimize.batch.problem import BatchProblem


class Shortage(NamedTuple):
    """The orders that wait, and a price of each short SKU in 1 / `SCALE`."""

    waiting: IntArray
    prices: tuple[tuple[int, int], ...]


def shortage(problem: BatchProblem, seed: int, seconds: float) -> Shortage:
    """Return who waits and the prices that bound how little can.

    CP-SAT stops by its own count of work, so that the answer does not depend on the
    machine; ``seconds`` is the last resort.
    """
    supply = problem.stock.sum(axis=1)
    wanted = np.bincount(problem.sku, problem.demand, len(supply)).astype(np.int64)
    short = np.flatnonzero(wanted > supply)
    if not len(short):
        return Shortage(np.zeros(0, dtype=np.int64), ())
    touches = np.flatnonzero(np.isin(problem.sku, short))
    order_of = problem.order_of
    orders = np.unique(order_of[touches]).tolist()
    weights = problem.weights.tolist()
    # An order that has frozen pieces takes those units whether it waits or not.
    frozen = np.zeros(len(problem.sku), dtype=np.int64)
    np.add.at(frozen, problem.frozen.line, problem.frozen.units)
    model = cp_model.CpModel()
    linear = mathopt.Model()
    wait = {order: model.new_bool_var("") for order in orders}
    share = {order: linear.add_variable(lb=0.0, ub=1.0) for order in orders}
    rows = {}
    by_sku: dict[int, list[tuple[int, int, int]]] = {int(sku): [] for sku in short}
    for line in touches.tolist():
        entry = (int(order_of[line]), int(problem.demand[line]), int(frozen[line]))
        by_sku[int(problem.sku[line])].append(entry)
    for sku, entries in by_sku.items():
        over = int(wanted[sku] - supply[sku])
        ours = [wait[order] for order, _, _ in entries]
        counts = [units - fixed for _, units, fixed in entries]
        if sum(counts) >= over:
            model.add(cp_model.LinearExpr.weighted_sum(ours, counts) >= over)
        rows[sku] = linear.add_linear_constraint(
            sum(units * share[order] for order, units, _ in entries) >= over
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
    solver.parameters.max_deterministic_time = 10.0
    solver.parameters.max_time_in_seconds = seconds
    status = solver.solve(model)
    if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        waits = [order for order in orders if solver.boolean_value(wait[order])]
    else:
        waits = orders
    linear.minimize(sum(weights[order] * share[order] for order in orders))
    limits = mathopt.SolveParameters(time_limit=datetime.timedelta(seconds=seconds))
    result = mathopt.solve(linear, mathopt.SolverType.GLOP, params=limits)
    prices: list[tuple[int, int]] = []
    if result.has_dual_feasible_solution():
        duals = result.dual_values()
        prices = [(sku, max(0, round(duals[row] * SCALE))) for sku, row in rows.items()]
    return Shortage(np.array(waits, dtype=np.int64), tuple(prices))
