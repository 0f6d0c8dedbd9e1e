"""Kits as offers: what their components allow, then what is said of the kit."""

from collections.abc import Mapping

import pytest

from availability.model import Location, LocationId, Network, Sku, StockRecord
from availability.offers.explain import explain_located
from availability.offers.explain_kit import Part, explain_kit
from availability.offers.market import Market, SkuStock
from availability.offers.offer import Offer, Refusal, Rule, Status
from availability.setup.channels import Channel
from availability.setup.kits import Component
from availability.setup.settings import (
    Backorders,
    Level,
    Preorder,
    Settings,
    SettingsBook,
)
from tests.availability.offers.worlds import ids

CUP, SPOON, SET = Sku("cup"), Sku("spoon"), Sku("set")
KIT = (Component(CUP, 2), Component(SPOON, 1))
STOCK = {CUP: {"a": 9, "b": 4}, SPOON: {"a": 3, "b": 9}}
NOW_SECONDS = 1_000
NO_MINUTES: Mapping[str, int] = {}
MINUTES = {"a": 60, "b": 90}


def kit(
    book: SettingsBook,
    stock: dict[Sku, dict[str, int]] = STOCK,
    queued_cups: int = 0,
    stale: tuple[str, ...] = (),
    minutes: Mapping[str, int] = NO_MINUTES,
) -> Offer:
    """Return the offer of a set of 2 cups and a spoon, from locations a and b.

    ``minutes`` are their lead times.
    """
    places = [
        Location(LocationId(at), lead_time_minutes=minutes.get(at, 0)) for at in "ab"
    ]
    market = Market(Network.of(places), (Channel("web"),), book)
    parts = {}
    for sku in (CUP, SPOON):
        known = SkuStock(
            sku,
            tuple(
                StockRecord(LocationId(at), sku, units)
                for at, units in stock.get(sku, {}).items()
            ),
            ids(*stale) if sku == CUP else frozenset(),
            {"web": queued_cups} if sku == CUP else {},
        )
        parts[sku] = Part(*explain_located(market, known, "web", NOW_SECONDS))
    return explain_kit(SET, KIT, parts, book.resolve("web", SET))


def own(settings: Settings) -> SettingsBook:
    return SettingsBook(skus={SET: settings})


def test_each_location_puts_its_own_together() -> None:
    """a: 4 pairs of cups, 3 spoons; b: 2 pairs, 9 spoons. Pooled it would be 6."""
    offer = kit(SettingsBook())

    assert (offer.quantity_units, offer.net_units) == (5, 5)
    assert offer.single_location_units == 3
    assert (offer.status, offer.published) == (Status.AVAILABLE, True)


@pytest.mark.parametrize(("queued_cups", "kits"), [(0, 5), (3, 5), (4, 4), (13, 0)])
def test_no_more_than_its_components_are_promised(queued_cups: int, kits: int) -> None:
    assert kit(SettingsBook(), queued_cups=queued_cups).quantity_units == kits


@pytest.mark.parametrize(
    ("settings", "quantity_units", "published", "most_units"),
    [
        (Settings(share_permille=500), 2, True, 2),
        (Settings(buffer_units=2), 3, True, 3),
        (Settings(share_permille=500, buffer_units=2), 0, True, 0),
        (Settings(availability_threshold_units=5), 5, True, 5),
        (Settings(availability_threshold_units=6), 0, True, 0),
        (Settings(publication_threshold_units=6), 5, False, 5),
        (Settings(multiple_units=2), 5, True, 4),
        (Settings(max_units=3), 5, True, 3),
    ],
)
def test_then_what_is_said_of_the_kit(
    settings: Settings, quantity_units: int, published: bool, most_units: int
) -> None:
    offer = kit(own(settings))

    assert (offer.quantity_units, offer.published) == (quantity_units, published)
    assert offer.max_orderable_units == most_units
    assert sum(step.effect_units for step in offer.steps) == quantity_units


def test_the_channels_share_and_buffer_are_taken_once() -> None:
    """Of 13 cups 6 are shown, less 2 is 4: two sets, and not half of two less 2."""
    said = Settings(share_permille=500, buffer_units=2)

    offer = kit(SettingsBook(channels={"web": said}))

    assert offer.quantity_units == 2


