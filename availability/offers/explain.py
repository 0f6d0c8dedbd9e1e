"""The computation of one offer, step by step, in plain integers: the specification.

`promise` computes the same for everything at once, and a test holds it to this.
docs/availability.md has the formulas, and the seed that each comes from.
"""

from collections.abc import Mapping

from availability.model import LocationId
from availability.offers.explain_fields import (
    available_from,
    low_stock,
    single_location,
    status_of,
)
from availability.offers.market import Market, OfferContext, SkuStock
from availability.offers.offer import (
    Offer,
    Rule,
    Step,
    max_orderable,
)
from availability.setup.channels import FULL_PERMILLE, Purpose
from availability.setup.settings import Backorders, Effective, Level


class Waterfall:
    """The number, and the steps that led to it."""

    def __init__(self, settings: Effective) -> None:
        self.steps: list[Step] = []
        self.settings = settings
        self.units = 0
        self.unlimited = False

    def to(
        self,
        rule: Rule,
        units: int,
        name: str = "",
        *,
        unlimited: bool = False,
        replaces: bool = False,
    ) -> None:
        """Go on with this number, because of the setting of this name."""
        level = self.settings.levels.get(name, Level.DEFAULT) if name else None
        effect_units = units - self.units
        self.units, self.unlimited = units, unlimited
        step = Step(rule, effect_units, units, unlimited, level, replaces)
        self.steps.append(step)

    def keep(self, rule: Rule, units: int | None = None, name: str = "") -> None:
        """Go on with this number, or the same, unlimited if it was."""
        units = self.units if units is None else units
        self.to(rule, units, name, unlimited=self.unlimited)

    @property
    def reach_units(self) -> int | None:
        """The number, None if unlimited."""
        return None if self.unlimited else self.units


def explain(
    market: Market, stock: SkuStock, channel_id: str, now_seconds: int
) -> Offer:
    """Return what a channel may be promised of a SKU, with every step.

    Raises
    ------
    KeyError
        No channel has this id.
    """
    return explain_located(market, stock, channel_id, now_seconds)[0]


def explain_located(
    market: Market, stock: SkuStock, channel_id: str, now_seconds: int
) -> tuple[Offer, Mapping[LocationId, int] | None]:
    """Return the same, and what the channel's rules let through at each location.

    None if the SKU is not managed there: it is wherever it is needed.
    """
    context = OfferContext(market, stock, channel_id, now_seconds)
    settings, preorder = context.settings, context.preorder
    waterfall = Waterfall(settings)
    located = _pool(context, waterfall)
    net_units = _promised(context, waterfall)
    _allocation(context, waterfall)
    _out_of_stock_threshold(context, waterfall, net_units)
    waterfall.keep(Rule.DEFICIT, max(0, waterfall.units))
    if context.known or not context.needs_stock:
        waterfall.keep(Rule.UNKNOWN)
    else:
        net_units = settings.floor_units
        if context.own is not None:
            net_units = min(net_units, context.own.remaining_units)
        waterfall.to(Rule.UNKNOWN, net_units, "floor_units", replaces=True)
    _channel(context, waterfall)
    from_stock = preorder is None and context.fixed_units is None
    net_units = net_units if from_stock else None
    shown_units = waterfall.reach_units
    _availability_threshold(context, waterfall)
    quantity_units = waterfall.reach_units
    offer = Offer(
        channel_id,
        stock.sku,
        tuple(waterfall.steps),
        status=status_of(quantity_units, net_units, context),
        published=(context.known or not context.needs_stock or not from_stock)
        and (
            preorder is not None
            or shown_units is None
            or shown_units >= settings.publication_threshold_units
        ),
        known=context.known,
        fixed=context.fixed_units is not None,
        declared=not context.known
        and (
            not from_stock
            or not context.needs_stock
            or settings.level("floor_units") is not Level.DEFAULT
        ),
        net_units=net_units,
        max_orderable_units=max_orderable(quantity_units, settings),
        single_location_units=single_location(context, located, quantity_units),
        available_from_seconds=available_from(
            context, located, net_units, nothing=quantity_units == 0
        ),
        backorder_notice=settings.backorders is Backorders.ALLOW_AND_NOTIFY
        and net_units is not None
        and (quantity_units is None or quantity_units > max(0, net_units)),
        low_stock_ids=low_stock(context),
        settings=settings,
        as_of=stock.version,
    )
    return offer, located if settings.managed else None


def _pool(context: OfferContext, waterfall: Waterfall) -> dict[LocationId, int]:
    """Steps 1 and 2: what the rules let through, by location.

    Floored at each location, so that one location's deficit never eats another's
    units. What is filtered goes before the share, the share before the threshold,
    the threshold before the count of locations (A6, the flow chart's order).
    """
    if not context.settings.managed:
        waterfall.to(Rule.STOCK, 0, "managed", unlimited=True)
        for step in _RULE_STEPS:
            waterfall.keep(step)
        return {}
    units = {
        each.location_id: each.available if each.location_id in context.active else 0
        for each in context.fresh
    }
    waterfall.to(Rule.STOCK, sum(units.values()))
    rules = context.channel.ranked_rules
    owner = {location: rules[context.pool[location]] for location in units}

    for at, n in units.items():
        most = owner[at].max_units
        if n < owner[at].min_units or (most is not None and n > most):
            units[at] = 0
    waterfall.to(Rule.RULE_BOUNDS, sum(units.values()))

    units = {
        at: n * owner[at].share_permille // FULL_PERMILLE for at, n in units.items()
    }
    waterfall.to(Rule.RULE_SHARE, sum(units.values()))

    for index, rule in enumerate(rules):
        mine = [at for at in units if context.pool[at] == index]
        if sum(units[at] for at in mine) < rule.threshold_units:
            units.update(dict.fromkeys(mine, 0))
    waterfall.to(Rule.RULE_THRESHOLD, sum(units.values()))

    for index, rule in enumerate(rules):
        mine = [at for at in units if context.pool[at] == index]
        if sum(units[at] > 0 for at in mine) < rule.min_locations:
            units.update(dict.fromkeys(mine, 0))
    waterfall.to(Rule.RULE_LOCATIONS, sum(units.values()))
    return units


