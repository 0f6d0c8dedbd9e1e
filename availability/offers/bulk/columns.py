"""Steps 8 and 9, and all columns of a block's offers; shapes as in `rules`."""

from collections.abc import Callable

import numpy as np

from availability.model import BoolArray, IntArray
from availability.offers.bulk.arrays import NO_BOUND, NOT_GIVEN, UNLIMITED, Offers
from availability.offers.bulk.rules import (
    BlockRules,
    BlockUnits,
    Sources,
    from_stock,
    sent,
)
from availability.offers.bulk.supply import Pooled
from availability.offers.bulk.terms import BlockTerms
from availability.offers.offer import Status

STATUSES = tuple(Status)
"""What a number in ``Offers.status`` means."""

AVAILABLE, LOW, BACKORDER, PREORDER, UNAVAILABLE = range(len(STATUSES))


def fill(offers: Offers, pooled: Pooled, block: BlockRules) -> None:
    """Write the offers of a block; ``pooled`` is after the queue, and is used up."""
    terms, sources = block.terms, Sources.of(pooled.known, block)
    for_sale = sent(from_stock(pooled.units, block, sources), block, sources)
    units, net_units, unlimited = for_sale
    # 8: thresholds, strict; none applies before a release.
    _publish(offers, units, terms, sources)
    least_units = terms.get("availability_threshold_units")
    if least_units is not None:
        units *= _reaching(units, least_units, sources.preordered)

    np.copyto(offers.quantity_units, units)
    _single_location(offers.single_location_units, for_sale, pooled, sources)
    if unlimited is not None:
        np.copyto(offers.quantity_units, UNLIMITED, where=unlimited)
    offers.counted[...] = sources.counted
    np.multiply(net_units, sources.counted, out=offers.net_units)
    gone = (net_units <= 0) & sources.counted
    _status(offers.status, units, terms.get("low_units"), gone, sources.preordered)
    backorders = terms.get("backorders")
    if backorders is None:
        offers.backorder_notice[...] = False
    else:
        more = units > np.maximum(net_units, 0)
        more &= sources.counted
        np.logical_and(more, backorders == 2, out=offers.backorder_notice)
    _max_orderable(offers.max_orderable_units, for_sale, terms)
    _available_from(
        offers.available_from_seconds, for_sale, gone, pooled, block, sources
    )


def _publish(
    offers: Offers, units: IntArray, terms: BlockTerms, sources: Sources
) -> None:
    """Write what is known, declared, fixed and published."""
    preordered, fixed = sources.preordered, sources.fixed
    published = sources.trusted
    for other in (preordered, fixed):
        published = published if other is None else published | other
    floor_declared = terms.get("floor_declared")
    given = published if floor_declared is None else published | (floor_declared > 0)
    np.logical_and(given, ~sources.known, out=offers.declared)
    least_units = terms.get("publication_threshold_units")
    if least_units is not None:
        published = published & _reaching(units, least_units, preordered)
    offers.published[...] = published
    offers.known[...] = sources.known
    offers.fixed[...] = False if fixed is None else fixed


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
    np.maximum(status, gone.view(np.int8) * BACKORDER, out=status)
    if preordered is not None:
        np.maximum(status, preordered.view(np.int8) * PREORDER, out=status)
    np.maximum(status, (units == 0).view(np.int8) * UNAVAILABLE, out=status)


def _single_location(
    most_units: IntArray, for_sale: BlockUnits, pooled: Pooled, sources: Sources
) -> None:
    """Write the most that one location can ship: what needs no stock is anywhere."""
    np.minimum(pooled.largest_units, for_sale.units, out=most_units)
    if sources.unmanaged is not None:
        np.copyto(most_units, for_sale.units, where=sources.unmanaged)
        if for_sale.unlimited is not None:
            nowhere = for_sale.unlimited & sources.unmanaged
            np.copyto(most_units, UNLIMITED, where=nowhere)


def _max_orderable(
    most_units: IntArray, for_sale: BlockUnits, terms: BlockTerms
) -> None:
    """Step 9: write what `offer.max_orderable` returns."""
    np.copyto(most_units, for_sale.units)
    for bound_units in (terms.get("max_units"), terms.get("customer_units")):
        if bound_units is not None:
            np.minimum(most_units, bound_units, out=most_units)
    unbounded = None if for_sale.unlimited is None else most_units == NO_BOUND
    multiple_units, min_units = terms.get("multiple_units"), terms.get("min_units")
    if multiple_units is not None:
        _at_some(_down_to, most_units, multiple_units)
    if min_units is not None:
        _at_some(_at_least, most_units, min_units)
    if unbounded is not None:
        np.copyto(most_units, UNLIMITED, where=unbounded)


def _available_from(
    seconds: IntArray,
    for_sale: BlockUnits,
    gone: BoolArray,
    pooled: Pooled,
    block: BlockRules,
    sources: Sources,
) -> None:
    """Write the release, the receipt that brings some, or the end of the lead time."""
    own, expected = block.own, block.expected
    seconds[...] = NOT_GIVEN
    wanted = gone & sources.trusted
    wanted = wanted if own is None else wanted & ~own.stops
    expected.fill(block.skus, for_sale.net_units, wanted, seconds)
    # Stock leaves after the lead time, if all of it needs one.
    minutes = pooled.lead_time_minutes
    if minutes is not None:
        leaving = (minutes > 0) & (for_sale.units != 0) & sources.counted & ~gone
        leaving &= sources.known
        if own is not None:
            leaving &= ~(own.follows | own.stops)
        dates = expected.now_seconds + 60 * minutes
        np.copyto(seconds, dates, where=leaving)
    release_seconds = block.terms.get("release_seconds")
    if sources.preordered is not None and release_seconds is not None:
        np.copyto(seconds, release_seconds, where=sources.preordered)


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
