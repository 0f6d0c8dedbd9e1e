"""Orders of one unit: they ship once, wherever from, so the nearest that has it.

Nothing they do changes the level ``shipments``; they are placed after the others.
"""

import numpy as np

from availability.model import IntArray
from router.optimize.batch.problem import BatchPlan, BatchProblem

_FAR = 2**40
_CELLS = 1 << 18
"""(order, location) pairs looked at together."""


def place_singles(
    problem: BatchProblem,
    orders: IntArray,
    stock: IntArray,
    stay: IntArray | None = None,
) -> BatchPlan:
    """Return where ``orders`` leave from on ``stock`` ``(K, N)``, the first first.

    All ask for their best location that has units; those that come too late ask
    again. An order that no location has a unit for is left out. ``stay`` ``(m,)`` is
    what an order likes best, where it may ship from; -1 or None: nothing.
    """
    skus, locations = stock.shape
    left = stock.copy()
    rank = np.arange(locations)[None, :] if problem.rank is None else problem.rank
    if problem.allowed is not None:
        rank = np.where(problem.allowed, rank, _FAR)
    row = problem.classes if len(rank) > 1 else np.zeros(problem.orders, dtype=np.int64)
    rows = max(1, _CELLS // max(1, locations))
    lines: list[IntArray] = []
    places: list[IntArray] = []
    while len(orders):
        line = problem.start[orders]
        sku = problem.sku[line]
        place = np.zeros(len(orders), dtype=np.int64)
        found = np.zeros(len(orders), dtype=bool)
        for at in range(0, len(orders), rows):
            few = slice(at, at + rows)
            far = np.where(left[sku[few]] > 0, rank[row[orders[few]]], _FAR)
            if stay is not None:
                wish = stay[few]
                here = np.flatnonzero(wish >= 0)
                here = here[far[here, wish[here]] < _FAR]
                far[here, wish[here]] = -1
            place[few] = far.argmin(axis=1)
            found[few] = far.min(axis=1) < _FAR
        pair = np.where(found, sku * locations + place, skus * locations)
        turn = np.argsort(pair, kind="stable")
        ordered = pair[turn]
        before = np.arange(len(turn)) - np.searchsorted(ordered, ordered)
        flat = np.append(left.ravel(), 0)
        first = np.zeros(len(orders), dtype=bool)
        first[turn] = before < flat[ordered]
        lines.append(line[first])
        places.append(place[first])
        np.subtract.at(left, (sku[first], place[first]), 1)
        again = found & ~first
        orders, stay = orders[again], None if stay is None else stay[again]
    if not lines:
        lines = places = [np.zeros(0, dtype=np.int64)]
    line = np.concatenate(lines)
    return BatchPlan(line, np.concatenate(places), np.ones_like(line))
