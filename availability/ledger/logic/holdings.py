"""What a plan holds, added up from its movements."""

from collections.abc import Iterable
from typing import NamedTuple

from availability.model import LocationId, Sku
from availability.reservations import (
    Cause,
    Holding,
    Movement,
    ReservationState,
)

State = ReservationState

_COLUMN = {
    Cause.SHIPPED: "shipped",
    Cause.CANCELLED: "cancelled",
    Cause.REJECTED: "rejected",
    Cause.EXPIRED: "expired",
    Cause.REROUTED: "moved",
    Cause.REPAIRED: "cancelled",
}
"""Where a holding counts units that end for a cause."""


class Sum(NamedTuple):
    """What one plan's movements of one cause add up to, for one line at one place.

    ``units`` are of ``allocated + held + queued``.
    """

    location_id: str
    channel_id: str
    sku: str
    line_id: str
    cause: Cause
    units: int


def holdings_of(
    sums: Iterable[Sum], before: Iterable[Holding] = ()
) -> tuple[Holding, ...]:
    """Return the holdings after movements, in the order of (SKU, place, line)."""
    found = {
        (each.location_id, each.channel_id, each.sku, each.line_id): each
        for each in before
    }
    for at, channel_id, sku, line_id, cause, units in sums:
        if not units:
            continue
        place = (LocationId(at), channel_id, Sku(sku), line_id)
        holding = found.get(place) or Holding(*place, open=0)
        holding = holding._replace(open=holding.open + units)
        column = _COLUMN.get(cause)
        if column is not None:
            holding = holding._replace(**{column: getattr(holding, column) - units})
        found[place] = holding
    return tuple(sorted(found.values(), key=_order))


def _order(each: Holding) -> tuple[str, ...]:
    return (each.sku, each.location_id, each.line_id, each.channel_id)


def sums_of(movements: Iterable[Movement]) -> Iterable[Sum]:
    """Return what each movement adds to a holding."""
    for each in movements:
        units = each.allocated + each.held + each.queued
        place = (each.location_id, each.channel_id, each.sku, each.line_id)
        yield Sum(*place, each.cause, units)


def final_state(holdings: Iterable[Holding]) -> State:
    """Return how a reservation with nothing open ended."""
    ends = set()
    for each in holdings:
        for state in (State.SHIPPED, State.CANCELLED, State.EXPIRED, State.REJECTED):
            if getattr(each, state.value):
                ends.add(state)
    for state in (State.SHIPPED, State.CANCELLED, State.EXPIRED, State.REJECTED):
        if state in ends:
            return state
    return State.NONE
