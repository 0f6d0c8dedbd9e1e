"""Whether an order makes sense here: against the network, the stock, the policy.

The second of two passes; the first, `router.validation.shape`, needs only the values.
Each reports every breach at once, and this one runs only when the first is
clean: it may trust ranges and ids.
"""

from collections import defaultdict
from collections.abc import Collection

from availability.errors import MAX_VIOLATIONS, Violation
from availability.model import Network, Sku
from availability.stock_grid import StockGrid
from router.errors import InvalidOrder
from router.model import NO_FILTER, Order, RoutingPolicy


def validate_sense(
    order: Order,
    policy: RoutingPolicy,
    network: Network,
    grid: StockGrid,
    exempt: Collection[Sku] = (),
) -> None:
    """Judge an order of good shape; ``exempt`` are sold without a stock record.

    Raises
    ------
    InvalidOrder
        With every breach, at most `MAX_VIOLATIONS`.
    """
    found = sense_breaches(order, policy, network, grid, exempt)
    if found:
        raise InvalidOrder(found[:MAX_VIOLATIONS])


def sense_breaches(
    order: Order,
    policy: RoutingPolicy,
    network: Network,
    grid: StockGrid,
    exempt: Collection[Sku] = (),
) -> list[Violation]:
    """Return what an order of good shape names that is not there or not enough."""
    found: list[Violation] = []
    rows = grid.rows
    for n, line in enumerate(order.lines):
        if line.components:
            for m, part in enumerate(line.components):
                if part.sku not in rows and part.sku not in exempt:
                    path = f"order.lines[{n}].components[{m}].sku"
                    found.append(_unknown(path, "SKU", part.sku))
        elif line.sku not in rows and line.sku not in exempt:
            found.append(_unknown(f"order.lines[{n}].sku", "SKU", line.sku))
    if order.lanes:
        for n, lane in enumerate(order.lanes):
            if lane.location_id not in network.index:
                path = f"order.lanes[{n}].location_id"
                found.append(_unknown(path, "LOCATION", lane.location_id))
    if order.frozen or order.rejected:
        found += _pairs(order, network)
    if policy.filter is not NO_FILTER:
        if policy.filter.max_distance_meters and order.destination.latitude is None:
            found.append(_coordinates())
        found += _filter(policy, network)
    return found


def _pairs(order: Order, network: Network) -> list[Violation]:
    """Check the entries that name a line and a location."""
    found: list[Violation] = []
    ordered = {line.line_id: line.quantity for line in order.lines}
    frozen: dict[str, int] = defaultdict(int)
    for n, each in enumerate(order.frozen):
        frozen[each.line_id] += each.quantity
        if each.line_id not in ordered:
            path = f"order.frozen[{n}].line_id"
            found.append(_unknown(path, "LINE", each.line_id))
        elif frozen[each.line_id] > ordered[each.line_id]:
            message = (
                f"{frozen[each.line_id]} units of line {each.line_id!r} are frozen, "
                f"{ordered[each.line_id]} ordered"
            )
            path = f"order.frozen[{n}].quantity"
            found.append(Violation(path, "FROZEN_EXCEEDS_ORDERED", message))
        if each.location_id not in network.index:
            path = f"order.frozen[{n}].location_id"
            found.append(_unknown(path, "LOCATION", each.location_id))
    # A set has lost the places its pairs had in the request; sorted, so that the
    # same request is always answered in the same words.
    for line_id, location_id in sorted(order.rejected):
        if line_id not in ordered:
            found.append(_unknown("order.rejected", "LINE", line_id))
        if location_id not in network.index:
            found.append(_unknown("order.rejected", "LOCATION", location_id))
    return found


def _coordinates() -> Violation:
    """Return that a hard limit on distance needs something to measure to.

    Objectives and walks do not: an order whose place is not known is routed by
    what is known, rather than lost.
    """
    return Violation(
        "order.destination",
        "COORDINATES_REQUIRED",
        "policy.filter.max_distance_meters needs the destination's latitude and"
        " longitude",
    )


def _filter(policy: RoutingPolicy, network: Network) -> list[Violation]:
    return [
        _unknown(f"policy.filter.{name}", "LOCATION", location_id)
        for name, ids in (
            ("included_location_ids", policy.filter.included_location_ids),
            ("excluded_location_ids", policy.filter.excluded_location_ids),
        )
        for location_id in sorted(ids)
        if location_id not in network.index
    ]


def _unknown(path: str, noun: str, value: str) -> Violation:
    name = noun if noun == "SKU" else noun.lower()
    return Violation(path, f"UNKNOWN_{noun}", f"no {name} {value[:128]!r}")
