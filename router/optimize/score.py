"""What a plan is worth, from the data, in integers, with no solver."""

import functools
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from router.identity_cache import by_identity
from router.model import Objective, ObjectiveValue, Term
from router.optimize.origin_terms import ORIGIN_TERMS, OriginTerm
from router.optimize.problem import Piece, Solution, SourcingProblem


class Score(NamedTuple):
    """One component of a plan's worth: ``maximize`` says which way is better."""

    name: str
    maximize: bool
    value: int


class _Totals(NamedTuple):
    """What the terms of a plan are computed from."""

    pieces: Sequence[Piece]
    shipped: Sequence[int]
    split_lines: int
    unassigned: int
    locations: Sequence[int]
    origins: Sequence[int]


def score(problem: SourcingProblem, pieces: Sequence[Piece]) -> tuple[Score, ...]:
    """Return what a plan is worth, objective by objective, in the policy's order.

    ``primary`` becomes two components for each used location, busiest first:
    ``primary.1.lines``, ``primary.1.units``, ``primary.2.lines``…
    """
    return tuple([Score(*each) for each in _valued(problem, pieces)])


def _valued(
    problem: SourcingProblem, pieces: Sequence[Piece]
) -> list[tuple[str, bool, int]]:
    """Return the components of a score as plain tuples."""
    totals = _totals(problem, pieces)
    valued: list[tuple[str, bool, int]] = []
    for name, worth, _ in _components(problem.objectives):
        if worth is None:
            valued += _primary(totals)
        else:
            valued.append((name, False, worth.value(problem, totals)))
    return valued


def _totals(problem: SourcingProblem, pieces: Sequence[Piece]) -> _Totals:
    shipped = [0] * len(problem.demand)
    split = 0
    locations = set()
    for location, line, units in pieces:
        # The second piece of a line that has two or more makes it split, once.
        if shipped[line] > 0:
            split += 1
            shipped[line] = -shipped[line]
        shipped[line] += units if shipped[line] >= 0 else -units
        locations.add(location)
    if split:
        shipped = [abs(units) for units in shipped]
    used = sorted(locations)
    origins = used
    if problem.origin is not None:
        origins = sorted({int(problem.origin[location]) for location in used})
    unassigned = sum(problem.demand) - sum(shipped)
    return _Totals(pieces, shipped, split, unassigned, used, origins)


class _Worth(NamedTuple):
    """How a term is valued, and what no plan at all can beat.

    ``least`` is given whether only plans that ship something are wanted.
    """

    value: Callable[[SourcingProblem, _Totals], int]
    least: Callable[[SourcingProblem, bool], int] = lambda _, __: 0


def _of_origins(term: OriginTerm) -> _Worth:
    return _Worth(lambda p, totals: term.value(p, totals.origins, totals.pieces))


_WORTH: Mapping[Term, _Worth | None] = {
    Term.UNASSIGNED_UNITS: _Worth(
        lambda _, totals: totals.unassigned, lambda p, _: shortage(p)
    ),
    Term.INCOMPLETE_ORDERS: _Worth(
        lambda _, totals: int(totals.unassigned > 0), lambda p, _: int(shortage(p) > 0)
    ),
    Term.SPLIT_LINES: _Worth(lambda _, totals: totals.split_lines),
    Term.SHIPMENTS: _Worth(
        lambda _, totals: len(totals.origins), lambda _, ships: int(ships)
    ),
    # Two components for each used location: see `_primary`.
    Term.PRIMARY: None,
    Term.RANK: _Worth(
        lambda _, totals: sum(totals.locations) + len(totals.locations),
        lambda _, ships: int(ships),
    ),
    Term.MAX_RANK: _Worth(
        lambda _, totals: max(totals.locations, default=-1) + 1,
        lambda _, ships: int(ships),
    ),
    **{term: _of_origins(each) for term, each in ORIGIN_TERMS.items()},
}


@by_identity
def _components(
    objectives: tuple[Objective, ...],
) -> tuple[tuple[str, _Worth | None, Objective], ...]:
    """Return each objective's name and how it is valued; None: it is primary."""
    return tuple((each.term.value, _WORTH[each.term], each) for each in objectives)


