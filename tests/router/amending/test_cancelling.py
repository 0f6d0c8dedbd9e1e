"""What is given up of an order, worked out by hand."""

from typing import Any

import pytest

from availability.errors import UnitsNotOpen
from availability.model import LocationId, Sku
from availability.reservations import Holding, Queued
from router.amending.cancelling import GivenUp, give_up
from router.model import Frozen, Order, RoutingPlan
from tests.builders import kit, order, picked
from tests.router.held import held, planned, record

PLAN = planned("hat:2 at main", "hat:3 at side", "hat:4 at last")
"""Nine hats in three shipments, the busiest first."""
HOLDINGS = (held("hat:2 at main"), held("hat:3 at side"), held("hat:4 at last"))


def given(
    wanted: Order, holdings: tuple[Holding, ...], made: RoutingPlan, **lines: int
) -> GivenUp:
    return give_up(wanted, record(*holdings), made, lines)


def taken(found: GivenUp) -> dict[str, int]:
    """Return the units given up, by location, "" for the queue."""
    units: dict[str, int] = {}
    for claim in found.units:
        units[claim.location_id] = units.get(claim.location_id, 0) + claim.quantity
    for each in found.queued:
        units[""] = units.get("", 0) + each.quantity
    return units


@pytest.mark.parametrize(
    ("ordered", "queued", "cancelled", "expected"),
    [
        pytest.param(9, 0, 1, {"last": 1}, id="the_last_shipment_first"),
        pytest.param(9, 0, 6, {"last": 4, "side": 2}, id="then_the_one_before"),
        pytest.param(9, 0, 9, {"last": 4, "side": 3, "main": 2}, id="then_all"),
        pytest.param(11, 0, 2, {}, id="what_nobody_ships_costs_nobody_anything"),
        pytest.param(11, 0, 3, {"last": 1}, id="unassigned_before_assigned"),
        pytest.param(11, 2, 1, {"": 1}, id="the_queue_before_all_locations"),
        pytest.param(12, 2, 4, {"": 2, "last": 1}, id="queue_unassigned_assigned"),
    ],
)
def test_the_least_important_units_go_first(
    ordered: int, queued: int, cancelled: int, expected: dict[str, int]
) -> None:
    holdings: tuple[Holding, ...] = HOLDINGS
    if queued:
        holdings += (held(f"hat:{queued}"),)
    wanted = order(f"hat:{ordered}", channel_id="web")

    found = given(wanted, holdings, PLAN, hat=cancelled)

    assert taken(found) == expected
    left = [line.quantity for line in found.order.lines]
    assert left == ([ordered - cancelled] if cancelled < ordered else [])


def test_what_left_is_not_given_up() -> None:
    holdings = (held("hat:2 at main"), held("hat:1 at last", shipped=3))
    made = planned("hat:2 at main", "hat:4 at last")

    assert taken(given(order("hat:6"), holdings, made, hat=2)) == {"last": 1, "main": 1}


def test_a_kit_is_given_up_with_all_its_parts() -> None:
    holdings = (held("hat:2 at a for set"), held("shirt:6 at a for set"))
    wanted = order(kit("set:2", hat=1, shirt=3))

    found = given(wanted, holdings, planned("set:2 at a"), set=1)

    assert [(each.sku, each.quantity) for each in found.units] == [
        ("hat", 1),
        ("shirt", 3),
    ]


def test_a_queued_kit_leaves_the_queue_in_parts() -> None:
    holdings = (held("hat:2 for set"), held("shirt:6 for set"))
    wanted = order(kit("set:2", hat=1, shirt=3), channel_id="web")

    found = given(wanted, holdings, planned(), set=1)

    assert found.units == ()
    assert found.queued == (
        Queued("web", Sku("hat"), "set", 1),
        Queued("web", Sku("shirt"), "set", 3),
    )


def test_more_than_is_open_is_refused_line_by_line() -> None:
    holdings = (held("hat:1 at a", shipped=2), held("cap:1 at a"), held("tie:1 at a"))
    wanted = order("hat:3", "cap", "tie")

    with pytest.raises(UnitsNotOpen) as caught:
        given(wanted, holdings, planned(), hat=2, cap=1, tie=5, old=1)

    assert caught.value.breaches == (
        ("", "hat", "hat", 2, 1),
        ("", "tie", "tie", 5, 1),
        ("", "", "old", 1, 0),
    )


@pytest.mark.parametrize(
    ("cancelled", "lines", "frozen", "rejected"),
    [
        # Two were picked at a: three of five given up leave two there.
        ({"hat": 3}, ["hat", "cap"], {"hat": 2}, {"hat", "cap"}),
        ({"hat": 4}, ["hat", "cap"], {"hat": 1}, {"hat", "cap"}),
        # A line that is not wanted any more is in no list.
        ({"hat": 5}, ["cap"], {}, {"cap"}),
        ({"cap": 1}, ["hat"], {"hat": 2}, {"hat"}),
    ],
)
def test_the_order_that_is_left_makes_sense(
    cancelled: dict[str, int],
    lines: list[str],
    frozen: dict[str, int],
    rejected: set[str],
) -> None:
    wanted = order(
        "hat:5",
        "cap",
        frozen=(picked("hat", "a", 2),),
        rejected=frozenset([("hat", "z"), ("cap", "z")]),
    )
    holdings = (held("hat:5 at a"), held("cap:1 at a"))

    left = give_up(wanted, record(*holdings), planned("hat:5 at a"), cancelled).order

    assert [line.line_id for line in left.lines] == lines
    assert left.frozen == tuple(
        Frozen(line_id, LocationId("a"), units) for line_id, units in frozen.items()
    )
    assert {line_id for line_id, _ in left.rejected} == rejected


def test_the_same_question_has_the_same_answer() -> None:
    # Of locations that the plan does not know the first by name.
    holdings: Any = (held("hat:1 at b"), held("hat:1 at a"))

    assert taken(given(order("hat:2"), holdings, planned(), hat=1)) == {"a": 1}
