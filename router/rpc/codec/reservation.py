"""Reservations: their state, and requests to change them."""

from collections.abc import Sequence

from availability.errors import Violation
from availability.model import LocationId, Sku
from availability.reservations import Holding, ReservationRecord
from router.amending.rejection import RejectedLine, Rejection
from router.line_units import LineUnits
from router.model import MAX_QUANTITY
from router.rpc.codec.enums import REJECTION_FROM_WIRE, STATE_TO_WIRE, no_member
from router.rpc.codec.framing import with_field
from router.rpc.codec.lists import at_most
from router.rpc.codec.movements import set_time
from router.rpc.codec.request import decode_id
from router.v1 import reservation_pb2, routing_service_pb2
from router.validation.breaches import out_of_range, twice

MAX_HOLD_SECONDS = 86_400
"""Longest hold that may be asked for at once."""
MAX_NAMED_LINES = 1_000
"""Most lines in a cancellation or a rejection."""
MAX_SHIPPED = 10_000
"""Most pairs of line and location in a call to ship."""

_WITH_PLAN = routing_service_pb2.GetPlanResponse.RESERVATION_FIELD_NUMBER
_ALONE = routing_service_pb2.PlaceOrderResponse.RESERVATION_FIELD_NUMBER


def encode_record(record: ReservationRecord) -> bytes:
    """Return the bytes of the reply to a change: what is sent and stored.

    In all of them save RejectAssignment's the reservation is field 1.
    """
    return with_field(_ALONE, _bytes(record))


def encode_record_with_plan(record: ReservationRecord) -> bytes:
    """Return the bytes of a ``GetPlanResponse``, or a ``RejectAssignmentResponse``.

    The stored plan is field 1 of its own message, and is not parsed.
    """
    return record.reply + with_field(_WITH_PLAN, _bytes(record))


def _bytes(record: ReservationRecord) -> bytes:
    return encode_reservation(record).SerializeToString(deterministic=True)


def encode_reservation(record: ReservationRecord) -> reservation_pb2.Reservation:
    """Write a record, without what the ledger keeps for itself."""
    wire = reservation_pb2.Reservation(
        plan_id=record.plan_id,
        order_id=record.order_id,
        state=STATE_TO_WIRE[record.state],
        revision=record.revision,
        work=record.work,
    )
    if record.expires_seconds is not None:
        set_time(wire.expire_time, record.expires_seconds)
    for each in record.holdings:
        wire.units.append(_encode_holding(each))
    return wire


def _encode_holding(holding: Holding) -> reservation_pb2.ReservedUnits:
    return reservation_pb2.ReservedUnits(
        line_id=holding.line_id,
        location_id=holding.location_id,
        channel_id=holding.channel_id,
        sku=holding.sku,
        open_units=holding.open,
        shipped_units=holding.shipped,
        cancelled_units=holding.cancelled,
        rejected_units=holding.rejected,
        expired_units=holding.expired,
        moved_units=holding.moved,
    )


def decode_hold(seconds: int, least: int, violations: list[Violation]) -> int | None:
    """Return how long to hold, None for not at all."""
    if not least <= seconds <= MAX_HOLD_SECONDS:
        violations.append(
            out_of_range("hold_seconds", least, MAX_HOLD_SECONDS, seconds)
        )
        return None
    return seconds or None


def decode_work(value: str, violations: list[Violation]) -> str:
    """Return what keeps a hold alive; empty is nothing."""
    return decode_id(value, "work", violations) if value else value


def decode_lines(
    wire: Sequence[routing_service_pb2.LineQuantity], violations: list[Violation]
) -> dict[str, int]:
    """Read units of lines, wherever they are."""
    lines: dict[str, int] = {}
    for n, each in enumerate(at_most(MAX_NAMED_LINES, wire, "lines", violations)):
        _judge(each.line_id, each.quantity, f"lines[{n}]", violations)
        if each.line_id in lines:
            violations.append(twice(f"lines[{n}].line_id", each.line_id))
        lines[each.line_id] = each.quantity
    return lines


def decode_shipped(
    wire: Sequence[routing_service_pb2.ShippedUnits], violations: list[Violation]
) -> tuple[LineUnits, ...]:
    """Read units of lines at locations."""
    units: dict[tuple[str, LocationId], LineUnits] = {}
    for n, each in enumerate(at_most(MAX_SHIPPED, wire, "assignments", violations)):
        path = f"assignments[{n}]"
        _judge(each.line_id, each.quantity, path, violations)
        decode_id(each.location_id, f"{path}.location_id", violations)
        at = (each.line_id, LocationId(each.location_id))
        if at in units:
            violations.append(twice(path, f"{at[0]} at {at[1]}"))
        units[at] = LineUnits(*at, each.quantity)
    return tuple(units.values())


def decode_rejection(
    wire: routing_service_pb2.RejectAssignmentRequest, violations: list[Violation]
) -> Rejection | None:
    """Read a location's rejection; None if the reason is missing."""
    location_id = LocationId(decode_id(wire.location_id, "location_id", violations))
    lines: dict[str, RejectedLine] = {}
    for n, each in enumerate(at_most(MAX_NAMED_LINES, wire.lines, "lines", violations)):
        _judge(each.line_id, each.quantity, f"lines[{n}]", violations)
        if each.line_id in lines:
            violations.append(twice(f"lines[{n}].line_id", each.line_id))
        line = RejectedLine(each.line_id, each.quantity, Sku(each.sku))
        lines[each.line_id] = line
    reason = REJECTION_FROM_WIRE.get(wire.reason)
    if reason is None:
        violations.append(no_member("reason", wire.reason))
        return None
    return Rejection(location_id, reason, tuple(lines.values()), wire.blocking)


def _judge(line_id: str, quantity: int, path: str, violations: list[Violation]) -> None:
    decode_id(line_id, f"{path}.line_id", violations)
    if not 1 <= quantity <= MAX_QUANTITY:
        violations.append(out_of_range(f"{path}.quantity", 1, MAX_QUANTITY, quantity))
