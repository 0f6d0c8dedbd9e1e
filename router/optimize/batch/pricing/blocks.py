"""The cheapest way to ship a small order at given prices, for many orders at once.

A *block* is what one location ships of an order: units of each line. The cheapest
split of an order into blocks is a dynamic programme over what is left to ship;
orders with the same quantities go through it together, as numpy arrays.

All costs are integers; with prices scaled by 2^20 sums stay far below 2^62. Two
blocks may be given to one location though it has the units for only one of them:
so the value is a lower bound, and `Priced.sound` says where it is attained.
"""

import itertools
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from availability.model import BoolArray, IntArray

NEVER = 2**50
"""The cost of what cannot be shipped; forty such costs fit an integer."""

MOST_STEPS = 10_000
"""Most (left, block) pairs of a signature that goes through the programme."""

_CELLS = 1 << 15
"""Numbers in one array of a chunk: small enough for the processor's cache."""


class Signature(NamedTuple):
    """States and steps of all orders with the same quantities."""

    blocks: tuple[tuple[int, ...], ...]
    last: tuple[tuple[int, int], ...]
    steps: tuple[IntArray, ...]


class Priced(NamedTuple):
    """Of ``m`` orders: least costs, and the pieces that attain them.

    ``value`` ``(m,)``; `NEVER` or more: it cannot be shipped whole. ``row``,
    ``line`` (position in the order), ``location``, ``units`` are ``(P,)`` pieces;
    ``sound`` ``(m,)`` is false where the pieces ask a location for too much.
    """

    value: IntArray
    row: IntArray
    line: IntArray
    location: IntArray
    units: IntArray
    sound: BoolArray


def steps_of(demand: tuple[int, ...]) -> int:
    """Return about how many (left, block) pairs the quantities have."""
    pairs = 1
    for units in demand:
        pairs *= (units + 1) * (units + 2) // 2
    return pairs


@lru_cache(maxsize=4096)
def signature(demand: tuple[int, ...]) -> Signature:
    """Return the states of a tuple of quantities and the steps between them.

    ``last[s]`` is a state's last line and its units. Steps ``(S, 3)`` of a state
    are (block, state left, lines that it begins to split), the whole of it first.
    """
    blocks = tuple(itertools.product(*(range(units + 1) for units in demand)))
    index = {block: at for at, block in enumerate(blocks)}
    last = []
    for block in blocks:
        at = max((at for at, units in enumerate(block) if units), default=0)
        last.append((at, block[at]))
    steps = []
    for left in blocks:
        first = next((at for at, units in enumerate(left) if units), 0)
        found = []
        for block in itertools.product(*(range(units + 1) for units in left)):
            # The first line left is in the block: no order of blocks comes twice.
            if block[first]:
                after = tuple(a - b for a, b in zip(left, block, strict=True))
                splits = sum(
                    a == q and 0 < b < q
                    for a, b, q in zip(left, block, demand, strict=True)
                )
                found.append((index[block], index[after], splits))
        # Of equal plans, the one with the larger blocks is found first.
        steps.append(np.array(found[::-1], dtype=np.int64).reshape(-1, 3))
    return Signature(blocks, tuple(last), tuple(steps))


