"""What surrounds a handler, called with a context that says what it likes."""

import asyncio
import logging
import time
from typing import Any, NoReturn

import grpc
import pytest
from google.rpc import status_pb2

from router.errors import StockContention
from router.rpc.transport.gate import Gate
from router.rpc.transport.interceptors import Handler, guarded
from router.rpc.transport.tokens import Scope
from router.v1 import routing_service_pb2
from tests.router.rpc.calls import metadata, reason

Request = routing_service_pb2.GetPlanRequest
GOOD = Request(plan_id="p").SerializeToString()


class Aborted(Exception):
    """What gRPC raises to end a handler."""


class FakeContext:
    """A call with so much time left."""

    def __init__(self, left: float | None) -> None:
        self.left = left
        self.code: grpc.StatusCode | None = None
        self.status: status_pb2.Status | None = None

    def time_remaining(self) -> float | None:
        return self.left

    async def abort(self, code: grpc.StatusCode, _: str) -> NoReturn:
        self.code = code
        raise Aborted

    async def abort_with_status(self, status: Any) -> NoReturn:
        self.code = status.code
        ((_, details),) = status.trailing_metadata
        self.status = status_pb2.Status.FromString(details)
        raise Aborted


def call(
    handler: Handler[Request],
    left: float | None,
    data: bytes = GOOD,
    gate: Gate | None = None,
    **options: float,
) -> bytes:
    """Call a guarded handler; raise `Refused` where the call was aborted."""
    context = FakeContext(left)
    guard: Any = guarded(gate or Gate(), Request, handler, Scope.ROUTE, **options)
    try:
        reply: bytes = asyncio.run(guard.unary_unary(data, context))
    except Aborted:
        raise Refused(context) from None
    return reply


class Refused(Exception):
    def __init__(self, context: FakeContext) -> None:
        self.code = context.code
        self.status = context.status


async def echo(request: Request, _deadline: float) -> bytes:
    return request.plan_id.encode()


async def never(_request: Request, _deadline: float) -> bytes:
    raise AssertionError("the handler was called")


def test_a_reply_passes_through() -> None:
    assert call(echo, 1.0) == b"p"


@pytest.mark.parametrize(("left", "seconds"), [(10.0, 10.0), (None, 2.0)])
def test_the_handler_is_told_its_deadline(left: float | None, seconds: float) -> None:
    told: list[float] = []

    async def handler(_request: Request, deadline: float) -> bytes:
        told.append(deadline - time.monotonic())
        return b""

    call(handler, left)

    assert told == [pytest.approx(seconds, abs=0.2)]


@pytest.mark.parametrize("left", [0.0, 0.0049])
def test_too_little_time_is_refused_before_anything_is_done(left: float) -> None:
    with pytest.raises(Refused) as refused:
        call(never, left, b"\xff")

    assert refused.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert refused.value.status is not None
    assert reason(refused.value.status) == "DEADLINE_TOO_SHORT"


def test_bytes_that_are_no_message() -> None:
    with pytest.raises(Refused) as refused:
        call(never, 1.0, b"\xff")

    assert refused.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.value.status is not None
    assert reason(refused.value.status) == "MALFORMED_MESSAGE"


def test_an_error_of_ours_keeps_its_outcome() -> None:
    async def handler(_request: Request, _deadline: float) -> bytes:
        raise StockContention(5)

    with pytest.raises(Refused) as refused:
        call(handler, 1.0)

    assert refused.value.code is grpc.StatusCode.ABORTED
    assert refused.value.status is not None
    assert metadata(refused.value.status) == {"attempts": "5"}


@pytest.mark.parametrize("left", [1.0, None])
def test_a_fault_is_internal_and_leaks_nothing(
    left: float | None, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(_request: Request, _deadline: float) -> bytes:
        raise TimeoutError("secret")

    with (
        caplog.at_level(logging.ERROR, "router.rpc.transport.status"),
        pytest.raises(Refused) as refused,
    ):
        call(handler, left)

    assert refused.value.code is grpc.StatusCode.INTERNAL
    assert refused.value.status is not None
    assert b"secret" not in refused.value.status.SerializeToString()
    assert metadata(refused.value.status)["error_id"] in caplog.text


def test_a_call_without_a_deadline_is_ended_all_the_same() -> None:
    async def handler(_request: Request, _deadline: float) -> bytes:
        await asyncio.sleep(30)
        return b""

    with pytest.raises(Refused) as refused:
        call(handler, None, default_seconds=0.05)

    assert refused.value.code is grpc.StatusCode.DEADLINE_EXCEEDED


def counted(gate: Gate) -> dict[str, float]:
    """Return how often calls ended with which code."""
    return {
        each.labels["code"]: each.value
        for metric in gate.metrics.registry.collect()
        for each in metric.samples
        if each.name == "repartir_rpc_handled_total" and each.value
    }


@pytest.mark.parametrize(
    ("error", "left", "code"),
    [
        (StockContention(5), 1.0, "ABORTED"),
        (ValueError("fault"), 1.0, "INTERNAL"),
        (asyncio.CancelledError(), 1.0, "CANCELLED"),
        (asyncio.CancelledError(), None, "CANCELLED"),
    ],
)
def test_every_end_is_counted_and_gives_its_place_back(
    error: BaseException, left: float | None, code: str
) -> None:
    gate = Gate(max_concurrent=1)

    async def handler(_request: Request, _deadline: float) -> bytes:
        assert gate.in_flight == 1
        raise error

    for _ in range(3):
        with pytest.raises((Refused, asyncio.CancelledError)):
            call(handler, left, gate=gate)

    assert gate.in_flight == 0
    assert counted(gate) == {code: 3}


def test_a_call_whose_deadline_passed_was_not_cancelled() -> None:
    """gRPC cancels the handler in either case."""
    gate = Gate()
    context = FakeContext(1.0)

    async def handler(_request: Request, _deadline: float) -> bytes:
        context.left = 0.0
        raise asyncio.CancelledError

    guard: Any = guarded(gate, Request, handler, Scope.ROUTE)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(guard.unary_unary(GOOD, context))

    assert counted(gate) == {"DEADLINE_EXCEEDED": 1}


def test_a_deadline_of_years_is_ended_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.rpc.transport.interceptors.MAX_DEADLINE_SECONDS", 0.05)

    async def handler(_request: Request, _deadline: float) -> bytes:
        await asyncio.sleep(30)
        return b""

    with pytest.raises(Refused) as refused:
        call(handler, 1e9)

    assert refused.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
