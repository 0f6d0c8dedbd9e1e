"""What is answered to a call that comes too late, twice, or makes no sense."""

from typing import Any

import grpc
import pytest

from availability.model import LocationId, Sku
from availability.reservations import Claim, Reservation
from router.v1 import routing_service_pb2
from tests.router.rpc.calls import (
    StepClock,
    code,
    load,
    metadata,
    order,
    reason,
    refused,
    request,
    route,
    status,
    violations,
)
from tests.router.rpc.conftest import Running
from tests.router.rpc.life import (
    CALLS,
    CANCEL,
    EXTEND,
    NAMED,
    PLACE,
    REJECT,
    SHIP,
    asked,
    balances,
    cancel,
    get,
    ship,
    state,
)

wire = routing_service_pb2


def in_state(server: Running, ledger_clock: StepClock, name: str) -> str:
    """Bring an order into a state; return its plan's id."""
    fields: dict[str, Any] = {}
    if name in ("held", "expired"):
        fields["hold_seconds"] = 60
    plan_id = route(server, order("o", hat=4), **fields).plan_id
    match name:
        case "shipped":
            ship(server, plan_id)
        case "cancelled":
            cancel(server, "o")
        case "expired":
            ledger_clock.seconds += 61
            server.ledger.sweep()
        case "rejected":
            server.routing.RejectAssignment(asked(REJECT, plan_id))
    assert state(get(server, plan_id).reservation) == name
    return plan_id


TOO_LATE = {
    "held": ("NOT_PLACED", {SHIP}),
    "placed": ("ALREADY_PLACED", {PLACE, EXTEND}),
    "shipped": ("ALREADY_SHIPPED", set(CALLS)),
    "cancelled": ("ALREADY_CANCELLED", set(CALLS)),
    "expired": ("HOLD_EXPIRED", set(CALLS)),
    "rejected": ("ALREADY_REJECTED", set(CALLS)),
}
"""What a call is told that came too late, and which calls do, by state."""


@pytest.mark.parametrize("name", TOO_LATE)
def test_what_comes_too_late_is_told_why(
    timed: Running, ledger_clock: StepClock, name: str
) -> None:
    plan_id = in_state(timed, ledger_clock, name)
    told, calls = TOO_LATE[name]
    before = balances(timed)

    for call in sorted(calls):
        for fields in ({}, NAMED.get(call, {})):
            error = refused(
                getattr(timed.routing, call), asked(call, plan_id, **fields)
            )
            assert code(error) is grpc.StatusCode.FAILED_PRECONDITION
            assert reason(status(error)) == told, call
            assert metadata(status(error)) == {"plan_id": plan_id, "state": name}

    assert balances(timed) == before


def test_a_plan_that_holds_nothing_says_so(timed: Running) -> None:
    load(timed, {"laval": {"hat": 0}})
    plan_id = route(timed, order("o", hat=1)).plan_id

    for call in CALLS:
        error = refused(getattr(timed.routing, call), asked(call, plan_id))
        assert reason(status(error)) == "NOTHING_HELD"


def test_nothing_is_found_that_is_not_there(timed: Running) -> None:
    for call in CALLS:
        for fields in ({}, NAMED.get(call, {})):
            error = refused(
                getattr(timed.routing, call), asked(call, "p", order="none", **fields)
            )
            assert code(error) is grpc.StatusCode.NOT_FOUND
            kind = "order" if call == CANCEL else "plan"
            assert reason(status(error)) == f"{kind.upper()}_NOT_FOUND"
            name = "none" if call == CANCEL else "p"
            assert metadata(status(error)) == {f"{kind}_id": name}


LONG = "x" * 129


