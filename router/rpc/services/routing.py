"""`router.v1.RoutingService`: decode, route, encode."""

import asyncio
import functools
import time
from typing import NamedTuple

import grpc

from availability.errors import MAX_VIOLATIONS, PlanNotFound, Violation
from availability.ledger.protocol import Ledger
from availability.model import MAX_ID_CHARACTERS, Request
from availability.reservations import PlanRef
from router.blocking_work import drive
from router.errors import DeadlineTooShort, InvalidOrder, StockContention
from router.model import Order, RoutingPolicy
from router.optimize.limits import SolveLimits
from router.pipeline import RouteOptions, Router
from router.policies import DEFAULT, PRESETS
from router.rpc.background.driver import Driver
from router.rpc.background.rerouter import Rerouter
from router.rpc.codec.order import decode_order
from router.rpc.codec.plan import encode_reply, join_results
from router.rpc.codec.policy import decode_policy
from router.rpc.codec.request import (
    DEFAULT_SOLVE_SECONDS,
    decode_request,
    decode_solve_timeout,
)
from router.rpc.codec.reservation import decode_hold, encode_record_with_plan
from router.rpc.services.rerouting import RerouteCalls
from router.rpc.services.reservations import SOLVE_SHARE, ReservationCalls
from router.rpc.transport.deadlines import MIN_DEADLINE_SECONDS, too_short
from router.rpc.transport.errors import ReplyFull
from router.rpc.transport.gate import Gate
from router.rpc.transport.interceptors import guarded, guarded_dialogue, handlers
from router.rpc.transport.metrics import Metrics
from router.rpc.transport.status import status_of
from router.rpc.transport.tokens import Scope
from router.v1 import routing_service_pb2
from router.validation.shape import order_breaches, policy_breaches

MAX_REQUESTS = 1_000
"""Most orders in one call."""
MAX_MARGIN_SECONDS = 0.25
"""Most time kept to send the reply of a call of many orders: if it comes too late,
the orders are routed and their caller does not know."""
MARGIN_SHARE = 0.1
"""Of a short call's time, the share kept for that."""
REPLY_BYTES = 3 * 2**20
"""Plans in one reply: clients refuse 4 MiB, and the last plan may be large."""

SERVICE = "router.v1.RoutingService"

_DEFAULT_POLICY = PRESETS[DEFAULT]


class _RouteCall(NamedTuple):
    order: Order
    policy: RoutingPolicy
    request: Request
    solve_seconds: float
    hold_seconds: int | None
    body: bytes


