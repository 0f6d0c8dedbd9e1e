"""Altazion (seed 000): thresholds, rules, pre-orders; sections A3, A4, A6, A7."""

import pytest

from availability.model import LocationId, LocationKind, StockRecord
from availability.offers.offer import Rule, Status
from availability.setup.channels import Channel, SupplyRule, owners
from availability.setup.checks import check_book
from availability.setup.settings import CustomerLimit, Preorder, Settings, SettingsBook
from tests.availability.offers.worlds import (
    NOW_SECONDS,
    SHIRT,
    allocation,
    effects,
    ids,
    one,
    place,
)

STORE, SUPPLIER = LocationKind.STORE, LocationKind.SUPPLIER


@pytest.mark.parametrize(
    ("stock", "status", "quantity_units", "published"),
    [
        # Unavailable below 5, unpublished below 2.
        (6, Status.AVAILABLE, 6, True),
        (5, Status.AVAILABLE, 5, True),
        (4, Status.UNAVAILABLE, 0, True),
        (3, Status.UNAVAILABLE, 0, True),
        (2, Status.UNAVAILABLE, 0, True),
        (1, Status.UNAVAILABLE, 0, False),
        (0, Status.UNAVAILABLE, 0, False),
    ],
)
def test_a4_thresholds_are_strict(
    stock: int, status: Status, quantity_units: int, published: bool
) -> None:
    settings = Settings(availability_threshold_units=5, publication_threshold_units=2)

    offer = one(stock, settings)

    assert (offer.status, offer.quantity_units) == (status, quantity_units)
    assert offer.published is published


@pytest.mark.parametrize(("unpublish", "breaches"), [(4, 0), (5, 0), (6, 1)])
def test_a4_hidden_while_on_sale_is_refused(unpublish: int, breaches: int) -> None:
    """Altazion allows on sale from 5 and hidden below 6; hidden below 5 is fine."""
    settings = Settings(
        availability_threshold_units=5, publication_threshold_units=unpublish
    )

    found = check_book(SettingsBook(settings), [Channel("web")])

    assert len(found) == breaches


@pytest.mark.parametrize(
    ("big", "city", "quantity_units"),
    [(5, 1, 6), (4, 1, 1), (5, 0, 5), (6, 1, 7), (4, 0, 0)],
)
def test_a4_zones_of_stores_have_thresholds_of_their_own(
    big: int, city: int, quantity_units: int
) -> None:
    """Its example for toys: 5 in big stores, 1 in town. Here a rule's bound says it."""
    locations = [place("big", STORE, ["big"]), place("city", STORE, ["city"])]
    rules = [
        SupplyRule(rank=1, groups=frozenset({"big"}), min_units=5),
        SupplyRule(rank=2, groups=frozenset({"city"}), min_units=1),
    ]

    offer = one({"big": big, "city": city}, rules=rules, locations=locations)

    assert offer.quantity_units == quantity_units


def test_a4_without_thresholds_nothing_is_hidden() -> None:
    assert one(0).published


@pytest.mark.parametrize(("units", "rule"), [(3, None), (4, None), (5, Rule.MAX)])
def test_a4_max_orderable_per_order(units: int, rule: Rule | None) -> None:
    offer = one(9, Settings(max_units=4))

    refusal = offer.refusal(units)
    assert (refusal and refusal.rule, offer.max_orderable_units) == (rule, 4)


@pytest.mark.parametrize(
    ("bought_units", "units", "passes"),
    [(0, 6, True), (0, 7, False), (4, 2, True), (4, 3, False), (6, 1, False)],
)
def test_a4_max_orderable_per_customer(
    bought_units: int, units: int, passes: bool
) -> None:
    offer = one(9, Settings(customer_limit=CustomerLimit(6, 86_400)))

    assert (offer.refusal(units, bought_units) is None) is passes
    assert offer.max_orderable_units == 6


