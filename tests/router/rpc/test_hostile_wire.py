"""Bytes, sizes and deadlines that no client should send: refused, and no harm done."""

import gzip
import time
from typing import Any

import grpc
import pytest

from router.v1 import plan_pb2, routing_service_pb2
from router.validation.shape import validate_shape
from tests.router.rpc.calls import (
    CALL_SECONDS,
    code,
    order,
    reason,
    refused,
    request,
    status,
    unharmed,
    violations,
)
from tests.router.rpc.conftest import Running

ROUTE_ORDER = "/router.v1.RoutingService/RouteOrder"


@pytest.mark.parametrize(
    "garbage",
    [b"\xff", b"\x12\xff\xff\xff\xff\x0f", b"\x00" * 100, b"\x0a\x02\xff\xfe"],
    ids=["tag", "length", "zeros", "utf8"],
)
@pytest.mark.parametrize(
    "method",
    [
        ROUTE_ORDER,
        "/router.v1.RoutingService/RouteOrders",
        "/availability.v1.StockService/ImportStock",
    ],
)
def test_garbage(seeded: Running, method: str, garbage: bytes) -> None:
    if garbage.startswith(b"\x0a") and method.endswith("Orders"):
        garbage = b"\x0a\x04" + garbage

    error = refused(seeded.channel.unary_unary(method), garbage)

    assert code(error) is grpc.StatusCode.INVALID_ARGUMENT
    assert reason(status(error)) == "MALFORMED_MESSAGE"
    unharmed(seeded)


def test_a_message_too_large(seeded: Running) -> None:
    error = refused(seeded.channel.unary_unary(ROUTE_ORDER), b"\0" * 5_000_000)

    assert code(error) is grpc.StatusCode.RESOURCE_EXHAUSTED
    unharmed(seeded)


@pytest.mark.parametrize("megabytes", [5, 200])
def test_a_bomb(seeded: Running, megabytes: int) -> None:
    error = refused(
        seeded.channel.unary_unary(ROUTE_ORDER),
        b"\0" * (megabytes * 1_000_000),
        compression=grpc.Compression.Gzip,
    )

    assert len(gzip.compress(b"\0" * 1_000_000, 1)) < 10_000
    assert code(error) is grpc.StatusCode.RESOURCE_EXHAUSTED
    unharmed(seeded)


def test_two_million_items_in_one_message(seeded: Running) -> None:
    """Each an empty lane: two bytes on the wire, over a hundred in memory.

    They are refused before the call's deadline, not after minutes of validation.
    """
    lanes = b"\x32\x00" * 2_000_000
    length = bytes([0x12, *[0x80 | len(lanes) >> n & 0x7F for n in (0, 7, 14)]])
    wanted = length + bytes([len(lanes) >> 21]) + lanes

    error = refused(seeded.channel.unary_unary(ROUTE_ORDER), wanted)

    assert violations(status(error))["order.lanes"] == "TOO_MANY"
    unharmed(seeded)


def test_metadata_too_large(seeded: Running) -> None:
    error = refused(
        seeded.routing.RouteOrder,
        request(order("o", hat=1)),
        metadata=[("x-much", "m" * 65_536)],
    )

    assert code(error) is grpc.StatusCode.RESOURCE_EXHAUSTED
    unharmed(seeded)


def test_no_deadline_is_given_one(seeded: Running) -> None:
    plan = seeded.routing.RouteOrder(request(order("o", hat=1), validate_only=True))

    assert plan.plan.status == plan_pb2.PLAN_STATUS_FULL
    unharmed(seeded)


def test_no_time_at_all(seeded: Running) -> None:
    for n in range(20):
        error = refused(
            seeded.routing.RouteOrder, request(order(f"o-{n}", hat=1)), timeout=0.001
        )
        assert code(error) is grpc.StatusCode.DEADLINE_EXCEEDED
    unharmed(seeded)


def test_no_time_for_the_rest_of_many(
    seeded: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The orders that are too late each say so, and the reply still comes."""
    # A fifth of a second to plan what takes longer, and a minute to reply.
    monkeypatch.setattr("router.rpc.services.routing.MARGIN_SHARE", 1.0)
    monkeypatch.setattr("router.rpc.services.routing.MAX_MARGIN_SECONDS", 60.0)

    def slow(*arguments: Any) -> None:
        time.sleep(0.001)
        validate_shape(*arguments)

    monkeypatch.setattr("router.pipeline.validate_shape", slow)
    many = routing_service_pb2.RouteOrdersRequest(
        requests=[
            request(order(f"o-{n}", hat=1), validate_only=True, counterfactuals=True)
            for n in range(1_000)
        ]
    )

    results = seeded.routing.RouteOrders(many, timeout=60.2).results

    kinds = [str(each.WhichOneof("result")) for each in results]
    late = [each.error for each in results if each.HasField("error")]
    assert len(results) == 1_000
    assert kinds == sorted(kinds, reverse=True), "first plans, then errors"
    assert late
    assert {reason(each) for each in late} == {"DEADLINE_TOO_SHORT"}
    unharmed(seeded)


def test_many_orders_each_on_its_own(seeded: Running) -> None:
    many = routing_service_pb2.RouteOrdersRequest(
        requests=[
            request(order("a", hat=1)),
            request(order("b", hat=0)),
            request(order("a", hat=1)),
            request(order("c", socks=1)),
            request(order("d", hat=1)),
        ]
    )

    results = seeded.routing.RouteOrders(many, timeout=CALL_SECONDS).results

    outcomes = [
        reason(each.error) if each.HasField("error") else each.plan.order_id
        for each in results
    ]
    assert outcomes == [
        "a",
        "INVALID_REQUEST",
        "ORDER_ALREADY_ROUTED",
        "INVALID_REQUEST",
        "d",
    ]
    assert seeded.allocated() == 2


@pytest.mark.parametrize("count", [0, 1_001])
def test_too_many_orders_or_none(seeded: Running, count: int) -> None:
    error = refused(
        seeded.routing.RouteOrders,
        routing_service_pb2.RouteOrdersRequest(
            requests=[routing_service_pb2.RouteOrderRequest()] * count
        ),
    )

    assert violations(status(error)).keys() == {"requests"}


@pytest.mark.parametrize(
    "method", ["/router.v1.RoutingService/RouteOrderz", "/nobody.v1.Service/Call", "/x"]
)
def test_a_method_that_is_none(seeded: Running, method: str) -> None:
    error = refused(seeded.channel.unary_unary(method), b"")

    assert code(error) is grpc.StatusCode.UNIMPLEMENTED
    unharmed(seeded)
