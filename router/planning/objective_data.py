"""Distances, costs, lateness and workload of locations, as arrays for the solver."""

from collections.abc import Mapping, Sequence

import numpy as np

from availability.errors import Violation
from availability.model import IntArray
from router.errors import InvalidOrder
from router.identity_cache import by_identity
from router.model import Objective, Order, RoutingPolicy, Term, Walk
from router.planning.candidates import Candidates
from router.planning.columns import FARTHEST_METERS

MAX_TOTAL_MICROS = 2**62
"""Most that a whole order may cost or be worth: sums stay within 64 bits."""

Bom = tuple[tuple[tuple[int, int], ...], ...]
"""For each line, (k, units of SKU k in one unit of the line)."""


def figures(
    order: Order, policy: RoutingPolicy, candidates: Candidates
) -> dict[str, IntArray]:
    """Return the arrays that the policy's objectives need, by a problem's fields.

    Arrays of zeros are left out.

    Raises
    ------
    InvalidOrder
        Costs or values could add up to more than `MAX_TOTAL_MICROS`.
    """
    terms = policy.terms
    pool = candidates.pool
    arrays: dict[str, IntArray] = {}
    if Term.DISTANCE_METERS in terms and candidates.meters is not None:
        arrays["distance_meters"] = _nearest(candidates.meters, pool.origin)
    if Term.COST_MICROS in terms:
        shipment = pool.take(pool.of.shipment_cost_micros)
        unit = pool.take(pool.of.unit_cost_micros)
        if order.lanes:
            shipment, unit = shipment.copy(), unit.copy()
            for lane in order.lanes:
                column = pool.index.get(lane.location_id)
                if column is not None and lane.shipment_cost_micros is not None:
                    shipment[column] = lane.shipment_cost_micros
                if column is not None and lane.unit_cost_micros is not None:
                    unit[column] = lane.unit_cost_micros
        arrays["shipment_cost_micros"] = _greatest(shipment, pool.origin)
        arrays["unit_cost_micros"] = unit
        _refuse_giant_cost(order, arrays)
    if Term.LATENESS_MINUTES in terms and order.promised_minutes is not None:
        minutes = pool.take(pool.of.lead_time_minutes)
        # Without a lead time nothing is late.
        late = np.where(minutes > 0, minutes - order.promised_minutes, 0)
        for lane in order.lanes:
            column = pool.index.get(lane.location_id)
            # It is from door to door: the lead time is part of it.
            if column is not None and lane.arrival_minutes is not None:
                late[column] = lane.arrival_minutes - order.promised_minutes
        late = np.maximum(late, 0)
        arrays["lateness_minutes"] = _greatest(late, pool.origin)
    if Term.WORKLOAD in terms:
        arrays["workload"] = _greatest(pool.take(pool.of.workload_minutes), pool.origin)
    if policy.min_split_value_micros:
        worth = sum(line.quantity * line.unit_value_micros for line in order.lines)
        _refuse_giant("the value", worth)
    return {name: values for name, values in arrays.items() if values.any()}


@by_identity
def _without_distance(objectives: tuple[Objective, ...]) -> tuple[Objective, ...]:
    return tuple(each for each in objectives if each.term is not Term.DISTANCE_METERS)


def measurable(policy: RoutingPolicy, candidates: Candidates) -> tuple[Objective, ...]:
    """Return the objectives that can be computed for an order.

    Without the destination's coordinates there are no distances, and a value
    for them would be made up: the objective is left out, unless it is the only one.
    """
    if candidates.meters is not None or Term.DISTANCE_METERS not in policy.terms:
        return policy.objectives
    return _without_distance(policy.objectives) or policy.objectives


def _greatest(values: IntArray, origin: IntArray | None) -> IntArray:
    """Return (O,) figures of origins; of several locations the worst counts."""
    if origin is None:
        return values
    greatest = np.zeros(int(origin.max()) + 1, np.int64)
    np.maximum.at(greatest, origin, values)
    return greatest


def _nearest(meters: IntArray, origin: IntArray | None) -> IntArray:
    """Return (O,) distances; a room with no coordinates stands where others do."""
    if origin is None:
        return meters
    nearest = np.full(int(origin.max()) + 1, FARTHEST_METERS, np.int64)
    np.minimum.at(nearest, origin, meters)
    return nearest


def _refuse_giant_cost(order: Order, arrays: Mapping[str, IntArray]) -> None:
    highest = int(arrays["unit_cost_micros"].max(initial=0))
    # In Python's integers: the sum may be what 64 bits do not hold.
    shipments = sum(arrays["shipment_cost_micros"].tolist())
    units = sum(line.quantity for line in order.lines)
    _refuse_giant("the cost", highest * units + shipments)


def _refuse_giant(what: str, micros: int) -> None:
    if micros > MAX_TOTAL_MICROS:
        message = (
            f"{what} may reach {micros} micros, must be at most {MAX_TOTAL_MICROS}"
        )
        raise InvalidOrder([Violation("order.lines", "OUT_OF_RANGE", message)])


def walk_order(
    policy: RoutingPolicy,
    candidates: Candidates,
    available: IntArray,
    demand: Sequence[int],
    bom: Bom,
) -> IntArray | None:
    """Return the columns in the order of the walk; equals in rank order."""
    match policy.walk:
        case None:
            return None
        case Walk.PRIORITY:
            return np.arange(available.shape[1])
        case Walk.NEAREST:
            if candidates.meters is None:
                # No destination: all are equally near.
                return np.arange(available.shape[1])
            return np.argsort(candidates.meters, kind="stable")
        case Walk.HIGHEST_STOCK:
            need = np.zeros((len(available), 1), np.int64)
            for units, parts in zip(demand, bom, strict=True):
                for k, per_unit in parts:
                    need[k] += per_unit * units
            useful = np.minimum(available, need).sum(axis=0)
            return np.argsort(-useful, kind="stable")
