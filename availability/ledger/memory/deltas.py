"""What a commit adds to the mirror."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from availability.model import LocationId
from availability.positions import Counts
from availability.reservations import Reservation


class UnitsDelta(NamedTuple):
    """What may still be promised of one record, signed.

    ``left`` is on_hand - allocated - held - withdrawn - safety_stock;
    ``counted_seconds`` since the epoch is when it was counted, 0 if never, None if
    that did not change.
    """

    sku: str
    location_key: int
    left: int
    counted_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class DayLoad:
    """What a location was given on one day."""

    orders: int = 0
    units: int = 0


Added = Mapping[tuple[str, str], Counts]
"""What was added to the counts, by (channel, SKU)."""


Loads = Mapping[tuple[int, LocationId], DayLoad]
"""What locations were given, by UTC day."""


def bought_by(reservation: Reservation) -> dict[str, int]:
    """Return the units of stock that each line of a reservation is promised."""
    units: dict[str, int] = {}
    for claim in reservation.claims:
        units[claim.line_id] = units.get(claim.line_id, 0) + claim.quantity
    for each in reservation.queued:
        units[each.line_id] = units.get(each.line_id, 0) + each.quantity
    return units
