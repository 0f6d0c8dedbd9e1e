"""Whether an order and a policy have the shape that the contract promises.

The first of two passes: it needs nothing but the values themselves, so the
command line, the server and a plain Python call share it. The second is
`router.validation.sense`. Bounds are those of proto/router/v1.
"""

import math
from collections.abc import Collection

from availability.errors import MAX_VIOLATIONS, Violation
from availability.model import MAX_ID_CHARACTERS
from router.errors import InvalidOrder
from router.identity_cache import by_identity
from router.model import (
    MAX_LINES,
    MAX_QUANTITY,
    Destination,
    Lane,
    LocationFilter,
    Order,
    OrderLine,
    RoutingPolicy,
)
from router.validation.breaches import (
    bad_id,
    is_id_cached,
    out_of_range,
    too_many,
    twice,
)

MAX_COMPONENTS = 100
MAX_COMPONENT_UNITS = 1_000_000
MAX_LANES = 10_000
MAX_FROZEN = 1_000
MAX_REJECTED = 10_000
MAX_MICROS = 10**12
MAX_ARRIVAL_MINUTES = 10_000_000
MAX_TOLERANCE_PERMILLE = 1_000_000
MAX_TOLERANCE_AMOUNT = 10**12
MAX_SHIPMENTS = 1_000
MAX_MIN_SPLIT_MICROS = 10**15
MAX_FLOOR_UNITS = 10**9


def validate_shape(order: Order, policy: RoutingPolicy) -> None:
    """Judge the shape.

    Raises
    ------
    InvalidOrder
        With every breach, at most `MAX_VIOLATIONS`.
    """
    found = order_breaches(order) + _policy_breaches(policy)
    if found:
        raise InvalidOrder(found[:MAX_VIOLATIONS])


def order_breaches(order: Order, path: str = "order") -> list[Violation]:
    """Return every breach of an order's shape; an empty list: none.

    ``path`` is where the order stands in its request.
    """
    found: list[Violation] = []
    if not is_id_cached(order.order_id):
        found.append(bad_id(f"{path}.order_id", order.order_id))
    lines = order.lines
    if not 1 <= len(lines) <= MAX_LINES:
        reason = "TOO_MANY" if lines else "REQUIRED"
        message = f"must have 1 to {MAX_LINES} lines, got {len(lines)}"
        found.append(Violation(f"{path}.lines", reason, message))
    seen: set[str] = set()
    for n, line in enumerate(lines):
        line_id = line.line_id
        if not is_id_cached(line_id):
            found.append(bad_id(f"{path}.lines[{n}].line_id", line_id))
        elif line_id in seen:
            found.append(twice(f"{path}.lines[{n}].line_id", line_id))
        seen.add(line_id)
        if not 1 <= line.quantity <= MAX_QUANTITY:
            here = f"{path}.lines[{n}].quantity"
            found.append(out_of_range(here, 1, MAX_QUANTITY, line.quantity))
        if line.components or line.ship_together or line.unit_value_micros:
            found += _line_extras(line, f"{path}.lines[{n}]")
        elif not is_id_cached(line.sku):
            found.append(bad_id(f"{path}.lines[{n}].sku", line.sku))
    destination = order.destination
    if destination.latitude is not None or destination.longitude is not None:
        found += _coordinates(destination, f"{path}.destination")
    if destination.country_code and not _is_country(destination.country_code):
        here = f"{path}.destination.country_code"
        found.append(_bad_country(here, destination.country_code))
    # Few orders have any of these.
    if order.lanes:
        found += _lanes(order.lanes, f"{path}.lanes")
    if order.frozen:
        found += _frozen(order, f"{path}.frozen")
    if order.customer_id and not is_id_cached(order.customer_id):
        found.append(bad_id(f"{path}.customer_id", order.customer_id))
    if len(order.rejected) > MAX_REJECTED:
        here = f"{path}.rejected"
        found.append(too_many(here, MAX_REJECTED, len(order.rejected)))
    return found


def policy_breaches(policy: RoutingPolicy, path: str = "policy") -> list[Violation]:
    """Return every breach of a policy's shape; an empty list: none.

    What `RoutingPolicy` and `Objective` refuse themselves is not asked again.
    """
    found: list[Violation] = []
    for n, each in enumerate(policy.objectives):
        if each.tolerance_permille > MAX_TOLERANCE_PERMILLE:
            here = f"{path}.objectives[{n}].tolerance_permille"
            got = each.tolerance_permille
            found.append(out_of_range(here, 0, MAX_TOLERANCE_PERMILLE, got))
        if each.tolerance_amount > MAX_TOLERANCE_AMOUNT:
            here = f"{path}.objectives[{n}].tolerance_amount"
            got = each.tolerance_amount
            found.append(out_of_range(here, 0, MAX_TOLERANCE_AMOUNT, got))
    for name, most, got in (
        ("max_shipments", MAX_SHIPMENTS, policy.max_shipments),
        ("min_split_value_micros", MAX_MIN_SPLIT_MICROS, policy.min_split_value_micros),
        ("routing_floor_units", MAX_FLOOR_UNITS, policy.routing_floor_units),
    ):
        if not 0 <= got <= most:
            found.append(out_of_range(f"{path}.{name}", 0, most, got))
    return found + _filter(policy.filter, f"{path}.filter")


