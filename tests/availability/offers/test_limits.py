"""When there will be some, and how many one order may name."""

from dataclasses import replace

import pytest

from availability.model import LocationId, Network, StockRecord
from availability.offers.explain import explain
from availability.offers.market import Market, SkuStock
from availability.offers.offer import max_orderable
from availability.setup.channels import Channel, FutureSupply
from availability.setup.settings import CustomerLimit, Effective
from tests.availability.offers.worlds import (
    NOTHING,
    NOW_SECONDS,
    SHIRT,
    allocation,
    one,
    place,
)

# --- When ---------------------------------------------------------------------------


def supply(quantity_units: int, in_seconds: int, at: str = "dc") -> FutureSupply:
    return FutureSupply(LocationId(at), SHIRT, quantity_units, NOW_SECONDS + in_seconds)


@pytest.mark.parametrize(
    ("queued_units", "in_seconds"), [(0, 10), (1, 10), (2, 20), (6, 20), (7, None)]
)
def test_what_is_expected_serves_the_queue_first(
    queued_units: int, in_seconds: int | None
) -> None:
    """2 in 10 seconds and 5 in 20; what is late, or is for others, counts nothing."""
    supplies = [
        supply(5, 20), supply(2, 10), supply(9, 0), supply(9, 5, "x"), supply(9, 5, "y")
    ]  # fmt: skip
    locations = [place("dc"), place("x", channel_ids=["b2b"]), place("y", active=False)]

    offer = one(
        0,
        NOTHING,
        queued_units={"web": queued_units},
        supplies=supplies,
        locations=locations,
    )

    expected = None if in_seconds is None else NOW_SECONDS + in_seconds
    assert offer.available_from_seconds == expected


def test_what_is_there_needs_no_date() -> None:
    assert one(1, NOTHING, supplies=[supply(5, 20)]).available_from_seconds is None


# --- 9: limits ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quantity_units", "settings", "expected"),
    [
        (None, Effective(), None),
        (9, Effective(), 9),
        (9, Effective(max_units=4), 4),
        (3, Effective(max_units=4), 3),
        (None, Effective(max_units=4), 4),
        (9, Effective(multiple_units=4), 8),
        (3, Effective(multiple_units=4), 0),
        (9, Effective(min_units=9), 9),
        (8, Effective(min_units=9), 0),
        (9, Effective(min_units=9, multiple_units=4), 0),
        (None, Effective(customer_limit=CustomerLimit(5, 60), multiple_units=2), 4),
        (None, Effective(customer_limit=CustomerLimit(0, 60)), 0),
    ],
)
def test_max_orderable(
    quantity_units: int | None, settings: Effective, expected: int | None
) -> None:
    assert max_orderable(quantity_units, settings) == expected


def test_max_orderable_of_a_customer_who_bought() -> None:
    settings = Effective(customer_limit=CustomerLimit(5, 60))

    assert [max_orderable(9, settings, it) for it in (0, 4, 5, 6)] == [5, 1, 0, 0]


def test_the_answer_names_the_version_it_was_made_from() -> None:
    stock = SkuStock(SHIRT, (StockRecord(LocationId("dc"), SHIRT, 5),), version=17)
    made = Market(Network.of([place("dc")]), (Channel("web"),))

    assert explain(made, stock, "web", NOW_SECONDS).as_of == 17
    with pytest.raises(KeyError):
        explain(made, stock, "shop", NOW_SECONDS)


def test_a_channel_is_named_once() -> None:
    with pytest.raises(ValueError, match="twice"):
        Market(Network.of([]), (Channel("web"), Channel("web")))


def test_a_channel_that_is_gone_holds_nothing_back() -> None:
    gone = replace(allocation("r", 3), channel_ids=frozenset({"shop"}))

    assert one(9, NOTHING, gone).quantity_units == 9
