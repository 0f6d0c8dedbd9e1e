"""What a caller is told of each error: one table, and google.rpc details from it.

A status travels in the trailers, where a peer may drop what is over 8 KiB. So a
list of violations is sent as far as it fits, and says how many were left out.
"""

import base64
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import quote

import grpc
from google.protobuf import message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from availability.errors import (
    BadFile,
    InvalidChange,
    OrderAlreadyRouted,
    PlanNotFound,
    RequestReused,
    StockConflict,
    StoreTooOld,
    StoreUnavailable,
    Violation,
)
from router.errors import (
    DeadlineTooShort,
    InvalidOrder,
    MalformedMessage,
    RouterError,
    SolverError,
    StockContention,
)
from router.v1 import error_reason_pb2

DOMAIN = "repartir"
"""`domain` of every ErrorInfo."""
MAX_VIOLATIONS = 100
"""Most violations collected for one answer."""
TRAILER_BYTES = 6 * 1024
"""Most bytes of a status on the wire; 8 KiB is where peers begin to refuse."""
TEXT_CHARACTERS = 200
"""Most characters of a text that may hold what the caller sent."""

_REASON_PREFIX = "ERROR_REASON_"
_KEYS_BYTES = len("grpc-statusgrpc-messagegrpc-status-details-bin") + 3 * 32 + 2
"""What the trailers' names weigh, with HTTP/2's 32 bytes for each."""
_ITEM_BYTES = 4
"""Tag and length of one violation in its list."""
_LENGTHS_BYTES = 16
"""What the lengths around a list may grow by, and base64's padding."""

_log = logging.getLogger(__name__)


class ReplyFull(RouterError):
    """The reply to a batch has no room left; nothing was reserved for the order."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one error is told.

    ``metadata`` names the attributes of the error that its ErrorInfo carries;
    ``retry_seconds`` is when a repeat makes sense, None if it never does.
    """

    code: grpc.StatusCode
    reason: error_reason_pb2.ErrorReason.ValueType
    metadata: tuple[str, ...] = ()
    retry_seconds: float | None = None


_INTERNAL = Outcome(grpc.StatusCode.INTERNAL, error_reason_pb2.ERROR_REASON_INTERNAL)
_INVALID = Outcome(
    grpc.StatusCode.INVALID_ARGUMENT, error_reason_pb2.ERROR_REASON_INVALID_REQUEST
)

OUTCOMES: Mapping[type[Exception], Outcome] = MappingProxyType(
    {
        InvalidOrder: _INVALID,
        InvalidChange: _INVALID,
        BadFile: _INVALID,
        MalformedMessage: Outcome(
            grpc.StatusCode.INVALID_ARGUMENT,
            error_reason_pb2.ERROR_REASON_MALFORMED_MESSAGE,
        ),
        StockContention: Outcome(
            grpc.StatusCode.ABORTED,
            error_reason_pb2.ERROR_REASON_STOCK_CONTENTION,
            metadata=("attempts",),
            # By then the group commits that took the stock are over.
            retry_seconds=0.05,
        ),
        StockConflict: Outcome(
            grpc.StatusCode.ABORTED,
            error_reason_pb2.ERROR_REASON_STOCK_CONTENTION,
            retry_seconds=0.05,
        ),
        DeadlineTooShort: Outcome(
            grpc.StatusCode.DEADLINE_EXCEEDED,
            error_reason_pb2.ERROR_REASON_DEADLINE_TOO_SHORT,
        ),
        ReplyFull: Outcome(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            error_reason_pb2.ERROR_REASON_REPLY_FULL,
        ),
        RequestReused: Outcome(
            grpc.StatusCode.ALREADY_EXISTS,
            error_reason_pb2.ERROR_REASON_REQUEST_ID_REUSED,
            metadata=("request_id",),
        ),
        OrderAlreadyRouted: Outcome(
            grpc.StatusCode.ALREADY_EXISTS,
            error_reason_pb2.ERROR_REASON_ORDER_ALREADY_ROUTED,
            metadata=("order_id", "plan_id"),
        ),
        PlanNotFound: Outcome(
            grpc.StatusCode.NOT_FOUND,
            error_reason_pb2.ERROR_REASON_PLAN_NOT_FOUND,
            metadata=("plan_id",),
        ),
        StoreUnavailable: Outcome(
            grpc.StatusCode.UNAVAILABLE,
            error_reason_pb2.ERROR_REASON_STORE_UNAVAILABLE,
            retry_seconds=1.0,
        ),
        # An operator's business, met when the store is opened; a caller can do
        # nothing about either.
        StoreTooOld: _INTERNAL,
        SolverError: _INTERNAL,
    }
)
"""Every error of ours has exactly one outcome; a test checks that none is missing."""


