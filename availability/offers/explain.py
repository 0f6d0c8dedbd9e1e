"""The computation of one offer, step by step, in plain integers: the specification.

`promise` computes the same for everything at once, and a test holds it to this.
docs/availability.md has the formulas, and the seed that each comes from.
"""

from collections.abc import Mapping
from operator import attrgetter

from availability.model import LocationId
from availability.offers.market import Market, OfferContext, SkuStock
from availability.offers.offer import (
    LIMIT_FIELDS,
    Offer,
    Rule,
    Status,
    Waterfall,
    max_orderable,
)
from availability.setup.channels import FULL_PERMILLE, Purpose
from availability.setup.settings import FIELDS, Backorders, Effective, Level


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
    case = OfferContext(market, stock, channel_id, now_seconds)
    settings, preorder = case.settings, case.preorder
    waterfall = Waterfall(settings)
    located = _pool(case, waterfall)
    net_units = _promised(case, waterfall)
    _allocation(case, waterfall)
    _out_of_stock_threshold(case, waterfall, net_units)
    waterfall.keep(Rule.DEFICIT, max(0, waterfall.units))
    if case.known or not case.needs_stock:
        waterfall.keep(Rule.UNKNOWN)
    else:
        net_units = settings.floor_units
        if case.own is not None:
            net_units = min(net_units, case.own.remaining_units)
        waterfall.replace(Rule.UNKNOWN, net_units, "floor_units")
    _channel(case, waterfall)
    from_stock = preorder is None and case.fixed_units is None
    net_units = net_units if from_stock else None
    shown_units = waterfall.reach_units
    _availability_threshold(case, waterfall)
    quantity_units = waterfall.reach_units
    offer = Offer(
        channel_id,
        stock.sku,
        tuple(waterfall.steps),
        status=_status(quantity_units, net_units, case),
        published=(case.known or not case.needs_stock or not from_stock)
        and (
            preorder is not None
            or shown_units is None
            or shown_units >= settings.publication_threshold_units
        ),
        known=case.known,
        fixed=case.fixed_units is not None,
        declared=not case.known
        and (
            not from_stock
            or not case.needs_stock
            or settings.level("floor_units") is not Level.DEFAULT
        ),
        net_units=net_units,
        max_orderable_units=max_orderable(quantity_units, settings),
        single_location_units=_single_location(case, located, quantity_units),
        available_from_seconds=_available_from(
            case, located, net_units, nothing=quantity_units == 0
        ),
        backorder_notice=settings.backorders is Backorders.ALLOW_AND_NOTIFY
        and net_units is not None
        and (quantity_units is None or quantity_units > max(0, net_units)),
        low_stock_ids=_low_stock(case),
        settings=settings,
        as_of=stock.version,
    )
    return offer, located if settings.managed else None


def sells_all_stock(settings: Effective) -> bool:
    """Tell whether the steps after the reserves leave any known number as it is."""
    return _changing_values(settings) == _CHANGING_NOTHING


def _pool(case: OfferContext, waterfall: Waterfall) -> dict[LocationId, int]:
    """Steps 1 and 2: what the rules let through, by location.

    Floored at each location, so that one location's deficit never eats another's
    units. What is filtered goes before the share, the share before the threshold,
    the threshold before the count of locations (A6, the flow chart's order).
    """
    if not case.settings.managed:
        waterfall.to(Rule.STOCK, 0, "managed", unlimited=True)
        for step in _RULE_STEPS:
            waterfall.keep(step)
        return {}
    units = {
        each.location_id: each.available if each.location_id in case.active else 0
        for each in case.fresh
    }
    waterfall.to(Rule.STOCK, sum(units.values()))
    rules = case.channel.ranked_rules
    owner = {location: rules[case.pool[location]] for location in units}

    units = {at: n if owner[at].within_bounds(n) else 0 for at, n in units.items()}
    waterfall.to(Rule.RULE_BOUNDS, sum(units.values()))

    units = {
        at: n * owner[at].share_permille // FULL_PERMILLE for at, n in units.items()
    }
    waterfall.to(Rule.RULE_SHARE, sum(units.values()))

    for index, rule in enumerate(rules):
        mine = [at for at in units if case.pool[at] == index]
        if sum(units[at] for at in mine) < rule.threshold_units:
            units.update(dict.fromkeys(mine, 0))
    waterfall.to(Rule.RULE_THRESHOLD, sum(units.values()))

    for index, rule in enumerate(rules):
        mine = [at for at in units if case.pool[at] == index]
        if sum(units[at] > 0 for at in mine) < rule.min_locations:
            units.update(dict.fromkeys(mine, 0))
    waterfall.to(Rule.RULE_LOCATIONS, sum(units.values()))
    return units


_CHANGE_NO_NUMBER = {
    "low_units",
    "notify_units",
    "publication_threshold_units",
    *LIMIT_FIELDS.values(),
}
"""Settings that describe an offer or bound one order."""
_changing_values = attrgetter(*sorted({*FIELDS} - _CHANGE_NO_NUMBER))
_CHANGING_NOTHING = _changing_values(Effective())

_RULE_STEPS = (
    Rule.RULE_BOUNDS,
    Rule.RULE_SHARE,
    Rule.RULE_THRESHOLD,
    Rule.RULE_LOCATIONS,
)


