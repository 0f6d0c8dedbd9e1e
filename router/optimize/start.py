"""The plan that the model of record starts from, and what is known of shipments.

CP-SAT needs long for a hundred lines over hundreds of sparsely stocked locations:
at the time limit its plan is close to its start. Branching over locations,
which the batch prices its large orders with, has a better plan in a fraction of the
time, and a bound besides. Smaller orders begin with the greedy's plan.
"""

from typing import NamedTuple

import numpy as np

from router.model import Term
from router.optimize.batch.pricing.branch import search
from router.optimize.limits import SolveLimits
from router.optimize.problem import Piece, Solution, SourcingProblem, check
from router.optimize.proofs.independent import independent_lines, plain_terms
from router.optimize.score import judge, key_of
from router.optimize.walk import greedy

_LEAST_LINES = 12
"""Of fewer lines CP-SAT proves nearly all at once."""
_STEPS_PER_SECOND = 10_000_000
"""Steps, times (line, location) pairs, for each second of the limit: an eighth of
what was measured, so that most of the time is left."""
_STEPS_PER_NODE, _MORE_NODES = 20, 2
"""Steps of a node, and how many nodes more the first one is worth."""
_LINES_PER_NODE = 2
"""More nodes than half the lines seldom found more."""

_SHIPMENT = 2**20
_SPLIT = 2**30
"""What a shipment costs in the branching, and a split line where those come first."""


class Start(NamedTuple):
    """An allowed plan, and what is proven of all that ship as many ``units``.

    ``shipments`` is the least they need; 0 where nothing is known.
    """

    pieces: tuple[Piece, ...]
    units: int = 0
    shipments: int = 0

    def with_bounds(self, problem: SourcingProblem, solution: Solution) -> Solution:
        """Return a solution with what is known of shipments among its bounds."""
        shipped = sum(piece.units for piece in solution.pieces)
        if solution.bounds is None or not self.shipments or shipped < self.units:
            return solution
        name = Term.SHIPMENTS.value
        known = {each.name: each.bound for each in judge(problem, solution)}
        least = max(known[name], self.shipments)
        return solution._replace(bounds={**solution.bounds, name: least})


def start_of(problem: SourcingProblem, limits: SolveLimits) -> Start:
    """Return the better of the greedy's plan and, for a large order, branching's.

    Branching is for lines of one SKU each, with shipments or split lines counting
    next after the units; how long it may look depends on ``limits.wall_seconds``.
    """
    pieces = greedy(problem)
    first, *after = plain_terms(problem.objectives) or (None,)
    if (
        len(problem.demand) < _LEAST_LINES
        or problem.frozen
        or first is not Term.UNASSIGNED_UNITS
        or after[:1] not in ([Term.SHIPMENTS], [Term.SPLIT_LINES])
    ):
        return Start(pieces)
    found = independent_lines(problem)
    if found is None or len(found.lines) < _LEAST_LINES:
        return Start(pieces)
    stock, ships, lines = found
    cells = len(lines) * int(np.count_nonzero(stock.any(axis=0)))
    steps = int(limits.wall_seconds * _STEPS_PER_SECOND) // cells
    nodes = min(len(lines) // _LINES_PER_NODE, steps // _STEPS_PER_NODE - _MORE_NODES)
    if nodes < 1:
        return Start(pieces)
    cheapest = search(
        ships,
        np.zeros_like(stock),
        stock,
        np.full(stock.shape[1], _SHIPMENT),
        _SPLIT if after[0] is Term.SPLIT_LINES else 0,
        nodes,
    )
    other = tuple(
        sorted(Piece(n, lines[line], units) for line, n, units in cheapest.pieces)
    )
    if not check(problem, other) and key_of(problem, other) < key_of(problem, pieces):
        pieces = other
    if after[0] is not Term.SHIPMENTS:
        return Start(pieces)
    return Start(pieces, int(ships.sum()), -(-cheapest.bound // _SHIPMENT))
