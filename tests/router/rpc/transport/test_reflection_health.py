"""What tools and balancers ask: who is there, and may it be sent calls."""

import base64
import json
import queue
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from router.rpc.transport.health import MAX_WATCHES
from router.v1 import routing_service_pb2
from tests.router.rpc.calls import CALL_SECONDS, SEED, code, load, refused
from tests.router.rpc.conftest import Loop, Running, Start

BUF = Path(sysconfig.get_path("scripts")) / "buf"
SERVING = health_pb2.HealthCheckResponse.SERVING


def curl(server: Running, method: str, message: dict[str, Any]) -> tuple[int, str]:
    """Call as a person would; return the exit status and what was printed."""
    done = subprocess.run(
        [
            BUF,
            "curl",
            "--protocol=grpc",
            "--http2-prior-knowledge",
            "--reflect-protocol=grpc-v1alpha",
            f"--data={json.dumps(message)}",
            f"http://{server.address}/{method}",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_buf_curl_finds_and_calls_a_method(server: Running) -> None:
    load(server, SEED)
    message = {
        "order": {
            "orderId": "o",
            "lines": [{"lineId": "1", "sku": "hat", "quantity": 5}],
        },
        "policy": {"preset": "ranked-prefix"},
    }

    status, printed = curl(server, "router.v1.RoutingService/RouteOrder", message)

    assert status == 0, printed
    plan = json.loads(printed)["plan"]
    assert plan["status"] == "PLAN_STATUS_FULL"
    assert plan["proven"] is True
    assert [each["locationId"] for each in plan["assignments"]] == ["sherbrooke"]


def test_buf_curl_prints_the_details_of_an_error(server: Running) -> None:
    load(server, SEED)

    status, printed = curl(server, "router.v1.RoutingService/RouteOrder", {})

    assert status != 0
    error = json.loads(printed)
    # buf prints a detail's bytes when its type is none of the service's own.
    details = {each["type"]: each["value"] for each in error["details"]}
    padded = details["google.rpc.BadRequest"] + "=="
    bad = error_details_pb2.BadRequest.FromString(base64.b64decode(padded))
    assert error["code"] == "invalid_argument"
    assert details.keys() == {"google.rpc.ErrorInfo", "google.rpc.BadRequest"}
    assert bad.field_violations[0].field == "order.order_id"


def test_reflection_lists_the_services(server: Running) -> None:
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(server.channel)

    replies = stub.ServerReflectionInfo(
        iter([reflection_pb2.ServerReflectionRequest(list_services="*")]),
        timeout=CALL_SECONDS,
    )

    (reply,) = list(replies)
    assert [each.name for each in reply.list_services_response.service] == [
        "availability.v1.AvailabilityService",
        "availability.v1.ChannelService",
        "availability.v1.StockService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
        "router.v1.RoutingService",
    ]


def test_idle_reflection_takes_the_place_of_no_call(start: Start) -> None:
    server = start(max_concurrent_rpcs=1)
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(server.channel)
    requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
    requests.put(reflection_pb2.ServerReflectionRequest(list_services="*"))

    open_call = stub.ServerReflectionInfo(iter(requests.get, None))
    next(open_call)
    with pytest.raises(grpc.RpcError) as caught:
        server.routing.GetPlan(routing_service_pb2.GetPlanRequest(plan_id="p"))
    requests.put(None)

    assert code(caught.value) is grpc.StatusCode.NOT_FOUND
    assert list(open_call) == []


@pytest.mark.parametrize(
    "service", ["", "router.v1.RoutingService", "availability.v1.StockService"]
)
def test_every_service_serves(server: Running, service: str) -> None:
    stub: Any = health_pb2_grpc.HealthStub(server.channel)

    reply = stub.Check(health_pb2.HealthCheckRequest(service=service))

    assert reply.status == SERVING


def test_an_unknown_service(server: Running) -> None:
    stub: Any = health_pb2_grpc.HealthStub(server.channel)
    nobody = health_pb2.HealthCheckRequest(service="nobody")

    error = refused(stub.Check, nobody)
    watch = stub.Watch(nobody, timeout=CALL_SECONDS)

    assert code(error) is grpc.StatusCode.NOT_FOUND
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    watch.cancel()


def test_one_watcher_that_leaves_takes_nobody_with_it(start: Start, loop: Loop) -> None:
    """The servicer of grpcio-health-checking 1.81 forgets the others."""
    server = start(pre_stop_seconds=2.0)
    stub: Any = health_pb2_grpc.HealthStub(server.channel)
    every = health_pb2.HealthCheckRequest()
    leaving = stub.Watch(every, timeout=CALL_SECONDS)
    staying = stub.Watch(every, timeout=CALL_SECONDS)
    assert next(leaving).status == next(staying).status == SERVING
    leaving.cancel()
    # Answered after the server has seen the cancellation.
    assert stub.Check(every).status == SERVING

    draining = loop.submit(server.server.drain())

    assert next(staying).status == health_pb2.HealthCheckResponse.NOT_SERVING
    assert list(staying) == []
    # Still there, so that balancers can hear of it.
    assert stub.Check(every).status == health_pb2.HealthCheckResponse.NOT_SERVING
    draining.result(CALL_SECONDS)


def test_watches_do_not_take_the_place_of_calls(server: Running) -> None:
    stub: Any = health_pb2_grpc.HealthStub(server.channel)
    every = health_pb2.HealthCheckRequest()
    watches = [stub.Watch(every) for _ in range(MAX_WATCHES)]
    assert all(next(each).status == SERVING for each in watches)

    one_more = stub.Watch(every, timeout=CALL_SECONDS)
    with pytest.raises(grpc.RpcError) as caught:
        next(one_more)

    assert code(caught.value) is grpc.StatusCode.RESOURCE_EXHAUSTED
    for each in watches:
        each.cancel()
