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
    StockArrays,
)
from availability.setup.channels import FULL_PERMILLE

_WORD_BITS = 62


class Pooled(NamedTuple):
    """By channel and SKU, (C, B): units in sum and at the best location; is it known.

    ``lead_time_minutes`` is the least of the locations that have units, 0 if those of
    one of them can leave at once; None: all can. All of it belongs to whoever asked,
    to change in place.
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
        self.pool_of = np.array(places, np.int64)
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
        self._pools = [each.pool for each in groups]
        (_, self._first), *self._more = _layers(self._pools)
        minutes = pools.lead_time_minutes
        # Where nobody needs any, nothing is to be computed.
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
        each_pool = np.arange(len(rules))
        self._words = each_pool // _WORD_BITS
        self._masks = (np.int64(1) << each_pool % _WORD_BITS)[:, None]

    def pool(self, block: "BlockStock") -> Pooled:
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

        shape = len(units), block.sku_count
        sums = np.zeros(shape, np.int64)
        largest = np.zeros(shape, np.int64)
        for count, part in block.layers:
            its = units[:, part]
            np.add(sums[:, :count], its, out=sums[:, :count])
            np.maximum(largest[:, :count], its, out=largest[:, :count])
        minutes = self._least_minutes(block, units)
        if self._conditional:
            kept = sums >= self._threshold_units
            if len(self._counted):
                kept[self._counted] &= self._locations(block, units)
            sums *= kept
            largest *= kept
            if minutes is not None:
                np.copyto(minutes, NO_BOUND, where=~kept)
        return self._by_channel(block, sums, largest, minutes)

    def _least_minutes(self, block: "BlockStock", units: IntArray) -> IntArray | None:
        """Return the least lead time of a group where it has units, else NO_BOUND.

        None if no record of the block is at a location that has any.
        """
        if self._lead_time_minutes is None:
            return None
        its_minutes = self._lead_time_minutes.take(block.columns)
        if not its_minutes.any():
            return None
        of_units = np.where(units > 0, its_minutes, NO_BOUND)
        least = np.full((len(units), block.sku_count), NO_BOUND)
        for count, part in block.layers:
            its = least[:, :count]
            np.minimum(its, of_units[:, part], out=its)
        return least

    def _locations(self, block: "BlockStock", units: IntArray) -> BoolArray:
        """Tell whether units are left at enough locations, for rules that ask it."""
        some = (units[self._counted] > 0).astype(np.int16)
        counts = np.zeros((len(some), block.sku_count), np.int16)
        for count, part in block.layers:
            counts[:, :count] += some[:, part]
        return counts >= self._min_locations

    def _by_channel(
        self,
        block: "BlockStock",
        sums: IntArray,
        largest: IntArray,
        minutes: IntArray | None,
    ) -> Pooled:
        """Put the groups of a pool together, and the pools where channels are."""
        units, largest_units = sums[self._first], largest[self._first]
        for pools, others in self._more:
            units[pools] += sums[others]
            largest_units[pools] = np.maximum(largest_units[pools], largest[others])
        bits = np.zeros((len(self._bits), block.sku_count), np.int64)
        seen = self._bits.take(block.columns, axis=1)
        for count, part in block.layers:
            np.bitwise_or(bits[:, :count], seen[:, part], out=bits[:, :count])
        units = units.take(block.places, axis=1)
        largest_units = largest_units.take(block.places, axis=1)
        bits = bits.take(block.places, axis=1)
        if len(bits) > 1:
            bits = bits.take(self._words, axis=0)
        known = (bits & self._masks) != 0
        if not self._alone:
            units = units.take(self.pool_of, axis=0)
            largest_units = largest_units.take(self.pool_of, axis=0)
            known = known.take(self.pool_of, axis=0)
        if minutes is not None:
            minutes = self._minutes_by_channel(block, minutes)
        return Pooled(units, largest_units, known, minutes)

    def _minutes_by_channel(self, block: "BlockStock", least: IntArray) -> IntArray:
        minutes = least[self._first]
        for pools, others in self._more:
            minutes[pools] = np.minimum(minutes[pools], least[others])
        minutes[minutes == NO_BOUND] = 0
        minutes = minutes.take(block.places, axis=1)
        return minutes if self._alone else minutes.take(self.pool_of, axis=0)


class BlockStock:
    """The records of some SKUs, laid out to be added up without a loop over SKUs.

    First one record of every SKU that has any, then a second of those that have
    two, and so on: with the SKUs in order of how many they have, each layer is a
    slice that is added to the front of the sums. ``layers`` are (SKUs, slice).
    ``places`` say where each SKU of the block is in that order.
    """

    def __init__(
        self, stock: StockArrays, columns: IntArray, start: int, stop: int
    ) -> None:
        self.sku_count = stop - start
        starts = stock.starts[start:stop]
        counts = stock.starts[start + 1 : stop + 1] - starts
        # Of 16 bits, so that it is sorted by counting.
        order = np.argsort(-counts.astype(np.int16), kind="stable")
        self.places = np.empty_like(order)
        self.places[order] = np.arange(len(order))
        starts = starts[order]
        having = len(order) - np.cumsum(np.bincount(counts))[:-1]
        found = [starts[:count] + at for at, count in enumerate(having)]
        at = np.concatenate(found) if found else starts[:0]
        self.columns = columns[at]
        self.available_units = stock.available_units[at]
        ends = np.cumsum(having).tolist()
        self.layers = [
            (count, slice(end - count, end))
            for count, end in zip(having.tolist(), ends, strict=True)
        ]


def record_columns(stock: StockArrays, location_count: int) -> IntArray:
    """Return the column of each record in the tables: (N,)."""
    return stock.locations + np.where(stock.stale, location_count, 0)


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
