"""Stock in memory: read, taken, refused; a ledger in small."""

import pytest

from availability.errors import (
    InvalidChange,
    OrderAlreadyRouted,
    PlanNotFound,
    RequestReused,
    StockConflict,
)
from availability.memory_stock import MemoryStock
from availability.model import Location, LocationId, Request, Sku, StockRecord
from availability.reservations import Claim, Reservation
from availability.stock_view import RoutableStock
from tests.builders import SEED, stock


def claim(location_id: str, sku: str, quantity: int) -> Claim:
    return Claim(LocationId(location_id), Sku(sku), quantity)


def units(stock: MemoryStock, sku: str) -> list[int]:
    grid = stock.grid()
    row: list[int] = grid.read([grid.rows[sku]])[0].tolist()
    return row


def reservation(
    plan_id: str,
    *claims: Claim,
    order_id: str = "o1",
    reply: bytes = b"reply",
    request: Request = Request(),
) -> Reservation:
    return Reservation(plan_id, order_id, tuple(claims), reply, request)


# --- What is there --------------------------------------------------------------


def test_shows_what_is_available_in_rank_order() -> None:
    locations = [
        Location(LocationId("last"), 9),
        Location(LocationId("first"), 1),
        Location(LocationId("off"), 5, active=False),
    ]
    records = [
        StockRecord(LocationId("last"), Sku("hat"), 10, allocated=2, safety_stock=3),
        StockRecord(LocationId("first"), Sku("hat"), 1, safety_stock=4),
        StockRecord(LocationId("off"), Sku("hat"), 7),
        StockRecord(LocationId("first"), Sku("cap"), 0),
    ]

    shelf = MemoryStock(locations, records)
    routable: RoutableStock = shelf

    assert [each.location_id for each in shelf.network().locations] == [
        "first",
        "off",
        "last",
    ]
    assert shelf.grid().network is shelf.network()
    assert routable.routing_view().grid is shelf.grid()
    assert units(shelf, "hat") == [0, 0, 5]
    # None of it, but known.
    assert units(shelf, "cap") == [0, 0, 0]


def test_lists_every_record_that_is_wrong() -> None:
    records = [
        StockRecord(LocationId("a"), Sku("hat"), 1),
        StockRecord(LocationId("mars"), Sku("hat"), 1),
        StockRecord(LocationId("a"), Sku("hat"), 2),
        StockRecord(LocationId("a"), Sku("cap"), -1),
        StockRecord(LocationId("a"), Sku("tie"), 10**12 + 1),
    ]

    with pytest.raises(InvalidChange) as caught:
        MemoryStock([Location(LocationId("a"))], records)

    assert [(each.path, each.reason) for each in caught.value.violations] == [
        ("records[1].location_id", "UNKNOWN_LOCATION"),
        ("records[2]", "DUPLICATE"),
        ("records[3].on_hand", "OUT_OF_RANGE"),
        ("records[4].on_hand", "OUT_OF_RANGE"),
    ]


# --- Taking ---------------------------------------------------------------------


def test_takes_all_claims() -> None:
    shelf = stock(SEED)
    before = shelf.grid().version

    shelf.take([claim("laval", "hat", 10), claim("montreal", "hat", 1)])

    assert units(shelf, "hat") == [2, 10, 0]
    assert shelf.grid().version > before


@pytest.mark.parametrize(
    "bad",
    [
        claim("montreal", "hat", 4),
        claim("sherbrooke", "shirt", 1),
        claim("mars", "hat", 1),
        claim("montreal", "cap", 1),
    ],
)
def test_takes_none_when_one_is_not_there(bad: Claim) -> None:
    shelf = stock(SEED)
    before = shelf.grid().version

    with pytest.raises(StockConflict, match=bad.sku):
        shelf.take([claim("laval", "hat", 10), bad])

    assert units(shelf, "hat") == [3, 10, 10]
    assert shelf.grid().version == before


def test_nothing_taken_is_no_new_version() -> None:
    shelf = stock(SEED)

    shelf.take([])

    assert shelf.grid().version == 0


def test_capacities_are_empty_when_nobody_has_one() -> None:
    assert stock(SEED).capacity_left() == {}


def test_each_taking_is_one_order_at_each_of_its_locations() -> None:
    shelf = stock(
        SEED,
        montreal={"capacity_orders": 5},
        laval={"capacity_units": 12, "capacity_orders": 1},
    )
    shelf.take([claim("laval", "hat", 3), claim("laval", "shirt", 4)])

    assert shelf.capacity_left() == {"montreal": (5, None), "laval": (0, 5)}

    # Routing sends nobody there any more, save what is frozen: never below zero.
    shelf.take([claim("laval", "hat", 7), claim("montreal", "hat", 1)])

    assert shelf.capacity_left() == {"montreal": (4, None), "laval": (0, 0)}


# --- Reservations ---------------------------------------------------------------


def test_reserves_and_keeps_the_reply() -> None:
    shelf = stock(SEED)

    reply = shelf.reserve(reservation("p1", claim("laval", "hat", 3)))

    assert reply == b"reply" == shelf.plan("p1")
    assert units(shelf, "hat") == [3, 10, 7]


def test_a_refused_reservation_leaves_nothing() -> None:
    shelf = stock(SEED)
    request = Request("r1", b"body")

    with pytest.raises(StockConflict):
        shelf.reserve(reservation("p1", claim("laval", "hat", 30), request=request))

    assert shelf.replay(request) is None
    with pytest.raises(PlanNotFound):
        shelf.plan("p1")
    shelf.reserve(reservation("p1", claim("laval", "hat", 3)))


def test_a_repeat_gets_the_first_reply_and_takes_nothing() -> None:
    shelf = stock(SEED)
    request = Request("r1", b"body")
    shelf.reserve(reservation("p1", claim("laval", "hat", 3), request=request))

    again = reservation("p2", claim("laval", "hat", 3), reply=b"other", request=request)

    assert shelf.reserve(again) == b"reply" == shelf.replay(request)
    assert units(shelf, "hat") == [3, 10, 7]
    with pytest.raises(RequestReused):
        shelf.replay(Request("r1", b"another body"))


def test_requests_without_an_id_are_not_kept() -> None:
    shelf = stock(SEED)
    shelf.reserve(reservation("p1"))

    assert shelf.replay(Request()) is None


def test_an_order_has_one_live_plan() -> None:
    shelf = stock(SEED)
    # A plan with no claims holds nothing, and keeps nobody from another try.
    shelf.reserve(reservation("p0"))
    shelf.reserve(reservation("p1", claim("laval", "hat", 1)))

    with pytest.raises(OrderAlreadyRouted) as caught:
        shelf.reserve(reservation("p2", claim("laval", "hat", 1)))

    assert caught.value.plan_id == "p1"
    shelf.reserve(reservation("p2", claim("laval", "hat", 1), order_id="o2"))
