"""Reservations, bodies and movements on the wire."""

import dataclasses
from typing import Any

import pytest
from google.protobuf import timestamp_pb2
from hypothesis import given, settings

from availability.errors import Violation
from availability.model import LocationId, Sku
from availability.reservations import (
    Cause,
    Holding,
    Movement,
    RecordedMovement,
    ReservationRecord,
    ReservationState,
    Withdrawal,
    Withdrawals,
)
from availability.v1 import stock_service_pb2
from router.amending.rejection import RejectedLine, Rejection, RejectionReason
from router.line_units import LineUnits
from router.model import Order, RoutingPlan, RoutingPolicy
from router.policies import DEFAULT, PRESETS
from router.rpc.codec.body import WireForm
from router.rpc.codec.framing import with_field
from router.rpc.codec.movements import (
    decode_withdrawals,
    encode_movements,
    encode_version,
    encode_withdrawals,
)
from router.rpc.codec.order import encode_order
from router.rpc.codec.plan import encode_reply
from router.rpc.codec.policy import encode_policy
from router.rpc.codec.reservation import (
    decode_lines,
    decode_rejection,
    decode_shipped,
    encode_record,
    encode_record_with_plan,
)
from router.v1 import reservation_pb2, routing_service_pb2
from tests.router.rpc.strategies import ORDERS, PLANS, POLICIES

wire = routing_service_pb2

RECORD = ReservationRecord(
    plan_id="p",
    order_id="o",
    state=ReservationState.HELD,
    revision=7,
    body=b"never sent",
    reply=b"",
    created_seconds=1.0,
    hold_seconds=60,
    expires_seconds=1_800_000_000.25,
    work="payment",
    holdings=(
        Holding(LocationId("a"), "", Sku("hat"), "1", 1, 2, 3, 4, 5, 6),
        Holding(LocationId(""), "web", Sku("hat"), "1", 9),
    ),
)
WIRE = reservation_pb2.Reservation(
    plan_id="p",
    order_id="o",
    state=reservation_pb2.RESERVATION_STATE_HELD,
    revision=7,
    expire_time=timestamp_pb2.Timestamp(seconds=1_800_000_000, nanos=250_000_000),
    work="payment",
    units=[
        reservation_pb2.ReservedUnits(
            line_id="1",
            location_id="a",
            sku="hat",
            open_units=1,
            shipped_units=2,
            cancelled_units=3,
            rejected_units=4,
            expired_units=5,
            moved_units=6,
        ),
        reservation_pb2.ReservedUnits(
            line_id="1", channel_id="web", sku="hat", open_units=9
        ),
    ],
)


@pytest.mark.parametrize(
    "reply",
    [
        wire.PlaceOrderResponse,
        wire.ExtendHoldResponse,
        wire.CancelOrderResponse,
        wire.ShipAssignmentResponse,
    ],
)
def test_a_record_is_the_reply_to_every_change(reply: Any) -> None:
    assert reply.FromString(encode_record(RECORD)) == reply(reservation=WIRE)


@pytest.mark.parametrize("reply", [wire.GetPlanResponse, wire.RejectAssignmentResponse])
@given(plan=PLANS)
@settings(deadline=None, max_examples=20)
def test_with_its_plan_it_is_the_reply_to_the_others(
    reply: Any, plan: RoutingPlan
) -> None:
    stored = encode_reply(plan)
    record = dataclasses.replace(RECORD, reply=stored)

    read = reply.FromString(encode_record_with_plan(record))

    assert read == reply(
        plan=wire.RouteOrderResponse.FromString(stored).plan, reservation=WIRE
    )


def test_what_is_no_hold_has_no_end() -> None:
    placed = ReservationRecord(
        *("p", "o", ReservationState.PLACED, 1, b"", b"", 1.0, None, None, "", ())
    )

    read = wire.PlaceOrderResponse.FromString(encode_record(placed)).reservation

    assert not read.HasField("expire_time")


# --- Bodies -----------------------------------------------------------------------


@given(ORDERS, POLICIES, ORDERS)
@settings(deadline=None, max_examples=50)
def test_a_body_keeps_all_but_the_order(
    first: Order, policy: RoutingPolicy, then: Order
) -> None:
    asked = wire.RouteOrderRequest(
        order=encode_order(first),
        policy=encode_policy(policy),
        request_id="r",
        queue_unassigned=True,
    )
    asked.solve_timeout.FromSeconds(3)
    body = asked.SerializeToString(deterministic=True)
    form = WireForm()

    assert form.wanted(body) == (first, policy, True, 3.0)
    anew = form.body(body, then)
    assert form.wanted(anew) == (then, policy, True, 3.0)
    assert wire.RouteOrderRequest.FromString(anew).request_id == "r"


def test_a_body_that_says_nothing_means_the_defaults() -> None:
    wanted = WireForm().wanted(b"")

    assert wanted == (Order("", ()), PRESETS[DEFAULT], False, 1.0)


def test_refusals_may_become_more_than_a_caller_may_send() -> None:
    pairs = frozenset((f"line-{n}", "a") for n in range(10_001))
    body = WireForm().body(b"", Order("o", (), rejected=pairs))

    assert WireForm().wanted(body).order.rejected == pairs


