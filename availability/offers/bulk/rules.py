"""Steps 5 to 9: from what is in the pool to what the channel may be promised.

All arrays are (C, B), or have one row or one column where channels or SKUs do not
differ. A term is None where nobody said anything, so that its step is left out.
"""

from collections.abc import Callable, Sequence

import numpy as np

from availability.model import BoolArray, IntArray
from availability.offers.bulk.arrays import (
    NO_BOUND,
    NOT_GIVEN,
    UNLIMITED,
    Offers,
    PoolArrays,
    SupplyArrays,
    TermArrays,
)
from availability.offers.bulk.layout import TERMS
from availability.offers.bulk.reserves import Own, QueuedUnits
from availability.offers.bulk.supply import Pooled
from availability.offers.offer import Status
from availability.setup.channels import FULL_PERMILLE

STATUSES = tuple(Status)
"""What a number in ``Offers.status`` means."""

AVAILABLE, LOW, BACKORDER, PREORDER, UNAVAILABLE = range(len(STATUSES))


class BlockTerms:
    """The terms of the asked channels for the SKUs of a block, by name."""

    __slots__ = ("_rows", "_skus")

    def __init__(self, rows: dict[str, IntArray], skus: slice) -> None:
        self._rows = rows
        self._skus = skus

    def __call__(self, name: str) -> IntArray | None:
        """Return the term of this name, None if nobody said anything."""
        rows = self._rows.get(name)
        return rows if rows is None or rows.shape[1] == 1 else rows[:, self._skus]


def given_terms(terms: TermArrays, channels: Sequence[int]) -> dict[str, IntArray]:
    """Return the terms that somebody said something about, for the asked channels.

    Raises
    ------
    ValueError
        A channel is not among those that the terms are of.
    """
    places = list(channels)
    if terms.channels is not None:
        places = [terms.channels.index(at) for at in channels]
    found = {}
    for name, default in TERMS.items():
        rows: IntArray = getattr(terms, name)
        if len(rows) > 1 and places != list(range(len(rows))):
            rows = rows[places]
        if rows.size != 1 or rows.item() != default:
            found[name] = rows
    return found


class Expected:
    """Receipts, and when those that feed a channel cover what it waits for.

    ``now_seconds`` is the instant that the dates of all offers are counted from.
    """

    def __init__(
        self,
        supplies: SupplyArrays,
        pools: PoolArrays,
        channels: Sequence[int],
        now_seconds: int,
    ) -> None:
        self.now_seconds = now_seconds
        later = supplies.from_seconds > now_seconds
        self._skus = supplies.skus[later]
        self._locations = supplies.locations[later]
        self._units = supplies.units[later]
        self._from_seconds = supplies.from_seconds[later]
        its = [pools.active & (pools.rules[at].owner >= 0) for at in channels]
        self._feeds = np.array(its).astype(np.int64)

    def fill(
        self, skus: slice, net_units: IntArray, wanted: BoolArray, seconds: IntArray
    ) -> None:
        """Write when the queue and one unit more are covered, where it is wanted.

        ``net_units`` is not above 0 there. What does not feed the channel counts
        for nothing, so the first date that is enough is the earliest.
        """
        first, last = self._skus.searchsorted([skus.start, skus.stop]).tolist()
        if first == last:
            return
        columns = self._skus[first:last] - skus.start
        some = first + np.flatnonzero(wanted[:, columns].any(axis=0))
        if not len(some):
            return
        columns = self._skus[some] - skus.start
        units = self._feeds.take(self._locations[some], axis=1) * self._units[some]
        new = np.diff(columns, prepend=-1) > 0
        firsts = np.flatnonzero(new)
        total = units.cumsum(axis=1)
        before = (total - units).take(firsts, axis=1)
        by_then = total - before.take(np.cumsum(new) - 1, axis=1)
        by_then += net_units.take(columns, axis=1)
        enough = (by_then > 0) & wanted.take(columns, axis=1)
        dates = np.where(enough, self._from_seconds[some], NO_BOUND)
        earliest = np.minimum.reduceat(dates, firsts, axis=1)
        earliest[earliest == NO_BOUND] = NOT_GIVEN
        seconds[:, columns[firsts]] = earliest


