"""Locations, imports and stock records."""

from collections.abc import Iterable, Sequence

from availability.model import (
    UNRANKED,
    Location,
    LocationId,
    LocationKind,
    Sku,
    StockChange,
    StockRecord,
    Zone,
)
from availability.v1 import location_pb2, stock_service_pb2
from router.rpc.codec.enums import KIND_FROM_WIRE, KIND_TO_WIRE


def decode_location(wire: location_pb2.Location) -> Location:
    """Read a location that has passed `location_breaches`."""
    has = wire.HasField
    return Location(
        LocationId(wire.location_id),
        rank=wire.rank or UNRANKED,
        kind=KIND_FROM_WIRE[wire.kind] if wire.kind else LocationKind.WAREHOUSE,
        active=wire.active if has("active") else True,
        latitude=wire.latitude if has("latitude") else None,
        longitude=wire.longitude if has("longitude") else None,
        country_code=wire.country_code,
        origin_id=wire.origin_id,
        groups=frozenset(wire.groups),
        shipping_methods=frozenset(wire.shipping_methods),
        channel_ids=frozenset(wire.channel_ids),
        capacity_orders=wire.capacity_orders if has("capacity_orders") else None,
        capacity_units=wire.capacity_units if has("capacity_units") else None,
        shipment_cost_micros=wire.shipment_cost_micros,
        unit_cost_micros=wire.unit_cost_micros,
        workload_minutes=wire.workload_minutes,
        zones=tuple([_decode_zone(each) for each in wire.zones]),
        stale_after_seconds=wire.stale_after_seconds,
        lead_time_minutes=wire.lead_time_minutes,
    )


def _decode_zone(wire: location_pb2.Zone) -> Zone:
    return Zone(wire.zone_id, wire.available if wire.HasField("available") else True)


def encode_location(location: Location) -> location_pb2.Location:
    """Write a location; sets in order, so that the bytes are always the same."""
    return location_pb2.Location(
        location_id=location.location_id,
        rank=0 if location.rank == UNRANKED else location.rank,
        kind=KIND_TO_WIRE[location.kind],
        active=location.active,
        latitude=location.latitude,
        longitude=location.longitude,
        country_code=location.country_code,
        origin_id=location.origin_id,
        groups=sorted(location.groups),
        shipping_methods=sorted(location.shipping_methods),
        channel_ids=sorted(location.channel_ids),
        capacity_orders=location.capacity_orders,
        capacity_units=location.capacity_units,
        shipment_cost_micros=location.shipment_cost_micros,
        unit_cost_micros=location.unit_cost_micros,
        workload_minutes=location.workload_minutes,
        zones=[
            location_pb2.Zone(zone_id=zone.zone_id, available=zone.available)
            for zone in location.zones
        ],
        stale_after_seconds=location.stale_after_seconds,
        lead_time_minutes=location.lead_time_minutes,
    )


def decode_changes(wire: Iterable[stock_service_pb2.StockChange]) -> list[StockChange]:
    """Read the lines of an import; whether they make sense is the ledger's to say."""
    return [
        StockChange(
            LocationId(each.location_id),
            Sku(each.sku),
            each.on_hand_units,
            each.safety_stock_units if each.HasField("safety_stock_units") else None,
            each.zone_id,
        )
        for each in wire
    ]


def encode_change(change: StockChange) -> stock_service_pb2.StockChange:
    """Write one line of an import: what a client of ours sends."""
    return stock_service_pb2.StockChange(
        location_id=change.location_id,
        sku=change.sku,
        on_hand_units=change.on_hand,
        safety_stock_units=change.safety_stock,
        zone_id=change.zone_id,
    )


def add_record(
    wire: stock_service_pb2.ListStockResponse,
    record: StockRecord,
    active: bool,
    zones: Sequence[tuple[str, int]] = (),
) -> None:
    """Write one record; nothing is available where the location is inactive.

    ``zones`` are its (zone_id, units).
    """
    added = wire.records.add(
        location_id=record.location_id,
        sku=record.sku,
        on_hand_units=record.on_hand,
        allocated_units=record.allocated,
        safety_stock_units=record.safety_stock,
        available_units=record.available if active else 0,
        held_units=record.held,
        withdrawn_units=record.withdrawn,
        zones=[
            stock_service_pb2.ZoneUnits(zone_id=zone_id, on_hand_units=units)
            for zone_id, units in zones
        ],
    )
    if record.counted_seconds:
        added.counted_time.FromSeconds(record.counted_seconds)
