"""Why units are not assigned; plans are found by trying every one."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from availability.memory_stock import MemoryStock
from router.model import Incomplete, Order, RoutingPolicy, SplitRung, Term
from router.optimize.limits import SolveLimits
from router.optimize.problem import Piece, Solution, SourcingProblem, lifted
from router.planning.assemble import CheckedSolution, accept
from router.planning.unassigned_reasons import lifted_reasons, plain_reasons
from router.policies import DEFAULT, PRESETS
from tests.builders import (
    built,
    judged,
    kit,
    line,
    only,
    order,
    picked,
    policy,
    stock,
    try_all,
)

LIMITS = SolveLimits()
NO_SPLIT = SplitRung.NO_SPLIT
LINE_SPLIT = SplitRung.LINE_SPLIT


def said(judged: CheckedSolution, reasons: Mapping[int, Any]) -> dict[str, str]:
    lines = judged.built.order.lines
    return {lines[n].line_id: reason.value for n, reason in sorted(reasons.items())}


def plain(
    wanted: Order, shelf: MemoryStock, by: RoutingPolicy = PRESETS[DEFAULT]
) -> dict[str, str]:
    best = judged(wanted, shelf, by)
    return said(best, plain_reasons(best))


def all_reasons(
    wanted: Order, shelf: MemoryStock, by: RoutingPolicy = PRESETS[DEFAULT]
) -> dict[str, str]:
    best = judged(wanted, shelf, by)
    return said(best, lifted_reasons(best, plain_reasons(best), LIMITS, try_all))


def off(**fields: Any) -> RoutingPolicy:
    """Return a policy for which location b is no option."""
    return dataclasses.replace(only(excluded_location_ids=frozenset(["b"])), **fields)


HATS = {"a": {"hat": 2, "cap": 0}, "b": {"hat": 3, "cap": 0}}


# --- Facts about stock ------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "by", "expected"),
    [
        pytest.param(
            order("cap:2"), policy(), {"cap": "out_of_stock"}, id="none_anywhere",
        ),
        pytest.param(
            order("hat:6"), policy(), {"hat": "insufficient_stock"}, id="five_of_six",
        ),
        pytest.param(
            order("hat:6", "cap"), off(),
            {"hat": "insufficient_stock", "cap": "out_of_stock"},
            id="too_little_even_with_the_removed_b",
        ),
        pytest.param(
            order("hat:3"), off(), {"hat": "locations_eliminated"}, id="b_has_the_rest",
        ),
        pytest.param(
            order("hat:3", "cap", rejected=frozenset([("hat", "b")])), policy(),
            {"hat": "locations_eliminated", "cap": "out_of_stock"},
            id="b_refused_the_line",
        ),
        pytest.param(
            order("hat:5"), policy(routing_floor_units=1),
            {"hat": "insufficient_stock"},
            id="the_floor_keeps_two_back",
        ),
        pytest.param(
            order("hat:5"), policy(routing_floor_units=9),
            {"hat": "insufficient_stock"},
            id="the_floor_keeps_all_back_but_there_is_some",
        ),
        pytest.param(
            order("hat:2"), off(routing_floor_units=3), {"hat": "insufficient_stock"},
            id="b_is_no_help_above_the_floor",
        ),
        pytest.param(
            order("hat:6"), policy(max_shipments=1), {"hat": "insufficient_stock"},
            id="stock_comes_before_limits",
        ),
        pytest.param(
            order("hat:6"), policy(incomplete=Incomplete.REJECT_ORDER),
            {"hat": "insufficient_stock"}, id="the_line_that_is_short_says_so",
        ),
    ],
)  # fmt: skip
def test_facts_about_stock_need_no_solving(
    wanted: Order, by: RoutingPolicy, expected: dict[str, str]
) -> None:
    assert plain(wanted, stock(HATS), by) == expected


def test_lines_of_one_sku_share_its_stock() -> None:
    """Each could be filled, not both; which is short is the engine's choice."""
    found = plain(order("hat:3", line("hat:3", line_id="more")), stock(HATS))

    assert set(found.values()) == {"insufficient_stock"}


