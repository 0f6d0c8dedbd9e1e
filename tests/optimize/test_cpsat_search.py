"""The model of record under limits of time, with hints, and in large numbers."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from availability.model import IntArray
from router.errors import SolverError
from router.model import Objective, Term
from router.optimize.cpsat import solve_cpsat
from router.optimize.cpsat_search import Search
from router.optimize.cpsat_variables import OutOfTimeError
from router.optimize.limits import SolveLimits
from router.optimize.problem import (
    Piece,
    SourcingProblem,
    check,
    judge,
    key,
    score,
)
from router.optimize.walk import greedy
from tests.optimize.brute_force import (
    allowed_plans,
    as_pieces,
    as_plan,
    best_of_all,
    components,
    worth,
)
from tests.optimize.small import world
from tests.optimize.worlds import medium, tiny

LIMITS = SolveLimits(wall_seconds=60.0, deterministic_time=60.0)
NO_TIME = SolveLimits(wall_seconds=1e-9)
NO_WORK = SolveLimits(wall_seconds=60.0, deterministic_time=1e-9)
UNITS = Objective(Term.UNASSIGNED_UNITS)


# --- Stopped early --------------------------------------------------------------


@pytest.mark.parametrize("limits", [NO_TIME, NO_WORK])
def test_without_time_what_is_frozen_is_the_plan(limits: SolveLimits) -> None:
    """Eight locations hold the order; nobody has looked at them."""
    frozen = (Piece(3, 1, 1),)
    problem = world([4, 4, 4], [[4] * 8] * 3, frozen=frozen)

    solution = solve_cpsat(problem, limits)

    units, *_ = judge(problem, solution)
    assert units.bound == 0
    if limits is NO_TIME:
        assert solution.pieces == frozen
        assert (units.value, units.proven) == (11, False)


def test_without_time_the_hint_is_the_plan() -> None:
    problem = world([4, 4], [[4, 4], [1, 4]])
    hint = (Piece(0, 0, 4), Piece(1, 1, 4))

    solution = solve_cpsat(problem, NO_TIME, hint)

    units, split, shipments, *_ = judge(problem, solution)
    assert solution.pieces == hint
    # All that is ordered, and no line split: nothing can beat that. But one
    # shipment might do, as far as anyone knows.
    assert (units.proven, split.proven, shipments.proven) == (True, True, False)
    assert (shipments.value, shipments.bound) == (2, 1)


def test_a_large_model_is_not_begun_without_the_time_to_load_it() -> None:
    """80,000 cells take the solver seconds before it looks at the clock."""
    problem = world([4] * 40, [[4] * 2_000] * 40)

    with pytest.raises(OutOfTimeError):
        Search(problem, SolveLimits(wall_seconds=1.0), None).run()


def test_stopped_between_two_solves_the_first_is_proven() -> None:
    """A tolerance makes cost a solve of its own; then the work is used up."""
    objectives = (UNITS, Objective(Term.COST_MICROS, 50), Objective(Term.SHIPMENTS))
    problem = world(
        [1, 1],
        [[1, 0, 1], [0, 1, 1]],
        objectives=objectives,
        shipment_cost_micros=np.array([10, 10, 21]),
    )
    search = Search(problem, LIMITS, None)
    solves = iter([search._solve])

    def solve_once() -> bool:
        for solve in solves:
            return solve()
        raise OutOfTimeError

    search._solve = solve_once  # type: ignore[method-assign]
    with pytest.raises(OutOfTimeError):
        search.run()

    values = judge(problem, search.solution(proven=False))
    # The bound of shipments is the least of any plan: one.
    assert [each[2:] for each in map(tuple_of, values)] == []
