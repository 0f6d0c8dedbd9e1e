"""The breaches that orders, policies, locations and setups have in common."""

import functools

from availability.errors import Violation
from availability.model import MAX_ID_CHARACTERS


def is_id(value: str) -> bool:
    """Whether it is 1 to 128 printable characters, no spaces at either end."""
    # Of all spaces, only " " is printable.
    return (
        0 < len(value) <= MAX_ID_CHARACTERS
        and value.isprintable()
        and value[0] != " "
        and value[-1] != " "
    )


_is_short_id = functools.lru_cache(maxsize=2**16)(is_id)


def is_id_cached(value: str) -> bool:
    """`is_id` with a memory, as orders repeat ids; what is too long is not kept."""
    return len(value) <= MAX_ID_CHARACTERS and _is_short_id(value)


def bad_id(path: str, value: str) -> Violation:
    """Return the violation of a field that is no id."""
    if not value:
        return Violation(path, "REQUIRED", "must be set")
    message = (
        f"must be 1 to {MAX_ID_CHARACTERS} printable characters with no spaces at "
        "either end"
    )
    return Violation(path, "INVALID_ID", message)


def out_of_range(path: str, least: int, most: int, got: int) -> Violation:
    """Return the violation of a number outside its bounds."""
    return Violation(path, "OUT_OF_RANGE", f"must be {least} to {most}, got {got}")


def too_many(path: str, most: int, got: int) -> Violation:
    """Return the violation of a list that is too long."""
    return Violation(path, "TOO_MANY", f"must be at most {most}, got {got}")


def twice(path: str, value: str) -> Violation:
    """Return the violation of a key that is in a list twice."""
    return Violation(path, "DUPLICATE", f"{value[:300]!r} comes twice")
