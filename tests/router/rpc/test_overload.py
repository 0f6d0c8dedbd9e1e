"""Excess load is refused without waiting, with a time to retry after."""

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any, cast

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from availability.ledger.protocol import GROUP_LIMIT, Ledger
from availability.reservations import Reservation
from router.rpc.background.driver import MAX_WAITING, Writer
from router.rpc.transport.errors import Overloaded
from router.rpc.transport.metrics import Metrics
from router.v1 import routing_service_pb2
from tests.router.rpc.background.test_driver import FakeLedger
from tests.router.rpc.calls import (
    CALL_SECONDS,
    SEED,
    code,
    load,
    order,
    reason,
    refused,
    request,
    status,
)
from tests.router.rpc.conftest import Running, Start

PLACES = 4
FILL_SECONDS = 200.0
"""Longest that calls wait for the gate, which opens at the end of a test."""


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """The event that the commits of `full` wait for."""
    opened = threading.Event()
    yield opened
    opened.set()


@pytest.fixture
def full(start: Start, gate: threading.Event) -> Iterator[Running]:
    """A server with a call in every place, and a store that does not answer."""
    server = start(max_concurrent_rpcs=PLACES)
    load(server, SEED)
    calls = fill(server, gate, PLACES)
    yield server
    gate.set()
    for each in calls:
        assert each.code() is grpc.StatusCode.OK


def fill(server: Running, gate: threading.Event, count: int) -> list[Any]:
    """Make calls that end when the gate is opened; return once they are in flight."""
    commit = server.ledger.reserve_many
    committing = threading.Event()

    def gated(reservations: Any) -> Any:
        committing.set()
        assert gate.wait(FILL_SECONDS)
        return commit(reservations)

    server.ledger.reserve_many = gated  # type: ignore[method-assign]
    calls = []
    for n in range(count):
        calls.append(
            server.routing.RouteOrder.future(
                request(order(f"filler-{n}", hat=1)), timeout=FILL_SECONDS
            )
        )
        # Only once the first is taken from the queue, the others fill it.
        assert committing.wait(CALL_SECONDS)
    until(server, "repartir_rpc_in_flight", count)
    until(server, "repartir_writer_waiting", count - 1)
    return calls


def until(server: Running, metric: str, expected: int) -> None:
    """Wait until the server counts so many."""
    end = time.monotonic() + CALL_SECONDS
    while (
        found := server.server.metrics.registry.get_sample_value(metric)
    ) != expected:
        assert time.monotonic() < end, f"{metric} is {found}"
        time.sleep(0.01)


def retry_seconds(error: Any) -> float:
    (packed,) = [
        each
        for each in status(error).details
        if each.Is(error_details_pb2.RetryInfo.DESCRIPTOR)
    ]
    retry = error_details_pb2.RetryInfo.FromString(packed.value)
    return float(retry.retry_delay.ToMilliseconds()) / 1_000


def test_a_call_too_many_is_refused_without_waiting(full: Running) -> None:
    """The store does not answer: a refusal that waited for it would never come."""
    for n in range(21):
        error = refused(full.routing.RouteOrder, request(order(f"o-{n}", hat=1)))

        assert code(error) is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert reason(status(error)) == "OVERLOADED"
        assert 0 < retry_seconds(error) <= 1
    until(full, "repartir_rpc_in_flight", PLACES)


def test_calls_of_many_orders_are_refused_as_well(full: Running) -> None:
    many = routing_service_pb2.RouteOrdersRequest(
        requests=[request(order(f"o-{n}", hat=1), validate_only=True) for n in range(9)]
    )

    error = refused(full.routing.RouteOrders, many)

    assert code(error) is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert reason(status(error)) == "OVERLOADED"


def test_a_hundred_refusals_at_once(full: Running) -> None:
    calls = [
        full.routing.RouteOrder.future(
            request(order(f"o-{n}", hat=1)), timeout=CALL_SECONDS
        )
        for n in range(100)
    ]

    codes = {each.code() for each in calls}

    assert codes == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    until(full, "repartir_rpc_in_flight", PLACES)


def test_a_full_server_is_healthy(full: Running) -> None:
    """A load balancer must not consider it dead, or restart it."""
    stub: Any = health_pb2_grpc.HealthStub(full.channel)

    reply = stub.Check(health_pb2.HealthCheckRequest(), timeout=CALL_SECONDS)

    assert reply.status == health_pb2.HealthCheckResponse.SERVING


