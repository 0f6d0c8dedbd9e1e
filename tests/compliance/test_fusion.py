"""Autodesk Fusion Operations and Wayfair (seed 004): sections E3 and E4."""

import pytest

from availability.model import LocationId, StockRecord
from availability.setup.settings import Settings
from tests.availability.offers.worlds import NOTHING, SHIRT, one


@pytest.mark.parametrize(
    ("stock", "orders", "available_units", "net_units", "backordered_units"),
    [
        (8, 5, 3, 3, 0),
        (5, 8, 0, -3, 3),
        (5, 5, 0, 0, 0),
        (5, 6, 0, -1, 1),
        (6, 5, 1, 1, 0),
    ],
)
def test_e3_available_and_backordered(
    stock: int,
    orders: int,
    available_units: int,
    net_units: int,
    backordered_units: int,
) -> None:
    """The seed's formula for backorders, orders - stock, has its sign inverted."""
    allocated = min(stock, orders)
    records = [StockRecord(LocationId("dc"), SHIRT, stock, allocated)]

    offer = one(records, NOTHING, queued_units={"web": orders - allocated})

    assert (offer.quantity_units, offer.net_units) == (available_units, net_units)
    assert offer.backordered(0) == 0
    assert max(0, -(offer.net_units or 0)) == backordered_units


def test_e3_a_cancelled_order_counts_no_more() -> None:
    """There it counts until someone archives it."""
    assert one(8, NOTHING, queued_units={"web": 3}).quantity_units == 5
    assert one(8, NOTHING, queued_units={"web": 0}).quantity_units == 8


@pytest.mark.parametrize("shipped_units", [0, 1, 3, 5])
def test_e3_what_ships_leaves_the_stock_and_the_orders(shipped_units: int) -> None:
    """There an order counts until its notice is sent or it is archived ("not yet
    archived *or* not yet sent" is a slip): shipped in the back office it counts twice.
    """
    records = [
        StockRecord(LocationId("dc"), SHIRT, 8 - shipped_units, 5 - shipped_units)
    ]

    offer = one(records)

    assert (offer.quantity_units, offer.net_units) == (3, 3)


@pytest.mark.parametrize(
    ("stock", "queued_units", "buffer_units", "quantity_units", "net_units"),
    [
        (5, 0, 2, 3, 5),
        (5, 0, 5, 0, 5),
        (2, 0, 5, 0, 2),
        (5, 0, 0, 5, 5),
        (0, 1, 2, 0, -1),
    ],
)
def test_e4_buffer(
    stock: int,
    queued_units: int,
    buffer_units: int,
    quantity_units: int,
    net_units: int,
) -> None:
    """After the sum, floored at 0; what is missing stays visible in the net."""
    settings = Settings(buffer_units=buffer_units)

    offer = one(stock, settings, queued_units={"web": queued_units})

    assert (offer.quantity_units, offer.net_units) == (quantity_units, net_units)


@pytest.mark.parametrize(
    ("first", "second", "quantity_units"), [(-1, 5, 5), (-1, 0, 0), (-1, -1, 0)]
)
def test_e4_a_negative_never_reduces_a_positive(
    first: int, second: int, quantity_units: int
) -> None:
    """There the sum may be -1; here it is 0, and a feed may write it as it must."""
    assert one({"a": first, "b": second}).quantity_units == quantity_units


@pytest.mark.parametrize("stock", [0, 3, 100])
def test_e2_a_fixed_quantity_replaces_the_number_and_says_so(stock: int) -> None:
    settings = Settings(fixed_units=7, buffer_units=2, share_permille=500)

    offer = one(stock, settings)

    assert (offer.quantity_units, offer.fixed) == (7, True)
    assert not one(stock).fixed
