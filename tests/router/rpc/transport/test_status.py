"""Every error has one status, with the details the contract promises."""

import logging
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from availability.errors import (
    MAX_VIOLATIONS,
    AvailabilityError,
    BadFile,
    InvalidChange,
    OrderAlreadyRouted,
    PlanChanged,
    PlanNotFound,
    RequestReused,
    ReservationResolved,
    SnapshotDrops,
    StoreUnavailable,
    UnitsNotOpen,
    Violation,
)
from availability.reservations import ReservationState
from router.errors import (
    InvalidOrder,
    NotReroutable,
    ReroutingEnded,
    RouterError,
    SolverError,
    StockContention,
)
from router.rpc.transport.outcomes import ORDER_NOT_FOUND, OUTCOMES, RESOLVED
from router.rpc.transport.status import (
    DOMAIN,
    TEXT_CHARACTERS,
    TRAILER_BYTES,
    status_of,
    wire_bytes,
)
from router.v1 import error_reason_pb2


def subclasses(root: type[Exception]) -> Iterator[type[Exception]]:
    for each in root.__subclasses__():
        yield each
        yield from subclasses(each)


def detail(status: status_pb2.Status, into: Message) -> Any:
    found = [each for each in status.details if each.Is(into.DESCRIPTOR)]
    assert len(found) == 1, "each type of detail once"
    found[0].Unpack(into)
    return into


def info(status: status_pb2.Status) -> Any:
    return detail(status, error_details_pb2.ErrorInfo())


def bad_request(status: status_pb2.Status) -> Any:
    return detail(status, error_details_pb2.BadRequest())


def violations(count: int, text: str = "must be 1 to 9, got 0") -> list[Violation]:
    return [
        Violation(f"order.lines[{n}].quantity", "OUT_OF_RANGE", text)
        for n in range(count)
    ]


def test_every_error_of_ours_has_an_outcome() -> None:
    ours = {
        each
        for root in (RouterError, AvailabilityError)
        for each in subclasses(root)
        if each.__module__.startswith(("router.", "availability."))
    }

    assert ours == set(OUTCOMES)


def test_every_reason_is_used() -> None:
    told = (*OUTCOMES.values(), *RESOLVED.values(), ORDER_NOT_FOUND)
    used = {outcome.reason for outcome in told}

    assert used == set(error_reason_pb2.ErrorReason.values()) - {0}


def test_every_state_that_can_be_in_the_way_has_an_outcome_of_its_own() -> None:
    assert set(RESOLVED) == {state.value for state in ReservationState}
    assert len({each.reason for each in RESOLVED.values()}) == len(ReservationState)


def test_no_outcome_is_ok_or_unknown() -> None:
    codes = {outcome.code for outcome in OUTCOMES.values()}

    assert not codes & {grpc.StatusCode.OK, grpc.StatusCode.UNKNOWN}


@pytest.mark.parametrize(
    ("error", "code", "reason", "metadata"),
    [
        (RequestReused("r-1"), 6, "REQUEST_ID_REUSED", {"request_id": "r-1"}),
        (
            OrderAlreadyRouted("o-1", "p-1"),
            6,
            "ORDER_ALREADY_ROUTED",
            {"order_id": "o-1", "plan_id": "p-1"},
        ),
        (PlanNotFound("p-1"), 5, "PLAN_NOT_FOUND", {"plan_id": "p-1"}),
        (PlanNotFound(order_id="o-1"), 5, "ORDER_NOT_FOUND", {"order_id": "o-1"}),
        (
            ReservationResolved("p-1", "expired", "placed"),
            9,
            "HOLD_EXPIRED",
            {"plan_id": "p-1", "state": "expired"},
        ),
        (PlanChanged("p-1"), 10, "PLAN_CHANGED", {"plan_id": "p-1"}),
        (
            SnapshotDrops(9, 10, 90, 100, 250),
            9,
            "SNAPSHOT_DROPS",
            {
                "dropped_count": "9",
                "known_count": "10",
                "dropped_units": "90",
                "known_units": "100",
                "max_drop_permille": "250",
            },
        ),
        (NotReroutable("p-1"), 9, "PLAN_NOT_REROUTABLE", {"plan_id": "p-1"}),
        (ReroutingEnded("signal 9"), 10, "REROUTING_ENDED", {"how": "signal 9"}),
        (StockContention(3), 10, "STOCK_CONTENTION", {"attempts": "3"}),
        (StoreUnavailable("/secret/path: I/O error"), 14, "STORE_UNAVAILABLE", {}),
    ],
)
def test_an_error_tells_its_reason_and_its_facts(
    error: Exception, code: int, reason: str, metadata: dict[str, str]
) -> None:
    status = status_of(error)

    told = info(status)
    assert status.code == code
    assert (told.domain, told.reason) == (DOMAIN, reason)
    assert dict(told.metadata) == metadata


