"""Orders as arrays: worked by hand, field by field."""

import dataclasses
from typing import Any

import pytest

from router.errors import InvalidOrder
from router.model import (
    Incomplete,
    LocationFilter,
    Order,
    RoutingPolicy,
    SplitRung,
    Term,
    Walk,
)
from router.optimize.problem import UNLIMITED, Piece
from router.planning.objective_data import MAX_TOTAL_MICROS
from router.policies import PRESETS
from tests.builders import (
    PARIS,
    SEED,
    built,
    kit,
    lane,
    line,
    only,
    order,
    picked,
    policy,
    stock,
)

OPTIONAL = (
    "origin",
    "distance_meters",
    "shipment_cost_micros",
    "lateness_minutes",
    "workload",
    "unit_cost_micros",
    "allowed",
    "capacity_units",
    "unit_value_micros",
)


def test_the_plain_order_has_no_optional_arrays() -> None:
    made = built(order("shoes:2", "hat:4"), stock(SEED))

    problem = made.problem
    assert made.skus == ("shoes", "hat")
    assert problem.available.tolist() == [[5, 10, 10], [3, 10, 10]]
    assert problem.demand == (2, 4)
    assert problem.bom == (((0, 1),), ((1, 1),))
    assert problem.objectives == policy().objectives
    assert [name for name in OPTIONAL if getattr(problem, name) is not None] == []
    assert (problem.groups, problem.indivisible, problem.frozen) == (
        (),
        frozenset(),
        (),
    )
    assert made.walk_order is None


def test_columns_are_the_eligible_locations_in_rank_order() -> None:
    rule = only(excluded_location_ids=frozenset(["sherbrooke"]))

    made = built(order("hat:4"), stock(SEED), rule)

    assert made.problem.available.tolist() == [[3, 10]]
    # The whole network's stock is kept for the reasons.
    assert made.stock.tolist() == [[3, 10, 10]]


def test_lines_with_one_sku_share_its_row_and_kits_use_several() -> None:
    wanted = order(
        "hat:2", line("hat:1", line_id="again"), kit("set:3", shoes=2, hat=1)
    )

    made = built(wanted, stock(SEED))

    assert made.skus == ("hat", "shoes")
    assert made.problem.demand == (2, 1, 3)
    assert made.problem.bom == (((0, 1),), ((0, 1),), ((1, 2), (0, 1)))


def test_a_change_of_the_stock_afterwards_changes_no_problem() -> None:
    shelf = stock(SEED)
    made = built(order("hat:4"), shelf)

    shelf.grid().set("hat", 0, 99)

    assert made.problem.available.tolist() == [[3, 10, 10]]


def test_the_routing_floor_stays_on_the_shelf() -> None:
    made = built(order("hat", "shoes"), stock(SEED), policy(routing_floor_units=4))

    assert made.problem.available.tolist() == [[0, 6, 6], [1, 6, 6]]
    assert made.stock.tolist() == [[3, 10, 10], [5, 10, 10]]


def test_limits_of_the_policy_and_the_lines() -> None:
    wanted = order(
        line("hat", indivisible=True, unit_value_micros=7),
        line("shoes", ship_together="g"),
        line("shirt", ship_together="g", unit_value_micros=9),
    )
    by = policy(
        max_shipments=2,
        split_rung=SplitRung.LINE_SPLIT,
        incomplete=Incomplete.DROP_LINE,
        min_split_value_micros=5,
    )

    problem = built(wanted, stock(SEED), by).problem

    assert problem.max_shipments == 2
    assert problem.split_rung is SplitRung.LINE_SPLIT
    assert problem.incomplete is Incomplete.DROP_LINE
    assert problem.indivisible == {0}
    assert problem.groups == ((1, 2),)
    assert problem.unit_value_micros == (7, 0, 9)
    assert problem.min_split_value_micros == 5


def test_refusals_become_pairs_that_are_not_allowed() -> None:
    refused = frozenset([("hat", "laval"), ("shoes", "montreal")])

    problem = built(order("hat", "shoes", rejected=refused), stock(SEED)).problem

    assert problem.allowed is not None
    assert problem.allowed.tolist() == [[True, True, False], [False, True, True]]


def test_refusals_of_removed_locations_leave_nothing_behind() -> None:
    rule = only(excluded_location_ids=frozenset(["laval"]))
    wanted = order("hat", "shoes", rejected=frozenset([("hat", "laval")]))

    assert built(wanted, stock(SEED), rule).problem.allowed is None


