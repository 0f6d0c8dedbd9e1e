"""Kits over shared components: how many could be put together, and where.

All quantities are units of components that the channel may be promised.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from availability.model import LocationId, Sku


@dataclass(frozen=True, slots=True)
class Component:
    """Units of one SKU in one kit."""

    sku: Sku
    quantity_units: int

    def __post_init__(self) -> None:
        if self.quantity_units <= 0:
            raise ValueError(f"quantity must be positive, got {self.quantity_units}")


Kit = Sequence[Component]
"""Two lines of the same SKU are counted together."""


def required(kit: Kit) -> dict[Sku, int]:
    """Return the units of each SKU in one kit."""
    units: dict[Sku, int] = {}
    for each in kit:
        units[each.sku] = units.get(each.sku, 0) + each.quantity_units
    return units


def kit_quantity(kit: Kit, quantity_units: Mapping[Sku, int | None]) -> int | None:
    """Return how many kits may be promised, split over locations if need be.

    The least over the components of what may be promised of each. None is no bound; a
    SKU that is not in ``quantity_units`` has none.
    """
    return min(
        (
            there // units
            for sku, units in required(kit).items()
            if (there := quantity_units.get(sku, 0)) is not None
        ),
        default=None,
    )


def kits_by_location(
    kit: Kit, located_units: Mapping[Sku, Mapping[LocationId, int]]
) -> dict[LocationId, int] | None:
    """Return how many kits each location can put together by itself; None: any number.

    A component that is not in ``located_units`` is wherever it is needed.
    """
    tied = {sku: units for sku, units in required(kit).items() if sku in located_units}
    if not tied:
        return None
    places = dict.fromkeys(at for sku in tied for at in located_units[sku])
    return {
        at: min(located_units[sku].get(at, 0) // units for sku, units in tied.items())
        for at in places
    }
