"""One order as arrays, what is allowed, and what a plan is worth.

This is the specification: `check` and `score` judge every plan straight from
the data, in integers, whichever engine made it. There is no solver here. The
mathematics is on one page in docs/model.md; the numbers of the limits below are
the numbers there.
"""

import functools
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from availability.model import IntArray
from router.identity import by_identity
from router.model import Incomplete, Objective, ObjectiveValue, SplitRung, Term

BoolArray = npt.NDArray[np.bool_]

UNLIMITED = 2**62
"""A capacity that never binds."""


class Piece(NamedTuple):
    """``units`` of ``line`` from ``location``: one positive x[n, l]."""

    location: int
    line: int
    units: int


# Not frozen: that alone would cost each order a third of the time of a proof. By
# convention nobody changes one; `dataclasses.replace` makes another.
@dataclass(slots=True, kw_only=True, eq=False)
class SourcingProblem:
    """Which of ``N`` locations ships what of ``L`` lines over ``K`` SKUs.

    Parameters
    ----------
    available
        ``(K, N)`` units that may be used; columns in rank order.
    demand
        ``(L,)`` line units (kits, for a kit), each at least 1.
    bom
        ``(L,)`` tuples of (k, units of SKU k in one unit of the line).
    objectives
        The ordered list, most important first.
    origin
        ``(N,)`` index of each location's shipping origin, ``0..O-1``; None:
        each location is its own.
    distance_meters, shipment_cost_micros, lateness_minutes, workload
        ``(O,)`` for each origin; None: all zero.
    unit_cost_micros
        ``(N,)`` cost of each line unit shipped; None: all zero.
    allowed
        ``(L, N)``; false where a location refused a line; None: all true.
    capacity_units
        ``(N,)`` units of stock that may leave; `UNLIMITED` where any may; None:
        no limit anywhere.
    max_shipments
        Most origins used; 0: no limit.
    groups
        Lines that ship together, as tuples of line indices, disjoint.
    indivisible
        Lines that ship whole from one location or not at all.
    unit_value_micros, min_split_value_micros
        ``(L,)`` worth of a line unit, and the least worth of a shipment when
        there are several.
    frozen
        Pieces already picked, each (location, line) once.

    Raises
    ------
    ValueError
        The frozen pieces break a limit by themselves.
    """

    available: IntArray
    demand: tuple[int, ...]
    bom: tuple[tuple[tuple[int, int], ...], ...]
    objectives: tuple[Objective, ...]
    origin: IntArray | None = None
    distance_meters: IntArray | None = None
    shipment_cost_micros: IntArray | None = None
    lateness_minutes: IntArray | None = None
    workload: IntArray | None = None
    unit_cost_micros: IntArray | None = None
    allowed: BoolArray | None = None
    capacity_units: IntArray | None = None
    max_shipments: int = 0
    split_rung: SplitRung = SplitRung.QUANTITY_SPLIT
    incomplete: Incomplete = Incomplete.PARTIAL
    groups: tuple[tuple[int, ...], ...] = ()
    indivisible: frozenset[int] = frozenset()
    unit_value_micros: tuple[int, ...] | None = None
    min_split_value_micros: int = 0
    frozen: tuple[Piece, ...] = ()

    def __post_init__(self) -> None:
        if self.frozen:
            breaches = check(self, self.frozen)
            if breaches:
                raise ValueError("frozen pieces: " + "; ".join(breaches))

    def origin_of(self, location: int) -> int:
        """Return the index of a location's shipping origin."""
        return location if self.origin is None else int(self.origin[location])


class Score(NamedTuple):
    """One component of a plan's worth: ``maximize`` says which way is better."""

    name: str
    maximize: bool
    value: int


