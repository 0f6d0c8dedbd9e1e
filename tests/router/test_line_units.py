"""Lines in units and in kits, stock in units: the one is made of the other."""

from typing import Any

import pytest

from availability.model import LocationId, Sku
from availability.reservations import Claim, Holding, Queued
from router.line_units import (
    LineUnits,
    added,
    as_units,
    claims,
    held_units,
    less,
    queue_of,
)
from tests.builders import kit, line, order
from tests.router.held import held, record

SET = kit("set:4", hat=1, shirt=3)


def at(line_id: str, location_id: str, units: int) -> LineUnits:
    return LineUnits(line_id, LocationId(location_id), units)


def claim(location_id: str, sku: str, line_id: str, units: int) -> Claim:
    return Claim(LocationId(location_id), Sku(sku), line_id=line_id, quantity=units)


def test_each_line_has_a_claim_of_its_own_in_lock_order() -> None:
    wanted = order("hat:2", line("hat:3", line_id="again"), "shirt")
    units = (at("hat", "montreal", 2), at("again", "laval", 3), at("shirt", "laval", 1))

    assert claims(wanted, units) == (
        claim("laval", "hat", "again", 3),
        claim("laval", "shirt", "shirt", 1),
        claim("montreal", "hat", "hat", 2),
    )


def test_a_kit_claims_its_parts_beside_the_lines_of_the_same_sku() -> None:
    wanted = order("hat:2", SET)

    assert claims(wanted, (at("hat", "laval", 2), at("set", "laval", 2))) == (
        claim("laval", "hat", "hat", 2),
        claim("laval", "hat", "set", 2),
        claim("laval", "shirt", "set", 6),
    )


def test_nothing_claims_nothing() -> None:
    assert claims(order("hat"), ()) == ()


def test_a_kit_is_queued_in_parts_on_the_orders_channel() -> None:
    wanted = order("hat:2", SET, channel_id="web")

    assert queue_of(wanted, {"set": 2, "hat": 0}) == (
        Queued("web", Sku("hat"), "set", 2),
        Queued("web", Sku("shirt"), "set", 6),
    )


@pytest.mark.parametrize(
    ("lines", "holdings", "opened", "shipped", "queued", "unassigned"),
    [
        pytest.param(
            ["hat:5"], [held("hat:2 at a"), held("hat:1 at b", shipped=2)],
            {("hat", "a"): 2, ("hat", "b"): 1}, {("hat", "b"): 2}, {}, {},
            id="open_and_shipped",
        ),
        pytest.param(
            ["hat:5"], [held("hat:2 at a"), held("hat:2")],
            {("hat", "a"): 2}, {}, {"hat": 2}, {"hat": 1},
            id="what_nobody_has_is_queued_or_not",
        ),
        pytest.param(
            ["hat:5"], [held("hat:0 at a", rejected=5)],
            {}, {}, {}, {"hat": 5},
            id="what_was_rejected_is_wanted_still",
        ),
        pytest.param(
            [SET], [held("hat:2 at a for set"), held("shirt:6 at a for set")],
            {("set", "a"): 2}, {}, {}, {"set": 2},
            id="a_kit_is_counted_in_kits",
        ),
        pytest.param(
            [SET], [held("hat:1 at a for set", shipped=1),
                    held("shirt:3 at a for set", shipped=3)],
            {("set", "a"): 1}, {("set", "a"): 1}, {}, {"set": 2},
            id="a_kit_leaves_in_kits",
        ),
        pytest.param(
            ["hat:1"], [held("hat:1 at a"), held("cap:0 at a", cancelled=2)],
            {("hat", "a"): 1}, {}, {}, {},
            id="a_line_that_was_cancelled_whole_is_none_of_the_orders",
        ),
    ],
)  # fmt: skip
def test_what_is_held_in_units_of_lines(
    lines: list[Any],
    holdings: list[Holding],
    opened: dict[Any, int],
    shipped: dict[Any, int],
    queued: dict[str, int],
    unassigned: dict[str, int],
) -> None:
    found = held_units(order(*lines), record(*holdings))

    assert found == (opened, shipped, queued, unassigned)


def test_what_is_open_of_a_line_is_open_wherever_it_is() -> None:
    holdings = (held("hat:2 at a", shipped=1), held("hat:1 at b"), held("hat:3"))

    found = held_units(order("hat:9"), record(*holdings))

    # 2 at a, 1 at b, 3 queued, 2 unassigned; the shipped one is not.
    assert found.open_of("hat") == 8
    assert found.placed == {("hat", "a"): 3, ("hat", "b"): 1}


def test_counts_add_up_and_leave_nothing_behind() -> None:
    at_a, at_b = ("hat", LocationId("a")), ("hat", LocationId("b"))

    assert added({at_a: 1}, {at_a: 2, at_b: 1}) == {at_a: 3, at_b: 1}
    assert less({at_a: 3, at_b: 1}, {at_a: 1, at_b: 1}) == {at_a: 2}
    assert as_units({at_b: 1, at_a: 2}) == (at("hat", "a", 2), at("hat", "b", 1))
