"""Why units are not assigned: a fact about stock, or the limit that kept them.

Facts come first, in closed form. What they leave open is a matter of limits: each
limit that is there is lifted by itself and the order solved again; the first under
which more ships of the line, and more in all, is the line's reason.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from availability.model import IntArray
from router.model import (
    EliminationFilter,
    Objective,
    ObjectiveValue,
    Term,
    UnassignedReason,
)
from router.optimize.limits import SolveLimits
from router.optimize.problem import Solution, SourcingProblem, lifted
from router.optimize.score import judge
from router.planning.assemble import CheckedSolution, shortfall
from router.planning.build import Built

Solve = Callable[[SourcingProblem, SolveLimits], Solution]
Reasons = dict[int, UnassignedReason]
Parts = Sequence[tuple[int, int]]
"""(k, units of SKU k in one unit of a line)."""

LEAST_SECONDS = 0.001
"""With less time than this nothing is worth starting."""


def plain_reasons(judged: CheckedSolution) -> Reasons:
    """Return the reasons that need no solving; the lines left out need some."""
    reasons = _stock_reasons(judged.built, judged.short)
    still_open = [line for line in judged.short if line not in reasons]
    if still_open:
        reason = _only_reason(judged.built, judged.objectives)
        if reason is not None:
            reasons.update(dict.fromkeys(still_open, reason))
    return reasons


def lifted_reasons(
    judged: CheckedSolution, known: Reasons, limits: SolveLimits, solve: Solve
) -> Reasons:
    """Return ``known`` with a reason for every other short line.

    ``limits`` bound all that is solved here together, not each solve.
    """
    reasons, short = dict(known), judged.short
    total = sum(short.values())
    end = time.monotonic() + limits.wall_seconds
    conclusive = True
    for reason, problem in lifted(judged.built.problem).items():
        if len(reasons) == len(short):
            break
        seconds = end - time.monotonic()
        if seconds < LEAST_SECONDS:
            conclusive = False
            break
        problem = replace(problem, objectives=_up_to_units(problem))
        solution = solve(problem, replace(limits, wall_seconds=seconds))
        left = shortfall(problem, solution)
        if sum(left.values()) < total:
            for line, units in short.items():
                if left.get(line, 0) < units:
                    reasons.setdefault(line, reason)
        conclusive = conclusive and _units_proven(judge(problem, solution))
    # Without a proof it is not known that none of them does it alone.
    otherwise = UnassignedReason.COMBINED_LIMITS
    if not conclusive:
        otherwise = UnassignedReason.TIME_LIMIT
    for line in short:
        reasons.setdefault(line, otherwise)
    return reasons


def _only_reason(
    built: Built, objectives: Sequence[ObjectiveValue]
) -> UnassignedReason | None:
    """Return the reason of all lines for which there is stock, if it is plain."""
    problem = built.problem
    if built.walk_order is not None:
        return UnassignedReason.WALK
    if not _units_proven(objectives):
        return UnassignedReason.TIME_LIMIT
    limits = lifted(problem)
    kits = any(len(parts) > 1 or parts[0][1] > 1 for parts in problem.bom)
    if not limits:
        # Kits that share parts; or the objectives would rather not ship.
        return (
            UnassignedReason.INDIVISIBLE if kits else UnassignedReason.COMBINED_LIMITS
        )
    first = problem.objectives[0]
    units_first = first.term is Term.UNASSIGNED_UNITS and not first.tolerant
    if len(limits) == 1 and units_first and not kits:
        # There is stock for all of the line, so without this one limit it ships.
        return next(iter(limits))
    return None


def _units_proven(objectives: Sequence[ObjectiveValue]) -> bool:
    """Whether no plan could have shipped more, as far as the policy cares."""
    for objective in objectives:
        if objective.name == Term.UNASSIGNED_UNITS:
            return objective.proven
    return all(objective.proven for objective in objectives)


def _up_to_units(problem: SourcingProblem) -> tuple[Objective, ...]:
    """Return the objectives that decide how many units ship."""
    terms = [objective.term for objective in problem.objectives]
    if Term.UNASSIGNED_UNITS not in terms:
        return problem.objectives
    return problem.objectives[: terms.index(Term.UNASSIGNED_UNITS) + 1]


# --- Facts about stock ------------------------------------------------------------


def _stock_reasons(built: Built, short: Iterable[int]) -> Reasons:
    """Return the reason of every line for which there is not enough stock."""
    problem = built.problem
    pool = built.candidates.pool
    usable = np.maximum(built.stock - built.policy.routing_floor_units, 0)
    used_up = [
        pool.network.index[name]
        for name, by in built.candidates.eliminated.items()
        if by is EliminationFilter.CAPACITY
    ]
    wanted = [0] * len(built.skus)
    for units, parts in zip(problem.demand, problem.bom, strict=True):
        for k, per_unit in parts:
            wanted[k] += units * per_unit
    reasons: Reasons = {}
    for line in short:
        parts, units = problem.bom[line], problem.demand[line]
        may_ship = problem.available
        if problem.allowed is not None:
            may_ship = may_ship * problem.allowed[line]
        lack = _lack(may_ship, parts, units)
        if lack is None:
            lack = _lack_together(problem.available, parts, wanted)
        if lack is None:
            continue
        with_used_up = np.concatenate([may_ship, usable[:, used_up]], axis=1)
        if any(not built.stock[k].any() for k, _ in parts):
            lack = UnassignedReason.OUT_OF_STOCK
        elif _fills(with_used_up, parts, units, wanted):
            lack = UnassignedReason.CAPACITY
        elif _fills(usable, parts, units, wanted):
            lack = UnassignedReason.LOCATIONS_ELIMINATED
        reasons[line] = lack
    return reasons


def _fills(stock: IntArray, parts: Parts, units: int, wanted: Sequence[int]) -> bool:
    return (
        _lack(stock, parts, units) is None
        and _lack_together(stock, parts, wanted) is None
    )


def _lack(stock: IntArray, parts: Parts, units: int) -> UnassignedReason | None:
    """Return what the line would lack if all of this stock were for it alone."""
    if any(int(stock[k].sum()) < units * per_unit for k, per_unit in parts):
        return UnassignedReason.INSUFFICIENT_STOCK
    # A kit leaves whole from one place: its parts must lie together.
    at_each = np.min([stock[k] // per_unit for k, per_unit in parts], axis=0)
    if int(at_each.sum()) < units:
        return UnassignedReason.INDIVISIBLE
    return None


def _lack_together(
    stock: IntArray, parts: Parts, wanted: Sequence[int]
) -> UnassignedReason | None:
    """Return the units a line lacks, given the order's other lines of its SKUs."""
    if any(int(stock[k].sum()) < wanted[k] for k, _ in parts):
        return UnassignedReason.INSUFFICIENT_STOCK
    return None
