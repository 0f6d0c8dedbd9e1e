from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from router.optimize.batch.engines import engine
from router.optimize.batch.problem import BatchProblem, check
from router.optimize.batch.proof.certificate import verify
from router.optimize.batch.solve import BatchSolution, Progress, solve_batch
from tests.router.optimize.batch.joint import in_force, small
from tests.router.optimize.batch.test_solve import QUICK


def short(seed: int) -> BatchProblem:
    problem = small(seed, orders=60, tight=0.8)
    weight = np.random.default_rng(seed).integers(1, 5, problem.orders)
    return replace(problem, weight=weight)


def frozen(seed: int) -> BatchProblem:
    problem = small(seed, orders=60)
    plan = in_force(problem, seed, 0.2)
    part = type(plan)(*(column[::4] for column in plan))
    return replace(problem, frozen=part, incumbent=plan, move_weight=1)


@pytest.mark.parametrize("make", [lambda s: small(s, orders=60), short, frozen])
@pytest.mark.parametrize("seed", range(3))
def test_a_bound_from_the_first_and_a_value_with_the_plan(
    seed: int, make: Callable[[int], BatchProblem]
) -> None:
    problem = make(seed)
    told: list[Progress] = []
    solution = solve_batch(problem, QUICK, told.append)
    *during, last = told
    bounds = [each.bound for each in during if each.phase != "shortage"]
    known = [each for each in bounds if each is not None]
    assert len(known) == len(bounds) > 3
    assert known == sorted(known)
    assert known[0] > 0
    assert known[-1] <= solution.levels[1].value
    repairs = [each.value for each in told if each.phase == "repair"]
    assert repairs
    assert None not in repairs
    assert (last.value, last.bound) == solution.levels[1][1:3]


def test_the_bound_counts_all_orders() -> None:
    """Orders of one unit, peeled ones and those that contend: what is proven."""
    problem = small(2, orders=80)
    told: list[Progress] = []
    solution = solve_batch(problem, QUICK, told.append)
    before = [each.bound for each in told if each.phase == "proof"]
    assert before == [solution.levels[1].bound]


def cancelled_after(problem: BatchProblem, questions: int) -> BatchSolution:
    """Solve, and answer yes to the question ``questions`` and all after it."""
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > questions

    solution = solve_batch(problem, QUICK, cancelled=cancelled)
    assert asked > questions
    return solution


@pytest.mark.parametrize("questions", [0, 1, 4, 9, 16, 25, 50])
@pytest.mark.parametrize("make", [lambda s: small(s, orders=60), frozen])
def test_cancelled_at_any_time(
    questions: int,
    make: Callable[[int], BatchProblem],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "CHUNK", 7)
    problem = make(4)
    solution = cancelled_after(problem, questions)
    assert check(problem, solution.plan) == []
    assert verify(problem, solution.certificate) == solution.levels
    assert solution.levels[0].value == 0
