"""What is allowed and what it is worth, worked by hand; then by a second reader."""

import re
from random import Random
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from availability.model import IntArray
from router.model import Incomplete, Objective, SplitRung, Term
from router.optimize.problem import UNLIMITED, Piece, Solution, SourcingProblem, check
from router.optimize.score import judge, key, score, shortage
from tests.router.optimize import brute_force, worlds

AGREEMENT_WORLDS = 2_000
AGREEMENT_CHUNK = 500
BOUNDED_WORLDS = 500
BOUNDED_CHUNK = 250
PLANS_EACH = 5
"""Plans of each kind (allowed, almost, wild) on which both readings must agree."""

Pieces = list[tuple[int, int, int]]


def problem(*terms: Term | Objective, **changes: Any) -> SourcingProblem:
    """Return three locations and two lines of two units, with ``changes``."""
    objectives = [
        each if isinstance(each, Objective) else Objective(each) for each in terms
    ]
    fields: dict[str, Any] = {
        "available": [[3, 2, 0], [3, 0, 2]],
        "demand": (2, 2),
        "bom": (((0, 1),), ((1, 1),)),
    }
    fields |= changes
    for name, value in fields.items():
        if isinstance(value, list):
            fields[name] = np.array(value)
    fields["objectives"] = tuple(objectives) or (Objective(Term.UNASSIGNED_UNITS),)
    return SourcingProblem(**fields)


def pieces_of(plan: Pieces) -> tuple[Piece, ...]:
    return tuple(Piece(*piece) for piece in plan)


def numbers(breaches: list[str]) -> list[int]:
    """Return the numbers of the limits that are reported."""
    return [int(match[1]) for each in breaches if (match := re.match(r"(\d+): ", each))]


# --- Limits ---------------------------------------------------------------------

KIT: dict[str, Any] = {
    "available": [[9, 9], [4, 9]],
    "demand": (3, 1),
    "bom": (((0, 1), (1, 2)), ((1, 1),)),
}
"""A kit of one SKU 0 and two SKUs 1, beside a line of SKU 1."""
SITE: dict[str, Any] = {"origin": [0, 1, 1]}
"""Locations 1 and 2 are rooms of one site."""
ONE_SKU: dict[str, Any] = {"available": [[3, 2, 2]], "bom": (((0, 1),), ((0, 1),))}


class Broken(NamedTuple):
    """A plan that breaks one limit and keeps the others."""

    name: str
    changes: dict[str, Any]
    plan: Pieces
    limit: int


