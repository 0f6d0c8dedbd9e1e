"""Adobe Commerce (seed 003): thresholds, backorders, limits; sections D1 to D6."""

import pytest

from availability.model import LocationId, StockRecord
from availability.offers.offer import Refusal, Rule, Status
from availability.setup.settings import Backorders, Level, Settings, SettingsBook
from tests.availability.offers.worlds import SHIRT, one, place

OFF, ON, NOTIFY = Backorders.NONE, Backorders.ALLOW, Backorders.ALLOW_AND_NOTIFY


def terms(backorders: Backorders, threshold: int) -> Settings:
    return Settings(backorders=backorders, out_of_stock_threshold_units=threshold)


@pytest.mark.parametrize(
    ("backorders", "threshold", "salable_units"),
    [
        (OFF, 5, 20),
        (OFF, 0, 25),
        (OFF, -50, 25),
        (ON, -50, 75),
        (ON, 0, None),
        (ON, 5, None),
        (NOTIFY, -50, 75),
        (NOTIFY, 0, None),
    ],
)
def test_d2_salable_of_25(
    backorders: Backorders, threshold: int, salable_units: int | None
) -> None:
    offer = one(25, terms(backorders, threshold))

    assert offer.quantity_units == salable_units
    if salable_units is None:
        assert offer.refusal(10**9) is None
    else:
        assert offer.refusal(salable_units - 1) is None
        assert offer.refusal(salable_units) is None
        assert offer.refusal(salable_units + 1) is not None


@pytest.mark.parametrize(
    ("sold_units", "salable_units", "status", "backordered_units"),
    [
        # On hand 25, T = -50. What is sold beyond 25 is queued.
        (0, 75, Status.AVAILABLE, 0),
        (24, 51, Status.AVAILABLE, 0),
        (25, 50, Status.BACKORDER, 1),
        (70, 5, Status.BACKORDER, 1),
        (74, 1, Status.BACKORDER, 1),
        (75, 0, Status.UNAVAILABLE, 1),
        (76, 0, Status.UNAVAILABLE, 1),
    ],
)
def test_d6_1_the_story_needs_what_was_sold(
    sold_units: int, salable_units: int, status: Status, backordered_units: int
) -> None:
    """Q - T alone, the printed formula, would leave 75 for ever."""
    allocated, queued = min(25, sold_units), max(0, sold_units - 25)
    records = [StockRecord(LocationId("dc"), SHIRT, 25, allocated)]

    offer = one(records, terms(ON, -50), queued_units={"web": queued})

    assert (offer.quantity_units, offer.status) == (salable_units, status)
    assert offer.backordered(1) == backordered_units
    assert offer.net_units == 25 - sold_units


@pytest.mark.parametrize(
    ("sold_units", "quantity_units", "low", "status"),
    [
        (69, 6, False, Status.BACKORDER),
        (70, 5, True, Status.BACKORDER),
        (71, 4, True, Status.BACKORDER),
        (75, 0, False, Status.UNAVAILABLE),
    ],
)
def test_the_story_s_only_5_left(
    sold_units: int, quantity_units: int, low: bool, status: Status
) -> None:
    """At 70 sold Adobe's page says "Only 5 left"; here the status says what is rarer,
    that they must be waited for, and the number and X are beside it.
    """
    queued = {"web": sold_units - 25}
    records = [StockRecord(LocationId("dc"), SHIRT, 25, 25)]
    settings = Settings(
        backorders=ON, out_of_stock_threshold_units=-50, low_units=5, notify_units=10
    )

    offer = one(records, settings, queued_units=queued)

    assert (offer.quantity_units, offer.status) == (quantity_units, status)
    # "Notify below 10" is asked of the 25 that are there.
    assert offer.low_stock_ids == ()
    assert (0 < quantity_units <= offer.settings.low_units) is low


@pytest.mark.parametrize(
    ("on_hand", "low_units", "status"),
    [
        (5, 54, Status.AVAILABLE),
        (5, 55, Status.LOW),
        (5, 56, Status.LOW),
        (0, 55, Status.BACKORDER),
    ],
)
def test_d3_only_x_left_with_bounded_backorders(
    on_hand: int, low_units: int, status: Status
) -> None:
    """X is of what is salable, 55, not of the 5 that are there; T below 0."""
    settings = Settings(
        backorders=ON, out_of_stock_threshold_units=-50, low_units=low_units
    )

    assert one(on_hand, settings).status is status


