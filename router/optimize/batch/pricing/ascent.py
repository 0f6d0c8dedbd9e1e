"""Lower bounds of large orders at given prices, for many orders at once.

Too many lines for `router.optimize.batch.pricing.blocks`. With ``c`` the cost of a
unit, ``f`` of a shipment and ``a`` the units a location can give a line, every vector
``v`` >= 0 of prices of the lines' units proves that nothing costs less than
``sum_l q[l] v[l] + sum_n min(0, f[n] - sum_l a[l, n] max(0, v[l] - c[l, n]))``:
Lagrangian duality. A dual ascent begins; alone it proves less than half of what the
linear programme does of a hundred lines over a hundred sparsely stocked locations. A
subgradient method goes on, with Polyak's steps towards a level above the best bound
so far: after 60 steps it is at 96 %. (Steps towards the cost of a known plan, which
may be half as much again, end where they began.) Both work in floating point,
on whole numbers that it holds exactly, so that every machine finds the same; `bound`
then judges what they found in integers, so that nothing they do has to be believed.

Arrays are (order, line, location).

References
----------
Erlenkotter, D. (1978). A dual-based procedure for uncapacitated facility location.
Operations Research 26(6): 992-1009.
Goffin, J. L. and Kiwiel, K. C. (1999). Convergence of a simple subgradient level
method. Mathematical Programming 85(1): 207-211.
Polyak, B. T. (1969). Minimization of unsmooth functionals. USSR Computational
Mathematics and Mathematical Physics 9(3): 14-29.
"""

import numpy as np
import numpy.typing as npt

from availability.model import BoolArray, IntArray
from router.optimize.batch.pricing.blocks import NEVER
from router.optimize.batch.pricing.drop import Lines

Floats = npt.NDArray[np.float32]

_BITS = 18
"""Bits of a shipment's cost in single precision, which has 24: 64 shipments."""
_PASSES = 3
"""Most times that the ascent raises each line's price."""
_MOMENTUM, _FINE = 0.6, 16
"""What a step keeps of the one before, rounded to whole 1 / `_FINE` units."""
_PATIENCE = 4
"""Steps without a better bound after which the next aim only half as far beyond it."""
_LAST = 0.25
"""The share of the steps, the last ones, that say where a plan may ship from."""


def shift_of(fixed: IntArray) -> int:
    """Return how many bits of costs the search of prices does without."""
    return max(0, int(fixed.max(initial=0)).bit_length() - _BITS)


def ascend(lines: Lines, shift: int) -> Floats:
    """Return ``(m, L)`` prices of the lines' units, raised as far as `_PASSES` do.

    Prices are in 2^``shift``.
    """
    cost, give, fixed = lines.cost, lines.give, lines.fixed
    wide = (cost.transpose(1, 0, 2) >> shift).astype(np.float32, order="C")
    units = np.maximum(give.transpose(1, 0, 2), 1).astype(np.float32)
    prices = wide.min(axis=2)
    never = NEVER >> shift
    prices[prices >= never] = 0
    slack = (fixed >> shift).astype(np.float32)
    count = np.maximum(1, np.count_nonzero((give > 0).any(axis=2), axis=1))
    gentle = np.floor(slack.max(axis=1, initial=0) / count.astype(np.float32))
    for step in range(_PASSES):
        for price, column, each in zip(prices, wide, units, strict=True):
            top = np.maximum(price[:, None], column)
            target = np.floor((slack / each + top).min(axis=1))
            target[target >= never] = 0
            if step < _PASSES - 1:
                # Not at once, so that others rise too.
                target = np.minimum(target, price + gentle)
            np.maximum(target, price, out=target)
            slack -= each * (np.maximum(target[:, None], column) - top)
            price[:] = target
    return np.ascontiguousarray(prices.T)


def improve(
    lines: Lines,
    opened: BoolArray,
    start: Floats,
    value: IntArray,
    shift: int,
    steps: int,
) -> tuple[Floats, Floats]:
    """Return ``(m, L)`` better prices, ``(m, N)`` how often locations ship at last.

    ``lines.fixed`` is 0 where ``opened``: paid already; ``start`` ``(m, L)``;
    ``value`` ``(m,)`` the cost of a plan, without what is paid.
    """
    costs = (lines.cost >> shift).astype(np.float32)
    units = lines.give.astype(np.float32)
    paid = (lines.fixed >> shift).astype(np.float32)
    wanted = lines.demand.astype(np.float64)
    several = bool((lines.give > 1).any())
    highest = (value >> shift).astype(np.float64)
    one = paid.max(axis=1, initial=0).astype(np.float64)
    prices, best = start, start
    found = np.full(len(costs), -np.inf)
    higher = np.full(len(costs), np.inf)
    stalled = np.zeros(len(costs), dtype=np.int64)
    ahead = np.zeros(prices.shape)
    often = np.zeros_like(paid)
    over = np.empty_like(costs)
    last = round(_LAST * steps)
    for step in range(steps + 1):
        np.subtract(prices[:, :, None], costs, out=over)
        np.maximum(over, 0, out=over)
        if several:
            over *= units
        left = paid - over.sum(axis=1)
        # Sums over locations and lines are beyond what single precision holds.
        worth = (wanted * prices).sum(axis=1)
        worth += np.minimum(left, 0).sum(axis=1, dtype=np.float64)
        better = worth > found
        found = np.where(better, worth, found)
        best = np.where(better[:, None], prices, best)
        if step == steps:
            break
        if not step:
            higher = np.clip(highest - worth, 0, np.maximum(worth, one))
        stalled = np.where(better, 0, stalled + 1)
        tired = stalled >= _PATIENCE
        higher[tired] /= 2
        stalled[tired] = 0
        ships = (left < 0) | opened
        often += ships & (step >= steps - last)
        np.minimum(over, 1, out=over)
        if several:
            over *= units
        taken = np.matmul(over, ships.astype(np.float32)[:, :, None])[:, :, 0]
        short = wanted - taken
        # A price of nothing cannot fall; without it the others move further.
        short[(prices <= 0) & (short < 0)] = 0
        ahead = np.rint(_MOMENTUM * ahead) + _FINE * short
        norm = np.maximum((ahead * ahead).sum(axis=1), 1)
        aim = np.minimum(found + higher, highest)
        stride = _FINE * np.maximum(aim - worth, 0) / norm
        moved = np.rint(stride[:, None] * ahead)
        prices = np.maximum(prices + moved, 0).astype(np.float32)
    return best, often / np.float32(max(1, last))


def bound(lines: Lines, price: IntArray) -> IntArray:
    """Return ``(m,)`` what lines' prices ``(m, L)`` prove, in integers.

    ``lines.fixed`` is 0 where it is paid already.
    """
    over = lines.give * np.maximum(0, price[:, :, None] - lines.cost)
    left = np.minimum(lines.fixed - over.sum(axis=1), 0)
    found: IntArray = (lines.demand * price).sum(axis=1) + left.sum(axis=1)
    return found