def test_places_become_free_again(start: Start, gate: threading.Event) -> None:
    """After refusals too: a counter that refusals decrease would admit all calls."""
    server = start(max_concurrent_rpcs=2)
    load(server, SEED)
    for wave in range(3):
        calls = [
            server.routing.RouteOrder.future(
                request(order(f"o-{wave}-{n}", hat=0)), timeout=CALL_SECONDS
            )
            for n in range(20)
        ]
        codes = {each.code() for each in calls}
        assert codes <= {
            grpc.StatusCode.INVALID_ARGUMENT,
            grpc.StatusCode.RESOURCE_EXHAUSTED,
        }
    calls = fill(server, gate, 2)
    error = refused(server.routing.RouteOrder, request(order("o", hat=1)))
    assert reason(status(error)) == "OVERLOADED"
    gate.set()
    assert [each.code() for each in calls] == 2 * [grpc.StatusCode.OK]


def test_a_cancelled_call_frees_its_place(start: Start, gate: threading.Event) -> None:
    server = start(max_concurrent_rpcs=1)
    load(server, SEED)
    (call,) = fill(server, gate, 1)
    call.cancel()
    until(server, "repartir_rpc_in_flight", 0)

    # It has a place, and is refused for its order.
    error = refused(server.routing.RouteOrder, request(order("o", hat=0)))

    assert code(error) is grpc.StatusCode.INVALID_ARGUMENT


def test_the_write_queue_is_limited(start: Start, gate: threading.Event) -> None:
    server = start(max_waiting=3)
    load(server, SEED)
    calls = fill(server, gate, 4)

    error = refused(server.routing.RouteOrder, request(order("o", hat=1)))
    evaluated = server.routing.RouteOrder(
        request(order("o", hat=1), validate_only=True), timeout=CALL_SECONDS
    )

    assert code(error) is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert reason(status(error)) == "OVERLOADED"
    assert retry_seconds(error) > 0
    assert evaluated.plan.order_id == "o"
    gate.set()
    assert [each.code() for each in calls] == 4 * [grpc.StatusCode.OK]


def reservation(n: int) -> Reservation:
    return Reservation(f"plan-{n}", f"order-{n}", (), b"reply")


def test_a_cancelled_write_leaves_the_queue() -> None:
    async def play() -> None:
        ledger = FakeLedger()
        ledger.gate.clear()
        writer = Writer(cast(Ledger, ledger), Metrics(), max_waiting=2)
        begun, left, waits = (writer.reserve(reservation(n)) for n in range(3))
        with pytest.raises(Overloaded):
            writer.reserve(reservation(3))
        left.cancel()

        last = writer.reserve(reservation(4))

        with pytest.raises(Overloaded):
            await writer.write(lambda: None)
        ledger.gate.set()
        done = await asyncio.gather(begun, waits, last)
        assert [each.reply for each in done] == [b"plan-0", b"plan-2", b"plan-4"]
        await writer.close()

    asyncio.run(play())


def test_other_writes_wait_in_the_same_queue() -> None:
    async def play() -> None:
        ledger = FakeLedger()
        writer = Writer(cast(Ledger, ledger), Metrics(), max_waiting=1)
        hold = threading.Event()
        first = asyncio.ensure_future(writer.write(lambda: hold.wait(10)))
        await asyncio.sleep(0)

        with pytest.raises(Overloaded):
            writer.reserve(reservation(1))

        hold.set()
        assert await first
        assert (await writer.reserve(reservation(2))).reply == b"plan-2"
        await writer.close()

    asyncio.run(play())


def test_the_queue_has_room_for_full_commits() -> None:
    async def play() -> list[int]:
        ledger = FakeLedger()
        ledger.gate.clear()
        writer = Writer(cast(Ledger, ledger), Metrics())
        calls = [writer.reserve(reservation(n)) for n in range(1 + MAX_WAITING)]
        with pytest.raises(Overloaded):
            writer.reserve(reservation(-1))
        ledger.gate.set()
        await asyncio.gather(*calls)
        await writer.close()
        return [len(group) for group in ledger.groups]

    assert asyncio.run(play()) == [1, *MAX_WAITING // GROUP_LIMIT * [GROUP_LIMIT]]
