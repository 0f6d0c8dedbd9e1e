"""A server with a scripted reply to a re-routing."""

import queue
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
from grpc_status import rpc_status

from router.rpc.transport.status import status_of
from router.v1 import rerouting_pb2, routing_service_pb2
from tests.router.cli.tool import SECONDS

Wire = routing_service_pb2.RerouteOrdersResponse
Asked = routing_service_pb2.RerouteOrdersRequest


def progress(phase: str, **fields: int) -> Wire:
    return Wire(progress=rerouting_pb2.RerouteProgress(phase=phase, **fields))


def report(**fields: object) -> Wire:
    """Return a report of three orders, two of which have exchanged what they held."""
    before = rerouting_pb2.RerouteOutcome(
        order_count=3,
        complete_count=3,
        shipment_count=4,
        split_order_count=1,
        assigned_units=4,
        orders_by_shipments=[0, 2, 1],
    )
    after = rerouting_pb2.RerouteOutcome(
        order_count=3,
        complete_count=3,
        shipment_count=3,
        assigned_units=4,
        orders_by_shipments=[0, 3],
        moved_count=2,
    )
    values: dict[str, object] = {
        "before": before,
        "after": after,
        "shipment_bound": 3,
        "bound_provenance": "proven",
        **fields,
    }
    return Wire(report=rerouting_pb2.RerouteReport(**values))  # type: ignore[arg-type]


class Scripted:
    """Answers with a script.

    At `STOP` it waits for the client's stop, at `HANG` until the client is gone,
    at `LOSE` the connection is lost, and a server's error is raised as such.
    """

    STOP = object()
    HANG = object()
    LOSE = object()

    def __init__(self, *script: object) -> None:
        self.script = script
        self.heard: queue.SimpleQueue[Asked] = queue.SimpleQueue()

    def answer(
        self, request_iterator: Iterator[Asked], context: grpc.ServicerContext
    ) -> Iterator[Wire]:
        self.heard.put(next(request_iterator))
        for each in self.script:
            if each is self.STOP:
                self.heard.put(next(request_iterator))
            elif each is self.HANG:
                left = threading.Event()
                if context.add_callback(left.set):
                    left.wait(SECONDS)
            elif each is self.LOSE:
                context.abort(grpc.StatusCode.UNAVAILABLE, "connection reset by peer")
            elif isinstance(each, Exception):
                context.abort_with_status(rpc_status.to_status(status_of(each)))
            elif isinstance(each, Wire):
                yield each


@contextmanager
def scripted(*script: object) -> Iterator[tuple[str, Scripted]]:
    """Serve a script; give the address and what hears."""
    servicer = Scripted(*script)
    server = grpc.server(ThreadPoolExecutor(4))
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.answer,
        request_deserializer=Asked.FromString,
        response_serializer=Wire.SerializeToString,
    )
    served = grpc.method_handlers_generic_handler(
        "router.v1.RoutingService", {"RerouteOrders": handler}
    )
    server.add_generic_rpc_handlers((served,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}", servicer
    finally:
        server.stop(None).wait()
