"""Orders dealt out to several pricers, so that they end at about the same time.

An order's least cost does not depend on what else is priced: so the shards
together find what one pricer finds.
"""

import heapq

import numpy as np

from availability.model import IntArray
from router.optimize.batch.pricing.blocks import MOST_STEPS
from router.optimize.batch.problem import BatchProblem

_FEW_LINES = 11
"""Lines up to which orders with the same quantities are priced together."""

_CALL = 1_500
"""What a step costs besides its numbers, in numbers: 3.5 us against 2.3 ns of each
(measured). So a kind of order is divided only where there are many of it."""

_CUTS = 8
"""Pieces of many small orders for each shard: the more, the more even."""


def dealt(problem: BatchProblem, orders: IntArray, shards: int) -> list[IntArray]:
    """Return at most ``shards`` parts of ``orders``, each about as much work to price.

    Large orders cost far more than small ones and are sometimes left out, so the
    two are dealt apart: the small ones by what their quantities cost (longest first
    [1]_), the large ones like cards, most lines first, back and forth.

    References
    ----------
    .. [1] Graham, R. L. (1969). Bounds on multiprocessing timing anomalies. SIAM
       Journal on Applied Mathematics 17(2): 416-429.
    """
    lines = np.diff(problem.start)[orders]
    few = orders[lines <= _FEW_LINES]
    kinds, kind = np.unique(_quantities(problem, few), axis=0, return_inverse=True)
    steps = ((kinds + 1.0) * (kinds + 2.0) / 2).prod(axis=1)
    small = steps[kind] <= MOST_STEPS
    parts = _small(few[small], kind[small], steps, problem.stock.shape[1], shards)
    large = np.concatenate([few[~small], orders[lines > _FEW_LINES]])
    counts = np.diff(problem.start)[large]
    turn = large[np.lexsort((large, -counts))]
    lap, place = np.divmod(np.arange(len(turn)), shards)
    holder = np.where(lap % 2, shards - 1 - place, place)
    for at, part in enumerate(parts):
        part.append(turn[holder == at])
    whole = [np.sort(np.concatenate(part)) for part in parts]
    return [part for part in whole if len(part)]


def _quantities(problem: BatchProblem, orders: IntArray) -> IntArray:
    """Return ``(m, _FEW_LINES)`` the units of each order's lines, rising, after 0s."""
    first, after = problem.start[orders, None], problem.start[orders + 1, None]
    line = first + np.arange(_FEW_LINES)
    units = problem.demand[np.minimum(line, len(problem.demand) - 1)]
    return np.sort(np.where(line < after, units, 0), axis=1)


def _small(
    orders: IntArray,
    kind: IntArray,
    steps: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    locations: int,
    shards: int,
) -> list[list[IntArray]]:
    """Return the pieces of each shard: orders of one kind, whose steps are given."""
    counts = np.bincount(kind, minlength=len(steps))
    work = steps * counts * locations
    even = max(1.0, float((work + steps * _CALL).sum()) / (_CUTS * shards))
    cuts = np.clip(np.ceil(work / even), 1, shards).astype(np.int64)
    by_kind = np.split(orders[np.argsort(kind, kind="stable")], counts.cumsum()[:-1])
    pieces = [
        (float(steps[at] * (_CALL + len(piece) * locations)), piece)
        for at in np.flatnonzero(counts).tolist()
        for piece in np.array_split(by_kind[at], cuts[at])
    ]
    pieces.sort(key=lambda each: -each[0])
    parts: list[list[IntArray]] = [[] for _ in range(shards)]
    least = [(0.0, at) for at in range(shards)]
    for cost, piece in pieces:
        load, at = heapq.heappop(least)
        parts[at].append(piece)
        heapq.heappush(least, (load + cost, at))
    return parts