_policy_breaches = by_identity(policy_breaches)


def _line_extras(line: OrderLine, path: str) -> list[Violation]:
    """Judge the SKU of a line that is a kit or has more than an SKU."""
    found: list[Violation] = []
    # A kit's own SKU is only a label, and may be left out.
    if not (line.components and not line.sku) and not is_id_cached(line.sku):
        found.append(bad_id(f"{path}.sku", line.sku))
    if len(line.ship_together) > MAX_ID_CHARACTERS:
        message = f"must be at most {MAX_ID_CHARACTERS} characters"
        found.append(Violation(f"{path}.ship_together", "TOO_LONG", message))
    if not 0 <= line.unit_value_micros <= MAX_MICROS:
        here = f"{path}.unit_value_micros"
        found.append(out_of_range(here, 0, MAX_MICROS, line.unit_value_micros))
    if len(line.components) > MAX_COMPONENTS:
        here = f"{path}.components"
        found.append(too_many(here, MAX_COMPONENTS, len(line.components)))
    seen: set[str] = set()
    for n, part in enumerate(line.components):
        here = f"{path}.components[{n}]"
        if not is_id_cached(part.sku):
            found.append(bad_id(f"{here}.sku", part.sku))
        elif part.sku in seen:
            found.append(twice(f"{here}.sku", part.sku))
        seen.add(part.sku)
        if not 1 <= part.quantity <= MAX_COMPONENT_UNITS:
            got = part.quantity
            found.append(out_of_range(f"{here}.quantity", 1, MAX_COMPONENT_UNITS, got))
    return found


def _coordinates(destination: Destination, path: str) -> list[Violation]:
    latitude, longitude = destination.latitude, destination.longitude
    if latitude is None or longitude is None:
        missing = "latitude" if latitude is None else "longitude"
        message = "set latitude and longitude together"
        return [Violation(f"{path}.{missing}", "REQUIRED", message)]
    return [
        Violation(
            f"{path}.{name}", "OUT_OF_RANGE", f"must be -{most} to {most}, got {got}"
        )
        for name, most, got in (
            ("latitude", 90, latitude),
            ("longitude", 180, longitude),
        )
        if not (math.isfinite(got) and abs(got) <= most)
    ]


def _lanes(lanes: Collection[Lane], path: str) -> list[Violation]:
    found: list[Violation] = []
    if len(lanes) > MAX_LANES:
        return [too_many(path, MAX_LANES, len(lanes))]
    seen: set[str] = set()
    for n, lane in enumerate(lanes):
        if lane.location_id in seen:
            found.append(twice(f"{path}[{n}].location_id", lane.location_id))
        seen.add(lane.location_id)
        for name, most, got in (
            ("shipment_cost_micros", MAX_MICROS, lane.shipment_cost_micros),
            ("unit_cost_micros", MAX_MICROS, lane.unit_cost_micros),
            ("arrival_minutes", MAX_ARRIVAL_MINUTES, lane.arrival_minutes),
        ):
            if got is not None and not 0 <= got <= most:
                found.append(out_of_range(f"{path}[{n}].{name}", 0, most, got))
    return found


def _frozen(order: Order, path: str) -> list[Violation]:
    found: list[Violation] = []
    if len(order.frozen) > MAX_FROZEN:
        return [too_many(path, MAX_FROZEN, len(order.frozen))]
    seen: set[tuple[str, str]] = set()
    for n, each in enumerate(order.frozen):
        key = (each.line_id, each.location_id)
        if key in seen:
            found.append(twice(f"{path}[{n}]", f"{key[0]} at {key[1]}"))
        seen.add(key)
        if not 1 <= each.quantity <= MAX_QUANTITY:
            here = f"{path}[{n}].quantity"
            found.append(out_of_range(here, 1, MAX_QUANTITY, each.quantity))
    return found


def _filter(each: LocationFilter, path: str) -> list[Violation]:
    found: list[Violation] = []
    for group in sorted(each.groups):
        if not is_id_cached(group):
            found.append(bad_id(f"{path}.groups", group))
    for code in sorted(each.country_codes):
        if not _is_country(code):
            found.append(_bad_country(f"{path}.country_codes", code))
    if each.max_distance_meters < 0:
        message = f"must not be negative, got {each.max_distance_meters}"
        here = f"{path}.max_distance_meters"
        found.append(Violation(here, "OUT_OF_RANGE", message))
    return found


def _is_country(value: str) -> bool:
    return len(value) == 2 and value.isascii() and value.isalpha() and value.isupper()


def _bad_country(path: str, value: str) -> Violation:
    message = f"must be two capital letters (ISO 3166-1), got {value[:20]!r}"
    return Violation(path, "INVALID_COUNTRY", message)
