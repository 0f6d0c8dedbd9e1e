"""A cache of results by the identity of the argument.

Policies and their objective lists are made once and used for every order.
Looking them up by equality would hash every part of them on every call.
"""

from collections.abc import Callable
from typing import TypeVar

ValueT = TypeVar("ValueT")
ResultT = TypeVar("ResultT")

KEPT = 256
"""Most values remembered; when there are more, all are forgotten."""


def by_identity(function: Callable[[ValueT], ResultT]) -> Callable[[ValueT], ResultT]:
    """Remember a pure function's result for each object it was called with."""
    known: dict[int, tuple[ValueT, ResultT]] = {}

    def remembered(value: ValueT) -> ResultT:
        found = known.get(id(value))
        # The value is kept with its result, so that no other can have its id.
        if found is not None and found[0] is value:
            return found[1]
        result = function(value)
        if len(known) >= KEPT:
            known.clear()
        known[id(value)] = (value, result)
        return result

    return remembered
