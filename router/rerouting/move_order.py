"""The order in which moves can be done, so that each finds the units it needs.

A move gives up units and takes others. One whose units are there now can be done at
once, and what it gives up makes others possible. Where moves wait for each other in
a circle, they are done together, in one commit, so no order loses its hold.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from availability.model import LocationId, Sku
from router.rerouting.moves import Move

Key = tuple[LocationId, Sku]
Available = Callable[[LocationId, Sku], int]
"""Returns the units available at a location now."""

MAX_CIRCLE = 32
"""Most moves in one commit: checkouts wait for it, and a ledger takes twice as many."""
MAX_STARTS = 200
"""Most moves from which a circle is looked for, each time there is no other way."""
MAX_GIVERS = 8
"""Most moves that are weighed for what one lacks."""


def sequence(moves: Sequence[Move], available: Available) -> Iterator[tuple[Move, ...]]:
    """Yield groups of moves that can be done, one after the other.

    Between two groups the caller does the first, or fails to; `available` is read
    again each time. Moves that others' failures leave without units are not yielded:
    what is not yielded could not be done.
    """
    left = list(moves)
    while left:
        waiting: list[Move] = []
        for each in left:
            if not _missing([each], available):
                yield (each,)
            else:
                waiting.append(each)
        if len(waiting) < len(left):
            left = waiting
            continue
        circle = _circle(waiting, available)
        if circle is None:
            return
        yield circle
        done = {id(each) for each in circle}
        left = [each for each in waiting if id(each) not in done]


def _missing(group: Sequence[Move], available: Available) -> dict[Key, int]:
    """Return the units that moves, done together, would lack."""
    need: dict[Key, int] = defaultdict(int)
    for move in group:
        for claim in move.swap.claims:
            need[claim.location_id, claim.sku] += claim.quantity
    for move in group:
        for claim in move.swap.released:
            key = (claim.location_id, claim.sku)
            if key in need:
                need[key] -= claim.quantity
    found = {}
    for key, units in need.items():
        there = available(*key)
        if units > there:
            found[key] = units - there
    return found


def _circle(moves: Sequence[Move], available: Available) -> tuple[Move, ...] | None:
    """Return moves that can be done together, None if there are none."""
    giving: dict[Key, list[Move]] = defaultdict(list)
    for move in moves:
        for claim in move.swap.released:
            giving[claim.location_id, claim.sku].append(move)
    for first in moves[:MAX_STARTS]:
        group = [first]
        inside = {id(first)}
        missing = _missing(group, available)
        while missing and len(group) < MAX_CIRCLE:
            key = next(iter(missing))
            others = [each for each in giving[key] if id(each) not in inside]
            if not others:
                break
            others = others[:MAX_GIVERS]
            # Who needs least of others closes the circle soonest.
            lacks = [_missing([*group, each], available) for each in others]
            best = others[min(range(len(others)), key=lambda n: sum(lacks[n].values()))]
            group.append(best)
            inside.add(id(best))
            missing = _missing(group, available)
        if not missing:
            return tuple(group)
    return None
