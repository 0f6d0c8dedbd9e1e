"""The hard limits of the model of record.

The numbers in the docstrings are those of docs/model.md.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence

from router.model import Incomplete, SplitRung
from router.optimize.cpsat.variables import (
    Cell,
    SourcingVariables,
    Variable,
    total,
    weighted,
)
from router.optimize.problem import HARD_LIMITS


class Limits:
    """States the limits of docs/model.md in the model, one by one."""

    def __init__(self, variables: SourcingVariables) -> None:
        self.vars = variables
        self.problem = variables.problem
        self.model = variables.model

    def add_limits(self) -> None:
        """Add all of them."""
        self._limit_demand()
        self._limit_stock()
        for limit in HARD_LIMITS:
            if limit.applies(self.problem):
                ROWS[limit.name](self)

    def _limit_demand(self) -> None:
        """1: no line ships more than its demand."""
        for line, demand in enumerate(self.problem.demand):
            cells = [(n, line) for n in self.vars.locations_of[line]]
            self._at_most(cells, [1] * len(cells), demand)

    def _limit_stock(self) -> None:
        """2: lines of the same SKU share a location's stock."""
        takers: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        for line, parts in enumerate(self.problem.bom):
            for sku, per_unit in parts:
                takers[sku][line] += per_unit
        for sku, per_unit_of in takers.items():
            if len(per_unit_of) < 2:
                continue
            for n, stock in enumerate(self.problem.available[sku].tolist()):
                cells = [(n, line) for line in per_unit_of if self.vars.most[line, n]]
                coefficients = [per_unit_of[line] for _, line in cells]
                self._at_most(cells, coefficients, stock)

    def _limit_capacity(self) -> None:
        """4: no location ships more units of stock than it may."""
        if self.problem.capacity_units is None:
            return
        sizes = [sum(units for _, units in parts) for parts in self.problem.bom]
        for n, lines in self.vars.lines_of.items():
            cells = [(n, line) for line in lines]
            capacity = int(self.problem.capacity_units[n])
            self._at_most(cells, [sizes[line] for line in lines], capacity)

    def _at_most(
        self, cells: Sequence[Cell], coefficients: Sequence[int], most: int
    ) -> None:
        """Bound a sum over cells, unless it is bounded already."""
        reach = sum(
            coefficient * int(self.vars.most[line, n])
            for (n, line), coefficient in zip(cells, coefficients, strict=True)
        )
        if reach > most:
            units = [self.vars.units[cell] for cell in cells]
            self.model.add(weighted(units, coefficients) <= most)

    def _limit_splits(self) -> None:
        """5, 6: so many origins at most; one location for the order or each line."""
        if self.problem.max_shipments:
            used = total(list(self.vars.shipment.values()))
            self.model.add(used <= self.problem.max_shipments)
        if self.problem.split_rung is SplitRung.NO_SPLIT:
            self.model.add_at_most_one(self.vars.used.values())
        if self.problem.split_rung is SplitRung.LINE_SPLIT:
            for line in range(len(self.problem.demand)):
                self.model.add_at_most_one(self.vars.ships_of(line))

    def _ship_lines_whole(self) -> None:
        """7, 8: where a line ships, all of it does, and all lines of its group."""
        for line in self.vars.whole_lines:
            for n in self.vars.locations_of[line]:
                whole = self.problem.demand[line] * self.vars.ships[n, line]
                self.model.add(self.vars.units[n, line] == whole)
        for first, *others in self.problem.groups:
            for line in others:
                for n in self.vars.locations_of[first]:
                    self.model.add(
                        self.vars.ships[n, line] == self.vars.ships[n, first]
                    )

    def _limit_split_values(self) -> None:
        """9: if two or more origins ship, each ships at least a certain value.

        Units beyond those that are worth it by themselves are not counted, so no
        line adds more than twice the least to a sum.
        """
        least = self.problem.min_split_value_micros
        if len(self.vars.shipment) < 2:
            return
        values = self.problem.unit_value_micros or [0] * len(self.problem.demand)
        several = self.model.new_bool_var("")
        shipments = total(list(self.vars.shipment.values()))
        self.model.add(shipments <= 1).only_enforce_if(~several)
        for origin, locations in self.vars.locations_at.items():
            counted: list[Variable] = []
            worth: list[int] = []
            for n in locations:
                for line in self.vars.lines_of[n]:
                    if values[line]:
                        cap = -(-least // values[line])
                        counted.append(self._capped((n, line), cap))
                        worth.append(min(values[line], least))
            enough = self.model.add(weighted(counted, worth) >= least)
            enough.only_enforce_if(several, self.vars.shipment[origin])

    def _capped(self, cell: Cell, cap: int) -> Variable:
        """Return a variable that can be what the cell ships, up to the cap."""
        n, line = cell
        if cap >= self.vars.most[line, n]:
            return self.vars.units[cell]
        if cap == 1:
            return self.vars.ships[cell]
        capped = self.model.new_int_var(0, cap, "")
        self.model.add(capped <= self.vars.units[cell])
        return capped

    def _keep_frozen(self) -> None:
        """10: what is frozen stays."""
        for location, line, units in self.problem.frozen:
            self.model.add(self.vars.units[location, line] >= units)

    def _complete_or_leave(self) -> None:
        """11: all of a line, or of the order, or only what is frozen."""
        frozen = [0] * len(self.problem.demand)
        for _, line, units in self.problem.frozen:
            frozen[line] += units
        complete = self.model.new_bool_var("")
        for line, demand in enumerate(self.problem.demand):
            if self.problem.incomplete is Incomplete.DROP_LINE:
                complete = self.model.new_bool_var("")
            shipped = total(
                [self.vars.units[n, line] for n in self.vars.locations_of[line]]
            )
            rest = demand - frozen[line]
            self.model.add(shipped == frozen[line] + rest * complete)

    def exclude(self, locations: frozenset[int]) -> None:
        """Demand that other locations are used: one of these less, or one more."""
        used = self.vars.used
        if locations <= used.keys():
            less = [~used[n] for n in sorted(locations)]
            more = [used[n] for n in used if n not in locations]
            self.model.add_bool_or(less + more)


ROWS: dict[str, Callable[[Limits], None]] = {
    "capacity": Limits._limit_capacity,
    "splits": Limits._limit_splits,
    "whole": Limits._ship_lines_whole,
    "split value": Limits._limit_split_values,
    "frozen": Limits._keep_frozen,
    "incomplete": Limits._complete_or_leave,
    # A refused cell has no variable: see `most_units`, which also has what the other
    # limits say of one line at one location.
    "refused": lambda _: None,
}
"""The rows of each of `HARD_LIMITS`, by its name."""
