"""A re-routing as its client meets it: begun, heard, stopped, left."""

import queue
from collections.abc import Callable
from typing import Any

import grpc

from router.v1 import rerouting_pb2, routing_service_pb2, routing_service_pb2_grpc

Progress = rerouting_pb2.RerouteProgress
Report = rerouting_pb2.RerouteReport

DIALOGUE_SECONDS = 600.0
_OWN = (("grpc.use_local_subchannel_pool", 1),)


class Rerouting:
    """One call of RerouteOrders; one thread reads it, any may end it."""

    def __init__(self, address: str, **asked: Any) -> None:
        self._said: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._channel = grpc.insecure_channel(address, options=_OWN)
        wire = routing_service_pb2.RerouteOrdersRequest
        self._said.put(wire(rerouting=rerouting_pb2.Rerouting(**asked)))
        stub = routing_service_pb2_grpc.RoutingServiceStub(self._channel)
        self._call: Any = stub.RerouteOrders(
            iter(self._said.get, None), timeout=DIALOGUE_SECONDS
        )
        self.phases: list[str] = []
        """Those that were told of, each once, in their order."""
        self.report: Report | None = None

    def until(self, there: Callable[[Progress], bool]) -> bool:
        """Hear of it until it is there; False: it came to its end before.

        Raises
        ------
        RpcError
            It failed.
        """
        for each in self._call:
            if each.HasField("report"):
                self.report = each.report
            elif each.HasField("progress"):
                if each.progress.phase not in self.phases:
                    self.phases.append(each.progress.phase)
                if there(each.progress):
                    return True
        self.leave()
        return False

    def end(self) -> Report:
        """Hear it to its end; raises RpcError where it failed."""
        self.until(lambda _: False)
        assert self.report is not None
        return self.report

    def stop(self) -> None:
        """Ask for the best so far."""
        self._said.put(routing_service_pb2.RerouteOrdersRequest(stop=True))

    def leave(self) -> None:
        """Cancel the call, if it goes on."""
        self._call.cancel()
        self._said.put(None)
        self._channel.close()


def reroute(address: str, **asked: Any) -> Report:
    """Re-route and return the report."""
    return Rerouting(address, **asked).end()