BROKEN = [
    Broken("more_than_ordered", {}, [(0, 0, 3)], 1),
    Broken("more_than_ordered_from_two", {}, [(0, 0, 2), (1, 0, 1)], 1),
    Broken("not_in_stock", {}, [(1, 1, 1)], 2),
    Broken("two_lines_share_the_stock", ONE_SKU, [(1, 0, 2), (1, 1, 1)], 2),
    Broken("third_kit_lacks_a_component", KIT, [(0, 0, 3)], 2),
    Broken("kit_takes_the_stock_of_a_line", KIT, [(0, 0, 2), (0, 1, 1)], 2),
    Broken(
        "refused",
        {"allowed": [[True, False, True], [True, True, True]]},
        [(1, 0, 1)],
        3,
    ),
    Broken(
        "over_capacity",
        {"capacity_units": [3, UNLIMITED, UNLIMITED]},
        [(0, 0, 2), (0, 1, 2)],
        4,
    ),
    Broken("two_kits_are_six_units", KIT | {"capacity_units": [5, 5]}, [(0, 0, 2)], 4),
    Broken("closed", {"capacity_units": [0, 0, 0]}, [(0, 0, 1)], 4),
    Broken("two_shipments", {"max_shipments": 1}, [(0, 0, 2), (2, 1, 2)], 5),
    Broken(
        "two_shipments_of_shared_origins",
        {"max_shipments": 1} | SITE,
        [(0, 0, 2), (2, 1, 2)],
        5,
    ),
    Broken(
        "two_locations_of_one_origin",
        {"split_rung": SplitRung.NO_SPLIT} | SITE,
        [(1, 0, 2), (2, 1, 2)],
        6,
    ),
    Broken(
        "split_line", {"split_rung": SplitRung.LINE_SPLIT}, [(0, 0, 1), (1, 0, 1)], 6
    ),
    Broken("indivisible_in_part", {"indivisible": frozenset({0})}, [(0, 0, 1)], 7),
    Broken(
        "indivisible_from_two",
        {"indivisible": frozenset({0})},
        [(0, 0, 1), (1, 0, 1)],
        7,
    ),
    Broken("half_a_group", {"groups": ((0, 1),)}, [(0, 0, 2)], 8),
    Broken("a_unit_short_of_a_group", {"groups": ((0, 1),)}, [(0, 0, 2), (0, 1, 1)], 8),
    Broken("a_group_from_two_places", {"groups": ((0, 1),)}, [(1, 0, 2), (2, 1, 2)], 8),
    Broken(
        "second_shipment_worth_six",
        {"unit_value_micros": (5, 3), "min_split_value_micros": 7},
        [(1, 0, 2), (2, 1, 2)],
        9,
    ),
    Broken("worthless", {"min_split_value_micros": 1}, [(1, 0, 2), (2, 1, 2)], 9),
    Broken("part_of_a_line", {"incomplete": Incomplete.DROP_LINE}, [(0, 0, 1)], 11),
    Broken(
        "part_of_an_order", {"incomplete": Incomplete.REJECT_ORDER}, [(0, 0, 2)], 11
    ),
    Broken("frozen_elsewhere", {"frozen": (Piece(0, 0, 1),)}, [(1, 0, 2)], 10),
    Broken("frozen_in_part", {"frozen": (Piece(0, 0, 2),)}, [(0, 0, 1)], 10),
    Broken("frozen_forgotten", {"frozen": (Piece(0, 0, 1),)}, [], 10),
    Broken(
        "frozen_is_no_excuse_for_another_line",
        {"incomplete": Incomplete.DROP_LINE, "frozen": (Piece(0, 0, 1),)},
        [(0, 0, 1), (2, 1, 1)],
        11,
    ),
    Broken(
        "more_than_frozen_less_than_all",
        {"incomplete": Incomplete.REJECT_ORDER, "frozen": (Piece(0, 0, 1),)},
        [(0, 0, 1), (2, 1, 2)],
        11,
    ),
]


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.name)
def test_one_broken_limit_is_the_one_reported(case: Broken) -> None:
    breaches = check(problem(**case.changes), pieces_of(case.plan))

    assert set(numbers(breaches)) == {case.limit}


@pytest.mark.parametrize(
    ("changes", "plan"),
    [
        pytest.param({}, [], id="nothing"),
        pytest.param({}, [(0, 0, 2), (0, 1, 2)], id="one_location"),
        pytest.param({}, [(0, 0, 1), (1, 0, 1), (2, 1, 2)], id="three_locations"),
        pytest.param(ONE_SKU, [(0, 0, 2), (0, 1, 1), (1, 1, 1)], id="shared_stock"),
        pytest.param(KIT, [(0, 0, 2), (1, 0, 1), (1, 1, 1)], id="kits"),
        pytest.param(
            {"capacity_units": [2, 2, UNLIMITED]},
            [(0, 1, 2), (1, 0, 2)],
            id="at_capacity",
        ),
        pytest.param(
            {"max_shipments": 1} | SITE,
            [(1, 0, 2), (2, 1, 2)],
            id="one_site_ships_once",
        ),
        pytest.param(
            {"split_rung": SplitRung.LINE_SPLIT},
            [(1, 0, 2), (2, 1, 2)],
            id="whole_lines",
        ),
        pytest.param(
            {"split_rung": SplitRung.NO_SPLIT}, [(0, 0, 1), (0, 1, 2)], id="no_split"
        ),
        pytest.param(
            {"indivisible": frozenset({0, 1})}, [(0, 0, 2)], id="indivisible_or_nothing"
        ),
        pytest.param(
            {"groups": ((0, 1),)}, [(0, 0, 2), (0, 1, 2)], id="group_from_one_place"
        ),
        pytest.param(
            {"unit_value_micros": (4, 3), "min_split_value_micros": 6},
            [(1, 0, 2), (2, 1, 2)],
            id="worth_enough_each",
        ),
        pytest.param(
            {"unit_value_micros": (1, 1), "min_split_value_micros": 9},
            [(0, 0, 2)],
            id="a_single_shipment_may_be_small",
        ),
        pytest.param(
            {"unit_value_micros": (1, 1), "min_split_value_micros": 2} | SITE,
            [(0, 1, 1), (0, 0, 1), (1, 0, 1), (2, 1, 1)],
            id="rooms_of_a_site_are_worth_their_sum",
        ),
        pytest.param({"frozen": (Piece(0, 0, 1),)}, [(0, 0, 2)], id="more_than_frozen"),
        pytest.param(
            {"incomplete": Incomplete.DROP_LINE, "frozen": (Piece(0, 0, 1),)},
            [(0, 0, 1), (2, 1, 2)],
            id="frozen_part_of_a_dropped_line",
        ),
        pytest.param({"incomplete": Incomplete.REJECT_ORDER}, [], id="rejected_order"),
        pytest.param(
            {"incomplete": Incomplete.REJECT_ORDER, "frozen": (Piece(0, 0, 1),)},
            [(0, 0, 1)],
            id="frozen_part_of_a_rejected_order",
        ),
        pytest.param(
            {
                "allowed": [[True, False, True], [True, True, True]],
                "capacity_units": [4, 0, 0],
                "max_shipments": 1,
                "split_rung": SplitRung.NO_SPLIT,
                "incomplete": Incomplete.REJECT_ORDER,
                "groups": ((0, 1),),
                "indivisible": frozenset({1}),
                "unit_value_micros": (1, 1),
                "min_split_value_micros": 100,
                "frozen": (Piece(0, 0, 2), Piece(0, 1, 2)),
            },
            [(0, 0, 2), (0, 1, 2)],
            id="every_limit_kept_at_its_edge",
        ),
    ],
)
def test_allowed_plans_pass(changes: dict[str, Any], plan: Pieces) -> None:
    assert check(problem(**changes), pieces_of(plan)) == []


