"""What requests share: ids that make them repeatable, time, pages."""

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence

from google.protobuf import duration_pb2
from google.protobuf.message import Message

from availability.errors import Violation
from availability.model import Request
from router.validation.breaches import bad_id, is_id

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
    if not is_id(value):
        violations.append(bad_id(path, value))
    return value


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
    bounds = (MIN_SOLVE_SECONDS, MAX_SOLVE_SECONDS)
    return decode_duration(wire, bounds, "solve_timeout", violations)


def decode_duration(
    wire: duration_pb2.Duration,
    bounds: tuple[float, float],
    path: str,
    violations: list[Violation],
) -> float:
    """Return a duration in seconds, of which there are least and most."""
    least, most = bounds
    seconds = wire.seconds + wire.nanos / _NANOS
    if not least <= seconds <= most or abs(wire.nanos) >= _NANOS:
        message = f"must be {least:g} s to {most:g} s"
        violations.append(Violation(path, "OUT_OF_RANGE", message))
    return seconds


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
    violations.append(bad_token())
    return None


def bad_token() -> Violation:
    """Return the violation of a page token that no page had."""
    message = "must be the next_page_token of the page before"
    return Violation("page_token", "INVALID_TOKEN", message)
