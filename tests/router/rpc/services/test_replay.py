"""A repeat gets the first reply, byte for byte, and takes nothing twice."""

import concurrent.futures
from typing import Any

import grpc
import pytest

from availability.v1 import location_pb2, stock_service_pb2
from router.v1 import plan_pb2, routing_service_pb2
from tests.router.rpc.calls import (
    CALL_SECONDS,
    SEED,
    code,
    load,
    metadata,
    order,
    reason,
    refused,
    request,
    route,
    status,
    violations,
)
from tests.router.rpc.conftest import Running

ROUTING = "/router.v1.RoutingService/"
STOCK = "/availability.v1.StockService/"


def raw(server: Running, method: str, message: Any) -> bytes:
    """Call and return the reply's bytes as they came."""
    call: Any = server.channel.unary_unary(method)
    reply: bytes = call(message.SerializeToString(), timeout=CALL_SECONDS)
    return reply


def test_a_repeat_is_byte_equal_and_allocates_nothing(server: Running) -> None:
    load(server, SEED)
    wanted = request(order("o", shirt=17, hat=6), request_id="r-1")

    replies = {raw(server, f"{ROUTING}RouteOrder", wanted) for _ in range(5)}

    assert len(replies) == 1
    assert server.allocated() == 23


def test_a_repeat_after_the_stock_changed_is_still_the_first_reply(
    server: Running,
) -> None:
    load(server, SEED)
    wanted = request(order("o", hat=2), request_id="r-1")
    first = raw(server, f"{ROUTING}RouteOrder", wanted)

    load(server, {"montreal": {"hat": 1_000}})

    assert raw(server, f"{ROUTING}RouteOrder", wanted) == first


def test_a_stored_plan_begins_with_the_bytes_of_its_reply(server: Running) -> None:
    load(server, SEED)
    reply = raw(server, f"{ROUTING}RouteOrder", request(order("o", shirt=1, hat=12)))
    plan = routing_service_pb2.RouteOrderResponse.FromString(reply).plan

    stored = raw(
        server,
        f"{ROUTING}GetPlan",
        routing_service_pb2.GetPlanRequest(plan_id=plan.plan_id),
    )

    assert plan.plan_id
    assert stored.startswith(reply)
    assert routing_service_pb2.GetPlanResponse.FromString(stored).plan == plan


def test_many_orders_repeat_what_one_order_was_told(server: Running) -> None:
    load(server, SEED)
    one = request(order("o", hat=2), request_id="r-1")
    first = raw(server, f"{ROUTING}RouteOrder", one)

    many = server.routing.RouteOrders(
        routing_service_pb2.RouteOrdersRequest(requests=[one, one])
    )

    assert [each.SerializeToString() for each in many.results] == [first, first]


def test_a_reused_id_is_refused(server: Running) -> None:
    load(server, SEED)
    route(server, order("first", hat=1), request_id="r-1")

    error = refused(
        server.routing.RouteOrder, request(order("second", hat=1), request_id="r-1")
    )

    assert code(error) is grpc.StatusCode.ALREADY_EXISTS
    assert reason(status(error)) == "REQUEST_ID_REUSED"
    assert metadata(status(error)) == {"request_id": "r-1"}
    assert server.allocated() == 1


def test_an_id_of_another_method_is_refused(server: Running) -> None:
    load(server, SEED)
    route(server, order("o", hat=1), request_id="r-1")

    error = refused(
        server.stock.PutLocations,
        stock_service_pb2.PutLocationsRequest(
            request_id="r-1", locations=[location_pb2.Location(location_id="new")]
        ),
    )

    assert reason(status(error)) == "REQUEST_ID_REUSED"


def test_an_order_is_routed_once(server: Running) -> None:
    load(server, SEED)
    plan = route(server, order("o", hat=1))

    error = refused(server.routing.RouteOrder, request(order("o", hat=1)))

    assert code(error) is grpc.StatusCode.ALREADY_EXISTS
    assert reason(status(error)) == "ORDER_ALREADY_ROUTED"
    assert metadata(status(error)) == {"order_id": "o", "plan_id": plan.plan_id}
    assert server.allocated() == 1


def test_a_plan_without_stock_does_not_keep_its_order(server: Running) -> None:
    load(server, {"montreal": {"hat": 0}})

    first = route(server, order("o", hat=1))
    load(server, {"montreal": {"hat": 1}})
    second = route(server, order("o", hat=1))

    assert first.status == plan_pb2.PLAN_STATUS_NONE
    assert second.status == plan_pb2.PLAN_STATUS_FULL


