"""Orders and stock that break rules: every breach is listed, and no harm is done."""

import math
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from availability.v1 import location_pb2, stock_service_pb2
from router.v1 import order_pb2, plan_pb2, policy_pb2
from tests.router.rpc.calls import (
    SEED,
    code,
    order,
    reason,
    refused,
    request,
    route,
    status,
    unharmed,
    violations,
)
from tests.router.rpc.conftest import Running

ROUTE_ORDER = "/router.v1.RoutingService/RouteOrder"


def with_lines(*lines: order_pb2.OrderLine) -> order_pb2.Order:
    return order_pb2.Order(order_id="o", lines=lines)


def line(
    line_id: str = "1", sku: str = "hat", quantity: int = 1
) -> order_pb2.OrderLine:
    return order_pb2.OrderLine(line_id=line_id, sku=sku, quantity=quantity)


def destined(latitude: float, longitude: float) -> order_pb2.Order:
    wanted = order("o", hat=1)
    wanted.destination.latitude = latitude
    wanted.destination.longitude = longitude
    return wanted


def changed(**fields: Any) -> order_pb2.Order:
    wanted = order("o", hat=1)
    wanted.MergeFrom(order_pb2.Order(**fields))
    return wanted


QUANTITY = "order.lines[0].quantity"
REFUSED: dict[str, tuple[order_pb2.Order, dict[str, str]]] = {
    "nothing": (
        order_pb2.Order(),
        {"order.order_id": "REQUIRED", "order.lines": "REQUIRED"},
    ),
    "unknown_sku": (order("o", socks=1), {"order.lines[0].sku": "UNKNOWN_SKU"}),
    "unknown_sku_in_a_kit": (
        with_lines(
            order_pb2.OrderLine(
                line_id="1",
                quantity=1,
                components=[order_pb2.KitComponent(sku="socks", quantity=1)],
            )
        ),
        {"order.lines[0].components[0].sku": "UNKNOWN_SKU"},
    ),
    "unknown_location_in_a_lane": (
        changed(lanes=[order_pb2.Lane(location_id="nowhere")]),
        {"order.lanes[0].location_id": "UNKNOWN_LOCATION"},
    ),
    "unknown_location_frozen": (
        changed(
            frozen=[
                order_pb2.FrozenAssignment(
                    line_id="hat", location_id="nowhere", quantity=1
                )
            ]
        ),
        {"order.frozen[0].location_id": "UNKNOWN_LOCATION"},
    ),
    "zero_quantity": (order("o", hat=0), {QUANTITY: "OUT_OF_RANGE"}),
    "negative_quantity": (order("o", hat=-(2**31)), {QUANTITY: "OUT_OF_RANGE"}),
    "huge_quantity": (order("o", hat=2**31 - 1), {QUANTITY: "OUT_OF_RANGE"}),
    "ten_thousand_lines": (
        with_lines(*[line(str(n)) for n in range(10_000)]),
        {"order.lines": "TOO_MANY"},
    ),
    "repeated_line_ids": (
        with_lines(line(), line(), line("2"), line()),
        {"order.lines[1].line_id": "DUPLICATE", "order.lines[3].line_id": "DUPLICATE"},
    ),
    "ids_that_are_none": (
        order_pb2.Order(order_id=" o", lines=[line("a\n", "x" * 129), line("", "")]),
        {
            "order.order_id": "INVALID_ID",
            "order.lines[0].line_id": "INVALID_ID",
            "order.lines[0].sku": "INVALID_ID",
            "order.lines[1].line_id": "REQUIRED",
            "order.lines[1].sku": "REQUIRED",
        },
    ),
    "not_a_number": (
        destined(math.nan, math.nan),
        {
            "order.destination.latitude": "OUT_OF_RANGE",
            "order.destination.longitude": "OUT_OF_RANGE",
        },
    ),
    "infinity": (
        destined(math.inf, -math.inf),
        {
            "order.destination.latitude": "OUT_OF_RANGE",
            "order.destination.longitude": "OUT_OF_RANGE",
        },
    ),
    "off_the_globe": (
        destined(90.001, 0),
        {"order.destination.latitude": "OUT_OF_RANGE"},
    ),
    "expensive_lanes": (
        changed(lanes=[order_pb2.Lane(location_id="laval", unit_cost_micros=2**62)]),
        {"order.lanes[0].unit_cost_micros": "OUT_OF_RANGE"},
    ),
}


@pytest.mark.parametrize(("wanted", "expected"), REFUSED.values(), ids=REFUSED)
def test_an_order_that_breaks_rules(
    seeded: Running, wanted: order_pb2.Order, expected: dict[str, str]
) -> None:
    error = refused(seeded.routing.RouteOrder, request(wanted))

    assert code(error) is grpc.StatusCode.INVALID_ARGUMENT
    assert reason(status(error)) == "INVALID_REQUEST"
    assert violations(status(error)) == expected
    unharmed(seeded)


