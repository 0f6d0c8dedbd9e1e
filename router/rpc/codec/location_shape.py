"""Whether a location has the shape the contract promises.

Judged on the wire: `availability.model.Location` cannot even be built wrong, and
a caller gets every breach at once. Bounds are those of
proto/availability/v1/location.proto.
"""

import math
from collections.abc import Iterable, Iterator, Sequence

from availability.errors import Violation
from availability.v1 import location_pb2
from router.rpc.codec.enums import KIND_FROM_WIRE, no_member
from router.validation.breaches import bad_id, is_id, out_of_range, too_many, twice

MAX_RANK = 1_000_000
MAX_GROUPS = 64
MAX_SHIPPING_METHODS = 64
MAX_CHANNELS = 256
MAX_ZONES = 64
MAX_MICROS = 10**12
MAX_WORKLOAD_MINUTES = 10_000_000
MAX_LEAD_TIME_MINUTES = 10_000_000
MAX_STALE_SECONDS = 10 * 365 * 24 * 3600
MAX_INT32 = 2**31 - 1
MAX_INT64 = 2**63 - 1


def location_breaches(wire: location_pb2.Location, path: str) -> Iterator[Violation]:
    """Yield every breach of a location's shape; nothing: `decode_location` takes it."""
    if not is_id(wire.location_id):
        yield bad_id(f"{path}.location_id", wire.location_id)
    if wire.kind and wire.kind not in KIND_FROM_WIRE:
        yield no_member(f"{path}.kind", wire.kind)
    yield from _coordinates(wire, path)
    code = wire.country_code
    if code and not (
        len(code) == 2 and code.isascii() and code.isalpha() and code.isupper()
    ):
        message = "must be two capital letters (ISO 3166-1)"
        yield Violation(f"{path}.country_code", "INVALID_COUNTRY", message)
    if wire.origin_id and not is_id(wire.origin_id):
        yield bad_id(f"{path}.origin_id", wire.origin_id)
    yield from _ids(wire.groups, f"{path}.groups", MAX_GROUPS)
    yield from _ids(
        wire.shipping_methods, f"{path}.shipping_methods", MAX_SHIPPING_METHODS
    )
    yield from _ids(wire.channel_ids, f"{path}.channel_ids", MAX_CHANNELS)
    yield from _zones(wire.zones, f"{path}.zones")
    for name, most, value in (
        ("rank", MAX_RANK, wire.rank),
        ("capacity_orders", MAX_INT32, wire.capacity_orders),
        ("capacity_units", MAX_INT64, wire.capacity_units),
        ("shipment_cost_micros", MAX_MICROS, wire.shipment_cost_micros),
        ("unit_cost_micros", MAX_MICROS, wire.unit_cost_micros),
        ("workload_minutes", MAX_WORKLOAD_MINUTES, wire.workload_minutes),
        ("stale_after_seconds", MAX_STALE_SECONDS, wire.stale_after_seconds),
        ("lead_time_minutes", MAX_LEAD_TIME_MINUTES, wire.lead_time_minutes),
    ):
        if not 0 <= value <= most:
            yield out_of_range(f"{path}.{name}", 0, most, value)


def _coordinates(wire: location_pb2.Location, path: str) -> Iterator[Violation]:
    if wire.HasField("latitude") != wire.HasField("longitude"):
        missing = "longitude" if wire.HasField("latitude") else "latitude"
        message = "set latitude and longitude together"
        yield Violation(f"{path}.{missing}", "REQUIRED", message)
    for name, most, value in (
        ("latitude", 90, wire.latitude),
        ("longitude", 180, wire.longitude),
    ):
        if not (math.isfinite(value) and abs(value) <= most):
            message = f"must be -{most} to {most}, got {value}"
            yield Violation(f"{path}.{name}", "OUT_OF_RANGE", message)


def _ids(
    values: Sequence[str], path: str, most: int, field: str = ""
) -> Iterable[Violation]:
    if len(values) > most:
        yield too_many(path, most, len(values))
        return
    for index, value in enumerate(values):
        if not is_id(value):
            yield bad_id(f"{path}[{index}]{field}", value)


def _zones(zones: Sequence[location_pb2.Zone], path: str) -> Iterator[Violation]:
    ids = [zone.zone_id for zone in zones]
    yield from _ids(ids, path, MAX_ZONES, ".zone_id")
    if len(ids) <= MAX_ZONES:
        for index, zone_id in enumerate(ids):
            if zone_id in ids[:index]:
                yield twice(f"{path}[{index}].zone_id", zone_id)