@pytest.mark.parametrize("plan", [[(0, 0, 0)], [(0, 0, -1)], [(0, 0, 1), (0, 0, 1)]])
def test_pieces_are_positive_and_named_once(plan: Pieces) -> None:
    assert any(
        "empty or repeated" in each for each in check(problem(), pieces_of(plan))
    )


def test_every_breach_is_reported() -> None:
    world = problem(max_shipments=1, indivisible=frozenset({1}))

    breaches = check(world, pieces_of([(0, 0, 3), (1, 1, 1)]))

    assert sorted(numbers(breaches)) == [1, 2, 5, 7]


@pytest.mark.parametrize(
    "case",
    [case for case in BROKEN if case.limit < 10],
    ids=lambda case: case.name,
)
def test_frozen_pieces_that_break_a_limit_are_refused(case: Broken) -> None:
    with pytest.raises(ValueError, match=f"^frozen pieces: {case.limit}: "):
        problem(**case.changes, frozen=pieces_of(case.plan))


def test_a_frozen_pair_named_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="repeated"):
        problem(frozen=(Piece(0, 0, 1), Piece(0, 0, 1)))


# --- Worth ----------------------------------------------------------------------

FIGURES: dict[str, Any] = {
    "available": [[9, 9, 9, 9]] * 3,
    "demand": (3, 2, 2),
    "bom": (((0, 1),), ((1, 1),), ((2, 1),)),
    "origin": [0, 1, 2, 1],
    "distance_meters": [10, 20, 40],
    "shipment_cost_micros": [100, 200, 400],
    "lateness_minutes": [1, 2, 4],
    "workload": [7, 8, 9],
    "unit_cost_micros": [1, 10, 100, 1000],
}
"""Locations 1 and 3 ship from one origin."""
PLAN: Pieces = [(0, 0, 2), (1, 0, 1), (1, 1, 2), (3, 2, 1)]
"""Line 0 is split, line 1 whole at location 1, line 2 one unit short."""


@pytest.mark.parametrize(
    ("term", "of_plan", "of_nothing"),
    [
        (Term.UNASSIGNED_UNITS, 1, 7),
        (Term.INCOMPLETE_ORDERS, 1, 1),
        (Term.SPLIT_LINES, 1, 0),
        (Term.SHIPMENTS, 2, 0),
        (Term.RANK, 1 + 2 + 4, 0),
        (Term.MAX_RANK, 4, 0),
        (Term.DISTANCE_METERS, 10 + 20, 0),
        (Term.COST_MICROS, 100 + 200 + 2 * 1 + 3 * 10 + 1 * 1000, 0),
        (Term.LATENESS_MINUTES, 1 + 2, 0),
        (Term.WORKLOAD, 7 + 8, 0),
    ],
)
def test_each_term_by_hand(term: Term, of_plan: int, of_nothing: int) -> None:
    world = problem(term, **FIGURES)

    assert score(world, pieces_of(PLAN)) == ((term.value, False, of_plan),)
    assert score(world, ()) == ((term.value, False, of_nothing),)


