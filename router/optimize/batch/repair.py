"""An integer plan: rounded from the LP, then repaired neighbourhood by neighbourhood.

A neighbourhood is a set of orders that contend for the same scarce SKUs; CP-SAT
chooses one known pattern for each on what the other orders leave. With
``linearization_level=2``: at level 1 it times out on what it proves in 0.1 s.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from ortools.sat.python import cp_model

from availability.model import IntArray
from router.optimize.batch.greedy import Remaining
from router.optimize.batch.limits import never
from router.optimize.batch.master import FloatArray
from router.optimize.batch.moves import InForce, Pieces
from router.optimize.batch.pricing import Patterns
from router.optimize.batch.problem import BatchPlan, BatchProblem
from router.optimize.problem import BoolArray

_MOVES = 2**20
"""More than orders can move in a neighbourhood: shipments come first."""
_PUT_BACK = 10
"""Times that all moved orders are asked whether they can stay."""


class Incumbent:
    """The best plan so far, and the patterns known of each order.

    ``hurry`` says whether any place is good enough: the answer is wanted now.
    """

    def __init__(
        self, problem: BatchProblem, hurry: Callable[[], bool] = never
    ) -> None:
        self._hurry = hurry
        self._problem = problem
        self._sku = problem.sku.tolist()
        self.remaining = Remaining(problem)
        self.in_force = InForce(problem)
        self.plan: dict[int, Pieces] = {}
        self.known: dict[int, dict[Pieces, int]] = defaultdict(dict)

    def moves(self, order: int, pieces: Pieces) -> bool:
        """Return whether an order would get others than the plan in force has."""
        return self.in_force.pieces.get(order, pieces) != pieces

    def cost(self, order: int, pieces: Pieces) -> int:
        """Return an order's worth at the level ``shipments``."""
        visits = len({location for _, location, _ in pieces})
        split = len(pieces) - len({line for line, _, _ in pieces})
        worth = self._problem.shipment_weight * visits
        if split and self._problem.split_line_weight:
            lines = [line for line, _, _ in pieces]
            several = sum(lines.count(line) > 1 for line in set(lines))
            worth += self._problem.split_line_weight * several
        if self._problem.move_weight and self.moves(order, pieces):
            worth += self._problem.move_weight
        return worth

    def worth(self, order: int, pieces: Pieces) -> int:
        """Return an order's worth at the levels ``shipments`` and then ``moves``."""
        return self.cost(order, pieces) * _MOVES + self.moves(order, pieces)

    def learn(self, order: int, pieces: Pieces) -> None:
        """Keep a pattern of an order."""
        if pieces not in self.known[order]:
            self.known[order][pieces] = self.worth(order, pieces)

    def put(self, order: int, pieces: Pieces) -> None:
        """Give an order these pieces instead of those it has, unchecked."""
        frozen = self.remaining.frozen.get(order, ())
        self.remaining.take(self.plan.pop(order, frozen), -1)
        self.remaining.take(pieces or frozen)
        if pieces:
            self.plan[order] = pieces

    def put_if_fits(self, order: int, pieces: Pieces) -> bool:
        """Give an order without a plan these pieces if they are there."""
        if order in self.plan or not self.remaining.fits(pieces):
            return False
        self.put(order, pieces)
        return True

    def place(self, order: int, price: IntArray | None) -> bool:
        """Give an order the best that is left; return whether there was any."""
        if self._hurry():
            known = sorted(self.known[order], key=self.known[order].__getitem__)
            if order not in self.remaining.frozen and any(
                self.put_if_fits(order, pieces) for pieces in known
            ):
                return True
            found = tuple(sorted(self.remaining.best(order, None, 1)))
        else:
            found = tuple(sorted(self.remaining.best(order, price)))
        stay = self.in_force.pieces.get(order)
        if stay is not None and self._may_stay(order, stay):
            found = min(found or stay, stay, key=lambda each: self.worth(order, each))
        if not found:
            return False
        self.put(order, found)
        self.learn(order, found)
        return True

    def _may_stay(self, order: int, pieces: Pieces) -> bool:
        """Return whether pieces in force ship an order whole and are still there."""
        if not self.in_force.can_stay(order):
            return False
        have = {(line, n): units for line, n, units in pieces}
        frozen = self.remaining.frozen.get(order, ())
        if any(have.get((line, n), 0) < units for line, n, units in frozen):
            return False
        self.remaining.take(frozen, -1)
        fits = self.remaining.fits(pieces)
        self.remaining.take(frozen)
        return fits

    def put_back(self) -> int:
        """Let moved orders stay where that fits and costs no more; return how many.

        What one gives back may be another's: they are asked until none changes.
        """
        count = 0
        for _ in range(_PUT_BACK):
            before = count
            for order, pieces in self.in_force.pieces.items():
                now = self.plan.get(order, pieces)
                if now == pieces or self.cost(order, pieces) > self.cost(order, now):
                    continue
                self.put(order, ())
                stays = self._may_stay(order, pieces)
                self.put(order, pieces if stays else now)
                count += stays
            if count == before:
                break
        return count

    def total(self) -> int:
        """Return the level ``shipments`` of the whole plan."""
        return sum(self.cost(*each) for each in self.plan.items())

    def as_plan(self) -> BatchPlan:
        """Return all pieces, frozen ones of waiting orders too."""
        all_of = {**self.remaining.frozen, **self.plan}
        return BatchPlan.of([p for pieces in all_of.values() for p in pieces])

    # --- Neighbourhoods ---------------------------------------------------------

    def improve(
        self, orders: list[int], work: float, seed: int, cap: int | None = None
    ) -> "Gain":
        """Choose again among the known patterns of ``orders``; return the gain.

        It is one of `worth`: fewer shipments, or as many and fewer moves.
        ``work`` bounds CP-SAT's deterministic time, ``cap`` the moves in all.
        """
        orders = [order for order in orders if order in self.plan]
        model = cp_model.CpModel()
        taken: dict[tuple[int, int], list[tuple[cp_model.IntVar, int]]]
        taken = defaultdict(list)
        units: dict[int, list[tuple[cp_model.IntVar, int]]] = defaultdict(list)
        visits: dict[int, list[tuple[cp_model.IntVar, int]]] = defaultdict(list)
        variables: list[cp_model.IntVar] = []
        moves: list[cp_model.IntVar] = []
        costs: list[int] = []
        choice: list[tuple[int, Pieces]] = []
        for order in orders:
            mine = []
            for pieces, cost in self.known[order].items():
                variable = model.new_bool_var("")
                model.add_hint(variable, pieces == self.plan[order])
                mine.append(variable)
                if cap is not None and self.moves(order, pieces):
                    moves.append(variable)
                costs.append(cost)
                choice.append((order, pieces))
                for line, location, count in pieces:
                    taken[self._sku[line], location].append((variable, count))
                    units[location].append((variable, count))
                for location in {each for _, each, _ in pieces}:
                    visits[location].append((variable, 1))
            model.add_exactly_one(mine)
            variables += mine
        before = {order: self.plan[order] for order in orders}
        for order in orders:
            self.put(order, ())
        left = self.remaining
        for (sku, location), terms in taken.items():
            _at_most(model, terms, int(left.stock[sku, location]))
        if left.left_units is not None:
            for location, terms in units.items():
                _at_most(model, terms, int(left.left_units[location]))
        if left.left_orders is not None:
            for location, terms in visits.items():
                _at_most(model, terms, int(left.left_orders[location]))
        if cap is not None:
            elsewhere = sum(
                self.moves(order, self.plan.get(order, left.frozen.get(order, ())))
                for order in self.in_force.pieces
                if order not in before
            )
            model.add(cp_model.LinearExpr.sum(moves) <= cap - elsewhere)
        model.minimize(cp_model.LinearExpr.weighted_sum(variables, costs))
        solver = cp_model.CpSolver()
        solver.parameters.num_workers = 1
        solver.parameters.linearization_level = 2
        solver.parameters.random_seed = seed
        solver.parameters.max_deterministic_time = work
        status = solver.solve(model)
        after = dict(before)
        if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            for variable, (order, pieces) in zip(variables, choice, strict=True):
                if solver.boolean_value(variable):
                    after[order] = pieces
        gain = sum(self.worth(o, before[o]) - self.worth(o, after[o]) for o in orders)
        for order, pieces in (after if gain > 0 else before).items():
            self.put(order, pieces)
        # Moves may rise where shipments fall: round to the nearest.
        ships = (max(0, gain) + _MOVES // 2) // _MOVES
        return Gain(ships, max(0, gain) - ships * _MOVES)


class Gain(NamedTuple):
    """What a step saved at the levels ``shipments`` and ``moves``."""

    shipments: int
    moves: int


def _at_most(
    model: cp_model.CpModel, terms: list[tuple[cp_model.IntVar, int]], most: int
) -> None:
    if sum(count for _, count in terms) > most:
        variables = [variable for variable, _ in terms]
        counts = [count for _, count in terms]
        model.add(cp_model.LinearExpr.weighted_sum(variables, counts) <= most)


def pieces_of(patterns: Patterns) -> list[tuple[int, Pieces]]:
    """Return the (order, pieces) of patterns that have any."""
    rows: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    columns = (patterns.pattern, patterns.line, patterns.location, patterns.units)
    for at, line, location, units in zip(*(c.tolist() for c in columns), strict=True):
        rows[at].append((line, location, units))
    orders = patterns.order.tolist()
    return [(orders[at], tuple(sorted(each))) for at, each in rows.items()]


def round_down(
    incumbent: Incumbent,
    columns: list[tuple[int, Pieces]],
    x: FloatArray,
    orders: list[int],
    price: IntArray,
) -> list[int]:
    """Take patterns of the LP by falling value, then the rest one by one.

    Returns the orders that nothing was left for.
    """
    for at in np.argsort(-x, kind="stable").tolist():
        if x[at] < 0.05:
            break
        incumbent.put_if_fits(*columns[at])
    rest = [order for order in orders if order not in incumbent.plan]
    return [order for order in rest if not incumbent.place(order, price)]


class Neighbourhoods:
    """Sets of orders that contend for scarce SKUs, around orders that pay extra."""

    def __init__(
        self, problem: BatchProblem, kernel: IntArray, scarce: BoolArray, seed: int
    ) -> None:
        self._rng = np.random.default_rng(seed)
        start, sku = problem.start.tolist(), problem.sku.tolist()
        short: list[bool] = np.any(scarce, axis=1).tolist()
        self._skus = {
            order: [k for k in sku[start[order] : start[order + 1]] if short[k]]
            for order in kernel.tolist()
        }
        self._orders: dict[int, list[int]] = defaultdict(list)
        for order, skus in self._skus.items():
            for each in skus:
                self._orders[each].append(order)

    def around(self, order: int, size: int, may: Callable[[int], bool]) -> list[int]:
        """Return up to ``size`` orders reached from one over shared scarce SKUs."""
        found = {order: None}
        queue = [order]
        for each in queue:
            skus = self._skus.get(each, [])
            for sku in self._rng.permutation(skus).tolist() if skus else []:
                others = self._orders[sku]
                for at in self._rng.permutation(len(others))[:12].tolist():
                    other = others[at]
                    if other not in found and may(other):
                        found[other] = None
                        queue.append(other)
                        if len(found) >= size:
                            return list(found)
        return list(found)