# --- Capacity -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        # Two sets of 1 hat and 2 shoes: six units may leave one location at most.
        (6, None),
        (5, [5, UNLIMITED, UNLIMITED]),
        (None, None),
    ],
)
def test_capacity_counts_only_where_the_order_can_reach_it(
    units: int | None, expected: list[int] | None
) -> None:
    shelf = stock(SEED, montreal={"capacity_units": units, "capacity_orders": 9})

    problem = built(order(kit("set:2", hat=1, shoes=2)), shelf).problem

    found = problem.capacity_units
    assert (None if found is None else found.tolist()) == expected


# --- Frozen ---------------------------------------------------------------------


def test_frozen_units_are_pieces_in_order() -> None:
    wanted = order(
        "hat:4",
        "shoes:4",
        frozen=(
            picked("shoes", "laval", 1),
            picked("hat", "laval", 2),
            picked("shoes", "montreal", 3),
        ),
    )

    problem = built(wanted, stock(SEED)).problem

    assert problem.frozen == (Piece(0, 1, 3), Piece(2, 0, 2), Piece(2, 1, 1))


def test_the_floor_does_not_touch_what_was_picked() -> None:
    wanted = order("hat:4", frozen=(picked("hat", "montreal", 2),))

    problem = built(wanted, stock(SEED), policy(routing_floor_units=9)).problem

    # One hat above the floor elsewhere; the two picked, and no third, here.
    assert problem.available.tolist() == [[2, 1, 1]]


def test_a_removed_location_ships_what_it_picked_and_nothing_else() -> None:
    wanted = order("hat:4", "shoes", frozen=(picked("hat", "laval", 2),))

    made = built(wanted, stock(SEED), only(excluded_location_ids=frozenset(["laval"])))

    assert made.problem.available.tolist() == [[3, 10, 2], [5, 10, 0]]
    assert made.candidates.pinned == {2}


@pytest.mark.parametrize("left", [{"capacity_units": 1}, {"capacity_orders": 0}])
def test_what_was_picked_had_room(left: dict[str, int]) -> None:
    wanted = order("hat:4", frozen=(picked("hat", "montreal", 2),))

    problem = built(wanted, stock(SEED, montreal=left)).problem

    assert problem.frozen == (Piece(0, 0, 2),)


@pytest.mark.parametrize(
    ("fields", "by", "said"),
    [
        ({}, policy(max_shipments=1), "5: 2 shipments"),
        ({}, policy(split_rung=SplitRung.NO_SPLIT), "6: 2 locations"),
        ({}, policy(split_rung=SplitRung.LINE_SPLIT), "line 'hat' is split"),
    ],
)
def test_frozen_units_that_break_a_limit_are_refused(
    fields: dict[str, Any], by: RoutingPolicy, said: str
) -> None:
    frozen = (picked("hat", "montreal", 2), picked("hat", "laval", 1))

    with pytest.raises(InvalidOrder) as caught:
        built(order("hat:4", "shoes", frozen=frozen, **fields), stock(SEED), by)

    (violation,) = caught.value.violations
    assert violation.path == "order.frozen"
    assert violation.reason == "FROZEN_BREAKS_LIMIT"
    assert said in violation.message


def test_frozen_units_beyond_the_stock_are_refused_by_name() -> None:
    wanted = order("shoes", "hat:4", frozen=(picked("hat", "montreal", 4),))

    with pytest.raises(InvalidOrder, match=r"'montreal' ships 4 of SKU 'hat'"):
        built(wanted, stock(SEED))


# --- Figures --------------------------------------------------------------------

PRICED = {
    "a": {"shipment_cost_micros": 50, "unit_cost_micros": 3, "workload_minutes": 8},
    "b": {"shipment_cost_micros": 60},
}
SHELF = {"a": {"hat": 9}, "b": {"hat": 9}, "c": {"hat": 9}}


def test_costs_are_the_locations_own_unless_a_lane_says_otherwise() -> None:
    lanes = (
        lane("a", shipment_cost_micros=0),
        lane("b", unit_cost_micros=4),
        lane("c", arrival_minutes=5),
    )

    problem = built(
        order("hat", lanes=lanes), stock(SHELF, **PRICED), PRESETS["cheapest"]
    ).problem

    assert problem.shipment_cost_micros is not None
    assert problem.shipment_cost_micros.tolist() == [0, 60, 0]
    assert problem.unit_cost_micros is not None
    assert problem.unit_cost_micros.tolist() == [3, 4, 0]