def test_primary_by_hand() -> None:
    """Location 1 holds one whole line and 3 units, 3 one and 1, 0 none and 2."""
    world = problem(Term.PRIMARY, **FIGURES)

    assert score(world, pieces_of(PLAN)) == (
        ("primary.1.lines", True, 1),
        ("primary.1.units", True, 3),
        ("primary.2.lines", True, 1),
        ("primary.2.units", True, 1),
        ("primary.3.lines", True, 0),
        ("primary.3.units", True, 2),
    )
    assert score(world, ()) == ()


def test_terms_come_in_the_order_of_the_policy() -> None:
    world = problem(Term.RANK, Term.PRIMARY, Term.UNASSIGNED_UNITS, **FIGURES)

    names = [each.name for each in score(world, pieces_of([(2, 1, 1)]))]

    assert names == ["rank", "primary.1.lines", "primary.1.units", "unassigned_units"]


def test_what_is_complete_is_worth_no_incomplete_order() -> None:
    world = problem(Term.INCOMPLETE_ORDERS)

    assert score(world, pieces_of([(0, 0, 2), (0, 1, 2)]))[0].value == 0


def test_figures_left_out_are_zero() -> None:
    terms = (
        Term.DISTANCE_METERS,
        Term.COST_MICROS,
        Term.LATENESS_MINUTES,
        Term.WORKLOAD,
    )
    world = problem(*terms)

    assert [each.value for each in score(world, pieces_of([(0, 0, 2)]))] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("terms", "better", "worse"),
    [
        pytest.param(
            (Term.UNASSIGNED_UNITS,), [(0, 0, 2)], [(0, 0, 1)], id="less_unassigned"
        ),
        pytest.param(
            (Term.RANK, Term.UNASSIGNED_UNITS),
            [(0, 0, 1)],
            [(2, 1, 2)],
            id="the_first_that_differs_decides",
        ),
        pytest.param(
            (Term.PRIMARY,),
            [(0, 0, 1), (0, 1, 1)],
            [(1, 0, 2)],
            id="two_whole_lines_before_two_units_of_one",
        ),
        pytest.param(
            (Term.PRIMARY,),
            [(0, 0, 2), (0, 1, 1), (2, 1, 1)],
            [(0, 0, 2)],
            id="more_primary_units_before_fewer_locations",
        ),
        pytest.param(
            (Term.PRIMARY, Term.SHIPMENTS),
            [(1, 0, 2), (2, 1, 1)],
            [(1, 0, 2)],
            id="a_shorter_primary_goes_on_with_zeros",
        ),
        pytest.param(
            (Term.PRIMARY, Term.SHIPMENTS),
            [(0, 0, 1)],
            [],
            id="anything_before_nothing",
        ),
        pytest.param(
            (Term.PRIMARY, Term.RANK),
            [(0, 0, 2), (2, 1, 2)],
            [(1, 0, 2), (2, 1, 2)],
            id="after_equal_primaries_the_next_term",
        ),
    ],
)
def test_the_key_is_smaller_for_the_better_plan(
    terms: tuple[Term, ...], better: Pieces, worse: Pieces
) -> None:
    world = problem(*terms)

    good, bad = (key(world, score(world, pieces_of(each))) for each in (better, worse))

    assert good < bad


# --- Proof ----------------------------------------------------------------------


def judged(world: SourcingProblem, bounds: dict[str, int] | None) -> list[bool]:
    """Judge `PLAN`: unassigned 1, split 1, primary (1, 3, 1, 1, 0, 2), cost 1332."""
    return [each.proven for each in judge(world, Solution(pieces_of(PLAN), "", bounds))]


def test_without_bounds_every_value_is_its_own() -> None:
    assert all(judged(problem(Term.UNASSIGNED_UNITS, Term.PRIMARY, **FIGURES), None))


@pytest.mark.parametrize(
    ("bounds", "proven"),
    [
        ({"unassigned_units": 1, "split_lines": 1, "cost_micros": 1332}, [1, 1, 1]),
        ({"unassigned_units": 1, "split_lines": 1, "cost_micros": 1331}, [1, 1, 0]),
        ({"unassigned_units": 1, "cost_micros": 1332}, [1, 0, 0]),
        ({"unassigned_units": 0, "split_lines": 1, "cost_micros": 1332}, [0, 0, 0]),
    ],
)
def test_proven_needs_the_bound_here_and_before(
    bounds: dict[str, int], proven: list[bool]
) -> None:
    world = problem(
        Term.UNASSIGNED_UNITS, Term.SPLIT_LINES, Term.COST_MICROS, **FIGURES
    )

    assert judged(world, bounds) == proven


