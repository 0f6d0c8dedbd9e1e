"""The proofs by hand: what they answer, and what they must leave alone."""

from typing import Any

import numpy as np
import pytest

from router.model import Incomplete, Objective, SplitRung, Term
from router.optimize.limits import SolveLimits
from router.optimize.problem import SourcingProblem, check
from router.optimize.proofs.exact import solve_exact
from router.optimize.score import judge
from tests.router.optimize.small import world

# Columns: Montréal, Sherbrooke, Laval. Rows: shirt, hat, shoes.
SEED = [[10, 0, 15], [3, 10, 10], [5, 10, 10]]


def plan(problem: SourcingProblem) -> dict[int, dict[int, int]] | None:
    """Return {location: {line: units}} of the proven plan."""
    solution = solve_exact(problem)
    if solution is None:
        return None
    assert check(problem, solution.pieces) == []
    assert all(each.proven for each in judge(problem, solution))
    found: dict[int, dict[int, int]] = {}
    for location, line, units in solution.pieces:
        found.setdefault(location, {})[line] = units
    return found


@pytest.mark.parametrize(
    ("demand", "stock", "expected"),
    [
        pytest.param([2, 1, 1], SEED, {0: {0: 2, 1: 1, 2: 1}}, id="first_that_can"),
        pytest.param([11, 1, 1], SEED, {2: {0: 11, 1: 1, 2: 1}}, id="only_one_can"),
        # 17 shirts: nobody has them; Laval ships most, Montréal the rest.
        pytest.param(
            [17, 6, 6], SEED, {2: {0: 15, 1: 6, 2: 6}, 0: {0: 2}}, id="forced_split"
        ),
        # 12 hats: two locations; Laval has both other lines whole and 10 hats;
        # Montréal and Sherbrooke can both give the 2 left: the first in rank.
        pytest.param(
            [1, 12, 2], SEED, {2: {0: 1, 1: 10, 2: 2}, 0: {1: 2}}, id="rank_decides"
        ),
        # All 26 shirts that exist ship; every holder is needed, and the hat
        # costs no further location: Montréal (rank 1) or Laval; Laval is busier.
        pytest.param(
            [26, 1], SEED[:2], {0: {0: 10}, 2: {0: 15, 1: 1}}, id="every_holder"
        ),
        pytest.param([5], [[0, 0]], {}, id="nothing_anywhere"),
        # Three holders of line 0 would be three locations; the two largest do.
        pytest.param([7], [[1, 4, 3]], {1: {0: 4}, 2: {0: 3}}, id="largest_holders"),
        # Two covers of two: {0, 3} ships 3 lines at 0; {1, 2} only 2 and 2.
        pytest.param(
            [1, 1, 1, 1],
            [[1, 1, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 1, 1]],
            {0: {0: 1, 1: 1, 2: 1}, 2: {3: 1}},
            id="busiest_first",
        ),
    ],
)  # fmt: skip
def test_single_location_first(
    demand: list[int], stock: list[list[int]], expected: dict[int, dict[int, int]]
) -> None:
    assert plan(world(demand, stock)) == expected


def test_split_lines_come_before_shipments() -> None:
    """A(2,1,0) B(0,1,2) C(0,2,0), order (2,2,2)."""
    stock = [[2, 0, 0], [1, 1, 2], [0, 2, 0]]

    lines_first = plan(world([2, 2, 2], stock))
    shipments_first = plan(world([2, 2, 2], stock, "fewest-shipments"))

    assert lines_first == {0: {0: 2}, 1: {2: 2}, 2: {1: 2}}
    assert shipments_first == {0: {0: 2, 1: 1}, 1: {1: 1, 2: 2}}


def test_the_shortest_prefix_wins_over_one_location() -> None:
    """Laval alone could ship it, but the first two locations can too."""
    assert plan(world([1, 5], SEED[:2], "ranked-prefix")) == {0: {0: 1}, 1: {1: 5}}


