"""A server drains when it is stopped, and says in one line why it cannot start."""

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from availability.ledger.open import open_ledger
from availability.v1 import stock_service_pb2_grpc
from router.rpc.process import serve
from router.rpc.server import ServerOptions
from router.rpc.transport.address import CannotListen, bound_address, check_address
from router.v1 import routing_service_pb2, routing_service_pb2_grpc
from tests.router.rpc.calls import (
    CALL_SECONDS,
    SEED,
    Client,
    code,
    load,
    order,
    refused,
    request,
    shipped,
)

END_SECONDS = 60.0
"""Longest wait for a server to end: far less than it may wait for calls."""
MAIN = """
import asyncio, sys
from availability.ledger.open import open_ledger
from router.rpc.process import serve
from router.rpc.server import ServerOptions

ledger = open_ledger(sys.argv[1])
commit = ledger.reserve_many


def on_command(reservations):
    print("committing", flush=True)
    sys.stdin.readline()
    return commit(reservations)


ledger.reserve_many = on_command
options = ServerOptions(
    address=sys.argv[2], pre_stop_seconds=float(sys.argv[3]), grace_seconds=600
)
asyncio.run(serve(ledger, options, lambda server: print(server.address, flush=True)))
print("closed", flush=True)
"""


@contextmanager
def serving(
    folder: Path,
    address: str = "127.0.0.1:0",
    pre_stop_seconds: float = 0.5,
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a server as a process of its own, which commits on command."""
    with subprocess.Popen(
        [
            sys.executable,
            "-c",
            MAIN,
            f"{folder}/ledger.db",
            address,
            str(pre_stop_seconds),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


@contextmanager
def client(address: str) -> Iterator[Client]:
    """Connect to a server of another process."""
    with grpc.insecure_channel(address) as channel:
        yield Client(
            channel,
            routing_service_pb2_grpc.RoutingServiceStub(channel),
            stock_service_pb2_grpc.StockServiceStub(channel),
        )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_call_in_flight_is_finished(tmp_path: Path, number: signal.Signals) -> None:
    with (
        serving(tmp_path) as (process, address),
        client(address) as running,
    ):
        load(running, SEED)
        health: Any = health_pb2_grpc.HealthStub(running.channel)
        watch = health.Watch(health_pb2.HealthCheckRequest(), timeout=CALL_SECONDS)
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        call = running.routing.RouteOrder.future(
            request(order("o", hat=1)), timeout=CALL_SECONDS
        )
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "committing\n"
        process.send_signal(number)

        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert list(watch) == []
        assert not call.done()
        process.stdin.write("commit\n")
        process.stdin.flush()
        plan = call.result().plan
        assert shipped(plan) == {"montreal": {"hat": 1}}
        assert process.wait(END_SECONDS) == 0
        assert process.stdout.read() == "closed\n"
    # The next server has what was answered.
    with (
        serving(tmp_path, pre_stop_seconds=0) as (_, address),
        client(address) as running,
    ):
        wanted = routing_service_pb2.GetPlanRequest(plan_id=plan.plan_id)
        assert running.routing.GetPlan(wanted, timeout=CALL_SECONDS).plan == plan


def test_a_late_call_is_unavailable(tmp_path: Path) -> None:
    with (
        serving(tmp_path, pre_stop_seconds=0) as (process, address),
        grpc.insecure_channel(address) as channel,
    ):
        routing = routing_service_pb2_grpc.RoutingServiceStub(channel)
        process.terminate()
        assert process.wait(END_SECONDS) == 0

        error = refused(routing.RouteOrder, request(order("o", hat=1)))

        assert code(error) is grpc.StatusCode.UNAVAILABLE


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with (
        serving(tmp_path, pre_stop_seconds=600) as (process, address),
        grpc.insecure_channel(address) as channel,
    ):
        health: Any = health_pb2_grpc.HealthStub(channel)
        watch = health.Watch(health_pb2.HealthCheckRequest(), timeout=CALL_SECONDS)
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        process.terminate()
        # Now it has handled the first: two at once may arrive as one.
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        process.terminate()

        assert process.wait(END_SECONDS) == 0


def test_the_ledger_can_be_opened_again(tmp_path: Path) -> None:
    """It was closed, and last: a second process finds no lock."""
    for _ in range(2):
        with serving(tmp_path, pre_stop_seconds=0) as (process, _):
            process.terminate()
            assert process.wait(END_SECONDS) == 0


def test_a_socket_file_serves_too(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/socket"
    with (
        serving(tmp_path, address, 0) as (process, bound),
        grpc.insecure_channel(bound) as channel,
    ):
        health: Any = health_pb2_grpc.HealthStub(channel)
        reply = health.Check(health_pb2.HealthCheckRequest(), timeout=CALL_SECONDS)
        assert bound == address
        assert reply.status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(CannotListen, match="already in use"):
            check_address(address)
        process.terminate()
        assert process.wait(END_SECONDS) == 0
    check_address(address)


def test_an_address_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        ledger = open_ledger(f"{tmp_path}/ledger.db")

        with pytest.raises(CannotListen) as caught:
            asyncio.run(serve(ledger, ServerOptions(address=address)))

    assert str(caught.value) == f"cannot listen on {address}: address already in use"
    # `serve` has closed the ledger on its way out.
    open_ledger(f"{tmp_path}/ledger.db").close()


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("", "must be host:port"),
        ("50051", "must be host:port"),
        (":50051", "must be host:port"),
        ("localhost:", "must be host:port"),
        ("localhost:http", "must be host:port"),
        ("localhost:65536", "must be host:port"),
        ("localhost:-1", "must be host:port"),
        ("host.invalid:1", ""),
        ("192.0.2.1:0", "cannot assign requested address"),
        ("unix:", "no such directory"),
        ("unix:/no/such/folder/socket", "no such directory"),
    ],
)
def test_an_address_that_is_none(address: str, why: str) -> None:
    with pytest.raises(CannotListen, match=f"^cannot listen on {address}: {why}") as it:
        check_address(address)
    assert "\n" not in str(it.value)


@pytest.mark.parametrize(
    ("address", "bound"),
    [
        ("127.0.0.1:0", "127.0.0.1:7"),
        ("[::1]:0", "[::1]:7"),
        ("unix:/a:b", "unix:/a:b"),
    ],
)
def test_the_port_that_was_bound_is_told(address: str, bound: str) -> None:
    assert bound_address(address, 7) == bound