@pytest.mark.parametrize(("bound", "proven"), [(1210, True), (1209, False)])
def test_within_the_tolerance_is_proven(bound: int, proven: bool) -> None:
    """1210 + 10 % + 1 is 1332; of 1209, the floor of 10 % is 120: 1330."""
    world = problem(Objective(Term.COST_MICROS, 100, 1), **FIGURES)

    assert judged(world, {"cost_micros": bound}) == [proven]


def test_a_bound_left_out_of_primary_is_the_whole_order() -> None:
    world = problem(Term.PRIMARY, **FIGURES)
    first = {"primary.1.lines": 1, "primary.1.units": 3}

    assert judged(world, first) == [True, True, False, False, False, False]


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        pytest.param({}, 0, id="enough"),
        pytest.param({"demand": (2, 7)}, 2, id="five_of_seven"),
        pytest.param({"demand": (9, 9)}, 4 + 4, id="each_sku_by_itself"),
        pytest.param(ONE_SKU | {"demand": (5, 4)}, 2, id="lines_of_one_sku_together"),
        pytest.param(KIT | {"demand": (30, 2)}, 0, id="kits_are_not_counted"),
        pytest.param(KIT | {"demand": (1, 15)}, 2, id="lines_beside_kits_are"),
    ],
)
def test_shortage_by_hand(changes: dict[str, Any], missing: int) -> None:
    assert shortage(problem(**changes)) == missing


@pytest.mark.parametrize("start", range(0, BOUNDED_WORLDS, BOUNDED_CHUNK))
def test_no_plan_beats_a_bound_that_needs_no_search(start: int) -> None:
    for seed in range(start, start + BOUNDED_CHUNK):
        world = worlds.tiny(seed)
        allowed = brute_force.allowed_plans(world)
        for plan in Random(seed).choices(allowed, k=PLANS_EACH):
            try:
                assert_never_beaten(world, allowed, brute_force.as_pieces(plan))
            except AssertionError as error:
                error.add_note(f"seed {seed}")
                raise


def assert_never_beaten(
    world: SourcingProblem, allowed: IntArray, pieces: tuple[Piece, ...]
) -> None:
    """Compare the bounds of a plan of which nothing is known with every plan."""
    tolerances = {each.term.value: each for each in world.objectives}
    for each in judge(world, Solution(pieces, "", {})):
        others = brute_force.column(world, allowed, each.name)
        # What follows speaks only of the plans that are as good on this one.
        if each.maximize:
            assert others.max() <= each.bound, each.name
            allowed = allowed[others >= each.value]
        else:
            assert others.min() >= each.bound, each.name
            worst = tolerances[each.name].allowance(each.value)
            allowed = allowed[others <= worst]


# --- The second reader ----------------------------------------------------------


def assert_readings_agree(world: SourcingProblem, rng: Random) -> None:
    """Compare `check`, `score` and `key` with brute_force on plans of all kinds."""
    plans = worlds.plans_in(rng, brute_force.allowed_plans(world), PLANS_EACH)
    kept = brute_force.keeps(world, plans)
    vectors = brute_force.worth(world, plans)
    keys = []
    for index, plan in enumerate(plans):
        pieces = brute_force.as_pieces(plan)
        reported = set(numbers(check(world, pieces)))
        broken = {number for number, each in kept.items() if not each[index]}
        if 1 in broken:
            # Is a line that ships too much also incomplete? Either answer will do.
            reported, broken = reported - {11}, broken - {11}
        assert reported == broken, pieces
        scores = score(world, pieces)
        named = {each.name: each.value for each in scores}
        assert named == brute_force.components(world, vectors[index]), pieces
        assert len(named) == len(scores)
        keys.append(key(world, scores))
    ours = brute_force.rank_key(world, plans)
    assert _order(keys) == _order(ours)


def _order(keys: list[tuple[int, ...]]) -> list[bool]:
    return [one < other for one in keys for other in keys]


@pytest.mark.parametrize("start", range(0, AGREEMENT_WORLDS, AGREEMENT_CHUNK))
def test_two_readers_agree(start: int) -> None:
    for seed in range(start, start + AGREEMENT_CHUNK):
        try:
            assert_readings_agree(worlds.tiny(seed), Random(seed))
        except AssertionError as error:
            error.add_note(f"seed {seed}")
            raise


@settings(deadline=None, derandomize=True)
@given(world=worlds.problems(), rng=st.randoms(use_true_random=False))
def test_two_readers_agree_on_what_hypothesis_finds(
    world: SourcingProblem, rng: Random
) -> None:
    assert_readings_agree(world, rng)
