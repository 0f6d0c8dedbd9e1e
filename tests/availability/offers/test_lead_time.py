"""When what is there can leave: what a supplier or a workshop announces."""

import pytest

from availability.model import Location, LocationId, LocationKind
from availability.offers.offer import Status
from availability.setup.channels import Allocation, FutureSupply, SupplyRule
from availability.setup.settings import Preorder, Settings
from tests.availability.offers.worlds import (
    NOTHING,
    NOW_SECONDS,
    SHIRT,
    allocation,
    one,
)

SUPPLIER, WAREHOUSE = LocationKind.SUPPLIER, LocationKind.WAREHOUSE
DC = Location(LocationId("dc"))
ACME = Location(LocationId("acme"), kind=SUPPLIER, lead_time_minutes=2_880)
QUICK = Location(LocationId("quick"), kind=SUPPLIER, lead_time_minutes=60)
ALL = [DC, ACME, QUICK]
TWO_DAYS = NOW_SECONDS + 2 * 86_400
IN_AN_HOUR = NOW_SECONDS + 3_600


def test_what_a_supplier_announces_can_leave_after_its_lead_time() -> None:
    offer = one({"acme": 5}, NOTHING, locations=ALL)

    assert (offer.quantity_units, offer.status) == (5, Status.AVAILABLE)
    assert offer.available_from_seconds == TWO_DAYS


@pytest.mark.parametrize(
    ("stock", "expected"),
    [
        ({"acme": 5, "quick": 1}, IN_AN_HOUR),
        ({"acme": 5, "quick": 0}, TWO_DAYS),
        # What the warehouse has leaves at once.
        ({"acme": 5, "dc": 1}, None),
        ({"acme": 5, "quick": 1, "dc": 1}, None),
        ({"acme": 5, "dc": 0}, TWO_DAYS),
        ({"dc": 5}, None),
    ],
)
def test_the_first_that_can_leave_counts(
    stock: dict[str, int], expected: int | None
) -> None:
    assert one(stock, NOTHING, locations=ALL).available_from_seconds == expected


@pytest.mark.parametrize(
    "rules",
    [
        [SupplyRule(kinds=frozenset({SUPPLIER}))],
        [
            SupplyRule(1, frozenset({WAREHOUSE}), share_permille=100),
            SupplyRule(2, frozenset({SUPPLIER})),
        ],
        [
            SupplyRule(1, frozenset({WAREHOUSE}), min_units=5),
            SupplyRule(2, frozenset({SUPPLIER})),
        ],
        [
            SupplyRule(1, frozenset({WAREHOUSE}), threshold_units=5),
            SupplyRule(2, frozenset({SUPPLIER})),
        ],
        [
            SupplyRule(1, frozenset({WAREHOUSE}), min_locations=2),
            SupplyRule(2, frozenset({SUPPLIER})),
        ],
    ],
)
def test_units_that_the_rules_keep_back_do_not_leave(rules: list[SupplyRule]) -> None:
    stock = {"acme": 9, "dc": 4}

    offer = one(stock, NOTHING, rules=rules, locations=ALL)

    assert (offer.quantity_units, offer.available_from_seconds) == (9, TWO_DAYS)
    # The other channel has no rules: the warehouse's units are its own as well.
    other = one(stock, NOTHING, rules=rules, locations=ALL, channel_id="b2b")
    assert other.available_from_seconds is None


def test_a_warehouse_that_is_not_trusted_ships_nothing() -> None:
    stock = {"acme": 9, "dc": 4}

    offer = one(stock, NOTHING, locations=ALL, stale_ids=["dc"])

    assert (offer.quantity_units, offer.available_from_seconds) == (9, TWO_DAYS)


def test_a_workshop_is_promised_what_it_can_make_whatever_it_takes_a_day() -> None:
    """How much it is given a day is for routing to say: an offer is of its units."""
    workshop = Location(
        LocationId("workshop"),
        kind=LocationKind.MANUFACTURING,
        capacity_orders=1,
        capacity_units=4,
        stale_after_seconds=86_400,
        lead_time_minutes=60,
    )

    offer = one({"workshop": 30}, NOTHING, locations=[workshop])

    assert (offer.quantity_units, offer.single_location_units) == (30, 30)
    assert offer.available_from_seconds == IN_AN_HOUR


FOLLOWS = allocation("a", 3, "web", follow=True)
PRESALE = Settings(preorders=(Preorder(5, NOW_SECONDS + 9),))


@pytest.mark.parametrize(
    ("settings", "own", "expected"),
    [
        (NOTHING, [allocation("a", 3, "web")], TWO_DAYS),
        (NOTHING, [FOLLOWS], None),
        (NOTHING, [allocation("a", 0, "web")], None),
        (Settings(fixed_units=7), [], None),
        (Settings(managed=False), [], None),
        (PRESALE, [], NOW_SECONDS + 9),
    ],
)
def test_what_does_not_come_from_these_units_does_not_wait_for_them(
    settings: Settings, own: list[Allocation], expected: int | None
) -> None:
    offer = one({"acme": 5}, settings, *own, locations=ALL)

    assert offer.available_from_seconds == expected


def test_what_is_not_known_has_no_date() -> None:
    offer = one({"acme": 5}, Settings(floor_units=2), locations=ALL, stale_ids=["acme"])

    assert (offer.quantity_units, offer.available_from_seconds) == (2, None)


@pytest.mark.parametrize(
    ("queued", "expected"), [(4, TWO_DAYS), (5, NOW_SECONDS + 20), (9, None)]
)
def test_when_all_is_sold_the_receipt_counts_by_itself(
    queued: int, expected: int | None
) -> None:
    """A receipt has a date of its own, whatever its location needs."""
    offer = one(
        {"acme": 5},
        NOTHING,
        locations=ALL,
        queued_units={"web": queued},
        supplies=[FutureSupply(LocationId("acme"), SHIRT, 4, NOW_SECONDS + 20)],
    )

    assert offer.available_from_seconds == expected


def test_a_lead_time_is_counted_from_the_instant_that_is_asked() -> None:
    offer = one({"quick": 1}, NOTHING, locations=ALL, now_seconds=5)

    assert offer.available_from_seconds == 5 + 3_600


def test_only_a_location_that_feeds_the_channel_counts() -> None:
    tied = Location(LocationId("dc"), channel_ids=frozenset({"b2b"}))
    stock = {"dc": 9, "acme": 5}

    dates = [
        one(stock, locations=[tied, ACME], channel_id=each).available_from_seconds
        for each in ("web", "b2b")
    ]

    assert dates == [TWO_DAYS, None]
