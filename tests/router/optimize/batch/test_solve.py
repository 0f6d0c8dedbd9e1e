import functools
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from router.optimize.batch.plans.greedy import order_by_order
from router.optimize.batch.problem import BatchPlan, BatchProblem, check, moved, score
from router.optimize.batch.proof.certificate import (
    Certificate,
    CertificateError,
    verify,
)
from router.optimize.batch.solve import (
    BatchLimits,
    BatchSolution,
    Progress,
    solve_batch,
)
from tests.router.optimize.batch.joint import optimum, small

QUICK = BatchLimits(rounds=5, neighbourhoods=30, size=30)


def judge(problem: BatchProblem, solution: BatchSolution) -> None:
    """See that a plan is allowed, and each level's optimum within its limits."""
    assert check(problem, solution.plan) == []
    assert verify(problem, solution.certificate) == solution.levels
    values = [level.value for level in solution.levels]
    assert values == list(score(problem, solution.plan))
    for level, best in zip(solution.levels, optimum(problem, values), strict=True):
        low, high = best
        assert level.bound <= high, level
        assert low <= level.value, level


@pytest.mark.parametrize("seed", range(12))
def test_the_optimum_is_between_bound_and_value(seed: int) -> None:
    problem = small(seed, orders=18 + seed // 2)
    if seed % 3 == 0:
        problem = replace(problem, split_line_weight=1, shipment_weight=2)
    solution = solve_batch(problem, QUICK)
    judge(problem, solution)
    assert solution.levels[0].bound == solution.levels[0].value == 0
    assert score(problem, solution.plan) <= score(problem, order_by_order(problem))


@pytest.mark.parametrize("seed", range(4))
def test_shortage_serves_the_weightiest(seed: int) -> None:
    problem = small(seed, orders=25, tight=0.7)
    weight = np.random.default_rng(seed).integers(1, 9, problem.orders)
    problem = replace(problem, weight=weight)
    solution = solve_batch(problem, QUICK)
    judge(problem, solution)
    assert solution.levels[0].value > 0
    assert score(problem, solution.plan) <= score(problem, order_by_order(problem))


def test_one_unit_for_two_orders_goes_to_the_older() -> None:
    problem = BatchProblem(
        stock=np.array([[1]]),
        start=np.array([0, 1, 2]),
        sku=np.array([0, 0]),
        demand=np.array([1, 1]),
        weight=np.array([3, 4]),
    )
    solution = solve_batch(problem, QUICK)
    assert solution.plan.line.tolist() == [1]
    assert [(each.value, each.bound) for each in solution.levels] == [
        (3, 3),
        (1, 1),
        (0, 0),
        (0, 0),
    ]


@pytest.mark.parametrize("seed", range(3))
def test_capacities(seed: int) -> None:
    problem = small(seed, orders=25)
    free = order_by_order(problem)
    load = np.bincount(free.location, free.units, problem.stock.shape[1])
    problem = replace(
        problem,
        capacity_units=np.ceil(load * 0.9).astype(np.int64),
        capacity_orders=np.full(problem.stock.shape[1], 14),
    )
    solution = solve_batch(problem, QUICK)
    judge(problem, solution)


@pytest.mark.parametrize("seed", range(5))
def test_locations_that_a_region_may_not_use(seed: int) -> None:
    problem = small(seed, orders=24, tight=1.5)
    rng = np.random.default_rng(seed)
    allowed = rng.random((3, problem.stock.shape[1])) < 0.7
    region = rng.integers(0, 3, problem.orders)
    problem = replace(problem, region=region, allowed=allowed)
    judge(problem, solve_batch(problem, QUICK))
    assert check(problem, order_by_order(problem)) == []


@pytest.mark.parametrize("seed", range(4))
def test_frozen_pieces_stay(seed: int) -> None:
    problem = small(seed)
    free = order_by_order(problem)
    # Some pieces of some orders are picked already, and not the best ones.
    frozen = BatchPlan(*(column[::5] for column in free))
    problem = replace(problem, frozen=frozen)
    judge(problem, solve_batch(problem, QUICK))


@pytest.mark.parametrize("most", [0, 2, 5])
def test_the_cap_on_moves(most: int) -> None:
    problem = small(3, orders=60)
    plan = order_by_order(problem)
    problem = replace(problem, incumbent=plan, max_moves=most)
    solution = solve_batch(problem, QUICK)
    assert check(problem, solution.plan) == []
    assert len(moved(problem, solution.plan)) <= most
    assert score(problem, solution.plan) <= score(problem, plan)
    if most == 0:
        assert score(problem, solution.plan) == score(problem, plan)


def test_the_same_again() -> None:
    problem = small(7, orders=60)
    first, second = (solve_batch(problem, QUICK) for _ in range(2))
    assert first.certificate == second.certificate


def test_cancel_returns_the_best_so_far() -> None:
    problem = small(7, orders=60)
    told: list[Progress] = []
    solution = solve_batch(problem, QUICK, told.append, lambda: len(told) > 2)
    assert check(problem, solution.plan) == []
    assert verify(problem, solution.certificate) == solution.levels
    phases = [each.phase for each in told]
    assert phases[:3] == ["shortage", "static bound", "peel"]
    assert phases.count("prices") == 0
    assert phases[-1] == "done"


# --- Certificates -----------------------------------------------------------------


@functools.cache
def solved() -> tuple[BatchProblem, str]:
    problem = replace(small(2, tight=0.8), capacity_units=np.full(5, 60))
    return problem, json.dumps(solve_batch(problem, QUICK).certificate.to_json())


def certified() -> tuple[BatchProblem, dict[str, Any]]:
    problem, text = solved()
    return problem, json.loads(text)


def test_a_certificate_survives_json() -> None:
    problem = small(5, orders=40)
    solution = solve_batch(problem, QUICK)
    text = json.dumps(solution.certificate.to_json())
    again = Certificate.from_json(json.loads(text))
    assert again == solution.certificate
    assert verify(problem, again) == solution.levels


def tampered() -> list[tuple[str, Any]]:
    return [
        ("plan", lambda rows: [*rows, [rows[0][0], (rows[0][1] + 1) % 5, 1]]),
        ("plan", lambda rows: rows[1:]),
        ("plan", lambda rows: [[rows[0][0], 99, 1], *rows[1:]]),
        ("plan", lambda rows: [[rows[0][0], rows[0][1], 0.5], *rows[1:]]),
        ("prices", lambda rows: [[0, 0, -5], *rows]),
        ("prices", lambda _: [[999, 0, 5]]),
        ("prices", lambda _: [[k, n, 2**22] for k in range(6) for n in range(5)]),
        ("claims", lambda rows: [rows[0], [rows[1][0], rows[1][1] - 1, 0], *rows[2:]]),
        (
            "claims",
            lambda rows: [rows[0], [*rows[1][:2], rows[1][2] + 1], *rows[2:]],
        ),
        ("claims", lambda rows: [[*rows[0][:2], rows[0][2] + 1], *rows[1:]]),
        ("claims", lambda rows: rows[:2]),
        ("sku_prices", lambda _: [[0, -1]]),
        ("unit_prices", lambda _: [[0, 2**26]]),
        ("order_prices", lambda _: [[0, 5]]),
        ("total_prices", lambda _: [0, -1]),
        ("total_prices", lambda _: [0]),
        ("place_prices", lambda rows: [*rows, [0, 0, -1]]),
        ("place_prices", lambda _: [[999, 0, 1]]),
        ("place_rate", lambda _: -1),
        ("place_rate", lambda _: 2**50),
        ("place_move", lambda _: 0.5),
        ("place_patience", lambda _: None),
        ("claims", lambda rows: [*rows[:3], [*rows[3][:2], rows[3][2] + 1]]),
        ("claims", lambda rows: [*rows[:2], ["moves", 0, 1], rows[3]]),
        ("patience", lambda _: -1),
        ("patience", lambda _: None),
    ]


@pytest.mark.parametrize(("field", "lie"), tampered())
def test_a_lie_is_found(field: str, lie: Any) -> None:
    problem, said = certified()
    verify(problem, Certificate.from_json(said))
    said[field] = lie(said[field])
    with pytest.raises(CertificateError):
        verify(problem, Certificate.from_json(said))


def test_prices_of_very_much_stock_do_not_wrap() -> None:
    problem, said = certified()
    _, bound, *_ = verify(problem, Certificate.from_json(said))
    # So much that price times stock is beyond 64 bits: worth less than nothing.
    much = replace(problem, stock=np.where(problem.stock > 0, 2**43, 0))
    prices = [[k, n, 2**24] for k, n in np.argwhere(much.stock > 0).tolist()]
    lie = said | {"prices": prices}

    with pytest.raises(CertificateError, match="bound"):
        verify(much, Certificate.from_json(lie))
    assert bound.bound > 0
