"""The combinatorial proofs: an optimum without a solver, or no answer at all."""

from router.optimize.limits import SolveLimits
from router.optimize.problem import Solution, SourcingProblem
from router.optimize.proofs.cover import solve_cover
from router.optimize.proofs.pairs import solve_pair
from router.optimize.proofs.single import solve_single

FAST_LIMITS = SolveLimits(nodes=400)
"""What may run where a caller waits in line, such as an event loop: about 5 ms."""


def solve_exact(
    problem: SourcingProblem, limits: SolveLimits = SolveLimits()
) -> Solution | None:
    """Return a plan that is proven optimal, or None.

    It answers only what it can prove; ``limits.nodes`` bounds the search.
    """
    return solve_single(problem) or solve_cover(problem, limits) or solve_pair(problem)


def solve_fast(problem: SourcingProblem) -> Solution | None:
    """Return a proven optimum if one of the proofs finds it in a few milliseconds."""
    return solve_exact(problem, FAST_LIMITS)