def test_one_order_s_lanes_are_not_the_next_one_s() -> None:
    shelf = stock(SHELF, **PRICED)
    lanes = (lane("a", shipment_cost_micros=1, unit_cost_micros=1),)
    built(order("hat", lanes=lanes), shelf, PRESETS["cheapest"])

    problem = built(order("hat"), shelf, PRESETS["cheapest"]).problem

    assert problem.shipment_cost_micros is not None
    assert problem.shipment_cost_micros.tolist() == [50, 60, 0]


def test_costs_that_are_nothing_anywhere_are_left_out() -> None:
    problem = built(order("hat"), stock(SHELF), PRESETS["cheapest"]).problem

    assert problem.shipment_cost_micros is None
    assert problem.unit_cost_micros is None


@pytest.mark.parametrize(
    ("promised", "expected"),
    [
        # In time is not early: c arrives 2 before and counts 0, as does b, of which
        # nobody says how long it takes.
        (10, [20, 0, 0]),
        (-5, [35, 0, 13]),
        # No promise, nothing late.
        (None, None),
    ],
)
def test_lateness_is_what_comes_after_the_promise(
    promised: int | None, expected: list[int] | None
) -> None:
    lanes = (lane("a", arrival_minutes=30), lane("c", arrival_minutes=8), lane("b"))
    wanted = order("hat", lanes=lanes, promised_minutes=promised)

    found = built(wanted, stock(SHELF), policy(Term.LATENESS_MINUTES)).problem

    late = found.lateness_minutes
    assert (None if late is None else late.tolist()) == expected


@pytest.mark.parametrize(
    ("promised", "expected"),
    [
        # a arrives after 30, whatever its lead time; b and c leave after 40 and 8.
        (10, [20, 30, 0]),
        (0, [30, 40, 8]),
        (40, None),
        (None, None),
    ],
)
def test_without_an_arrival_lateness_is_of_the_lead_time(
    promised: int | None, expected: list[int] | None
) -> None:
    lead_times = {
        "a": {"lead_time_minutes": 90},
        "b": {"lead_time_minutes": 40},
        "c": {"lead_time_minutes": 8},
    }
    lanes = (lane("a", arrival_minutes=30), lane("b", unit_cost_micros=1))
    wanted = order("hat", lanes=lanes, promised_minutes=promised)
    by = policy(Term.LATENESS_MINUTES)
    shelf = stock(SHELF, **lead_times)

    found = built(wanted, shelf, by).problem.lateness_minutes

    assert (None if found is None else found.tolist()) == expected
    # What a lane said of one order is not said of the next.
    late = built(order("hat", promised_minutes=0), shelf, by).problem.lateness_minutes
    assert late is not None
    assert late.tolist() == [90, 40, 8]


def test_the_lateness_of_a_site_is_of_its_slowest_room() -> None:
    slow = {"origin_id": "site", "lead_time_minutes": 60}
    quick = {"origin_id": "site", "lead_time_minutes": 20}
    wanted = order("hat", promised_minutes=15)
    by = policy(Term.LATENESS_MINUTES)

    late = built(wanted, stock(SHELF, a=slow, c=quick), by).problem.lateness_minutes

    assert late is not None
    assert late.tolist() == [45, 0]


def test_workload_and_distance() -> None:
    near = {"latitude": 48.8566, "longitude": 2.3522}
    shelf = stock(SHELF, a={"workload_minutes": 8}, b=near, c=near)
    by = policy(Term.WORKLOAD, Term.DISTANCE_METERS)

    problem = built(order("hat", destination=PARIS), shelf, by).problem

    assert problem.workload is not None
    assert problem.workload.tolist() == [8, 0, 0]
    assert problem.distance_meters is not None
    assert problem.distance_meters.tolist() == [20_015_115, 0, 0]


def test_without_coordinates_distance_is_no_objective() -> None:
    by = policy(Term.UNASSIGNED_UNITS, Term.DISTANCE_METERS, Term.RANK)

    problem = built(order("hat"), stock(SHELF), by).problem

    terms = [each.term for each in problem.objectives]
    assert terms == [Term.UNASSIGNED_UNITS, Term.RANK]
    assert problem.distance_meters is None