def fill(
    offers: Offers,
    pooled: Pooled,
    term: BlockTerms,
    queued: QueuedUnits,
    own: Own | None,
    expected: Expected,
    skus: slice,
) -> None:
    """Write the offers of a block; ``pooled`` is after the queue, and is used up."""
    managed, preorder_units = term("managed"), term("preorder_units")
    fixed_units = term("fixed_units")
    unmanaged = None if managed is None else managed == 0
    preordered = None if preorder_units is None else preorder_units != NOT_GIVEN
    fixed = None if fixed_units is None else fixed_units != NOT_GIVEN
    if own is not None:
        # Nothing that is said elsewhere opens a sale that was stopped.
        preordered = None if preordered is None else preordered & ~own.stops
        fixed = None if fixed is None else fixed & ~own.stops
    known, units, largest_units = pooled.known, pooled.units, pooled.largest_units
    if managed is not None and unmanaged is not None:
        known |= unmanaged
        units *= managed
    # Where what is said does not come from stock, it need not be known.
    trusted = known if own is None else known | own.follows | own.stops

    units, net_units, unlimited = _from_stock(term, units, own, unmanaged, trusted)
    # 6: before the release, what is left of the cap.
    if preordered is not None and preorder_units is not None:
        common = term("preorder_common")
        preorder_units = _waiting(preorder_units, common, queued, skus)
        cap_units = preorder_units if own is None else own.cap(preorder_units)
        np.copyto(units, cap_units, where=preordered)
        unlimited = _but(unlimited, preordered)
    # 7: what the channel is sent.
    share_permille, buffer_units = term("share_permille"), term("buffer_units")
    if share_permille is not None:
        units *= share_permille
        np.floor_divide(units, FULL_PERMILLE, out=units)
        unlimited = _but(unlimited, share_permille == 0)
    if buffer_units is not None:
        units -= buffer_units
        np.maximum(units, 0, out=units)
    if fixed is not None and fixed_units is not None:
        np.copyto(units, fixed_units, where=fixed)
        unlimited = _but(unlimited, fixed)
    if unlimited is not None:
        np.copyto(units, NO_BOUND, where=unlimited)
    # 8: thresholds, strict; none applies before a release.
    published = trusted
    for other in (preordered, fixed):
        published = published if other is None else published | other
    least_units = term("publication_threshold_units")
    if least_units is not None:
        published = published & _reaching(units, least_units, preordered)
    least_units = term("availability_threshold_units")
    if least_units is not None:
        units *= _reaching(units, least_units, preordered)

    counted = np.ones((1, 1), np.bool_) if unmanaged is None else ~unmanaged
    for other in (preordered, fixed):
        counted = counted if other is None else counted & ~other
    gone = (net_units <= 0) & counted

    np.copyto(offers.quantity_units, units)
    np.minimum(largest_units, units, out=offers.single_location_units)
    if unmanaged is not None:
        np.copyto(offers.single_location_units, units, where=unmanaged)
    if unlimited is not None:
        np.copyto(offers.quantity_units, UNLIMITED, where=unlimited)
        if unmanaged is not None:
            nowhere = unlimited & unmanaged
            np.copyto(offers.single_location_units, UNLIMITED, where=nowhere)
    offers.published[...] = published
    offers.known[...] = known
    offers.fixed[...] = False if fixed is None else fixed
    _declared(offers.declared, known, trusted, term("floor_declared"))
    for other in (preordered, fixed):
        if other is not None:
            np.logical_or(offers.declared, other & ~known, out=offers.declared)
    offers.counted[...] = counted
    np.multiply(net_units, counted, out=offers.net_units)
    _status(offers.status, units, term("low_units"), gone, preordered)
    backorders = term("backorders")
    if backorders is None:
        offers.backorder_notice[...] = False
    else:
        more = units > np.maximum(net_units, 0)
        more &= counted
        np.logical_and(more, backorders == 2, out=offers.backorder_notice)
    # 9: the most that one order may name.
    _max_orderable(offers.max_orderable_units, units, term)
    offers.available_from_seconds[...] = NOT_GIVEN
    wanted = gone & trusted if own is None else gone & trusted & ~own.stops
    expected.fill(skus, net_units, wanted, offers.available_from_seconds)
    # What is there can leave after the lead time, if all of it needs one.
    minutes = pooled.lead_time_minutes
    if minutes is not None:
        leaving = (minutes > 0) & (units != 0) & counted & ~gone & known
        if own is not None:
            leaving &= ~(own.follows | own.stops)
        dates = expected.now_seconds + 60 * minutes
        np.copyto(offers.available_from_seconds, dates, where=leaving)
    release_seconds = term("release_seconds")
    if preordered is not None and release_seconds is not None:
        np.copyto(offers.available_from_seconds, release_seconds, where=preordered)


def _waiting(
    preorder_units: IntArray, common: IntArray | None, queued: QueuedUnits, skus: slice
) -> IntArray:
    """Return what is left of the caps after all that is queued for the release."""
    first, last = queued.skus.searchsorted([skus.start, skus.stop]).tolist()
    if first == last:
        return preorder_units
    columns = queued.skus[first:last] - skus.start
    own_units = queued.own_units[:, first:last]
    shape = len(own_units), skus.stop - skus.start
    if common is None:
        waiting_units = own_units
    else:
        all_units = queued.all_units[:, first:last]
        everywhere = np.broadcast_to(common, shape)[:, columns] > 0
        waiting_units = np.where(everywhere, all_units, own_units)
    left_units = np.broadcast_to(preorder_units, shape).copy()
    left_units[:, columns] = np.maximum(left_units[:, columns] - waiting_units, 0)
    return left_units


