"""Lists that are too long are refused before they are read."""

from collections.abc import Sequence
from typing import TypeVar

from availability.errors import Violation

ItemT = TypeVar("ItemT")


def at_most(
    most: int, items: Sequence[ItemT], path: str, violations: list[Violation]
) -> Sequence[ItemT]:
    """Return the items; none, and a violation, if there are more than ``most``.

    A message of 4 MiB has room for two million empty items: to build them, only
    to refuse them, would keep every other call waiting for seconds.
    """
    if len(items) <= most:
        return items
    message = f"must be at most {most}, got {len(items)}"
    violations.append(Violation(path, "TOO_MANY", message))
    return ()
