"""A client that repeats each request until it is answered, and records the answers."""

import base64
import collections
import itertools
import json
import random
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from benchmarks.faults.leash import die_with_parent
from benchmarks.faults.world import Basket
from router.v1 import reservation_pb2, routing_service_pb2

SERVICE = "/router.v1.RoutingService/"
HOLD_SECONDS = 3_600
"""Longer than any scenario: no cart expires by itself."""
FATES = (
    (),
    ("CancelOrder",),
    ("ShipAssignment",),
    ("PlaceOrder",),
    ("PlaceOrder", "CancelOrder"),
    ("PlaceOrder", "ShipAssignment"),
    ("RejectAssignment",),
    ("RejectAssignment", "CancelOrder"),
)
"""What may happen to an order after it was routed, each a call of its own."""
PAUSE_SECONDS = 0.01
MOST_PAUSE_SECONDS = 0.2
"""Between two tries: the first, twice as long each time, and the longest, so that a
server that is being started again has the processor for itself."""
PATIENCE_SECONDS = 90.0
"""An order that has no answer by then is given up, and counted."""
BACKOFF = (
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 200),
    # A channel of its own: else all of one process to one address share.
    ("grpc.use_local_subchannel_pool", 1),
)
REPEAT = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    # gRPC's own codes for connections that break in odd places.
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.INTERNAL,
}
"""Codes after which the same request is sent again."""

ELSEWHERE = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
"""Codes after which another server is asked, if there is one."""


@dataclass(frozen=True)
class Job:
    """What one client does; ``addresses`` are tried in turn after a failure.

    With ``life`` orders are also held, placed, cancelled and shipped. The first
    ``storm_tries`` tries of a request have a deadline between 0 and twice what the
    client's last answer took, so on any machine about half come too late; the others
    have ``calm_seconds``.
    """

    name: str
    addresses: tuple[str, ...]
    basket: Basket
    file: Path
    seed: int
    orders: int | None = None
    storm_tries: int = 0
    calm_seconds: float = 5.0
    life: bool = False


class Client:
    """Places orders one after another; each is answered, or counted as undecided."""

    def __init__(self, job: Job) -> None:
        self.tally: collections.Counter[str] = collections.Counter()
        self._job = job
        self._rng = random.Random(f"{job.seed}/{job.name}")
        self._numbers = itertools.count()
        self._answer_seconds = job.calm_seconds
        self._out = job.file.open("a")
        self._channels: list[Any] = [
            grpc.insecure_channel(each, options=BACKOFF) for each in job.addresses
        ]
        self._next_channels = itertools.cycle(self._channels)
        self._channel = next(self._next_channels)

    def place(self) -> bytes | None:
        """Place one new order and record its answer; None: it had none.

        With ``life`` it may also be a cart first, and be cancelled or shipped.
        """
        order_id = f"{self._job.name}-{next(self._numbers)}"
        order = self._job.basket.draw(order_id, self._rng)
        fate = self._rng.choice(FATES) if self._job.life else ()
        wire = routing_service_pb2
        reply = self.send(
            "RouteOrder",
            wire.RouteOrderRequest(
                request_id=self._new_id(),
                order=order,
                hold_seconds=HOLD_SECONDS if "PlaceOrder" in fate else 0,
            ),
        )
        if reply is None or not fate:
            return reply
        plan = wire.RouteOrderResponse.FromString(reply).plan
        if plan.assignments:
            for method in fate:
                request = getattr(wire, f"{method}Request")(request_id=self._new_id())
                if method == "CancelOrder":
                    request.order_id = order_id
                else:
                    request.plan_id = plan.plan_id
                if method == "RejectAssignment":
                    request.location_id = plan.assignments[0].location_id
                    # A reason that does not change the stock.
                    request.reason = reservation_pb2.REJECTION_REASON_TOO_BUSY
                answer = self.send(method, request)
                # A rejection that found no other location may leave nothing open.
                if answer is None or not _is_open(method, answer):
                    break
        return reply

    def send(self, method: str, request: Any) -> bytes | None:
        """Send until it is answered, and record the answer before going on."""
        body: bytes = request.SerializeToString(deterministic=True)
        asked: dict[str, object] = {"method": method, "request": _text(body)}
        give_up = time.monotonic() + PATIENCE_SECONDS
        for tries in itertools.count(1):
            sent, began = time.time(), time.monotonic()
            try:
                reply: bytes = self._channel.unary_unary(SERVICE + method)(
                    body, timeout=self._deadline(tries)
                )
            except grpc.RpcError as error:
                if not self._again(error):
                    self._write({**asked, "refused": f"{method}: {error}"[:500]})
                    return None
            else:
                self._answer_seconds = time.monotonic() - began
                self._write(
                    {**asked, "reply": _text(reply), "sent": sent, "tries": tries}
                )
                return reply
            if time.monotonic() > give_up:
                self._write({**asked, "undecided": tries})
                return None
            time.sleep(min(MOST_PAUSE_SECONDS, PAUSE_SECONDS * 2 ** min(tries, 10)))
        raise AssertionError("the count has no end")

    def _new_id(self) -> str:
        return str(uuid.UUID(int=self._rng.getrandbits(128)))

    def _deadline(self, tries: int) -> float:
        if tries > self._job.storm_tries:
            return self._job.calm_seconds
        return self._rng.uniform(0.0, 2 * self._answer_seconds)

    def _again(self, error: Any) -> bool:
        """Count an error; return whether to send the request again."""
        code, reason = error.code(), _reason(error)
        self.tally[f"{code.name} {reason}".strip()] += 1
        if code in ELSEWHERE:
            # The first try may still be under way there: both must not count.
            self._channel = next(self._next_channels)
        return code in REPEAT and reason != "INTERNAL"

    def _write(self, line: dict[str, object]) -> None:
        """Write a line through to the file."""
        self._out.write(json.dumps(line) + "\n")
        self._out.flush()

    def close(self) -> None:
        """Record the errors that were met, and close."""
        self._write({"tally": dict(self.tally)})
        self._out.close()
        for each in self._channels:
            each.close()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _is_open(method: str, reply: bytes) -> bool:
    message = getattr(routing_service_pb2, f"{method}Response").FromString(reply)
    return any(each.open_units for each in message.reservation.units)


def _reason(error: Any) -> str:
    status = rpc_status.from_call(error)
    info = error_details_pb2.ErrorInfo()
    for detail in status.details if status else ():
        if detail.Unpack(info):
            return str(info.reason)
    return ""


def work(job: Job, ready: Any, go: Any, stop: Any) -> None:
    """Be one client process: place orders until stopped, or all are placed."""
    die_with_parent()
    client = Client(job)
    try:
        ready.release()
        go.wait(PATIENCE_SECONDS)
        for _ in range(job.orders) if job.orders is not None else itertools.count():
            if stop.is_set():
                break
            client.place()
    finally:
        client.close()