def test_lines_beyond_the_width_of_an_integer() -> None:
    """70 lines: even ones at location 0, odd ones at 1, all but one at 2."""
    lines = 70
    stock = np.zeros((lines, 3), np.int64)
    stock[::2, 0] = stock[1::2, 1] = 1
    stock[1:, 2] = 1

    found = plan(world([1] * lines, stock.tolist()))

    assert found == {0: {0: 1}, 2: dict.fromkeys(range(1, lines), 1)}


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"max_shipments": 1}, id="max_shipments"),
        pytest.param({"split_rung": SplitRung.NO_SPLIT}, id="rung"),
        pytest.param({"capacity_units": np.array([0, 5, 5])}, id="capacity"),
        pytest.param({"groups": ((0, 1),)}, id="group"),
        pytest.param(
            {"unit_value_micros": (1, 1), "min_split_value_micros": 2}, id="value"
        ),
        pytest.param({"origin": np.array([0, 1, 1])}, id="shared_origin"),
        pytest.param({"bom": (((0, 1),), ((0, 1),))}, id="shared_sku"),
        pytest.param({"bom": (((0, 2),), ((1, 1),))}, id="kit"),
    ],
)
def test_declines_what_it_cannot_prove(changes: dict[str, Any]) -> None:
    """One of each line, nowhere together: the limit forbids the relaxed plan."""
    assert solve_exact(world([1, 1], [[1, 0, 0], [0, 1, 0]], **changes)) is None


def test_a_limit_that_does_not_bind_is_no_reason_to_decline() -> None:
    problem = world([1, 1], [[1, 0], [0, 1]], max_shipments=2, frozen=())
    assert plan(problem) == {0: {0: 1}, 1: {1: 1}}


def test_a_refused_line_is_left_to_others() -> None:
    allowed = np.array([[False, True], [True, True]])
    problem = world([1, 1], [[9, 9], [9, 9]], allowed=allowed)
    assert plan(problem) == {1: {0: 1, 1: 1}}


@pytest.mark.parametrize(
    ("incomplete", "expected"),
    [
        (Incomplete.PARTIAL, {0: {0: 1, 1: 2}}),
        (Incomplete.DROP_LINE, {0: {0: 1}}),
        (Incomplete.REJECT_ORDER, {}),
    ],
)
def test_an_incomplete_order(
    incomplete: Incomplete, expected: dict[int, dict[int, int]]
) -> None:
    """One of line 0, and 2 of the 3 asked of line 1."""
    assert plan(world([1, 3], [[1], [2]], incomplete=incomplete)) == expected


def test_a_tolerance_on_what_depends_on_the_location_is_left_alone() -> None:
    objectives = (
        Objective(Term.UNASSIGNED_UNITS),
        Objective(Term.SHIPMENTS),
        Objective(Term.DISTANCE_METERS, tolerance_amount=5),
        Objective(Term.RANK),
    )
    far = np.array([5, 0])
    problem = world([1], [[1, 1]], objectives=objectives, distance_meters=far)
    assert solve_exact(problem) is None


def test_rooms_of_one_site_may_beat_a_single_location() -> None:
    """By cost the two rooms of origin 0 ship for 0 and 0 a unit; the single one
    location that holds both lines asks 1 a unit: not for this proof.
    """
    objectives = (
        Objective(Term.UNASSIGNED_UNITS),
        Objective(Term.SHIPMENTS),
        Objective(Term.COST_MICROS),
    )
    problem = world(
        [1, 1],
        [[1, 0, 1], [0, 1, 1]],
        objectives=objectives,
        origin=np.array([0, 0, 1]),
        unit_cost_micros=np.array([0, 0, 1]),
    )
    assert solve_exact(problem) is None


def test_stops_by_nodes() -> None:
    """A cover that needs a search, and no nodes to search with."""
    rng = np.random.default_rng(0)
    stock = (rng.random((12, 60)) < 0.2).astype(np.int64)
    problem = world([1] * 12, stock.tolist())

    assert solve_exact(problem, SolveLimits(nodes=1)) is None
    assert plan(problem) is not None
