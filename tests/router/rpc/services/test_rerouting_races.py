"""One re-routing at a time on a server, and errors of a solving process."""

import contextlib
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


def silent(line: "Connection[Any, Any]", *_: object) -> None:
    """Answer nothing until it is ended."""
    with contextlib.suppress(EOFError):
        while True:
            line.recv()


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


def test_a_second_one_is_refused_until_the_first_has_ended(
    waiting: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_process, "run", silent)
    first = waiting.routing.RerouteOrders(iter([ask()]), timeout=60.0)
    next(first)

    assert reason(failed(waiting)) == "OVERLOADED"

    monkeypatch.undo()
    first.cancel()
    give_up = time.monotonic() + GONE_SECONDS
    while any(each.name == "rerouting" for each in active_children()):
        assert time.monotonic() < give_up
        time.sleep(0.02)
    assert reroute(waiting).report.before.order_count == 1


def test_too_many_orders_are_an_error(
    waiting: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_process, "run", too_many)

    error = failed(waiting)

    assert reason(error) == "TOO_MANY_ORDERS"
    assert metadata(error) == {"most": str(MOST)}
    assert error.message == f"more than {MOST} orders are selected"


def test_a_fault_of_the_child_is_logged(
    waiting: Running,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(worker_process, "run", faulty)

    error = failed(waiting)

    assert reason(error) == "INTERNAL"
    assert "Traceback of the child" in caplog.text
    monkeypatch.undo()
    assert reroute(waiting).report.before.order_count == 1


def test_a_process_that_ends_is_an_error_with_its_status(
    waiting: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_process, "run", print)

    error = failed(waiting)

    assert error.code == grpc.StatusCode.ABORTED.value[0]
    assert reason(error) == "REROUTING_ENDED"
    assert metadata(error) == {"how": "exit status 0"}
