from dataclasses import replace

import numpy as np
import pytest

from router.optimize.batch.plans.greedy import order_by_order
from router.optimize.batch.problem import BatchProblem
from router.optimize.batch.scarcity.shortage import shortage, supply_of
from router.optimize.batch.solve import solve_batch
from tests.router.optimize.batch.joint import small
from tests.router.optimize.batch.test_solve import QUICK, judge


def pairs(**more: object) -> BatchProblem:
    """Return ten orders of two SKUs that only the first location has both of."""
    fields: dict[str, object] = {
        "stock": np.array([[99, 99, 0], [99, 0, 99]]),
        "start": np.arange(0, 21, 2),
        "sku": np.tile([0, 1], 10),
        "demand": np.ones(20, dtype=np.int64),
    }
    return BatchProblem(**{**fields, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "limit",
    [
        {"capacity_orders": np.array([4, 99, 99])},
        {"capacity_units": np.array([8, 99, 99])},
    ],
)
def test_prices_of_a_capacity_prove_what_it_costs(limit: dict[str, object]) -> None:
    problem = pairs(**limit)
    solution = solve_batch(problem, QUICK)
    judge(problem, solution)
    assert solution.levels[1][:3] == ("shipments", 4 + 2 * 6, 16)
    said = solution.certificate
    assert said.order_prices or said.unit_prices


def test_orders_without_room_wait() -> None:
    problem = pairs(
        capacity_orders=np.array([3, 2, 2]), weight=np.arange(1, 11, dtype=np.int64)
    )
    # Seven shipments; but the other two locations only serve orders together.
    assert supply_of(problem).shipments == 7
    solution = solve_batch(problem, QUICK)
    judge(problem, solution)
    assert solution.levels[0].bound == 1 + 2 + 3
    units = pairs(capacity_units=np.array([4, 1, 1]))
    assert supply_of(units).units == 6
    solution = solve_batch(units, QUICK)
    judge(units, solution)
    assert solution.levels[0][:3] == ("incomplete_orders", 7, 7)


def test_who_waits_saves_no_frozen_units() -> None:
    problem = pairs(capacity_units=np.array([10, 0, 0]))
    frozen = order_by_order(problem)
    some = type(frozen)(*(column[:3] for column in frozen))
    found = shortage(replace(problem, frozen=some), 0, 5.0)
    assert len(found.waiting) == 5
    assert 0 not in found.waiting.tolist()


@pytest.mark.parametrize("seed", range(6))
def test_tight_capacities(seed: int) -> None:
    problem = small(seed, orders=22, tight=1.3)
    free = order_by_order(problem)
    load = np.bincount(free.location, free.units, problem.stock.shape[1])
    rng = np.random.default_rng(seed)
    problem = replace(
        problem,
        capacity_units=np.ceil(load * rng.uniform(0.4, 1.1, len(load))).astype(int),
        capacity_orders=rng.integers(4, 14, len(load)),
        weight=rng.integers(1, 5, problem.orders),
    )
    judge(problem, solve_batch(problem, QUICK))
