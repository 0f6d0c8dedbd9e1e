"""What it would have taken for another answer: the runner-up, and missing stock."""

from collections.abc import Callable, Sequence

import numpy as np

from availability.model import IntArray
from router.errors import SolverError
from router.model import Counterfactuals, NextBest, ObjectiveValue, StockChangeNeeded
from router.optimize.limits import SolveLimits
from router.optimize.problem import Solution, SourcingProblem
from router.optimize.score import judge
from router.planning.assemble import CheckedSolution, assignments, by_shipment, verify
from router.planning.build import Built

SolveExcluding = Callable[
    [SourcingProblem, frozenset[int], SolveLimits], Solution | None
]
"""The best plan whose set of used locations is not the given one; None: none."""

LOCATION_ORDER = "location order"
"""Where a plan lost that is worth as much as the winner."""


def counterfactuals(
    judged: CheckedSolution, limits: SolveLimits, solve_excluding: SolveExcluding
) -> Counterfactuals:
    """Say what the next best plan was, and what stock one shipment would take.

    Raises
    ------
    SolverError
        The runner-up breaks a limit, or is no other plan.
    """
    return Counterfactuals(
        next_best=next_best(judged, limits, solve_excluding),
        one_shipment=one_shipment(judged),
    )


def next_best(
    judged: CheckedSolution, limits: SolveLimits, solve_excluding: SolveExcluding
) -> NextBest | None:
    """Return the best plan that uses other locations; None: there is none.

    Raises
    ------
    SolverError
        The plan breaks a limit, or uses the same locations.
    """
    built, problem = judged.built, judged.built.problem
    if not built.candidates.pool.locations:
        return None
    used = frozenset(piece.location for piece in judged.solution.pieces)
    other = solve_excluding(problem, used, limits)
    if other is None:
        return None
    verify(problem, other)
    if frozenset(piece.location for piece in other.pieces) == used:
        raise SolverError("the next-best plan uses the same locations as the best")
    theirs = judge(problem, other)
    lost_at, value, plan_value = _lost_at(judged.objectives, theirs)
    return NextBest(
        assignments=assignments(built, by_shipment(problem, other.pieces)),
        objectives=theirs,
        lost_at=lost_at,
        value=value,
        plan_value=plan_value,
        proven=all(each.proven for each in theirs),
    )


def _lost_at(
    ours: Sequence[ObjectiveValue], theirs: Sequence[ObjectiveValue]
) -> tuple[str, int, int]:
    """Return the first objective at which the other plan is worse, and both values.

    It may be better at an earlier one: where a tolerance let the winner give some
    of it away, or where no proof was reached. If it is nowhere worse, the first
    at which they differ counts.
    """
    # They differ in length by what primary says of locations the other lacks.
    names = [each.name for each in max(ours, theirs, key=len)]
    our_values = {each.name: each.value for each in ours}
    their_values = {each.name: each.value for each in theirs}
    maximized = {each.name for each in (*ours, *theirs) if each.maximize}
    differing = []
    for name in names:
        value, plan_value = their_values.get(name, 0), our_values.get(name, 0)
        if value != plan_value:
            lost = (name, value, plan_value)
            if (value < plan_value) == (name in maximized):
                return lost
            differing.append(lost)
    return differing[0] if differing else (LOCATION_ORDER, 0, 0)


def one_shipment(judged: CheckedSolution) -> StockChangeNeeded | None:
    """Return the least stock with which one location could ship everything.

    In closed form: what each location lacks is known, so the least units win, then
    the rank. A location that refused a line or has no capacity for the order is
    out of the question. None: one shipment suffices already, or no stock helps.
    """
    built, problem = judged.built, judged.built.problem
    pieces = judged.solution.pieces
    if not judged.short and len({problem.origin_of(each[0]) for each in pieces}) == 1:
        return None
    need = np.zeros((len(built.skus), 1), np.int64)
    for units, parts in zip(problem.demand, problem.bom, strict=True):
        for k, per_unit in parts:
            need[k] += units * per_unit
    missing = np.maximum(need - problem.available, 0)
    columns = _could_ship_alone(built, int(need.sum()))
    if not len(columns):
        return None
    totals = missing[:, columns].sum(axis=0)
    best = int(columns[totals.argmin()])
    units_missing = {
        sku: int(units)
        for sku, units in zip(built.skus, missing[:, best], strict=True)
        if units
    }
    if not units_missing:
        return None
    location = built.candidates.pool.locations[best]
    return StockChangeNeeded(location.location_id, units_missing)


def _could_ship_alone(built: Built, units: int) -> IntArray:
    """Return the columns where nothing but stock could be missing."""
    problem = built.problem
    could = np.ones(problem.available.shape[1], np.bool_)
    if problem.allowed is not None:
        could &= problem.allowed.all(axis=0)
    if problem.capacity_units is not None:
        could &= problem.capacity_units >= units
    for piece in problem.frozen:
        could &= np.arange(len(could)) == piece.location
    could[list(built.candidates.pinned)] = False
    return np.flatnonzero(could)