def _from_stock(
    term: BlockTerms,
    pooled_units: IntArray,
    own: Own | None,
    unmanaged: BoolArray | None,
    trusted: BoolArray,
) -> tuple[IntArray, IntArray, BoolArray | None]:
    """Steps 4 and 5: (the number, the net, where it is unlimited; None: nowhere)."""
    net_units = pooled_units
    if own is not None:
        there_units = np.maximum(net_units, 0)
        net_units = net_units - np.minimum(own.held_units, there_units)
    kept_units, more_units, unbounded = _threshold(term)
    units = net_units + more_units
    np.maximum(units, 0, out=units)
    if unmanaged is not None:
        unbounded = unmanaged if unbounded is None else unbounded | unmanaged
    unlimited = None if unbounded is None else unbounded & trusted
    if own is not None:
        # A channel with an allocation is shown that, the others net - T.
        there_units = np.maximum(net_units - kept_units, 0)
        np.minimum(there_units, own.remaining_units, out=there_units)
        whatever = own.follows if unmanaged is None else own.follows | unmanaged
        np.copyto(there_units, own.remaining_units, where=whatever)
        np.copyto(units, there_units, where=own.exists)
        unlimited = _but(unlimited, own.exists)
    # Unknown is not zero: the declared floor.
    floor_units = term("floor_units")
    if floor_units is None:
        units *= trusted
        net_units = net_units * trusted
    else:
        distrusted = ~trusted
        floor_units = floor_units if own is None else own.cap(floor_units)
        np.copyto(units, floor_units, where=distrusted)
        np.copyto(net_units, floor_units, where=distrusted)
    return units, net_units, unlimited


def _threshold(
    term: BlockTerms,
) -> tuple[IntArray | int, IntArray | int, BoolArray | None]:
    """Return (units kept back, -T, where backorders are not bounded: None is nowhere).

    T is what counts of the threshold: below 0 only with backorders, above 0 only
    without.
    """
    threshold, backorders = term("out_of_stock_threshold_units"), term("backorders")
    if threshold is None:
        return 0, 0, None if backorders is None else backorders > 0
    kept_units = np.maximum(threshold, 0)
    if backorders is None:
        return kept_units, -kept_units, None
    allowed = backorders > 0
    more_units = np.abs(threshold) * allowed
    more_units -= kept_units
    return kept_units * ~allowed, more_units, allowed & (threshold >= 0)


def _declared(
    declared: BoolArray,
    known: BoolArray,
    trusted: BoolArray,
    floor_declared: IntArray | None,
) -> None:
    """Write where the stock is not known, and an allocation or a floor is given."""
    given = trusted if floor_declared is None else trusted | (floor_declared > 0)
    np.logical_and(given, ~known, out=declared)


def _but(these: BoolArray | None, others: BoolArray) -> BoolArray | None:
    return None if these is None else these & ~others


def _reaching(
    units: IntArray, least_units: IntArray, preordered: BoolArray | None
) -> BoolArray:
    reaching = units >= least_units
    return reaching if preordered is None else reaching | preordered


def _status(
    status: np.ndarray[tuple[int, ...], np.dtype[np.int8]],
    units: IntArray,
    low_units: IntArray | None,
    gone: BoolArray,
    preordered: BoolArray | None,
) -> None:
    """Write the last that is true of LOW, BACKORDER, PREORDER and UNAVAILABLE."""
    np.copyto(status, units <= (0 if low_units is None else low_units))
    np.maximum(status, gone * np.int8(BACKORDER), out=status)
    if preordered is not None:
        np.maximum(status, preordered * np.int8(PREORDER), out=status)
    np.maximum(status, (units == 0) * np.int8(UNAVAILABLE), out=status)


def _max_orderable(most_units: IntArray, units: IntArray, term: BlockTerms) -> None:
    """Write what `offer.max_orderable` says; NO_BOUND is unlimited in ``units``."""
    max_units, customer_units = term("max_units"), term("customer_units")
    multiple_units, min_units = term("multiple_units"), term("min_units")
    np.copyto(most_units, units)
    if max_units is not None:
        limit_units = np.where(max_units > 0, max_units, NO_BOUND)
        np.minimum(most_units, limit_units, out=most_units)
    if customer_units is not None:
        limit_units = np.where(customer_units != NOT_GIVEN, customer_units, NO_BOUND)
        np.minimum(most_units, limit_units, out=most_units)
    free = most_units == NO_BOUND
    if multiple_units is not None:
        _at_some(_down_to, most_units, multiple_units)
    if min_units is not None:
        _at_some(_at_least, most_units, min_units)
    np.copyto(most_units, UNLIMITED, where=free)


def _at_some(
    change: Callable[[IntArray, IntArray], IntArray], units: IntArray, term: IntArray
) -> None:
    """Change the units of the SKUs for which the term is more than 1: mostly few."""
    columns = np.flatnonzero((term > 1).any(axis=0))
    if term.shape[1] == 1 and len(columns):
        units[...] = change(units, term)
    elif len(columns):
        its = term.take(columns, axis=1)
        units[:, columns] = change(units.take(columns, axis=1), its)


def _down_to(units: IntArray, multiple_units: IntArray) -> IntArray:
    return units - units % multiple_units


def _at_least(units: IntArray, min_units: IntArray) -> IntArray:
    return units * (units >= min_units)
