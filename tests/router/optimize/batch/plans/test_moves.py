from dataclasses import replace

import numpy as np
import pytest

from router.optimize.batch.plans.moves import InForce, pieces_of
from router.optimize.batch.pricing.pricing import SCALE
from router.optimize.batch.problem import BatchPlan, BatchProblem, check, moved, score
from router.optimize.batch.proof.certificate import verify
from router.optimize.batch.solve import solve_batch
from tests.router.optimize.batch.joint import in_force, small
from tests.router.optimize.batch.test_solve import QUICK, judge


@pytest.mark.parametrize("weight", [0, 1, 3])
@pytest.mark.parametrize("seed", range(6))
def test_moves_are_within_their_limits(seed: int, weight: int) -> None:
    problem = small(seed, orders=22, tight=1.2)
    problem = replace(
        problem,
        incumbent=in_force(problem, seed, 0.3),
        move_weight=weight,
        shipment_weight=2,
    )
    judge(problem, solve_batch(problem, QUICK))


@pytest.mark.parametrize("seed", range(4))
def test_moves_with_capacities_and_a_cap(seed: int) -> None:
    problem = small(seed, orders=20, tight=1.2)
    plan = in_force(problem, seed, 0.2)
    load = np.bincount(plan.location, plan.units, problem.stock.shape[1])
    problem = replace(
        problem, incumbent=plan, capacity_units=load.astype(np.int64) + 1, max_moves=4
    )
    judge(problem, solve_batch(problem, QUICK))


def two(**more: object) -> BatchProblem:
    """Return an order that ships from two locations and could from a third."""
    fields: dict[str, object] = {
        "stock": np.array([[1, 0, 1], [0, 1, 1]]),
        "start": np.array([0, 2]),
        "sku": np.array([0, 1]),
        "demand": np.array([1, 1]),
        "incumbent": BatchPlan.of([(0, 0, 1), (1, 1, 1)]),
        "shipment_weight": 3,
    }
    return BatchProblem(**{**fields, **more})  # type: ignore[arg-type]


def test_a_move_that_gains_is_made() -> None:
    solution = solve_batch(two(move_weight=2), QUICK)
    assert solution.plan.location.tolist() == [2, 2]
    assert [level.value for level in solution.levels] == [0, 5, 1, 2]
    assert [level.bound for level in solution.levels[:3]] == [0, 5, 1]


@pytest.mark.parametrize("weight", [3, 4])
def test_a_move_that_gains_too_little_is_not(weight: int) -> None:
    solution = solve_batch(two(move_weight=weight), QUICK)
    assert solution.plan.location.tolist() == [0, 1]
    assert [level.value for level in solution.levels[:3]] == [0, 6, 0]
    assert solution.levels[1].provenance == "proven"


@pytest.mark.parametrize("seed", range(5))
def test_no_order_moves_for_nothing(seed: int) -> None:
    """What is best already stays, though other places would be nearer."""
    problem = small(seed, orders=30, tight=2.0)
    best = solve_batch(problem, QUICK)
    shuffled = replace(
        problem,
        incumbent=best.plan,
        rank=np.arange(problem.stock.shape[1])[None, ::-1].copy(),
    )
    again = solve_batch(shuffled, QUICK)
    gained = best.levels[1].value - again.levels[1].value
    assert gained >= 0
    if not gained:
        assert moved(shuffled, again.plan).tolist() == []


def test_who_must_move_is_counted_in_the_bound() -> None:
    problem = two(stock=np.array([[0, 0, 1], [0, 1, 1]]))
    solution = solve_batch(problem, QUICK)
    assert check(problem, solution.plan) == []
    assert verify(problem, solution.certificate) == solution.levels
    assert solution.levels[2][:3] == ("moves", 1, 1)


def test_what_staying_costs() -> None:
    problem = small(3, orders=25)
    problem = replace(
        problem, incumbent=in_force(problem, 3), split_line_weight=2, shipment_weight=5
    )
    there = InForce(problem)
    rng = np.random.default_rng(0)
    price = rng.integers(0, SCALE, problem.stock.shape)
    costs = there.cost(price, np.full(5, 5 * SCALE))
    staying = there.staying()
    assert there.kept(staying).all()
    assert len(staying.order) > 15
    for (order, pieces), cost, bare in zip(
        pieces_of(staying), costs.tolist(), staying.value.tolist(), strict=True
    ):
        alone = score(problem, BatchPlan.of(list(pieces))).shipments * SCALE
        assert pieces == there.pieces[order]
        assert bare == alone
        units = sum(u * int(price[problem.sku[j], n]) for j, n, u in pieces)
        assert cost == bare + units


def test_other_units_are_a_move() -> None:
    problem = replace(
        small(3, orders=25), incumbent=BatchPlan.of([(0, 0, 1), (0, 1, 1)])
    )
    there = InForce(problem)
    staying = there.staying()
    order = int(problem.order_of[0])
    assert there.has.nonzero()[0].tolist() == [order]
    columns = (np.array([0]), np.array([0]), np.array([0]), np.array([1]))
    part = staying._replace(order=np.array([order]), value=np.array([0]))
    part = part._replace(
        **dict(zip(("pattern", "line", "location", "units"), columns, strict=True))
    )
    assert there.kept(part).tolist() == [False]
    assert there.kept(part._replace(order=np.array([order + 1]))).tolist() == [True]