@pytest.mark.parametrize(
    ("presold_units", "now_seconds", "status", "quantity_units"),
    [
        # A cap of 10 until 2000; 3 are in stock already.
        (0, 1999, Status.PREORDER, 10),
        (9, 1999, Status.PREORDER, 1),
        (10, 1999, Status.UNAVAILABLE, 0),
        (11, 1999, Status.UNAVAILABLE, 0),
        (0, 2000, Status.AVAILABLE, 3),
        (10, 2000, Status.AVAILABLE, 3),
        (0, 1499, Status.AVAILABLE, 3),
        (0, 1500, Status.PREORDER, 10),
    ],
)
def test_a4_preorder(
    presold_units: int, now_seconds: int, status: Status, quantity_units: int
) -> None:
    """The cap is inclusive; at the release itself the normal rules apply."""
    preorder = Preorder(10, 2000, 1500, presold_units)

    offer = one(3, Settings(preorders=(preorder,)), now_seconds=now_seconds)

    assert (offer.status, offer.quantity_units) == (status, quantity_units)
    waits = 1500 <= now_seconds < 2000
    assert offer.available_from_seconds == (2000 if waits else None)
    assert offer.published
    assert offer.backordered(10) == (0 if waits else 7)


def test_a4_thresholds_apply_after_the_release() -> None:
    settings = Settings(
        preorders=(Preorder(3, 2000),),
        availability_threshold_units=5,
        publication_threshold_units=5,
    )

    before = one(4, settings, now_seconds=1999)
    after = one(4, settings, now_seconds=2000)

    assert (before.quantity_units, before.published) == (3, True)
    assert (after.quantity_units, after.published) == (0, False)


def test_preorder_needs_no_record() -> None:
    """The stock has not come yet: it is not unknown, it is not asked."""
    settings = Settings(preorders=(Preorder(3, 2000),))

    offer = one([], settings, locations=[place("dc")])

    assert (offer.quantity_units, offer.published) == (3, True)


def test_arriving_stock_serves_the_queue_first() -> None:
    """10 were pre-sold, 12 have come: 2 are left to sell."""
    settings = Settings(preorders=(Preorder(10, 2000, 0, 10),))

    offer = one(12, settings, queued_units={"web": 10}, now_seconds=2000)

    assert offer.quantity_units == 2


@pytest.mark.parametrize(("own_units", "quantity_units"), [(4, 4), (10, 10), (11, 10)])
def test_preorder_within_an_allocation(own_units: int, quantity_units: int) -> None:
    settings = Settings(preorders=(Preorder(10, 2000),))

    offer = one(0, settings, allocation("a", own_units, "web", follow=True))

    assert offer.quantity_units == quantity_units


# --- A6: supply rules -------------------------------------------------------------

CITY = SupplyRule(rank=1, kinds=frozenset({STORE}), groups=frozenset({"centre-ville"}))
FRANCHISE = SupplyRule(
    rank=2,
    kinds=frozenset({STORE}),
    groups=frozenset({"franchise"}),
    share_permille=500,
)
INTEGRATED = SupplyRule(rank=3, groups=frozenset({"integrated"}))
CATCH_ALL = SupplyRule(rank=4, share_permille=0)


@pytest.mark.parametrize(
    ("kind", "groups", "owner"),
    [
        (STORE, ("centre-ville", "franchise"), 0),
        (STORE, ("franchise",), 1),
        (SUPPLIER, ("franchise",), None),
        (STORE, ("integrated",), 2),
        (STORE, ("other",), None),
    ],
)
def test_a6_the_first_rule_that_matches_owns_the_location(
    kind: LocationKind, groups: tuple[str, ...], owner: int | None
) -> None:
    """In the order of rank; the last rule catches the rest, and discards it."""
    channel = Channel("web", (CATCH_ALL, INTEGRATED, FRANCHISE, CITY))

    found = owners(channel, [place("s", kind, groups)])

    assert found.get(LocationId("s")) == owner


def test_a6_a_location_is_counted_by_one_rule_only() -> None:
    locations = [place("s", STORE, ["centre-ville", "franchise"])]

    offer = one({"s": 10}, rules=[CITY, FRANCHISE], locations=locations)

    assert offer.quantity_units == 10


def test_a6_include_and_exclude() -> None:
    stock = {"a": 1, "b": 10, "c": 100}

    included = one(stock, rules=[SupplyRule(include_ids=ids("a", "b"))])
    excluded = one(stock, rules=[SupplyRule(exclude_ids=ids("a"))])
    both = one(
        stock, rules=[SupplyRule(include_ids=ids("a", "b"), exclude_ids=ids("a"))]
    )

    assert included.quantity_units == 11
    assert excluded.quantity_units == 110
    assert both.quantity_units == 10


