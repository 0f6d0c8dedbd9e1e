"""Lists come in pages, each of which a client can take."""

import itertools

import pytest

from availability.model import ImportMode, Location, LocationId, Sku, StockChange
from availability.v1 import location_pb2, stock_service_pb2
from router.rpc.transport.limits import MAX_RECEIVE_BYTES
from router.v1 import routing_service_pb2
from tests.router.rpc.calls import CALL_SECONDS, order, reason, request
from tests.router.rpc.conftest import Running

COUNT = 25


@pytest.fixture
def stocked(server: Running) -> Running:
    """A server with 25 locations, the first of them last in rank, and two SKUs."""
    locations = [
        Location(LocationId(f"at-{n}"), rank=COUNT - n, active=n != 3)
        for n in range(COUNT)
    ]
    server.ledger.put_locations(locations)
    server.ledger.import_stock(
        ImportMode.SET,
        [
            StockChange(each.location_id, Sku(sku), 10, safety_stock=1)
            for each in locations
            for sku in ("b", "a")
        ],
    )
    return server


def list_locations(server: Running, page_size: int) -> list[list[str]]:
    """Return the ids of every page."""
    pages: list[list[str]] = []
    token = ""
    while token or not pages:
        page = server.stock.ListLocations(
            stock_service_pb2.ListLocationsRequest(
                page_size=page_size, page_token=token
            ),
            timeout=CALL_SECONDS,
        )
        assert page.ByteSize() < MAX_RECEIVE_BYTES
        pages.append([each.location_id for each in page.locations])
        token = page.next_page_token
    return pages


@pytest.mark.parametrize(
    ("page_size", "sizes"),
    [(0, [25]), (25, [25]), (24, [24, 1]), (10, [10, 10, 5]), (10**9, [25])],
)
def test_locations_come_in_rank_order(
    stocked: Running, page_size: int, sizes: list[int]
) -> None:
    pages = list_locations(stocked, page_size)

    assert [len(page) for page in pages] == sizes
    assert list(itertools.chain(*pages)) == [f"at-{n}" for n in reversed(range(COUNT))]


def test_no_locations_are_one_empty_page(server: Running) -> None:
    assert list_locations(server, 10) == [[]]


@pytest.mark.parametrize("page_size", [0, 7, 50])
def test_stock_comes_by_sku_then_rank(stocked: Running, page_size: int) -> None:
    found: list[tuple[str, str]] = []
    token = ""
    while token or not found:
        page = stocked.stock.ListStock(
            stock_service_pb2.ListStockRequest(page_size=page_size, page_token=token),
            timeout=CALL_SECONDS,
        )
        assert page.stock_version == stocked.ledger.version()
        found += [(each.sku, each.location_id) for each in page.records]
        token = page.next_page_token

    ranked = [f"at-{n}" for n in reversed(range(COUNT))]
    assert found == [(sku, each) for sku in ("a", "b") for each in ranked]


def test_an_inactive_location_has_nothing_available(stocked: Running) -> None:
    page = stocked.stock.ListStock(
        stock_service_pb2.ListStockRequest(
            skus=["a"], location_ids=["at-3", "at-4", "nowhere"]
        )
    )

    assert [
        (each.location_id, each.on_hand_units, each.available_units)
        for each in page.records
    ] == [("at-4", 10, 9), ("at-3", 10, 0)]


def test_a_page_is_cut_where_a_message_ends(server: Running) -> None:
    """200 locations at their largest are 6.5 MB; clients take 4."""
    channels = frozenset(f"{n:0128d}" for n in range(256))
    server.ledger.put_locations(
        [Location(LocationId(f"{n:03d}"), channel_ids=channels) for n in range(200)]
    )

    pages = list_locations(server, 10_000)

    assert len(pages) > 1
    assert list(itertools.chain(*pages)) == [f"{n:03d}" for n in range(200)]


def test_a_location_is_listed_as_it_was_put(server: Running) -> None:
    location = location_pb2.Location(
        location_id="Montréal",
        rank=3,
        kind=location_pb2.LOCATION_KIND_STORE,
        active=False,
        latitude=45.5,
        longitude=-73.5,
        country_code="CA",
        origin_id="site",
        groups=["east", "west"],
        shipping_methods=["air"],
        channel_ids=["web"],
        capacity_orders=0,
        capacity_units=9,
        shipment_cost_micros=1,
        unit_cost_micros=2,
        workload_minutes=3,
    )

    reply = server.stock.PutLocations(
        stock_service_pb2.PutLocationsRequest(locations=[location])
    )

    page = server.stock.ListLocations(stock_service_pb2.ListLocationsRequest())
    assert (reply.created_count, reply.replaced_count) == (1, 0)
    assert list(page.locations) == [location]


def test_a_batch_ends_where_its_reply_is_full(
    stocked: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.rpc.services.routing.REPLY_BYTES", 500)
    many = routing_service_pb2.RouteOrdersRequest(
        requests=[request(order(f"o-{n}", a=1)) for n in range(20)]
    )

    results = stocked.routing.RouteOrders(many, timeout=CALL_SECONDS).results

    plans = [each.plan for each in results if each.HasField("plan")]
    assert len(results) == 20
    assert 0 < len(plans) < 20
    assert {reason(each.error) for each in results[len(plans) :]} == {"REPLY_FULL"}
    assert stocked.allocated() == len(plans)
