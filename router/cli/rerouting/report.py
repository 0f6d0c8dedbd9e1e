"""A server's message about a re-routing, as a report."""

from router.report.model import (
    Bound,
    Count,
    LocationLoad,
    Phase,
    Point,
    Report,
    RoutingOutcome,
)
from router.v1 import rerouting_pb2

PROVENANCES = {
    "proven": "proven",
    "lagrangian": "Lagrangian",
    "static": "trivial",
}
"""The sources of a bound, in words."""


def to_report(wire: rerouting_pb2.RerouteReport, made_at: str = "") -> Report:
    """Return the report of a re-routing; ``made_at`` is shown unchanged.

    Raises
    ------
    ValueError
        Its numbers contradict each other.
    """
    before, after = _outcome("before", wire.before), _outcome("after", wire.after)
    bound = None
    if wire.HasField("shipment_bound"):
        source = PROVENANCES.get(wire.bound_provenance, wire.bound_provenance)
        bound = Bound(wire.shipment_bound, after.complete_orders, source)
    orders = f"{before.orders:,} order{'' if before.orders == 1 else 's'}"
    return Report(
        title=f"Re-routing of {orders}{': a dry run' if wire.validate_only else ''}",
        outcomes=(before, after),
        bound=bound,
        conflicts=wire.conflict_count,
        kept=tuple(
            Count(each.reason.replace("_", " "), each.count) for each in wire.kept
        ),
        series=tuple(_point(each) for each in wire.series),
        phases=tuple(
            Phase(each.name, each.elapsed_millis / 1_000) for each in wire.phases
        ),
        notes=tuple(_notes(wire)),
        made_at=made_at,
    )


def _notes(wire: rerouting_pb2.RerouteReport) -> list[str]:
    notes = []
    if wire.validate_only:
        notes.append("A dry run: nothing was changed.")
    if wire.stopped:
        notes.append("Stopped early: this is the best plan found so far.")
    if wire.given_up_count:
        notes.append(
            f"Orders not changed, because other writers took their stock first or no "
            f"exchange was found: {wire.given_up_count:,}. They keep their plans."
        )
    if not wire.before.order_count:
        notes.append("No open order matches the selection.")
    elif not wire.levels:
        notes.append("No order was decided: all of them keep their plans.")
    if wire.HasField("shipment_bound"):
        notes.append(
            "The bound is for plans that split no more lines than the plan after and, "
            "with a minimum gain, move no more orders."
        )
    notes += [_level(each) for each in wire.levels if each.provenance != "static"]
    return notes


def _level(level: rerouting_pb2.JointLevel) -> str:
    source = PROVENANCES.get(level.provenance, level.provenance)
    return (
        f"Level {level.name.replace('_', ' ')} of the orders decided together: "
        f"{level.value:,}; no plan is below {level.bound:,} ({source})."
    )


def _point(wire: rerouting_pb2.ReroutePoint) -> Point:
    return Point(
        wire.elapsed_millis / 1_000,
        wire.value if wire.HasField("value") else None,
        wire.bound if wire.HasField("bound") else None,
    )


def _outcome(name: str, wire: rerouting_pb2.RerouteOutcome) -> RoutingOutcome:
    return RoutingOutcome(
        name=name,
        orders=wire.order_count,
        complete_orders=wire.complete_count,
        shipments=wire.shipment_count,
        split_orders=wire.split_order_count,
        split_lines=wire.split_line_count,
        assigned_units=wire.assigned_units,
        unassigned_units=wire.queued_units,
        shipments_per_order=tuple(wire.orders_by_shipments),
        loads=tuple(
            LocationLoad(each.location_id, each.order_count, each.units)
            for each in wire.loads
        ),
        moved_orders=wire.moved_count,
        gained_orders=wire.gained_count,
        lost_orders=wire.lost_count,
    )