def test_a_refusal_names_the_kits_own_rule() -> None:
    offer = kit(own(Settings(buffer_units=2)))

    assert offer.refusal(3) is None
    assert offer.refusal(4) == Refusal(Rule.BUFFER, Level.SKU)
    assert offer.refusal(6) == Refusal(Rule.STOCK)


def test_what_needs_no_stock_is_wherever_it_is_needed() -> None:
    book = SettingsBook(skus={SPOON: Settings(managed=False)})

    assert kit(book, {CUP: STOCK[CUP]}).quantity_units == 6


def test_nothing_bounds_what_needs_no_stock_at_all() -> None:
    offer = kit(SettingsBook(Settings(managed=False)), {})

    assert (offer.quantity_units, offer.net_units) == (None, None)
    assert (offer.status, offer.single_location_units) == (Status.AVAILABLE, None)
    assert offer.max_orderable_units is None


def test_a_component_that_is_not_known_counts_by_its_floor() -> None:
    """4 cups may be sold unseen: two sets, that are not published."""
    book = SettingsBook(skus={CUP: Settings(floor_units=4)})

    offer = kit(book, stale=("a", "b"))

    assert (offer.quantity_units, offer.known, offer.published) == (2, False, False)


def test_what_is_queued_is_served_before_the_kit() -> None:
    """5 sets lie there, but of 13 cups 12 are promised: no pair is left."""
    book = SettingsBook(
        skus={CUP: Settings(backorders=Backorders.ALLOW_AND_NOTIFY)},
    )

    offer = kit(book, queued_cups=12)

    assert (offer.quantity_units, offer.net_units) == (5, 0)
    assert (offer.status, offer.backorder_notice) == (Status.BACKORDER, True)
    assert offer.backordered(2) == 2


def test_few_are_low() -> None:
    assert kit(own(Settings(low_units=5))).status is Status.LOW
    assert kit(own(Settings(low_units=4))).status is Status.AVAILABLE


@pytest.mark.parametrize(
    ("stock", "minutes", "expected"),
    [
        # Cups can leave a in an hour, spoons only b in an hour and a half.
        ({CUP: {"a": 2, "b": 2}, SPOON: {"b": 1}}, MINUTES, 90),
        ({CUP: {"a": 2}, SPOON: {"a": 1}}, MINUTES, 60),
        # Where one of them can leave at once, the other is waited for.
        ({CUP: {"a": 2, "b": 2}, SPOON: {"b": 1}}, {"b": 90}, 90),
        ({CUP: {"a": 2}, SPOON: {"a": 1}}, {"b": 90}, None),
        # Both are there, and nowhere together.
        ({CUP: {"a": 2}, SPOON: {"b": 1}}, MINUTES, None),
        ({CUP: {"a": 1}, SPOON: {"a": 1}}, MINUTES, None),
        ({CUP: {"a": 2}}, MINUTES, None),
    ],
)
def test_a_kit_leaves_with_the_last_of_its_components(
    stock: dict[Sku, dict[str, int]], minutes: dict[str, int], expected: int | None
) -> None:
    offer = kit(SettingsBook(), stock, minutes=minutes)

    seconds = None if expected is None else NOW_SECONDS + 60 * expected
    assert offer.available_from_seconds == seconds


@pytest.mark.parametrize(
    ("of_spoons", "dated"),
    [
        (Settings(managed=False), True),
        (Settings(fixed_units=3), True),
        # What is not there yet, or not sold, is no part of what can leave.
        (Settings(preorders=(Preorder(9, NOW_SECONDS + 9),)), False),
        (Settings(availability_threshold_units=99), False),
    ],
)
def test_a_kits_date_is_of_components_that_are_there(
    of_spoons: Settings, dated: bool
) -> None:
    book = SettingsBook(skus={SPOON: of_spoons})

    offer = kit(book, STOCK, minutes={"a": 60, "b": 60})

    expected = NOW_SECONDS + 3_600 if dated else None
    assert offer.available_from_seconds == expected


def test_a_kit_with_a_component_that_is_not_known_has_no_date() -> None:
    book = SettingsBook(skus={CUP: Settings(floor_units=4)})

    offer = kit(book, stale=("a", "b"), minutes=MINUTES)

    assert (offer.quantity_units, offer.available_from_seconds) == (2, None)
