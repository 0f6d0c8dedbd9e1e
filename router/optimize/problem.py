"""One order as arrays, what is allowed, and what a plan is worth.

This is the specification: `check` and `score` judge every plan straight from
the data, in integers, whichever engine made it. There is no solver here. The
mathematics is on one page in docs/model.md; the numbers of the limits below are
the numbers there.

One file, though long: a problem checks its own frozen pieces, and the limits read
the problem.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from availability.model import BoolArray, IntArray
from router.model import Incomplete, Objective, SplitRung, UnassignedReason

UNLIMITED = 2**62
"""A capacity that never binds."""


class Piece(NamedTuple):
    """``units`` of ``line`` from ``location``: one positive x[n, l]."""

    location: int
    line: int
    units: int


# Not frozen: that alone would cost each order a third of the time of a proof. By
# convention it is never changed; `dataclasses.replace` makes another.
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


class _Shipped(NamedTuple):
    """A plan as the limits look at it."""

    pieces: Sequence[Piece]
    lines_at: Mapping[int, Mapping[int, int]]
    """For each used location, the units it ships of each line."""
    units: Sequence[int]
    """``(L,)`` units shipped of each line."""


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
    for line, units in enumerate(shipped):
        if units > problem.demand[line]:
            breaches.append(f"1: line {line} ships {units} of {problem.demand[line]}")
    for location, lines in lines_at.items():
        for sku, units in _taken(problem, lines).items():
            if units > problem.available[sku, location]:
                breaches.append(f"2: location {location} ships {units} of SKU {sku}")
    plan = _Shipped(pieces, lines_at, shipped)
    for limit in HARD_LIMITS:
        if limit.applies(problem):
            breaches += limit.breaches(problem, plan)
    return breaches


def _taken(problem: SourcingProblem, lines: Mapping[int, int]) -> dict[int, int]:
    """Return the units of stock that a location ships, by SKU."""
    taken: dict[int, int] = defaultdict(int)
    for line, units in lines.items():
        for sku, per_unit in problem.bom[line]:
            taken[sku] += per_unit * units
    return taken


def _capacity_breaches(problem: SourcingProblem, plan: _Shipped) -> list[str]:
    capacity = problem.capacity_units
    return [
        f"4: location {location} is over its capacity"
        for location, lines in plan.lines_at.items()
        if capacity is not None
        and sum(_taken(problem, lines).values()) > capacity[location]
    ]


def _refused_breaches(problem: SourcingProblem, plan: _Shipped) -> list[str]:
    allowed = problem.allowed
    return [
        f"3: location {location} refused line {line}"
        for location, line, _ in plan.pieces
        if allowed is not None and not allowed[line, location]
    ]


def _split_breaches(problem: SourcingProblem, plan: _Shipped) -> list[str]:
    breaches = []
    lines_at = plan.lines_at
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


def _whole_breaches(problem: SourcingProblem, plan: _Shipped) -> list[str]:
    breaches = []
    for line in problem.indivisible:
        at = [lines[line] for lines in plan.lines_at.values() if line in lines]
        if at and at != [problem.demand[line]]:
            breaches.append(f"7: indivisible line {line} ships {at}")
    for group in problem.groups:
        if not any(plan.units[line] for line in group):
            continue
        if not any(
            all(lines.get(line) == problem.demand[line] for line in group)
            for lines in plan.lines_at.values()
        ):
            breaches.append(f"8: group {group} is not whole at one location")
    return breaches


def _value_breaches(problem: SourcingProblem, plan: _Shipped) -> list[str]:
    least = problem.min_split_value_micros
    worth: dict[int, int] = defaultdict(int)
    for location, line, units in plan.pieces:
        each = problem.unit_value_micros[line] if problem.unit_value_micros else 0
        worth[problem.origin_of(location)] += each * units
    if len(worth) < 2:
        return []
    return [
        f"9: origin {origin} ships only {micros} micros"
        for origin, micros in worth.items()
        if micros < least
    ]


def _frozen_breaches(problem: SourcingProblem, plan: _Shipped) -> list[str]:
    return [
        f"10: location {location} must ship {units} of line {line}"
        for location, line, units in problem.frozen
        if plan.lines_at.get(location, {}).get(line, 0) < units
    ]


def _incomplete_breaches(problem: SourcingProblem, plan: _Shipped) -> list[str]:
    shipped = plan.units
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


class HardLimit(NamedTuple):
    """A limit that only some problems have: stated, lifted and explained.

    Parameters
    ----------
    name
        Its key in the model of record, `router.optimize.cpsat.limits`.
    applies
        Whether a problem has it.
    breaches
        Where a plan breaks it, each with the limit's number in docs/model.md.
    lifted
        The fields of the same problem without it; None: it cannot be lifted.
    reason
        Why units are unassigned that ship without it.
    """

    name: str
    applies: Callable[[SourcingProblem], object]
    breaches: Callable[[SourcingProblem, _Shipped], list[str]]
    lifted: Mapping[str, Any] | None = None
    reason: UnassignedReason | None = None


HARD_LIMITS = (
    HardLimit(
        "capacity",
        lambda p: p.capacity_units is not None,
        _capacity_breaches,
        {"capacity_units": None},
        UnassignedReason.CAPACITY,
    ),
    HardLimit(
        "splits",
        lambda p: p.max_shipments or p.split_rung is not SplitRung.QUANTITY_SPLIT,
        _split_breaches,
        {"max_shipments": 0, "split_rung": SplitRung.QUANTITY_SPLIT},
        UnassignedReason.SPLIT_LIMIT,
    ),
    HardLimit(
        "whole",
        lambda p: p.indivisible or p.groups,
        _whole_breaches,
        {"indivisible": frozenset(), "groups": ()},
        UnassignedReason.INDIVISIBLE,
    ),
    HardLimit(
        "split value",
        lambda p: p.min_split_value_micros,
        _value_breaches,
        {"min_split_value_micros": 0},
        UnassignedReason.MIN_SPLIT_VALUE,
    ),
    HardLimit("frozen", lambda p: p.frozen, _frozen_breaches),
    HardLimit(
        "incomplete",
        lambda p: p.incomplete is not Incomplete.PARTIAL,
        _incomplete_breaches,
        {"incomplete": Incomplete.PARTIAL},
        UnassignedReason.INCOMPLETE_POLICY,
    ),
    HardLimit(
        "refused",
        lambda p: p.allowed is not None,
        _refused_breaches,
        {"allowed": None},
        UnassignedReason.LOCATIONS_ELIMINATED,
    ),
)
"""The limits beyond demand and stock. The first that explains a line is its reason."""


def is_limited(problem: SourcingProblem) -> bool:
    """Return whether a problem has any of these limits."""
    # A loop, as every order comes here and a generator costs half as much again.
    for limit in HARD_LIMITS:  # noqa: SIM110
        if limit.applies(problem):
            return True
    return False


def lifted(problem: SourcingProblem) -> dict[UnassignedReason, SourcingProblem]:
    """Return for each limit that the problem has, the problem without it."""
    return {
        limit.reason: replace(problem, **limit.lifted)
        for limit in HARD_LIMITS
        if limit.reason is not None
        and limit.lifted is not None
        and limit.applies(problem)
    }
