"""The objectives that add up figures of origins and of units: one row each.

A row says where the figures stand in a problem; `router.optimize.score` values a
plan with it, the model of record and the proofs model it, and
`router.planning.shipment_reasons` explains it. What fills the problem's arrays is
`router.planning.objective_data`.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from availability.model import IntArray
from router.model import Term
from router.optimize.problem import Piece, SourcingProblem

_Figures = Callable[[SourcingProblem], IntArray | None]


class OriginTerm(NamedTuple):
    """A sum over the used origins, and for some over the units shipped too.

    Parameters
    ----------
    best
        What a sentence calls the location with the least: "the nearest".
    of_origins
        The ``(O,)`` figures of origins; None: all zero.
    of_units
        The ``(N,)`` figures of a line unit from each location, likewise. A term
        without such figures has no function.
    """

    best: str
    of_origins: _Figures
    of_units: _Figures | None = None

    def units(self, problem: SourcingProblem) -> IntArray | None:
        """Return the ``(N,)`` figures of a line unit; None: all zero."""
        return None if self.of_units is None else self.of_units(problem)

    def value(
        self, problem: SourcingProblem, origins: Iterable[int], pieces: Iterable[Piece]
    ) -> int:
        """Return what a plan is worth: its origins and its pieces."""
        figures, unit = self.of_origins(problem), self.units(problem)
        total = 0
        if figures is not None:
            total = sum([int(figures[origin]) for origin in origins])
        if unit is not None:
            total += sum([int(unit[n]) * units for n, _, units in pieces])
        return total

    def alone(
        self, problem: SourcingProblem, locations: IntArray, units: int
    ) -> IntArray:
        """Return ``(m,)`` the value of shipping ``units`` from each location alone."""
        figures, unit = self.of_origins(problem), self.units(problem)
        values = np.zeros(len(locations), np.int64)
        if figures is not None:
            origin = problem.origin
            values += figures[locations if origin is None else origin[locations]]
        if unit is not None:
            values += unit[locations] * units
        return values

    def least(self, problem: SourcingProblem, units: int) -> int:
        """Return what no plan that ships ``units`` can beat."""
        figures, unit = self.of_origins(problem), self.units(problem)
        least = 0 if figures is None else int(figures.min())
        return least if unit is None else least + int(unit.min()) * units


ORIGIN_TERMS: Mapping[Term, OriginTerm] = MappingProxyType(
    {
        Term.DISTANCE_METERS: OriginTerm("nearest", lambda p: p.distance_meters),
        Term.COST_MICROS: OriginTerm(
            "cheapest", lambda p: p.shipment_cost_micros, lambda p: p.unit_cost_micros
        ),
        Term.LATENESS_MINUTES: OriginTerm("least late", lambda p: p.lateness_minutes),
        Term.WORKLOAD: OriginTerm("least busy", lambda p: p.workload),
    }
)
