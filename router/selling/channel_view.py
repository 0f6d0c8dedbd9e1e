"""A market as routing looks at it: what is kept of a channel, and one SKU's numbers."""

import functools
from collections.abc import Callable, Iterable

import numpy as np

from availability.model import IntArray, Sku
from availability.offers.all_stock import sells_all_stock
from availability.offers.explain import explain_located
from availability.offers.inputs import MarketIndex, stock_of
from availability.offers.market import SkuStock
from availability.offers.offer import Offer, Rule
from availability.positions import Positions, promised_on
from availability.reservations import Guard
from availability.setup.channels import UNDECLARED, governing_allocation
from availability.setup.settings import WIDE_LEVELS, Effective, Preorder
from router.model import UnassignedReason

KEPT_SETTINGS = 100_000
"""Most (channel, SKU) whose settings are kept at hand."""


class ChannelView:
    """What holds for every SKU of a channel."""

    def __init__(self, of: MarketIndex, channel_id: str) -> None:
        market = of.market
        channel = of.setup.channels[channel_id]
        self.channel_id = channel_id
        self.feeding = frozenset(market.pools[channel_id])
        self.sharing = tuple(sorted(market.sharing(channel_id)))
        columns = [market.network.index[each] for each in self.feeding]
        # Every record of its locations is trusted, and for sale whole.
        self.passes_all = not of.stale_after_seconds[columns].any() and all(
            rule.passes_all for rule in channel.ranked_rules
        )


class MarketView:
    """A market, and what is kept of it: dropped with it."""

    def __init__(self, of: MarketIndex) -> None:
        self.of = of
        self.channel = functools.cache(functools.partial(ChannelView, of))
        self.settings: Callable[[str, Sku], Effective] = functools.lru_cache(
            KEPT_SETTINGS
        )(of.market.book.resolve)

    def plain(self, channel_id: str, sku: Sku, positions: Positions) -> bool:
        """Tell whether the channel may sell all stock of its locations, and no more."""
        channel = self.channel(channel_id)
        if not channel.passes_all or sku in self.of.allocations:
            return False
        counts = positions.counts.get(sku)
        if counts and any(counts[c].queued for c in channel.sharing if c in counts):
            return False
        return sells_all_stock(self.settings(channel_id, sku))


class SkuAvailability:
    """One SKU as the channel sees it, and what is left of it as lines are served.

    ``may_sell`` None is without a limit. ``there`` are units that can be shipped now.
    """

    def __init__(
        self,
        stall: MarketView,
        channel: ChannelView,
        positions: Positions,
        row: int,
        now_seconds: int,
    ) -> None:
        market = stall.of.market
        sku = positions.skus[row]
        stock = stock_of(stall.of, positions, sku, now_seconds)
        channel_id = channel.channel_id
        offer, places = explain_located(market, stock, channel_id, now_seconds)
        located = places or {}
        self.may_sell = offer.quantity_units
        self.limit: IntArray = np.zeros(len(positions.network.locations), np.int64)
        for location_id, units in located.items():
            self.limit[positions.network.index[location_id]] = units
        preorder = offer.settings.preorder_at(now_seconds)
        self.reason = UnassignedReason.BACKORDERED
        self.there = min(_net_units(offer), sum(located.values()))
        if preorder is not None:
            self.reason = UnassignedReason.PREORDERED
            self.there = 0
        # What is shown, though the setup never named it, can be sold as well.
        self.known = (
            bool(stock.records)
            or self.may_sell != 0
            or stall.of.is_configured([channel_id], sku)
        )
        self.guards = tuple(
            _guards(stall.of, channel, positions, stock, offer, self.may_sell, preorder)
        )


def _net_units(offer: Offer) -> int:
    """Return what the channel has in stock, whatever else it may sell."""
    for step in offer.steps:
        if step.rule is Rule.RESERVES:
            return 0 if step.unlimited else max(0, step.total_units)
    return 0


def _guards(
    of: MarketIndex,
    channel: ChannelView,
    positions: Positions,
    stock: SkuStock,
    offer: Offer,
    may_sell: int | None,
    preorder: Preorder | None,
) -> Iterable[Guard]:
    """Yield how far the number allows the channel, and those it shares with, to go.

    A number that came from outside bounds nothing: it is what the channel is sent.
    """
    sku, counts = stock.sku, positions.counts.get(stock.sku, {})
    own = governing_allocation(stock.allocations, channel.channel_id)
    if own is not None and not offer.fixed:
        members = tuple(sorted(own.channel_ids))
        most_units = promised_on(counts, members) + own.remaining_units
        yield Guard(sku, members, most_units)
    if may_sell is None or offer.fixed:
        return
    if preorder is not None:
        # Its cap is for what waits, on all channels that the setting's level covers.
        wide = offer.settings.level("preorders") in WIDE_LEVELS
        covered = tuple(sorted(of.setup.channels)) if wide else (channel.channel_id,)
        most_units = preorder.cap_units - preorder.presold_units
        yield Guard(sku, covered, most_units, queued=True)
    elif own is None or channel.channel_id not in own.following:
        sharing = tuple(sorted((*channel.sharing, UNDECLARED)))
        most_units = promised_on(counts, sharing) + may_sell
        # Counts, cancellations and withdrawals in between change the number.
        yield Guard(sku, sharing, most_units, moves=positions.moves.get(sku, 0))
