"""The arrays that `compute` reads and writes: stock, pools, terms, promises, offers.

``C`` channels, ``S`` SKUs, ``L`` locations, ``N`` stock records, ``A`` allocations.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from availability.model import BoolArray, IntArray

UNLIMITED = -1
"""A quantity without a limit."""
NOT_GIVEN = -1
"""No fixed quantity, no limit for customers, no open pre-order, no date."""
NO_BOUND = np.iinfo(np.int64).max
"""The maximum of a rule that has none."""


@dataclass(frozen=True, slots=True)
class StockArrays:
    """Stock records, all of a SKU together.

    Those of SKU ``s`` are at ``starts[s]`` up to ``starts[s + 1]``, in any order,
    each location once. ``locations`` are columns of the network.
    """

    starts: IntArray
    locations: IntArray
    available_units: IntArray
    stale: BoolArray

    @property
    def sku_count(self) -> int:
        """How many SKUs there are."""
        return len(self.starts) - 1


@dataclass(frozen=True, slots=True)
class RuleArrays:
    """The rules of one channel, in rank order, and which of them owns each location.

    ``owner`` is (L,), -1 where the location does not feed the channel.
    """

    owner: IntArray
    min_units: IntArray
    max_units: IntArray
    share_permille: IntArray
    threshold_units: IntArray
    min_locations: IntArray


@dataclass(frozen=True, slots=True)
class PoolArrays:
    """What feeds each channel: (L,) is active, rules by channel, (C, C) shares.

    ``lead_time_minutes`` is (L,), 0 where what is shipped can leave at once.
    """

    active: BoolArray
    rules: tuple[RuleArrays, ...]
    sharing: BoolArray
    lead_time_minutes: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class TermArrays:
    """The effective settings of each (channel, SKU): arrays that broadcast to (C, S).

    Terms that do not differ by channel or by SKU have one row or one column. The
    names are those of `Effective`; flags are 0 or 1. ``backorders`` is 0, 1, or 2
    with the notice. ``preorder_units`` is what is left of the cap that is open at
    the instant of the computation, before what is queued; NOT_GIVEN if none is.
    ``preorder_common`` is whether the cap is one for all channels, and
    ``release_seconds`` when it ends; ``floor_declared`` whether some level gives
    ``floor_units``, be it 0. ``customer_units`` NOT_GIVEN is no limit.
    ``channels`` are the places in the market that the rows are of, None for all.
    """

    managed: IntArray
    backorders: IntArray
    out_of_stock_threshold_units: IntArray
    preorder_units: IntArray
    preorder_common: IntArray
    release_seconds: IntArray
    availability_threshold_units: IntArray
    publication_threshold_units: IntArray
    low_units: IntArray
    min_units: IntArray
    max_units: IntArray
    multiple_units: IntArray
    customer_units: IntArray
    fixed_units: IntArray
    share_permille: IntArray
    buffer_units: IntArray
    floor_units: IntArray
    floor_declared: IntArray
    channels: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class AllocationArrays:
    """Allocations by SKU, and in precedence within one.

    ``members`` and ``following`` are (A, C); one without members is a buffer.
    """

    skus: IntArray
    remaining_units: IntArray
    reserves: BoolArray
    stops: BoolArray
    members: BoolArray
    following: BoolArray


@dataclass(frozen=True, slots=True)
class QueueArrays:
    """Units promised on a channel without a location: one entry or more for each."""

    channels: IntArray
    skus: IntArray
    units: IntArray


@dataclass(frozen=True, slots=True)
class SupplyArrays:
    """Expected receipts by SKU, and by date within one."""

    skus: IntArray
    locations: IntArray
    units: IntArray
    from_seconds: IntArray


@dataclass(frozen=True, slots=True)
class OfferArrays:
    """All that the offer of any (channel, SKU) depends on at one instant."""

    stock: StockArrays
    pools: PoolArrays
    terms: TermArrays
    allocations: AllocationArrays
    queue: QueueArrays
    supplies: SupplyArrays
    now_seconds: int


class Offers(NamedTuple):
    """What every channel may be promised of every SKU: all arrays are (C, S).

    As `Offer`, with UNLIMITED and NOT_GIVEN for None. ``status`` is a place in
    `STATUSES`. ``net_units`` is 0 where ``counted`` is False: there the number does
    not come from stock, and nothing is backordered.
    """

    quantity_units: IntArray
    status: npt.NDArray[np.int8]
    published: BoolArray
    known: BoolArray
    fixed: BoolArray
    declared: BoolArray
    counted: BoolArray
    net_units: IntArray
    max_orderable_units: IntArray
    single_location_units: IntArray
    available_from_seconds: IntArray
    backorder_notice: BoolArray

    @classmethod
    def empty(cls, channel_count: int, sku_count: int) -> "Offers":
        """Return room for so many, not filled in."""
        shape = channel_count, sku_count
        return cls(
            quantity_units=np.empty(shape, np.int64),
            status=np.empty(shape, np.int8),
            published=np.empty(shape, np.bool_),
            known=np.empty(shape, np.bool_),
            fixed=np.empty(shape, np.bool_),
            declared=np.empty(shape, np.bool_),
            counted=np.empty(shape, np.bool_),
            net_units=np.empty(shape, np.int64),
            max_orderable_units=np.empty(shape, np.int64),
            single_location_units=np.empty(shape, np.int64),
            available_from_seconds=np.empty(shape, np.int64),
            backorder_notice=np.empty(shape, np.bool_),
        )

    @property
    def columns(self) -> tuple[npt.NDArray[Any], ...]:
        """All of the arrays, in their order."""
        return tuple(self)

    def of(self, skus: slice) -> "Offers":
        """Return the offers of some SKUs: views, to read or to write."""
        part = slice(None), skus
        return Offers._make([each[part] for each in self])
