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


INTERNAL = ErrorStatus(grpc.StatusCode.INTERNAL, error_reason_pb2.ERROR_REASON_INTERNAL)
_INVALID = ErrorStatus(
    grpc.StatusCode.INVALID_ARGUMENT, error_reason_pb2.ERROR_REASON_INVALID_REQUEST
)


def _resolved(reason: error_reason_pb2.ErrorReason.ValueType) -> ErrorStatus:
    return ErrorStatus(
        grpc.StatusCode.FAILED_PRECONDITION, reason, metadata=("plan_id", "state")
    )


RESOLVED: Mapping[str, ErrorStatus] = MappingProxyType(
    {
        ReservationState.NONE: _resolved(error_reason_pb2.ERROR_REASON_NOTHING_HELD),
        # What can not be done to a hold is to ship it.
        ReservationState.HELD: _resolved(error_reason_pb2.ERROR_REASON_NOT_PLACED),
        ReservationState.PLACED: _resolved(
            error_reason_pb2.ERROR_REASON_ALREADY_PLACED
        ),
        ReservationState.SHIPPED: _resolved(
            error_reason_pb2.ERROR_REASON_ALREADY_SHIPPED
        ),
        ReservationState.CANCELLED: _resolved(
            error_reason_pb2.ERROR_REASON_ALREADY_CANCELLED
        ),
        ReservationState.REJECTED: _resolved(
            error_reason_pb2.ERROR_REASON_ALREADY_REJECTED
        ),
        ReservationState.EXPIRED: _resolved(error_reason_pb2.ERROR_REASON_HOLD_EXPIRED),
    }
)
"""The reason of a `ReservationResolved`, by the state that it names."""

ORDER_NOT_FOUND = ErrorStatus(
    grpc.StatusCode.NOT_FOUND,
    error_reason_pb2.ERROR_REASON_ORDER_NOT_FOUND,
    metadata=("order_id",),
)
"""The reason of a `PlanNotFound` that was looked up by its order."""

OUTCOMES: Mapping[type[Exception], ErrorStatus] = MappingProxyType(
    {
        InvalidOrder: _INVALID,
        InvalidChange: _INVALID,
        BadFile: _INVALID,
        MalformedMessage: ErrorStatus(
            grpc.StatusCode.INVALID_ARGUMENT,
            error_reason_pb2.ERROR_REASON_MALFORMED_MESSAGE,
        ),
        StockContention: ErrorStatus(
            grpc.StatusCode.ABORTED,
            error_reason_pb2.ERROR_REASON_STOCK_CONTENTION,
            metadata=("attempts",),
            # By then the group commits that took the stock are over.
            retry_seconds=0.05,
        ),
        StockConflict: ErrorStatus(
            grpc.StatusCode.ABORTED,
            error_reason_pb2.ERROR_REASON_STOCK_CONTENTION,
            retry_seconds=0.05,
        ),
        TooManyOrders: ErrorStatus(
            grpc.StatusCode.FAILED_PRECONDITION,
            error_reason_pb2.ERROR_REASON_TOO_MANY_ORDERS,
            metadata=("most",),
        ),
        # A client repeats a whole re-routing, not a single call.
        ReroutingEnded: ErrorStatus(
            grpc.StatusCode.ABORTED,
            error_reason_pb2.ERROR_REASON_REROUTING_ENDED,
            metadata=("how",),
        ),
        CustomerLimitReached: ErrorStatus(
            grpc.StatusCode.FAILED_PRECONDITION,
            error_reason_pb2.ERROR_REASON_CUSTOMER_LIMIT,
            metadata=("line_id", "sku", "max_units"),
        ),
        DeadlineTooShort: ErrorStatus(
            grpc.StatusCode.DEADLINE_EXCEEDED,
            error_reason_pb2.ERROR_REASON_DEADLINE_TOO_SHORT,
        ),
        ReplyFull: ErrorStatus(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            error_reason_pb2.ERROR_REASON_REPLY_FULL,
        ),
        TokenMissing: ErrorStatus(
            grpc.StatusCode.UNAUTHENTICATED,
            error_reason_pb2.ERROR_REASON_TOKEN_MISSING,
        ),
        TokenUnknown: ErrorStatus(
            grpc.StatusCode.UNAUTHENTICATED,
            error_reason_pb2.ERROR_REASON_TOKEN_UNKNOWN,
        ),
        ScopeMissing: ErrorStatus(
            grpc.StatusCode.PERMISSION_DENIED,
            error_reason_pb2.ERROR_REASON_SCOPE_MISSING,
            metadata=("scopes",),
        ),
        Overloaded: ErrorStatus(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            error_reason_pb2.ERROR_REASON_OVERLOADED,
            # A few commits later there is room again, or there is none for long.
            retry_seconds=0.1,
        ),
        RequestReused: ErrorStatus(
            grpc.StatusCode.ALREADY_EXISTS,
            error_reason_pb2.ERROR_REASON_REQUEST_ID_REUSED,
            metadata=("request_id",),
        ),
        OrderAlreadyRouted: ErrorStatus(
            grpc.StatusCode.ALREADY_EXISTS,
            error_reason_pb2.ERROR_REASON_ORDER_ALREADY_ROUTED,
            metadata=("order_id", "plan_id"),
        ),
        PlanNotFound: ErrorStatus(
            grpc.StatusCode.NOT_FOUND,
            error_reason_pb2.ERROR_REASON_PLAN_NOT_FOUND,
            metadata=("plan_id",),
        ),
        ChannelNotFound: ErrorStatus(
            grpc.StatusCode.NOT_FOUND,
            error_reason_pb2.ERROR_REASON_CHANNEL_NOT_FOUND,
            metadata=("channel_id",),
        ),
        ReservationResolved: RESOLVED[ReservationState.NONE],
        UnitsNotOpen: ErrorStatus(
            grpc.StatusCode.FAILED_PRECONDITION,
            error_reason_pb2.ERROR_REASON_UNITS_NOT_OPEN,
            metadata=("plan_id",),
        ),
        PlanChanged: ErrorStatus(
            grpc.StatusCode.ABORTED,
            error_reason_pb2.ERROR_REASON_PLAN_CHANGED,
            metadata=("plan_id",),
            retry_seconds=0.05,
        ),
        NotReroutable: ErrorStatus(
            grpc.StatusCode.FAILED_PRECONDITION,
            error_reason_pb2.ERROR_REASON_PLAN_NOT_REROUTABLE,
            metadata=("plan_id",),
        ),
        SnapshotDrops: ErrorStatus(
            grpc.StatusCode.FAILED_PRECONDITION,
            error_reason_pb2.ERROR_REASON_SNAPSHOT_DROPS,
            metadata=(
                "dropped_count",
                "known_count",
                "dropped_units",
                "known_units",
                "max_drop_permille",
            ),
        ),
        StoreUnavailable: ErrorStatus(
            grpc.StatusCode.UNAVAILABLE,
            error_reason_pb2.ERROR_REASON_STORE_UNAVAILABLE,
            retry_seconds=1.0,
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
