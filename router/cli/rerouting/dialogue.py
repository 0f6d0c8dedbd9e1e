"""The call of a re-routing: request, progress, stop and report."""

import queue
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from router.cli.console.interrupts import first_interrupt
from router.cli.remote.client import CallFailed, Client
from router.cli.rerouting.live import LiveProgress, live
from router.cli.rerouting.report import to_report
from router.cli.rerouting.verify import MAX_FILE_BYTES
from router.report.model import Report
from router.v1 import rerouting_pb2, routing_service_pb2

STOPPING = "stopping: applying the best plan so far; Ctrl-C again aborts"
STAYS = (
    "changes already applied are kept, and every order has a complete plan; it is "
    "safe to repeat the command"
)
UNCHANGED = "a dry run changes nothing; it is safe to repeat it"
TOO_MANY = "TOO_MANY_ORDERS"
NARROWER = (
    "select fewer with --channel, --location, --order, --min-age or --queued-only"
)

Request = routing_service_pb2.RerouteOrdersRequest


class ReportWithProof(NamedTuple):
    """The report of a re-routing, and its proof if requested."""

    report: Report
    proof: bytes


def converse(client: Client, rerouting: rerouting_pb2.Rerouting) -> ReportWithProof:
    """Re-route to the end or the first Ctrl-C; the second aborts.

    Raises
    ------
    CallFailed
        The server refused or was lost; says what was applied.
    """
    stays = UNCHANGED if rerouting.validate_only else STAYS
    # True applies the best plan so far, False ends the sending thread.
    wanted: queue.SimpleQueue[bool] = queue.SimpleQueue()
    with live() as shown:
        answers = client.converse(
            client.routing.RerouteOrders, _requests(rerouting, wanted, shown)
        )
        received = _Replies(shown)
        try:
            with first_interrupt(lambda: wanted.put(True)):
                wire = received.read(answers)
        except CallFailed as error:
            raise _explained(error, received, stays) from None
        except KeyboardInterrupt:
            shown.print_line(f"repartir: aborted: {stays}")
            raise
        finally:
            wanted.put(False)
            answers.close()
    try:
        made_at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        return ReportWithProof(to_report(wire, made_at), b"".join(received.chunks))
    except ValueError as error:
        raise CallFailed(f"the report contradicts itself: {error}; {stays}") from None


def _requests(
    rerouting: rerouting_pb2.Rerouting,
    wanted: "queue.SimpleQueue[bool]",
    shown: LiveProgress,
) -> Iterator[Request]:
    yield Request(rerouting=rerouting)
    if wanted.get():
        shown.print_line(f"repartir: {STOPPING}")
        yield Request(stop=True)


class _Replies:
    """The replies of a re-routing, as they arrive."""

    def __init__(self, shown: LiveProgress) -> None:
        self.applying = False
        self.chunks: list[bytes] = []
        self._shown = shown
        self._byte_count = 0

    def read(
        self, answers: Iterator[routing_service_pb2.RerouteOrdersResponse]
    ) -> rerouting_pb2.RerouteReport:
        """Show progress, keep the proof, and return the report.

        Reads to the end of the call: until then the server takes no other
        re-routing.
        """
        found = None
        for each in answers:
            match each.WhichOneof("step"):
                case "progress":
                    self.applying |= each.progress.move_count > 0
                    self._shown.update(each.progress)
                case "certificate_chunk":
                    self._keep(each.certificate_chunk)
                case "report":
                    found = each.report
        if found is None:
            raise CallFailed("the server ended without a report", lost=True)
        return found

    def _keep(self, chunk: bytes) -> None:
        self._byte_count += len(chunk)
        if self._byte_count <= MAX_FILE_BYTES:
            self.chunks.append(chunk)
        else:
            # --verify would not read it; the report is still to come.
            self.chunks.clear()


def _explained(error: CallFailed, received: _Replies, stays: str) -> CallFailed:
    """Return a failure that also says what was applied."""
    *lines, last = error.lines
    if error.reason == TOO_MANY:
        last = f"{last}: {NARROWER}"
    # A refusal with a reason, before anything was applied, needs no more.
    elif received.applying or (error.lost and not error.reason):
        last = f"{last}; {stays}"
    return CallFailed(*lines, last, reason=error.reason, lost=error.lost)
