"""Withdrawals and movements."""

import math
from collections.abc import Iterable, Sequence

from google.protobuf import timestamp_pb2

from availability.errors import Violation
from availability.model import MAX_STOCK_UNITS, LocationId, Sku
from availability.reservations import RecordedMovement, Withdrawal, Withdrawals
from availability.v1 import stock_service_pb2
from router.rpc.codec.enums import CAUSE_TO_WIRE
from router.rpc.codec.lists import at_most
from router.rpc.codec.request import decode_id
from router.validation.breaches import out_of_range

MAX_WITHDRAWALS = 1_000
"""Most withdrawals of one SKU at one location."""
MAX_REASON_CHARACTERS = 128
LAST_SECONDS = 253_402_300_799
"""The end of the year 9999, where timestamps end."""

_NANOS = 1_000_000_000
_ONE = 1
"""Stands for a quantity that is refused, so that the rest can be judged."""


def decode_withdrawals(
    wire: Iterable[stock_service_pb2.WithdrawalSet], violations: list[Violation]
) -> list[Withdrawals]:
    """Read what replaces the withdrawals of each (location, SKU).

    Whether the places are known and the periods make sense is the ledger's to say.
    """
    return [
        Withdrawals(
            LocationId(each.location_id),
            Sku(each.sku),
            [
                _decode(one, each, f"changes[{n}].withdrawals[{m}]", violations)
                for m, one in enumerate(
                    at_most(
                        MAX_WITHDRAWALS,
                        each.withdrawals,
                        f"changes[{n}].withdrawals",
                        violations,
                    )
                )
            ],
        )
        for n, each in enumerate(wire)
    ]


def _decode(
    wire: stock_service_pb2.Withdrawal,
    at: stock_service_pb2.WithdrawalSet,
    path: str,
    violations: list[Violation],
) -> Withdrawal:
    decode_id(wire.withdrawal_id, f"{path}.withdrawal_id", violations)
    if not 1 <= wire.quantity <= MAX_STOCK_UNITS:
        here = f"{path}.quantity"
        violations.append(out_of_range(here, 1, MAX_STOCK_UNITS, wire.quantity))
    if len(wire.reason) > MAX_REASON_CHARACTERS:
        message = f"must be at most {MAX_REASON_CHARACTERS} characters"
        violations.append(Violation(f"{path}.reason", "TOO_LONG", message))
    starts = ends = None
    if wire.HasField("start_time"):
        starts = _seconds(wire.start_time, f"{path}.start_time", violations)
    if wire.HasField("end_time"):
        ends = _seconds(wire.end_time, f"{path}.end_time", violations)
    return Withdrawal(
        wire.withdrawal_id,
        LocationId(at.location_id),
        Sku(at.sku),
        max(_ONE, wire.quantity),
        wire.reason,
        starts,
        ends,
    )


def _seconds(
    wire: timestamp_pb2.Timestamp, path: str, violations: list[Violation]
) -> float:
    if 0 <= wire.seconds <= LAST_SECONDS and 0 <= wire.nanos < _NANOS:
        return wire.seconds + wire.nanos / _NANOS
    message = "must be 1970-01-01T00:00:00Z to 9999-12-31T23:59:59Z"
    violations.append(Violation(path, "OUT_OF_RANGE", message))
    return 0.0


def encode_version(version: int) -> bytes:
    """Return the bytes of a ``PutWithdrawalsResponse``: what is sent and stored."""
    reply = stock_service_pb2.PutWithdrawalsResponse(stock_version=version)
    return reply.SerializeToString(deterministic=True)


def encode_withdrawals(
    withdrawals: Iterable[Withdrawal],
) -> list[stock_service_pb2.WithdrawalSet]:
    """Write withdrawals, which are by SKU and location, in a set for each."""
    sets: dict[tuple[str, str], stock_service_pb2.WithdrawalSet] = {}
    for each in withdrawals:
        key = (each.sku, each.location_id)
        if key not in sets:
            sets[key] = stock_service_pb2.WithdrawalSet(
                location_id=each.location_id, sku=each.sku
            )
        sets[key].withdrawals.append(_encode(each))
    return list(sets.values())


def _encode(each: Withdrawal) -> stock_service_pb2.Withdrawal:
    wire = stock_service_pb2.Withdrawal(
        withdrawal_id=each.withdrawal_id, quantity=each.quantity, reason=each.reason
    )
    if each.starts_seconds is not None:
        set_time(wire.start_time, each.starts_seconds)
    if each.ends_seconds is not None:
        set_time(wire.end_time, each.ends_seconds)
    return wire


def encode_movements(
    movements: Sequence[RecordedMovement],
) -> list[stock_service_pb2.Movement]:
    """Write movements."""
    return [_encode_movement(each) for each in movements]


def _encode_movement(each: RecordedMovement) -> stock_service_pb2.Movement:
    movement = each.movement
    wire = stock_service_pb2.Movement(
        movement_key=each.movement_key,
        cause=CAUSE_TO_WIRE[movement.cause],
        sku=movement.sku,
        location_id=movement.location_id,
        zone_id=movement.zone_id,
        channel_id=movement.channel_id,
        plan_id=each.plan_id,
        line_id=movement.line_id,
        reference=each.reference,
        on_hand_units=movement.on_hand,
        zone_units=movement.zone_units,
        allocated_units=movement.allocated,
        held_units=movement.held,
        withdrawn_units=movement.withdrawn,
        safety_stock_units=movement.safety_stock,
        queued_units=movement.queued,
    )
    set_time(wire.time, each.at_seconds)
    return wire


def set_time(wire: timestamp_pb2.Timestamp, seconds: float) -> None:
    """Write a time to the millisecond: what the ledger keeps."""
    wire.FromMilliseconds(math.floor(seconds * 1_000 + 0.5))
