"""What every channel may be promised of every SKU: arrays in, arrays out.

The formulas of `explain`, which is their specification, one channel after another
and all SKUs at once. Nothing here loops over SKUs or records. All sums are of
integers, so that no order of adding can change a number.
"""

from typing import NamedTuple

import numpy as np

from availability.arrays import (
    NOT_GIVEN,
    UNLIMITED,
    AllocationArrays,
    BoolArray,
    ChannelTerms,
    Offers,
    RuleArrays,
    StockArrays,
    World,
)
from availability.channels import FULL_PERMILLE
from availability.model import IntArray
from availability.offer import Status

STATUSES = tuple(Status)
"""What a number in ``Offers.status`` means."""

_AVAILABLE, _LOW, _BACKORDER, _PREORDER, _UNAVAILABLE = range(len(STATUSES))


def promise(world: World) -> Offers:
    """Return what every channel may be promised of every SKU.

    Takes a few passes over the records for each channel.

    Raises
    ------
    ValueError
        There are no channels.
    """
    skus = np.repeat(np.arange(world.stock.sku_count), np.diff(world.stock.starts))
    rows = [_channel(world, at, skus) for at in range(len(world.pools.rules))]
    if not rows:
        raise ValueError("there are no channels")
    return Offers(*(np.stack(column) for column in zip(*rows, strict=True)))


