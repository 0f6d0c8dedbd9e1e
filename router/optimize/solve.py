"""Runs the engines: proofs first, then solvers, then the best plan found."""

import time
from dataclasses import replace

import numpy as np

from router.optimize.cpsat.lazy import (
    solve_cpsat,
    solve_cpsat_excluding,
    solve_set_cover,
)
from router.optimize.limits import SolveLimits
from router.optimize.problem import Piece, Solution, SourcingProblem
from router.optimize.proofs.exact import solve_exact, solve_fast
from router.optimize.score import judge, key_of
from router.optimize.start import start_of
from router.optimize.walk import greedy

_NODES_PER_SECOND = 20_000
"""A slow machine's nodes in a second: turns a deadline into a bound on work."""

_CELLS = 1_000
"""Most (location, SKU) pairs with stock for which the whole model is asked to
prove what the cover alone left open; beyond, it only takes the time."""


def solve(problem: SourcingProblem, limits: SolveLimits = SolveLimits()) -> Solution:
    """Return the best plan that the limits allow time for, with its bounds.

    Never an error for want of time: `router.optimize.start` has the last answer.

    Raises
    ------
    SolverError
        A solver refused a model: a fault of ours.
    """
    deadline = time.monotonic() + limits.wall_seconds
    nodes = min(limits.nodes, 1 + int(limits.wall_seconds * _NODES_PER_SECOND))
    solution = solve_exact(problem, _left(limits, deadline, nodes))
    if solution is not None:
        return solution
    solution = solve_set_cover(problem, _left(limits, deadline))
    if solution is None:
        start = start_of(problem, _left(limits, deadline))
        solution = solve_cpsat(problem, _left(limits, deadline), start.pieces)
        return start.with_bounds(problem, solution)
    if _all_proven(problem, solution) or np.count_nonzero(problem.available) > _CELLS:
        return solution
    return solve_cpsat(problem, _left(limits, deadline), solution.pieces)


def solve_excluding(
    problem: SourcingProblem,
    used: frozenset[int],
    limits: SolveLimits = SolveLimits(),
) -> Solution | None:
    """Return the best plan whose set of used locations is not ``used``.

    None where there is none. The search starts from the best plan that does
    without one of the used locations, which is nearly always the answer; the
    model of record proves it.

    Raises
    ------
    SolverError
        A solver refused a model: a fault of ours.
    """
    deadline = time.monotonic() + limits.wall_seconds
    best: tuple[Piece, ...] | None = None
    for location in sorted(used):
        without = _without(problem, location)
        if without is not None:
            solution = solve_fast(without)
            pieces = greedy(without) if solution is None else solution.pieces
            if best is None or key_of(problem, pieces) < key_of(problem, best):
                best = pieces
    return solve_cpsat_excluding(problem, used, _left(limits, deadline), best)


def _without(problem: SourcingProblem, location: int) -> SourcingProblem | None:
    """Return the problem with nothing at one location; None: it has picked some."""
    if any(piece.location == location for piece in problem.frozen):
        return None
    available = problem.available.copy()
    available[:, location] = 0
    return replace(problem, available=available)


def _all_proven(problem: SourcingProblem, solution: Solution) -> bool:
    return all(each.proven for each in judge(problem, solution))


def _left(limits: SolveLimits, deadline: float, nodes: int = 0) -> SolveLimits:
    """Return the limits with the time that is left, at least a millisecond."""
    return SolveLimits(
        wall_seconds=max(0.001, deadline - time.monotonic()),
        deterministic_time=limits.deterministic_time,
        nodes=nodes or limits.nodes,
    )
