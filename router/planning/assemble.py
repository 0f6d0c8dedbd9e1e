"""A solution as a plan: which location ships what, why, and how good that is."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from router.errors import SolverError
from router.model import (
    Assignment,
    Counterfactuals,
    ObjectiveValue,
    Order,
    PlanStatus,
    RoutingPlan,
    Shipment,
    Unassigned,
    UnassignedReason,
)
from router.optimize.problem import Piece, Solution, SourcingProblem, check
from router.optimize.score import judge
from router.planning.build import Built
from router.planning.shipment_reasons import sentences


class PlanMeta(NamedTuple):
    """The part of a plan that is in neither the problem nor the solution."""

    solve_micros: int = 0
    plan_id: str = ""
    conflict_count: int = 0
    counterfactuals: Counterfactuals | None = None


_NOTHING_SPECIAL = PlanMeta()


class CheckedSolution(NamedTuple):
    """A solution that keeps every limit, and what it is worth.

    ``short`` maps the lines that do not ship whole to the units they lack.
    """

    built: Built
    solution: Solution
    objectives: tuple[ObjectiveValue, ...]
    short: Mapping[int, int]


def accept(built: Built, solution: Solution) -> CheckedSolution:
    """Trust no engine: judge its solution from the data.

    Raises
    ------
    SolverError
        It breaks a hard limit.
    """
    problem = built.problem
    short = shortfall(problem, solution)
    verify(problem, solution)
    return CheckedSolution(built, solution, judge(problem, solution), short)


def verify(problem: SourcingProblem, solution: Solution) -> None:
    """Raise SolverError if a solution breaks a hard limit."""
    breaches = check(problem, solution.pieces)
    if breaches:
        raise SolverError(f"{solution.engine}: " + "; ".join(breaches))


def shortfall(problem: SourcingProblem, solution: Solution) -> dict[int, int]:
    """Return the lines that do not ship whole, with the units they lack."""
    left = list(problem.demand)
    for _, line, units in solution.pieces:
        left[line] -= units
    return {line: units for line, units in enumerate(left) if units}


def make_plan(
    judged: CheckedSolution,
    reasons: Mapping[int, UnassignedReason],
    meta: PlanMeta = _NOTHING_SPECIAL,
) -> RoutingPlan:
    """Put an accepted solution into words; ``reasons`` has every short line."""
    built, solution, objectives, short = judged
    order = built.order
    groups = by_shipment(built.problem, solution.pieces)
    status = PlanStatus.FULL
    if short:
        status = PlanStatus.PARTIAL if groups else PlanStatus.NONE
    return RoutingPlan(
        order_id=order.order_id,
        status=status,
        assignments=assignments(built, groups),
        shipments=_shipments(judged, groups) if groups else (),
        unassigned=_unassigned(order, short, reasons) if short else (),
        objectives=objectives,
        eliminated=built.candidates.eliminated,
        stock_version=built.stock_version,
        engine=solution.engine,
        solve_micros=meta.solve_micros,
        policy=built.policy.name,
        plan_id=meta.plan_id,
        conflict_count=meta.conflict_count,
        counterfactuals=meta.counterfactuals,
    )


def by_shipment(problem: SourcingProblem, pieces: Sequence[Piece]) -> list[list[Piece]]:
    """Return the pieces of a solution that leave together, busiest shipment first.

    Busiest is: most lines whole, then most units, then first in rank. Within a
    shipment pieces are in the order of their lines.
    """
    if not pieces:
        return []
    if pieces[0].location == pieces[-1].location:
        # They are in the order of their locations, so there is only this one.
        return [list(pieces)]
    shipped: dict[int, int] = {}
    groups: dict[int, list[Piece]] = {}
    for piece in pieces:
        shipped[piece.line] = shipped.get(piece.line, 0) + piece.units
        groups.setdefault(problem.origin_of(piece.location), []).append(piece)
    for group in groups.values():
        group.sort(key=lambda piece: (piece.line, piece.location))
    if len(groups) < 2:
        return list(groups.values())

    def busyness(group: list[Piece]) -> tuple[int, int, int]:
        here: dict[int, int] = {}
        for piece in group:
            here[piece.line] = here.get(piece.line, 0) + piece.units
        whole = sum(1 for line, units in here.items() if units == shipped[line])
        first = min(piece.location for piece in group)
        return -whole, -sum(here.values()), first

    return sorted(groups.values(), key=busyness)


def assignments(
    built: Built, groups: Sequence[Sequence[Piece]]
) -> tuple[Assignment, ...]:
    """Return the assignments of shipments, in their order."""
    lines, locations = built.order.lines, built.candidates.pool.locations
    found = []
    for shipment, pieces in enumerate(groups):
        for location, n, units in pieces:
            line, location_id = lines[n], locations[location].location_id
            found.append(
                Assignment(line.line_id, line.sku, location_id, units, shipment)
            )
    return tuple(found)


def _shipments(
    judged: CheckedSolution, groups: Sequence[Sequence[Piece]]
) -> tuple[Shipment, ...]:
    built = judged.built
    locations = built.candidates.pool.locations
    found = []
    for pieces in groups:
        rooms = [locations[n] for n in sorted({piece.location for piece in pieces})]
        ids = tuple([room.location_id for room in rooms])
        line_count = len({piece.line for piece in pieces})
        found.append((rooms[0], ids, line_count, sum([each.units for each in pieces])))
    reasons = sentences(built, groups, judged.short, judged.solution.rivals)
    shipments = []
    for (first, ids, lines, units), reason in zip(found, reasons, strict=True):
        shipments.append(Shipment(first.origin, ids, lines, units, reason))
    return tuple(shipments)


def _unassigned(
    order: Order, short: Mapping[int, int], reasons: Mapping[int, UnassignedReason]
) -> tuple[Unassigned, ...]:
    return tuple(
        Unassigned(
            order.lines[line].line_id, order.lines[line].sku, units, reasons[line]
        )
        for line, units in sorted(short.items())
    )