@pytest.mark.parametrize(
    ("held", "by", "expected"),
    [
        # A kit is 2 hats and 1 cap.
        pytest.param({"a": {"hat": 9, "cap": 0}, "b": {"hat": 1, "cap": 0}}, policy(),
                     "out_of_stock", id="no_cap_anywhere"),
        pytest.param({"a": {"hat": 3, "cap": 9}, "b": {"hat": 0, "cap": 0}}, policy(),
                     "insufficient_stock", id="three_hats_for_two_kits"),
        pytest.param({"a": {"hat": 9, "cap": 0}, "b": {"hat": 1, "cap": 9}},
                     policy(max_shipments=9, incomplete=Incomplete.DROP_LINE),
                     "indivisible", id="the_parts_lie_apart_whatever_the_limits"),
        pytest.param({"a": {"hat": 9, "cap": 0}, "b": {"hat": 4, "cap": 2}}, off(),
                     "locations_eliminated", id="b_could_make_both"),
        pytest.param({"a": {"hat": 3, "cap": 1}, "b": {"hat": 1, "cap": 1}}, policy(),
                     "indivisible", id="four_hats_but_one_kit_each_at_most"),
    ],
)  # fmt: skip
def test_facts_about_kits(
    held: dict[str, dict[str, int]], by: RoutingPolicy, expected: str
) -> None:
    assert plain(order(kit("set:2", hat=2, cap=1)), stock(held), by) == {
        "set": expected
    }


def test_a_location_with_no_capacity_left_is_a_matter_of_capacity() -> None:
    shelf = stock(HATS, b={"capacity_orders": 0})

    assert plain(order("hat:3"), shelf) == {"hat": "capacity"}


# --- One limit, and there is stock: it must be that one ---------------------------


@pytest.mark.parametrize(
    ("wanted", "by", "fields", "expected"),
    [
        (order("hat:5"), policy(), {"capacity_units": 1}, {"hat": "capacity"}),
        (order("hat:5"), policy(max_shipments=1), {}, {"hat": "split_limit"}),
        (order("hat:5"), policy(split_rung=NO_SPLIT), {}, {"hat": "split_limit"}),
        (order("hat:5"), policy(split_rung=LINE_SPLIT), {}, {"hat": "split_limit"}),
        (order(line("hat:5", indivisible=True)), policy(), {}, {"hat": "indivisible"}),
        (
            order(line("hat:4", ship_together="g"), line("tie", ship_together="g")),
            policy(), {}, {"hat": "indivisible", "tie": "indivisible"},
        ),
        (
            # Two at a are worth 20, three at b 30; each shipment must be worth 25.
            order(line("hat:5", unit_value_micros=10)),
            policy(min_split_value_micros=25), {}, {"hat": "min_split_value"},
        ),
        (
            # The cap is not there; so nothing goes.
            order("hat", "cap"), policy(incomplete=Incomplete.REJECT_ORDER), {},
            {"hat": "incomplete_policy", "cap": "out_of_stock"},
        ),
    ],
)  # fmt: skip
def test_the_only_limit_there_is(
    wanted: Order, by: RoutingPolicy, fields: dict[str, int], expected: dict[str, str]
) -> None:
    held = {name: {**units, "tie": 1} for name, units in HATS.items()}

    assert plain(wanted, stock(held, b=fields), by) == expected


def test_a_refusal_that_only_matters_beside_another_line() -> None:
    """Each line has enough for itself; the stock that both may use is too little."""
    held = {"a": {"hat": 2}, "b": {"hat": 2}}
    lines = (line("hat:2"), line("hat:2", line_id="more"))
    refused = frozenset([("hat", "b"), ("more", "b")])

    found = plain(order(*lines, rejected=refused), stock(held))

    assert set(found.values()) == {"locations_eliminated"}


# --- Several limits: each lifted by itself ----------------------------------------