def status_of(error: Exception) -> status_pb2.Status:
    """Return the status that tells a caller of an error.

    What is no error of ours, or is our own fault, is told by an id alone: the
    log has the rest under the same id.
    """
    outcome = _outcome_of(error)
    if outcome is _INTERNAL:
        return _internal(error)
    violations = _violations_of(error)
    if violations:
        return _with_violations(outcome, violations)
    info = _info(outcome.reason)
    for name in outcome.metadata:
        info.metadata[name] = _short(str(getattr(error, name)))
    details: list[message.Message] = [info]
    if outcome.retry_seconds is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(round(outcome.retry_seconds * 1_000))
        details.append(retry)
    # A store's own words name files and tables: those are for the log.
    if isinstance(error, StoreUnavailable):
        _log.error("the store failed: %s", error)
        return _status(outcome.code, "the store cannot be used now", *details)
    return _status(outcome.code, _short(str(error)), *details)


async def abort(
    context: "grpc.aio.ServicerContext[bytes, bytes]", error: Exception
) -> None:
    """End a call with the status of an error; raises what ends the handler."""
    await context.abort_with_status(rpc_status.to_status(status_of(error)))


def wire_bytes(status: status_pb2.Status) -> int:
    """Return what a status weighs in the trailers, at most."""
    details = len(base64.b64encode(status.SerializeToString()))
    return _KEYS_BYTES + len(quote(status.message)) + details


def _outcome_of(error: Exception) -> Outcome:
    for each in type(error).__mro__:
        if each in OUTCOMES:
            return OUTCOMES[each]
    return _INTERNAL


def _violations_of(error: Exception) -> tuple[Violation, ...]:
    if isinstance(error, InvalidOrder | InvalidChange | BadFile):
        return error.violations
    return ()


def _internal(error: Exception) -> status_pb2.Status:
    error_id = uuid.uuid4().hex
    _log.error("internal error %s", error_id, exc_info=error)
    info = _info(_INTERNAL.reason)
    info.metadata["error_id"] = error_id
    text = f"internal error; the server's log has it under {error_id}"
    return _status(_INTERNAL.code, text, info)


def _with_violations(
    outcome: Outcome, violations: tuple[Violation, ...]
) -> status_pb2.Status:
    first = violations[0]
    more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
    text = _short(f"{first.path}: {first.message}") + more
    info = _info(outcome.reason)
    info.metadata["violations_left_out"] = str(len(violations))
    bare = _status(outcome.code, text, info, error_details_pb2.BadRequest())
    # Base64 makes four bytes of three.
    room = (TRAILER_BYTES - wire_bytes(bare)) * 3 // 4 - _LENGTHS_BYTES
    bad = error_details_pb2.BadRequest()
    for each in violations[:MAX_VIOLATIONS]:
        listed = error_details_pb2.BadRequest.FieldViolation(
            field=_short(each.path),
            description=_short(each.message),
            reason=each.reason,
        )
        room -= listed.ByteSize() + _ITEM_BYTES
        if room < 0:
            break
        bad.field_violations.append(listed)
    left_out = len(violations) - len(bad.field_violations)
    if left_out:
        info.metadata["violations_left_out"] = str(left_out)
    else:
        del info.metadata["violations_left_out"]
    return _status(outcome.code, text, info, bad)


def _info(
    reason: error_reason_pb2.ErrorReason.ValueType,
) -> error_details_pb2.ErrorInfo:
    name = error_reason_pb2.ErrorReason.Name(reason).removeprefix(_REASON_PREFIX)
    return error_details_pb2.ErrorInfo(reason=name, domain=DOMAIN)


def _status(
    code: grpc.StatusCode, text: str, *details: message.Message
) -> status_pb2.Status:
    status = status_pb2.Status(code=code.value[0], message=text)
    for detail in details:
        status.details.add().Pack(detail)
    return status


def _short(text: str) -> str:
    if len(text) <= TEXT_CHARACTERS:
        return text
    return text[: TEXT_CHARACTERS - 1] + "…"
