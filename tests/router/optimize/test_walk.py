"""Walks and the greedy keep every limit, and walk as the peers do."""

from typing import Any

import numpy as np
import pytest

from router.model import Incomplete, SplitRung
from router.optimize.problem import Piece, check
from router.optimize.score import judge
from router.optimize.walk import greedy, solve_walk
from tests.router.optimize.small import world
from tests.router.optimize.worlds import medium, tiny

SEEDS = range(600)
ALL = (Piece(0, 0, 2), Piece(1, 0, 1), Piece(1, 1, 1))


def test_a_walk_takes_what_it_meets() -> None:
    """Rank order takes 10 shirts at the first location: a needless split."""
    problem = world([17, 6], [[10, 0, 15], [3, 10, 10]])

    solution = solve_walk(problem, np.array([0, 1, 2]))

    assert solution.pieces == (
        Piece(0, 0, 10), Piece(0, 1, 3), Piece(1, 1, 3), Piece(2, 0, 7),
    )  # fmt: skip
    assert solution.engine == "walk"


def test_a_walk_never_assigns_the_quantity_twice() -> None:
    """10 wanted with 6 and 10 in stock is 6 and 4: the peers' known slip."""
    pieces = solve_walk(world([10], [[6, 10]]), np.array([0, 1])).pieces
    assert pieces == (Piece(0, 0, 6), Piece(1, 0, 4))


def test_a_walk_claims_no_proof_beyond_what_is_plain() -> None:
    problem = world([2, 2], [[1, 2], [2, 2]], "fewest-shipments")
    values = judge(problem, solve_walk(problem, np.array([0, 1])))
    assert [(v.name, v.value, v.bound, v.proven) for v in values[:2]] == [
        ("unassigned_units", 0, 0, True),
        ("shipments", 2, 1, False),
    ]


def test_the_greedy_asks_again_after_each_location() -> None:
    """Location 2 ships most; of the rest location 1, though 0 ranks before it."""
    stock = [[1, 0, 1], [1, 0, 1], [0, 1, 1], [0, 1, 0]]
    assert {piece.location for piece in greedy(world([1] * 4, stock))} == {1, 2}


def test_the_greedy_compares_lines_before_units() -> None:
    """Location 0 ships two lines whole; 1 ships a million units of a third."""
    stock = [[1, 0], [1, 0], [0, 1_000_000]]
    plan = greedy(world([1, 1, 2_000_000], stock, max_shipments=1))
    assert {piece.location for piece in plan} == {0}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"split_rung": SplitRung.NO_SPLIT}, (Piece(0, 0, 2),)),
        ({"split_rung": SplitRung.LINE_SPLIT}, (Piece(0, 0, 2), Piece(1, 1, 1))),
        ({"indivisible": frozenset({0})}, (Piece(1, 1, 1),)),
        ({"incomplete": Incomplete.DROP_LINE}, ALL),
        ({"max_shipments": 1}, (Piece(0, 0, 2),)),
        ({"groups": ((0, 1),)}, ()),
        (
            {"unit_value_micros": (1, 9), "min_split_value_micros": 3},
            (Piece(1, 0, 1), Piece(1, 1, 1)),
        ),
    ],
)  # fmt: skip
def test_limits_by_hand(changes: dict[str, Any], expected: tuple[Piece, ...]) -> None:
    """Three of line 0 (2 here, 1 there) and one of line 1 (there), in rank order."""
    problem = world([3, 1], [[2, 1], [0, 1]], **changes)
    assert solve_walk(problem, np.array([0, 1])).pieces == expected


def test_frozen_pieces_stay() -> None:
    frozen = (Piece(1, 0, 1),)
    problem = world([1, 1], [[9, 1], [9, 0]], frozen=frozen)
    assert greedy(problem) == (Piece(0, 1, 1), Piece(1, 0, 1))


def test_keep_every_limit_on_random_worlds() -> None:
    for seed in SEEDS:
        for problem in (tiny(seed), medium(seed)):
            order = np.arange(problem.available.shape[1])[::-1]
            assert check(problem, greedy(problem)) == [], seed
            assert check(problem, solve_walk(problem, order).pieces) == [], seed
