"""The calls that change what a plan holds: decode, amend or change, encode."""

import time

from availability.errors import MAX_VIOLATIONS, Violation
from availability.ledger.protocol import Ledger
from availability.model import Request
from availability.reservations import Cancel, Command, Extend, Place, PlanRef, Ship
from router.amending.amender import Amender
from router.blocking_work import drive
from router.errors import InvalidOrder, StockContention
from router.optimize.limits import SolveLimits
from router.pipeline import Router
from router.rpc.background.driver import Driver
from router.rpc.codec.body import WireForm
from router.rpc.codec.request import decode_id, decode_request
from router.rpc.codec.reservation import (
    decode_hold,
    decode_lines,
    decode_rejection,
    decode_shipped,
    decode_work,
    encode_record,
    encode_record_with_plan,
)
from router.rpc.transport.deadlines import MIN_DEADLINE_SECONDS, too_short
from router.rpc.transport.metrics import Metrics
from router.v1 import routing_service_pb2

SOLVE_SHARE = 0.6
"""Of the time left, what solving may use; the rest is for the commit."""


class ReservationCalls:
    """The methods of ``router.v1.RoutingService`` for orders already routed.

    A request that names no lines is one command, judged by the ledger; one that does
    is decided from the plan first.
    """

    def __init__(
        self, router: Router, ledger: Ledger, driver: Driver, metrics: Metrics
    ) -> None:
        self._ledger = ledger
        self._driver = driver
        self._metrics = metrics
        self._amender = Amender(router, WireForm())

    async def PlaceOrder(
        self, wire: routing_service_pb2.PlaceOrderRequest, _deadline: float
    ) -> bytes:
        """Turn a cart's hold into an order."""
        violations: list[Violation] = []
        request = decode_request("PlaceOrder", wire, wire.request_id, violations)
        plan_id = decode_id(wire.plan_id, "plan_id", violations)
        _refuse(violations)
        return await self._change(PlanRef(plan_id=plan_id), Place(), request)

    async def ExtendHold(
        self, wire: routing_service_pb2.ExtendHoldRequest, _deadline: float
    ) -> bytes:
        """Hold a cart's units for longer."""
        violations: list[Violation] = []
        request = decode_request("ExtendHold", wire, wire.request_id, violations)
        plan_id = decode_id(wire.plan_id, "plan_id", violations)
        seconds = decode_hold(wire.hold_seconds, 1, violations) or 1
        work = decode_work(wire.work, violations)
        _refuse(violations)
        command = Extend(seconds, work)
        return await self._change(PlanRef(plan_id=plan_id), command, request)

    async def CancelOrder(
        self, wire: routing_service_pb2.CancelOrderRequest, _deadline: float
    ) -> bytes:
        """Cancel an order, or units of its lines."""
        violations: list[Violation] = []
        request = decode_request("CancelOrder", wire, wire.request_id, violations)
        order_id = decode_id(wire.order_id, "order_id", violations)
        lines = decode_lines(wire.lines, violations)
        _refuse(violations)
        plan = PlanRef(order_id=order_id)
        if not lines:
            return await self._change(plan, Cancel(), request)
        steps = self._amender.cancel_steps(plan, lines, request, encode_record)
        return await drive(steps, self._driver.do)

    async def ShipAssignment(
        self, wire: routing_service_pb2.ShipAssignmentRequest, _deadline: float
    ) -> bytes:
        """Take shipped units off the stock."""
        violations: list[Violation] = []
        request = decode_request("ShipAssignment", wire, wire.request_id, violations)
        plan_id = decode_id(wire.plan_id, "plan_id", violations)
        units = decode_shipped(wire.assignments, violations)
        _refuse(violations)
        plan = PlanRef(plan_id=plan_id)
        if not units:
            return await self._change(plan, Ship(), request)
        steps = self._amender.ship_steps(plan, units, request, encode_record)
        return await drive(steps, self._driver.do)

    async def RejectAssignment(
        self, wire: routing_service_pb2.RejectAssignmentRequest, deadline: float
    ) -> bytes:
        """Plan an order again without the location that refuses it."""
        violations: list[Violation] = []
        request = decode_request("RejectAssignment", wire, wire.request_id, violations)
        plan_id = decode_id(wire.plan_id, "plan_id", violations)
        rejection = decode_rejection(wire, violations)
        _refuse(violations)
        if rejection is None:
            raise AssertionError("a missing reason was not refused")
        left = deadline - time.monotonic()
        if left < MIN_DEADLINE_SECONDS:
            raise too_short(left)
        steps = self._amender.reject_steps(
            PlanRef(plan_id=plan_id),
            rejection,
            SolveLimits(wall_seconds=SOLVE_SHARE * left),
            request,
            encode_record_with_plan,
            self._metrics.planned,
        )
        try:
            return await drive(steps, self._driver.do)
        except StockContention as error:
            self._metrics.contended(error.attempts)
            raise

    async def _change(self, plan: PlanRef, command: Command, request: Request) -> bytes:
        change = self._ledger.change
        return await self._driver.write(
            lambda: change(plan, command, request, encode_record)
        )


def _refuse(violations: list[Violation]) -> None:
    if violations:
        raise InvalidOrder(violations[:MAX_VIOLATIONS])
