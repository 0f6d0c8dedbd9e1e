"""What is too much is refused at once, with a word on when to come again."""

import asyncio
import statistics
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

REFUSAL_SECONDS = 0.05
PLACES = 4


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What the commits of `full` wait for."""
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
    """Make calls that end when the gate is opened, and wait until they began."""
    commit = server.ledger.reserve_many

    def slowly(reservations: Any) -> Any:
        assert gate.wait(CALL_SECONDS)
        return commit(reservations)

    server.ledger.reserve_many = slowly  # type: ignore[method-assign]
    calls = [
        server.routing.RouteOrder.future(
            request(order(f"filler-{n}", hat=1)), timeout=CALL_SECONDS
        )
        for n in range(count)
    ]
    # One is being committed, and the others wait for it.
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


def test_a_call_too_many_is_refused_promptly(full: Running) -> None:
    seconds = []
    for n in range(21):
        begun = time.monotonic()
        error = refused(full.routing.RouteOrder, request(order(f"o-{n}", hat=1)))
        seconds.append(time.monotonic() - begun)

        assert code(error) is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert reason(status(error)) == "OVERLOADED"
        assert 0 < retry_seconds(error) <= 1
    # Other tests run beside this one: one refusal may have waited for them.
    assert statistics.median(seconds) < REFUSAL_SECONDS


def test_refusals_at_once_are_prompt_too(full: Running) -> None:
    begun = time.monotonic()
    calls = [
        full.routing.RouteOrder.future(
            request(order(f"o-{n}", hat=1)), timeout=CALL_SECONDS
        )
        for n in range(100)
    ]

    codes = {each.code() for each in calls}

    assert codes == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert (time.monotonic() - begun) / 10 < REFUSAL_SECONDS


def test_a_server_that_is_full_is_well(full: Running) -> None:
    """Who balances calls must not take it for dead, or start it anew."""
    stub: Any = health_pb2_grpc.HealthStub(full.channel)

    reply = stub.Check(health_pb2.HealthCheckRequest(), timeout=CALL_SECONDS)

    assert reply.status == health_pb2.HealthCheckResponse.SERVING


def test_places_come_free_again(start: Start, gate: threading.Event) -> None:
    """After refusals too: a counter that refusals count down lets all in."""
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


def test_a_call_that_is_left_gives_its_place_back(
    start: Start, gate: threading.Event
) -> None:
    server = start(max_concurrent_rpcs=1)
    load(server, SEED)
    (call,) = fill(server, gate, 1)
    call.cancel()
    until(server, "repartir_rpc_in_flight", 0)

    # No place is taken: it is the order that is no good.
    error = refused(server.routing.RouteOrder, request(order("o", hat=0)))

    assert code(error) is grpc.StatusCode.INVALID_ARGUMENT


def test_writes_that_wait_have_a_limit(start: Start, gate: threading.Event) -> None:
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


def test_who_has_gone_does_not_keep_a_place_in_the_queue() -> None:
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
        replies = list(await asyncio.gather(begun, waits, last))
        assert replies == [b"plan-0", b"plan-2", b"plan-4"]
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
        assert await writer.reserve(reservation(2)) == b"plan-2"
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
