"""The dialogue of a re-routing: ask, show how far it is, stop, and hear the end."""

import queue
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from router.cli.console.interrupts import first_interrupt
from router.cli.remote.client import CallFailed, Client
from router.cli.rerouting.live import Shown, live
from router.cli.rerouting.report import to_report
from router.cli.rerouting.verify import MAX_FILE_BYTES
from router.report.model import Report
from router.v1 import rerouting_pb2, routing_service_pb2

STOPPING = "stopping: the best so far is being applied; Ctrl-C again gives up"
STAYS = (
    "what was changed until then stays, and every order has a plan that is whole; "
    "to repeat the command is safe"
)
UNCHANGED = "a dry run changes nothing: to repeat it is safe"
TOO_MANY = "TOO_MANY_ORDERS"
NARROWER = "name fewer by --channel, --location, --order, --min-age or --queued-only"

Request = routing_service_pb2.RerouteOrdersRequest


class Told(NamedTuple):
    """What a server said in the end."""

    report: Report
    proof: bytes


def converse(client: Client, asked: rerouting_pb2.Rerouting) -> Told:
    """Re-route, to its end or to the first Ctrl-C; a second one leaves.

    Raises
    ------
    CallFailed
        The server refused or was lost; says what holds.
    """
    stays = UNCHANGED if asked.validate_only else STAYS
    # True asks for the best so far, False ends the thread that sends.
    wanted: queue.SimpleQueue[bool] = queue.SimpleQueue()
    with live() as shown:
        answers = client.converse(
            client.routing.RerouteOrders, _requests(asked, wanted, shown)
        )
        hearing = _Hearing(shown)
        try:
            with first_interrupt(lambda: wanted.put(True)):
                wire = hearing.listen(answers)
        except CallFailed as error:
            raise _explained(error, hearing, stays) from None
        except KeyboardInterrupt:
            shown.tell(f"repartir: given up: {stays}")
            raise
        finally:
            wanted.put(False)
            answers.close()
    try:
        made_at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        return Told(to_report(wire, made_at), b"".join(hearing.chunks))
    except ValueError as error:
        raise CallFailed(f"the report contradicts itself: {error}; {stays}") from None


def _requests(
    asked: rerouting_pb2.Rerouting, wanted: "queue.SimpleQueue[bool]", shown: Shown
) -> Iterator[Request]:
    yield Request(rerouting=asked)
    if wanted.get():
        shown.tell(f"repartir: {STOPPING}")
        yield Request(stop=True)


class _Hearing:
    """What is heard of a re-routing."""

    def __init__(self, shown: Shown) -> None:
        self.applying = False
        self.chunks: list[bytes] = []
        self._shown = shown
        self._byte_count = 0

    def listen(
        self, answers: Iterator[routing_service_pb2.RerouteOrdersResponse]
    ) -> rerouting_pb2.RerouteReport:
        """Show how far it is, keep the proof, and return the report.

        To the end of the call: before it, the server takes no other re-routing.
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
            # --verify would not read it; the report is to come all the same.
            self.chunks.clear()


def _explained(error: CallFailed, hearing: _Hearing, stays: str) -> CallFailed:
    """Return a failure with what holds, in the line that says it."""
    *lines, last = error.lines
    if error.reason == TOO_MANY:
        last = f"{last}: {NARROWER}"
    # A refusal has a reason; before anything was to be changed, it says it all.
    elif hearing.applying or (error.lost and not error.reason):
        last = f"{last}; {stays}"
    return CallFailed(*lines, last, reason=error.reason, lost=error.lost)
