"""Locations that a region may not use any more, with a plan in force there."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from router.optimize.batch.engines.engine import LOCAL
from router.optimize.batch.plans.incumbent import Incumbent
from router.optimize.batch.plans.moves import InForce
from router.optimize.batch.plans.singles import place_singles
from router.optimize.batch.pricing.blocks import NEVER
from router.optimize.batch.problem import BatchPlan, BatchProblem, check, moved
from router.optimize.batch.proof.certificate import verify
from router.optimize.batch.proof.running import RunningBound
from router.optimize.batch.scarcity.peel import alone
from router.optimize.batch.scarcity.shortage import hopeless, shortage
from router.optimize.batch.solve import Progress, solve_batch
from tests.router.optimize.batch.engines.test_engine import Halves
from tests.router.optimize.batch.joint import in_force, optimum, small
from tests.router.optimize.batch.plans.test_moves import two
from tests.router.optimize.batch.test_solve import QUICK, judge


def barred(seed: int, share: float = 0.8, **more: object) -> BatchProblem:
    """Return orders in force of three regions, each without some locations."""
    problem = small(seed, orders=22, tight=1.5)
    rng = np.random.default_rng(seed)
    fields: dict[str, object] = {
        "incumbent": in_force(problem, seed, 0.2),
        "region": rng.integers(0, 3, problem.orders),
        "allowed": rng.random((3, problem.stock.shape[1])) < share,
        "shipment_weight": 2,
    }
    return replace(problem, **{**fields, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize("weight", [0, 1, 3])
@pytest.mark.parametrize("seed", range(3))
def test_moves_and_barred_locations(seed: int, weight: int) -> None:
    problem = barred(seed, move_weight=weight)
    assert InForce(problem).barred.any()
    judge(problem, solve_batch(problem, QUICK))


@pytest.mark.parametrize("seed", range(3))
def test_who_is_barred_counts_under_the_cap(seed: int) -> None:
    problem = barred(seed)
    least = optimum(problem)
    assert least[2][1] > 0
    problem = replace(problem, max_moves=problem.orders // 2)
    judge(problem, solve_batch(problem, QUICK))
    must = int(np.count_nonzero(InForce(problem).barred))
    with pytest.raises(ValueError, match=f"{must - 1} allowed"):
        solve_batch(replace(problem, max_moves=must - 1), QUICK)


def test_barred_locations_with_capacities_and_weights() -> None:
    problem = barred(4)
    load = np.bincount(problem.incumbent.location, problem.incumbent.units, 5)
    problem = replace(
        problem,
        capacity_units=load.astype(np.int64) + 3,
        weight=np.random.default_rng(0).integers(1, 9, problem.orders),
        split_line_weight=1,
    )
    judge(problem, solve_batch(problem, QUICK))


def test_who_is_barred_does_not_stay_whatever_a_move_costs() -> None:
    problem = two(move_weight=50, allowed=np.array([[False, True, True]]))
    solution = solve_batch(problem, QUICK)
    assert solution.plan.location.tolist() == [2, 2]
    assert moved(problem, solution.plan).tolist() == [0]
    assert [level.value for level in solution.levels[:3]] == [0, 53, 1]
    assert [level.bound for level in solution.levels[:3]] == [0, 53, 1]


def test_nobody_is_put_back_where_he_is_barred() -> None:
    problem = two(allowed=np.array([[False, True, True]]))
    incumbent = Incumbent(problem)
    assert not incumbent.in_force.can_stay(0)
    assert incumbent.place(0, None)
    dearer = ((0, 2, 1), (1, 1, 1))
    incumbent.put(0, dearer)
    assert incumbent.put_back() == 0
    assert incumbent.plan[0] == dearer
    may = Incumbent(replace(problem, allowed=np.array([[True, True, True]])))
    may.put(0, dearer)
    assert may.put_back() == 1
    assert may.plan[0] == ((0, 0, 1), (1, 1, 1))


def test_single_units_stay_unless_they_are_barred() -> None:
    problem = BatchProblem(
        stock=np.array([[2, 2, 2]]),
        start=np.arange(5),
        sku=np.zeros(4, dtype=np.int64),
        demand=np.ones(4, dtype=np.int64),
        region=np.array([0, 0, 1, 1]),
        allowed=np.array([[True, True, True], [True, False, True]]),
        incumbent=BatchPlan.of([(0, 2, 1), (1, 1, 1), (2, 1, 1), (3, 2, 1)]),
    )
    stay = InForce(problem).location_of(np.arange(4))
    assert stay.tolist() == [2, 1, -1, 2]
    plan = place_singles(problem, np.arange(4), problem.stock, stay).sorted()
    assert plan.location.tolist() == [2, 1, 0, 2]
    assert solve_batch(problem, QUICK).plan.location.tolist() == [2, 1, 0, 2]


def test_who_may_ship_from_nowhere_waits_and_the_bound_says_so() -> None:
    problem = barred(5, incumbent=BatchPlan.of([]))
    assert problem.allowed is not None
    allowed = problem.allowed.copy()
    allowed[0] = False
    weight = np.arange(1, problem.orders + 1)
    problem = replace(problem, allowed=allowed, weight=weight)
    of_none = problem.classes == 0
    never = hopeless(problem)
    assert never[of_none].all()
    assert set(np.flatnonzero(never)) <= set(shortage(problem, 0, 1.0).waiting.tolist())
    heard: list[Progress] = []
    solution = solve_batch(problem, QUICK, heard.append)
    judge(problem, solution)
    assert solution.levels[0].bound >= weight[never].sum()
    ships = solution.levels[1].value
    assert all(each.bound is None or each.bound <= ships for each in heard)


def test_the_running_bound_lets_wait_who_cannot_ship() -> None:
    problem = two(allowed=np.array([[True, False, False]]))
    solution = solve_batch(problem, QUICK)
    assert solution.levels[0].value == solution.levels[0].bound == 1
    orders = np.arange(1)
    pricer_of = partial(LOCAL.pricer, problem)
    static = alone(problem, orders, problem.stock, pricer_of)
    assert static.value[0] >= NEVER
    assert RunningBound(problem, 0).static(static) == 0
    may = replace(problem, allowed=None)
    static = alone(may, orders, may.stock, partial(LOCAL.pricer, may))
    assert RunningBound(may, 0).static(static) == 3


def test_frozen_units_of_others_are_not_there() -> None:
    problem = BatchProblem(
        stock=np.array([[3, 1]]),
        start=np.array([0, 1, 2]),
        sku=np.zeros(2, dtype=np.int64),
        demand=np.array([3, 2]),
        frozen=BatchPlan.of([(0, 0, 2)]),
    )
    assert hopeless(problem).tolist() == [False, False]
    assert hopeless(replace(problem, allowed=np.array([[True, False]]))).tolist() == [
        False,
        True,
    ]
    with pytest.raises(ValueError, match="frozen"):
        replace(problem, allowed=np.array([[False, True]]))


def test_barred_locations_do_not_depend_on_who_prices() -> None:
    problem = barred(6, move_weight=1)
    here, there = (
        solve_batch(problem, QUICK),
        solve_batch(problem, QUICK, engine=Halves()),
    )
    assert here.certificate == there.certificate
    assert check(problem, here.plan) == []
    assert verify(problem, there.certificate) == here.levels
