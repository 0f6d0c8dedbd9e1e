"""An integer plan, repaired neighbourhood by neighbourhood.

A neighbourhood is a set of orders that contend for the same scarce SKUs; CP-SAT
chooses one known pattern for each on what the other orders leave. With
``linearization_level=2``: at level 1 it times out on what it proves in 0.1 s.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from ortools.sat.python import cp_model

from availability.model import IntArray
from router.optimize.batch.greedy import Remaining
from router.optimize.batch.limits import never
from router.optimize.batch.moves import InForce, Pieces
from router.optimize.batch.pricing import Patterns
from router.optimize.batch.problem import BatchPlan, BatchProblem, score
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
        self.hurry = hurry
        self.problem = problem
        self._sku = problem.sku.tolist()
        self.remaining = Remaining(problem)
        self.in_force = InForce(problem)
        self.plan: dict[int, Pieces] = {}
        self.known: dict[int, dict[Pieces, int]] = defaultdict(dict)
        self._fixed: list[BatchPlan] = []
        self._fixed_worth = 0
        self._is_fixed = np.zeros(problem.orders, dtype=bool)

    def moves(self, order: int, pieces: Pieces) -> bool:
        """Return whether an order would get others than the plan in force has."""
        return self.in_force.pieces.get(order, pieces) != pieces

    def cost(self, order: int, pieces: Pieces) -> int:
        """Return an order's worth at the level ``shipments``."""
        visits = len({location for _, location, _ in pieces})
        split = len(pieces) - len({line for line, _, _ in pieces})
        worth = self.problem.shipment_weight * visits
        if split and self.problem.split_line_weight:
            lines = [line for line, _, _ in pieces]
            several = sum(lines.count(line) > 1 for line in set(lines))
            worth += self.problem.split_line_weight * several
        if self.problem.move_weight and self.moves(order, pieces):
            worth += self.problem.move_weight
        return worth

    def worth(self, order: int, pieces: Pieces) -> int:
        """Return an order's worth at the levels ``shipments`` and then ``moves``."""
        return self.cost(order, pieces) * _MOVES + self.moves(order, pieces)

    def fix(self, plan: BatchPlan) -> None:
        """Give many orders without a plan all of theirs, for good and unchecked."""
        orders = np.unique(self.problem.order_of[plan.line])
        self.remaining.take_all(plan)
        self._fixed.append(plan)
        # Only these are looked at: who has nothing yet has not moved.
        mine = replace(self.problem, incumbent=self.in_force.of(orders))
        self._fixed_worth += score(mine, plan).shipments
        self._is_fixed[orders] = True

    def release(self) -> None:
        """Let those that were given theirs for good change them again."""
        rows: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
        order_of = self.problem.order_of
        for plan in self._fixed:
            columns = zip(*(each.tolist() for each in plan.sorted()), strict=True)
            orders = order_of[plan.sorted().line].tolist()
            for order, piece in zip(orders, columns, strict=True):
                rows[order].append(piece)
        self.plan.update((order, tuple(each)) for order, each in rows.items())
        self._fixed, self._fixed_worth = [], 0
        self._is_fixed[:] = False

    def placed(self, order: int) -> bool:
        """Return whether an order has a plan."""
        return order in self.plan or bool(self._is_fixed[order])

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
        if self.placed(order) or not self.remaining.fits(pieces):
            return False
        self.put(order, pieces)
        return True

    def place(self, order: int, price: IntArray | None) -> bool:
        """Give an order the best that is left; return whether there was any."""
        if self.hurry():
            known = sorted(self.known[order], key=self.known[order].__getitem__)
            if order not in self.remaining.frozen and any(
                self.put_if_fits(order, pieces) for pieces in known
            ):
                return True
            found = tuple(sorted(self.remaining.best(order, None, 1)))
        else:
            found = tuple(sorted(self.remaining.best(order, price)))
        found = self.or_stay(order, found)
        if not found:
            return False
        self.put(order, found)
        self.learn(order, found)
        return True

    def or_stay(self, order: int, pieces: Pieces) -> Pieces:
        """Return an order's pieces, or those in force if they fit and are better.

        The order has no plan yet.
        """
        stay = self.in_force.pieces.get(order)
        if stay is None or not self._may_stay(order, stay):
            return pieces
        return min(pieces or stay, stay, key=lambda each: self.worth(order, each))

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
        return self._fixed_worth + sum(self.cost(*each) for each in self.plan.items())

    def as_plan(self) -> BatchPlan:
        """Return all pieces, frozen ones of waiting orders too."""
        all_of = {**self.remaining.frozen, **self.plan}
        rest = BatchPlan.of([p for pieces in all_of.values() for p in pieces])
        parts = zip(*self._fixed, rest, strict=True)
        return BatchPlan(*(np.concatenate(each) for each in parts)).sorted()

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
        variables: list[cp_model.IntVar] = []
        moves: list[cp_model.IntVar] = []
        costs: list[int] = []
        choice: list[tuple[int, Pieces]] = []
        rows: list[tuple[int, int, int, int]] = []
        problem = self.problem
        dearer = problem.shipment_weight + problem.split_line_weight
        dearer = (dearer + problem.move_weight) * _MOVES + 1
        for order in orders:
            mine = []
            most = self.worth(order, self.plan[order]) + dearer
            for pieces, cost in self.known[order].items():
                if cost > most:
                    continue
                variable = model.new_bool_var("")
                model.add_hint(variable, pieces == self.plan[order])
                mine.append(variable)
                if cap is not None and self.moves(order, pieces):
                    moves.append(variable)
                costs.append(cost)
                at = len(choice)
                rows += [(at, self._sku[line], n, units) for line, n, units in pieces]
                choice.append((order, pieces))
            model.add_exactly_one(mine)
            variables += mine
        before = {order: self.plan[order] for order in orders}
        for order in orders:
            self.put(order, ())
        self._limit(model, variables, rows)
        if cap is not None:
            frozen = self.remaining.frozen
            elsewhere = sum(
                self.moves(order, self.plan.get(order, frozen.get(order, ())))
                for order in self.in_force.pieces
                # Under a cap only those that stay are fixed.
                if order not in before and not self._is_fixed[order]
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

    def _limit(
        self,
        model: cp_model.CpModel,
        variables: list[cp_model.IntVar],
        rows: list[tuple[int, int, int, int]],
    ) -> None:
        """Let (variable, SKU, location, units) take no more than what is left."""
        left = self.remaining
        locations = left.stock.shape[1]
        at, sku, place, units = np.array(rows, dtype=np.int64).reshape(-1, 4).T
        pair = sku * locations + place
        _at_most(model, variables, at, pair, units, left.stock.ravel())
        if left.left_units is not None:
            _at_most(model, variables, at, place, units, left.left_units)
        if left.left_orders is not None:
            visit = np.unique(at * locations + place)
            one = np.ones_like(visit)
            first, where = visit // locations, visit % locations
            _at_most(model, variables, first, where, one, left.left_orders)


class Gain(NamedTuple):
    """What a step saved at the levels ``shipments`` and ``moves``."""

    shipments: int
    moves: int


def _at_most(
    model: cp_model.CpModel,
    variables: list[cp_model.IntVar],
    variable: IntArray,
    row: IntArray,
    units: IntArray,
    most: IntArray,
) -> None:
    """Add the rows that could bind: ``units`` of each variable, ``most`` in all."""
    rows, of = np.unique(row, return_inverse=True)
    wanted = np.bincount(of, units, len(rows))[of]
    binding = np.flatnonzero(wanted > most[row])
    binding = binding[np.argsort(row[binding], kind="stable")]
    ends = np.flatnonzero(np.diff(row[binding])) + 1
    for each in np.split(binding, ends):
        if len(each):
            terms = [variables[at] for at in variable[each].tolist()]
            counts = units[each].tolist()
            total = cp_model.LinearExpr.weighted_sum(terms, counts)
            model.add(total <= int(most[row[each[0]]]))


def pieces_of(
    patterns: Patterns, keep: BoolArray | None = None
) -> list[tuple[int, Pieces]]:
    """Return the (order, pieces) of patterns that have any, or of ``(m,)`` some."""
    rows: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    columns: tuple[IntArray, ...]
    columns = (patterns.pattern, patterns.line, patterns.location, patterns.units)
    if keep is not None:
        mine = keep[patterns.pattern]
        columns = tuple(column[mine] for column in columns)
    for at, line, location, units in zip(*(c.tolist() for c in columns), strict=True):
        rows[at].append((line, location, units))
    orders = patterns.order.tolist()
    return [(orders[at], tuple(sorted(each))) for at, each in rows.items()]


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
