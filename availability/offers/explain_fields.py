"""The fields of an offer that follow from its number; specification, like `explain`."""

from collections.abc import Mapping

from availability.model import LocationId
from availability.offers.market import OfferContext, expected_receipts
from availability.offers.offer import Status


def status_of(
    quantity_units: int | None, net_units: int | None, context: OfferContext
) -> Status:
    """Return what a customer is shown in place of a number."""
    if quantity_units == 0:
        return Status.UNAVAILABLE
    if context.preorder is not None:
        return Status.PREORDER
    if net_units is not None and net_units <= 0:
        return Status.BACKORDER
    if quantity_units is not None and quantity_units <= context.settings.low_units:
        return Status.LOW
    return Status.AVAILABLE


def single_location(
    context: OfferContext, located: Mapping[LocationId, int], quantity_units: int | None
) -> int | None:
    """Return the most that one location can ship, within the quantity (A7)."""
    if not context.settings.managed:
        return quantity_units
    most_units = max(located.values(), default=0)
    return most_units if quantity_units is None else min(most_units, quantity_units)


def available_from(
    context: OfferContext,
    located: Mapping[LocationId, int],
    net_units: int | None,
    *,
    nothing: bool,
) -> int | None:
    """Return the release, the first receipt that leaves some, or the end of lead time.

    With ``nothing`` for sale, no stock leaves for the channel.
    """
    if context.preorder is not None:
        return context.preorder.release_seconds
    known = context.known or not context.needs_stock
    if net_units is None or context.stopped or not known:
        return None
    if net_units > 0:
        return None if context.follows or nothing else _leaves_from(context, located)
    # Receipts cover the queue first, then one more unit.
    feeding = context.pool.keys() & context.active
    for each in expected_receipts(context.stock.supplies, feeding, context.now_seconds):
        net_units += each.quantity_units
        if net_units > 0:
            return each.available_from_seconds
    return None


def _leaves_from(
    context: OfferContext, located: Mapping[LocationId, int]
) -> int | None:
    """Return when the first units can leave, None if some can at once."""
    minutes = [
        context.lead_time_minutes.get(at, 0)
        for at, units in located.items()
        if units > 0
    ]
    soonest = min(minutes, default=0)
    return context.now_seconds + 60 * soonest if soonest > 0 else None


def low_stock(context: OfferContext) -> tuple[LocationId, ...]:
    """Return where the physical count is below the notice (D3: strict)."""
    return tuple(
        each.location_id
        for each in context.fresh
        if context.settings.managed
        and each.location_id in context.active
        and each.on_hand < context.settings.notify_units
    )
