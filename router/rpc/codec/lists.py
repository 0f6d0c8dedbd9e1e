"""What the calls of the stock service share: lists that are not too long, and pages."""

from collections.abc import MutableSequence, Sequence
from typing import Any, TypeVar

from google.protobuf.message import Message

from availability.errors import MAX_VIOLATIONS, InvalidChange, Violation
from router.rpc.codec.request import decode_id
from router.validation.breaches import too_many

ItemT = TypeVar("ItemT")

MAX_FILTER_IDS = 1_000
"""Most SKUs, or locations, that a list may be asked for."""
MAX_REPLY_BYTES = 3 * 2**20
"""Largest page: clients refuse messages of more than 4 MiB."""


def cut(page: Message, records: MutableSequence[Any]) -> bool:
    """Leave out the end of a page until clients take it; say if anything went."""
    before = len(records)
    # One record is far below the limit: a location at its largest is 200 KB.
    while page.ByteSize() > MAX_REPLY_BYTES:
        del records[max(1, len(records) * 3 // 4) :]
    return len(records) < before


def count(
    violations: list[Violation], path: str, number: int, least: int, most: int
) -> None:
    """Judge how many items a list has."""
    if not least <= number <= most:
        reason = "TOO_MANY" if number else "REQUIRED"
        message = f"must be {least} to {most}, got {number}"
        violations.append(Violation(path, reason, message))


def stale(path: str, location_id: str) -> Violation:
    """Return that a page's token names what is not there."""
    message = f"ends at {location_id!r}, which does not exist"
    return Violation(path, "INVALID_TOKEN", message)


def refuse(violations: Sequence[Violation]) -> None:
    """Raise InvalidChange if there are any."""
    if violations:
        raise InvalidChange(violations[:MAX_VIOLATIONS])


def at_most(
    most: int, items: Sequence[ItemT], path: str, violations: list[Violation]
) -> Sequence[ItemT]:
    """Return the items; none, and a violation, if there are more than ``most``.

    A message of 4 MiB has room for two million empty items: to build them, only
    to refuse them, would keep every other call waiting for seconds.
    """
    if len(items) <= most:
        return items
    violations.append(too_many(path, most, len(items)))
    return ()


def decode_ids(
    values: Sequence[str], path: str, most: int, violations: list[Violation]
) -> frozenset[str]:
    """Return the ids of a list, as `at_most`; each is judged."""
    return frozenset(
        decode_id(each, f"{path}[{n}]", violations)
        for n, each in enumerate(at_most(most, values, path, violations))
    )
