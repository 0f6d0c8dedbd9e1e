"""Orders that contend choose again, together: CP-SAT on their known patterns.

With ``linearization_level=2``: at level 1 it times out on what it proves in 0.1 s.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from ortools.sat.python import cp_model

from availability.model import BoolArray, IntArray
from router.optimize.batch.plans.incumbent import MOVES, Incumbent
from router.optimize.batch.plans.moves import Pieces
from router.optimize.batch.problem import BatchProblem


class Gain(NamedTuple):
    """What a step saved at the levels ``shipments`` and ``moves``."""

    shipments: int
    moves: int


def choose(
    incumbent: Incumbent,
    orders: list[int],
    work: float,
    seed: int,
    cap: int | None = None,
) -> Gain:
    """Choose again among the known patterns of ``orders``; return the gain.

    It is one of `Incumbent.worth`: fewer shipments, or as many and fewer moves. Orders
    without a plan are left out. ``work`` bounds CP-SAT's deterministic time, ``cap``
    the moves in all.
    """
    orders = [order for order in orders if order in incumbent.plan]
    model = _Choice(incumbent, orders, cap is not None)
    before = incumbent.take_away(orders)
    model.limit_resources()
    if cap is not None:
        model.limit_moves(cap, before)
    after = before | model.solve(work, seed)
    gain = sum(
        incumbent.worth(o, before[o]) - incumbent.worth(o, after[o]) for o in orders
    )
    incumbent.put_all(after if gain > 0 else before)
    # Moves may rise where shipments fall: round to the nearest.
    ships = (max(0, gain) + MOVES // 2) // MOVES
    return Gain(ships, max(0, gain) - ships * MOVES)


class _Choice:
    """One known pattern for each order: a variable each, and its cost."""

    def __init__(self, incumbent: Incumbent, orders: list[int], capped: bool) -> None:
        self._incumbent = incumbent
        self._model = cp_model.CpModel()
        self._variables: list[cp_model.IntVar] = []
        self._moves: list[cp_model.IntVar] = []
        self._costs: list[int] = []
        self._choice: list[tuple[int, Pieces]] = []
        self._rows: list[tuple[int, int, int, int]] = []
        problem = incumbent.problem
        more = problem.shipment_weight + problem.split_line_weight
        more = (more + problem.move_weight) * MOVES + 1
        for order in orders:
            most = incumbent.worth(order, incumbent.plan[order]) + more
            self._add(order, most, capped)

    def _add(self, order: int, most: int, capped: bool) -> None:
        """Let an order choose among its patterns that cost no more than ``most``."""
        incumbent, model = self._incumbent, self._model
        mine = []
        for pieces, cost in incumbent.known[order].items():
            if cost > most:
                continue
            variable = model.new_bool_var("")
            model.add_hint(variable, pieces == incumbent.plan[order])
            mine.append(variable)
            if capped and incumbent.moves(order, pieces):
                self._moves.append(variable)
            self._costs.append(cost)
            at = len(self._choice)
            self._rows += [(at, *piece) for piece in pieces]
            self._choice.append((order, pieces))
        model.add_exactly_one(mine)
        self._variables += mine

    def limit_resources(self) -> None:
        """Let the patterns take no more than what the other orders leave."""
        _limit(self._incumbent, self._model, self._variables, self._rows)

    def limit_moves(self, cap: int, before: Mapping[int, Pieces]) -> None:
        """Let no more orders move than ``cap``, those outside ``before`` counted."""
        incumbent = self._incumbent
        frozen = incumbent.remaining.frozen
        elsewhere = sum(
            incumbent.moves(order, incumbent.plan.get(order, frozen.get(order, ())))
            for order in incumbent.in_force.pieces
            # Under a cap only those that stay are fixed.
            if order not in before and not incumbent.is_fixed[order]
        )
        self._model.add(cp_model.LinearExpr.sum(self._moves) <= cap - elsewhere)

    def solve(self, work: float, seed: int) -> dict[int, Pieces]:
        """Return the cheapest choice found in time; empty: none."""
        costs = cp_model.LinearExpr.weighted_sum(self._variables, self._costs)
        self._model.minimize(costs)
        solver = cp_model.CpSolver()
        solver.parameters.num_workers = 1
        solver.parameters.linearization_level = 2
        solver.parameters.random_seed = seed
        solver.parameters.max_deterministic_time = work
        if solver.solve(self._model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            return {}
        chosen = zip(self._variables, self._choice, strict=True)
        return dict(each for at, each in chosen if solver.boolean_value(at))


def _limit(
    incumbent: Incumbent,
    model: cp_model.CpModel,
    variables: list[cp_model.IntVar],
    rows: list[tuple[int, int, int, int]],
) -> None:
    """Let (variable, line, location, units) take no more than what is left."""
    left = incumbent.remaining
    locations = left.stock.shape[1]
    at, line, place, units = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    pair = incumbent.problem.sku[line] * locations + place
    _at_most(model, variables, at, pair, units, left.stock.ravel())
    if left.left_units is not None:
        _at_most(model, variables, at, place, units, left.left_units)
    if left.left_orders is not None:
        visit = np.unique(at * locations + place)
        one = np.ones_like(visit)
        first, where = visit // locations, visit % locations
        _at_most(model, variables, first, where, one, left.left_orders)


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
