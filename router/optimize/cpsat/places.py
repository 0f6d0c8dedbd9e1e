"""The objective ``primary``: the busiest location, then the next one, and so on."""

from collections.abc import Mapping
from dataclasses import dataclass

from router.optimize.cpsat.terms import ObjectiveLevel
from router.optimize.cpsat.variables import SourcingVariables, Variable, total


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceLevel(ObjectiveLevel):
    """Lines whole at the ``place``-th busiest location, and line units there.

    One number for both, ``weight * lines + units`` with ``units < weight``; it is
    maximised, and so ``expr`` is its negative.
    """

    place: int
    weight: int

    @property
    def _names(self) -> tuple[str, str]:
        return f"primary.{self.place}.lines", f"primary.{self.place}.units"

    def measure(self, worth: Mapping[str, int]) -> int:
        """Return ``expr`` of a plan, 0 if it uses fewer locations."""
        lines, units = (worth.get(name, 0) for name in self._names)
        return -(self.weight * lines + units)

    def bounds(self, least: int, worth: Mapping[str, int]) -> dict[str, int]:
        """Return the bounds by score name that ``expr >= least`` means.

        As good in lines as the plan, another has for units what is left of the
        number.
        """
        lines, units = self._names
        if lines not in worth:
            return {}
        left = -least - self.weight * worth[lines]
        return {lines: -least // self.weight, units: min(left, self.weight - 1)}


class LocationRanking:
    """Which location is the busiest, which the second busiest, and so on.

    The j-th number is at most what j locations have: maximised in turn, they are
    the numbers of all locations, greatest first. Who is at which place is not
    asked, so that no search is wasted on telling equal locations apart.
    """

    def __init__(self, variables: SourcingVariables) -> None:
        self._vars = variables
        units_at = {
            n: sum(int(variables.most[line, n]) for line in lines)
            for n, lines in variables.lines_of.items()
        }
        self._weight = 1 + max(units_at.values(), default=0)
        self._most = {
            n: units_at[n] + self._weight * len(lines)
            for n, lines in variables.lines_of.items()
        }
        self._busy: dict[int, Variable] = {}
        self._numbers: list[Variable] = []

    def __len__(self) -> int:
        """Return how many places there are already."""
        return len(self._numbers)

    def level(self, place: int, until: int) -> PlaceLevel:
        """Return the level of a place, counted from 1.

        Where there are none yet, all places up to ``until`` are made together.
        """
        if len(self) < place:
            self._add_places(until - len(self))
        most = max(self._most.values(), default=0)
        return PlaceLevel(
            variables=[self._numbers[place - 1]],
            coefficients=[-1],
            low=-most,
            high=0,
            reach=most,
            place=place,
            weight=self._weight,
        )

    def _add_places(self, count: int) -> None:
        if not self._busy:
            for n in self._vars.used:
                self._busy[n] = self._business(n)
        model = self._vars.model
        for _ in range(count):
            number = model.new_int_var(0, max(self._most.values(), default=0), "")
            self._numbers.append(number)
            as_busy = {n: model.new_bool_var("") for n in self._vars.used}
            model.add(total(list(as_busy.values())) == len(self))
            for n, literal in as_busy.items():
                model.add(number <= self._busy[n]).only_enforce_if(literal)

    def _business(self, location: int) -> Variable:
        """Return ``weight * lines + units`` of a location."""
        lines = self._vars.lines_of[location]
        whole = [self._whole(location, line) for line in lines]
        units = [self._vars.units[location, line] for line in lines]
        return self._weight * total(whole) + total(units)

    def _whole(self, location: int, line: int) -> Variable:
        """Return a literal that can be 1 if a location ships all that ships of a line.

        That is where the location ships it and the line is not split.
        """
        model, ships = self._vars.model, self._vars.ships[location, line]
        split = self._vars.split_of(line)
        if split is None:
            return ships
        whole = model.new_bool_var("")
        model.add_implication(whole, ships)
        model.add_implication(whole, ~split)
        return whole