class RoutingService:
    """Serve ``router.v1.RoutingService``."""

    def __init__(
        self,
        router: Router,
        ledger: Ledger,
        driver: Driver,
        rerouter: Rerouter,
        metrics: Metrics | None = None,
    ) -> None:
        self._router = router
        self._ledger = ledger
        self._driver = driver
        self._metrics = metrics or Metrics()
        self._reservations = ReservationCalls(router, ledger, driver, self._metrics)
        self._rerouting = RerouteCalls(rerouter)

    def generic_handler(self, gate: Gate) -> grpc.GenericRpcHandler:
        """Return what a gRPC server registers."""
        guard = functools.partial(guarded, gate, scope=Scope.ROUTE)
        wire, held = routing_service_pb2, self._reservations
        dialogue = functools.partial(guarded_dialogue, gate, scope=Scope.ADMIN)
        return grpc.method_handlers_generic_handler(
            SERVICE,
            handlers(guard, wire, self.RouteOrder, self.RouteOrders, self.GetPlan)
            | handlers(guard, wire, held.PlaceOrder, held.ExtendHold, held.CancelOrder)
            | handlers(guard, wire, held.ShipAssignment, held.RejectAssignment)
            | handlers(dialogue, wire, self._rerouting.RerouteOrders),
        )

    async def RouteOrder(
        self, wire: routing_service_pb2.RouteOrderRequest, deadline: float
    ) -> bytes:
        """Plan one order and, unless it is only evaluated, reserve its stock."""
        order, policy, request, solve_seconds, hold_seconds, body = _decode(wire)
        left = deadline - time.monotonic()
        if left < MIN_DEADLINE_SECONDS:
            raise too_short(left)
        options = RouteOptions(
            SolveLimits(wall_seconds=min(solve_seconds, SOLVE_SHARE * left)),
            wire.counterfactuals,
            hold_seconds,
            wire.queue_unassigned,
        )
        if wire.validate_only:
            plan = await drive(
                self._router.evaluate_steps(order, policy, options), self._driver.do
            )
            self._metrics.planned(plan)
            return encode_reply(plan)
        steps = self._router.route_steps(order, policy, options, request, body)
        try:
            routed = await drive(steps, self._driver.do)
        except StockContention as error:
            self._metrics.contended(error.attempts)
            raise
        if routed.plan is not None:
            self._metrics.planned(routed.plan)
        return routed.reply

    async def RouteOrders(
        self, wire: routing_service_pb2.RouteOrdersRequest, deadline: float
    ) -> bytes:
        """Plan one order after another, each on its own."""
        count = len(wire.requests)
        if not 1 <= count <= MAX_REQUESTS:
            message = f"must be 1 to {MAX_REQUESTS}, got {count}"
            reason = "TOO_MANY" if count else "REQUIRED"
            raise InvalidOrder([Violation("requests", reason, message)])
        left = deadline - time.monotonic()
        deadline -= min(MAX_MARGIN_SECONDS, MARGIN_SHARE * left)
        results: list[bytes] = []
        size = 0
        for each in wire.requests:
            late = deadline - time.monotonic() < MIN_DEADLINE_SECONDS
            if late or size > REPLY_BYTES:
                # One result for all others: there may be no time for more.
                end = _result_of(
                    DeadlineTooShort("earlier orders used up the call's deadline")
                    if late
                    else ReplyFull("the reply is full: send this order again")
                )
                results += [end] * (count - len(results))
                break
            try:
                results.append(await self.RouteOrder(each, deadline))
            except Exception as error:
                results.append(_result_of(error))
            size += len(results[-1])
            # An order that needs only the processor never waits, but others do.
            await asyncio.sleep(0)
        return join_results(results)

    async def GetPlan(
        self, wire: routing_service_pb2.GetPlanRequest, _deadline: float
    ) -> bytes:
        """Return the current plan and its reservation."""
        if not 0 < len(wire.plan_id) <= MAX_ID_CHARACTERS:
            raise PlanNotFound(wire.plan_id)
        plan = PlanRef(plan_id=wire.plan_id)
        record = await self._driver.bulk(lambda: self._ledger.reservation(plan))
        return encode_record_with_plan(record)


def _result_of(error: Exception) -> bytes:
    result = routing_service_pb2.RouteOrderResult(error=status_of(error))
    return result.SerializeToString(deterministic=True)


def _decode(wire: routing_service_pb2.RouteOrderRequest) -> _RouteCall:
    """Read a request.

    Raises
    ------
    InvalidOrder
        With values the model cannot hold, and then breaches of the shape too.
        Without the former the router judges the shape.
    """
    violations: list[Violation] = []
    order = decode_order(wire.order, "order", violations)
    policy = _DEFAULT_POLICY
    if wire.HasField("policy"):
        policy = decode_policy(wire.policy, "policy", violations)
    request, body = Request(), b""
    if not wire.validate_only:
        # Stored with the plan, to plan the order again: the client's own bytes.
        body = wire.SerializeToString(deterministic=True)
        request = decode_request("RouteOrder", wire, wire.request_id, violations, body)
    solve_seconds = DEFAULT_SOLVE_SECONDS
    if wire.HasField("solve_timeout"):
        solve_seconds = decode_solve_timeout(wire.solve_timeout, violations)
    hold_seconds = None
    if wire.hold_seconds:
        hold_seconds = decode_hold(wire.hold_seconds, 1, violations)
    if violations:
        paths = {each.path for each in violations}
        rest = order_breaches(order) + policy_breaches(policy)
        violations += [each for each in rest if each.path not in paths]
        raise InvalidOrder(violations[:MAX_VIOLATIONS])
    return _RouteCall(order, policy, request, solve_seconds, hold_seconds, body)
