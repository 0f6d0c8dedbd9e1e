"""What requests share: ids that make them repeatable, time, pages."""

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence

from google.protobuf import duration_pb2
from google.protobuf.message import Message

from availability.errors import Violation
from availability.model import MAX_ID_CHARACTERS, Request

MAX_REQUEST_ID_CHARACTERS = 128
DEFAULT_SOLVE_SECONDS = 1.0
MIN_SOLVE_SECONDS = 0.001
MAX_SOLVE_SECONDS = 30.0
DEFAULT_PAGE = 1_000
"""Records in a page when the request does not say."""
MAX_PAGE = 10_000
"""Most records in a page; a larger request gets this many."""

_UNREPEATED = Request()
_NANOS = 1_000_000_000


def decode_id(value: str, path: str, violations: list[Violation]) -> str:
    """Return an id that has to be there."""
    if not value:
        violations.append(Violation(path, "REQUIRED", "must be set"))
    elif not _is_id(value):
        message = (
            f"must be 1 to {MAX_ID_CHARACTERS} printable characters with no spaces at "
            "either end"
        )
        violations.append(Violation(path, "INVALID_ID", message))
    return value


def _is_id(value: str) -> bool:
    return (
        len(value) <= MAX_ID_CHARACTERS
        and value.isprintable()
        and value.strip() == value
    )


def decode_request(
    method: str,
    wire: Message,
    request_id: str,
    violations: list[Violation],
    body: bytes | None = None,
) -> Request:
    """Read what makes a write repeatable; ``body`` is ``wire`` in bytes, if known.

    The digest covers the method too: an id that was used for an import says
    nothing about an order.
    """
    if not request_id:
        return _UNREPEATED
    if (
        len(request_id) > MAX_REQUEST_ID_CHARACTERS
        or not request_id.isascii()
        or not request_id.isprintable()
    ):
        message = f"must be 1 to {MAX_REQUEST_ID_CHARACTERS} printable ASCII characters"
        violations.append(Violation("request_id", "INVALID_ID", message))
    if body is None:
        body = wire.SerializeToString(deterministic=True)
    return Request(request_id, digest(method, body))


def digest(method: str, body: bytes) -> bytes:
    """Hash a request: equal for equal messages, however a client encoded them."""
    return hashlib.sha256(method.encode() + b"\0" + body).digest()


def decode_solve_timeout(
    wire: duration_pb2.Duration, violations: list[Violation]
) -> float:
    """Return the seconds a solver may take, of a timeout that is set."""
    seconds = wire.seconds + wire.nanos / _NANOS
    if MIN_SOLVE_SECONDS <= seconds <= MAX_SOLVE_SECONDS and abs(wire.nanos) < _NANOS:
        return seconds
    message = f"must be {MIN_SOLVE_SECONDS:g} s to {MAX_SOLVE_SECONDS:g} s"
    violations.append(Violation("solve_timeout", "OUT_OF_RANGE", message))
    return DEFAULT_SOLVE_SECONDS


def decode_page_size(page_size: int, violations: list[Violation]) -> int:
    """Return how many records a page may have."""
    if page_size < 0:
        message = f"must not be negative, got {page_size}"
        violations.append(Violation("page_size", "OUT_OF_RANGE", message))
        return DEFAULT_PAGE
    return min(page_size or DEFAULT_PAGE, MAX_PAGE)


def encode_page_token(place: Sequence[str]) -> str:
    """Write where a page ended."""
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def decode_page_token(
    token: str, parts: int, violations: list[Violation]
) -> tuple[str, ...] | None:
    """Return where the page before ended; None: this is the first page."""
    if not token:
        return None
    try:
        place = json.loads(base64.b64decode(token, b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        place = None
    if (
        isinstance(place, list)
        and len(place) == parts
        and all(isinstance(each, str) for each in place)
    ):
        return tuple(place)
    message = "must be the next_page_token of the page before"
    violations.append(Violation("page_token", "INVALID_TOKEN", message))
    return None
