"""The same for one SKU on all channels, in plain integers: when one record changes.

For a few numbers plain Python is faster than arrays, each operation on which costs as
much as many of its own. The steps are those of `pool`, `allocations` and `terms`, and
tests hold this to `explain` as they do those.
"""

from collections.abc import Sequence

from availability.model import IntArray
from availability.offers.bulk.arrays import NO_BOUND, NOT_GIVEN, UNLIMITED, StockArrays
from availability.offers.bulk.layout import TERMS
from availability.offers.bulk.reserves import Owned, QueuedUnits
from availability.offers.bulk.rules import (
    AVAILABLE,
    BACKORDER,
    LOW,
    PREORDER,
    UNAVAILABLE,
    Expected,
)
from availability.offers.bulk.supply import PoolTables
from availability.setup.channels import FULL_PERMILLE

Row = tuple[int, int, bool, bool, bool, int, int, int, int, bool]
"""The fields of `Offers`, in their order, for one channel."""

_Pooled = tuple[int, int, bool, int]
"""Units, the most at one location, is it known, and when the first can leave."""

_Own = tuple[bool, bool, bool, int, int]
_NONE: _Own = (False, False, False, NO_BOUND, 0)

_ORDER = (
    "managed",
    "backorders",
    "out_of_stock_threshold_units",
    "preorder_units",
    "preorder_common",
    "release_seconds",
    "availability_threshold_units",
    "publication_threshold_units",
    "low_units",
    "min_units",
    "max_units",
    "multiple_units",
    "customer_units",
    "fixed_units",
    "share_permille",
    "buffer_units",
    "floor_units",
)
"""The terms, as `_offer` takes them."""


class OneSku:
    """What `Promiser` works with, as lists: made once, some milliseconds."""

    def __init__(
        self,
        stock: StockArrays,
        columns: IntArray,
        pools: PoolTables,
        terms: dict[str, IntArray],
        queued: QueuedUnits,
        owned: Owned,
        expected: Expected,
    ) -> None:
        self._stock = stock
        self._columns = columns
        self._queued, self._owned, self._expected = queued, owned, expected
        self._pool_of = pools.pool_of.tolist()
        self._pool_count = max(self._pool_of) + 1
        self._cells, self._conditions, self._bits, self._minutes = pools.as_lists()
        count = len(self._pool_of)
        # What does not differ between SKUs is looked up once.
        self._same = [
            _by_channel(terms[name][:, 0], count)
            if name in terms
            else [TERMS[name]] * count
            for name in _ORDER
        ]
        by_sku = [
            (at, terms[name])
            for at, name in enumerate(_ORDER)
            if name in terms and terms[name].shape[1] > 1
        ]
        self._by_sku = [(at, rows[0]) for at, rows in by_sku if len(rows) == 1]
        self._by_both = [(at, rows) for at, rows in by_sku if len(rows) > 1]
        self._channel_count = count
        self._at_once = [NOT_GIVEN] * self._pool_count
        self._no_queue = [(0, 0, 0)] * count
        self._no_own = [_NONE] * count
        self._nothing: list[list[tuple[int, int]]] = [[]] * count

    def offers(self, sku: int) -> list[Row]:
        """Return the offers of one SKU, by channel."""
        start, stop = self._stock.starts[sku : sku + 2].tolist()
        columns = self._columns[start:stop].tolist()
        units = self._stock.available_units[start:stop].tolist()
        pooled = self._pool(columns, units)
        terms = self._same.copy()
        for at, row in self._by_sku:
            terms[at] = [row.item(sku)] * self._channel_count
        for at, rows in self._by_both:
            terms[at] = rows[:, sku].tolist()
        queued = self._queued.of(sku) or self._no_queue
        own = self._owned.of(sku) or self._no_own
        expected = self._expected.of(sku) or self._nothing
        return [
            _offer(pooled[pool], *rest)
            for pool, *rest in zip(
                self._pool_of, queued, own, expected, *terms, strict=True
            )
        ]

    def _pool(self, columns: Sequence[int], units: Sequence[int]) -> list[_Pooled]:
        """Steps 1 and 2, by pool; without a date some of it can leave at once."""
        bits = 0
        minutes = self._minutes
        soonest = [NO_BOUND] * len(self._conditions)
        some_units, most_units, counts = ([0] * len(self._conditions) for _ in range(3))
        for column, there_units in zip(columns, units, strict=True):
            bits |= self._bits[column]
            for group, factor, least_units, highest_units in self._cells[column]:
                if there_units and least_units <= there_units <= highest_units:
                    its_units = there_units * factor // FULL_PERMILLE
                    some_units[group] += its_units
                    if its_units:
                        counts[group] += 1
                        if its_units > most_units[group]:
                            most_units[group] = its_units
                        if minutes is not None and minutes[column] < soonest[group]:
                            soonest[group] = minutes[column]
        sums = [0] * self._pool_count
        largest = [0] * self._pool_count
        first = [NO_BOUND] * self._pool_count
        for group, (pool, threshold_units, least) in enumerate(self._conditions):
            if some_units[group] >= threshold_units and counts[group] >= least:
                sums[pool] += some_units[group]
                if most_units[group] > largest[pool]:
                    largest[pool] = most_units[group]
                if soonest[group] < first[pool]:
                    first[pool] = soonest[group]
        leaves_from = self._at_once
        if minutes is not None:
            now_seconds = self._expected.now_seconds
            leaves_from = [
                now_seconds + 60 * each if 0 < each < NO_BOUND else NOT_GIVEN
                for each in first
            ]
        known = [bool(bits >> pool & 1) for pool in range(self._pool_count)]
        return list(zip(sums, largest, known, leaves_from, strict=True))


