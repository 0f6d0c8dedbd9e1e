"""One re-routing at a time on a server, and what is told of a process that failed."""

import time
from multiprocessing import active_children
from multiprocessing.connection import Connection
from typing import Any

import grpc
import pytest

from router.rerouting import worker_process
from tests.router.rpc.calls import load, metadata, order, reason, refused, route, status
from tests.router.rpc.conftest import Running
from tests.router.rpc.rerouting import ask, reroute

GONE_SECONDS = 30.0
"""Longest wait for a process to end; a busy machine is slow."""
MOST = 7


def too_many(line: "Connection[Any, Any]", *_: object) -> None:
    line.recv()
    line.send(("too many", MOST))


def faulty(line: "Connection[Any, Any]", *_: object) -> None:
    line.recv()
    line.send(("failed", "Traceback of the child"))


@pytest.fixture
def waiting(server: Running) -> Running:
    """A server with an order that waits."""
    load(server, {"a": {"hat": 1}})
    route(server, order("one", hat=1))
    return server


def failed(server: Running) -> Any:
    """Re-route to a failure; return its status."""
    call = server.routing.RerouteOrders(iter([ask()]), timeout=60.0)
    return status(refused(lambda **_: list(call)))


def test_a_second_one_is_refused_until_the_first_has_gone(waiting: Running) -> None:
    first = waiting.routing.RerouteOrders(iter([ask()]), timeout=60.0)
    next(first)

    assert reason(failed(waiting)) == "OVERLOADED"

    first.cancel()
    give_up = time.monotonic() + GONE_SECONDS
    while any(each.name == "rerouting" for each in active_children()):
        assert time.monotonic() < give_up
        time.sleep(0.02)
    assert reroute(waiting).report.before.order_count == 1


def test_too_many_orders_are_told_in_words(
    waiting: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_process, "_run", too_many)

    told = failed(waiting)

    assert reason(told) == "TOO_MANY_ORDERS"
    assert metadata(told) == {"most": str(MOST)}
    assert told.message == f"more than {MOST} orders are selected"


def test_a_fault_of_the_child_is_in_the_log(
    waiting: Running,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(worker_process, "_run", faulty)

    told = failed(waiting)

    assert reason(told) == "INTERNAL"
    assert "Traceback of the child" in caplog.text
    monkeypatch.undo()
    assert reroute(waiting).report.before.order_count == 1


def test_a_process_that_ends_is_told_with_its_status(
    waiting: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_process, "_run", print)

    told = failed(waiting)

    assert told.code == grpc.StatusCode.ABORTED.value[0]
    assert reason(told) == "REROUTING_ENDED"
    assert metadata(told) == {"how": "exit status 0"}