@pytest.mark.parametrize(
    ("wanted", "by", "fields", "expected"),
    [
        pytest.param(
            order("hat:5"), policy(max_shipments=1), {"capacity_units": 3},
            {"hat": "split_limit"}, id="b_has_room_for_its_three",
        ),
        pytest.param(
            order("hat:5"), policy(max_shipments=2), {"capacity_units": 1},
            {"hat": "capacity"}, id="two_shipments_would_do",
        ),
        pytest.param(
            # Three of b are allowed, but a's two are too little for a split order.
            order(line("hat:5", unit_value_micros=10)),
            policy(max_shipments=2, min_split_value_micros=25), {},
            {"hat": "min_split_value"}, id="the_value_keeps_the_second_away",
        ),
        pytest.param(
            # One shipment of 3 at b; lifting either limit alone leaves the other.
            order("hat:5"), policy(max_shipments=1, split_rung=LINE_SPLIT),
            {"capacity_units": 4},
            {"hat": "split_limit"}, id="rung_and_number_are_one_limit",
        ),
        pytest.param(
            # Nowhere are five hats; and as there is no cap, nothing goes anyway.
            order(line("hat:5", indivisible=True), "cap"),
            policy(incomplete=Incomplete.REJECT_ORDER), {},
            {"hat": "combined_limits", "cap": "out_of_stock"}, id="none_of_them_alone",
        ),
        pytest.param(
            # The hats need two shipments; the tie is kept back with them.
            order("hat:5", "tie"),
            policy(max_shipments=1, incomplete=Incomplete.REJECT_ORDER), {},
            {"hat": "split_limit", "tie": "split_limit"}, id="the_first_that_helps",
        ),
        pytest.param(
            order("hat:5", "cap", line("tie:1", unit_value_micros=1)),
            policy(max_shipments=1, incomplete=Incomplete.DROP_LINE), {},
            {"hat": "split_limit", "cap": "out_of_stock"}, id="facts_are_kept",
        ),
    ],
)  # fmt: skip
def test_lifts_limits_one_at_a_time(
    wanted: Order, by: RoutingPolicy, fields: dict[str, int], expected: dict[str, str]
) -> None:
    held = {name: {**units, "tie": 1} for name, units in HATS.items()}

    assert all_reasons(wanted, stock(held, b=fields), by) == expected


def test_every_limit_can_be_lifted_and_only_those_there_are() -> None:
    wanted = order(
        line("hat:5", indivisible=True),
        "tie",
        rejected=frozenset([("tie", "b")]),
    )
    by = policy(
        max_shipments=1,
        min_split_value_micros=1,
        incomplete=Incomplete.DROP_LINE,
    )
    held = {name: {**units, "tie": 1} for name, units in HATS.items()}
    problem = built(wanted, stock(held, b={"capacity_units": 1}), by).problem

    without = lifted(problem)

    assert [reason.value for reason in without] == [
        "capacity",
        "split_limit",
        "indivisible",
        "min_split_value",
        "incomplete_policy",
        "locations_eliminated",
    ]
    # Lifted from there, a limit is gone, and no other one is.
    for reason, free in without.items():
        assert list(lifted(free)) == [each for each in without if each is not reason]
    assert lifted(built(order("hat"), stock(HATS)).problem) == {}


def test_lines_have_reasons_of_their_own() -> None:
    """One shipment, from b: 3 of 5 hats; and of two ties that stay together none."""
    held = {"a": {"hat": 2, "tie": 1}, "b": {"hat": 3, "tie": 1}}
    wanted = order("hat:5", line("tie:2", indivisible=True))

    assert all_reasons(wanted, stock(held), policy(max_shipments=1)) == {
        "hat": "split_limit",
        "tie": "indivisible",
    }


def test_a_unit_that_only_moved_to_another_line_is_no_reason() -> None:
    """The value keeps the second shipment away; which line it is, is a choice."""
    held = {"a": {"hat": 1, "cap": 0}, "b": {"hat": 0, "cap": 1}}
    by = policy(max_shipments=2, min_split_value_micros=5)
    best = judged(order("hat", "cap"), stock(held), by)
    (short,) = best.short

    def moving(problem: SourcingProblem, limits: SolveLimits) -> Solution:
        if problem.max_shipments == 0:
            return Solution((Piece(short, short, 1),), "by hand")
        return try_all(problem, limits)

    reasons = lifted_reasons(best, {}, LIMITS, moving)

    assert [each.value for each in reasons.values()] == ["min_split_value"]


@pytest.mark.parametrize(
    ("terms", "asked"),
    [
        ((Term.SHIPMENTS, Term.UNASSIGNED_UNITS, Term.RANK), 2),
        ((Term.UNASSIGNED_UNITS, Term.RANK), 1),
        ((Term.SHIPMENTS, Term.RANK), 2),
    ],
)
def test_lifting_asks_only_what_decides_how_much_ships(
    terms: tuple[Term, ...], asked: int
) -> None:
    best = judged(order("hat:5"), stock(HATS), policy(*terms, max_shipments=1))
    seen = []

    def note(problem: SourcingProblem, limits: SolveLimits) -> Solution:
        seen.append(tuple(each.term for each in problem.objectives))
        return try_all(problem, limits)

    lifted_reasons(best, {}, LIMITS, note)

    assert seen == [terms[:asked]]


