"""The variables of the model of record, its hints and its plans.

Its limits are in `limits`, its objectives in `terms` and `places`, their order in
`search`.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from ortools.sat.python import cp_model

from availability.model import IntArray
from router.model import SplitRung
from router.optimize.limits import SolveLimits
from router.optimize.problem import Piece, SourcingProblem

Variable = Any
"""A variable, literal or expression of OR-Tools, which has no types."""
Cell = tuple[int, int]
"""(location, line)."""

_BUILD_SECONDS = 15e-6
"""What it takes to build the model, for each cell."""
_LOAD_SECONDS = 25e-6
"""What the solver needs for each cell before it first looks at the clock."""

total = cp_model.LinearExpr.sum
weighted = cp_model.LinearExpr.weighted_sum


class OutOfTimeError(Exception):
    """A limit stopped the work. It ends in a plan, never in a caller's hands."""


class Clock:
    """What is left of the limits of one call, however many solves it makes."""

    def __init__(self, limits: SolveLimits) -> None:
        self._deadline = time.monotonic() + limits.wall_seconds
        self.work = limits.deterministic_time

    def seconds_left(self, needed: float = 0.0) -> float:
        """Return the seconds until the deadline.

        Raises
        ------
        OutOfTimeError
            There are fewer than needed, or no work is left.
        """
        seconds = self._deadline - time.monotonic()
        if seconds <= needed or self.work <= 0:
            raise OutOfTimeError
        return seconds


class SourcingVariables:
    """Who ships what.

    ``units[n, l]`` is x[n, l] and ``ships[n, l]`` says whether it is positive;
    there are none where x can only be zero. ``used[n]`` and ``shipment[o]`` say
    whether a location or an origin ships anything. What could only repeat another
    variable *is* that variable: ``units`` is ``ships`` where one unit is the most,
    ``shipment`` is ``used`` where an origin has one location.

    Raises
    ------
    OutOfTimeError
        The deadline comes before the model is built and loaded, as far as can be
        foreseen, or came while it was built.
    """

    def __init__(self, problem: SourcingProblem, clock: Clock) -> None:
        self.problem = problem
        self.model = cp_model.CpModel()
        self.most = most_units(problem)
        self.locations_of: list[list[int]] = [
            np.flatnonzero(row).tolist() for row in self.most
        ]
        self.lines_of: dict[int, list[int]] = {}
        self.locations_at: dict[int, list[int]] = defaultdict(list)
        self.units: dict[Cell, Variable] = {}
        self.ships: dict[Cell, Variable] = {}
        self.used: dict[int, Variable] = {}
        self.shipment: dict[int, Variable] = {}
        self.whole_lines = set(problem.indivisible).union(*problem.groups)
        self._split: dict[int, Variable] = {}
        cells = int(np.count_nonzero(self.most))
        self.load_seconds = cells * _LOAD_SECONDS
        clock.seconds_left(cells * (_BUILD_SECONDS + _LOAD_SECONDS))
        self._add_variables(clock)

    def _add_variables(self, clock: Clock) -> None:
        for n in np.flatnonzero(self.most.any(axis=0)).tolist():
            clock.seconds_left()
            self.lines_of[n] = np.flatnonzero(self.most[:, n]).tolist()
            for line in self.lines_of[n]:
                self._add_cell(n, line, int(self.most[line, n]))
            self.used[n] = self._any([self.ships[n, line] for line in self.lines_of[n]])
            self.locations_at[self.problem.origin_of(n)].append(n)
        for origin, locations in self.locations_at.items():
            self.shipment[origin] = self._any([self.used[n] for n in locations])

    def _add_cell(self, location: int, line: int, most: int) -> None:
        ships = units = self.model.new_bool_var("")
        if most > 1:
            units = self.model.new_int_var(0, most, "")
            # Both ways in one row: 0 where it does not ship, else 1 to the most.
            link = weighted([units, ships], [1, -most])
            self.model.add_linear_constraint(link, 1 - most, 0)
        self.ships[location, line] = ships
        self.units[location, line] = units

    def _any(self, literals: Sequence[Variable]) -> Variable:
        """Return a literal that is 1 exactly if one of the literals is."""
        if len(literals) == 1:
            return literals[0]
        result = self.model.new_bool_var("")
        self.model.add_max_equality(result, literals)
        return result

    def ships_of(self, line: int) -> list[Variable]:
        """Return the literals of all locations that may ship a line."""
        return [self.ships[n, line] for n in self.locations_of[line]]

    def split_of(self, line: int) -> Variable | None:
        """Return a literal that is 1 if the line is split; None if it cannot be."""
        ships = self.ships_of(line)
        pieces = min(len(ships), self.problem.demand[line])
        if (
            pieces < 2
            or self.problem.split_rung is not SplitRung.QUANTITY_SPLIT
            or line in self.whole_lines
        ):
            return None
        if line not in self._split:
            split = self._split[line] = self.model.new_bool_var("")
            # One piece at most; if it is split, as many as there are units.
            self.model.add(total(ships) <= 1 + (pieces - 1) * split)
        return self._split[line]

    def hint(self, pieces: Iterable[Piece]) -> None:
        """Tell the solver of a plan to start from, instead of the one before."""
        self.model.clear_hints()  # type: ignore[no-untyped-call]
        plan = {(n, line): units for n, line, units in pieces}
        used = {n for n, _ in plan}
        for cell, units in self.units.items():
            self.model.add_hint(units, plan.get(cell, 0))
            if int(self.most[cell[1], cell[0]]) > 1:
                self.model.add_hint(self.ships[cell], cell in plan)
        for n, variable in self.used.items():
            if len(self.lines_of[n]) > 1:
                self.model.add_hint(variable, n in used)

    def pieces(self, value: Callable[[Variable], int]) -> tuple[Piece, ...]:
        """Return a plan from the values of the variables."""
        return tuple(
            Piece(n, line, units)
            for (n, line), variable in self.units.items()
            if (units := value(variable))
        )


