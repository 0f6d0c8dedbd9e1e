"""Each hard limit of docs/model.md alone, in the model of record."""

from typing import Any

import numpy as np
import pytest

from router.errors import SolverError
from router.model import Incomplete, Objective, SplitRung, Term
from router.optimize.cpsat.limits import ROWS, Limits
from router.optimize.cpsat.solve import solve_cpsat
from router.optimize.cpsat.terms import LEVELS
from router.optimize.limits import SolveLimits
from router.optimize.origin_terms import ORIGIN_TERMS
from router.optimize.problem import HARD_LIMITS, UNLIMITED, Piece
from router.optimize.score import judge
from tests.router.optimize.small import world

LIMITS = SolveLimits(wall_seconds=60.0, deterministic_time=60.0)
AS_MUCH_AS_POSSIBLE = (Objective(Term.UNASSIGNED_UNITS),)
"""And of equally much, as much as possible from the first locations: the tie-break."""
EACH_LINE_ELSEWHERE: dict[str, Any] = {"demand": (2, 1), "stock": [[2, 0], [0, 1]]}


def pieces_of(**facts: Any) -> list[Piece]:
    """Solve, with a proof."""
    problem = world(**({"objectives": AS_MUCH_AS_POSSIBLE} | facts))
    solution = solve_cpsat(problem, LIMITS)
    assert all(value.proven for value in judge(problem, solution))
    return list(solution.pieces)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param(
            {"demand": (2,), "stock": [[5]]}, [(0, 0, 2)], id="1_no_more_than_ordered"
        ),
        pytest.param(
            {"demand": (3,), "stock": [[2, 2]]},
            [(0, 0, 2), (1, 0, 1)],
            id="1_no_more_than_ordered_from_two_either",
        ),
        pytest.param(
            # Line 0 takes two of the three units, line 1 the last.
            {"demand": (2, 2), "stock": [[3, 0]], "bom": (((0, 1),), ((0, 1),))},
            3,
            id="2_lines_share_the_stock_of_their_sku",
        ),
        pytest.param(
            # Five and four units make min(5, 4 // 2) = 2 kits.
            {
                "demand": (3,),
                "available": np.array([[5], [4]]),
                "bom": (((0, 1), (1, 2)),),
            },
            [(0, 0, 2)],
            id="2_a_kit_takes_all_its_parts",
        ),
        pytest.param(
            # A kit of one and one: four units of the SKU make two.
            {
                "demand": (3,),
                "available": np.array([[4]]),
                "bom": (((0, 1), (0, 1)),),
            },
            [(0, 0, 2)],
            id="2_a_part_named_twice_is_taken_twice",
        ),
        pytest.param(
            {"demand": (1,), "stock": [[1, 1]], "allowed": np.array([[False, True]])},
            [(1, 0, 1)],
            id="3_refused",
        ),
        pytest.param(
            # Three units a kit: seven units of capacity let two kits leave.
            {
                "demand": (3,),
                "stock": [[9]],
                "bom": (((0, 3),),),
                "capacity_units": np.array([7]),
            },
            [(0, 0, 2)],
            id="4_a_kit_counts_as_its_parts",
        ),
        pytest.param(
            {
                "demand": (2, 2),
                "stock": [[2, 2], [2, 2]],
                "capacity_units": np.array([3, UNLIMITED]),
            },
            4,
            id="4_capacity_is_for_all_lines",
        ),
        pytest.param(
            # Two units from the first location, or three from the second.
            {"demand": (4,), "stock": [[2, 3]], "max_shipments": 1},
            [(1, 0, 3)],
            id="5_one_shipment",
        ),
        pytest.param(
            {
                "demand": (4,),
                "stock": [[2, 3]],
                "max_shipments": 1,
                "origin": np.array([0, 0]),
            },
            [(0, 0, 2), (1, 0, 2)],
            id="5_one_shipment_from_two_rooms",
        ),
        pytest.param(
            {
                "demand": (4,),
                "stock": [[2, 3]],
                "split_rung": SplitRung.NO_SPLIT,
                "origin": np.array([0, 0]),
            },
            [(1, 0, 3)],
            id="6_no_split_is_one_location",
        ),
        pytest.param(
            # Line 0 from the second location only, line 1 from the first.
            {
                "demand": (4, 1),
                "stock": [[2, 3], [1, 0]],
                "split_rung": SplitRung.LINE_SPLIT,
            },
            [(0, 1, 1), (1, 0, 3)],
            id="6_line_split_splits_no_line",
        ),
        pytest.param(
            {"demand": (4,), "stock": [[3, 3]], "indivisible": frozenset({0})},
            [],
            id="7_four_units_are_nowhere_whole",
        ),
        pytest.param(
            {"demand": (3,), "stock": [[2, 3]], "indivisible": frozenset({0})},
            [(1, 0, 3)],
            id="7_three_units_are",
        ),
        pytest.param(
            {"demand": (1, 2), "stock": [[1, 1], [1, 2]], "groups": ((0, 1),)},
            [(1, 0, 1), (1, 1, 2)],
            id="8_together_where_both_are_whole",
        ),
        pytest.param(
            {
                "demand": (1, 2, 1),
                "stock": [[1, 1], [1, 1], [1, 0]],
                "groups": ((0, 1),),
            },
            [(0, 2, 1)],
            id="8_or_not_at_all",
        ),
        pytest.param(
            # Each has both lines, but of the SKU they share only two units.
            {
                "demand": (1, 2),
                "stock": [[2, 2]],
                "bom": (((0, 1),), ((0, 1),)),
                "available": np.array([[2, 2]]),
                "groups": ((0, 1),),
            },
            [],
            id="8_the_group_shares_its_stock",
        ),
        pytest.param(
            # Shipments of 20 and 10: the second is too small, the first is enough.
            EACH_LINE_ELSEWHERE
            | {"unit_value_micros": (10, 10), "min_split_value_micros": 20},
            [(0, 0, 2)],
            id="9_no_second_shipment_of_ten",
        ),
        pytest.param(
            EACH_LINE_ELSEWHERE
            | {"unit_value_micros": (10, 10), "min_split_value_micros": 10},
            [(0, 0, 2), (1, 1, 1)],
            id="9_two_shipments_of_ten_and_more",
        ),
        pytest.param(
            EACH_LINE_ELSEWHERE
            | {
                "unit_value_micros": (10, 10),
                "min_split_value_micros": 30,
                "origin": np.array([0, 0]),
            },
            [(0, 0, 2), (1, 1, 1)],
            id="9_one_shipment_may_be_small",
        ),
        pytest.param(
            EACH_LINE_ELSEWHERE | {"min_split_value_micros": 1},
            [(0, 0, 2)],
            id="9_what_has_no_value_is_worth_nothing",
        ),
        pytest.param(
            # Six units of 10: 30 here makes three there, though four are here.
            {
                "demand": (6,),
                "stock": [[4, 6]],
                "unit_value_micros": (10,),
                "min_split_value_micros": 30,
            },
            [(0, 0, 3), (1, 0, 3)],
            id="9_units_move_until_both_are_worth_it",
        ),
        pytest.param(
            {"demand": (2,), "stock": [[2, 1]], "frozen": (Piece(1, 0, 1),)},
            [(0, 0, 1), (1, 0, 1)],
            id="10_the_frozen_unit_stays",
        ),
        pytest.param(
            {
                "demand": (2, 2),
                "stock": [[2], [1]],
                "incomplete": Incomplete.DROP_LINE,
            },
            [(0, 0, 2)],
            id="11_the_short_line_is_dropped",
        ),
        pytest.param(
            {
                "demand": (2, 3),
                "stock": [[2], [2]],
                "incomplete": Incomplete.DROP_LINE,
                "frozen": (Piece(0, 1, 1),),
            },
            [(0, 0, 2), (0, 1, 1)],
            id="11_but_not_what_is_frozen_of_it",
        ),
        pytest.param(
            {
                "demand": (2, 2),
                "stock": [[2], [1]],
                "incomplete": Incomplete.REJECT_ORDER,
            },
            [],
            id="11_the_short_order_is_rejected",
        ),
        pytest.param(
            {
                "demand": (2, 3),
                "stock": [[2], [2]],
                "incomplete": Incomplete.REJECT_ORDER,
                "frozen": (Piece(0, 1, 1),),
            },
            [(0, 1, 1)],
            id="11_and_only_what_is_frozen_stays",
        ),
    ],
)
def test_limit(
    facts: dict[str, Any], expected: list[tuple[int, int, int]] | int
) -> None:
    """The number is that of the limit; a count stands for pieces that may tie."""
    if "available" in facts:
        facts = {"stock": [[0]] * len(facts["demand"])} | facts
    pieces = pieces_of(**facts)

    if isinstance(expected, int):
        assert sum(units for _, _, units in pieces) == expected
    else:
        assert pieces == expected


def test_a_model_without_a_plan_is_our_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is frozen is a plan: a model that allows none is wrong."""
    monkeypatch.setattr(
        Limits, "_limit_demand", lambda each: each.model.add_bool_or([])
    )
    with pytest.raises(SolverError, match="INFEASIBLE"):
        solve_cpsat(world([1], [[1]]), LIMITS)


def test_a_plan_that_breaks_a_limit_is_our_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What `check` says of a plan stands, whatever the model says."""
    monkeypatch.setitem(ROWS, "splits", lambda _: None)
    with pytest.raises(SolverError, match="5: 2 shipments"):
        solve_cpsat(world([2], [[1, 1]], max_shipments=1), LIMITS)


def test_every_limit_and_objective_has_a_place_in_the_model() -> None:
    assert ROWS.keys() == {limit.name for limit in HARD_LIMITS}
    # Primary is many levels: see `LocationRanking`.
    assert {*LEVELS, *ORIGIN_TERMS, Term.PRIMARY} == set(Term)
