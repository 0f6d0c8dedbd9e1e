"""Adobe Commerce (seed 003): thresholds, backorders, limits; sections D1 to D6."""

import pytest

from availability.model import LocationId, StockRecord
from availability.offer import Refusal, Rule, Status
from availability.settings import Backorders, Level, Settings
from tests.availability.worlds import SHIRT, one, place

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

    assert one(stock(0), locations=locations).quantity_units == 85
    # Reserved 5, cancelled 1.5.
    assert one(stock(50 - 15), locations=locations).quantity_units == 50


def test_d4_sku_6_has_none_and_sells_3() -> None:
    offer = one(0, terms(ON, -3))

    assert (offer.quantity_units, offer.status) == (3, Status.BACKORDER)


def test_d6_2_zero_is_infinite_not_25() -> None:
    """The formula gives 25 and the text no limit: it is no limit."""
    assert one(25, terms(ON, 0)).quantity_units is None


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
    ("on_hand", "notify_units", "low"), [(0, 1, 1), (1, 1, 0), (2, 1, 0), (0, 0, 0)]
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
