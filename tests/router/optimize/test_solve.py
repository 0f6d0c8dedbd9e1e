"""The engines together, and the runner-up."""

import numpy as np
import pytest

from router.optimize.limits import SolveLimits
from router.optimize.problem import Piece, check
from router.optimize.proofs.exact import solve_fast
from router.optimize.score import key_of
from router.optimize.solve import solve, solve_excluding
from tests.router.optimize.brute_force import allowed_plans, as_pieces
from tests.router.optimize.small import world
from tests.router.optimize.worlds import tiny

SEED = [[10, 0, 15], [3, 10, 10], [5, 10, 10]]


def test_the_runner_up_uses_other_locations() -> None:
    """Montréal ships it all; Laval could too, at a later rank."""
    problem = world([2, 1, 1], SEED)
    other = solve_excluding(problem, frozenset({0}))
    assert other is not None
    assert {piece.location for piece in other.pieces} == {2}


def test_the_runner_up_may_use_more_of_the_same() -> None:
    """Only the location that is excluded can ship most: the other joins it."""
    problem = world([2, 1], [[2, 0], [1, 1]])
    other = solve_excluding(problem, frozenset({0}))
    assert other is not None
    assert other.pieces == (Piece(0, 0, 2), Piece(1, 1, 1))


def test_there_may_be_no_runner_up() -> None:
    frozen = (Piece(0, 0, 1),)
    assert solve_excluding(world([1], [[1]], frozen=frozen), frozenset({0})) is None


def test_the_runner_up_of_nothing_is_something() -> None:
    problem = world([1], [[1]], max_shipments=1)
    other = solve_excluding(problem, frozenset())
    assert other is not None
    assert other.pieces == (Piece(0, 0, 1),)


def test_the_runner_up_is_the_best_of_all_others() -> None:
    """Against every allowed plan of random worlds without tolerances."""
    compared = 0
    for seed in range(160):
        problem = tiny(seed)
        if any(objective.tolerant for objective in problem.objectives):
            continue
        used = frozenset(piece.location for piece in solve(problem).pieces)
        others = [
            pieces
            for pieces in map(as_pieces, allowed_plans(problem))
            if {piece.location for piece in pieces} != used
        ]
        found = solve_excluding(problem, used)
        if found is None:
            assert not others, seed
            continue
        best = min(key_of(problem, pieces) for pieces in others)
        assert key_of(problem, found.pieces) == best, seed
        compared += 1
    assert compared > 100


@pytest.mark.parametrize("seconds", [0.001, 0.01])
def test_no_time_is_no_error(seconds: float) -> None:
    rng = np.random.default_rng(1)
    stock = rng.integers(0, 3, size=(12, 60))
    problem = world([2] * 12, stock.tolist(), "cheapest", max_shipments=3)
    solution = solve(problem, SolveLimits(wall_seconds=seconds))
    assert check(problem, solution.pieces) == []


def test_the_fast_answer_is_the_answer() -> None:
    problem = world([1, 12, 2], SEED)
    fast = solve_fast(problem)
    assert fast == solve(problem)
    assert fast is not None
    assert fast.engine == "exact"
