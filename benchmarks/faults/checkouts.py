"""Clients that check out, cancel, ship and reject while pending orders are re-routed.

Each waits for an answer and then for the rest of its turn, as people do: what is
measured is how long an answer takes, and not how many there can be.
"""

import random
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from benchmarks.faults.pending import Waiting
from router.v1 import (
    order_pb2,
    reservation_pb2,
    routing_service_pb2,
    routing_service_pb2_grpc,
)

wire = routing_service_pb2

CALL_SECONDS = 10.0
MAX_TRIES = 50
"""Times that one request is sent whose stock or plan others were faster at."""
TRY_AGAIN_SECONDS = 0.02
FATES = ("keep", "keep", "keep", "cancel", "ship", "reject")
"""What becomes of an order that was checked out."""
DISTURB_SHARE = 0.25
"""Of the turns, those in which a pending order is cancelled, shipped or refused."""
MAX_UNITS = 2
_OWN = (("grpc.use_local_subchannel_pool", 1),)
_MOVED = "UNITS_NOT_OPEN"
"""The location that refuses has it no longer."""


class Timed(NamedTuple):
    """A checkout: when it began (of `time.monotonic`), and what it took."""

    began: float
    seconds: float


@dataclass
class Did:
    """What clients did; ``open_units`` by order, as they were answered last."""

    timed: list[Timed] = field(default_factory=list)
    open_units: dict[str, int] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)
    """Errors that no client should get here."""

    def add(self, other: "Did") -> None:
        """Take over what another did."""
        self.timed += other.timed
        self.open_units |= other.open_units
        self.calls += other.calls
        self.refused += other.refused


class Job(NamedTuple):
    """What one client does: ``mine`` are the pending orders that it disturbs."""

    name: str
    address: str
    skus: tuple[str, ...]
    mine: tuple[Waiting, ...]
    pace_seconds: float


def jobs_of(
    count: int,
    addresses: Sequence[str],
    skus: tuple[str, ...],
    waiting: Sequence[Waiting],
    pace_seconds: float,
    prefix: str = "client",
) -> list[Job]:
    """Return one job for each client; no two disturb one order."""
    return [
        Job(
            f"{prefix}-{n}",
            addresses[n % len(addresses)],
            skus,
            tuple(waiting[n::count]),
            pace_seconds,
        )
        for n in range(count)
    ]


def check_out(jobs: Sequence[Job], stop: Any) -> Did:
    """Be all of these clients, a thread each, until ``stop`` is set."""
    with ThreadPoolExecutor(len(jobs)) as pool:
        total = Did()
        for each in pool.map(lambda job: _Client(job).run(stop), jobs):
            total.add(each)
    return total


def as_process(jobs: Sequence[Job], ready: Any, stop: Any, line: Any) -> None:
    """Be these clients in a process of its own; what they did goes down the line."""
    ready.release()
    line.send(check_out(jobs, stop))


class _Client:
    def __init__(self, job: Job) -> None:
        self._job = job
        self._rng = random.Random(job.name)
        self._left = deque(job.mine)
        self._did = Did()
        self._number = 0

    def run(self, stop: Any) -> Did:
        with grpc.insecure_channel(self._job.address, options=_OWN) as channel:
            self._stub = routing_service_pb2_grpc.RoutingServiceStub(channel)
            # Not all at the same moment.
            stop.wait(self._rng.random() * self._job.pace_seconds)
            while not stop.is_set():
                began = time.monotonic()
                self._turn()
                stop.wait(max(0.0, self._job.pace_seconds - time.monotonic() + began))
        return self._did

    def _turn(self) -> None:
        mine = self._checked_out()
        if mine is not None:
            self._meet(self._rng.choice(FATES), mine)
        if self._left and self._rng.random() < DISTURB_SHARE:
            # One fate each: "keep" is not one.
            self._meet(self._rng.choice(FATES[3:]), self._left.popleft())

    def _checked_out(self) -> Waiting | None:
        self._number += 1
        rng = self._rng
        lines = rng.sample(self._job.skus, rng.randint(1, 2))
        order = order_pb2.Order(
            order_id=f"{self._job.name}-{self._number}",
            lines=[
                order_pb2.OrderLine(
                    line_id=sku, sku=sku, quantity=rng.randint(1, MAX_UNITS)
                )
                for sku in lines
            ],
        )
        request = wire.RouteOrderRequest(request_id=str(uuid.uuid4()), order=order)
        began = time.monotonic()
        reply = self._send("RouteOrder", request)
        self._did.timed.append(Timed(began, time.monotonic() - began))
        if reply is None or not reply.plan.assignments:
            return None
        units = sum(each.quantity for each in reply.plan.assignments)
        self._did.open_units[order.order_id] = units
        return Waiting(order.order_id, reply.plan.plan_id, units)

    def _meet(self, fate: str, what: Waiting) -> None:
        request_id = str(uuid.uuid4())
        reply: Any = None
        if fate == "cancel":
            asked = wire.CancelOrderRequest(
                request_id=request_id, order_id=what.order_id
            )
            reply = self._send("CancelOrder", asked)
        elif fate == "ship":
            to_ship = wire.ShipAssignmentRequest(
                request_id=request_id, plan_id=what.plan_id
            )
            reply = self._send("ShipAssignment", to_ship)
        elif fate == "reject":
            plan = self._send("GetPlan", wire.GetPlanRequest(plan_id=what.plan_id))
            at = [each for each in plan.reservation.units if each.open_units]
            refusal = wire.RejectAssignmentRequest(
                request_id=request_id,
                plan_id=what.plan_id,
                location_id=self._rng.choice(at).location_id,
                # A reason that does not change the stock.
                reason=reservation_pb2.REJECTION_REASON_TOO_BUSY,
            )
            reply = self._send("RejectAssignment", refusal)
        if reply is not None:
            self._did.open_units[what.order_id] = sum(
                each.open_units for each in reply.reservation.units
            )

    def _send(self, method: str, request: Any) -> Any:
        """Return the reply, None where others were faster too often, or it moved."""
        for _ in range(MAX_TRIES):
            try:
                reply = getattr(self._stub, method)(request, timeout=CALL_SECONDS)
            except grpc.RpcError as error:
                why = _why(error)
                self._did.calls[f"{method} {why}"] += 1
                if why.startswith("ABORTED"):
                    time.sleep(TRY_AGAIN_SECONDS)
                    continue
                if method != "RejectAssignment" or not why.endswith(_MOVED):
                    self._did.refused.append(f"{method}: {error}"[:500])
                return None
            else:
                self._did.calls[method] += 1
                return reply
        return None


def _why(error: Any) -> str:
    status = rpc_status.from_call(error)
    info = error_details_pb2.ErrorInfo()
    for each in status.details if status else ():
        if each.Unpack(info):
            return f"{error.code().name} {info.reason}"
    return str(error.code().name)


class Checkouts:
    """Clients in threads of this process, which have begun when the block does."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = jobs
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(1)

    def __enter__(self) -> "Checkouts":
        self._found = self._pool.submit(check_out, self._jobs, self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pool.shutdown()

    def did(self) -> Did:
        """End them and return what they did."""
        self._stop.set()
        return self._found.result()
