"""Plans: the reply of `RouteOrder`, as sent, stored and read again."""

import functools
from collections.abc import Iterable, Mapping

from availability.model import LocationId, Sku
from router.identity_cache import by_identity
from router.model import (
    Assignment,
    Counterfactuals,
    EliminationFilter,
    NextBest,
    ObjectiveValue,
    RoutingPlan,
    Shipment,
    StockChangeNeeded,
    Unassigned,
)
from router.rpc.codec.enums import (
    FILTER_FROM_WIRE,
    FILTER_TO_WIRE,
    STATUS_FROM_WIRE,
    STATUS_TO_WIRE,
    UNASSIGNED_FROM_WIRE,
    UNASSIGNED_TO_WIRE,
)
from router.rpc.codec.framing import with_field
from router.v1 import plan_pb2, routing_service_pb2

_MINIMIZE = plan_pb2.OBJECTIVE_SENSE_MINIMIZE
_MAXIMIZE = plan_pb2.OBJECTIVE_SENSE_MAXIMIZE

_RESULTS = routing_service_pb2.RouteOrdersResponse.RESULTS_FIELD_NUMBER
_PLAN = routing_service_pb2.RouteOrderResponse.PLAN_FIELD_NUMBER


def encode_reply(plan: RoutingPlan) -> bytes:
    """Return the bytes of a ``RouteOrderResponse``: what is sent and stored.

    They begin a ``GetPlanResponse`` and a ``RejectAssignmentResponse``, and are a
    ``RouteOrderResult``: in all of them the plan is field 1. A test holds the
    contract to that.
    """
    # Messages written one after the other read as one, and in the order of their
    # fields they are the bytes of one. Most plans have the same values as an earlier
    # one: their bytes are kept.
    before, after = plan_pb2.RoutingPlan(), plan_pb2.RoutingPlan()
    _encode_before_objectives(before, plan)
    _encode_after_objectives(after, plan)
    head = before.SerializeToString(deterministic=True)
    objectives = _objective_bytes(plan.objectives)
    tail = after.SerializeToString(deterministic=True)
    return with_field(_PLAN, head, objectives, tail)


def decode_reply(reply: bytes) -> RoutingPlan:
    """Read what `encode_reply` wrote."""
    return decode_plan(routing_service_pb2.RouteOrderResponse.FromString(reply).plan)


def join_results(results: Iterable[bytes]) -> bytes:
    """Return the bytes of a ``RouteOrdersResponse`` made of its results' bytes.

    Stored replies are never parsed: they are sent as they are.
    """
    return b"".join([with_field(_RESULTS, result) for result in results])


def encode_plan(plan: RoutingPlan) -> plan_pb2.RoutingPlan:
    """Write a plan."""
    wire = plan_pb2.RoutingPlan()
    _encode_before_objectives(wire, plan)
    _encode_objectives(wire, plan.objectives)
    _encode_after_objectives(wire, plan)
    return wire


@functools.lru_cache(maxsize=4096)
def _objective_bytes(objectives: tuple[ObjectiveValue, ...]) -> bytes:
    wire = plan_pb2.RoutingPlan()
    _encode_objectives(wire, objectives)
    return wire.SerializeToString(deterministic=True)


@functools.lru_cache(maxsize=4096)
def _shipment(shipment: Shipment) -> plan_pb2.Shipment:
    """Return a message to copy: many shipments differ only in their lines."""
    return plan_pb2.Shipment(
        origin_id=shipment.origin_id,
        location_ids=shipment.location_ids,
        line_count=shipment.line_count,
        unit_count=shipment.unit_count,
        reason=shipment.reason,
    )


@by_identity
def _eliminated(
    eliminated: Mapping[LocationId, EliminationFilter],
) -> list[plan_pb2.EliminatedLocation]:
    """Return messages to copy: most orders have the same locations eliminated."""
    return [
        plan_pb2.EliminatedLocation(location_id=name, filter=FILTER_TO_WIRE[by])
        for name, by in eliminated.items()
    ]


def _encode_before_objectives(wire: plan_pb2.RoutingPlan, plan: RoutingPlan) -> None:
    """Write the fields whose numbers are below that of the objectives."""
    wire.plan_id = plan.plan_id
    wire.order_id = plan.order_id
    wire.status = STATUS_TO_WIRE[plan.status]
    _encode_assignments(wire, plan.assignments)
    for shipment in plan.shipments:
        wire.shipments.append(_shipment(shipment))
    add_unassigned = wire.unassigned.add
    for rest in plan.unassigned:
        add_unassigned(
            line_id=rest.line_id,
            sku=rest.sku,
            quantity=rest.quantity,
            reason=UNASSIGNED_TO_WIRE[rest.reason],
        )


