"""What a plan was made from, as it is stored: the bytes of the request.

The ledger does not read them. When units of the order are cancelled or refused, the
order in them is replaced and the rest stays.
"""

from availability.errors import Violation
from router.model import Order, RoutingPlan
from router.policies import DEFAULT, PRESETS
from router.rpc.codec.order import decode_order, encode_order
from router.rpc.codec.plan import decode_reply, encode_reply
from router.rpc.codec.policy import decode_policy
from router.rpc.codec.request import DEFAULT_SOLVE_SECONDS, decode_solve_timeout
from router.stored_plans import PlanInputs
from router.v1 import routing_service_pb2


class WireForm:
    """Plans and bodies as messages: a `router.stored_plans.PlanCodec`."""

    def wanted(self, body: bytes) -> PlanInputs:
        """Read what a plan was made from.

        Raises
        ------
        ValueError
            It is not what `RouteOrder` stored: a fault of ours.
        """
        wire = routing_service_pb2.RouteOrderRequest.FromString(body)
        violations: list[Violation] = []
        # Refusals are added to it: they may be more than a caller may send.
        refusals = wire.order.rejected
        rejected = frozenset((each.line_id, each.location_id) for each in refusals)
        wire.order.ClearField("rejected")
        order = decode_order(wire.order, "order", violations)
        order = order._replace(rejected=rejected)
        policy = PRESETS[DEFAULT]
        if wire.HasField("policy"):
            policy = decode_policy(wire.policy, "policy", violations)
        seconds = DEFAULT_SOLVE_SECONDS
        if wire.HasField("solve_timeout"):
            seconds = decode_solve_timeout(wire.solve_timeout, violations)
        if violations:
            raise ValueError(f"a stored request is invalid: {violations[0]}")
        return PlanInputs(order, policy, wire.queue_unassigned, seconds)

    def body(self, before: bytes, order: Order) -> bytes:
        """Return a body with another order in it, and the rest as before."""
        wire = routing_service_pb2.RouteOrderRequest.FromString(before)
        wire.order.CopyFrom(encode_order(order))
        return wire.SerializeToString(deterministic=True)

    def plan(self, reply: bytes) -> RoutingPlan:
        """Read a plan."""
        return decode_reply(reply)

    def reply(self, plan: RoutingPlan) -> bytes:
        """Write a plan."""
        return encode_reply(plan)
