"""The model of record: each objective alone, their order, their tolerances.

Its limits are in test_cpsat_limits.py, time and large numbers in
test_cpsat_search.py; test_exactness.py compares it with brute force.
"""

from typing import Any

import numpy as np
import pytest

from router.model import Objective, Term
from router.optimize.cpsat.solve import solve_cpsat
from router.optimize.limits import SolveLimits
from router.optimize.problem import Piece, SourcingProblem
from router.optimize.score import judge
from tests.router.optimize.small import world

LIMITS = SolveLimits(wall_seconds=60.0, deterministic_time=60.0)

TWO_OR_ONE: dict[str, Any] = {"demand": (1, 1), "stock": [[1, 0, 1], [0, 1, 1]]}
"""Locations 0 and 1 have a line each, location 2 has both."""
NEAR_NEAR_FAR = np.array([10, 10, 21])
ROOMS = np.array([0, 0, 1])
"""Locations 0 and 1 are rooms of one origin."""


def order(*terms: Objective | Term, **facts: Any) -> SourcingProblem:
    """Return a problem of ordinary lines and these objectives."""
    levels = [
        each if isinstance(each, Objective) else Objective(each) for each in terms
    ]
    return world(objectives=tuple(levels), **facts)


def assign(*terms: Objective | Term, **facts: Any) -> SourcingProblem:
    """Return the same, but first as much as possible is assigned."""
    return order(Term.UNASSIGNED_UNITS, *terms, **facts)


def values_of(problem: SourcingProblem) -> list[int]:
    """Solve; return the values, all proven."""
    values = judge(problem, solve_cpsat(problem, LIMITS))
    assert [value.name for value in values if not value.proven] == []
    return [value.value for value in values]


# --- Each objective alone -------------------------------------------------------


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        pytest.param(assign(demand=(4,), stock=[[1, 2]]), [1], id="three_of_four"),
        pytest.param(
            order(Term.INCOMPLETE_ORDERS, Term.SHIPMENTS, demand=(3,), stock=[[1, 2]]),
            [0, 2],
            id="complete_with_both",
        ),
        pytest.param(
            order(Term.INCOMPLETE_ORDERS, Term.SHIPMENTS, demand=(3,), stock=[[1, 1]]),
            [1, 0],
            id="never_complete_so_nothing_need_ship",
        ),
        pytest.param(
            assign(Term.SPLIT_LINES, demand=(3,), stock=[[2, 2, 3]]),
            [0, 0],
            id="whole_at_the_last_location",
        ),
        pytest.param(
            assign(Term.SPLIT_LINES, demand=(3,), stock=[[2, 2, 2]]),
            [0, 1],
            id="whole_nowhere",
        ),
        pytest.param(assign(Term.SHIPMENTS, **TWO_OR_ONE), [0, 1], id="one_shipment"),
        pytest.param(
            assign(Term.SHIPMENTS, demand=(3,), stock=[[2, 1, 2]], origin=ROOMS),
            [0, 1],
            id="two_rooms_are_one_shipment",
        ),
        pytest.param(
            # Places 1 + 3 are as good as place 4; 1 + 2 + 3 are not needed.
            assign(Term.RANK, demand=(2,), stock=[[1, 0, 1, 2]]),
            [0, 4],
            id="sum_of_places",
        ),
        pytest.param(
            assign(Term.MAX_RANK, demand=(2,), stock=[[1, 0, 1, 2]]),
            [0, 3],
            id="last_place",
        ),
        pytest.param(
            assign(Term.DISTANCE_METERS, **TWO_OR_ONE, distance_meters=NEAR_NEAR_FAR),
            [0, 20],
            id="two_near_ones_before_one_far",
        ),
        pytest.param(
            # 12 once for both rooms, or 11.
            assign(
                Term.DISTANCE_METERS,
                **TWO_OR_ONE,
                distance_meters=np.array([12, 11]),
                origin=ROOMS,
            ),
            [0, 11],
            id="rooms_share_their_distance",
        ),
        pytest.param(
            assign(Term.LATENESS_MINUTES, **TWO_OR_ONE, lateness_minutes=NEAR_NEAR_FAR),
            [0, 20],
            id="minutes_late",
        ),
        pytest.param(
            assign(Term.WORKLOAD, **TWO_OR_ONE, workload=NEAR_NEAR_FAR),
            [0, 20],
            id="work_waiting",
        ),
        pytest.param(
            # 10 + 10 and two units at 3 are 26; 21 and two units at 2 are 25.
            assign(
                Term.COST_MICROS,
                **TWO_OR_ONE,
                shipment_cost_micros=NEAR_NEAR_FAR,
                unit_cost_micros=np.array([3, 3, 2]),
            ),
            [0, 25],
            id="cost_of_shipments_and_units",
        ),
        pytest.param(
            # One unit at 5 and two at 7.
            assign(
                Term.COST_MICROS,
                demand=(3,),
                stock=[[1, 9]],
                unit_cost_micros=np.array([5, 7]),
            ),
            [0, 19],
            id="cost_of_the_only_cheap_unit",
        ),
        pytest.param(
            # Lines 1 and 2 at location 1 with a unit of line 0; the others of it.
            assign(Term.PRIMARY, demand=(4, 1, 1), stock=[[3, 1], [0, 1], [0, 1]]),
            [0, 2, 3, 0, 3],
            id="busiest_by_whole_lines",
        ),
        pytest.param(
            assign(Term.PRIMARY, demand=(9, 1), stock=[[8, 1], [0, 1]]),
            [0, 1, 2, 0, 8],
            id="lines_before_units",
        ),
        pytest.param(
            # All that ships of it, though two of five units are missing.
            assign(Term.PRIMARY, demand=(5,), stock=[[3]]),
            [2, 1, 3],
            id="whole_is_what_ships",
        ),
        pytest.param(
            # Three lines of two units, and two units may leave: one each of two.
            assign(
                Term.PRIMARY,
                demand=(2, 2, 2),
                stock=[[2]] * 3,
                capacity_units=np.array([2]),
            ),
            [4, 2, 2],
            id="a_line_that_does_not_ship_is_not_whole",
        ),
        pytest.param(
            # The first takes all it has; of the other two the last unit is either's.
            assign(Term.PRIMARY, demand=(6,), stock=[[2, 3, 2]]),
            [0, 0, 3, 0, 2, 0, 1],
            id="the_second_after_the_first",
        ),
        pytest.param(
            # More places than are ever solved together.
            assign(Term.PRIMARY, Term.RANK, demand=(6,), stock=[[1, 0, 1, 1, 1, 2]]),
            [0, 0, 2, *(0, 1) * 4, 19],
            id="five_places",
        ),
        pytest.param(
            # A line at each of two locations is better than one line alone.
            order(Term.PRIMARY, Term.RANK, demand=(1, 1), stock=[[1, 0], [0, 1]]),
            [1, 1, 1, 1, 3],
            id="primary_first_ships_all_it_can",
        ),
    ],
)
def test_objective(problem: SourcingProblem, expected: list[int]) -> None:
    """Worked out by hand; see the id for why it is right."""
    assert values_of(problem) == expected


