"""A re-routing as its client sees it: begun, read, stopped, cancelled."""

import contextlib
import queue
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc

from router.v1 import rerouting_pb2, routing_service_pb2, routing_service_pb2_grpc

Progress = rerouting_pb2.RerouteProgress
Report = rerouting_pb2.RerouteReport

DIALOGUE_SECONDS = 600.0
_FORKS = b"forkserver"
"""In the command line of the process that forks others, and of those it forked."""
_ENDED = "ZX"
"""States of processes that have ended and were not waited for yet."""
_OWN = (("grpc.use_local_subchannel_pool", 1),)


class Rerouting:
    """One call of RerouteOrders; one thread reads it, any may end it."""

    def __init__(self, address: str, **asked: Any) -> None:
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._channel = grpc.insecure_channel(address, options=_OWN)
        wire = routing_service_pb2.RerouteOrdersRequest
        self._requests.put(wire(rerouting=rerouting_pb2.Rerouting(**asked)))
        stub = routing_service_pb2_grpc.RoutingServiceStub(self._channel)
        self._call: Any = stub.RerouteOrders(
            iter(self._requests.get, None), timeout=DIALOGUE_SECONDS
        )
        self.phases: list[str] = []
        """Those that were reported, each once, in order."""
        self.latest = Progress()
        """The latest progress that was reported."""
        self.report: Report | None = None

    def until(self, reached: Callable[[Progress], bool]) -> bool:
        """Read until a step is reached; return False if it ended before.

        Raises
        ------
        RpcError
            It failed.
        """
        for each in self._call:
            if each.HasField("report"):
                self.report = each.report
            elif each.HasField("progress"):
                self.latest = each.progress
                if each.progress.phase not in self.phases:
                    self.phases.append(each.progress.phase)
                if reached(each.progress):
                    return True
        self.leave()
        return False

    def end(self) -> Report:
        """Read to the end and return the report; raises RpcError if it failed."""
        self.until(lambda _: False)
        assert self.report is not None
        return self.report

    def stop(self) -> None:
        """Ask for the best so far."""
        self._requests.put(routing_service_pb2.RerouteOrdersRequest(stop=True))

    def leave(self) -> None:
        """Cancel the call, unless it has ended."""
        self._call.cancel()
        self._requests.put(None)
        self._channel.close()


def reroute(address: str, **asked: Any) -> Report:
    """Re-route and return the report."""
    return Rerouting(address, **asked).end()


def deciding(server_pid: int) -> list[int]:
    """Return the solving processes of a server."""
    found = []
    for pid in of_group(server_pid):
        with contextlib.suppress(OSError):
            stat = Path(f"/proc/{pid}/stat").read_text()
            parent = stat.rpartition(")")[2].split()[1]
            if all(
                _FORKS in Path(f"/proc/{each}/cmdline").read_bytes()
                for each in (pid, parent)
            ):
                found.append(pid)
    return found


def of_group(group: int) -> list[int]:
    """Return the processes of a group that have not ended."""
    found = []
    for each in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, of = each.read_text().rpartition(")")[2].split()[:3]
            if int(of) == group and state not in _ENDED:
                found.append(int(each.parent.name))
    return found