def _primary(totals: _Totals) -> list[tuple[str, bool, int]]:
    if len(totals.locations) == 1:
        lines, units = _primary_names(1)[0]
        whole = len(totals.pieces)
        return [(lines, True, whole), (units, True, sum(totals.shipped))]
    wholes = dict.fromkeys(totals.locations, 0)
    held = dict.fromkeys(totals.locations, 0)
    for location, line, units_here in totals.pieces:
        held[location] += units_here
        wholes[location] += units_here == totals.shipped[line]
    ordered = sorted(((wholes[n], held[n]) for n in held), reverse=True)
    valued = []
    names = _primary_names(len(ordered))
    for (whole, sum_of_units), (lines, units) in zip(ordered, names, strict=True):
        valued.append((lines, True, whole))
        valued.append((units, True, sum_of_units))
    return valued


@functools.lru_cache(maxsize=256)
def _primary_names(places: int) -> tuple[tuple[str, str], ...]:
    return tuple(
        (f"primary.{place}.lines", f"primary.{place}.units")
        for place in range(1, places + 1)
    )


def key(problem: SourcingProblem, scores: Sequence[Score]) -> tuple[int, ...]:
    """Return a tuple that is smaller for the better plan.

    A shorter ``primary`` is continued with zeros, so that plans with different
    numbers of locations compare as docs/model.md says.
    """
    longest = 2 * problem.available.shape[1]
    plain = {each.name: each.value for each in scores if not each.maximize}
    primary = [-each.value for each in scores if each.maximize]
    flat: list[int] = []
    for objective in problem.objectives:
        if objective.term is Term.PRIMARY:
            flat += primary + [0] * (longest - len(primary))
        else:
            flat.append(plain[objective.term.value])
    return tuple(flat)


def key_of(problem: SourcingProblem, pieces: Sequence[Piece]) -> tuple[int, ...]:
    """Return the `key` of a plan."""
    return key(problem, score(problem, pieces))


def static_bound(problem: SourcingProblem, name: str, ships: bool = False) -> int:
    """Return a bound that needs no search: what no plan at all can beat.

    ``ships`` says that only plans that ship something are as good on what comes
    before.
    """
    worth = None if name.startswith("primary") else _WORTH[Term(name)]
    if worth is None:
        return len(problem.demand) if name.endswith("lines") else sum(problem.demand)
    return worth.least(problem, ships)


def shortage(problem: SourcingProblem) -> int:
    """Return units that no plan can assign because the stock is not there.

    Counted SKU by SKU over the ordinary lines: kits would only take more.
    """
    wanted: dict[int, int] = defaultdict(int)
    for line, parts in enumerate(problem.bom):
        if len(parts) == 1 and parts[0][1] == 1:
            wanted[parts[0][0]] += problem.demand[line]
    return sum(
        max(0, units - int(problem.available[sku].sum()))
        for sku, units in wanted.items()
    )


def judge(problem: SourcingProblem, solution: Solution) -> tuple[ObjectiveValue, ...]:
    """Return each component's value and bound, and whether it is proven.

    Proven means: at the bound, or within the objective's tolerance of it, and so
    is every component before.
    """
    scores = _valued(problem, solution.pieces)
    if solution.bounds is None:
        return tuple(
            [
                ObjectiveValue(name, maximize, value, value, True)
                for name, maximize, value in scores
            ]
        )
    tolerances = {name: each for name, _, each in _components(problem.objectives)}
    values = []
    so_far = True
    ships = False
    for name, maximize, value in scores:
        bound = solution.bounds.get(name)
        if bound is None:
            bound = static_bound(problem, name, ships)
        if maximize:
            so_far = so_far and value >= bound
        else:
            worst = tolerances[name].allowance(value)
            so_far = so_far and value <= tolerances[name].allowance(bound)
            if name == Term.UNASSIGNED_UNITS:
                ships = worst < sum(problem.demand)
        values.append(ObjectiveValue(name, maximize, value, bound, so_far))
    return tuple(values)