def new_solver() -> cp_model.CpSolver:
    """Return a solver with the parameters that were measured: see `cpsat`."""
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 1
    solver.parameters.cp_model_probing_level = 0
    solver.parameters.symmetry_level = 0
    solver.parameters.max_presolve_iterations = 1
    # Otherwise 9.15 drops conditions of rows whose coefficients add up to more than
    # 2**31, and calls optimal what is not, or infeasible: google/or-tools#5293.
    solver.parameters.presolve_inclusion_work_limit = 0
    # OR-Tools would swallow Ctrl-C: it is the caller's.
    solver.parameters.catch_sigint_signal = False
    return solver


def most_units(problem: SourcingProblem) -> IntArray:
    """Return ``(L, N)``: the most a location can ship of a line by itself.

    Limit 3, and 1, 2, 4, 7 and 8 as far as they speak of one location and line
    (or group).
    """
    most = np.empty((len(problem.demand), problem.available.shape[1]), np.int64)
    for line, demand in enumerate(problem.demand):
        needs: dict[int, int] = defaultdict(int)
        for sku, per_unit in problem.bom[line]:
            needs[sku] += per_unit
        most[line] = demand
        for sku, per_unit in needs.items():
            np.minimum(most[line], problem.available[sku] // per_unit, out=most[line])
        if problem.capacity_units is not None and needs:
            fits = problem.capacity_units // sum(needs.values())
            np.minimum(most[line], fits, out=most[line])
    if problem.allowed is not None:
        most[~problem.allowed] = 0
    for group in (*((line,) for line in problem.indivisible), *problem.groups):
        lines = list(group)
        whole = (most[lines] == np.array(problem.demand)[lines, None]).all(axis=0)
        most[np.array(lines)[:, None], np.flatnonzero(~whole)] = 0
    return most
