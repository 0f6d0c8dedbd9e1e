"""What an order names must be there; every breach at once."""

import pytest

from availability.errors import MAX_VIOLATIONS
from availability.memory_stock import MemoryStock
from router.errors import InvalidOrder
from router.model import LocationFilter, Order, RoutingPolicy
from router.policies import DEFAULT, PRESETS
from router.validation.sense import validate_sense
from router.validation.shape import validate_shape
from tests.builders import PARIS, SEED, kit, lane, line, only, order, picked, policy
from tests.builders import stock as stock_of

STOCK = stock_of(SEED)


def breaches(
    bad: Order, policy: RoutingPolicy = PRESETS[DEFAULT], stock: MemoryStock = STOCK
) -> list[tuple[str, str]]:
    try:
        validate_shape(bad, policy)
        validate_sense(bad, policy, stock.network(), stock.grid())
    except InvalidOrder as error:
        return [(each.path, each.reason) for each in error.violations]
    return []


@pytest.mark.parametrize(
    ("good", "by"),
    [
        (order("hat:3", "shirt"), PRESETS[DEFAULT]),
        # A kit's own SKU is only a label.
        (order(kit("set", hat=1, shoes=2)), PRESETS[DEFAULT]),
        (order("hat", lanes=(lane("laval"),)), PRESETS[DEFAULT]),
        (order("hat:2", frozen=(picked("hat", "laval", 2),)), PRESETS[DEFAULT]),
        (order("hat", rejected=frozenset([("hat", "laval")])), PRESETS[DEFAULT]),
        (order("hat", destination=PARIS), only(max_distance_meters=5)),
        (order("hat", destination=PARIS), PRESETS["nearest"]),
        (order("hat", destination=PARIS), PRESETS["fewest-shipments"]),
        (order("hat"), only(included_location_ids=frozenset(["laval"]))),
    ],
)
def test_takes_what_makes_sense(good: Order, by: RoutingPolicy) -> None:
    assert breaches(good, by) == []


@pytest.mark.parametrize(
    ("bad", "by", "expected"),
    [
        (order("hat", "cap"), None, [("order.lines[1].sku", "UNKNOWN_SKU")]),
        (
            order("hat", kit("set", shoes=1, cap=1)),
            None,
            [("order.lines[1].components[1].sku", "UNKNOWN_SKU")],
        ),
        (
            order("hat", lanes=(lane("laval"), lane("mars"))),
            None,
            [("order.lanes[1].location_id", "UNKNOWN_LOCATION")],
        ),
        (
            order("hat", frozen=(picked("cap", "mars", 1),)),
            None,
            [
                ("order.frozen[0].line_id", "UNKNOWN_LINE"),
                ("order.frozen[0].location_id", "UNKNOWN_LOCATION"),
            ],
        ),
        (
            # 2 + 2 of 3: the second is one too many.
            order(
                "hat:3",
                frozen=(picked("hat", "laval", 2), picked("hat", "montreal", 2)),
            ),
            None,
            [("order.frozen[1].quantity", "FROZEN_EXCEEDS_ORDERED")],
        ),
        (
            order("hat", rejected=frozenset([("cap", "laval"), ("hat", "mars")])),
            None,
            [
                ("order.rejected", "UNKNOWN_LINE"),
                ("order.rejected", "UNKNOWN_LOCATION"),
            ],
        ),
        (
            order("hat"),
            only(max_distance_meters=5),
            [("order.destination", "COORDINATES_REQUIRED")],
        ),
        (
            order("hat"),
            only(
                included_location_ids=frozenset(["laval", "mars"]),
                excluded_location_ids=frozenset(["venus"]),
            ),
            [
                ("policy.filter.included_location_ids", "UNKNOWN_LOCATION"),
                ("policy.filter.excluded_location_ids", "UNKNOWN_LOCATION"),
            ],
        ),
    ],
)
def test_refuses_what_does_not(
    bad: Order, by: RoutingPolicy | None, expected: list[tuple[str, str]]
) -> None:
    assert breaches(bad, by or PRESETS[DEFAULT]) == expected


def test_lists_every_breach_of_both_subjects() -> None:
    bad = order("cap", lanes=(lane("mars"),))
    by = policy(
        filter=LocationFilter(
            max_distance_meters=1, excluded_location_ids=frozenset(["venus"])
        )
    )

    assert [reason for _, reason in breaches(bad, by)] == [
        "UNKNOWN_SKU",
        "UNKNOWN_LOCATION",
        "COORDINATES_REQUIRED",
        "UNKNOWN_LOCATION",
    ]


def test_judges_sense_only_when_the_shape_is_right() -> None:
    bad = order("cap", "hat:0")

    assert breaches(bad, policy(max_shipments=-1)) == [
        ("order.lines[1].quantity", "OUT_OF_RANGE"),
        ("policy.max_shipments", "OUT_OF_RANGE"),
    ]


def test_lists_no_more_than_anyone_reads() -> None:
    bad = order(*[line("hat:0", line_id=f"{n}") for n in range(150)])

    assert len(breaches(bad)) == MAX_VIOLATIONS == 100


def test_messages_name_what_is_unknown() -> None:
    with pytest.raises(InvalidOrder, match=r"order\.lines\[0\]\.sku: no SKU 'cap'"):
        validate_sense(order("cap"), policy(), STOCK.network(), STOCK.grid())
