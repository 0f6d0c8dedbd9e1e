"""Every step by hand, and what no seed has a row for."""

import pytest

from availability.model import Location, LocationId, Network, StockRecord
from availability.offers.explain import explain
from availability.offers.market import Market, SkuStock
from availability.offers.offer import Refusal, Rule, Status
from availability.setup.channels import Channel, SupplyRule
from availability.setup.settings import (
    Backorders,
    Level,
    Preorder,
    Settings,
    SettingsBook,
)
from tests.availability.offers.worlds import (
    NOTHING,
    NOW_SECONDS,
    SHIRT,
    allocation,
    effects,
    one,
)

BOOK = SettingsBook(
    Settings(out_of_stock_threshold_units=2, floor_units=1),
    channels={"web": Settings(share_permille=900, availability_threshold_units=3)},
    skus={SHIRT: Settings(low_units=4)},
    channel_skus={("web", SHIRT): Settings(buffer_units=5)},
)


def test_a_waterfall_by_hand() -> None:
    """17 and 8 there; 80 % of each is 13 + 6; 4 queued, 3 reserved, 2 kept back.

    10 remain; 90 % is 9, less 5 is 4: not below 3, and low.
    """
    offer = one(
        {"a": 17, "b": 8},
        NOTHING,
        allocation("r", 3, "b2b"),
        queued_units={"web": 1, "b2b": 3},
        rules=[SupplyRule(share_permille=800)],
        book=BOOK,
    )

    assert effects(offer) == {
        "stock": 25,
        "rule_share": -6,
        "queued": -4,
        "reserves": -3,
        "out_of_stock_threshold": -2,
        "share": -1,
        "buffer": -5,
    }
    assert (offer.quantity_units, offer.status, offer.net_units) == (4, Status.LOW, 12)
    levels = {step.rule: step.level for step in offer.steps if step.level}
    assert levels == {
        Rule.OUT_OF_STOCK_THRESHOLD: Level.GLOBAL,
        Rule.SHARE: Level.CHANNEL,
        Rule.BUFFER: Level.CHANNEL_SKU,
        Rule.AVAILABILITY_THRESHOLD: Level.CHANNEL,
    }


@pytest.mark.parametrize(
    ("units", "refusal"),
    [
        (4, None),
        (5, Refusal(Rule.BUFFER, Level.CHANNEL_SKU)),
        (9, Refusal(Rule.BUFFER, Level.CHANNEL_SKU)),
        (10, Refusal(Rule.SHARE, Level.CHANNEL)),
        (11, Refusal(Rule.OUT_OF_STOCK_THRESHOLD, Level.GLOBAL)),
        (13, Refusal(Rule.RESERVES)),
        (16, Refusal(Rule.QUEUED)),
        (20, Refusal(Rule.RULE_SHARE)),
        (26, Refusal(Rule.STOCK)),
    ],
)
def test_the_last_rule_that_took_too_much_refuses(
    units: int, refusal: Refusal | None
) -> None:
    offer = one(
        {"a": 17, "b": 8},
        NOTHING,
        allocation("r", 3, "b2b"),
        queued_units={"web": 1, "b2b": 3},
        rules=[SupplyRule(share_permille=800)],
        book=BOOK,
    )

    assert offer.refusal(units) == refusal


@pytest.mark.parametrize(
    ("settings", "follow", "rule"),
    [
        (Settings(preorders=(Preorder(5, 10**6),)), False, Rule.PREORDER),
        (Settings(fixed_units=5), False, Rule.FIXED),
        (Settings(), True, Rule.ALLOCATION),
        (Settings(), False, Rule.STOCK),
    ],
)
def test_a_number_put_in_place_of_the_stock_refuses_by_itself(
    settings: Settings, follow: bool, rule: Rule
) -> None:
    own = [allocation("a", 5, "web", follow=True)] if follow else []

    refusal = one(3, settings, *own).refusal(6)

    assert refusal is not None
    assert refusal.rule is rule


def test_a_deficit_or_safety_stock_never_eats_another_locations_units() -> None:
    records = [
        StockRecord(LocationId("a"), SHIRT, 2, allocated=5),
        StockRecord(LocationId("b"), SHIRT, 4, safety_stock=9),
        StockRecord(LocationId("c"), SHIRT, 6, held=1),
    ]

    assert one(records).quantity_units == 5


# --- 3: the queue -----------------------------------------------------------------


def market(web: list[str], b2b: list[str]) -> Market:
    """`dc` feeds both, `depot` only those that name it."""
    locations = [
        Location(LocationId("web-only"), channel_ids=frozenset({"web"})),
        Location(LocationId("b2b-only"), channel_ids=frozenset({"b2b"})),
        Location(LocationId("dc"), channel_ids=frozenset({"web", "b2b"})),
    ]
    kept = [each for each in locations if each.location_id in {*web, *b2b}]
    return Market(Network.of(kept), (Channel("web"), Channel("b2b")))


@pytest.mark.parametrize(
    ("web", "b2b", "quantity_units"),
    [
        (["dc"], ["dc"], 6),
        (["dc", "web-only"], ["dc", "b2b-only"], 16),
        (["web-only"], ["b2b-only"], 10),
    ],
)
def test_a_queue_is_of_all_channels_that_share_a_location(
    web: list[str], b2b: list[str], quantity_units: int
) -> None:
    records = tuple(
        StockRecord(LocationId(each), SHIRT, 10)
        for each in sorted({*web, *b2b})
        if each != "b2b-only"
    )
    stock = SkuStock(SHIRT, records, queued_units={"b2b": 4})

    offer = explain(market(web, b2b), stock, "web", NOW_SECONDS)

    assert offer.quantity_units == quantity_units


def test_a_reserve_takes_no_more_than_there_is() -> None:
    """3 there, 5 queued: the reserve of 9 finds nothing, and hides no deficit."""
    offer = one(3, NOTHING, allocation("r", 9, "b2b"), queued_units={"web": 5})

    assert effects(offer) == {"stock": 3, "queued": -5, "deficit": 2}
    assert offer.net_units == -2


# --- 7: what the channel is sent --------------------------------------------------


@pytest.mark.parametrize(
    ("share_permille", "buffer_units", "quantity_units"),
    [(500, 0, 3), (999, 0, 6), (1000, 0, 7), (0, 0, 0), (500, 3, 0), (500, 4, 0),
     (500, 2, 1)],
)  # fmt: skip
def test_share_rounds_down_then_the_buffer(
    share_permille: int, buffer_units: int, quantity_units: int
) -> None:
    settings = Settings(share_permille=share_permille, buffer_units=buffer_units)

    assert one(7, settings).quantity_units == quantity_units


@pytest.mark.parametrize(("share_permille", "quantity_units"), [(1, None), (0, 0)])
def test_a_share_of_what_is_unlimited(
    share_permille: int, quantity_units: int | None
) -> None:
    settings = Settings(managed=False, share_permille=share_permille, buffer_units=3)

    assert one(0, settings).quantity_units == quantity_units


def test_a_fixed_quantity_limits_what_was_unlimited() -> None:
    settings = Settings(backorders=Backorders.ALLOW, fixed_units=7)

    offer = one(25, settings)

    assert effects(offer) == {"stock": 25, "fixed": -18}
    assert offer.quantity_units == 7
