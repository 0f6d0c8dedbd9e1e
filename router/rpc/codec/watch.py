"""Requests and tokens of WatchAvailability."""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from availability.errors import Violation
from availability.model import Sku
from availability.positions import Mark
from availability.v1 import availability_service_pb2
from router.rpc.codec.lists import count, refuse
from router.rpc.codec.offers import Fields, decode_fields
from router.rpc.codec.request import decode_id

MAX_SKUS = 100_000
"""Most SKUs that a request may name."""


@dataclass(frozen=True, slots=True)
class WatchRequest:
    """What a stream is to watch: ``skus`` in order and each once, none for all.

    ``mark`` and ``seen_seconds`` are how far the client has come, None if nowhere.
    """

    channel_id: str
    skus: tuple[Sku, ...]
    fields: Fields
    digest: str
    mark: Mark | None = None
    seen_seconds: int = 0


def decode_watch(
    wire: availability_service_pb2.WatchAvailabilityRequest,
) -> WatchRequest:
    """Read a request.

    Raises
    ------
    InvalidChange
        With its violations.
    """
    violations: list[Violation] = []
    decode_id(wire.channel_id, "channel_id", violations)
    count(violations, "skus", len(wire.skus), 0, MAX_SKUS)
    fields = decode_fields(wire.fields, "fields", violations)
    refuse(violations)
    for n, each in enumerate(wire.skus):
        decode_id(each, f"skus[{n}]", violations)
    skus = tuple(sorted({Sku(each) for each in wire.skus}))
    digest = _digest(wire.channel_id, skus, fields)
    token = None
    if wire.resume_token:
        token = _decode_token(wire.resume_token, violations)
    refuse(violations)
    if token is None or token.digest != digest:
        return WatchRequest(wire.channel_id, skus, fields, digest)
    return WatchRequest(
        wire.channel_id, skus, fields, digest, token.mark, token.seen_seconds
    )


def _digest(channel_id: str, skus: Sequence[Sku], fields: Fields) -> str:
    """Return what distinguishes a stream from those that watch something else."""
    watched = json.dumps([channel_id, sorted(fields), skus]).encode()
    return hashlib.sha256(watched).hexdigest()[:16]


class _Token(NamedTuple):
    """How far a client of a stream has come."""

    mark: Mark
    seen_seconds: int
    digest: str


def encode_token(mark: Mark, seen_seconds: int, digest: str) -> str:
    """Return the resume token of a stream that has come so far."""
    parts = [mark.process_id, mark.place, seen_seconds, digest]
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


def _decode_token(token: str, violations: list[Violation]) -> _Token | None:
    try:
        parts = json.loads(base64.b64decode(token, b"-_", validate=True))
    except (ValueError, RecursionError):
        parts = None
    match parts:
        case [str(process_id), int(place), int(seen_seconds), str(digest)]:
            return _Token(Mark(process_id, place), seen_seconds, digest)
    message = "must be a resume_token of WatchAvailability"
    violations.append(Violation("resume_token", "INVALID_TOKEN", message))
    return None