@pytest.mark.parametrize(
    ("stock", "quantity_units"),
    [(2, 0), (3, 3), (4, 4), (9, 9), (10, 10), (11, 0)],
)
def test_a6_bounds_exclude(stock: int, quantity_units: int) -> None:
    """ "Ignore stocks < 3" is strict, and the maximum is no cap."""
    rule = SupplyRule(min_units=3, max_units=10)

    assert one(stock, rules=[rule]).quantity_units == quantity_units


@pytest.mark.parametrize(
    ("threshold_units", "quantity_units"), [(5, 6), (6, 6), (7, 0)]
)
def test_a6_the_sum_reaches_the_threshold(
    threshold_units: int, quantity_units: int
) -> None:
    """The text says reaches, both flow charts exceeds: the text counts."""
    rule = SupplyRule(threshold_units=threshold_units)

    assert one({"a": 4, "b": 2}, rules=[rule]).quantity_units == quantity_units


@pytest.mark.parametrize(
    ("share_permille", "quantity_units"), [(499, 2), (500, 3), (501, 3), (667, 4)]
)
def test_a6_a_share_is_rounded_down(share_permille: int, quantity_units: int) -> None:
    """How Altazion rounds is not said: no location promises a part of a unit."""
    rule = SupplyRule(share_permille=share_permille)

    assert one({"a": 6}, rules=[rule]).quantity_units == quantity_units


@pytest.mark.parametrize(("min_locations", "quantity_units"), [(1, 6), (2, 6), (3, 0)])
def test_a6_minimum_of_origins(min_locations: int, quantity_units: int) -> None:
    rule = SupplyRule(min_locations=min_locations)

    offer = one({"a": 4, "b": 2, "c": 0}, rules=[rule])

    assert offer.quantity_units == quantity_units


def test_a6_the_order_of_the_flow_chart() -> None:
    """Bounds, share, threshold, locations: in any other order it is another number.

    30, 7, 3, 2 on hand. Bounds 3..20: 7, 3. Half, rounded down at each: 3, 1. The
    sum 4 reaches 4, at 2 locations.
    """
    stock = {"a": 30, "b": 7, "c": 3, "d": 2}
    rule = SupplyRule(
        min_units=3,
        max_units=20,
        share_permille=500,
        threshold_units=4,
        min_locations=2,
    )

    offer = one(stock, rules=[rule])

    assert effects(offer) == {"stock": 42, "rule_bounds": -32, "rule_share": -6}
    assert offer.quantity_units == 4
    assert offer.single_location_units == 3


def test_a6_each_rule_judges_its_own_stocks() -> None:
    stores = SupplyRule(rank=1, kinds=frozenset({STORE}), threshold_units=5)
    locations = [place("s1", STORE), place("s2", STORE), place("dc")]

    offer = one({"s1": 2, "s2": 2, "dc": 9}, rules=[stores, SupplyRule()],
                locations=locations)  # fmt: skip

    assert effects(offer) == {"stock": 13, "rule_threshold": -4}


def test_a6_a_share_of_0_is_not_run() -> None:
    """Its stocks are no part of the pool: with nothing else, nothing is known."""
    offer = one(9, rules=[SupplyRule(share_permille=0)])

    assert (offer.quantity_units, offer.known, offer.published) == (0, False, False)


def test_a3_withdrawn_units_are_not_sold() -> None:
    records = [StockRecord(LocationId("s"), SHIRT, 10, withdrawn=4)]

    assert one(records).quantity_units == 6


def test_a7_sum_and_best_single_location() -> None:
    """Altazion's `maxOrderable` is one of MINIMUM (its default: 2), MAXIMUM and a
    third that nobody defines: here both the sum and the most of one location are
    told, and the most per order is another number (A4).
    """
    offer = one({"a": 4, "b": 9, "c": 2})
    assert offer.max_orderable_units == 15
    assert one({"a": 4, "b": 9}, Settings(max_units=3)).single_location_units == 9

    assert (offer.quantity_units, offer.single_location_units) == (15, 9)
    assert one({"a": 4, "b": 9}, Settings(buffer_units=8)).single_location_units == 5


def test_nothing_is_left_between_two_windows() -> None:
    windows = (
        Preorder(5, NOW_SECONDS - 1),
        Preorder(7, NOW_SECONDS + 9, NOW_SECONDS + 1),
    )

    assert one(3, Settings(preorders=windows)).quantity_units == 3
