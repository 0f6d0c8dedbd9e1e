"""Orders: every field read once, for this is on the path of every call."""

from collections.abc import Iterable, Sequence

from availability.errors import Violation
from availability.model import LocationId, Sku
from router.model import (
    MAX_LINES,
    Destination,
    Frozen,
    KitComponent,
    Lane,
    Order,
    OrderLine,
)
from router.rpc.codec.lists import at_most
from router.v1 import order_pb2
from router.validation.shape import MAX_COMPONENTS, MAX_FROZEN, MAX_LANES, MAX_REJECTED

_NOWHERE = Destination()
_NONE: frozenset[tuple[str, str]] = frozenset()


def decode_order(
    wire: order_pb2.Order, path: str, violations: list[Violation]
) -> Order:
    """Read an order; ``path`` is where it stands in its request."""
    lines: Sequence[order_pb2.OrderLine] = wire.lines
    if len(lines) > MAX_LINES:
        lines = at_most(MAX_LINES, lines, f"{path}.lines", violations)
    lanes = wire.lanes
    frozen = wire.frozen
    rejected = wire.rejected
    return Order(
        wire.order_id,
        tuple(
            [
                OrderLine(
                    line.line_id,
                    Sku(line.sku),
                    line.quantity,
                    line.indivisible,
                    line.ship_together,
                    line.unit_value_micros,
                    _decode_components(
                        at_most(
                            MAX_COMPONENTS,
                            parts,
                            f"{path}.lines[{n}].components",
                            violations,
                        )
                    )
                    if (parts := line.components)
                    else (),
                )
                for n, line in enumerate(lines)
            ]
        ),
        _decode_destination(wire.destination)
        if wire.HasField("destination")
        else _NOWHERE,
        wire.channel_id,
        wire.shipping_method,
        _decode_lanes(at_most(MAX_LANES, lanes, f"{path}.lanes", violations))
        if lanes
        else (),
        wire.promised_minutes if wire.HasField("promised_minutes") else None,
        _decode_frozen(at_most(MAX_FROZEN, frozen, f"{path}.frozen", violations))
        if frozen
        else (),
        _decode_rejected(
            at_most(MAX_REJECTED, rejected, f"{path}.rejected", violations)
        )
        if rejected
        else _NONE,
        wire.customer_id,
    )


def _decode_components(
    wire: Iterable[order_pb2.KitComponent],
) -> tuple[KitComponent, ...]:
    return tuple([KitComponent(Sku(part.sku), part.quantity) for part in wire])


def _decode_destination(wire: order_pb2.Destination) -> Destination:
    return Destination(
        wire.latitude if wire.HasField("latitude") else None,
        wire.longitude if wire.HasField("longitude") else None,
        wire.country_code,
    )


def _decode_lanes(wire: Iterable[order_pb2.Lane]) -> tuple[Lane, ...]:
    return tuple(
        [
            Lane(
                LocationId(lane.location_id),
                lane.shipment_cost_micros
                if lane.HasField("shipment_cost_micros")
                else None,
                lane.unit_cost_micros if lane.HasField("unit_cost_micros") else None,
                lane.arrival_minutes if lane.HasField("arrival_minutes") else None,
            )
            for lane in wire
        ]
    )


def _decode_frozen(
    wire: Iterable[order_pb2.FrozenAssignment],
) -> tuple[Frozen, ...]:
    return tuple(
        [
            Frozen(each.line_id, LocationId(each.location_id), each.quantity)
            for each in wire
        ]
    )


def _decode_rejected(
    wire: Iterable[order_pb2.RejectedPair],
) -> frozenset[tuple[str, str]]:
    return frozenset([(each.line_id, each.location_id) for each in wire])


def encode_order(order: Order) -> order_pb2.Order:
    """Write an order: what a client of ours sends."""
    wire = order_pb2.Order(
        order_id=order.order_id,
        channel_id=order.channel_id,
        shipping_method=order.shipping_method,
        promised_minutes=order.promised_minutes,
        customer_id=order.customer_id,
    )
    for line in order.lines:
        wire.lines.add(
            line_id=line.line_id,
            sku=line.sku,
            quantity=line.quantity,
            indivisible=line.indivisible,
            ship_together=line.ship_together,
            unit_value_micros=line.unit_value_micros,
            components=[
                order_pb2.KitComponent(sku=part.sku, quantity=part.quantity)
                for part in line.components
            ],
        )
    if order.destination != _NOWHERE:
        wire.destination.CopyFrom(
            order_pb2.Destination(
                latitude=order.destination.latitude,
                longitude=order.destination.longitude,
                country_code=order.destination.country_code,
            )
        )
    for lane in order.lanes:
        wire.lanes.add(
            location_id=lane.location_id,
            shipment_cost_micros=lane.shipment_cost_micros,
            unit_cost_micros=lane.unit_cost_micros,
            arrival_minutes=lane.arrival_minutes,
        )
    for frozen in order.frozen:
        wire.frozen.add(
            line_id=frozen.line_id,
            location_id=frozen.location_id,
            quantity=frozen.quantity,
        )
    for line_id, location_id in sorted(order.rejected):
        wire.rejected.add(line_id=line_id, location_id=location_id)
    return wire
