"""What a large order begins with: allowed, no worse than the greedy's, bounds hold."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from router.model import Incomplete, Objective, SplitRung, Term
from router.optimize.cpsat.solve import solve_cpsat
from router.optimize.limits import SolveLimits
from router.optimize.problem import Piece, SourcingProblem, check
from router.optimize.score import judge, key_of, score
from router.optimize.solve import solve
from router.optimize.start import start_of
from router.optimize.walk import greedy
from tests.router.optimize.small import world

LIMITS = SolveLimits(wall_seconds=60.0, deterministic_time=60.0)
LINES, LOCATIONS = 14, 7


def drawn(
    seed: int, policy: str = "fewest-shipments", **limits: Any
) -> SourcingProblem:
    """Return an order of which some lines have to be split, and some are short."""
    rng = np.random.default_rng(seed)
    demand = rng.integers(1, 4, LINES)
    there = rng.random((LINES, LOCATIONS)) < 0.35
    stock = np.where(there, rng.integers(1, 4, there.shape), 0)
    return world(demand.tolist(), stock.tolist(), policy, **limits)


@pytest.mark.parametrize(
    "limits",
    [
        {},
        {"max_shipments": 4},
        {"capacity_units": np.full(LOCATIONS, 4)},
        {"split_rung": SplitRung.LINE_SPLIT},
        {"indivisible": frozenset(range(5))},
        {"groups": ((0, 1, 2),)},
        {"incomplete": Incomplete.DROP_LINE},
        {"incomplete": Incomplete.REJECT_ORDER},
        {"allowed": np.arange(LINES * LOCATIONS).reshape(LINES, -1) % 5 > 0},
    ],
    ids=lambda limits: next(iter(limits), "none"),
)
def test_allowed_no_worse_and_never_above_the_optimum(limits: dict[str, Any]) -> None:
    for seed in range(8):
        problem = drawn(seed, **limits)
        start = start_of(problem, LIMITS)
        assert check(problem, start.pieces) == []
        assert key_of(problem, start.pieces) <= key_of(problem, greedy(problem))
        best = solve_cpsat(problem, LIMITS)
        # Without its own bounds: what is known from the start.
        bare = best._replace(bounds={})
        values = judge(problem, start.with_bounds(problem, bare))
        shipments = next(each for each in values if each.name == "shipments")
        assert shipments.bound <= shipments.value
        assert start.with_bounds(problem, best) == best
        # Fewer units may need fewer shipments.
        fewer = bare._replace(pieces=best.pieces[1:])
        assert start.with_bounds(problem, fewer) == fewer


def test_better_than_the_greedy_and_nearly_proven() -> None:
    better, bounded = 0, 0
    for seed in range(20):
        problem = drawn(seed)
        start = start_of(problem, LIMITS)
        optimum = {n: v for n, _, v in score(problem, best_of(problem))}
        better += key_of(problem, start.pieces) < key_of(problem, greedy(problem))
        bounded += start.shipments == optimum["shipments"]
    assert better >= 5
    assert bounded >= 15


def best_of(problem: SourcingProblem) -> tuple[Piece, ...]:
    solution = solve_cpsat(problem, LIMITS)
    assert all(each.proven for each in judge(problem, solution))
    return solution.pieces


def test_split_lines_first() -> None:
    problem = drawn(3, "single-location-first")
    start = start_of(problem, LIMITS)
    # What is proven of shipments is of plans that may split any line.
    assert start.shipments == 0
    assert check(problem, start.pieces) == []
    assert key_of(problem, start.pieces) <= key_of(problem, greedy(problem))


def test_other_objectives_begin_with_the_greedy() -> None:
    for objectives in (
        (Objective(Term.UNASSIGNED_UNITS), Objective(Term.COST_MICROS)),
        (Objective(Term.SHIPMENTS), Objective(Term.UNASSIGNED_UNITS)),
        (Objective(Term.UNASSIGNED_UNITS, 0, 1), Objective(Term.SHIPMENTS)),
        (Objective(Term.UNASSIGNED_UNITS),),
        (),
    ):
        problem = replace(drawn(0), objectives=objectives)
        assert start_of(problem, LIMITS) == (greedy(problem), 0, 0)


def test_no_time_no_branching() -> None:
    problem = drawn(0)
    start = start_of(problem, SolveLimits(wall_seconds=1e-6))
    assert start == (greedy(problem), 0, 0)


def test_an_answer_out_of_time_has_the_bound() -> None:
    # So much that CP-SAT proves nothing in so little work.
    rng = np.random.default_rng(5)
    demand = rng.integers(1, 5, 60)
    stock = np.where(rng.random((60, 80)) < 0.06, rng.integers(1, 4, (60, 80)), 0)
    problem = world(demand.tolist(), stock.tolist(), "fewest-shipments")
    limits = SolveLimits(wall_seconds=30.0, deterministic_time=1e-4)
    start = start_of(problem, limits)
    solution = solve(problem, limits)
    values = {each.name: each for each in judge(problem, solution)}
    assert start.shipments > 1
    assert start.shipments <= values["shipments"].bound <= values["shipments"].value
    assert key_of(problem, solution.pieces) <= key_of(problem, start.pieces)