@pytest.mark.parametrize(
    ("error", "seconds"), [(StockContention(3), 0.05), (StoreUnavailable("gone"), 1.0)]
)
def test_what_may_be_repeated_says_when(error: Exception, seconds: float) -> None:
    retry = detail(status_of(error), error_details_pb2.RetryInfo())

    assert retry.retry_delay.ToMilliseconds() == seconds * 1_000


def test_every_violation_is_listed_with_its_path_and_reason() -> None:
    status = status_of(InvalidOrder(violations(3)))

    listed = bad_request(status).field_violations
    assert status.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert info(status).reason == "INVALID_REQUEST"
    assert [(each.field, each.reason) for each in listed] == [
        (f"order.lines[{n}].quantity", "OUT_OF_RANGE") for n in range(3)
    ]
    assert listed[0].description == "must be 1 to 9, got 0"
    assert "violations_left_out" not in info(status).metadata


@pytest.mark.parametrize(
    "error",
    [
        InvalidOrder(violations(MAX_VIOLATIONS)),
        InvalidOrder(violations(MAX_VIOLATIONS, "é" * 5_000)),
        InvalidChange([Violation("x" * 10_000, "R", "\U0001f4a5" * 10_000)]),
        BadFile(violations(100, '"\n\x00%' * 100), 10_000),
        PlanNotFound("\U0001f4a5" * 100_000),
        OrderAlreadyRouted("\U0001f4a5" * 128, "p" * 128),
        RequestReused("%" * 128),
        UnitsNotOpen(
            "p" * 128, [("\U0001f4a5" * 128, "é" * 128, "%" * 128, 9, 0)] * 999
        ),
        ValueError("x" * 100_000),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_status_fits_into_the_trailers(error: Exception) -> None:
    assert wire_bytes(status_of(error)) <= TRAILER_BYTES


def test_every_line_that_is_not_open_is_listed() -> None:
    breaches = [("laval", "hat", "1", 3, 2), ("", "cap", "2", 1, 0)]

    status = status_of(UnitsNotOpen("p-1", breaches))

    failure = detail(status, error_details_pb2.PreconditionFailure())
    assert status.code == grpc.StatusCode.FAILED_PRECONDITION.value[0]
    assert (
        status.message == "line '1' at 'laval': 3 of 'hat' asked, 2 open (and 1 more)"
    )
    assert dict(info(status).metadata) == {"plan_id": "p-1"}
    assert [
        (each.type, each.subject, each.description) for each in failure.violations
    ] == [
        ("UNITS_NOT_OPEN", "line '1' at 'laval'", "3 of 'hat' asked, 2 open"),
        ("UNITS_NOT_OPEN", "line '2'", "1 of 'cap' asked, 0 open"),
    ]


def test_what_does_not_fit_is_counted() -> None:
    status = status_of(InvalidOrder(violations(MAX_VIOLATIONS)))

    shown = len(bad_request(status).field_violations)
    left_out = int(info(status).metadata["violations_left_out"])
    # Fewer than 20 would be a waste of a trailer that has room for them.
    assert 20 <= shown < MAX_VIOLATIONS
    assert shown + left_out == MAX_VIOLATIONS
    assert status.message == (
        "order.lines[0].quantity: must be 1 to 9, got 0 (and 99 more)"
    )


def test_long_texts_are_cut() -> None:
    status = status_of(InvalidOrder(violations(1, "x" * 10_000)))

    description = bad_request(status).field_violations[0].description
    assert len(description) == TEXT_CHARACTERS
    assert description.endswith("…")


@pytest.mark.parametrize(
    "error", [KeyError("secret"), SolverError("secret"), RuntimeError("secret")]
)
def test_our_own_faults_are_told_by_an_id_that_the_log_has(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "router.rpc.transport.status"):
        status = status_of(error)

    error_id = info(status).metadata["error_id"]
    assert status.code == grpc.StatusCode.INTERNAL.value[0]
    assert info(status).reason == "INTERNAL"
    assert b"secret" not in status.SerializeToString()
    assert error_id in caplog.text
    assert "secret" in caplog.text


def test_the_stores_words_stay_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "router.rpc.transport.status"):
        status = status_of(StoreUnavailable("/srv/ledger.db: disk I/O error"))

    assert b"/srv" not in status.SerializeToString()
    assert "/srv/ledger.db" in caplog.text
