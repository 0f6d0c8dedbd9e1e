"""Steps 1 and 2: what the supply rules let through, pool by pool.

``G`` groups of rules, ``P`` distinct pools, ``B`` SKUs of a block, ``N`` records.
"""

from collections.abc import Sequence
from dataclasses import fields
from typing import NamedTuple

import numpy as np

from availability.model import BoolArray, IntArray
from availability.offers.bulk.arrays import (
    NO_BOUND,
    PoolArrays,
    RuleArrays,
)
from availability.offers.bulk.block_stock import BlockStock
from availability.setup.channels import FULL_PERMILLE

_WORD_BITS = 62


class Pooled(NamedTuple):
    """By channel and SKU, (C, B): units in sum and at the best location; is it known.

    ``lead_time_minutes`` is the least of the locations that have units, 0 if those of
    one of them can leave at once; None: all can. The caller may
    change all of it in place.
    """

    units: IntArray
    largest_units: IntArray
    known: BoolArray
    lead_time_minutes: IntArray | None


class PoolTables:
    """The pools of some channels, each once, as tables to look records up in.

    A row is a group: a rule with a threshold, or with a least number of locations,
    by itself, and all others of a pool together. A column is a location; those of
    stale records come after those of fresh ones, and a last one is nowhere.
    """

    def __init__(self, pools: PoolArrays, channels: Sequence[int]) -> None:
        # Channels with the same rules have the same pool: it is added up once.
        distinct: dict[bytes, int] = {}
        asked = [pools.rules[at] for at in channels]
        places = [distinct.setdefault(_key(each), len(distinct)) for each in asked]
        rules = [asked[places.index(at)] for at in range(len(distinct))]
        self._pool_of = np.array(places, np.int64)
        self._alone = places == list(range(len(rules)))

        groups = [
            each for at, its in enumerate(rules) for each in _groups(at, its, pools)
        ]
        # So that the rows with bounds are a slice, and those with shares another.
        groups.sort(key=lambda each: _ORDER.index((each.bounded, each.shared)))
        bounded_count = sum(each.bounded for each in groups)
        shared = [each.shared for each in groups]
        first = shared.index(True) if any(shared) else 0
        self._bounded = slice(0, bounded_count)
        self._shared = slice(first, first + sum(shared))
        width = 2 * len(pools.active) + 1
        self._factor = _table([each.factor for each in groups], width)
        self._min_units = _table([g.min_units for g in groups[self._bounded]], width)
        self._max_units = _table([g.max_units for g in groups[self._bounded]], width)
        self._threshold_units = np.array(
            [each.threshold_units for each in groups], np.int64
        )[:, None]
        self._counted = np.array(
            [at for at, each in enumerate(groups) if each.min_locations], np.int64
        )
        self._min_locations = np.array(
            [each.min_locations for each in groups if each.min_locations], np.int64
        )[:, None]
        self._conditional = any(
            each.threshold_units or each.min_locations for each in groups
        )
        its_pools = [each.pool for each in groups]
        (_, self._first), *self._more = _layers(its_pools)
        self._sorted = np.argsort(its_pools, kind="stable")
        self._starts = np.flatnonzero(np.diff(np.sort(its_pools), prepend=-1))
        minutes = pools.lead_time_minutes
        # Without any lead time there is nothing to compute.
        self._lead_time_minutes = (
            np.concatenate([minutes, minutes, [0]]) if minutes.any() else None
        )

        # A bit for each pool: which of them a record of a location makes known.
        self._bits = np.zeros((len(rules) // _WORD_BITS + 1, width), np.int64)
        for at, its in enumerate(rules):
            feeds = its.owner >= 0
            # At an inactive location nothing is for sale, however old the count.
            columns = np.concatenate([feeds, feeds & ~pools.active, [False]])
            self._bits[at // _WORD_BITS] |= columns.astype(np.int64) << at % _WORD_BITS
        self._words = self._pool_of // _WORD_BITS
        self._masks = (np.int64(1) << self._pool_of % _WORD_BITS)[:, None]

    def pool(self, block: BlockStock) -> Pooled:
        """Return what the rules let through for the SKUs of a block."""
        columns, available_units = block.columns, block.available_units
        units = self._factor.take(columns, axis=1)
        units *= available_units
        shared = units[self._shared]
        np.floor_divide(shared, FULL_PERMILLE, out=shared)
        if len(self._min_units):
            # Within the bounds, which are on what there is and not on the share.
            kept = self._min_units.take(columns, axis=1) <= available_units
            kept &= self._max_units.take(columns, axis=1) >= available_units
            units[self._bounded] *= kept

        sums = block.reduce(np.add, units, 0)
        largest = block.reduce(np.maximum, units, 0)
        minutes = self._least_minutes(block, units)
        if self._conditional:
            kept = sums >= self._threshold_units
            if len(self._counted):
                some = (units[self._counted] > 0).astype(np.int64)
                counts = block.reduce(np.add, some, 0)
                kept[self._counted] &= counts >= self._min_locations
            sums *= kept
            largest *= kept
            if minutes is not None:
                np.copyto(minutes, NO_BOUND, where=~kept)
        bits = block.reduce(np.bitwise_or, self._bits.take(columns, axis=1), 0)
        bits = block.in_place(bits)
        if len(bits) > 1:
            bits = bits.take(self._words, axis=0)
        if minutes is not None:
            minutes = self._by_channel(block, np.minimum, minutes)
            minutes[minutes == NO_BOUND] = 0
        return Pooled(
            self._by_channel(block, np.add, sums),
            self._by_channel(block, np.maximum, largest),
            (bits & self._masks) != 0,
            minutes,
        )

    def _least_minutes(self, block: BlockStock, units: IntArray) -> IntArray | None:
        """Return the least lead time of a group where it has units, else NO_BOUND.

        None if no record of the block is at a location that has any.
        """
        if self._lead_time_minutes is None:
            return None
        its_minutes = self._lead_time_minutes.take(block.columns)
        if not its_minutes.any():
            return None
        of_units = np.where(units > 0, its_minutes, NO_BOUND)
        return block.reduce(np.minimum, of_units, NO_BOUND)

    def _by_channel(
        self, block: BlockStock, ufunc: np.ufunc, of_groups: IntArray
    ) -> IntArray:
        """Put the groups of a pool together, and the pools where channels are."""
        if block.sku_count == 1:
            # A call for each pool's rows costs less here than one for each layer.
            found = ufunc.reduceat(of_groups.take(self._sorted, axis=0), self._starts)
        else:
            found = of_groups.take(self._first, axis=0)
            for pools, others in self._more:
                found[pools] = ufunc(found[pools], of_groups[others])
        found = block.in_place(found)
        return found if self._alone else found.take(self._pool_of, axis=0)


class _RuleGroup(NamedTuple):
    """Rules of one pool that stand or fall together: arrays are (2 L + 1,).

    ``factor`` is what a unit counts for: permille if ``shared``, else 1, and 0 where
    nothing of the group is for sale.
    """

    pool: int
    factor: IntArray
    min_units: IntArray
    max_units: IntArray
    threshold_units: int
    min_locations: int
    bounded: bool
    shared: bool


_ORDER = ((True, False), (True, True), (False, True), (False, False))


def _groups(pool: int, rules: RuleArrays, pools: PoolArrays) -> list[_RuleGroup]:
    """Return the groups of a pool: at least one."""
    conditional = (rules.threshold_units > 0) | (rules.min_locations > 0)
    free = np.flatnonzero(~conditional)
    parts = [np.array([at]) for at in np.flatnonzero(conditional)]
    if len(free) or not parts:
        parts.append(free)
    nowhere = np.zeros(len(pools.active) + 1, np.int64)
    groups = []
    for part in parts:
        mine = np.isin(rules.owner, part) & pools.active
        owner = rules.owner[mine]
        factor, min_units = np.zeros((2, len(mine)), np.int64)
        max_units = np.full(len(mine), NO_BOUND)
        factor[mine] = rules.share_permille[owner]
        min_units[mine] = rules.min_units[owner]
        max_units[mine] = rules.max_units[owner]
        shared = bool(np.any(factor % FULL_PERMILLE))
        groups.append(
            _RuleGroup(
                pool,
                np.concatenate(
                    [factor if shared else factor // FULL_PERMILLE, nowhere]
                ),
                np.concatenate([min_units, nowhere]),
                np.concatenate([max_units, nowhere]),
                int(rules.threshold_units[part].max(initial=0)),
                int(rules.min_locations[part].max(initial=0)),
                bool(min_units.any() or (max_units < NO_BOUND).any()),
                shared,
            )
        )
    return groups


def _layers(pools: Sequence[int]) -> list[tuple[IntArray, IntArray]]:
    """Return (pools, a group of each), until every group had its turn."""
    turns: list[dict[int, int]] = []
    for group, pool in enumerate(pools):
        turn = next((each for each in turns if pool not in each), None)
        if turn is None:
            turns.append(turn := {})
        turn[pool] = group
    return [
        (np.array(sorted(turn)), np.array([turn[pool] for pool in sorted(turn)]))
        for turn in turns
    ]


def _table(rows: Sequence[IntArray], width: int) -> IntArray:
    return np.array(rows, np.int64).reshape(len(rows), width)


def _key(rules: RuleArrays) -> bytes:
    """Return what two pools that are the same have in common."""
    columns = [getattr(rules, each.name) for each in fields(rules)]
    return b"".join(each.tobytes() for each in columns)