def _promised(case: OfferContext, waterfall: Waterfall) -> int | None:
    """Steps 3 and 4: what is there for this channel, None if unlimited.

    Below 0 if more is queued than is there; reserves take no more than there is.
    Of reserves that compete with this channel's own, those after it wait.
    """
    queued_units = held_units = 0
    if case.settings.managed:
        for channel_id, units in case.stock.queued_units.items():
            queued_units += units if channel_id in case.sharing else 0
        for each in case.allocations:
            if each is case.own and each.purpose is Purpose.RESERVE:
                break
            shares = not each.channel_ids or not each.channel_ids.isdisjoint(
                case.sharing
            )
            others = case.channel_id not in each.channel_ids
            if each.purpose is Purpose.RESERVE and others and shares:
                held_units += each.remaining_units
    waterfall.keep(Rule.QUEUED, waterfall.units - queued_units)
    held_units = min(held_units, max(0, waterfall.units))
    waterfall.keep(Rule.RESERVES, waterfall.units - held_units)
    return waterfall.reach_units


def _allocation(case: OfferContext, waterfall: Waterfall) -> None:
    """Step 4: a channel with an allocation is shown that, and no more (B2)."""
    own = case.own
    if own is None:
        waterfall.keep(Rule.ALLOCATION)
    elif case.follows or waterfall.unlimited:
        waterfall.replace(Rule.ALLOCATION, own.remaining_units)
    else:
        there_units = max(0, waterfall.units)
        waterfall.to(Rule.ALLOCATION, min(own.remaining_units, there_units))


def _out_of_stock_threshold(
    case: OfferContext, waterfall: Waterfall, net_units: int | None
) -> None:
    """Step 5: salable = net - T, unlimited where nothing bounds backorders (D2).

    Backorders never widen an allocation: what `follow` sells beyond the stock are
    the backorders. Units kept back are the pool's: they cut an allocation only when
    they are needed for it.
    """
    name = "out_of_stock_threshold_units"
    threshold = case.settings.out_of_stock_units
    if waterfall.unlimited or case.follows or net_units is None:
        waterfall.keep(Rule.OUT_OF_STOCK_THRESHOLD)
    elif case.own is not None:
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


def _channel(case: OfferContext, waterfall: Waterfall) -> None:
    """Steps 6 and 7: before the release; then what the channel is sent.

    A fixed quantity is what the channel is sent: no share or buffer of it. Neither
    it nor a pre-order opens a sale that was stopped.
    """
    settings = case.settings
    if case.preorder is None:
        waterfall.keep(Rule.PREORDER)
    else:
        left_units = case.preorder.left_units
        if case.own is not None:
            left_units = min(left_units, case.own.remaining_units)
        waterfall.replace(Rule.PREORDER, left_units, "preorders")
    if case.fixed_units is not None:
        waterfall.replace(Rule.FIXED, case.fixed_units, "fixed_units")
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


def _availability_threshold(case: OfferContext, waterfall: Waterfall) -> None:
    """Step 8: unavailable iff q < threshold (A4); not before a release."""
    threshold = case.settings.availability_threshold_units
    below = not waterfall.unlimited and waterfall.units < threshold
    if below and case.preorder is None:
        waterfall.to(Rule.AVAILABILITY_THRESHOLD, 0, "availability_threshold_units")
    else:
        waterfall.keep(Rule.AVAILABILITY_THRESHOLD, name="availability_threshold_units")


def _status(
    quantity_units: int | None, net_units: int | None, case: OfferContext
) -> Status:
    if quantity_units == 0:
        return Status.UNAVAILABLE
    if case.preorder is not None:
        return Status.PREORDER
    if net_units is not None and net_units <= 0:
        return Status.BACKORDER
    if quantity_units is not None and quantity_units <= case.settings.low_units:
        return Status.LOW
    return Status.AVAILABLE


def _single_location(
    case: OfferContext, located: Mapping[LocationId, int], quantity_units: int | None
) -> int | None:
    """Return the most that one location can ship, within the quantity (A7)."""
    if not case.settings.managed:
        return quantity_units
    most_units = max(located.values(), default=0)
    return most_units if quantity_units is None else min(most_units, quantity_units)


def _available_from(
    case: OfferContext,
    located: Mapping[LocationId, int],
    net_units: int | None,
    *,
    nothing: bool,
) -> int | None:
    """Return the release, when there is some, or when what is there can leave.

    With ``nothing`` for sale, what is there does not leave for the channel.
    """
    if case.preorder is not None:
        return case.preorder.release_seconds
    known = case.known or not case.needs_stock
    if net_units is None or case.stopped or not known:
        return None
    if net_units > 0:
        return None if case.follows or nothing else _leaves_from(case, located)
    # What is expected first covers the queue, and then one more.
    for each in sorted(case.stock.supplies, key=lambda it: it.available_from_seconds):
        at = each.location_id
        late = each.available_from_seconds <= case.now_seconds
        if at in case.pool and at in case.active and not late:
            net_units += each.quantity_units
            if net_units > 0:
                return each.available_from_seconds
    return None


def _leaves_from(case: OfferContext, located: Mapping[LocationId, int]) -> int | None:
    """Return when the first of it can leave, None if some of it can at once."""
    minutes = [
        case.lead_time_minutes.get(at, 0) for at, units in located.items() if units > 0
    ]
    soonest = min(minutes, default=0)
    return case.now_seconds + 60 * soonest if soonest > 0 else None


def _low_stock(case: OfferContext) -> tuple[LocationId, ...]:
    """Return where the physical count is below the notice (D3: strict)."""
    return tuple(
        each.location_id
        for each in case.fresh
        if case.settings.managed
        and each.location_id in case.active
        and each.on_hand < case.settings.notify_units
    )
