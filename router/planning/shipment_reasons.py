"""Why an origin ships what it ships: one true sentence, cheaply derived.

Each sentence states a fact of the problem ("the only location that can ship
..."), not a guess at what an engine was thinking. "Can ship" means: eligible,
not refused, with the stock and the capacity for it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from availability.model import BoolArray, IntArray
from router.optimize.origin_terms import ORIGIN_TERMS
from router.optimize.problem import Piece, SourcingProblem
from router.planning.build import Built


def sentences(
    built: Built,
    shipments: Sequence[Sequence[Piece]],
    short: Mapping[int, int],
    rivals: int | None = None,
) -> list[str]:
    """Return one sentence for each shipment.

    ``shipments`` are in the plan's order; ``short`` maps lines to units that
    no location ships; ``rivals`` is that of the solution.
    """
    problem = built.problem
    if rivals is not None and not problem.frozen:
        return [_first_of(rivals + 1, "the whole order")]
    if len(shipments) == 1 and not short and not problem.frozen:
        pieces = shipments[0]
        if len({piece.location for piece in pieces}) > 1:
            return ["its rooms together ship the whole order"]
        return [_of_whole_lines(built, pieces, busiest=True)]
    to_come = Counter(piece.line for pieces in shipments for piece in pieces)
    reasons = []
    for place, pieces in enumerate(shipments):
        to_come.subtract(piece.line for piece in pieces)
        whole = [each for each in pieces if each.units == problem.demand[each.line]]
        if problem.frozen and _all_picked(problem, pieces):
            reasons.append("already picked there")
        elif whole:
            reasons.append(_of_whole_lines(built, whole, busiest=place == 0))
        else:
            part = max(pieces, key=lambda each: each.units)
            last = not to_come[part.line] and part.line not in short
            reasons.append(_of_part(built, part, last=last))
    return reasons


def _all_picked(problem: SourcingProblem, pieces: Sequence[Piece]) -> bool:
    picked = set(problem.frozen)
    return all(each in picked for each in pieces)


def _of_whole_lines(built: Built, whole: Sequence[Piece], *, busiest: bool) -> str:
    """Say why the lines that leave whole leave from here."""
    problem, location = built.problem, whole[0].location
    lines = [each.line for each in whole]
    if len({each.location for each in whole}) > 1:
        return f"its rooms together ship {len(lines)} lines whole"
    if len(lines) == len(problem.demand):
        what = "the whole order"
    elif len(lines) == 1:
        what = _all_of(built, lines[0])
    else:
        what = f"these {len(lines)} lines"
        if busiest and len(lines) == _most_lines_whole(problem):
            return f"ships {len(lines)} lines whole: the most any location can"
    fits = _can_ship(problem, lines)
    count = int(np.count_nonzero(fits))
    if location == int(fits.argmax()):
        return _first_of(count, what)
    units = sum(each.units for each in whole)
    best = _superlative(problem, location, np.flatnonzero(fits), units)
    return f"{best} of {count} locations that can ship {what}"


def _first_of(count: int, what: str) -> str:
    if count == 1:
        return f"the only location that can ship {what}"
    return f"first in rank of {count} locations that can ship {what}"


def _of_part(built: Built, part: Piece, *, last: bool) -> str:
    """Say why a part of a line leaves from here, when no line does whole."""
    problem, line = built.problem, part.line
    name = _name(built, line)
    if int(np.count_nonzero(_can_ship(problem, [line], units=1))) == 1:
        return f"the only location that can ship any {name}"
    amount = f"{part.units} of {problem.demand[line]} units of {name}"
    if _can_ship(problem, [line]).any():
        return f"ships {amount}"
    rest = "the last " if last else ""
    return f"{rest}{amount}, which no single location has whole"


def _name(built: Built, line: int) -> str:
    # A kit need not have an SKU of its own.
    return built.order.lines[line].sku or built.order.lines[line].line_id


def _all_of(built: Built, line: int) -> str:
    units = built.problem.demand[line]
    name = _name(built, line)
    return f"all {units} units of {name}" if units > 1 else name


def _can_ship(
    problem: SourcingProblem, lines: Sequence[int], units: int | None = None
) -> BoolArray:
    """Return (N,) who could ship these lines together, all or ``units`` of each."""
    need: dict[int, int] = {}
    for line in lines:
        wanted = problem.demand[line] if units is None else units
        for k, per_unit in problem.bom[line]:
            need[k] = need.get(k, 0) + per_unit * wanted
    amounts = np.array(list(need.values()))
    available = problem.available
    if len(need) < len(available):
        available = available[list(need)]
    # The rows of a problem are in the order in which its lines name them.
    fits: BoolArray = np.logical_and.reduce(available >= amounts[:, None])
    if problem.allowed is not None:
        fits &= problem.allowed[list(lines)].all(axis=0)
    if problem.capacity_units is not None:
        fits &= problem.capacity_units >= sum(need.values())
    return fits


def _most_lines_whole(problem: SourcingProblem) -> int:
    """Return the most lines, each by itself, that some location could ship whole."""
    count = np.zeros(problem.available.shape[1], np.int64)
    for line in range(len(problem.demand)):
        count += _can_ship(problem, [line])
    return int(count.max())


def _superlative(
    problem: SourcingProblem, location: int, others: IntArray, units: int
) -> str:
    """Say what sets a location apart from others that could ship the same."""
    for objective in problem.objectives:
        term = ORIGIN_TERMS.get(objective.term)
        if term is None:
            continue
        values = term.alone(problem, others, units)
        best = int(values.min())
        if best < int(values.max()) and int(values[others == location][0]) == best:
            return f"the {term.best}"
    return "one"