class Solution(NamedTuple):
    """A plan in index space, and how good it is known to be.

    ``pieces`` are in (location, line) order. ``bounds`` maps the names of `score`
    to what no allowed plan, as good on everything before, can beat; a name left
    out has only its static bound. None says more: the plan is optimal, every
    value is its own bound. ``rivals`` is known where the first location in rank
    of all that can ship the whole order was chosen: the number of the others.
    """

    pieces: tuple[Piece, ...]
    engine: str
    bounds: Mapping[str, int] | None = None
    rivals: int | None = None


def check(problem: SourcingProblem, pieces: Iterable[Piece]) -> list[str]:
    """Return every breach of the hard limits; an empty list allows the plan."""
    pieces = list(pieces)
    breaches: list[str] = []
    shipped = [0] * len(problem.demand)
    lines_at: dict[int, dict[int, int]] = {}
    for location, line, units in pieces:
        lines_here = lines_at.setdefault(location, {})
        if units <= 0 or line in lines_here:
            breaches.append(f"piece {(location, line, units)} is empty or repeated")
        lines_here[line] = units
        shipped[line] += units
        if problem.allowed is not None and not problem.allowed[line, location]:
            breaches.append(f"3: location {location} refused line {line}")
    for line, units in enumerate(shipped):
        if units > problem.demand[line]:
            breaches.append(f"1: line {line} ships {units} of {problem.demand[line]}")
    for location, lines in lines_at.items():
        breaches += _stock_breaches(problem, location, lines)
    # Most problems have few of the limits; this is on the path of every order.
    if problem.max_shipments or problem.split_rung is not SplitRung.QUANTITY_SPLIT:
        breaches += _split_breaches(problem, lines_at)
    if problem.indivisible or problem.groups:
        breaches += _whole_breaches(problem, lines_at, shipped)
    if problem.min_split_value_micros:
        breaches += _value_breaches(problem, pieces)
    if problem.frozen:
        breaches += _frozen_breaches(problem, lines_at)
    if problem.incomplete is not Incomplete.PARTIAL:
        breaches += _incomplete_breaches(problem, shipped)
    return breaches


def _stock_breaches(
    problem: SourcingProblem, location: int, lines: Mapping[int, int]
) -> list[str]:
    breaches = []
    taken: dict[int, int] = defaultdict(int)
    for line, units in lines.items():
        for sku, per_unit in problem.bom[line]:
            taken[sku] += per_unit * units
    for sku, units in taken.items():
        if units > problem.available[sku, location]:
            breaches.append(f"2: location {location} ships {units} of SKU {sku}")
    capacity = problem.capacity_units
    if capacity is not None and sum(taken.values()) > capacity[location]:
        breaches.append(f"4: location {location} is over its capacity")
    return breaches


def _split_breaches(
    problem: SourcingProblem, lines_at: Mapping[int, Mapping[int, int]]
) -> list[str]:
    breaches = []
    origins = {problem.origin_of(location) for location in lines_at}
    if problem.max_shipments and len(origins) > problem.max_shipments:
        breaches.append(f"5: {len(origins)} shipments")
    if problem.split_rung is SplitRung.NO_SPLIT and len(lines_at) > 1:
        breaches.append(f"6: {len(lines_at)} locations")
    if problem.split_rung is SplitRung.LINE_SPLIT:
        seen: set[int] = set()
        for lines in lines_at.values():
            breaches += [f"6: line {line} is split" for line in lines if line in seen]
            seen.update(lines)
    return breaches


def _whole_breaches(
    problem: SourcingProblem,
    lines_at: Mapping[int, Mapping[int, int]],
    shipped: Sequence[int],
) -> list[str]:
    breaches = []
    for line in problem.indivisible:
        at = [lines[line] for lines in lines_at.values() if line in lines]
        if at and at != [problem.demand[line]]:
            breaches.append(f"7: indivisible line {line} ships {at}")
    for group in problem.groups:
        if not any(shipped[line] for line in group):
            continue
        if not any(
            all(lines.get(line) == problem.demand[line] for line in group)
            for lines in lines_at.values()
        ):
            breaches.append(f"8: group {group} is not whole at one location")
    return breaches


