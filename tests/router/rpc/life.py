"""The life of an order in one line a step."""

from collections.abc import Mapping
from typing import Any

from availability.v1 import stock_service_pb2
from router.v1 import reservation_pb2, routing_service_pb2
from tests.router.rpc.calls import CALL_SECONDS, Client

wire = routing_service_pb2
State = reservation_pb2.ReservationState
Reason = reservation_pb2.RejectionReason


def balances(server: Client) -> dict[str, dict[str, int]]:
    """Return {"location/sku": {balance: units}}, without what is 0."""
    page = server.stock.ListStock(
        stock_service_pb2.ListStockRequest(page_size=10_000), timeout=CALL_SECONDS
    )
    found = {}
    for each in page.records:
        units = {
            "on_hand": each.on_hand_units,
            "allocated": each.allocated_units,
            "held": each.held_units,
            "withdrawn": each.withdrawn_units,
            "available": each.available_units,
        }
        name = f"{each.location_id}/{each.sku}"
        found[name] = {balance: count for balance, count in units.items() if count}
    return found


def ship(
    server: Client, plan_id: str, *units: tuple[str, str, int], request_id: str = ""
) -> reservation_pb2.Reservation:
    """Ship (line_id, location_id, quantity), or all."""
    asked = wire.ShipAssignmentRequest(plan_id=plan_id, request_id=request_id)
    for line_id, location_id, quantity in units:
        asked.assignments.add(
            line_id=line_id, location_id=location_id, quantity=quantity
        )
    return server.routing.ShipAssignment(asked, timeout=CALL_SECONDS).reservation


def cancel(
    server: Client, order_id: str, request_id: str = "", **lines: int
) -> reservation_pb2.Reservation:
    """Cancel units of lines, or all."""
    asked = wire.CancelOrderRequest(order_id=order_id, request_id=request_id)
    for line_id, quantity in lines.items():
        asked.lines.add(line_id=line_id, quantity=quantity)
    return server.routing.CancelOrder(asked, timeout=CALL_SECONDS).reservation


def rejecting(
    plan_id: str,
    location_id: str,
    reason: "reservation_pb2.RejectionReason.ValueType",
    *,
    blocking: bool = False,
    request_id: str = "",
    **lines: int,
) -> routing_service_pb2.RejectAssignmentRequest:
    """Build a request to refuse units of lines, or all."""
    asked = wire.RejectAssignmentRequest(
        plan_id=plan_id,
        location_id=location_id,
        reason=reason,
        blocking=blocking,
        request_id=request_id,
    )
    for line_id, quantity in lines.items():
        asked.lines.add(line_id=line_id, quantity=quantity)
    return asked


def reject(
    server: Client, *what: Any, **named: Any
) -> routing_service_pb2.RejectAssignmentResponse:
    """Refuse; see `rejecting`."""
    return server.routing.RejectAssignment(
        rejecting(*what, **named), timeout=CALL_SECONDS
    )


def place(server: Client, plan_id: str, request_id: str = "") -> Any:
    """Make a hold an order."""
    return server.routing.PlaceOrder(
        wire.PlaceOrderRequest(plan_id=plan_id, request_id=request_id),
        timeout=CALL_SECONDS,
    ).reservation


def extend(server: Client, plan_id: str, seconds: int, work: str = "") -> Any:
    """Hold for longer."""
    return server.routing.ExtendHold(
        wire.ExtendHoldRequest(plan_id=plan_id, hold_seconds=seconds, work=work),
        timeout=CALL_SECONDS,
    ).reservation


def get(server: Client, plan_id: str) -> routing_service_pb2.GetPlanResponse:
    """Read a plan."""
    return server.routing.GetPlan(
        wire.GetPlanRequest(plan_id=plan_id), timeout=CALL_SECONDS
    )


def state(reservation: reservation_pb2.Reservation) -> str:
    """Return "placed" and the like."""
    name = State.Name(reservation.state)
    return name.removeprefix("RESERVATION_STATE_").lower()


def units(
    reservation: reservation_pb2.Reservation, sku: str = ""
) -> Mapping[str, dict[str, int]]:
    """Return {"location/line": {end: units}} of an SKU, or of all; "" is queued."""
    found = {}
    for each in reservation.units:
        ends = {
            "open": each.open_units,
            "shipped": each.shipped_units,
            "cancelled": each.cancelled_units,
            "rejected": each.rejected_units,
            "expired": each.expired_units,
            "moved": each.moved_units,
        }
        if sku in ("", each.sku):
            place = f"{each.location_id}/{each.line_id}"
            found[place] = {end: count for end, count in ends.items() if count}
    return found


PLACE, EXTEND = "PlaceOrder", "ExtendHold"
CANCEL, SHIP, REJECT = "CancelOrder", "ShipAssignment", "RejectAssignment"
CALLS = (PLACE, EXTEND, CANCEL, SHIP, REJECT)


def asked(call: str, plan_id: str, /, order: str = "o", **fields: Any) -> Any:
    """Return a request of each call that would be right in the right state."""
    match call:
        case "CancelOrder":
            return wire.CancelOrderRequest(order_id=order, **fields)
        case "ExtendHold":
            fields.setdefault("hold_seconds", 60)
            return wire.ExtendHoldRequest(plan_id=plan_id, **fields)
        case "PlaceOrder":
            return wire.PlaceOrderRequest(plan_id=plan_id, **fields)
        case "ShipAssignment":
            return wire.ShipAssignmentRequest(plan_id=plan_id, **fields)
        case _:
            fields = {"location_id": "laval", "reason": 4, **fields}
            return wire.RejectAssignmentRequest(plan_id=plan_id, **fields)


NAMED: dict[str, dict[str, Any]] = {
    CANCEL: {"lines": [wire.LineQuantity(line_id="hat", quantity=1)]},
    SHIP: {
        "assignments": [
            wire.ShippedUnits(line_id="hat", location_id="laval", quantity=1)
        ]
    },
    REJECT: {"lines": [wire.RejectedLine(line_id="hat", quantity=1)]},
}
"""The same of some lines."""