def _encode_after_objectives(wire: plan_pb2.RoutingPlan, plan: RoutingPlan) -> None:
    """Write the fields whose numbers are above that of the objectives."""
    wire.proven = plan.proven
    wire.stock_version = plan.stock_version
    wire.engine = plan.engine
    wire.solve_micros = plan.solve_micros
    wire.policy = plan.policy
    wire.conflict_count = plan.conflict_count
    if plan.eliminated:
        wire.eliminated.extend(_eliminated(plan.eliminated))
    if plan.counterfactuals is not None:
        _encode_counterfactuals(wire.counterfactuals, plan.counterfactuals)


def _encode_assignments(
    wire: plan_pb2.RoutingPlan | plan_pb2.NextBestPlan,
    assignments: tuple[Assignment, ...],
) -> None:
    add = wire.assignments.add
    for each in assignments:
        add(
            line_id=each.line_id,
            sku=each.sku,
            location_id=each.location_id,
            quantity=each.quantity,
            shipment_index=each.shipment,
        )


def _encode_objectives(
    wire: plan_pb2.RoutingPlan | plan_pb2.NextBestPlan,
    objectives: tuple[ObjectiveValue, ...],
) -> None:
    add = wire.objectives.add
    for each in objectives:
        add(
            name=each.name,
            sense=_MAXIMIZE if each.maximize else _MINIMIZE,
            value=each.value,
            bound=each.bound,
            proven=each.proven,
        )


def _encode_counterfactuals(
    wire: plan_pb2.Counterfactuals, counterfactuals: Counterfactuals
) -> None:
    # Present even when empty: it was requested.
    wire.SetInParent()
    best = counterfactuals.next_best
    if best is not None:
        wire.next_best.SetInParent()
        _encode_assignments(wire.next_best, best.assignments)
        _encode_objectives(wire.next_best, best.objectives)
        wire.next_best.lost_at = best.lost_at
        wire.next_best.value = best.value
        wire.next_best.plan_value = best.plan_value
        wire.next_best.proven = best.proven
    change = counterfactuals.one_shipment
    if change is not None:
        wire.one_shipment.location_id = change.location_id
        wire.one_shipment.total_units = change.total_units
        for sku, quantity in change.missing.items():
            wire.one_shipment.missing.add(sku=sku, quantity=quantity)


def decode_plan(wire: plan_pb2.RoutingPlan) -> RoutingPlan:
    """Read a plan: what a client of ours does."""
    return RoutingPlan(
        order_id=wire.order_id,
        status=STATUS_FROM_WIRE[wire.status],
        assignments=_decode_assignments(wire),
        shipments=tuple(
            Shipment(
                each.origin_id,
                tuple(LocationId(location_id) for location_id in each.location_ids),
                each.line_count,
                each.unit_count,
                each.reason,
            )
            for each in wire.shipments
        ),
        unassigned=tuple(
            Unassigned(
                each.line_id,
                Sku(each.sku),
                each.quantity,
                UNASSIGNED_FROM_WIRE[each.reason],
            )
            for each in wire.unassigned
        ),
        objectives=_decode_objectives(wire),
        eliminated={
            LocationId(each.location_id): FILTER_FROM_WIRE[each.filter]
            for each in wire.eliminated
        },
        stock_version=wire.stock_version,
        engine=wire.engine,
        solve_micros=wire.solve_micros,
        policy=wire.policy,
        plan_id=wire.plan_id,
        conflict_count=wire.conflict_count,
        counterfactuals=_decode_counterfactuals(wire.counterfactuals)
        if wire.HasField("counterfactuals")
        else None,
    )


def _decode_assignments(
    wire: plan_pb2.RoutingPlan | plan_pb2.NextBestPlan,
) -> tuple[Assignment, ...]:
    return tuple(
        Assignment(
            each.line_id,
            Sku(each.sku),
            LocationId(each.location_id),
            each.quantity,
            each.shipment_index,
        )
        for each in wire.assignments
    )


def _decode_objectives(
    wire: plan_pb2.RoutingPlan | plan_pb2.NextBestPlan,
) -> tuple[ObjectiveValue, ...]:
    return tuple(
        ObjectiveValue(
            each.name, each.sense == _MAXIMIZE, each.value, each.bound, each.proven
        )
        for each in wire.objectives
    )


def _decode_counterfactuals(wire: plan_pb2.Counterfactuals) -> Counterfactuals:
    next_best = None
    if wire.HasField("next_best"):
        best = wire.next_best
        next_best = NextBest(
            _decode_assignments(best),
            _decode_objectives(best),
            best.lost_at,
            best.value,
            best.plan_value,
            best.proven,
        )
    one_shipment = None
    if wire.HasField("one_shipment"):
        one_shipment = StockChangeNeeded(
            LocationId(wire.one_shipment.location_id),
            {Sku(each.sku): each.quantity for each in wire.one_shipment.missing},
        )
    return Counterfactuals(next_best, one_shipment)