def test_evaluating_stores_nothing(server: Running) -> None:
    load(server, SEED)

    evaluated = [
        route(server, order("o", hat=1), validate_only=True, request_id="r-1")
        for _ in range(2)
    ]
    routed = route(server, order("o", hat=1), request_id="r-1")

    assert [plan.plan_id for plan in evaluated] == ["", ""]
    assert routed.plan_id
    assert server.allocated() == 1


def test_an_unknown_plan(server: Running) -> None:
    for plan_id in ("", "p", "x" * 100_000):
        error = refused(
            server.routing.GetPlan, routing_service_pb2.GetPlanRequest(plan_id=plan_id)
        )
        assert code(error) is grpc.StatusCode.NOT_FOUND
        assert reason(status(error)) == "PLAN_NOT_FOUND"


def test_concurrent_duplicates_converge_to_one_plan(server: Running) -> None:
    load(server, {"montreal": {"hat": 100}})
    wanted = request(order("o", hat=3), request_id="r-1")

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        replies = {
            done.result()
            for done in [
                pool.submit(raw, server, f"{ROUTING}RouteOrder", wanted)
                for _ in range(64)
            ]
        }

    assert len(replies) == 1
    assert server.allocated() == 3


def test_concurrent_orders_never_oversell(server: Running) -> None:
    load(server, {"montreal": {"hat": 20}, "laval": {"hat": 10}})

    def one(number: int) -> int:
        plan = route(server, order(f"o-{number}", hat=1))
        return sum(each.quantity for each in plan.assignments)

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        sold = sum(pool.map(one, range(64)))

    assert sold == 30
    assert server.allocated() == 30


@pytest.mark.parametrize("times", [2, 5])
def test_stock_writes_repeat_too(server: Running, times: int) -> None:
    load(server, SEED)
    delta = stock_service_pb2.ImportStockRequest(
        request_id="r-1",
        mode=stock_service_pb2.IMPORT_MODE_DELTA,
        changes=[
            stock_service_pb2.StockChange(
                location_id="laval", sku="hat", on_hand_units=7
            )
        ],
    )
    put = stock_service_pb2.PutLocationsRequest(
        request_id="r-2", locations=[location_pb2.Location(location_id="new")]
    )

    imports = {raw(server, f"{STOCK}ImportStock", delta) for _ in range(times)}
    puts = {raw(server, f"{STOCK}PutLocations", put) for _ in range(times)}

    page = server.stock.ListStock(
        stock_service_pb2.ListStockRequest(skus=["hat"], location_ids=["laval"])
    )
    assert len(imports) == len(puts) == 1
    assert [each.on_hand_units for each in page.records] == [17]


def test_a_reused_id_of_a_stock_write_is_refused(server: Running) -> None:
    load(server, SEED)
    put = stock_service_pb2.PutLocationsRequest(
        request_id="r-1", locations=[location_pb2.Location(location_id="new")]
    )
    server.stock.PutLocations(put)
    put.locations[0].rank = 7

    error = refused(server.stock.PutLocations, put)

    assert reason(status(error)) == "REQUEST_ID_REUSED"


def test_a_snapshot_sets_what_it_does_not_name_to_zero(server: Running) -> None:
    load(server, SEED)

    reply = server.stock.ImportStock(
        stock_service_pb2.ImportStockRequest(
            mode=stock_service_pb2.IMPORT_MODE_SNAPSHOT,
            changes=[
                stock_service_pb2.StockChange(
                    location_id="laval", sku="hat", on_hand_units=4
                )
            ],
        )
    )

    assert (reply.changed_count, reply.zeroed_count) == (1, 2)


def test_an_import_lists_every_violation(server: Running) -> None:
    load(server, SEED)
    change = stock_service_pb2.StockChange

    error = refused(
        server.stock.ImportStock,
        stock_service_pb2.ImportStockRequest(
            mode=stock_service_pb2.IMPORT_MODE_DELTA,
            changes=[
                change(location_id="nowhere", sku="hat", on_hand_units=1),
                change(location_id="laval", sku="", on_hand_units=1),
                change(location_id="laval", sku="hat", on_hand_units=-11),
                change(location_id="laval", sku="shirt", on_hand_units=1),
                change(location_id="laval", sku="shirt", on_hand_units=1),
            ],
        ),
    )

    assert code(error) is grpc.StatusCode.INVALID_ARGUMENT
    assert violations(status(error)) == {
        "changes[0].location_id": "UNKNOWN_LOCATION",
        "changes[1].sku": "INVALID_SKU",
        "changes[2].on_hand_units": "BELOW_ZERO",
        "changes[4].sku": "DUPLICATE",
    }
    page = server.stock.ListStock(stock_service_pb2.ListStockRequest(skus=["shirt"]))
    assert sum(each.on_hand_units for each in page.records) == 25
