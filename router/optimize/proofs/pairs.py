"""The proof for ``fewest-shipments`` where one or two locations can do it.

Here lines may be split to save a shipment, so the cover is by summed stock. All
pairs that hold a location of the scarcest line are compared at once, in numpy.
"""

import numpy as np
import numpy.typing as npt

from router.model import Term
from router.optimize.problem import Piece, Solution, SourcingProblem
from router.optimize.proofs.independent import (
    IndependentLines,
    if_allowed,
    independent_lines,
    matches,
)

_SEQUENCE = (
    Term.UNASSIGNED_UNITS,
    Term.SHIPMENTS,
    Term.SPLIT_LINES,
    Term.RANK,
    Term.DISTANCE_METERS,
)

MAX_PAIRS = 400_000
"""More pairs than this are left to the solver (a pair costs about 10 ns a line)."""

Columns = npt.NDArray[np.intp]


def solve_pair(problem: SourcingProblem) -> Solution | None:
    """Return the proven best plan of at most two locations, or None.

    None where the objectives are others, lines depend on each other, three
    locations are needed, or a limit left out here forbids the plan.
    """
    if matches(problem.objectives, (_SEQUENCE,)) is None:
        return None
    found = independent_lines(problem)
    if found is None:
        return None
    if not found.lines:
        return if_allowed(problem, problem.frozen)
    alone = np.flatnonzero((found.stock >= found.ships[:, None]).all(axis=0))
    if alone.size:
        return if_allowed(problem, _pieces(found, int(alone[0]), int(alone[0])))
    firsts, seconds = _pairs(found)
    if not firsts.size:
        return None
    best = _best(problem, found, firsts, seconds)
    return if_allowed(problem, _pieces(found, *best))


def _pairs(found: IndependentLines) -> tuple[Columns, Columns]:
    """Return every pair of columns that together hold what every line ships."""
    held = found.stock > 0
    scarcest = int(held.sum(axis=1).argmin())
    holders = np.flatnonzero(held[scarcest])
    useful = np.flatnonzero(held.any(axis=0))
    if holders.size * useful.size > MAX_PAIRS:
        return holders[:0], holders[:0]
    firsts = np.repeat(holders, useful.size)
    seconds = np.tile(useful, holders.size)
    keep = firsts != seconds
    firsts, seconds = firsts[keep], seconds[keep]
    for stock, ships in zip(found.stock, found.ships, strict=True):
        keep = stock[firsts] + stock[seconds] >= ships
        firsts, seconds = firsts[keep], seconds[keep]
    return firsts, seconds


def _best(
    problem: SourcingProblem,
    found: IndependentLines,
    firsts: Columns,
    seconds: Columns,
) -> tuple[int, int]:
    """Return the pair with fewest split lines, then least rank, then distance."""
    whole = found.stock >= found.ships[:, None]
    split = (~(whole[:, firsts] | whole[:, seconds])).sum(axis=0)
    distance = np.zeros(firsts.size, np.int64)
    if problem.distance_meters is not None:
        distance = problem.distance_meters[firsts] + problem.distance_meters[seconds]
    # lexsort's last key is the most important.
    earliest = np.minimum(firsts, seconds)
    order = np.lexsort((earliest, distance, firsts + seconds, split))
    return int(firsts[order[0]]), int(seconds[order[0]])


def _pieces(found: IndependentLines, first: int, second: int) -> list[Piece]:
    """Return the plan of two columns: the busier ships all it can, the other the rest.

    A line that one of them can ship whole is never split.
    """
    ships, stock = found.ships, found.stock
    whole = stock >= ships[:, None]
    firm = {
        n: (whole[:, n].sum(), np.minimum(stock[:, n], ships).sum())
        for n in (first, second)
    }
    busy, other = sorted((first, second), key=lambda n: (*(-x for x in firm[n]), n))
    pieces = []
    for row, line in enumerate(found.lines):
        most = int(min(stock[row, busy], ships[row]))
        if whole[row, other] and not whole[row, busy]:
            most = 0
        rest = int(ships[row]) - most
        pieces += [Piece(busy, line, most)] if most else []
        pieces += [Piece(other, line, rest)] if rest else []
    return pieces
