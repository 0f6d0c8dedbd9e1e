"""What a channel may sell of an order, decided before anything is planned.

The numbers are those that the channel is shown: `availability.offers.explain` over
the same pool, rules and promises. What may be sold and is there is planned; what may
be sold and is not there waits (backorders, pre-orders); the rest is not sold. A plan
that waited for its stock's commit too long is caught there: the guards of the
reservation say how far the numbers allowed to go.

An order that names no channel, or one that is not declared, is not judged. Nor is
one that was picked in part: that is a fact.
"""

from collections.abc import Iterable, Mapping

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
    Incomplete,
    KitComponent,
    Order,
    OrderLine,
    RoutingPolicy,
    UnassignedReason,
)
from router.selling.channel_view import MarketView, SkuAvailability
from router.selling.sale import Sale

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

    def sale(self, order: Order, policy: RoutingPolicy, view: RoutingView) -> Sale:
        """Return what is to be planned of an order.

        Raises
        ------
        InvalidOrder
            A line is outside the limits per order of its SKU; all are listed.
        StockContention
            The setup changed on each of `MAX_READS` readings.
        """
        setup = view.setup
        for _ in range(MAX_READS):
            declared = order.channel_id in setup.channels
            if not declared or order.frozen:
                counts_on = UNDECLARED if setup.channels else ""
                sold = Sale(order, order, order.channel_id if declared else counts_on)
                break
            whole, of_kits = _with_components(order, setup.kits)
            parts = (part for line in whole.lines for part in parts_of(line))
            positions = self._stock.positions(list(dict.fromkeys(s for s, _ in parts)))
            if positions.setup is setup:
                sold = self._on_channel(whole, of_kits, policy, positions)
                break
            setup = positions.setup  # it changed in between: other kits, maybe
        else:
            raise StockContention(MAX_READS)
        if not order.customer_id:
            return sold
        market = self._market_of(view.grid.network, setup) if declared else None
        return sold._replace(purchases=_purchases(sold.whole, market))

    def _on_channel(
        self,
        whole: Order,
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
        return _divide(sold, policy, shelves, kits)

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
        market = self._markets.of(network, setup)
        if self._market.of is not market:
            self._market = MarketView(market)
        return self._market


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


def _divide(
    whole: Sale,
    policy: RoutingPolicy,
    shelves: Mapping[Sku, SkuAvailability],
    kits: Mapping[str, int | None],
) -> Sale:
    """Serve line after line with what may be sold and what is in stock of it."""
    order = whole.whole
    sold, now = _served(order, shelves, kits)
    unsold = {
        line.line_id: line.quantity - sold[line.line_id]
        for line in order.lines
        if line.quantity > sold[line.line_id]
    }
    if unsold and policy.incomplete is Incomplete.REJECT_ORDER:
        unsold = {line.line_id: line.quantity for line in order.lines}
        sold = now = dict.fromkeys(unsold, 0)
    elif unsold and policy.incomplete is Incomplete.DROP_LINE:
        for line in order.lines:
            if line.line_id in unsold:
                unsold[line.line_id] = line.quantity
                sold[line.line_id] = now[line.line_id] = 0
    _keep_together(order.lines, sold, now)
    reasons = {line.line_id: _reason(line, shelves) for line in order.lines}
    of_sold = (parts_of(line) for line in order.lines if sold[line.line_id])
    taken = dict.fromkeys(
        sku for parts in of_sold for sku, _ in parts if sku in shelves
    )
    planned = tuple(
        line._replace(quantity=now[line.line_id])
        for line in order.lines
        if now[line.line_id]
    )
    return whole._replace(
        planned=order._replace(lines=planned),
        waiting={
            line_id: (units - now[line_id], reasons[line_id])
            for line_id, units in sold.items()
            if units > now[line_id]
        },
        unsold=unsold,
        limits={sku: shelf.limit for sku, shelf in shelves.items()},
        # A guard may be passed already (a cap that was lowered below what waits): it
        # must not refuse an order that takes nothing of its SKU.
        guards=tuple(g for sku in taken for g in shelves[sku].guards),
        exempt=frozenset(sku for sku, shelf in shelves.items() if shelf.known),
    )


def _served(
    order: Order, shelves: Mapping[Sku, SkuAvailability], kits: Mapping[str, int | None]
) -> tuple[dict[str, int], dict[str, int]]:
    """Return the units of each line that may be sold, and those that are there.

    ``kits`` says, by line, how many there may be of a kit, whatever it is made of.
    """
    may_sell = {sku: shelf.may_sell for sku, shelf in shelves.items()}
    kits_left = {
        line.sku: kits[line.line_id] for line in order.lines if line.line_id in kits
    }
    there = {sku: shelf.there for sku, shelf in shelves.items()}
    sold: dict[str, int] = {}
    now: dict[str, int] = {}
    for line in order.lines:
        units = ready = line.quantity
        most = kits_left[line.sku] if line.line_id in kits else None
        if most is not None:
            units = min(units, most)
        for sku, per_unit in parts_of(line):
            if sku in shelves:
                limit = may_sell[sku]
                units = units if limit is None else min(units, limit // per_unit)
                ready = min(ready, there[sku] // per_unit)
        ready = min(ready, units)
        for sku, per_unit in parts_of(line):
            if sku in shelves:
                limit = may_sell[sku]
                may_sell[sku] = None if limit is None else limit - units * per_unit
                there[sku] -= ready * per_unit
        if most is not None:
            kits_left[line.sku] = most - units
        sold[line.line_id], now[line.line_id] = units, ready
    return sold, now


def _keep_together(
    lines: Iterable[OrderLine], sold: Mapping[str, int], now: dict[str, int]
) -> None:
    """Let wait what ships whole and is not all there; ``now`` is changed."""
    lines = tuple(lines)
    short = {line.line_id for line in lines if now[line.line_id] < sold[line.line_id]}
    groups = {line.ship_together for line in lines if line.line_id in short} - {""}
    for line in lines:
        if line.ship_together in groups or (line.indivisible and line.line_id in short):
            now[line.line_id] = 0


def _reason(
    line: OrderLine, shelves: Mapping[Sku, SkuAvailability]
) -> UnassignedReason:
    reasons = [shelves[sku].reason for sku, _ in parts_of(line) if sku in shelves]
    if UnassignedReason.PREORDERED in reasons:
        return UnassignedReason.PREORDERED
    return UnassignedReason.BACKORDERED
