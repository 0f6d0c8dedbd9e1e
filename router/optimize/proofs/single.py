"""The proof for the common case: one location ships the whole order."""

import numpy as np

from availability.model import BoolArray
from router.model import Term
from router.optimize.origin_terms import ORIGIN_TERMS
from router.optimize.problem import Piece, Solution, SourcingProblem

_AT_BEST = {Term.UNASSIGNED_UNITS, Term.INCOMPLETE_ORDERS, Term.SPLIT_LINES}
"""Terms that are zero, their least, as soon as one location ships everything."""


def solve_single(problem: SourcingProblem) -> Solution | None:
    """Return the best plan if a single location's plan provably is it.

    Candidates are the locations that can ship all lines whole. The objectives
    are taken in order, and each must put its best candidates at a bound that no
    plan of any shape can beat; the others are dropped. Once the objectives so far
    force everything into one location (``closed``), the candidates are the only
    plans left, and the best of them wins without a bound.

    Returns
    -------
    Solution | None
        None when the proof does not go through: no candidate, or an objective
        under which a plan of several locations might be better.
    """
    fits = whole_order_fits(problem)
    first = int(fits.argmax())
    if not fits[first]:
        return None
    full = closed = False
    candidates: np.ndarray | None = None
    for objective in problem.objectives:
        term = objective.term
        if term in _AT_BEST:
            # A tolerance that amounts to nothing at zero is none.
            full = full or (
                term is not Term.SPLIT_LINES
                and (not objective.tolerant or objective.allowance(0) == 0)
            )
            continue
        if term is Term.PRIMARY:
            # All lines whole and all units at the busiest: nothing is greater,
            # and only one location does it.
            full = closed = True
            continue
        if not full:
            return None
        if term is Term.SHIPMENTS:
            exact = not objective.tolerant or objective.allowance(1) == 1
            alone = problem.origin is None and exact
            closed = closed or alone
            continue
        if (
            closed
            and term is Term.RANK
            and candidates is None
            and not objective.tolerant
        ):
            # Places are distinct: this decides, for the first of all.
            return _whole_order(problem, first, int(np.count_nonzero(fits)) - 1)
        if candidates is None:
            candidates = np.flatnonzero(fits)
        values = _values(problem, term, candidates)
        least = int(values.min())
        if objective.allowance(least) > least:
            return None
        if not closed and least > _bound(problem, term):
            return None
        candidates = candidates[values == least]
    return _whole_order(problem, first if candidates is None else int(candidates[0]))


def _whole_order(
    problem: SourcingProblem, location: int, rivals: int | None = None
) -> Solution:
    pieces = [Piece(location, line, units) for line, units in enumerate(problem.demand)]
    return Solution(tuple(pieces), "exact", None, rivals)


def whole_order_fits(problem: SourcingProblem) -> BoolArray:
    """Return, for each location, whether it may ship every line whole: (N,).

    Knows every hard limit that a whole order from one location can break; the random
    worlds of tests/router/optimize fail if one is missing.
    """
    need = [0] * len(problem.available)
    for line, units in enumerate(problem.demand):
        for sku, per_unit in problem.bom[line]:
            need[sku] += per_unit * units
    # The ufunc itself: `all` is a layer of Python over it.
    fits: BoolArray = np.logical_and.reduce(
        problem.available >= np.array([[units] for units in need])
    )
    if problem.allowed is not None:
        fits &= problem.allowed.all(axis=0)
    if problem.capacity_units is not None:
        fits &= problem.capacity_units >= sum(need)
    for location, _, _ in problem.frozen:
        only = np.zeros_like(fits)
        only[location] = fits[location]
        fits = only
    return fits


def _values(problem: SourcingProblem, term: Term, candidates: np.ndarray) -> np.ndarray:
    """Return each candidate's value under a term that depends on the location."""
    if term in (Term.RANK, Term.MAX_RANK):
        return candidates + 1
    return ORIGIN_TERMS[term].alone(problem, candidates, sum(problem.demand))


def _bound(problem: SourcingProblem, term: Term) -> int:
    """Return what no plan that ships everything can beat, of whatever shape."""
    if term is Term.RANK:
        return 1
    if term is Term.MAX_RANK:
        return _shortest_prefix(problem)
    return ORIGIN_TERMS[term].least(problem, sum(problem.demand))


def _shortest_prefix(problem: SourcingProblem) -> int:
    """Return the least number of first locations that hold enough together."""
    need = np.zeros(len(problem.available), np.int64)
    for line, units in enumerate(problem.demand):
        for sku, per_unit in problem.bom[line]:
            need[sku] += per_unit * units
    enough = (problem.available.cumsum(axis=1) >= need[:, None]).all(axis=0)
    return int(enough.argmax()) + 1
