"""Adds plans to an outcome, one order at a time, without keeping the orders."""

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import NamedTuple

from router.model import RoutingPlan
from router.report.model import Count, LocationLoad, RoutingOutcome

_DIGEST_BYTES = 8
"""Two ways to ship one order collide once in 2^64."""
_NOTHING: Mapping[str, int] = {}


class ShippedUnits(NamedTuple):
    """Units of one line from one location, which ships from ``origin``."""

    line_id: str
    origin: str
    location_id: str
    units: int


class Tally:
    """Adds up plans; keeps nine bytes of each order, to compare outcomes.

    Outcomes are comparable when the same orders were added in the same order.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._orders_by_shipments: Counter[int] = Counter()
        self._orders_at: Counter[str] = Counter()
        self._units_at: Counter[str] = Counter()
        self._unassigned: Counter[str] = Counter()
        self._split_lines = 0
        self._assigned_units = 0
        self._unassigned_units = 0
        self._refused_orders = 0
        self._unproven_orders = 0
        self._complete = bytearray()
        self._ways = array("Q")

    def add(
        self,
        pieces: Iterable[ShippedUnits],
        unassigned_units: int = 0,
        reasons: Mapping[str, int] = _NOTHING,
        *,
        proven: bool = True,
    ) -> None:
        """Add the next order: its pieces, and its unassigned units.

        ``reasons`` has the unassigned units by reason, as far as it is known.
        """
        pieces = sorted(pieces)
        places = {(each.line_id, each.location_id) for each in pieces}
        lines = Counter(line_id for line_id, _ in places)
        self._split_lines += sum(count > 1 for count in lines.values())
        self._orders_by_shipments[len({each.origin for each in pieces})] += 1
        self._orders_at.update({location_id for _, location_id in places})
        for each in pieces:
            self._units_at[each.location_id] += each.units
            self._assigned_units += each.units
        self._unassigned_units += unassigned_units
        self._unassigned.update(reasons)
        self._unproven_orders += not proven
        self._complete.append(not unassigned_units)
        way = repr([tuple(each) for each in pieces]).encode()
        digest = blake2b(way, digest_size=_DIGEST_BYTES).digest()
        self._ways.append(int.from_bytes(digest, "big"))

    def add_plan(self, plan: RoutingPlan) -> None:
        """Add the next order by its plan."""
        origins = [each.origin_id for each in plan.shipments]
        reasons: Counter[str] = Counter()
        for missing in plan.unassigned:
            reasons[missing.reason.value] += missing.quantity
        self.add(
            (
                ShippedUnits(
                    each.line_id,
                    origins[each.shipment],
                    each.location_id,
                    each.quantity,
                )
                for each in plan.assignments
            ),
            reasons.total(),
            reasons,
            proven=plan.proven,
        )

    def add_refused(self, units: int, reasons: Mapping[str, int]) -> None:
        """Add the next order, which is refused with all its units."""
        self.add((), units, reasons)
        self._refused_orders += 1

    def outcome(self, base: "Tally | None" = None) -> RoutingOutcome:
        """Return what was added up, compared with another tally of the same orders.

        Raises
        ------
        ValueError
            The other is of another number of orders.
        """
        changes = (0, 0, 0) if base is None else _changes(base, self)
        spread = self._orders_by_shipments
        counts = [spread[n] for n in range(max(spread, default=-1) + 1)]
        return RoutingOutcome(
            name=self._name,
            orders=sum(counts),
            complete_orders=sum(self._complete),
            shipments=sum(n * orders for n, orders in enumerate(counts)),
            split_orders=sum(counts[2:]),
            split_lines=self._split_lines,
            assigned_units=self._assigned_units,
            unassigned_units=self._unassigned_units,
            shipments_per_order=tuple(counts),
            loads=tuple(
                LocationLoad(name, self._orders_at[name], self._units_at[name])
                for name in sorted(self._orders_at)
            ),
            unassigned=tuple(
                Count(reason, units)
                for reason, units in sorted(self._unassigned.items())
            ),
            refused_orders=self._refused_orders,
            unproven_orders=self._unproven_orders,
            moved_orders=changes[0],
            gained_orders=changes[1],
            lost_orders=changes[2],
        )


def _changes(base: Tally, other: Tally) -> tuple[int, int, int]:
    """Return the orders moved, gained and lost from one to the other."""
    before, after = base._complete, other._complete
    if len(before) != len(after):
        raise ValueError(f"tallies of {len(before)} and {len(after)} orders")
    moved = sum(a != b for a, b in zip(base._ways, other._ways, strict=True))
    gained = sum(b > a for a, b in zip(before, after, strict=True))
    lost = sum(a > b for a, b in zip(before, after, strict=True))
    return moved, gained, lost
