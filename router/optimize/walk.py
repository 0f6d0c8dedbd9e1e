"""The peers' sequential walks, and the re-ranked greedy.

Both visit location after location, let each ship all it may of what is left, and
take no second look. A walk follows a given order (priority, nearest, highest
stock); the greedy asks again after each location which one now ships most. They
are baselines, warm starts, and the answer when time is out; they keep every
limit, but prove nothing.
"""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from availability.model import IntArray
from router.model import Incomplete, SplitRung
from router.optimize.problem import Piece, Solution, SourcingProblem, check


def solve_walk(problem: SourcingProblem, order: IntArray) -> Solution:
    """Return the plan of a walk over ``order``, a permutation of the columns.

    Sources: magento/inventory ``GetDefaultSortedSourcesResult``; saleor
    ``warehouse/management.py``; solidus ``allocator/on_hand_first.rb``.
    """
    filler = _Filler(problem)
    for location in order.tolist():
        if not filler.left():
            break
        filler.fill(location)
    return Solution(_settled(problem, filler), "walk", {})


def greedy(problem: SourcingProblem) -> tuple[Piece, ...]:
    """Return the pieces of the re-ranked greedy: most lines whole, then units.

    At most one visit a location; ties go to the first in rank.
    """
    filler = _Filler(problem)
    visited = np.zeros(problem.available.shape[1], bool)
    while filler.left() and not visited.all():
        reach = filler.reach()
        reach[:, visited] = 0
        whole = (reach == np.array(filler.remaining)[:, None]) & (reach > 0)
        # Units of one line can outweigh any number of lines: two keys, not a sum.
        units = reach.sum(axis=0)
        lines = whole.sum(axis=0)
        best = int(np.lexsort((-units, -lines))[0])
        if not units[best]:
            break
        visited[best] = True
        filler.fill(best)
    return _settled(problem, filler)