def _channel(world: World, channel: int, skus: IntArray) -> Offers:
    term = ChannelTerms(world.terms, channel, world.stock.sku_count)
    pooled = _pool(world.stock, world.pools.rules[channel], world.pools.active, skus)
    own = _allocations(world.allocations, channel, world.pools.sharing, term.shape)
    managed = term("managed") > 0
    stopped = own.exists & own.stops
    preordered = (term("preorder_units") != NOT_GIVEN) & ~stopped
    fixed = (term("fixed_units") != NOT_GIVEN) & ~stopped
    known = ~managed | pooled.known
    # Where what is said does not come from stock, it need not be known.
    trusted = known | (own.exists & own.follows) | stopped

    queued_units = _queued(world, channel)
    units, net_units, unlimited = _from_stock(
        term, pooled.units - queued_units, own, trusted
    )
    # 6: before the release, what is left of the cap.
    units = np.where(preordered, own.cap(term("preorder_units")), units)
    unlimited &= ~preordered
    # 7: what the channel is sent.
    share = term("share_permille")
    sent_units = np.maximum(units * share // FULL_PERMILLE - term("buffer_units"), 0)
    units = np.where(fixed, term("fixed_units"), sent_units)
    unlimited &= ~fixed & (share > 0)
    # 8: thresholds, strict.
    published = (trusted | preordered | fixed) & (
        preordered | unlimited | (units >= term("publication_threshold_units"))
    )
    below = ~preordered & (units < term("availability_threshold_units"))
    units = np.where(below, 0, units)
    units = np.where(unlimited, UNLIMITED, units)

    counted = managed & ~preordered & ~fixed
    gone = counted & (net_units <= 0)
    low = ~unlimited & (units <= term("low_units"))
    more = unlimited | (units > np.maximum(net_units, 0))
    largest_units = np.where(
        unlimited, pooled.largest_units, np.minimum(pooled.largest_units, units)
    )
    from_seconds = _expected(world, channel, net_units, gone & trusted & ~stopped)
    return Offers(
        quantity_units=units,
        status=np.select(
            [units == 0, preordered, gone, low],
            [_UNAVAILABLE, _PREORDER, _BACKORDER, _LOW],
            _AVAILABLE,
        ).astype(np.int8),
        published=published,
        known=known,
        counted=counted,
        net_units=np.where(counted, net_units, 0),
        max_orderable_units=_max_orderable(units, term),
        single_location_units=np.where(managed, largest_units, units),
        available_from_seconds=np.where(
            preordered, term("release_seconds"), from_seconds
        ),
        backorder_notice=(term("backorders") == 2) & counted & more,
    )


def _from_stock(
    term: ChannelTerms, pooled_units: IntArray, own: "_Own", trusted: BoolArray
) -> tuple[IntArray, IntArray, BoolArray]:
    """Steps 3 to 5 after the queue: (the number, the net, where it is unlimited)."""
    managed = term("managed") > 0
    units = np.where(managed, pooled_units, 0)
    held_units = np.minimum(own.held_units, np.maximum(units, 0))
    net_units = units - np.where(managed, held_units, 0)
    # A channel with an allocation is shown that, the others net - T.
    threshold = term("out_of_stock_threshold_units")
    backorders = term("backorders") > 0
    unbounded = ~managed | (backorders & (threshold >= 0))
    kept_units = np.where(backorders, 0, np.maximum(threshold, 0))
    extra_units = np.where(backorders, np.maximum(-threshold, 0), 0)
    there_units = np.maximum(net_units - kept_units, 0)
    there_units = np.where(
        own.follows | ~managed, own.remaining_units, own.cap(there_units)
    )
    units = np.maximum(net_units - kept_units + extra_units, 0)
    units = np.where(own.exists, there_units, units)
    # Unknown is not zero: the declared floor.
    floor_units = own.cap(term("floor_units"))
    units = np.where(trusted, units, floor_units)
    net_units = np.where(trusted, net_units, floor_units)
    return units, net_units, unbounded & ~own.exists & trusted


class _Pooled(NamedTuple):
    """By SKU: units in sum and at the best location; whether all is known."""

    units: IntArray
    largest_units: IntArray
    known: BoolArray


def _pool(
    stock: StockArrays, rules: RuleArrays, active: BoolArray, skus: IntArray
) -> _Pooled:
    """Steps 1 and 2: what the rules let through."""
    owner = rules.owner[stock.locations]
    mine = owner >= 0
    on = mine & active[stock.locations]
    units = np.where(on, stock.available_units, 0)
    within = (rules.min_units[owner] <= units) & (units <= rules.max_units[owner])
    units = np.where(within, units * rules.share_permille[owner] // FULL_PERMILLE, 0)
    for rule in range(len(rules.min_units)):
        threshold, least = rules.threshold_units[rule], rules.min_locations[rule]
        if threshold > 0 or least > 0:
            part = np.where(owner == rule, units, 0)
            kept = _sums(part, stock.starts) >= threshold
            kept &= _sums((part > 0).astype(np.int64), stock.starts) >= least
            units = np.where((owner == rule) & ~kept[skus], 0, units)
    records = _sums(mine.astype(np.int64), stock.starts)
    stale = _sums((on & stock.stale).astype(np.int64), stock.starts)
    largest_units = np.zeros_like(records)
    some = np.diff(stock.starts) > 0
    if some.any():
        # Between the starts of two SKUs with records lie the records of the first.
        largest_units[some] = np.maximum.reduceat(units, stock.starts[:-1][some])
    return _Pooled(
        _sums(units, stock.starts), largest_units, (records > 0) & (stale == 0)
    )


def _sums(values: IntArray, starts: IntArray) -> IntArray:
    """Return the sum of each SKU's records, 0 for none."""
    sums = np.zeros(len(values) + 1, np.int64)
    np.cumsum(values, out=sums[1:])
    return np.diff(sums[starts])


def _queued(world: World, channel: int) -> IntArray:
    """Return the queue of all channels that share this one's pool, by SKU."""
    queue = world.queue
    shared = world.pools.sharing[channel][queue.channels]
    queued_units = np.zeros(world.stock.sku_count, np.int64)
    np.add.at(queued_units, queue.skus[shared], queue.units[shared])
    return queued_units


class _Own(NamedTuple):
    """By SKU: the allocation that speaks for the channel, and what others hold."""

    exists: BoolArray
    follows: BoolArray
    stops: BoolArray
    remaining_units: IntArray
    held_units: IntArray

    def cap(self, units: IntArray) -> IntArray:
        """Return no more than what is left of the allocation, if there is one."""
        return np.where(self.exists, np.minimum(units, self.remaining_units), units)


def _allocations(
    allocations: AllocationArrays,
    channel: int,
    sharing: BoolArray,
    shape: tuple[int],
) -> _Own:
    """Step 4: the first allocation of the channel, and the reserves before it."""
    skus = allocations.skus
    mine = allocations.members[:, channel]
    buffers = ~allocations.members.any(axis=1)
    touching = (allocations.members & sharing[channel]).any(axis=1) | buffers
    holding = allocations.reserves & ~mine & touching
    held = np.zeros(len(skus) + 1, np.int64)
    np.cumsum(np.where(holding, allocations.remaining_units, 0), out=held[1:])
    bounds = np.searchsorted(skus, np.arange(shape[0] + 1))
    held_units = np.diff(held[bounds])

    exists, follows, stops = (np.zeros(shape, np.bool_) for _ in range(3))
    remaining_units = np.zeros(shape, np.int64)
    places = np.flatnonzero(mine)
    its, first = np.unique(skus[places], return_index=True)
    places = places[first]
    exists[its] = True
    follows[its] = allocations.following[places, channel]
    stops[its] = allocations.stops[places]
    remaining_units[its] = allocations.remaining_units[places]
    # A pre-sell waits for every reserve, a reserve for those before it.
    ranked = allocations.reserves[places]
    held_units[its[ranked]] = (held[places] - held[bounds[its]])[ranked]
    return _Own(exists, follows, stops, remaining_units, held_units)


def _expected(
    world: World,
    channel: int,
    net_units: IntArray,
    wanted: BoolArray,
) -> IntArray:
    """Return when what is expected covers the queue and one unit more."""
    supplies, pools = world.supplies, world.pools
    feeds = pools.active & (pools.rules[channel].owner >= 0)
    counts = feeds[supplies.locations] & (supplies.from_seconds > world.now_seconds)
    skus, from_seconds = supplies.skus[counts], supplies.from_seconds[counts]
    total = np.zeros(len(skus) + 1, np.int64)
    np.cumsum(supplies.units[counts], out=total[1:])
    by_then = total[1:] - total[np.searchsorted(skus, skus)]
    enough = np.flatnonzero((net_units[skus] + by_then > 0) & wanted[skus])
    its, first = np.unique(skus[enough], return_index=True)
    found = np.full(len(wanted), NOT_GIVEN, np.int64)
    found[its] = from_seconds[enough[first]]
    return found


def _max_orderable(quantity_units: IntArray, term: ChannelTerms) -> IntArray:
    """Step 9: the most that one order may name; see `offer.max_orderable`."""
    most = np.iinfo(np.int64).max
    units = np.where(quantity_units == UNLIMITED, most, quantity_units)
    max_units, customer_units = term("max_units"), term("customer_units")
    units = np.minimum(units, np.where(max_units > 0, max_units, most))
    units = np.minimum(
        units, np.where(customer_units == NOT_GIVEN, most, customer_units)
    )
    free = units == most
    units = units - units % term("multiple_units")
    return np.where(free, UNLIMITED, np.where(units >= term("min_units"), units, 0))
