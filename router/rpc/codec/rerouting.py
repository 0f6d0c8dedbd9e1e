"""Re-routings: request, progress and result."""

from availability.errors import MAX_VIOLATIONS, Violation
from availability.reservations import OPEN_STATES, ReservationState
from router.errors import InvalidOrder
from router.report.model import RoutingOutcome
from router.rerouting.dialogue import RerouteProgress, RerouteRequest, RerouteResult
from router.rerouting.joint_problem import Wishes
from router.rerouting.open_plans import Selection
from router.rpc.codec.enums import STATE_FROM_WIRE
from router.rpc.codec.lists import decode_ids
from router.rpc.codec.policy import decode_policy
from router.rpc.codec.request import decode_duration
from router.v1 import rerouting_pb2, routing_service_pb2
from router.validation.breaches import out_of_range

MAX_NAMED = 1_000
"""Most channels, or locations, of a selection."""
MAX_NAMED_ORDERS = 10_000
MAX_GAIN_PERMILLE = 10_000
"""An order has to save ten shipments to be moved: none does."""
MAX_MOVES = 2**31 - 1
DEFAULT_SECONDS = 60.0
MIN_SECONDS = 1.0
MAX_SECONDS = 3_600.0
MAX_AGE_SECONDS = 10 * 366 * 86_400
CHUNK_BYTES = 2**20
"""Of a certificate in one message."""


def decode_rerouting(wire: rerouting_pb2.Rerouting) -> RerouteRequest:
    """Read a request.

    Raises
    ------
    InvalidOrder
        Every violation is listed.
    """
    found: list[Violation] = []
    selection = wire.selection
    path = "rerouting.selection."
    selected = Selection(
        _states(selection, found),
        decode_ids(selection.channel_ids, path + "channel_ids", MAX_NAMED, found),
        decode_ids(selection.location_ids, path + "location_ids", MAX_NAMED, found),
        decode_ids(selection.order_ids, path + "order_ids", MAX_NAMED_ORDERS, found),
        selection.queued_only,
    )
    policy = None
    if wire.HasField("policy"):
        policy = decode_policy(wire.policy, "rerouting.policy", found)
    gain = wire.min_gain_permille
    moves = wire.max_moves if wire.HasField("max_moves") else None
    for name, most, value in (
        ("min_gain_permille", MAX_GAIN_PERMILLE, gain),
        ("max_moves", MAX_MOVES, moves),
    ):
        if value is not None and not 0 <= value <= most:
            found.append(out_of_range(f"rerouting.{name}", 0, most, value))
    seconds, age = DEFAULT_SECONDS, 0.0
    if wire.HasField("solve_timeout"):
        bounds = (MIN_SECONDS, MAX_SECONDS)
        here = "rerouting.solve_timeout"
        seconds = decode_duration(wire.solve_timeout, bounds, here, found)
    if selection.HasField("min_age"):
        bounds = (0.0, MAX_AGE_SECONDS)
        age = decode_duration(selection.min_age, bounds, path + "min_age", found)
    if found:
        raise InvalidOrder(found[:MAX_VIOLATIONS])
    return RerouteRequest(
        selected,
        Wishes(policy, gain, moves),
        seconds,
        age,
        wire.validate_only,
        wire.certificate,
    )


def _states(
    wire: rerouting_pb2.RerouteSelection, found: list[Violation]
) -> tuple[ReservationState, ...]:
    states = []
    for n, each in enumerate(wire.states):
        state = STATE_FROM_WIRE.get(each)
        if state not in OPEN_STATES:
            message = "must be PLACED or HELD"
            path = f"rerouting.selection.states[{n}]"
            found.append(Violation(path, "OUT_OF_RANGE", message))
        elif state not in states:
            states.append(state)
    return tuple(states) or Selection().states


def encode_step(step: RerouteProgress) -> bytes:
    """Return how far it is, as a ``RerouteOrdersResponse``."""
    progress = rerouting_pb2.RerouteProgress(
        phase=step.phase,
        order_count=step.orders,
        value=step.value,
        bound=step.bound,
        move_count=step.moves,
        applied_count=step.applied,
        conflict_count=step.conflicts,
    )
    return _answer(routing_service_pb2.RerouteOrdersResponse(progress=progress))


def encode_done(done: RerouteResult) -> list[bytes]:
    """Return the last messages: the certificate, if there is one, and the report."""
    wire = routing_service_pb2.RerouteOrdersResponse
    chunks = [
        _answer(wire(certificate_chunk=done.saved[at : at + CHUNK_BYTES]))
        for at in range(0, len(done.saved), CHUNK_BYTES)
    ]
    return [*chunks, _answer(wire(report=encode_report(done)))]


def encode_report(done: RerouteResult) -> rerouting_pb2.RerouteReport:
    """Write a result."""
    summary = done.summary
    report = rerouting_pb2.RerouteReport(
        before=_outcome(summary.before),
        after=_outcome(summary.after),
        conflict_count=done.conflicts,
        given_up_count=done.given_up,
        stopped=done.stopped,
        validate_only=done.validate_only,
    )
    if summary.bound is not None:
        report.shipment_bound = summary.bound.shipments
        report.bound_provenance = summary.bound.source
    for name, value, bound, provenance in summary.levels:
        report.levels.add(name=name, value=value, bound=bound, provenance=provenance)
    for kept in summary.kept:
        report.kept.add(reason=kept.reason, count=kept.count)
    for point in summary.series:
        report.series.add(
            elapsed_millis=round(point.seconds * 1_000),
            value=point.value,
            bound=point.bound,
        )
    for phase in summary.phases:
        report.phases.add(name=phase.name, elapsed_millis=round(phase.seconds * 1_000))
    return report


def _outcome(outcome: RoutingOutcome) -> rerouting_pb2.RerouteOutcome:
    wire = rerouting_pb2.RerouteOutcome(
        order_count=outcome.orders,
        complete_count=outcome.complete_orders,
        shipment_count=outcome.shipments,
        split_order_count=outcome.split_orders,
        split_line_count=outcome.split_lines,
        assigned_units=outcome.assigned_units,
        queued_units=outcome.unassigned_units,
        orders_by_shipments=outcome.shipments_per_order,
        moved_count=outcome.moved_orders,
        gained_count=outcome.gained_orders,
        lost_count=outcome.lost_orders,
    )
    for each in outcome.loads:
        wire.loads.add(
            location_id=each.location_id, order_count=each.orders, units=each.units
        )
    return wire


def _answer(wire: routing_service_pb2.RerouteOrdersResponse) -> bytes:
    return wire.SerializeToString(deterministic=True)
