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

from availability.model import IntArray
from router.optimize.problem import BoolArray

NEVER = 2**50
"""The cost of what cannot be shipped; forty such costs fit an integer."""

MOST_STEPS = 10_000
"""Most (left, block) pairs of a signature that goes through the programme."""

_CELLS = 1 << 18
"""Numbers in one array of a chunk: small enough for the processor's cache."""


class Signature(NamedTuple):
    """States and steps of all orders with the same quantities."""

    blocks: tuple[tuple[int, ...], ...]
    parent: tuple[tuple[int, int, int], ...]
    steps: tuple[tuple[tuple[int, int, int], ...], ...]


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

    ``parent[s]`` is (state, line, units): a state without its last line. Steps of
    a state are (block, state left, lines that it begins to split).
    """
    blocks = tuple(itertools.product(*(range(units + 1) for units in demand)))
    index = {block: at for at, block in enumerate(blocks)}
    parent = []
    for block in blocks:
        last = max((at for at, units in enumerate(block) if units), default=0)
        before = tuple(0 if at == last else u for at, u in enumerate(block))
        parent.append((index[before], last, block[last]))
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
        steps.append(tuple(found))
    return Signature(blocks, tuple(parent), tuple(steps))


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
    orders = len(price)
    states = len(plan.blocks)
    sums: list[IntArray] = [fixed]
    cost = np.zeros((states, orders), dtype=np.int64)
    where = np.zeros((states, orders), dtype=np.int64)
    every = np.arange(orders)
    alone: dict[tuple[int, int], IntArray] = {}
    for line, most in enumerate(demand):
        for units in range(1, most + 1):
            alone[line, units] = np.where(
                stock[:, line] >= units, price[:, line] * units, NEVER
            )
    for state in range(1, states):
        before, line, units = plan.parent[state]
        total = sums[before] + alone[line, units]
        sums.append(total)
        at = total.argmin(axis=1)
        where[state] = at
        cost[state] = total[every, at]
    best = np.zeros((states, orders), dtype=np.int64)
    chosen = np.zeros((states, orders), dtype=np.int64)
    for state in range(1, states):
        steps = plan.steps[state]
        block, after, splits = steps[-1]
        value = cost[block] + best[after] + split_cost * splits
        step = np.full(orders, len(steps) - 1)
        for at, (block, after, splits) in enumerate(steps[:-1]):
            other = cost[block] + best[after]
            if splits and split_cost:
                other += split_cost * splits
            better = other < value
            if better.any():
                value = np.where(better, other, value)
                step[better] = at
        best[state] = np.minimum(value, NEVER)
        chosen[state] = step
    return _trace(demand, plan, best, chosen, where, stock)


def _trace(
    demand: tuple[int, ...],
    plan: Signature,
    best: IntArray,
    chosen: IntArray,
    where: IntArray,
    stock: IntArray,
) -> Priced:
    """Follow the choices back and return the pieces."""
    states, orders = best.shape
    blocks = np.array(plan.blocks, dtype=np.int64).reshape(states, len(demand))
    most = max(1, max(len(steps) for steps in plan.steps))
    block_of = np.zeros((states, most), dtype=np.int64)
    after_of = np.zeros((states, most), dtype=np.int64)
    for state, steps in enumerate(plan.steps):
        for place, (ships, after, _) in enumerate(steps):
            block_of[state, place] = ships
            after_of[state, place] = after
    taken = np.zeros((orders, len(demand), stock.shape[2]), dtype=np.int32)
    left = np.where(best[-1] < NEVER, states - 1, 0)
    while left.any():
        rows = np.flatnonzero(left)
        at = left[rows]
        step = chosen[at, rows]
        shipped = block_of[at, step]
        taken[rows, :, where[shipped, rows]] += blocks[shipped].astype(np.int32)
        left[rows] = after_of[at, step]
    row, line, location = np.nonzero(taken)
    units = taken[row, line, location].astype(np.int64)
    sound = np.ones(orders, dtype=bool)
    sound[row[units > stock[row, line, location]]] = False
    return Priced(best[-1].copy(), row, line, location, units, sound)
