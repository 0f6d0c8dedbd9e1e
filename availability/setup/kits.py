"""Kits over shared components: how many could be put together, and where.

All quantities are units of components as the channel may be promised them; what is
unlimited sets no bound.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from availability.model import IntArray, Sku
from availability.offers.bulk.arrays import UNLIMITED


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


def required(lines: Iterable[tuple[Kit, int]]) -> dict[Sku, int]:
    """Return the units of each SKU that so many of each kit take together.

    A SKU sold by itself is a kit of one. Whoever judges line by line grants the
    same units twice: the sum is what must be there.
    """
    units: dict[Sku, int] = {}
    for kit, count in lines:
        for each in kit:
            units[each.sku] = units.get(each.sku, 0) + each.quantity_units * count
    return units


def missing(
    lines: Iterable[tuple[Kit, int]], quantity_units: Mapping[Sku, int | None]
) -> dict[Sku, int]:
    """Return by how many units of which SKU lines that share components fall short.

    ``quantity_units`` None is unlimited; a SKU that is not in it has none.
    """
    short = {}
    for sku, units in required(lines).items():
        there = quantity_units.get(sku, 0)
        if there is not None and units > there:
            short[sku] = units - there
    return short


def kit_quantity(
    kit: Kit,
    quantity_units: Mapping[Sku, int | None],
    located_units: Mapping[Sku, Mapping[str, int]] | None = None,
) -> int | None:
    """Return how many kits may be promised, None for no bound.

    Where a kit may be split over locations, the least over its components of what
    may be promised of each; with ``located_units`` (by SKU and location), it leaves
    from one location: no more than the sum over locations of what each can put
    together. A component that is unlimited, and not in ``located_units``, is
    wherever it is needed.
    """
    units = required([(kit, 1)])
    pooled = [
        there // units[sku]
        for sku in units
        if (there := quantity_units.get(sku, 0)) is not None
    ]
    if located_units is not None:
        tied = [
            sku
            for sku in units
            if sku in located_units or quantity_units.get(sku, 0) is not None
        ]
        places = {at for sku in tied for at in located_units.get(sku, {})}
        if tied:
            pooled.append(
                sum(
                    min(located_units.get(s, {}).get(at, 0) // units[s] for s in tied)
                    for at in places
                )
            )
    return min(pooled, default=None)


def kit_quantities(
    starts: IntArray, skus: IntArray, units: IntArray, quantity_units: IntArray
) -> IntArray:
    """Return how many of each kit may be promised, split over locations if need be.

    Parameters
    ----------
    starts, skus, units
        The components of kit ``k`` are at ``starts[k]`` up to ``starts[k + 1]``:
        places in ``quantity_units``, and units of each in one kit. Each SKU once
        in a kit, and at least one.
    quantity_units
        (C, S), UNLIMITED where nothing bounds it: `Offers.quantity_units`.

    Returns
    -------
    IntArray
        (C, kits), UNLIMITED where no component bounds it.
    """
    most = np.iinfo(np.int64).max
    there = quantity_units[:, skus]
    kits = np.where(there == UNLIMITED, most, there // units)
    if len(starts) < 2:
        return np.zeros((len(quantity_units), 0), np.int64)
    least = np.minimum.reduceat(kits, starts[:-1], axis=1)
    return np.where(least == most, UNLIMITED, least)


def kit_units_at_one_location(located_units: IntArray, units: IntArray) -> IntArray:
    """Return how many kits each location can put together: (L,).

    ``located_units`` is (components, L), ``units`` (components,) in one kit. Their
    sum is the most that may be promised where a kit leaves from one location.
    """
    kits: IntArray = (located_units // units[:, None]).min(axis=0)
    return kits