def test_the_largest_quantity_is_an_order_that_cannot_be_filled(
    seeded: Running,
) -> None:
    plan = route(seeded, order("o", hat=1_000_000_000), validate_only=True)

    assert plan.status == plan_pb2.PLAN_STATUS_PARTIAL
    assert sum(each.quantity for each in plan.unassigned) == 1_000_000_000 - 23


def test_breaches_of_shape_and_sense_are_listed_together(seeded: Running) -> None:
    """Some are found when reading, the others when judging."""
    wanted = request(
        with_lines(line(quantity=0), line()),
        request_id="é",
    )
    wanted.policy.MergeFrom(
        policy_pb2.RoutingPolicy(preset="fastest", max_shipments=-1, split_rung=9)  # type: ignore[arg-type]
    )
    wanted.solve_timeout.FromSeconds(31)

    error = refused(seeded.routing.RouteOrder, wanted)

    assert violations(status(error)) == {
        "policy.preset": "UNKNOWN",
        "policy.split_rung": "UNKNOWN",
        "policy.max_shipments": "OUT_OF_RANGE",
        "request_id": "INVALID_ID",
        "solve_timeout": "OUT_OF_RANGE",
        "order.lines[0].quantity": "OUT_OF_RANGE",
        "order.lines[1].line_id": "DUPLICATE",
    }
    unharmed(seeded)


def test_a_long_list_of_breaches_is_cut(seeded: Running) -> None:
    wanted = with_lines(*[line(str(n), "s" * 200, 0) for n in range(1_000)])

    error = refused(seeded.routing.RouteOrder, request(wanted))

    assert 20 <= len(violations(status(error))) < 100
    unharmed(seeded)


NUMBERS: dict[str, tuple[Callable[[Running], Any], Any, str]] = {
    "term": (
        lambda server: server.routing.RouteOrder,
        request(order("o", hat=1)),
        "policy.objectives[0].term",
    ),
    "mode": (
        lambda server: server.stock.ImportStock,
        stock_service_pb2.ImportStockRequest(
            mode=9,  # type: ignore[arg-type]
            changes=[stock_service_pb2.StockChange(location_id="laval", sku="hat")],
        ),
        "mode",
    ),
    "mode_unset": (
        lambda server: server.stock.ImportStock,
        stock_service_pb2.ImportStockRequest(
            changes=[stock_service_pb2.StockChange(location_id="laval", sku="hat")],
        ),
        "mode",
    ),
    "kind": (
        lambda server: server.stock.PutLocations,
        stock_service_pb2.PutLocationsRequest(
            locations=[location_pb2.Location(location_id="new", kind=9)]  # type: ignore[arg-type]
        ),
        "locations[0].kind",
    ),
}
NUMBERS["term"][1].policy.objectives.add(term=99)


@pytest.mark.parametrize(("method", "wire", "path"), NUMBERS.values(), ids=NUMBERS)
def test_unknown_enum_numbers(
    seeded: Running, method: Callable[[Running], Any], wire: Any, path: str
) -> None:
    error = refused(method(seeded), wire)

    assert code(error) is grpc.StatusCode.INVALID_ARGUMENT
    assert violations(status(error)).keys() == {path}
    unharmed(seeded)


def test_locations_that_break_rules_change_nothing(seeded: Running) -> None:
    error = refused(
        seeded.stock.PutLocations,
        stock_service_pb2.PutLocationsRequest(
            locations=[
                location_pb2.Location(location_id="new"),
                location_pb2.Location(
                    location_id="bad", latitude=math.nan, longitude=0
                ),
                location_pb2.Location(),
            ]
        ),
    )

    page = seeded.stock.ListLocations(stock_service_pb2.ListLocationsRequest())
    assert violations(status(error)) == {
        "locations[1].latitude": "OUT_OF_RANGE",
        "locations[2].location_id": "REQUIRED",
    }
    assert [each.location_id for each in page.locations] == list(SEED)


def test_a_location_twice(seeded: Running) -> None:
    new = location_pb2.Location(location_id="new")

    error = refused(
        seeded.stock.PutLocations,
        stock_service_pb2.PutLocationsRequest(locations=[new, new]),
    )

    assert violations(status(error)) == {"locations[1].location_id": "DUPLICATE"}


@pytest.mark.parametrize(
    ("wire", "path"),
    [
        (stock_service_pb2.ListStockRequest(page_size=-1), "page_size"),
        (stock_service_pb2.ListStockRequest(page_token="x"), "page_token"),
        (stock_service_pb2.ListStockRequest(skus=["s"] * 1_001), "skus"),
        (
            stock_service_pb2.ListStockRequest(location_ids=["s"] * 1_001),
            "location_ids",
        ),
    ],
)
def test_invalid_list_requests(
    seeded: Running, wire: stock_service_pb2.ListStockRequest, path: str
) -> None:
    error = refused(seeded.stock.ListStock, wire)

    assert code(error) is grpc.StatusCode.INVALID_ARGUMENT
    assert violations(status(error)).keys() == {path}
