"""What a plan is worth, as expressions over the variables of the model of record."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from availability.model import IntArray
from router.model import Objective, SplitRung, Term
from router.optimize.cpsat.variables import SourcingVariables, Variable, total
from router.optimize.origin_terms import ORIGIN_TERMS, OriginTerm
from router.optimize.problem import Piece

LOCATION_ORDER = "location order"
"""Name of the tie-break, which is not part of a plan's worth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveLevel:
    """One number that is minimised before the next.

    The solver sees ``expr``, the weighted sum of the variables, between ``low``
    and ``high`` in every plan; the value is ``base + step * expr``. ``reach`` bounds
    what the solver may meet on its way: the sum of ``|coefficient| * maximum``.
    The tie-break has no ``objective``.
    """

    variables: list[Variable]
    coefficients: list[int]
    low: int = 0
    high: int
    reach: int
    base: int = 0
    step: int = 1
    objective: Objective | None = None

    @property
    def name(self) -> str:
        """Name of the value among a plan's scores."""
        return self.objective.term.value if self.objective else LOCATION_ORDER

    @property
    def size(self) -> int:
        """How many values it can have."""
        return self.high - self.low + 1

    def measure(self, worth: Mapping[str, int]) -> int:
        """Return ``expr`` of a plan from its scores by name."""
        return (worth[self.name] - self.base) // self.step

    def bounds(self, least: int, worth: Mapping[str, int]) -> dict[str, int]:
        """Return what ``expr >= least`` means for the plan's scores, by name."""
        del worth
        return {self.name: self.base + self.step * least} if self.objective else {}

    def cap(self, best: int) -> int:
        """Return the worst ``expr`` that later levels may use."""
        if self.objective is None or not self.objective.tolerant:
            return best
        worst = self.objective.allowance(self.base + self.step * best)
        return min(self.high, (worst - self.base) // self.step)


def location_order(pieces: Iterable[Piece]) -> int:
    """Return the value of the tie-break: the sum of the locations of all units."""
    return sum(location * units for location, _, units in pieces)


class ObjectiveTerms:
    """Makes the levels of one model.

    What is known of all plans that are still wanted makes later levels narrower:
    ``shipped``, how many units they ship (None: it may differ), and ``shipments``,
    the most origins they use.
    """

    def __init__(self, variables: SourcingVariables) -> None:
        self._vars = variables
        self._problem = variables.problem
        self._made: dict[Term, Variable] = {}
        self.units_most = sum(
            min(demand, int(row.sum()))
            for demand, row in zip(self._problem.demand, variables.most, strict=True)
        )
        self.shipped: int | None = None
        self.shipments = min(
            self._problem.max_shipments or self.units_most,
            len(variables.shipment),
            self.units_most,
        )

    @property
    def places(self) -> int:
        """The most locations that a plan uses."""
        if self._problem.split_rung is SplitRung.NO_SPLIT:
            return min(1, len(self._vars.used))
        sizes = sorted(map(len, self._vars.locations_at.values()), reverse=True)
        return min(sum(sizes[: self.shipments]), self.units_most)

    def of(self, objective: Objective) -> ObjectiveLevel:
        """Return the level of any objective but primary."""
        summed = ORIGIN_TERMS.get(objective.term)
        if summed is not None:
            return self._over_origins(summed, objective)
        return LEVELS[objective.term](self, objective)

    def location_order(self) -> ObjectiveLevel:
        """Return the level of the tie-break."""
        cells = list(self._vars.units)
        return ObjectiveLevel(
            variables=list(self._vars.units.values()),
            coefficients=[n for n, _ in cells],
            high=max((n for n, _ in cells), default=0) * self.units_most,
            reach=sum(n * self._most(n, line) for n, line in cells),
        )

    def _most(self, location: int, line: int) -> int:
        return int(self._vars.most[line, location])

    def _unassigned(self, objective: Objective) -> ObjectiveLevel:
        units = self._vars.units
        return ObjectiveLevel(
            variables=list(units.values()),
            coefficients=[-1] * len(units),
            low=-self.units_most,
            high=0,
            reach=int(self._vars.most.sum()),
            base=sum(self._problem.demand),
            objective=objective,
        )

    def _split_lines(self, objective: Objective) -> ObjectiveLevel:
        lines = range(len(self._problem.demand))
        split = [self._vars.split_of(line) for line in lines]
        return self._count([each for each in split if each is not None], objective)

    def _shipments(self, objective: Objective) -> ObjectiveLevel:
        origins = self._vars.shipment
        ones = dict.fromkeys(origins, 1)
        return self._sum(origins, ones, self.shipments, objective)

    def _rank(self, objective: Objective) -> ObjectiveLevel:
        place = {n: n + 1 for n in self._vars.used}
        return self._sum(self._vars.used, place, self.places, objective)

    def _incomplete(self, objective: Objective) -> ObjectiveLevel:
        """Return a literal that is 1 if a unit is missing."""
        if Term.INCOMPLETE_ORDERS not in self._made:
            model = self._vars.model
            literal = model.new_bool_var("")
            shipped = total(list(self._vars.units.values()))
            full = model.add(shipped >= sum(self._problem.demand))
            full.only_enforce_if(~literal)
            self._made[Term.INCOMPLETE_ORDERS] = literal
        return self._count([self._made[Term.INCOMPLETE_ORDERS]], objective)

    def _max_rank(self, objective: Objective) -> ObjectiveLevel:
        model = self._vars.model
        last = max(self._vars.used, default=-1) + 1
        if Term.MAX_RANK not in self._made:
            place = self._made[Term.MAX_RANK] = model.new_int_var(0, last, "")
            for n, used in self._vars.used.items():
                model.add(place >= (n + 1) * used)
        place = self._made[Term.MAX_RANK]
        return ObjectiveLevel(
            variables=[place],
            coefficients=[1],
            high=last,
            reach=last,
            objective=objective,
        )

    def _count(self, literals: list[Variable], objective: Objective) -> ObjectiveLevel:
        return self._sum(
            dict(enumerate(literals)),
            dict.fromkeys(range(len(literals)), 1),
            len(literals),
            objective,
        )

    def _sum(
        self,
        literals: Mapping[int, Variable],
        values: Mapping[int, int],
        most: int,
        objective: Objective,
    ) -> ObjectiveLevel:
        """Return the sum of the values of true literals, of which ``most`` are true."""
        return ObjectiveLevel(
            variables=list(literals.values()),
            coefficients=[values[key] for key in literals],
            high=sum_of_greatest(values.values(), most),
            reach=sum(values.values()),
            objective=objective,
        )

    def _over_origins(self, summed: OriginTerm, objective: Objective) -> ObjectiveLevel:
        shipment = _figures(self._vars.shipment, summed.of_origins(self._problem))
        if summed.of_units is None:
            return self._sum(self._vars.shipment, shipment, self.shipments, objective)
        unit = _figures(self._vars.used, summed.of_units(self._problem))
        return self._over_units(shipment, unit, objective)

    def _over_units(
        self, shipment: dict[int, int], unit: dict[int, int], objective: Objective
    ) -> ObjectiveLevel:
        """Return the cost as a multiple of what divides all costs.

        ``shipment`` is by origin, ``unit`` by location. Where it is known how many
        units ship, the least unit cost times their number is paid anyway, and only
        what is above it is minimised.
        """
        units, shipped = self._vars.units, self.shipped or 0
        least = 0 if self.shipped is None else min(unit.values(), default=0)
        step = math.gcd(*shipment.values(), *(c - least for c in unit.values())) or 1
        shipment = {origin: cost // step for origin, cost in shipment.items()}
        unit = {n: (cost - least) // step for n, cost in unit.items()}
        most_for_units = sum(
            demand * max((unit[n] for n in self._vars.locations_of[line]), default=0)
            for line, demand in enumerate(self._problem.demand)
        )
        return ObjectiveLevel(
            variables=[*self._vars.shipment.values(), *units.values()],
            coefficients=[*shipment.values(), *(unit[n] for n, _ in units)],
            high=sum_of_greatest(shipment.values(), self.shipments) + most_for_units,
            reach=sum(shipment.values())
            + sum(unit[n] * self._most(n, line) for n, line in units),
            base=least * shipped,
            step=step,
            objective=objective,
        )


LEVELS: Mapping[Term, Callable[[ObjectiveTerms, Objective], ObjectiveLevel]] = {
    Term.UNASSIGNED_UNITS: ObjectiveTerms._unassigned,
    Term.INCOMPLETE_ORDERS: ObjectiveTerms._incomplete,
    Term.SPLIT_LINES: ObjectiveTerms._split_lines,
    Term.SHIPMENTS: ObjectiveTerms._shipments,
    Term.RANK: ObjectiveTerms._rank,
    Term.MAX_RANK: ObjectiveTerms._max_rank,
}
"""What has no row in `ORIGIN_TERMS`. Primary is many levels: see `LocationRanking`."""


def _figures(keys: Iterable[int], values: IntArray | None) -> dict[int, int]:
    return {key: 0 if values is None else int(values[key]) for key in keys}


def sum_of_greatest(values: Iterable[int], count: int) -> int:
    """Return the sum of the ``count`` greatest values."""
    return sum(sorted(values, reverse=True)[:count])