def test_a_policy_keeps_its_only_objective() -> None:
    problem = built(order("hat"), stock(SHELF), policy(Term.DISTANCE_METERS)).problem

    assert [each.term for each in problem.objectives] == [Term.DISTANCE_METERS]


def test_figures_of_a_site_are_those_of_its_rooms() -> None:
    """The worst room counts, save that a room stands where another is known to."""
    room = {"origin_id": "site", "workload_minutes": 5, "shipment_cost_micros": 20}
    other = {
        "origin_id": "site",
        "workload_minutes": 3,
        "shipment_cost_micros": 30,
        "latitude": 48.8566,
        "longitude": 2.3522,
    }
    shelf = stock(SHELF, a=room, c=other)
    lanes = (lane("c", arrival_minutes=7),)
    by = policy(
        Term.WORKLOAD, Term.COST_MICROS, Term.LATENESS_MINUTES, Term.DISTANCE_METERS
    )
    wanted = order("hat", destination=PARIS, lanes=lanes, promised_minutes=0)

    problem = built(wanted, shelf, by).problem

    assert problem.origin is not None
    assert problem.origin.tolist() == [0, 1, 0]
    assert problem.workload is not None
    assert problem.workload.tolist() == [5, 0]
    assert problem.shipment_cost_micros is not None
    assert problem.shipment_cost_micros.tolist() == [30, 0]
    assert problem.lateness_minutes is not None
    assert problem.lateness_minutes.tolist() == [7, 0]
    assert problem.distance_meters is not None
    assert problem.distance_meters.tolist() == [0, 20_015_115]


@pytest.mark.parametrize(
    ("wanted", "by"),
    [
        (
            order("hat:1000000000", lanes=(lane("a", unit_cost_micros=10**12),)),
            PRESETS["cheapest"],
        ),
        (
            order(line("hat:1000000000", unit_value_micros=10**12)),
            policy(min_split_value_micros=1),
        ),
    ],
)
def test_sums_that_no_64_bits_hold_are_refused(
    wanted: Order, by: RoutingPolicy
) -> None:
    with pytest.raises(InvalidOrder, match=f"at most {MAX_TOTAL_MICROS}"):
        built(wanted, stock(SHELF), by)


# --- Walks ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("walk", "expected"),
    [
        (Walk.PRIORITY, ["a", "b", "c"]),
        # c 98 km, a 0.4 degrees of longitude more, b nobody knows.
        (Walk.NEAREST, ["c", "a", "b"]),
        # Useful units: a 2 + 3, b 4 + 1, c 4 + 4; a before b, being first in rank.
        (Walk.HIGHEST_STOCK, ["c", "a", "b"]),
    ],
)
def test_walks_ask_locations_in_their_order(walk: Walk, expected: list[str]) -> None:
    held = {
        "a": {"hat": 2, "shoes": 3},
        "b": {"hat": 900, "shoes": 1},
        "c": {"hat": 4, "shoes": 4},
    }
    shelf = stock(
        held,
        a={"latitude": 48.0, "longitude": 1.6},
        c={"latitude": 48.0, "longitude": 2.0},
    )
    by = dataclasses.replace(PRESETS["priority"], walk=walk)

    made = built(order("hat:4", "shoes:4", destination=PARIS), shelf, by)

    assert made.walk_order is not None
    locations = made.candidates.pool.locations
    assert [locations[n].location_id for n in made.walk_order] == expected


def test_nearest_to_nowhere_is_the_rank() -> None:
    made = built(order("hat"), stock(SHELF), PRESETS["nearest"])

    assert made.walk_order is not None
    assert made.walk_order.tolist() == [0, 1, 2]


def test_highest_stock_counts_kits_by_their_parts() -> None:
    held = {"a": {"hat": 9, "shoes": 0}, "b": {"hat": 1, "shoes": 4}}

    made = built(
        order(kit("set:2", hat=1, shoes=2)), stock(held), PRESETS["highest-stock"]
    )

    # Wanted are 2 hats and 4 shoes: a has 2 of them, b 5.
    assert made.walk_order is not None
    assert made.walk_order.tolist() == [1, 0]


def test_nobody_eligible_is_a_problem_with_no_columns() -> None:
    rule = policy(filter=LocationFilter(groups=frozenset(["none"])))

    made = built(order("hat"), stock(SHELF), rule)

    assert made.problem.available.shape == (1, 0)
