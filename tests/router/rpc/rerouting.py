"""The dialogue of a re-routing, in one line."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from router.v1 import rerouting_pb2, routing_service_pb2
from tests.router.rpc.calls import CALL_SECONDS, Client

Wire = routing_service_pb2.RerouteOrdersRequest


class Told(NamedTuple):
    """All that a re-routing answered."""

    progress: list[rerouting_pb2.RerouteProgress]
    saved: bytes
    report: rerouting_pb2.RerouteReport


def ask(**fields: Any) -> Wire:
    """Return a first message."""
    return Wire(rerouting=rerouting_pb2.Rerouting(**fields))


def reroute(server: Client, **fields: Any) -> Told:
    """Re-route, and hear it to its end."""
    return told(
        server.routing.RerouteOrders(iter([ask(**fields)]), timeout=2 * CALL_SECONDS)
    )


def told(answers: Iterator[routing_service_pb2.RerouteOrdersResponse]) -> Told:
    """Read answers to their end."""
    progress, chunks, reports = [], [], []
    for each in answers:
        match each.WhichOneof("step"):
            case "progress":
                progress.append(each.progress)
            case "certificate_chunk":
                chunks.append(each.certificate_chunk)
            case _:
                reports.append(each.report)
    (report,) = reports
    return Told(progress, b"".join(chunks), report)