# --- Walks, time, and policies that would rather not --------------------------------


def test_a_walk_takes_no_second_look() -> None:
    shelf = stock(HATS)
    made = built(order("hat:5", "cap"), shelf, PRESETS["priority"])
    judged = accept(made, Solution((Piece(0, 0, 2),), "walk", {}))

    assert said(judged, plain_reasons(judged)) == {"hat": "walk", "cap": "out_of_stock"}


def test_without_proof_of_the_units_it_was_time() -> None:
    made = built(order("hat:5"), stock(HATS))
    judged = accept(made, Solution((Piece(0, 0, 2),), "greedy", {}))

    assert said(judged, plain_reasons(judged)) == {"hat": "time_limit"}


def test_proof_of_the_units_is_enough() -> None:
    """What comes after the units in the policy does not change how many ship."""
    by = policy(Term.UNASSIGNED_UNITS, Term.RANK, max_shipments=1)
    made = built(order("hat:5"), stock(HATS), by)
    unproven = Solution((Piece(1, 0, 3),), "cp-sat", {"unassigned_units": 2})
    judged = accept(made, unproven)
    assert [each.proven for each in judged.objectives] == [True, False]

    assert said(judged, plain_reasons(judged)) == {"hat": "split_limit"}


def test_lifting_stops_when_its_time_is_over() -> None:
    calls = []

    def slow(_: SourcingProblem, limits: SolveLimits) -> Solution:
        calls.append(limits.wall_seconds)
        return Solution((), "greedy", {})

    indivisible = order(line("hat:5", indivisible=True))
    best = judged(indivisible, stock(HATS), policy(max_shipments=1))
    no_time = SolveLimits(wall_seconds=1e-9)

    reasons = lifted_reasons(best, {}, no_time, slow)

    assert calls == []
    assert said(best, reasons) == {"hat": "time_limit"}
    # Nor does an answer without a proof say that no limit does it alone.
    reasons = lifted_reasons(best, {}, LIMITS, slow)
    assert len(calls) == 2
    assert calls[1] <= calls[0] <= LIMITS.wall_seconds
    assert said(best, reasons) == {"hat": "time_limit"}


def test_a_policy_that_would_rather_not_ship() -> None:
    """No unassigned_units in the list: the cheapest is to ship nothing."""
    shelf = stock(HATS, a={"shipment_cost_micros": 5}, b={"shipment_cost_micros": 5})

    assert plain(order("hat"), shelf, policy(Term.COST_MICROS)) == {
        "hat": "combined_limits"
    }


def test_units_that_are_not_first_are_not_taken_for_granted() -> None:
    """Fewest shipments first: none at all. Lifting the one limit changes nothing."""
    by = policy(Term.SHIPMENTS, Term.UNASSIGNED_UNITS, max_shipments=1)

    assert plain(order("hat"), stock(HATS), by) == {}
    assert all_reasons(order("hat"), stock(HATS), by) == {"hat": "combined_limits"}


@pytest.mark.parametrize(
    ("held", "kits"),
    [
        # One hat at a for two kits; the other lies at b, where no cap or tie is.
        (
            {"a": {"hat": 1, "cap": 1, "tie": 1}, "b": {"hat": 1}},
            (kit("one", hat=1, cap=1), kit("two", hat=1, tie=1)),
        ),
        # Four hats are enough for two pairs, but not three and one.
        (
            {"a": {"hat": 3}, "b": {"hat": 1}},
            (kit("one", hat=2), kit("two", hat=2)),
        ),
    ],
)
def test_kits_that_share_parts(held: Any, kits: tuple[Any, ...]) -> None:
    found = plain(order(*kits), stock(held))

    assert list(found.values()) == ["indivisible"]


def test_frozen_units_stay_while_limits_are_lifted() -> None:
    wanted = order("hat:5", frozen=(picked("hat", "a", 1),))
    by = policy(split_rung=NO_SPLIT, incomplete=Incomplete.DROP_LINE)

    assert all_reasons(wanted, stock(HATS), by) == {"hat": "split_limit"}


def test_reasons_of_an_order_nobody_may_ship() -> None:
    by = only(groups=frozenset(["none"]))
    made = built(order("hat:2", "cap"), stock(HATS), by)
    judged = accept(made, Solution((), "exact"))

    assert np.size(made.problem.available) == 0
    assert said(judged, plain_reasons(judged)) == {
        "hat": "locations_eliminated",
        "cap": "out_of_stock",
    }
