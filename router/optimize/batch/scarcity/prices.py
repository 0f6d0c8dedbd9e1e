"""Prices of all that orders share: stock, and locations' capacities."""

from typing import NamedTuple

import numpy as np

from availability.model import IntArray
from router.optimize.batch.plans.greedy import Remaining
from router.optimize.batch.problem import BatchProblem
from router.optimize.batch.scarcity.peel import capped, fixed_of


class Room(NamedTuple):
    """What some orders share: ``stock`` ``(K, N)``, ``units`` and ``orders`` ``(N,)``.

    A capacity that cannot bind is None, or `UNLIMITED` where others can.
    """

    stock: IntArray
    units: IntArray | None
    orders: IntArray | None


class Prices(NamedTuple):
    """Of a unit of ``stock`` ``(K, N)``, of a unit and of a shipment from ``(N,)``.

    In 1 / `SCALE`; a capacity that cannot bind has the price 0.
    """

    stock: IntArray
    units: IntArray
    orders: IntArray

    def unit(self) -> IntArray:
        """Return ``(K, N)`` what a unit costs in all."""
        total: IntArray = self.stock + self.units
        return total

    def fixed(self, problem: BatchProblem) -> IntArray:
        """Return ``(N,)`` what a shipment costs in all."""
        total: IntArray = fixed_of(problem) + self.orders
        return total

    def towards(self, other: "Prices", part: int, whole: int) -> "Prices":
        """Return what is ``part / whole`` of the way from these to others."""
        pairs = zip(self, other, strict=True)
        return Prices(
            *(mine + (theirs - mine) * part // whole for mine, theirs in pairs)
        )

    def paid(self, room: Room) -> int:
        """Return what all that is there would cost."""
        return sum(
            worth_of(price, there)
            for price, there in zip(self, room, strict=True)
            if there is not None
        )


def worth_of(price: IntArray, there: IntArray) -> int:
    """Return what all that is there costs, in integers that cannot wrap."""
    at = np.nonzero(price)
    pairs = zip(price[at].tolist(), there[at].tolist(), strict=True)
    return sum(each * units for each, units in pairs)


def nothing(shape: tuple[int, int]) -> Prices:
    """Return prices of 0 for ``(K, N)``."""
    flat = np.zeros(shape[1], dtype=np.int64)
    return Prices(np.zeros(shape, dtype=np.int64), flat, flat)


def room_of(problem: BatchProblem, remaining: Remaining) -> Room:
    """Return a copy of what is left."""
    some = bool(capped(problem).any())
    units, orders = remaining.left_units, remaining.left_orders
    return Room(
        remaining.stock.copy(),
        units.copy() if some and units is not None else None,
        orders.copy() if some and orders is not None else None,
    )