def _value_breaches(problem: SourcingProblem, pieces: Sequence[Piece]) -> list[str]:
    least = problem.min_split_value_micros
    worth: dict[int, int] = defaultdict(int)
    for location, line, units in pieces:
        each = problem.unit_value_micros[line] if problem.unit_value_micros else 0
        worth[problem.origin_of(location)] += each * units
    if len(worth) < 2:
        return []
    return [
        f"9: origin {origin} ships only {micros} micros"
        for origin, micros in worth.items()
        if micros < least
    ]


def _frozen_breaches(
    problem: SourcingProblem, lines_at: Mapping[int, Mapping[int, int]]
) -> list[str]:
    return [
        f"10: location {location} must ship {units} of line {line}"
        for location, line, units in problem.frozen
        if lines_at.get(location, {}).get(line, 0) < units
    ]


def _incomplete_breaches(problem: SourcingProblem, shipped: Sequence[int]) -> list[str]:
    frozen = [0] * len(problem.demand)
    for _, line, units in problem.frozen:
        frozen[line] += units
    short = [line for line, units in enumerate(shipped) if units < problem.demand[line]]
    if problem.incomplete is Incomplete.DROP_LINE:
        return [
            f"11: line {line} ships in part"
            for line in short
            if shipped[line] != frozen[line]
        ]
    if short and list(shipped) != frozen:
        return ["11: the order ships in part"]
    return []


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
    for name, value_of, _ in _components(problem.objectives):
        if value_of is None:
            valued += _primary(totals)
        else:
            valued.append((name, False, value_of(problem, totals)))
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


def _cost(problem: SourcingProblem, totals: _Totals) -> int:
    cost = _sum(problem.shipment_cost_micros, totals.origins)
    unit_cost = problem.unit_cost_micros
    if unit_cost is not None:
        cost += sum(int(unit_cost[n]) * units for n, _, units in totals.pieces)
    return cost


ValueOf = Callable[[SourcingProblem, _Totals], int]

_VALUE_OF: Mapping[Term, ValueOf | None] = {
    Term.UNASSIGNED_UNITS: lambda _, totals: totals.unassigned,
    Term.INCOMPLETE_ORDERS: lambda _, totals: int(totals.unassigned > 0),
    Term.SPLIT_LINES: lambda _, totals: totals.split_lines,
    Term.SHIPMENTS: lambda _, totals: len(totals.origins),
    Term.PRIMARY: None,
    Term.RANK: lambda _, totals: sum(totals.locations) + len(totals.locations),
    Term.MAX_RANK: lambda _, totals: max(totals.locations, default=-1) + 1,
    Term.DISTANCE_METERS: lambda p, totals: _sum(p.distance_meters, totals.origins),
    Term.COST_MICROS: _cost,
    Term.LATENESS_MINUTES: lambda p, totals: _sum(p.lateness_minutes, totals.origins),
    Term.WORKLOAD: lambda p, totals: _sum(p.workload, totals.origins),
}


@by_identity
def _components(
    objectives: tuple[Objective, ...],
) -> tuple[tuple[str, ValueOf | None, Objective], ...]:
    """Return each objective's name and how it is valued; None: it is primary."""
    return tuple((each.term.value, _VALUE_OF[each.term], each) for each in objectives)


def _sum(values: IntArray | None, indices: Iterable[int]) -> int:
    return 0 if values is None else sum(int(values[index]) for index in indices)


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
    if name.startswith("primary"):
        return len(problem.demand) if name.endswith("lines") else sum(problem.demand)
    if name == Term.UNASSIGNED_UNITS:
        return shortage(problem)
    if name == Term.INCOMPLETE_ORDERS:
        return int(shortage(problem) > 0)
    if name in (Term.SHIPMENTS, Term.RANK, Term.MAX_RANK):
        return int(ships)
    return 0


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
    """Return each component's value beside its bound, and whether it is proven.

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