@pytest.mark.parametrize(("cancelled_units", "salable_units"), [(0, 0), (1, 1), (5, 5)])
def test_the_story_s_cancelled_units_are_salable_at_once(
    cancelled_units: int, salable_units: int
) -> None:
    records = [StockRecord(LocationId("dc"), SHIRT, 25, 25)]

    offer = one(records, terms(ON, -50), queued_units={"web": 50 - cancelled_units})

    assert offer.quantity_units == salable_units


def test_the_story_goes_on_when_5_are_cancelled() -> None:
    """75 were sold; 5 are cancelled: 5 again, and no location was credited."""
    records = [StockRecord(LocationId("dc"), SHIRT, 25, 25)]

    offer = one(records, terms(ON, -50), queued_units={"web": 45})

    assert (offer.quantity_units, records[0].available) == (5, 0)


@pytest.mark.parametrize(
    ("units", "backordered_units"), [(24, 0), (25, 0), (26, 1), (30, 5), (0, 0)]
)
def test_d3_backordered_part(units: int, backordered_units: int) -> None:
    assert one(25, terms(ON, -50)).backordered(units) == backordered_units


def test_d4_fixture_in_tenths() -> None:
    """5.5 + 3 in stock, 10 out of stock, 10 at a disabled source: 8.5; then 5."""
    locations = [place("a"), place("b"), place("c"), place("d", active=False)]

    def stock(allocated: int) -> list[StockRecord]:
        return [
            StockRecord(LocationId("a"), SHIRT, 55, allocated),
            StockRecord(LocationId("b"), SHIRT, 30),
            StockRecord(LocationId("c"), SHIRT, 100, withdrawn=100),
            StockRecord(LocationId("d"), SHIRT, 100),
        ]

    # Nothing; reserved 5; cancelled 1.5 of them.
    for allocated, units in ((0, 85), (50, 35), (50 - 15, 50)):
        offer = one(stock(allocated), locations=locations)
        assert offer.quantity_units == units
        assert offer.refusal(units - 1) is None
        assert offer.refusal(units) is None
        assert offer.refusal(units + 1) == Refusal(Rule.STOCK)


def test_d4_sku_6_has_none_and_sells_3() -> None:
    offer = one(0, terms(ON, -3))

    assert (offer.quantity_units, offer.status) == (3, Status.BACKORDER)
    assert [offer.refusal(units) is None for units in (2, 3, 4)] == [True, True, False]
    assert one(0, terms(OFF, -3)).quantity_units == 0


def test_d6_2_zero_is_infinite_not_25() -> None:
    """The formula gives 25 and the text no limit: it is no limit."""
    assert one(25, terms(ON, 0)).quantity_units is None


@pytest.mark.parametrize("promised", [14, 15, 16])
def test_d6_3_a_promise_counts_whether_or_not_the_money_was_taken(
    promised: int,
) -> None:
    """Authorized *and* captured, one page says, the other *or*: that is no matter of
    stock. An order that waits for its payment holds what a paid one is allocated.
    """
    held = StockRecord(LocationId("dc"), SHIRT, 55, held=promised)
    allocated = StockRecord(LocationId("dc"), SHIRT, 55, allocated=promised)

    assert one([held]).quantity_units == one([allocated]).quantity_units
    assert one([held]).quantity_units == 55 - promised


@pytest.mark.parametrize("on_hand", [25, 0])
def test_d6_4_backorders_need_no_stock(on_hand: int) -> None:
    """Adobe's code wants one source in stock even so; a record of 0 is enough."""
    assert one(on_hand, terms(ON, 0)).refusal(7) is None


@pytest.mark.parametrize(("units", "passes"), [(39, True), (40, True), (41, False)])
def test_d6_5_fewer_than_40_means_40(units: int, passes: bool) -> None:
    records = [StockRecord(LocationId("dc"), SHIRT, 55, 15)]

    assert (one(records).refusal(units) is None) is passes


def test_d6_6_the_threshold_is_taken_once_not_per_location() -> None:
    offer = one({"a": 10, "b": 10}, terms(OFF, 5))

    assert offer.quantity_units == 15


