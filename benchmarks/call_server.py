"""The server under test, with one method more: a fixed reply to the same request.

    python -m benchmarks.call_server DATABASE

Prints its address when it takes calls; ends on SIGTERM. ``/benchmarks.Baseline/
FixedReply`` is wrapped like every other method, parses the same request type and
answers stored bytes: what is left when routing costs nothing.
"""

import asyncio
import signal
import sys

import grpc

from availability.ledger.open import open_ledger
from router.rpc.process import tune_interpreter
from router.rpc.server import ServerOptions, build_server
from router.rpc.transport.gate import Gate
from router.rpc.transport.interceptors import guarded
from router.rpc.transport.tokens import Scope
from router.v1 import plan_pb2, routing_service_pb2

BASELINE = "/benchmarks.Baseline/FixedReply"

_REPLY = routing_service_pb2.RouteOrderResponse(
    plan=plan_pb2.RoutingPlan(
        order_id="order",
        status=plan_pb2.PLAN_STATUS_FULL,
        assignments=[
            plan_pb2.Assignment(line_id=str(n), sku="sku", location_id="dc", quantity=1)
            for n in range(3)
        ],
    )
).SerializeToString()


async def _fixed_reply(
    _request: routing_service_pb2.RouteOrderRequest, _deadline: float
) -> bytes:
    return _REPLY


def _baseline() -> grpc.GenericRpcHandler:
    handler = guarded(
        Gate(), routing_service_pb2.RouteOrderRequest, _fixed_reply, Scope.ROUTE
    )
    return grpc.method_handlers_generic_handler(
        "benchmarks.Baseline", {"FixedReply": handler}
    )


async def _main(database: str) -> None:
    ledger = open_ledger(database)
    tune_interpreter()
    options = ServerOptions(address="127.0.0.1:0", pre_stop_seconds=0.0)
    server = build_server(ledger, options, handlers=(_baseline(),))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await server.start()
    print(server.address, flush=True)
    await stop.wait()
    await server.drain()
    ledger.close()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
