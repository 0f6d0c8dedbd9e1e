"""What a channel may sell of an order, decided before anything is planned.

The numbers are those that the channel is shown: `availability.offers.explain` over
the same pool, rules and promises. Units that may be sold and are in stock are
planned; units that may be sold and are not in stock wait (backorders, pre-orders);
the rest is not sold. If others sold the same units before the commit, the guards of
the reservation refuse it there.

An order that names no channel, or one that is not declared, is not judged. Nor is
one that was picked in part: that is a fact.
"""

from collections.abc import Mapping

from availability.errors import Violation
from availability.model import Clock, LocationId, Network, Sku
from availability.offers.inputs import Markets, kit_offer
from availability.offers.offer import LIMIT_FIELDS, Rule, order_limit
from availability.positions import Positions
from availability.reservations import Purchase
from availability.setup.channels import UNDECLARED
from availability.setup.setup import Kit, Setup
from availability.stock_view import RoutingView, StockView
from router.errors import InvalidOrder, StockContention
from router.line_units import parts_of
from router.model import (
    KitComponent,
    Order,
    RoutingPolicy,
)
from router.selling.channel_view import MarketView, SkuAvailability
from router.selling.sale import Parts, Sale, divide

MAX_READS = 5
"""Readings of the stock for one sale, each after a change of the setup."""

_LIMIT_MESSAGES = {
    Rule.MIN: "at least {min_units} must be ordered, got {asked}",
    Rule.MAX: "at most {max_units} may be ordered, got {asked}",
    Rule.MULTIPLE: "is sold in multiples of {multiple_units}, got {asked}",
}


class Seller:
    """Judges orders by what their channel is shown."""

    def __init__(self, stock: StockView, clock: Clock) -> None:
        self._stock = stock
        self._clock = clock
        self._markets = Markets()
        self._market = MarketView(self._markets.of(Network(()), Setup()))

    def sale(self, order: Order, policy: RoutingPolicy) -> tuple[Sale, RoutingView]:
        """Return what is to be planned of an order, and the stock that goes with it.

        Both are of one setup and one network: limits per location fit its columns.

        Raises
        ------
        InvalidOrder
            A line is outside the limits per order of its SKU; all are listed.
        StockContention
            The setup or the network changed on each of `MAX_READS` readings.
        """
        for _ in range(MAX_READS):
            view = self._stock.routing_view()
            setup, network = view.setup, view.grid.network
            declared = order.channel_id in setup.channels
            if not declared or order.frozen:
                counts_on = UNDECLARED if setup.channels else ""
                sold = Sale(order, order, order.channel_id if declared else counts_on)
                break
            whole, of_kits = _with_components(order, setup.kits)
            parts = {line.line_id: parts_of(line) for line in whole.lines}
            skus = dict.fromkeys(sku for each in parts.values() for sku, _ in each)
            positions = self._stock.positions(list(skus))
            if positions.setup is setup and positions.network is network:
                sold = self._on_channel(whole, parts, of_kits, policy, positions)
                break
        else:
            raise StockContention(MAX_READS)
        if order.customer_id:
            market = self._market_of(network, setup) if declared else None
            sold = sold._replace(purchases=_purchases(sold.whole, market))
        return sold, view

    def _on_channel(
        self,
        whole: Order,
        parts: Parts,
        of_kits: Mapping[str, Sku],
        policy: RoutingPolicy,
        positions: Positions,
    ) -> Sale:
        """Return what a declared channel sells of an order whose SKUs are read."""
        channel_id, now_seconds = whole.channel_id, int(self._clock())
        market = self._market_of(positions.network, positions.setup)
        channel = market.channel(channel_id)
        _check_limits(whole, market)
        shelves = {
            sku: SkuAvailability(market, channel, positions, n, now_seconds)
            for n, sku in enumerate(positions.skus)
            if not market.plain(channel_id, sku, positions)
        }
        kits = {
            line_id: kit_offer(
                market.of, positions, channel_id, sku, now_seconds
            ).quantity_units
            for line_id, sku in of_kits.items()
        }
        sold = Sale(whole, whole, channel_id, channel.feeding)
        if not shelves and not kits:
            return sold
        return divide(sold, parts, policy, shelves, kits)

    def sold(self, order: Order, view: RoutingView) -> Sale:
        """Return an order that was sold before, to be planned again whole."""
        if order.channel_id not in view.setup.channels:
            return Sale(order, order, "")
        market = self._market_of(view.grid.network, view.setup)
        feeding = market.channel(order.channel_id).feeding
        return Sale(order, order, order.channel_id, feeding)

    def feeding(self) -> dict[str, frozenset[LocationId]]:
        """Return the locations that feed each channel that is declared."""
        setup, grid, _ = self._stock.routing_view()
        market = self._market_of(grid.network, setup)
        return {each: market.channel(each).feeding for each in setup.channels}

    def _market_of(self, network: Network, setup: Setup) -> MarketView:
        index, market = self._markets.of(network, setup), self._market
        if market.of is not index:
            # Another thread may replace it again: this call's own is returned.
            market = self._market = MarketView(index)
        return market


def _purchases(order: Order, market: MarketView | None) -> tuple[Purchase, ...]:
    """Return how lines count against their customer; market None: without a limit."""
    found = []
    for line in order.lines:
        size = sum(per_unit for _, per_unit in parts_of(line))
        limit = None
        if market is not None:
            limit = market.settings(order.channel_id, line.sku).customer_limit
        most = None if limit is None else limit.max_units
        window = 0 if limit is None else limit.window_seconds
        found.append(Purchase(line.line_id, line.sku, size, most, window))
    return tuple(found)


def _with_components(
    order: Order, kits: Mapping[Sku, Kit]
) -> tuple[Order, dict[str, Sku]]:
    """Return an order whose kits have their components, as they are set up now.

    Also the kits, by line: what an order takes apart itself is none.
    """
    of_kits = {
        line.line_id: line.sku
        for line in order.lines
        if line.sku in kits and not line.components
    }
    if not of_kits:
        return order, of_kits
    lines = [
        line._replace(
            components=tuple(
                KitComponent(part.sku, part.quantity_units) for part in kits[line.sku]
            )
        )
        if line.line_id in of_kits
        else line
        for line in order.lines
    ]
    return order._replace(lines=tuple(lines)), of_kits


def _check_limits(order: Order, view: MarketView) -> None:
    """Refuse what may not be ordered at a time; lines with one SKU are one."""
    asked: dict[Sku, int] = {}
    for line in order.lines:
        if line.sku:
            asked[line.sku] = asked.get(line.sku, 0) + line.quantity
    found = []
    for n, line in enumerate(order.lines):
        units = asked.pop(line.sku, None)
        if units is None:
            continue
        settings = view.settings(order.channel_id, line.sku)
        rule = order_limit(settings, units)
        if rule is not None:
            values = {name: getattr(settings, name) for name in LIMIT_FIELDS.values()}
            message = _LIMIT_MESSAGES[rule].format(asked=units, **values)
            message += f" (set for {settings.level(LIMIT_FIELDS[rule])})"
            path = f"order.lines[{n}].quantity"
            found.append(Violation(path, f"{rule.name}_PER_ORDER", message))
    if found:
        raise InvalidOrder(found)