@pytest.mark.parametrize(
    ("global_units", "product_units", "quantity_units"),
    [(5, None, 12), (5, 4, 13), (5, 5, 12), (5, 6, 11), (5, 0, 17), (None, 4, 13)],
)
def test_d6_7_the_product_overrides_what_is_global_and_nothing_of_a_location(
    global_units: int | None, product_units: int | None, quantity_units: int
) -> None:
    """ "Overrides site, source and stock": a source has no threshold to override.

    What a location keeps back is its safety stock, 3 of 20 here, whatever is said of
    the product.
    """
    records = [StockRecord(LocationId("dc"), SHIRT, 20, safety_stock=3)]
    book = SettingsBook(
        Settings(out_of_stock_threshold_units=global_units),
        skus={SHIRT: Settings(out_of_stock_threshold_units=product_units)},
    )

    assert one(records, book=book).quantity_units == quantity_units
    assert set(Level) == {"channel_sku", "sku", "channel", "global", "default"}


@pytest.mark.parametrize(
    ("on_hand", "quantity_units"), [(0, 0), (1, 1), (10, 10), (11, 11)]
)
def test_d6_8_nor_does_it_add_to_what_is_there(
    on_hand: int, quantity_units: int
) -> None:
    assert one(on_hand, terms(OFF, -10)).quantity_units == quantity_units


def test_d6_8_a_threshold_that_does_not_count_never_makes_it_salable() -> None:
    """Q = 0, T = -10, no backorders: Adobe's index says salable."""
    offer = one(0, terms(OFF, -10))

    assert (offer.quantity_units, offer.status) == (0, Status.UNAVAILABLE)


@pytest.mark.parametrize(
    ("on_hand", "low_units", "backorders", "status"),
    [
        (6, 5, OFF, Status.AVAILABLE),
        (5, 5, OFF, Status.LOW),
        (4, 5, OFF, Status.LOW),
        (1, 5, OFF, Status.LOW),
        (0, 5, OFF, Status.UNAVAILABLE),
        (1, 0, OFF, Status.AVAILABLE),
        (1, 5, ON, Status.AVAILABLE),
    ],
)
def test_d3_only_x_left(
    on_hand: int, low_units: int, backorders: Backorders, status: Status
) -> None:
    """0 < q <= X; X = 0 never; not where backorders are unlimited."""
    settings = Settings(low_units=low_units, backorders=backorders)

    assert one(on_hand, settings).status is status


@pytest.mark.parametrize(
    ("units", "rule"),
    [
        (1, Rule.MIN),
        (2, None),
        (3, Rule.MULTIPLE),
        (8, None),
        (10, Rule.STOCK),
        (12, Rule.STOCK),
        (13, Rule.MAX),
    ],
)
def test_d3_correct_quantity_is_asked_first(units: int, rule: Rule | None) -> None:
    settings = Settings(min_units=2, max_units=12, multiple_units=2)

    refusal = one(9, settings).refusal(units)

    assert (refusal and refusal.rule) == rule


def test_d1_unmanaged_is_always_available() -> None:
    offer = one([], Settings(managed=False, backorders=NOTIFY), locations=[place("a")])

    assert (offer.quantity_units, offer.status) == (None, Status.AVAILABLE)
    assert (offer.known, offer.backordered(9)) == (True, 0)
    assert offer.refusal(10**9) is None


@pytest.mark.parametrize(
    ("on_hand", "notify_units", "low"),
    [(0, 1, 1), (1, 1, 0), (2, 1, 0), (0, 0, 0), (9, 10, 1), (10, 10, 0), (11, 10, 0)],
)
def test_d3_the_notice_is_strict_and_physical(
    on_hand: int, notify_units: int, low: int
) -> None:
    """The documentation says at or below, the code below: below."""
    records = [StockRecord(LocationId("dc"), SHIRT, on_hand, allocated=on_hand)]

    assert len(one(records, Settings(notify_units=notify_units)).low_stock_ids) == low


def test_a_refusal_says_the_rule_and_its_level() -> None:
    offer = one(25, terms(OFF, 5))

    threshold = Refusal(Rule.OUT_OF_STOCK_THRESHOLD, Level.GLOBAL)
    assert offer.refusal(20) is None
    assert offer.refusal(21) == threshold
    assert offer.refusal(25) == threshold
    assert offer.refusal(26) == Refusal(Rule.STOCK)


@pytest.mark.parametrize(
    ("on_hand", "backorders", "notice"),
    [(25, NOTIFY, True), (25, ON, False), (25, OFF, False), (0, NOTIFY, True)],
)
def test_the_customer_is_told_where_he_must_be(
    on_hand: int, backorders: Backorders, notice: bool
) -> None:
    assert one(on_hand, terms(backorders, -5)).backorder_notice is notice