def test_what_was_never_stored_is_a_fault_of_ours() -> None:
    asked = wire.RouteOrderRequest()
    asked.policy.preset = "nobody's"

    with pytest.raises(ValueError, match=r"policy\.preset"):
        WireForm().wanted(asked.SerializeToString())


# --- Requests ---------------------------------------------------------------------


def test_lines_units_and_refusals_are_read() -> None:
    violations: list[Violation] = []

    lines = decode_lines([wire.LineQuantity(line_id="1", quantity=2)], violations)
    shipped = decode_shipped(
        [wire.ShippedUnits(line_id="1", location_id="a", quantity=2)], violations
    )
    rejection = decode_rejection(
        wire.RejectAssignmentRequest(
            location_id="a",
            lines=[wire.RejectedLine(line_id="1", quantity=2, sku="hat")],
            reason=reservation_pb2.REJECTION_REASON_DAMAGED,
            blocking=True,
        ),
        violations,
    )

    assert lines == {"1": 2}
    assert shipped == (LineUnits("1", LocationId("a"), 2),)
    assert rejection == Rejection(
        LocationId("a"),
        RejectionReason.DAMAGED,
        (RejectedLine("1", 2, Sku("hat")),),
        blocking=True,
    )
    assert violations == []


@pytest.mark.parametrize(
    ("number", "size"), [(1, 0), (1, 127), (2, 128), (15, 1), (16, 300)]
)
def test_a_field_is_written_as_protobuf_would(number: int, size: int) -> None:
    value = b"x" * size

    found = with_field(number, value[:1], value[1:])

    # A plan's fields are numbered to 15; one of 16 has a tag of two bytes.
    tag = number << 3 | 2
    head = bytes([tag]) if tag < 128 else bytes([tag & 127 | 128, tag >> 7])
    length = bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])
    assert found == head + length + value


# --- Withdrawals and movements ----------------------------------------------------


WITHDRAWN = (
    Withdrawal("w-1", LocationId("a"), Sku("hat"), 2, "display", 1.5, 9.0),
    Withdrawal("w-2", LocationId("a"), Sku("hat"), 1),
    Withdrawal("w-1", LocationId("b"), Sku("hat"), 3),
)


def test_withdrawals_survive_the_wire() -> None:
    sets = encode_withdrawals(WITHDRAWN)
    violations: list[Violation] = []

    read = decode_withdrawals(sets, violations)

    assert read == [
        Withdrawals(LocationId("a"), Sku("hat"), list(WITHDRAWN[:2])),
        Withdrawals(LocationId("b"), Sku("hat"), [WITHDRAWN[2]]),
    ]
    assert violations == []


def test_every_breach_of_a_withdrawal_is_listed() -> None:
    one = stock_service_pb2.Withdrawal
    late = timestamp_pb2.Timestamp(seconds=253_402_300_800)
    sets = [
        stock_service_pb2.WithdrawalSet(
            withdrawals=[
                one(quantity=1),
                one(withdrawal_id="w", quantity=0, reason="x" * 129),
                one(withdrawal_id="w", quantity=10**12 + 1, end_time=late),
                one(
                    withdrawal_id="w",
                    quantity=1,
                    start_time=timestamp_pb2.Timestamp(nanos=-1),
                ),
            ]
        ),
        stock_service_pb2.WithdrawalSet(withdrawals=[one()] * 1_001),
    ]
    violations: list[Violation] = []

    decode_withdrawals(sets, violations)

    at = "changes[0].withdrawals"
    assert {each.path: each.reason for each in violations} == {
        f"{at}[0].withdrawal_id": "REQUIRED",
        f"{at}[1].quantity": "OUT_OF_RANGE",
        f"{at}[1].reason": "TOO_LONG",
        f"{at}[2].quantity": "OUT_OF_RANGE",
        f"{at}[2].end_time": "OUT_OF_RANGE",
        f"{at}[3].start_time": "OUT_OF_RANGE",
        "changes[1].withdrawals": "TOO_MANY",
    }


def test_a_movement_is_told_in_full() -> None:
    movement = Movement(*(Cause.SHIPPED, "hat", "a", "zone", "web", "1"), *range(-3, 4))

    (told,) = encode_movements([RecordedMovement(7, 12.3456, "p", "import", movement)])

    assert told == stock_service_pb2.Movement(
        movement_key=7,
        time=timestamp_pb2.Timestamp(seconds=12, nanos=346_000_000),
        cause=stock_service_pb2.MOVEMENT_CAUSE_SHIPPED,
        sku="hat",
        location_id="a",
        zone_id="zone",
        channel_id="web",
        plan_id="p",
        line_id="1",
        reference="import",
        on_hand_units=-3,
        zone_units=-2,
        allocated_units=-1,
        held_units=0,
        withdrawn_units=1,
        safety_stock_units=2,
        queued_units=3,
    )


def test_a_version_is_a_reply() -> None:
    reply = stock_service_pb2.PutWithdrawalsResponse.FromString(encode_version(9))

    assert reply.stock_version == 9
