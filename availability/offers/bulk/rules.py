"""Steps 4 to 7: from what is in the pool to what the channel is sent.

All arrays are (C, B), or have one row or one column where channels or SKUs do not
differ. A term that is missing has its default everywhere, and its step is left out.
"""

from typing import NamedTuple

import numpy as np

from availability.model import BoolArray, IntArray
from availability.offers.bulk.arrays import NO_BOUND, NOT_GIVEN
from availability.offers.bulk.receipts import Expected
from availability.offers.bulk.reserves import BlockQueue, Own
from availability.offers.bulk.terms import BlockTerms
from availability.setup.channels import FULL_PERMILLE

_EVERYWHERE = np.ones((1, 1), np.bool_)


class BlockRules(NamedTuple):
    """All that applies to the SKUs of a block beyond their stock."""

    terms: BlockTerms
    queued: BlockQueue | None
    own: Own | None
    expected: Expected
    skus: slice


class Sources(NamedTuple):
    """Where units come from; None is nowhere.

    ``known`` is whether the stock is; ``trusted`` also where an allocation gives the
    number. ``counted`` is whether the number comes from stock.
    """

    known: BoolArray
    trusted: BoolArray
    unmanaged: BoolArray | None
    preordered: BoolArray | None
    fixed: BoolArray | None
    counted: BoolArray

    @classmethod
    def of(cls, pooled_known: BoolArray, block: BlockRules) -> "Sources":
        """Return them for the SKUs of a block."""
        terms, own = block.terms, block.own
        managed, fixed_units = terms.get("managed"), terms.get("fixed_units")
        preorder_units = terms.get("preorder_units")
        unmanaged = None if managed is None else managed == 0
        preordered = None if preorder_units is None else preorder_units != NOT_GIVEN
        fixed = None if fixed_units is None else fixed_units != NOT_GIVEN
        known = pooled_known if unmanaged is None else pooled_known | unmanaged
        trusted = known
        if own is not None:
            # Neither a pre-order nor a fixed quantity opens a sale that was stopped.
            preordered = _but(preordered, own.stops)
            fixed = _but(fixed, own.stops)
            trusted = known | own.follows | own.stops
        counted = _EVERYWHERE if unmanaged is None else ~unmanaged
        for other in (preordered, fixed):
            counted = counted if other is None else counted & ~other
        return cls(known, trusted, unmanaged, preordered, fixed, counted)


class BlockUnits(NamedTuple):
    """The number, what is net of it, and where it is unlimited (None: nowhere).

    ``units`` is NO_BOUND where unlimited, from step 7 on.
    """

    units: IntArray
    net_units: IntArray
    unlimited: BoolArray | None


def from_stock(
    pooled_units: IntArray, block: BlockRules, sources: Sources
) -> BlockUnits:
    """Steps 4 and 5: reserves, the channel's allocation, the out-of-stock threshold."""
    terms, own, unmanaged = block.terms, block.own, sources.unmanaged
    net_units = pooled_units
    if unmanaged is not None:
        net_units *= ~unmanaged
    if own is not None:
        there_units = np.maximum(net_units, 0)
        net_units = net_units - np.minimum(own.held_units, there_units)
    kept_units, more_units, unbounded = _threshold(terms)
    units = np.maximum(net_units + more_units, 0)
    if unmanaged is not None:
        unbounded = unmanaged if unbounded is None else unbounded | unmanaged
    unlimited = None if unbounded is None else unbounded & sources.trusted
    if own is not None:
        # A channel with an allocation is shown that, the others net - T.
        there_units = np.maximum(net_units - kept_units, 0)
        np.minimum(there_units, own.remaining_units, out=there_units)
        whatever = own.follows if unmanaged is None else own.follows | unmanaged
        np.copyto(there_units, own.remaining_units, where=whatever)
        np.copyto(units, there_units, where=own.exists)
        unlimited = _but(unlimited, own.exists)
    # Unknown is not zero: the declared floor.
    floor_units = terms.get("floor_units")
    if floor_units is None:
        units *= sources.trusted
        net_units = net_units * sources.trusted
    else:
        distrusted = ~sources.trusted
        floor_units = floor_units if own is None else own.cap(floor_units)
        np.copyto(units, floor_units, where=distrusted)
        np.copyto(net_units, floor_units, where=distrusted)
    return BlockUnits(units, net_units, unlimited)


def _threshold(
    terms: BlockTerms,
) -> tuple[IntArray | int, IntArray | int, BoolArray | None]:
    """Return (units kept back, -T, where backorders are not bounded: None is nowhere).

    T is what counts of the threshold: below 0 only with backorders, above 0 only
    without.
    """
    threshold, backorders = (
        terms.get("out_of_stock_threshold_units"),
        terms.get("backorders"),
    )
    if threshold is None:
        return 0, 0, None if backorders is None else backorders > 0
    kept_units = np.maximum(threshold, 0)
    if backorders is None:
        return kept_units, -kept_units, None
    allowed = backorders > 0
    more_units = np.abs(threshold) * allowed
    more_units -= kept_units
    return kept_units * ~allowed, more_units, allowed & (threshold >= 0)


def sent(for_sale: BlockUnits, block: BlockRules, sources: Sources) -> BlockUnits:
    """Steps 6 and 7: the cap before a release; then what the channel is sent."""
    terms, own = block.terms, block.own
    units, net_units, unlimited = for_sale
    preorder_units, preordered = terms.get("preorder_units"), sources.preordered
    if preorder_units is not None and preordered is not None:
        common = terms.get("preorder_common")
        left_units = _left_of_cap(preorder_units, common, block)
        left_units = left_units if own is None else own.cap(left_units)
        np.copyto(units, left_units, where=preordered)
        unlimited = _but(unlimited, preordered)
    share_permille = terms.get("share_permille")
    if share_permille is not None:
        units *= share_permille
        np.floor_divide(units, FULL_PERMILLE, out=units)
        unlimited = _but(unlimited, share_permille == 0)
    buffer_units = terms.get("buffer_units")
    if buffer_units is not None:
        units -= buffer_units
        np.maximum(units, 0, out=units)
    fixed_units, fixed = terms.get("fixed_units"), sources.fixed
    if fixed_units is not None and fixed is not None:
        np.copyto(units, fixed_units, where=fixed)
        unlimited = _but(unlimited, fixed)
    if unlimited is not None:
        np.copyto(units, NO_BOUND, where=unlimited)
    return BlockUnits(units, net_units, unlimited)


def _left_of_cap(
    preorder_units: IntArray, common: IntArray | None, block: BlockRules
) -> IntArray:
    """Return what is left of the caps after all that is queued for the release."""
    queued = block.queued
    if queued is None:
        return preorder_units
    shape = len(queued.own_units), block.skus.stop - block.skus.start
    waiting_units = queued.own_units
    if common is not None:
        everywhere = np.broadcast_to(common, shape)[:, queued.places] > 0
        waiting_units = np.where(everywhere, queued.all_units, waiting_units)
    left_units = np.broadcast_to(preorder_units, shape).copy()
    left_units[:, queued.places] -= waiting_units
    return np.maximum(left_units, 0, out=left_units)


def _but(these: BoolArray | None, others: BoolArray) -> BoolArray | None:
    return None if these is None else these & ~others
