"""The runner-up and the missing stock; engines are replaced by trying every plan."""

from typing import Any

import pytest

from router.errors import SolverError
from router.model import Objective, Order, RoutingPolicy, Term
from router.optimize.limits import SolveLimits
from router.optimize.problem import Piece, Solution
from router.planning.assemble import accept
from router.planning.counterfactuals import (
    LOCATION_ORDER,
    counterfactuals,
    next_best,
    one_shipment,
)
from router.policies import DEFAULT, PRESETS
from tests.builders import (
    SEED,
    built,
    judged,
    kit,
    line,
    only,
    order,
    picked,
    policy,
    stock,
    try_all_excluding,
)

LIMITS = SolveLimits()


# --- The next best plan ---------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "by", "locations", "lost_at", "value", "plan_value"),
    [
        pytest.param(
            # Montréal has it all; Laval too, as third in rank.
            order("shirt", "hat:2", "shoes:3"), policy(),
            {"laval"}, "rank", 3, 1, id="third_instead_of_first",
        ),
        pytest.param(
            # Laval alone; without it a shirt line is split over nobody: 5 stay.
            order("shirt:11"), policy(),
            {"montreal", "laval"}, "split_lines", 1, 0, id="a_split_line",
        ),
        pytest.param(
            order("hat:4"), policy(Term.UNASSIGNED_UNITS, Term.PRIMARY, Term.MAX_RANK),
            {"laval"}, "max_rank", 3, 2, id="the_second_of_two",
        ),
        pytest.param(
            # Best: 10 at Sherbrooke, 2 at Montréal. Else Laval in its place, and the
            # sum of the ranks is 4 instead of 3.
            order("hat:12"), policy(), {"montreal", "laval"}, "rank", 4, 3,
            id="another_pair",
        ),
    ],
)  # fmt: skip
def test_next_best_says_where_it_lost(
    wanted: Order,
    by: RoutingPolicy,
    locations: set[str],
    lost_at: str,
    value: int,
    plan_value: int,
) -> None:
    best = judged(wanted, stock(SEED), by)

    other = next_best(best, LIMITS, try_all_excluding)

    assert other is not None
    assert {each.location_id for each in other.assignments} == locations
    assert (other.lost_at, other.value, other.plan_value) == (
        lost_at,
        value,
        plan_value,
    )
    assert other.proven


def test_a_plan_worth_as_much_lost_by_the_order_of_locations() -> None:
    by = policy(Term.UNASSIGNED_UNITS, Term.SHIPMENTS)
    best = judged(order("hat:10"), stock(SEED), by)

    other = next_best(best, LIMITS, try_all_excluding)

    assert other is not None
    assert other.objectives == best.objectives
    assert (other.lost_at, other.value, other.plan_value) == (LOCATION_ORDER, 0, 0)


def test_primary_of_fewer_locations_goes_on_with_zeros() -> None:
    """One location against two: primary.1 equal, the second has nothing to show."""
    held = {"a": {"hat": 1, "cap": 1}, "b": {"hat": 1}}
    by = policy(Term.PRIMARY)
    best = accept(
        built(order("hat:2", "cap"), stock(held), by),
        Solution((Piece(0, 0, 1), Piece(0, 1, 1), Piece(1, 0, 1)), "by hand"),
    )
    alone = Solution((Piece(0, 0, 1), Piece(0, 1, 1)), "by hand")

    other = next_best(best, LIMITS, lambda *_: alone)

    # With b, the hats are whole nowhere: one line whole at a instead of two. So
    # shipping less is better here, and the plan's own second location comes after.
    assert other is not None
    assert (other.lost_at, other.value, other.plan_value) == ("primary.2.units", 0, 1)


def test_a_tolerance_lets_the_runner_up_be_better_before_it_loses() -> None:
    """One shipment for 105 beats two for 100: five per cent may be spent on it."""
    cheap: dict[str, Any] = {"shipment_cost_micros": 50}
    dear: dict[str, Any] = {"shipment_cost_micros": 105}
    held = {
        "a": {"hat": 1, "cap": 0},
        "b": {"hat": 0, "cap": 1},
        "c": {"hat": 1, "cap": 1},
    }
    objectives = (
        Objective(Term.UNASSIGNED_UNITS),
        Objective(Term.COST_MICROS, tolerance_permille=50),
        Objective(Term.SHIPMENTS),
    )
    by = policy(objectives=objectives)
    best = judged(order("hat", "cap"), stock(held, a=cheap, b=cheap, c=dear), by)

    other = next_best(best, LIMITS, try_all_excluding)

    assert [each.value for each in best.objectives] == [0, 105, 1]
    assert other is not None
    assert [each.value for each in other.objectives] == [0, 100, 2]
    assert (other.lost_at, other.value, other.plan_value) == ("shipments", 2, 1)


def test_a_runner_up_that_is_nowhere_worse_shows_where_it_differs() -> None:
    """It can be so when time ran out before the winner was proven."""
    made = built(order("hat"), stock(SEED))
    late = accept(made, Solution((Piece(2, 0, 1),), "greedy", {}))

    other = next_best(late, LIMITS, try_all_excluding)

    assert other is not None
    assert (other.lost_at, other.value, other.plan_value) == ("rank", 1, 3)


def test_locations_that_the_winner_lacks_count_as_zero() -> None:
    held = {"a": {"hat": 1}, "b": {"cap": 1}}
    made = built(order("hat", "cap"), stock(held), policy(Term.PRIMARY))
    late = accept(made, Solution((Piece(0, 0, 1),), "greedy", {}))

    other = next_best(late, LIMITS, try_all_excluding)

    assert other is not None
    assert (other.lost_at, other.value, other.plan_value) == ("primary.2.lines", 1, 0)