_RULE_STEPS = (
    Rule.RULE_BOUNDS,
    Rule.RULE_SHARE,
    Rule.RULE_THRESHOLD,
    Rule.RULE_LOCATIONS,
)


def _promised(context: OfferContext, waterfall: Waterfall) -> int | None:
    """Steps 3 and 4: what is there for this channel, None if unlimited.

    Below 0 if more is queued than is there; reserves take no more than there is.
    Of reserves that compete with this channel's own, those after it wait.
    """
    queued_units = held_units = 0
    if context.settings.managed:
        for channel_id, units in context.stock.queued_units.items():
            queued_units += units if channel_id in context.sharing else 0
        for each in context.allocations:
            if each is context.own and each.purpose is Purpose.RESERVE:
                break
            shares = not each.channel_ids or not each.channel_ids.isdisjoint(
                context.sharing
            )
            others = context.channel_id not in each.channel_ids
            if each.purpose is Purpose.RESERVE and others and shares:
                held_units += each.remaining_units
    waterfall.keep(Rule.QUEUED, waterfall.units - queued_units)
    held_units = min(held_units, max(0, waterfall.units))
    waterfall.keep(Rule.RESERVES, waterfall.units - held_units)
    return waterfall.reach_units


def _allocation(context: OfferContext, waterfall: Waterfall) -> None:
    """Step 4: a channel with an allocation is shown that, and no more (B2)."""
    own = context.own
    if own is None:
        waterfall.keep(Rule.ALLOCATION)
    elif context.follows or waterfall.unlimited:
        waterfall.to(Rule.ALLOCATION, own.remaining_units, replaces=True)
    else:
        there_units = max(0, waterfall.units)
        waterfall.to(Rule.ALLOCATION, min(own.remaining_units, there_units))


def _out_of_stock_threshold(
    context: OfferContext, waterfall: Waterfall, net_units: int | None
) -> None:
    """Step 5: salable = net - T, unlimited where nothing bounds backorders (D2).

    Backorders never widen an allocation: what `follow` sells beyond the stock are
    the backorders. Units kept back are the pool's: they cut an allocation only when
    they are needed for it.
    """
    name = "out_of_stock_threshold_units"
    threshold = context.settings.out_of_stock_units
    if waterfall.unlimited or context.follows or net_units is None:
        waterfall.keep(Rule.OUT_OF_STOCK_THRESHOLD)
    elif context.own is not None:
        there_units = max(0, net_units - max(0, threshold or 0))
        waterfall.keep(
            Rule.OUT_OF_STOCK_THRESHOLD, min(waterfall.units, there_units), name
        )
    elif threshold is None:
        waterfall.to(
            Rule.OUT_OF_STOCK_THRESHOLD, waterfall.units, "backorders", unlimited=True
        )
    else:
        waterfall.to(Rule.OUT_OF_STOCK_THRESHOLD, waterfall.units - threshold, name)


def _channel(context: OfferContext, waterfall: Waterfall) -> None:
    """Steps 6 and 7: before the release; then what the channel is sent.

    A fixed quantity is what the channel is sent: no share or buffer of it. Neither
    it nor a pre-order opens a sale that was stopped.
    """
    settings = context.settings
    if context.preorder is None:
        waterfall.keep(Rule.PREORDER)
    else:
        left_units = context.preorder.left_units
        if context.own is not None:
            left_units = min(left_units, context.own.remaining_units)
        waterfall.to(Rule.PREORDER, left_units, "preorders", replaces=True)
    if context.fixed_units is not None:
        waterfall.to(Rule.FIXED, context.fixed_units, "fixed_units", replaces=True)
        waterfall.keep(Rule.SHARE)
        waterfall.keep(Rule.BUFFER)
        return
    waterfall.keep(Rule.FIXED)
    share = waterfall.units * settings.share_permille // FULL_PERMILLE
    if waterfall.unlimited and settings.share_permille > 0:
        waterfall.keep(Rule.SHARE)
    else:
        waterfall.to(Rule.SHARE, share, "share_permille")
    if waterfall.unlimited:
        waterfall.keep(Rule.BUFFER)
    else:
        left_units = max(0, waterfall.units - settings.buffer_units)
        waterfall.to(Rule.BUFFER, left_units, "buffer_units")


def _availability_threshold(context: OfferContext, waterfall: Waterfall) -> None:
    """Step 8: unavailable iff q < threshold (A4); not before a release."""
    threshold = context.settings.availability_threshold_units
    below = not waterfall.unlimited and waterfall.units < threshold
    if below and context.preorder is None:
        waterfall.to(Rule.AVAILABILITY_THRESHOLD, 0, "availability_threshold_units")
    else:
        waterfall.keep(Rule.AVAILABILITY_THRESHOLD, name="availability_threshold_units")