def cheapest(
    demand: tuple[int, ...],
    price: IntArray,
    stock: IntArray,
    fixed: IntArray,
    split_cost: int,
) -> Priced:
    """Return the cheapest blocks of ``m`` orders with the same quantities.

    Parameters
    ----------
    demand
        ``(L,)`` units of each line.
    price, stock
        ``(m, L, N)`` cost of a unit and units at hand.
    fixed
        ``(m or 1, N)`` cost of shipping anything from a location.
    split_cost
        Cost of each line that leaves from two or more locations.
    """
    plan = signature(demand)
    orders, _, locations = price.shape
    rows = max(1, _CELLS // locations)
    parts = [
        _chunk(
            demand,
            plan,
            price[at : at + rows],
            stock[at : at + rows],
            fixed if len(fixed) == 1 else fixed[at : at + rows],
            split_cost,
        )
        for at in range(0, orders, rows)
    ]
    if len(parts) == 1:
        return parts[0]
    shifted = [part._replace(row=part.row + at * rows) for at, part in enumerate(parts)]
    return Priced(*(np.concatenate(column) for column in zip(*shifted, strict=True)))


def _chunk(
    demand: tuple[int, ...],
    plan: Signature,
    price: IntArray,
    stock: IntArray,
    fixed: IntArray,
    split_cost: int,
) -> Priced:
    orders, lines, locations = price.shape
    states = len(plan.blocks)
    fixed = np.broadcast_to(fixed, (orders, locations))
    cost = np.zeros((states, orders), dtype=np.int64)
    # Blocks come in the order of their units, the last line's first: what the lines
    # before one cost is still there when its units change.
    before = [fixed] + [np.empty((orders, locations), dtype=np.int64) for _ in demand]
    alone: dict[tuple[int, int], IntArray] = {}
    for line, most in enumerate(demand):
        for units in range(1, most + 1):
            alone[line, units] = np.where(
                stock[:, line] >= units, price[:, line] * units, NEVER
            )
    of = [0] * (lines + 1)
    for state in range(1, states):
        line, units = plan.last[state]
        total = before[line + 1]
        np.add(before[of[line]], alone[line, units], out=total)
        total.min(axis=1, out=cost[state])
        of[line + 1 :] = [line + 1] * (lines - line)
    best = np.zeros((states, orders), dtype=np.int64)
    for state in range(1, states):
        steps = plan.steps[state]
        value = _totals(steps, cost, best, split_cost).min(axis=0)
        np.minimum(value, NEVER, out=best[state])
    return _trace(plan, best, cost, price, stock, fixed, split_cost)


def _totals(
    steps: IntArray,
    cost: IntArray,
    best: IntArray,
    split_cost: int,
) -> IntArray:
    """Return ``(S, m)`` the costs of each step, and of the best after it."""
    total: IntArray = cost[steps[:, 0]] + best[steps[:, 1]]
    if split_cost:
        total += split_cost * steps[:, 2, None]
    return total


def _trace(
    plan: Signature,
    best: IntArray,
    cost: IntArray,
    price: IntArray,
    stock: IntArray,
    fixed: IntArray,
    split_cost: int,
) -> Priced:
    """Follow the choices back and return the pieces."""
    states, orders = best.shape
    lines = price.shape[1]
    blocks = np.array(plan.blocks, dtype=np.int64).reshape(states, lines)
    taken = np.zeros(stock.shape, dtype=np.int32)
    left = np.where(best[-1] < NEVER, states - 1, 0)
    while left.any():
        rows = np.flatnonzero(left)
        shipped, after = np.zeros_like(rows), np.zeros_like(rows)
        for state in np.unique(left[rows]).tolist():
            here = np.flatnonzero(left[rows] == state)
            few = rows[here]
            steps = plan.steps[state]
            total = _totals(steps, cost[:, few], best[:, few], split_cost)
            chosen = steps[total.argmin(axis=0)]
            shipped[here], after[here] = chosen[:, 0], chosen[:, 1]
        sent = blocks[shipped]
        total = fixed[rows].copy()
        for at in range(lines):
            mine = sent[:, at, None]
            paid = np.where(stock[rows, at] >= mine, price[rows, at] * mine, NEVER)
            total += np.where(mine > 0, paid, 0)
        taken[rows, :, total.argmin(axis=1)] += sent.astype(np.int32)
        left[rows] = after
    row, line, location = np.nonzero(taken)
    counts = taken[row, line, location].astype(np.int64)
    sound = np.ones(orders, dtype=bool)
    sound[row[counts > stock[row, line, location]]] = False
    return Priced(best[-1].copy(), row, line, location, counts, sound)