def _by_channel(rows: IntArray, count: int) -> list[int]:
    values: list[int] = rows.tolist()
    return values if len(values) == count else values * count


def _offer(
    pooled: _Pooled,
    queued: tuple[int, int, int],
    own: _Own,
    expected: Sequence[tuple[int, int]],
    managed: int,
    backorders: int,
    threshold: int,
    preorder_units: int,
    preorder_common: int,
    release_seconds: int,
    availability_threshold_units: int,
    publication_threshold_units: int,
    low_units: int,
    min_units: int,
    max_units: int,
    multiple_units: int,
    customer_units: int,
    fixed_units: int,
    share_permille: int,
    buffer_units: int,
    floor_units: int,
) -> Row:
    """Steps 3 to 9 for one channel; NO_BOUND is unlimited until the end."""
    # Comparisons where `min` and `max` would do: they are calls.
    units, largest_units, known, leaves_from = pooled
    queued_units, own_units, all_units = queued
    exists, follows, stops, remaining_units, held_units = own
    preordered = preorder_units != NOT_GIVEN and not stops
    fixed = fixed_units != NOT_GIVEN and not stops
    if managed:
        # 3 and 4: the queue, then what others hold, which is no more than there is.
        units -= queued_units
        if held_units < units:
            net_units = units - held_units
        else:
            net_units = units if units < 0 else 0
        trusted = known or follows or stops
    else:
        net_units = 0
        known = trusted = True
    # 4 and 5: an allocation is all that its channel is shown, the others net - T.
    unlimited = False
    if not trusted:
        units = net_units = min(floor_units, remaining_units)
    elif exists:
        kept_units = 0 if backorders else max(threshold, 0)
        units = min(max(net_units - kept_units, 0), remaining_units)
        if follows or not managed:
            units = remaining_units
    elif not managed or (backorders and threshold >= 0):
        unlimited = True
    elif backorders or threshold > 0:
        units = net_units - threshold if net_units > threshold else 0
    else:
        units = net_units if net_units > 0 else 0
    # 6 and 7: before the release; then what the channel is sent.
    if fixed:
        units = fixed_units
    else:
        if preordered:
            preorder_units -= all_units if preorder_common else own_units
            units, unlimited = min(max(preorder_units, 0), remaining_units), False
        if not unlimited:
            units = units * share_permille // FULL_PERMILLE - buffer_units
            if units < 0:
                units = 0
        elif share_permille:
            units = NO_BOUND
        else:
            units = 0
    # 8: thresholds; none applies before a release.
    published = preordered or (
        (trusted or fixed) and units >= publication_threshold_units
    )
    if units < availability_threshold_units and not preordered:
        units = 0

    counted = bool(managed) and not preordered and not fixed
    gone = counted and net_units <= 0
    if units == 0:
        status = UNAVAILABLE
    elif preordered:
        status = PREORDER
    elif gone:
        status = BACKORDER
    else:
        status = LOW if units <= low_units else AVAILABLE
    available_from = release_seconds if preordered else NOT_GIVEN
    if gone and expected and trusted and not stops:
        by_then = net_units
        for from_seconds, expected_units in expected:
            by_then += expected_units
            if by_then > 0:
                available_from = from_seconds
                break
    elif leaves_from != NOT_GIVEN and (
        units and counted and known and not (gone or follows or stops)
    ):
        # Neither shown whatever the stock, nor stopped: its units are what is sold.
        available_from = leaves_from
    # 9: the most that one order may name.
    most_units = units
    if 0 < max_units < most_units:
        most_units = max_units
    if NOT_GIVEN != customer_units < most_units:
        most_units = customer_units
    if most_units == NO_BOUND:
        most_units = UNLIMITED
    else:
        most_units -= most_units % multiple_units
        if most_units < min_units:
            most_units = 0
    single_units = largest_units if managed and largest_units < units else units
    return (
        UNLIMITED if units == NO_BOUND else units,
        status,
        published,
        known,
        counted,
        net_units if counted else 0,
        most_units,
        UNLIMITED if single_units == NO_BOUND else single_units,
        available_from,
        backorders == 2 and counted and units > 0 and units > net_units,
    )