class _Filler:
    """What is left to ship and to ship from, as locations take their part."""

    def __init__(self, problem: SourcingProblem) -> None:
        self._problem = problem
        self.remaining = list(problem.demand)
        self.taken: dict[int, dict[int, int]] = defaultdict(dict)
        self._stock: dict[int, list[int]] = {}
        self._room: dict[int, int] = {}
        self._group_of = {line: group for group in problem.groups for line in group}
        for location, line, units in problem.frozen:
            self._take(location, line, units)

    def left(self) -> bool:
        """Return whether any unit is still unassigned."""
        return any(self.remaining)

    def reach(self) -> IntArray:
        """Return what each location could take of each line alone: (L, N)."""
        problem = self._problem
        rows = []
        for line, parts in enumerate(problem.bom):
            units = np.full(problem.available.shape[1], self.remaining[line])
            for sku, per_unit in parts:
                units = np.minimum(units, problem.available[sku] // per_unit)
            if line in problem.indivisible or line in self._group_of:
                units = np.where(units < problem.demand[line], 0, units)
            rows.append(units)
        reach = np.array(rows)
        if problem.allowed is not None:
            reach = np.where(problem.allowed, reach, 0)
        if problem.capacity_units is not None:
            reach = np.minimum(reach, problem.capacity_units)
        if problem.split_rung is SplitRung.LINE_SPLIT:
            started = [self._started(line) for line in range(len(rows))]
            reach[started] = 0
        return reach

    def fill(self, location: int) -> None:
        """Let one location ship all it may of what is left."""
        if not self._may_be_used(location):
            return
        done: set[int] = set()
        for line, units in enumerate(self.remaining):
            if not units or line in done:
                continue
            group = self._group_of.get(line)
            if group is not None:
                done.update(group)
                self._take_whole(location, group)
            elif line in self._problem.indivisible:
                self._take_whole(location, (line,))
            elif self._problem.split_rung is not SplitRung.LINE_SPLIT or not (
                self._started(line)
            ):
                most = min(units, self._most(location, line))
                if most:
                    self._take(location, line, most)

    def _may_be_used(self, location: int) -> bool:
        problem = self._problem
        if location in self.taken:
            return True
        if problem.split_rung is SplitRung.NO_SPLIT and self.taken:
            return False
        origins = {problem.origin_of(used) for used in self.taken}
        origins.add(problem.origin_of(location))
        return not problem.max_shipments or len(origins) <= problem.max_shipments

    def _started(self, line: int) -> bool:
        return self.remaining[line] < self._problem.demand[line]

    def _take_whole(self, location: int, lines: tuple[int, ...]) -> None:
        """Take all units of all these lines, or none of any."""
        taken = []
        for line in lines:
            demand = self._problem.demand[line]
            if self._started(line) or self._most(location, line) < demand:
                break
            self._take(location, line, demand)
            taken.append(line)
        else:
            return
        for line in taken:
            self._take(location, line, -self._problem.demand[line])
            del self.taken[location][line]
        if not self.taken[location]:
            del self.taken[location]

    def _most(self, location: int, line: int) -> int:
        """Return how many units of a line a location could still take."""
        problem = self._problem
        if problem.allowed is not None and not problem.allowed[line, location]:
            return 0
        stock = self._stock_at(location)
        parts = problem.bom[line]
        most = min(stock[sku] // per_unit for sku, per_unit in parts)
        if problem.capacity_units is not None:
            picks = sum(per_unit for _, per_unit in parts)
            most = min(most, self._room[location] // picks)
        return most

    def _stock_at(self, location: int) -> list[int]:
        stock = self._stock.get(location)
        if stock is None:
            stock = self._problem.available[:, location].tolist()
            self._stock[location] = stock
            if self._problem.capacity_units is not None:
                self._room[location] = int(self._problem.capacity_units[location])
        return stock

    def _take(self, location: int, line: int, units: int) -> None:
        stock = self._stock_at(location)
        for sku, per_unit in self._problem.bom[line]:
            stock[sku] -= per_unit * units
            if self._problem.capacity_units is not None:
                self._room[location] -= per_unit * units
        self.remaining[line] -= units
        at = self.taken[location]
        at[line] = at.get(line, 0) + units


def _settled(problem: SourcingProblem, filler: _Filler) -> tuple[Piece, ...]:
    """Return the filler's pieces, less what the limits on the whole plan forbid.

    Each round takes a line or a shipment away, so it ends; what is frozen alone is
    always allowed, and is the answer when nothing else is left.
    """
    pieces = [
        Piece(location, line, units)
        for location, lines in filler.taken.items()
        for line, units in lines.items()
    ]
    for reduced in _reductions(problem, pieces):
        if not check(problem, reduced):
            return tuple(sorted(reduced))
    return problem.frozen


def _reductions(problem: SourcingProblem, pieces: list[Piece]) -> Iterator[list[Piece]]:
    frozen = {(location, line): units for location, line, units in problem.frozen}
    while pieces:
        pieces = _without_short_lines(problem, pieces, frozen)
        yield pieces
        worth: dict[int, int] = defaultdict(int)
        for location, line, units in pieces:
            each = problem.unit_value_micros[line] if problem.unit_value_micros else 0
            worth[problem.origin_of(location)] += each * units
        kept = {problem.origin_of(location) for location, _ in frozen}
        poorest = min(
            (origin for origin in worth if origin not in kept),
            key=lambda origin: (worth[origin], -origin),
            default=None,
        )
        if poorest is None:
            return
        pieces = [each for each in pieces if problem.origin_of(each[0]) != poorest]


def _without_short_lines(
    problem: SourcingProblem,
    pieces: list[Piece],
    frozen: dict[tuple[int, int], int],
) -> list[Piece]:
    """Return the pieces less those of lines that ``incomplete`` keeps back."""
    if problem.incomplete is Incomplete.PARTIAL:
        return pieces
    shipped = [0] * len(problem.demand)
    for _, line, units in pieces:
        shipped[line] += units
    short = {n for n, units in enumerate(shipped) if units < problem.demand[n]}
    if short and problem.incomplete is Incomplete.REJECT_ORDER:
        short = set(range(len(shipped)))
    kept = []
    for location, line, units in pieces:
        left = frozen.get((location, line), 0) if line in short else units
        if left:
            kept.append(Piece(location, line, left))
    return kept
