"""The status of an error: google.rpc details, from the one table.

A status travels in the trailers, where a peer may drop what is over 8 KiB. So a
list of violations is sent as far as it fits, and says how many were left out.
"""

import base64
import logging
import uuid
from collections.abc import MutableSequence, Sequence
from typing import Any
from urllib.parse import quote

import grpc
from google.protobuf import message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from availability.errors import (
    MAX_VIOLATIONS,
    BadFile,
    InvalidChange,
    StoreUnavailable,
    UnitsNotOpen,
    Violation,
)
from router.errors import InvalidOrder
from router.rpc.transport.outcomes import INTERNAL, ErrorStatus, outcome_of
from router.v1 import error_reason_pb2

DOMAIN = "repartir"
"""`domain` of every ErrorInfo."""
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


def status_of(error: Exception) -> status_pb2.Status:
    """Return the status of an error.

    What is no error of ours, or is our own fault, is told by an id alone: the
    log has the rest under the same id.
    """
    outcome = outcome_of(error)
    if outcome is INTERNAL:
        return _internal(error)
    info = _info(outcome.reason)
    for name in outcome.metadata:
        info.metadata[name] = _short(str(getattr(error, name)))
    if isinstance(error, UnitsNotOpen):
        return _with_breaches(outcome, info, error)
    violations = _violations_of(error)
    if violations:
        return _with_violations(outcome, info, violations)
    details: list[message.Message] = [info]
    if outcome.retry_seconds is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(round(outcome.retry_seconds * 1_000))
        details.append(retry)
    # A store's own words name files and tables: those are for the log.
    if isinstance(error, StoreUnavailable):
        _log.error("the store failed: %s", error)
        return _status(outcome.code, "the database is unavailable", *details)
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


def _violations_of(error: Exception) -> tuple[Violation, ...]:
    if isinstance(error, InvalidOrder | InvalidChange | BadFile):
        return error.violations
    return ()


def _internal(error: Exception) -> status_pb2.Status:
    error_id = uuid.uuid4().hex
    _log.error(
        "internal error %s", error_id, exc_info=error, extra={"error_id": error_id}
    )
    info = _info(INTERNAL.reason)
    info.metadata["error_id"] = error_id
    text = f"internal error; see {error_id} in the server's log"
    return _status(INTERNAL.code, text, info)


def _with_violations(
    outcome: ErrorStatus,
    info: error_details_pb2.ErrorInfo,
    violations: tuple[Violation, ...],
) -> status_pb2.Status:
    first = violations[0]
    bad = error_details_pb2.BadRequest()
    listed = [
        bad.FieldViolation(
            field=_short(each.path),
            description=_short(each.message),
            reason=each.reason,
        )
        for each in violations[:MAX_VIOLATIONS]
    ]
    text = f"{first.path}: {first.message}"
    count = len(violations)
    return _listing(outcome, info, text, bad, bad.field_violations, listed, count)


def _with_breaches(
    outcome: ErrorStatus, info: error_details_pb2.ErrorInfo, error: UnitsNotOpen
) -> status_pb2.Status:
    failure = error_details_pb2.PreconditionFailure()
    listed = [
        failure.Violation(
            type=info.reason,
            subject=_short(_place(line_id, location_id)),
            description=_short(f"{asked} of {sku!r} asked, {left} open"),
        )
        for location_id, sku, line_id, asked, left in error.breaches[:MAX_VIOLATIONS]
    ]
    text = f"{listed[0].subject}: {listed[0].description}"
    count = len(error.breaches)
    return _listing(outcome, info, text, failure, failure.violations, listed, count)


def _place(line_id: str, location_id: str) -> str:
    parts = [f"line {line_id!r}"] if line_id else []
    return " at ".join([*parts, repr(location_id)] if location_id else parts)


def _listing(
    outcome: ErrorStatus,
    info: error_details_pb2.ErrorInfo,
    text: str,
    detail: message.Message,
    into: MutableSequence[Any],
    items: Sequence[message.Message],
    count: int,
) -> status_pb2.Status:
    """Return a status with as many of ``count`` items as it has room for."""
    more = f" (and {count - 1} more)" if count > 1 else ""
    text = _short(text) + more
    info.metadata["violations_left_out"] = str(count)
    bare = _status(outcome.code, text, info, detail)
    # Base64 makes four bytes of three.
    room = (TRAILER_BYTES - wire_bytes(bare)) * 3 // 4 - _LENGTHS_BYTES
    for each in items:
        room -= each.ByteSize() + _ITEM_BYTES
        if room < 0:
            break
        into.append(each)
    left_out = count - len(into)
    if left_out:
        info.metadata["violations_left_out"] = str(left_out)
    else:
        del info.metadata["violations_left_out"]
    return _status(outcome.code, text, info, detail)


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
