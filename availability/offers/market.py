"""What a computation of availability reads: the market, and what is known of a SKU."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace

from availability.model import LocationId, Network, Sku, StockRecord
from availability.setup.channels import (
    Allocation,
    Channel,
    FutureSupply,
    governing_allocation,
    owners,
)
from availability.setup.settings import WIDE_LEVELS, Level, Preorder, SettingsBook


@dataclass(frozen=True, slots=True)
class Market:
    """What rarely changes: locations, channels, and their settings.

    ``pools`` has, by channel, which of its rules owns each location that feeds it;
    ``lead_time_minutes`` are of the locations that have a lead time.
    """

    network: Network
    channels: tuple[Channel, ...]
    book: SettingsBook = field(default_factory=SettingsBook)
    active_ids: frozenset[LocationId] = field(init=False)
    pools: Mapping[str, Mapping[LocationId, int]] = field(init=False)
    lead_time_minutes: Mapping[LocationId, int] = field(init=False)
    by_id: Mapping[str, Channel] = field(init=False, repr=False)
    _sharing: dict[str, frozenset[str]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        locations = self.network.locations
        pools = {each.channel_id: owners(each, locations) for each in self.channels}
        if len(pools) != len(self.channels):
            raise ValueError("a channel_id appears twice")
        active = frozenset(each.location_id for each in locations if each.active)
        object.__setattr__(self, "pools", pools)
        object.__setattr__(self, "active_ids", active)
        lead_time_minutes = {
            each.location_id: each.lead_time_minutes
            for each in locations
            if each.lead_time_minutes > 0
        }
        object.__setattr__(self, "lead_time_minutes", lead_time_minutes)
        by_id = {each.channel_id: each for each in self.channels}
        object.__setattr__(self, "by_id", by_id)

    def sharing(self, channel_id: str) -> frozenset[str]:
        """Return the channels that some location feeds as well as this one.

        A promise made on one of them is a promise of this channel's stock.
        """
        found = self._sharing.get(channel_id)
        if found is None:
            mine = self.pools[channel_id].keys()
            found = self._sharing[channel_id] = frozenset(
                other
                for other, pool in self.pools.items()
                if other == channel_id or not mine.isdisjoint(pool)
            )
        return found


@dataclass(frozen=True, slots=True)
class SkuStock:
    """What is known of one SKU: its records, and all promises on any channel.

    ``stale_ids`` are the locations whose record is older than the merchant trusts,
    and counts as if it were missing; the caller decides which. ``queued_units``
    are by channel.
    """

    sku: Sku
    records: tuple[StockRecord, ...] = ()
    stale_ids: frozenset[LocationId] = frozenset()
    queued_units: Mapping[str, int] = field(default_factory=dict)
    allocations: tuple[Allocation, ...] = ()
    supplies: tuple[FutureSupply, ...] = ()
    version: int = 0


def presold_units(
    market: Market, stock: SkuStock, channel_id: str, level: Level
) -> int:
    """Return what waits for a release, on all channels that its cap covers.

    The cap of a SKU is one for all channels; given for a channel, it is that
    channel's.
    """
    wide = level in WIDE_LEVELS
    return sum(
        units
        for other, units in stock.queued_units.items()
        if other in market.pools and (wide or other == channel_id)
    )


def expected_receipts(
    supplies: Iterable[FutureSupply],
    location_ids: Container[LocationId],
    now_seconds: int,
) -> list[FutureSupply]:
    """Return the receipts that bring units to some locations, by date; none is late."""
    return sorted(
        (
            each
            for each in supplies
            if each.location_id in location_ids
            and each.available_from_seconds > now_seconds
        ),
        key=lambda each: each.available_from_seconds,
    )


class OfferContext:
    """What several steps of one (channel, SKU) need."""

    def __init__(
        self, market: Market, stock: SkuStock, channel_id: str, now_seconds: int
    ) -> None:
        self.stock = stock
        self.channel_id = channel_id
        self.now_seconds = now_seconds
        self.channel = market.by_id[channel_id]
        self.pool = market.pools[channel_id]
        self.sharing = market.sharing(channel_id)
        self.active = market.active_ids
        self.lead_time_minutes = market.lead_time_minutes
        self.settings = market.book.resolve(channel_id, stock.sku)
        # A stale record counts as if it were missing. At an inactive location there
        # is nothing for sale, however old the count.
        self.fresh = tuple(
            each
            for each in stock.records
            if each.location_id in self.pool
            and not (
                each.location_id in stock.stale_ids and each.location_id in self.active
            )
        )
        self.allocations = sorted(stock.allocations, key=lambda each: each.precedence)
        self.own = governing_allocation(self.allocations, channel_id)
        self.stopped = self.own is not None and self.own.stops
        self.follows = self.own is not None and channel_id in self.own.following
        self.preorder = None if self.stopped else self._preorder(market)
        self.fixed_units = None if self.stopped else self.settings.fixed_units
        self.known = not self.settings.managed or bool(self.fresh)
        # A number that does not come from stock can be sent without knowing it.
        self.needs_stock = self.settings.managed and not (self.stopped or self.follows)

    def _preorder(self, market: Market) -> Preorder | None:
        """Return the pre-order that is open, with all that waits for its release."""
        preorder = self.settings.preorder_at(self.now_seconds)
        if preorder is None:
            return None
        level = self.settings.level("preorders")
        waiting = presold_units(market, self.stock, self.channel_id, level)
        return replace(preorder, presold_units=preorder.presold_units + waiting)
