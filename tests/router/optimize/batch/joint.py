"""Small joint problems, and their exact optimum by one CP-SAT model."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from ortools.sat.python import cp_model

from router.optimize.batch.plans.greedy import order_by_order
from router.optimize.batch.problem import (
    LEVELS,
    PLACES,
    BatchPlan,
    BatchProblem,
    complete,
)


def small(seed: int, orders: int = 30, tight: float = 1.0) -> BatchProblem:
    """Return a random problem where orders contend for the same stock."""
    rng = np.random.default_rng(seed)
    skus, locations = max(6, orders // 4), 5
    counts = rng.choice([1, 2, 3, 4], orders, p=[0.3, 0.4, 0.2, 0.1])
    start = np.concatenate([[0], counts.cumsum()]).astype(np.int64)
    sku = np.concatenate(
        [rng.choice(skus, count, replace=False) for count in counts]
    ).astype(np.int64)
    demand = rng.choice([1, 2, 3], len(sku), p=[0.8, 0.15, 0.05]).astype(np.int64)
    wanted = np.bincount(sku, demand, skus)
    stock = np.zeros((skus, locations), dtype=np.int64)
    for k in range(skus):
        units = int(np.ceil(tight * wanted[k])) + int(rng.integers(0, 3))
        at = rng.choice(locations, units, p=[0.35, 0.25, 0.2, 0.1, 0.1])
        stock[k] = np.bincount(at, minlength=locations)
    return BatchProblem(stock=stock, start=start, sku=sku, demand=demand)


def in_force(problem: BatchProblem, seed: int, noise: float = 0.0) -> BatchPlan:
    """Return a plan to start from: order by order, on stock of which some was gone."""
    rng = np.random.default_rng(seed)
    gone = rng.binomial(problem.stock, noise)
    plan = order_by_order(replace(problem, stock=problem.stock - gone))
    whole = complete(problem, plan)[problem.order_of[plan.line]] == 1
    return BatchPlan(*(column[whole] for column in plan))


_WORK = 0.3
"""CP-SAT's deterministic time for a level; `places` may take for ever."""


def optimum(
    problem: BatchProblem, reached: Sequence[int] = ()
) -> list[tuple[int, int]]:
    """Return the optimum of each level: proven limits, that meet but for places.

    Each with the levels before at most what was ``reached`` there, or at their
    optimum where nothing is said. An order that waits ships what is frozen.
    """
    model = cp_model.CpModel()
    locations = range(problem.stock.shape[1])
    taken = defaultdict(list)
    visits_at = defaultdict(list)
    units_at = defaultdict(list)
    costs, waits, places, moves = [], [], [], []
    frozen = {(j, n): u for j, n, u in rows(problem.frozen)}
    old = {(j, n): u for j, n, u in rows(problem.incumbent)}
    had = {int(problem.order_of[line]) for line, _ in old}
    for order in range(problem.orders):
        wait, move = model.new_bool_var(""), model.new_bool_var("")
        waits.append(wait)
        if order in had:
            moves.append(move)
        used = [model.new_bool_var("") for _ in locations]
        for n in locations:
            visits_at[n].append(used[n])
            costs.append(problem.shipment_weight * used[n])
            places.append(int(problem.rank_of(order)[n]) * used[n])
            if problem.allowed is not None:
                model.add(used[n] <= int(problem.allowed[problem.classes[order], n]))
        for line in range(problem.start[order], problem.start[order + 1]):
            k, wanted = int(problem.sku[line]), int(problem.demand[line])
            pieces = []
            ships = []
            for n in locations:
                units = model.new_int_var(frozen.get((line, n), 0), wanted, "")
                model.add(units <= wanted * used[n])
                if order in had:
                    model.add(units == old.get((line, n), 0)).only_enforce_if(~move)
                taken[k, n].append(units)
                units_at[n].append(units)
                pieces.append(units)
                if problem.split_line_weight:
                    some = model.new_bool_var("")
                    model.add(units <= wanted * some)
                    ships.append(some)
            here = sum(frozen.get((line, n), 0) for n in locations)
            model.add(sum(pieces) == wanted - (wanted - here) * wait)
            if problem.split_line_weight:
                split = model.new_bool_var("")
                model.add(sum(ships) <= 1 + len(ships) * split)
                costs.append(problem.split_line_weight * split)
    for (k, n), units_of in taken.items():
        model.add(sum(units_of) <= int(problem.stock[k, n]))
    for n in locations:
        if problem.capacity_orders is not None:
            model.add(sum(visits_at[n]) <= int(problem.capacity_orders[n]))
        if problem.capacity_units is not None:
            model.add(sum(units_at[n]) <= int(problem.capacity_units[n]))
    if problem.max_moves is not None:
        model.add(sum(moves) <= problem.max_moves)
    costs += [problem.move_weight * move for move in moves]
    weights = problem.weights.tolist()
    late = sum(weight * wait for weight, wait in zip(weights, waits, strict=True))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.linearization_level = 2
    values = []
    for at, level in enumerate((late, sum(costs), sum(moves), sum(places))):
        if isinstance(level, int):
            values.append((level, level))
            continue
        model.minimize(level)
        if at == LEVELS.index(PLACES):
            solver.parameters.max_deterministic_time = _WORK
            assert solver.solve(model) in (cp_model.OPTIMAL, cp_model.FEASIBLE)
        else:
            assert solver.solve(model) == cp_model.OPTIMAL
        best = round(solver.objective_value)
        values.append((math.ceil(solver.best_objective_bound - 1e-6), best))
        # What was found is allowed at the next level too.
        model.clear_hints()  # type: ignore[no-untyped-call]
        for index in range(len(model.proto.variables)):
            variable = model.get_int_var_from_proto_index(index)
            model.add_hint(variable, solver.value(variable))
        model.add(level <= (reached[at] if at < len(reached) else best))
    return values


def rows(plan: BatchPlan) -> list[tuple[int, int, int]]:
    """Return the (line, location, units) of a plan."""
    return list(zip(*(column.tolist() for column in plan), strict=True))