def test_there_may_be_no_other_plan() -> None:
    best = judged(order("hat"), stock(SEED))

    assert next_best(best, LIMITS, lambda *_: None) is None


def test_nobody_eligible_is_not_asked_about() -> None:
    made = built(order("hat"), stock(SEED), only(groups=frozenset(["none"])))
    nothing = accept(made, Solution((), "exact"))

    assert next_best(nothing, LIMITS, _never) is None


def _never(*_: object) -> Solution | None:
    raise AssertionError


def test_an_unproven_runner_up_says_so() -> None:
    best = judged(order("hat"), stock(SEED))
    found = Solution((Piece(2, 0, 1),), "cp-sat", {"rank": 2})

    other = next_best(best, LIMITS, lambda *_: found)

    assert other is not None
    assert not other.proven


@pytest.mark.parametrize(
    "wrong",
    [
        Solution((Piece(0, 0, 9),), "cp-sat"),  # Montréal has three
        Solution((Piece(0, 0, 1),), "cp-sat"),  # the winner itself
    ],
)
def test_trusts_no_engine(wrong: Solution) -> None:
    best = judged(order("hat"), stock(SEED))

    with pytest.raises(SolverError):
        next_best(best, LIMITS, lambda *_: wrong)


# --- Stock for one shipment -----------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "fields", "expected"),
    [
        pytest.param(
            # Montréal lacks 9 hats, Sherbrooke a shirt and 2 hats, Laval 2 hats.
            order("shirt", "hat:12", "shoes:2"), {},
            ("laval", {"hat": 2}), id="two_hats",
        ),
        pytest.param(
            # Sherbrooke lacks 2, Laval as many: the first in rank.
            order("hat:12"), {}, ("sherbrooke", {"hat": 2}), id="as_few_at_two",
        ),
        pytest.param(
            order("shirt:16", "hat:11"), {},
            ("laval", {"shirt": 1, "hat": 1}), id="of_two_skus",
        ),
        pytest.param(
            order("hat:6", line("hat:6", line_id="more")), {},
            ("sherbrooke", {"hat": 2}), id="lines_of_one_sku_together",
        ),
        pytest.param(
            # 6 kits are 12 hats and 6 shoes.
            order(kit("set:6", hat=2, shoes=1)), {},
            ("sherbrooke", {"hat": 2}), id="a_kit_counts_its_parts",
        ),
        pytest.param(
            order("hat:12", rejected=frozenset([("hat", "sherbrooke")])), {},
            ("laval", {"hat": 2}), id="refused_is_out_of_the_question",
        ),
        pytest.param(
            order("shoes", "hat:12", rejected=frozenset([("shoes", "sherbrooke")])),
            {}, ("laval", {"hat": 2}), id="refused_in_part_too",
        ),
        pytest.param(
            order("hat:12"), {"sherbrooke": {"capacity_units": 11}},
            ("laval", {"hat": 2}), id="no_capacity_for_twelve",
        ),
        pytest.param(
            order("hat:12", frozen=(picked("hat", "montreal", 1),)), {},
            ("montreal", {"hat": 9}), id="what_was_picked_stays",
        ),
        pytest.param(
            order("hat:12", frozen=(picked("hat", "montreal", 1),
                                    picked("hat", "laval", 1))), {},
            None, id="picked_at_two",
        ),
        pytest.param(
            order("hat:12", rejected=frozenset(("hat", name) for name in SEED)), {},
            None, id="all_refused",
        ),
        pytest.param(order("hat:10"), {}, None, id="one_suffices_already"),
    ],
)  # fmt: skip
def test_least_stock_for_one_shipment(
    wanted: Order,
    fields: dict[str, dict[str, Any]],
    expected: tuple[str, dict[str, int]] | None,
) -> None:
    best = judged(wanted, stock(SEED, **fields))

    change = one_shipment(best)

    found = None if change is None else (change.location_id, dict(change.missing))
    assert found == expected
    if change is not None and expected is not None:
        assert change.total_units == sum(expected[1].values())


def test_the_floor_counts_as_missing() -> None:
    best = judged(order("hat:9"), stock(SEED), policy(routing_floor_units=3))

    change = one_shipment(best)

    assert change is not None
    # Seven above the floor at Sherbrooke.
    assert (change.location_id, change.missing) == ("sherbrooke", {"hat": 2})


def test_one_shipment_from_two_rooms_is_one_already() -> None:
    rooms = {name: {"origin_id": "site"} for name in ("sherbrooke", "laval")}

    assert one_shipment(judged(order("hat:12"), stock(SEED, **rooms))) is None


def test_one_location_that_could_is_enough_even_if_the_policy_chose_others() -> None:
    """Two shipments are cheaper; no stock is missing for one."""
    dear = {"laval": {"shipment_cost_micros": 9}}
    wanted = order("shirt", "hat:10")
    best = judged(wanted, stock(SEED, **dear), PRESETS["cheapest"])

    assert len({each.location for each in best.solution.pieces}) == 2
    assert one_shipment(best) is None


def test_a_removed_location_with_picked_units_gets_no_stock() -> None:
    rule = only(excluded_location_ids=frozenset(["laval"]))
    wanted = order("hat:12", frozen=(picked("hat", "laval", 1),))

    assert one_shipment(judged(wanted, stock(SEED), rule)) is None


def test_both_together() -> None:
    best = judged(order("hat:12"), stock(SEED), PRESETS[DEFAULT])

    both = counterfactuals(best, LIMITS, try_all_excluding)

    assert both.next_best is not None
    assert both.one_shipment is not None
