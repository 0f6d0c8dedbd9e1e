"""Units of an order's lines, and the stock units they are made of.

A kit's line is counted in kits and its stock in components: what a plan assigns is
the one, what a reservation holds the other.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import NamedTuple

from availability.model import LocationId, Sku
from availability.reservations import Claim, Holding, Queued, ReservationRecord
from router.model import Assignment, Order, OrderLine


class LineUnits(NamedTuple):
    """Units of one line at one location; kits, for a kit."""

    line_id: str
    location_id: LocationId
    quantity: int


At = tuple[str, LocationId]
"""A line and a location."""
Counts = Mapping[At, int]
"""Units of lines, by line and location."""


def parts_of(line: OrderLine) -> tuple[tuple[Sku, int], ...]:
    """Return the SKUs of a line, each with its units in one unit of the line."""
    if line.components:
        return tuple([(part.sku, part.quantity) for part in line.components])
    return ((line.sku, 1),)


def claims(order: Order, units: Iterable[Assignment | LineUnits]) -> tuple[Claim, ...]:
    """Return the stock that units of lines are, as a `Reservation` wants it.

    Each line has a claim of its own; a kit's has one for each component.
    """
    lines = {line.line_id: line for line in order.lines}
    found = [
        Claim(
            each.location_id,
            sku,
            line_id=each.line_id,
            quantity=per_unit * each.quantity,
        )
        for each in units
        for sku, per_unit in parts_of(lines[each.line_id])
    ]
    found.sort(key=attrgetter("location_id", "sku", "line_id"))
    return tuple(found)


def queue_of(order: Order, units: Mapping[str, int]) -> tuple[Queued, ...]:
    """Return what units of lines, by line, are when no location has them."""
    return tuple(
        Queued(order.channel_id, sku, line.line_id, per_unit * units[line.line_id])
        for line in order.lines
        if units.get(line.line_id)
        for sku, per_unit in parts_of(line)
    )


class HeldUnits(NamedTuple):
    """What a reservation holds of an order, in units of its lines.

    ``open`` and ``shipped`` are by line and location, ``queued`` and ``unassigned``
    by line; what is 0 is left out.
    """

    open: Counts
    shipped: Counts
    queued: Mapping[str, int]
    unassigned: Mapping[str, int]

    @property
    def placed(self) -> dict[At, int]:
        """Units at locations: open and shipped together."""
        return added(self.open, self.shipped)

    def open_of(self, line_id: str) -> int:
        """Units of a line that have not ended, wherever they are."""
        here = sum(units for at, units in self.open.items() if at[0] == line_id)
        return here + self.queued.get(line_id, 0) + self.unassigned.get(line_id, 0)


def held_units(order: Order, record: ReservationRecord) -> HeldUnits:
    """Return what a reservation holds of its order, as it is wanted now."""
    places: dict[tuple[str, str], dict[str, Holding]] = defaultdict(dict)
    for each in record.holdings:
        places[each.line_id, each.location_id][each.sku] = each
    lines = {line.line_id: line for line in order.lines}
    opened: dict[At, int] = {}
    shipped: dict[At, int] = {}
    queued: dict[str, int] = {}
    for (line_id, at), holdings in places.items():
        line = lines.get(line_id)
        if line is None:
            continue  # All of it was cancelled.
        left = _units(line, {sku: each.open for sku, each in holdings.items()})
        gone = _units(line, {sku: each.shipped for sku, each in holdings.items()})
        if not at and left:
            queued[line_id] = left
        if at and left:
            opened[line_id, LocationId(at)] = left
        if at and gone:
            shipped[line_id, LocationId(at)] = gone
    unassigned = {line.line_id: line.quantity for line in order.lines}
    for counts in (opened, shipped):
        for (line_id, _), units in counts.items():
            unassigned[line_id] -= units
    for line_id, units in queued.items():
        unassigned[line_id] -= units
    left_over = {line_id: units for line_id, units in unassigned.items() if units > 0}
    return HeldUnits(opened, shipped, queued, left_over)


def _units(line: OrderLine, held: Mapping[str, int]) -> int:
    """Return how many units of a line stock units make."""
    return min(held.get(sku, 0) // per_unit for sku, per_unit in parts_of(line))


def added(*counts: Counts) -> dict[At, int]:
    """Add up counts."""
    total: dict[At, int] = defaultdict(int)
    for each in counts:
        for at, units in each.items():
            total[at] += units
    return dict(total)


def less(counts: Counts, taken: Counts) -> dict[At, int]:
    """Subtract counts; what comes to nothing is left out."""
    left = {at: units - taken.get(at, 0) for at, units in counts.items()}
    return {at: units for at, units in left.items() if units > 0}


def as_units(counts: Counts) -> tuple[LineUnits, ...]:
    """Return counts one by one, in the order of line and location."""
    return tuple(LineUnits(*at, units) for at, units in sorted(counts.items()))
