"""The status, reason and text of each error: the one table.

Every error of ours has exactly one outcome, save two that say by a value of theirs
which of several they are; tests check that none is missing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import grpc

from availability.errors import (
    BadFile,
    ChannelNotFound,
    CustomerLimitReached,
    InvalidChange,
    OrderAlreadyRouted,
    PlanChanged,
    PlanNotFound,
    RequestReused,
    ReservationResolved,
    SnapshotDrops,
    StockConflict,
    StoreTooOld,
    StoreUnavailable,
    UnitsNotOpen,
)
from availability.reservations import ReservationState
from router.errors import (
    DeadlineTooShort,
    InvalidOrder,
    MalformedMessage,
    NotReroutable,
    ReroutingEnded,
    SolverError,
    StockContention,
    TooManyOrders,
)
from router.rpc.transport.errors import (
    Overloaded,
    ReplyFull,
    ScopeMissing,
    TokenMissing,
    TokenUnknown,
)
from router.v1 import error_reason_pb2


@dataclass(frozen=True, slots=True)
class ErrorStatus:
    """What a caller gets for one error.

    ``metadata`` names the attributes of the error that its ErrorInfo carries;
    ``retry_seconds`` is when a repeat makes sense, None if it never does.
    """

    code: grpc.StatusCode
    reason: error_reason_pb2.ErrorReason.ValueType
    metadata: tuple[str, ...] = ()
    retry_seconds: float | None = None


def _status(
    code: str, reason: str, *metadata: str, retry_seconds: float | None = None
) -> ErrorStatus:
    """Return a status by the names of its code and its reason."""
    number = error_reason_pb2.ErrorReason.Value(f"ERROR_REASON_{reason}")
    return ErrorStatus(grpc.StatusCode[code], number, metadata, retry_seconds)


INTERNAL = _status("INTERNAL", "INTERNAL")
_INVALID = _status("INVALID_ARGUMENT", "INVALID_REQUEST")

RESOLVED: Mapping[str, ErrorStatus] = MappingProxyType(
    {
        state: _status("FAILED_PRECONDITION", reason, "plan_id", "state")
        for state, reason in (
            (ReservationState.NONE, "NOTHING_HELD"),
            # What can not be done to a hold is to ship it.
            (ReservationState.HELD, "NOT_PLACED"),
            (ReservationState.PLACED, "ALREADY_PLACED"),
            (ReservationState.SHIPPED, "ALREADY_SHIPPED"),
            (ReservationState.CANCELLED, "ALREADY_CANCELLED"),
            (ReservationState.REJECTED, "ALREADY_REJECTED"),
            (ReservationState.EXPIRED, "HOLD_EXPIRED"),
        )
    }
)
"""The reason of a `ReservationResolved`, by the state that it names."""

ORDER_NOT_FOUND = _status("NOT_FOUND", "ORDER_NOT_FOUND", "order_id")
"""The reason of a `PlanNotFound` that was looked up by its order."""

_CONFLICT_SECONDS = 0.05
"""By then the group commits that took the stock are over."""

OUTCOMES: Mapping[type[Exception], ErrorStatus] = MappingProxyType(
    {
        InvalidOrder: _INVALID,
        InvalidChange: _INVALID,
        BadFile: _INVALID,
        MalformedMessage: _status("INVALID_ARGUMENT", "MALFORMED_MESSAGE"),
        StockContention: _status(
            "ABORTED", "STOCK_CONTENTION", "attempts", retry_seconds=_CONFLICT_SECONDS
        ),
        StockConflict: _status(
            "ABORTED", "STOCK_CONTENTION", retry_seconds=_CONFLICT_SECONDS
        ),
        TooManyOrders: _status("FAILED_PRECONDITION", "TOO_MANY_ORDERS", "most"),
        # A client repeats a whole re-routing, not a single call.
        ReroutingEnded: _status("ABORTED", "REROUTING_ENDED", "how"),
        CustomerLimitReached: _status(
            "FAILED_PRECONDITION", "CUSTOMER_LIMIT", "line_id", "sku", "max_units"
        ),
        DeadlineTooShort: _status("DEADLINE_EXCEEDED", "DEADLINE_TOO_SHORT"),
        ReplyFull: _status("RESOURCE_EXHAUSTED", "REPLY_FULL"),
        TokenMissing: _status("UNAUTHENTICATED", "TOKEN_MISSING"),
        TokenUnknown: _status("UNAUTHENTICATED", "TOKEN_UNKNOWN"),
        ScopeMissing: _status("PERMISSION_DENIED", "SCOPE_MISSING", "scopes"),
        # A few commits later there is room again, or there is none for long.
        Overloaded: _status("RESOURCE_EXHAUSTED", "OVERLOADED", retry_seconds=0.1),
        RequestReused: _status("ALREADY_EXISTS", "REQUEST_ID_REUSED", "request_id"),
        OrderAlreadyRouted: _status(
            "ALREADY_EXISTS", "ORDER_ALREADY_ROUTED", "order_id", "plan_id"
        ),
        PlanNotFound: _status("NOT_FOUND", "PLAN_NOT_FOUND", "plan_id"),
        ChannelNotFound: _status("NOT_FOUND", "CHANNEL_NOT_FOUND", "channel_id"),
        ReservationResolved: RESOLVED[ReservationState.NONE],
        UnitsNotOpen: _status("FAILED_PRECONDITION", "UNITS_NOT_OPEN", "plan_id"),
        PlanChanged: _status(
            "ABORTED", "PLAN_CHANGED", "plan_id", retry_seconds=_CONFLICT_SECONDS
        ),
        NotReroutable: _status("FAILED_PRECONDITION", "PLAN_NOT_REROUTABLE", "plan_id"),
        SnapshotDrops: _status(
            "FAILED_PRECONDITION",
            "SNAPSHOT_DROPS",
            "dropped_count",
            "known_count",
            "dropped_units",
            "known_units",
            "max_drop_permille",
        ),
        StoreUnavailable: _status(
            "UNAVAILABLE", "STORE_UNAVAILABLE", retry_seconds=1.0
        ),
        # An operator's business, met when the store is opened; a caller can do
        # nothing about either.
        StoreTooOld: INTERNAL,
        SolverError: INTERNAL,
    }
)
"""By class; a subclass has its parent's."""


def outcome_of(error: Exception) -> ErrorStatus:
    """Return the outcome of an error; one that is not ours is `INTERNAL`."""
    if isinstance(error, ReservationResolved):
        return RESOLVED[error.state]
    if isinstance(error, PlanNotFound) and error.order_id:
        return ORDER_NOT_FOUND
    for each in type(error).__mro__:
        if each in OUTCOMES:
            return OUTCOMES[each]
    return INTERNAL
