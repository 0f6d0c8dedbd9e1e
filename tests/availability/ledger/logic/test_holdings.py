"""What a plan holds, added up from its movements; each sum was done on paper."""

import pytest

from availability.ledger.logic.holdings import Sum, final_state, holdings_of, sums_of
from availability.model import LocationId, Sku
from availability.reservations import Cause, Holding, Movement, ReservationState
from tests.availability.ledger.world import holding

State = ReservationState


@pytest.mark.parametrize(
    ("moved", "expected"),
    [
        ([("a", Cause.HELD, 4)], [holding("a", "x", 4)]),
        ([("a", Cause.ALLOCATED, 4), ("a", Cause.PLACED, 0)], [holding("a", "x", 4)]),
        (
            [("a", Cause.ALLOCATED, 4), ("a", Cause.SHIPPED, -3)],
            [holding("a", "x", 1, shipped=3)],
        ),
        (
            [("a", Cause.ALLOCATED, 9), ("a", Cause.CANCELLED, -2),
             ("a", Cause.REJECTED, -3), ("a", Cause.EXPIRED, -1)],
            [holding("a", "x", 3, cancelled=2, rejected=3, expired=1)],
        ),
        (
            [("b", Cause.ALLOCATED, 2), ("a", Cause.ALLOCATED, 2),
             ("a", Cause.REROUTED, -2)],
            [holding("a", "x", 0, moved=2), holding("b", "x", 2)],
        ),
        (
            [("a", Cause.ALLOCATED, 2), ("a", Cause.REPAIRED, -2)],
            [holding("a", "x", 0, cancelled=2)],
        ),
        ([("a", Cause.FOUND, 0), ("a", Cause.CORRECTED, 0)], []),
    ],
)  # fmt: skip
def test_holdings_add_up(
    moved: list[tuple[str, Cause, int]], expected: list[Holding]
) -> None:
    sums = [Sum(where, "", "x", "", cause, units) for where, cause, units in moved]

    assert list(holdings_of(sums)) == expected
    # At once, or one after another.
    found: tuple[Holding, ...] = ()
    for each in sums:
        found = holdings_of([each], found)
    assert list(found) == expected


def test_holdings_are_in_order() -> None:
    """By SKU, place, line and channel: what has no place comes first."""
    places = [("b", "", "l"), ("a", "", "m"), ("a", "", "l"), ("", "web", "l")]
    sums = [
        Sum(where, channel, sku, line, Cause.ALLOCATED, 1)
        for sku in ("y", "x")
        for where, channel, line in places
    ]

    found = [(each.sku, each.location_id, each.line_id) for each in holdings_of(sums)]

    each = [("", "l"), ("a", "l"), ("a", "m"), ("b", "l")]
    assert found == [(sku, *place) for sku in "xy" for place in each]


def test_what_a_movement_adds_to_a_holding() -> None:
    shipped = Movement(
        Cause.SHIPPED, "x", "a", "p", line_id="l", on_hand=-3, zone_units=-3,
        allocated=-3,
    )  # fmt: skip
    queued = Movement(Cause.QUEUED, "x", channel_id="web", line_id="l", queued=2)

    assert list(sums_of([shipped, queued])) == [
        Sum("a", "", "x", "l", Cause.SHIPPED, -3),
        Sum("", "web", "x", "l", Cause.QUEUED, 2),
    ]


@pytest.mark.parametrize(
    ("ended", "state"),
    [
        ([], State.NONE),
        ([{"shipped": 1}], State.SHIPPED),
        ([{"cancelled": 5}, {"shipped": 1}], State.SHIPPED),
        ([{"cancelled": 1}], State.CANCELLED),
        ([{"rejected": 3}, {"cancelled": 1}], State.CANCELLED),
        ([{"expired": 3, "cancelled": 1}], State.CANCELLED),
        ([{"rejected": 3}], State.REJECTED),
        ([{"expired": 3}, {"moved": 2}], State.EXPIRED),
        ([{"expired": 3}, {"rejected": 2}], State.EXPIRED),
    ],
)
def test_final_state(ended: list[dict[str, int]], state: ReservationState) -> None:
    assert (
        final_state(
            [Holding(LocationId("a"), "", Sku("x"), "", 0, **each) for each in ended]
        )
        is state
    )
