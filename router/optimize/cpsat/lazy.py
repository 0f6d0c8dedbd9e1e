"""What needs OR-Tools: imported when it is first needed, or when `warm` says so.

OR-Tools takes half a second to import, a third of what a server that was killed
needs to serve again. Most orders are answered by the proofs, which do not need it.
"""

import importlib
from collections.abc import Callable
from typing import Any

from router.optimize.limits import SolveLimits
from router.optimize.problem import Piece, Solution, SourcingProblem


def warm() -> None:
    """Import them now, so that no order waits for it."""
    for name in ("solve", "set_cover"):
        importlib.import_module(f"router.optimize.cpsat.{name}")


def solve_cpsat(
    problem: SourcingProblem, limits: SolveLimits, hint: tuple[Piece, ...]
) -> Solution:
    """Ask the model of record; see `router.optimize.cpsat.solve.solve_cpsat`."""
    solution: Solution = _of("solve", "solve_cpsat")(problem, limits, hint)
    return solution


def solve_cpsat_excluding(
    problem: SourcingProblem,
    excluded: frozenset[int],
    limits: SolveLimits,
    hint: tuple[Piece, ...] | None,
) -> Solution | None:
    """See `router.optimize.cpsat.solve.solve_cpsat_excluding`."""
    solve = _of("solve", "solve_cpsat_excluding")
    solution: Solution | None = solve(problem, excluded, limits, hint)
    return solution


def solve_set_cover(problem: SourcingProblem, limits: SolveLimits) -> Solution | None:
    """See `router.optimize.cpsat.set_cover.solve_set_cover`."""
    solve = _of("set_cover", "solve_set_cover")
    solution: Solution | None = solve(problem, limits)
    return solution


def _of(module: str, name: str) -> Callable[..., Any]:
    found: Callable[..., Any] = getattr(
        importlib.import_module(f"router.optimize.cpsat.{module}"), name
    )
    return found
