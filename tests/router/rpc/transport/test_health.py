"""What is said of the store is what was seen of it, moments ago."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from availability.errors import RequestReused, StoreUnavailable
from router.rpc.server import SERVICES
from tests.router.rpc.calls import CALL_SECONDS
from tests.router.rpc.conftest import Running, Start

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
PROBE_SECONDS = 0.1


@pytest.fixture
def server(start: Start) -> Running:
    return start(probe_seconds=PROBE_SECONDS)


def check(server: Running, service: str) -> int:
    stub: Any = health_pb2_grpc.HealthStub(server.channel)
    reply = stub.Check(
        health_pb2.HealthCheckRequest(service=service), timeout=CALL_SECONDS
    )
    return int(reply.status)


def comes(seen: Callable[[], bool]) -> bool:
    end = time.monotonic() + CALL_SECONDS
    while time.monotonic() < end:
        if seen():
            return True
        time.sleep(PROBE_SECONDS / 4)
    return False


def break_store(server: Running, error: Exception) -> Callable[[], None]:
    """Let the store fail; return what mends it."""

    def failing(_: object) -> bytes | None:
        raise error

    replay = server.ledger.replay
    server.ledger.replay = failing  # type: ignore[assignment, method-assign]

    def mend() -> None:
        server.ledger.replay = replay  # type: ignore[method-assign]

    return mend


def test_a_store_that_can_be_read_serves(server: Running) -> None:
    time.sleep(3 * PROBE_SECONDS)

    assert {check(server, name) for name in ("", "ledger", *SERVICES)} == {SERVING}


@pytest.mark.parametrize(
    "error", [StoreUnavailable("/secret: disk I/O error"), RuntimeError("surprise")]
)
def test_a_store_that_fails_is_told_and_so_is_its_return(
    server: Running, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "router.rpc.transport.health"):
        mend = break_store(server, error)
        assert comes(lambda: check(server, "ledger") == NOT_SERVING)
        assert check(server, "") == NOT_SERVING
        # What is in memory is still answered.
        assert {check(server, name) for name in SERVICES} == {SERVING}
        mend()
        assert comes(lambda: check(server, "ledger") == SERVING)
        assert check(server, "") == SERVING

    told = [each.message for each in caplog.records]
    assert told == ["the store cannot be read", "the store can be read again"]


def test_a_store_that_hangs_is_told(server: Running) -> None:
    gate = threading.Event()
    replay = server.ledger.replay

    def hanging(asked: Any) -> bytes | None:
        gate.wait(CALL_SECONDS)
        return replay(asked)

    server.ledger.replay = hanging  # type: ignore[assignment, method-assign]
    try:
        assert comes(lambda: check(server, "ledger") == NOT_SERVING)
        time.sleep(3 * PROBE_SECONDS)
        hung = [each for each in threading.enumerate() if "probe" in each.name]
        assert len(hung) == 1
    finally:
        gate.set()

    assert comes(lambda: check(server, "ledger") == SERVING)


def test_a_request_of_the_same_name_is_no_fault(server: Running) -> None:
    break_store(server, RequestReused("health-probe"))
    time.sleep(3 * PROBE_SECONDS)

    assert check(server, "ledger") == SERVING


def test_who_watches_hears_of_every_change(server: Running) -> None:
    stub: Any = health_pb2_grpc.HealthStub(server.channel)
    watch = stub.Watch(
        health_pb2.HealthCheckRequest(service="ledger"), timeout=CALL_SECONDS
    )
    other = stub.Watch(
        health_pb2.HealthCheckRequest(service=SERVICES[0]), timeout=CALL_SECONDS
    )
    assert next(watch).status == next(other).status == SERVING

    mend = break_store(server, StoreUnavailable("gone"))
    assert next(watch).status == NOT_SERVING
    mend()
    assert next(watch).status == SERVING

    watch.cancel()
    other.cancel()