def test_the_order_of_objectives_decides() -> None:
    """Two lines split between two locations, or three locations and no split."""
    stock = [[2, 0, 0], [1, 1, 2], [0, 2, 0]]
    split, shipments = Term.SPLIT_LINES, Term.SHIPMENTS

    lines_first = assign(split, shipments, demand=(2, 2, 2), stock=stock)
    shipments_first = assign(shipments, split, demand=(2, 2, 2), stock=stock)

    assert values_of(lines_first) == [0, 0, 3]
    assert values_of(shipments_first) == [0, 2, 1]


def test_ties_go_to_the_first_locations() -> None:
    problem = assign(Term.SHIPMENTS, demand=(1, 1), stock=[[0, 1, 1], [0, 1, 1]])

    assert solve_cpsat(problem, LIMITS).pieces == (Piece(1, 0, 1), Piece(1, 1, 1))


# --- Tolerances -----------------------------------------------------------------


def paid(permille: int = 0, amount: int = 0) -> Objective:
    return Objective(Term.COST_MICROS, permille, amount)


@pytest.mark.parametrize(
    ("tolerance", "expected"),
    [
        # Two shipments cost 10 + 10 = 20, one costs 21: floor(20 p / 1000) + a >= 1?
        pytest.param(paid(), [0, 20, 2], id="none"),
        pytest.param(paid(permille=49), [0, 20, 2], id="less_than_one_micro"),
        pytest.param(paid(permille=50), [0, 21, 1], id="five_percent_save_a_shipment"),
        pytest.param(paid(amount=1), [0, 21, 1], id="so_does_one_micro"),
        pytest.param(paid(permille=10**6), [0, 21, 1], id="what_is_left_is_no_harm"),
    ],
)
def test_tolerance(tolerance: Objective, expected: list[int]) -> None:
    problem = assign(
        tolerance, Term.SHIPMENTS, **TWO_OR_ONE, shipment_cost_micros=NEAR_NEAR_FAR
    )

    assert values_of(problem) == expected
    # Whatever is used of it, the bound is the least there is.
    bounds = [each.bound for each in judge(problem, solve_cpsat(problem, LIMITS))]
    assert bounds == [0, 20, expected[2]]


def test_an_unused_tolerance_is_given_back() -> None:
    """One shipment costs 22, 21 or 30: all are tolerated, 21 is the least."""
    problem = assign(
        paid(amount=10),
        Term.SHIPMENTS,
        demand=(1, 1),
        stock=[[1, 0, 1, 1, 1], [0, 1, 1, 1, 1]],
        shipment_cost_micros=np.array([10, 10, 22, 21, 30]),
    )

    assert values_of(problem) == [0, 21, 1]


def test_what_is_given_back_costs_later_objectives_nothing() -> None:
    """As above, but 30 is the nearest: distance comes before giving back."""
    problem = assign(
        paid(amount=10),
        Term.DISTANCE_METERS,
        demand=(1,),
        stock=[[1, 1, 1]],
        shipment_cost_micros=np.array([20, 21, 30]),
        distance_meters=np.array([9, 5, 5]),
    )

    assert values_of(problem) == [0, 21, 5]