@pytest.mark.parametrize(
    ("call", "fields", "expected"),
    [
        (PLACE, {"plan_id": ""}, {"plan_id": "REQUIRED"}),
        (PLACE, {"plan_id": LONG}, {"plan_id": "INVALID_ID"}),
        (PLACE, {"request_id": "é"}, {"request_id": "INVALID_ID"}),
        (
            EXTEND,
            {"plan_id": "", "hold_seconds": 0, "work": " x"},
            {
                "plan_id": "REQUIRED",
                "hold_seconds": "OUT_OF_RANGE",
                "work": "INVALID_ID",
            },
        ),
        (EXTEND, {"hold_seconds": 86_401}, {"hold_seconds": "OUT_OF_RANGE"}),
        (EXTEND, {"work": LONG}, {"work": "INVALID_ID"}),
        (CANCEL, {"order_id": "a\n"}, {"order_id": "INVALID_ID"}),
        (
            CANCEL,
            {
                "order_id": "",
                "lines": [
                    wire.LineQuantity(line_id="a", quantity=1),
                    wire.LineQuantity(line_id="a", quantity=0),
                    wire.LineQuantity(quantity=1_000_000_001),
                ],
            },
            {
                "order_id": "REQUIRED",
                "lines[1].line_id": "DUPLICATE",
                "lines[1].quantity": "OUT_OF_RANGE",
                "lines[2].line_id": "REQUIRED",
                "lines[2].quantity": "OUT_OF_RANGE",
            },
        ),
        (CANCEL, {"lines": [wire.LineQuantity()] * 1_001}, {"lines": "TOO_MANY"}),
        (
            SHIP,
            {
                "plan_id": "",
                "assignments": [
                    wire.ShippedUnits(line_id="a", location_id="x", quantity=1),
                    wire.ShippedUnits(line_id="a", location_id="x", quantity=1),
                    wire.ShippedUnits(line_id="a", quantity=-1),
                ],
            },
            {
                "plan_id": "REQUIRED",
                "assignments[1]": "DUPLICATE",
                "assignments[2].location_id": "REQUIRED",
                "assignments[2].quantity": "OUT_OF_RANGE",
            },
        ),
        (
            SHIP,
            {"assignments": [wire.ShippedUnits()] * 10_001},
            {"assignments": "TOO_MANY"},
        ),
        (
            REJECT,
            {"plan_id": "", "location_id": "", "reason": 0},
            {"plan_id": "REQUIRED", "location_id": "REQUIRED", "reason": "REQUIRED"},
        ),
        (REJECT, {"reason": 99}, {"reason": "UNKNOWN"}),
        (
            REJECT,
            {
                "lines": [
                    wire.RejectedLine(line_id="a", quantity=1),
                    wire.RejectedLine(line_id="a", quantity=0),
                ]
            },
            {"lines[1].line_id": "DUPLICATE", "lines[1].quantity": "OUT_OF_RANGE"},
        ),
        (REJECT, {"lines": [wire.RejectedLine()] * 1_001}, {"lines": "TOO_MANY"}),
    ],
)
def test_every_violation_is_listed(
    server: Running, call: str, fields: dict[str, Any], expected: dict[str, str]
) -> None:
    fields = dict(fields)
    plan_id = fields.pop("plan_id", "p")
    order_id = fields.pop("order_id", "o")

    error = refused(
        getattr(server.routing, call), asked(call, plan_id, order=order_id, **fields)
    )

    assert code(error) is grpc.StatusCode.INVALID_ARGUMENT
    assert violations(status(error)) == expected


@pytest.mark.parametrize("seconds", [-1, 86_401])
def test_a_hold_is_at_most_a_day(server: Running, seconds: int) -> None:
    load(server, {"laval": {"hat": 1}})

    error = refused(
        server.routing.RouteOrder, request(order("o", hat=1), hold_seconds=seconds)
    )

    assert violations(status(error)) == {"hold_seconds": "OUT_OF_RANGE"}


@pytest.mark.parametrize(
    ("call", "path"),
    [
        (CANCEL, "lines[1].line_id"),
        (SHIP, "assignments[1].line_id"),
        (REJECT, "lines[1].line_id"),
    ],
)
def test_a_line_that_never_was_is_a_violation(
    timed: Running, call: str, path: str
) -> None:
    plan_id = route(timed, order("o", hat=4)).plan_id
    (name, named), *_ = NAMED[call].items()
    unknown = type(named[0])()
    unknown.CopyFrom(named[0])
    unknown.line_id = "mars"

    fields: dict[str, Any] = {name: [named[0], unknown]}
    error = refused(getattr(timed.routing, call), asked(call, plan_id, **fields))

    assert violations(status(error)) == {path: "UNKNOWN_LINE"}
    assert balances(timed)["laval/hat"]["allocated"] == 4


@pytest.mark.parametrize("call", [CANCEL, SHIP, REJECT])
def test_more_than_is_open_changes_nothing(timed: Running, call: str) -> None:
    plan_id = route(timed, order("o", hat=4)).plan_id
    (name, named), *_ = NAMED[call].items()
    many = type(named[0])()
    many.CopyFrom(named[0])
    many.quantity = 5

    fields: dict[str, Any] = {name: [many]}
    error = refused(getattr(timed.routing, call), asked(call, plan_id, **fields))

    assert code(error) is grpc.StatusCode.FAILED_PRECONDITION
    assert reason(status(error)) == "UNITS_NOT_OPEN"
    assert metadata(status(error)) == {"plan_id": plan_id}
    assert "5 of 'hat' asked, 4 open" in status(error).message
    assert balances(timed)["laval/hat"]["allocated"] == 4


def test_a_plan_without_its_order_can_only_end_whole(timed: Running) -> None:
    """As one that an older version stored."""
    from_python(timed)

    for call, fields in NAMED.items():
        error = refused(getattr(timed.routing, call), asked(call, "old", **fields))
        assert code(error) is grpc.StatusCode.FAILED_PRECONDITION
        assert reason(status(error)) == "PLAN_NOT_REROUTABLE"

    assert state(ship(timed, "old")) == "shipped"


def from_python(server: Running) -> None:
    claim = Claim(LocationId("laval"), Sku("hat"), line_id="hat", quantity=4)
    server.ledger.reserve(Reservation("old", "o", (claim,), b""))
