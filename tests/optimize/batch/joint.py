"""Small joint problems, and their exact optimum by one CP-SAT model."""

from collections import defaultdict

import numpy as np
from ortools.sat.python import cp_model

from router.optimize.batch.problem import BatchProblem


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


def optimum(problem: BatchProblem) -> tuple[int, int]:
    """Return the exact (incomplete_orders, shipments)."""
    model = cp_model.CpModel()
    locations = range(problem.stock.shape[1])
    taken = defaultdict(list)
    visits_at = defaultdict(list)
    units_at = defaultdict(list)
    costs = []
    waits = []
    for order in range(problem.orders):
        wait = model.new_bool_var("")
        waits.append(wait)
        used = [model.new_bool_var("") for _ in locations]
        for n in locations:
            visits_at[n].append(used[n])
            costs.append(problem.shipment_weight * used[n])
        for line in range(problem.start[order], problem.start[order + 1]):
            k, wanted = int(problem.sku[line]), int(problem.demand[line])
            pieces = []
            ships = []
            for n in locations:
                units = model.new_int_var(0, wanted, "")
                model.add(units <= wanted * used[n])
                taken[k, n].append(units)
                units_at[n].append(units)
                pieces.append(units)
                if problem.split_line_weight:
                    some = model.new_bool_var("")
                    model.add(units <= wanted * some)
                    ships.append(some)
            model.add(sum(pieces) == wanted * (1 - wait))
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
    weights = problem.weights.tolist()
    late = sum(weight * wait for weight, wait in zip(weights, waits, strict=True))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.linearization_level = 2
    values = []
    for level in (late, sum(costs)):
        model.minimize(level)
        assert solver.solve(model) == cp_model.OPTIMAL
        values.append(round(solver.objective_value))
        model.add(level <= values[-1])
    return values[0], values[1]
