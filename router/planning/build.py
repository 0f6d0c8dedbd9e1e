"""An order, its candidates and their stock, as a problem in index space.

Arrays that nothing asks for stay None: every one that is there costs the solver
time, and most orders need none of them.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from availability.errors import Violation
from availability.model import BoolArray, IntArray, Sku
from availability.stock_view import CapacitiesLeft
from router.errors import InvalidOrder
from router.model import Order, RoutingPolicy
from router.optimize.problem import UNLIMITED, Piece, SourcingProblem
from router.planning.candidates import Candidates
from router.planning.objective_data import Bom, figures, measurable, walk_order
from router.stored_plans import OwnStock


class Built(NamedTuple):
    """One order ready to be solved, and what turns its solution into a plan.

    Parameters
    ----------
    problem
        Columns are the locations of ``candidates.pool``; ``skus[k]`` is the SKU
        of row k.
    stock
        ``(K, all locations of the network)`` units as read, before the routing
        floor and before any location was removed.
    walk_order
        ``(N,)`` the columns in the order in which the policy's walk asks them;
        None: the policy does not walk.
    """

    order: Order
    policy: RoutingPolicy
    candidates: Candidates
    problem: SourcingProblem
    skus: tuple[Sku, ...]
    stock: IntArray
    stock_version: int
    walk_order: IntArray | None


class AvailableUnits(Protocol):
    """The available units of SKUs: a grid, or a grid seen through rules."""

    @property
    def rows(self) -> Mapping[str, int]:
        """The row of each SKU."""
        ...

    @property
    def version(self) -> int:
        """The ledger's version."""
        ...

    def read(self, rows: list[int]) -> IntArray:
        """Copy rows: (len(rows), N) of the network."""
        ...


def build(
    order: Order,
    policy: RoutingPolicy,
    candidates: Candidates,
    grid: AvailableUnits,
    capacities: CapacitiesLeft,
    own: OwnStock | None = None,
) -> Built:
    """Make the problem of one order; the order has been validated.

    ``own`` is what an order that is planned again holds already; all of it is frozen.

    Raises
    ------
    InvalidOrder
        The frozen units break a limit by themselves, or costs or values add up to
        more than 64 bits hold.
    """
    rows: dict[Sku, int] = {}
    demand, bom, indivisible, groups = _lines(order, rows)
    # The version first: stock that changes in between may only look older.
    version = grid.version
    stock = grid.read([grid.rows[sku] for sku in rows])
    if own is not None:
        _add_own(stock, own, rows, candidates)
    pool = candidates.pool
    available = stock if pool.whole else stock.take(pool.places, axis=1)
    if policy.routing_floor_units:
        available = np.maximum(available - policy.routing_floor_units, 0)
    frozen: tuple[Piece, ...] = ()
    if order.frozen:
        frozen = _frozen(order, pool.index)
        available = _keep_picked(available, stock, bom, frozen, candidates)
    allowed = _allowed(order, pool.index) if order.rejected else None
    capacity = None
    if capacities:
        capacity = _capacity_units(capacities, candidates, demand, bom, frozen, own)
    min_split = policy.min_split_value_micros
    walk = walk_order(policy, candidates, available, demand, bom)
    try:
        problem = SourcingProblem(
            available=available,
            demand=demand,
            bom=bom,
            objectives=measurable(policy, candidates),
            origin=pool.origin,
            allowed=allowed,
            capacity_units=capacity,
            max_shipments=policy.max_shipments,
            split_rung=policy.split_rung,
            incomplete=policy.incomplete,
            groups=groups,
            indivisible=indivisible,
            unit_value_micros=_values(order) if min_split else None,
            min_split_value_micros=min_split,
            frozen=frozen,
            **figures(order, policy, candidates),
        )
    except ValueError as error:
        raise _broken_by_frozen(str(error), order, candidates, rows) from error
    skus = tuple(rows)
    return Built(order, policy, candidates, problem, skus, stock, version, walk)


def _add_own(
    stock: IntArray, own: OwnStock, rows: Mapping[Sku, int], candidates: Candidates
) -> None:
    """Show the order's own units in the stock it has read, and not what is gone."""
    places = candidates.pool.network.index
    for location_id, sku in own.gone:
        stock[rows[sku], places[location_id]] = 0
    for (location_id, sku), units in own.held.items():
        stock[rows[sku], places[location_id]] += units


class _Lines(NamedTuple):
    """What a problem has to know of an order's lines."""

    demand: tuple[int, ...]
    bom: Bom
    indivisible: frozenset[int]
    groups: tuple[tuple[int, ...], ...]


def _lines(order: Order, rows: dict[Sku, int]) -> _Lines:
    """Return the lines in index space; ``rows`` gets a row for each SKU."""
    demand, bom, indivisible = [], [], []
    groups: dict[str, list[int]] = {}
    for n, line in enumerate(order.lines):
        demand.append(line.quantity)
        if line.components:
            parts = [
                (rows.setdefault(part.sku, len(rows)), part.quantity)
                for part in line.components
            ]
            bom.append(tuple(parts))
        else:
            bom.append(((rows.setdefault(line.sku, len(rows)), 1),))
        if line.indivisible:
            indivisible.append(n)
        if line.ship_together:
            groups.setdefault(line.ship_together, []).append(n)
    together = tuple([tuple(lines) for lines in groups.values()])
    return _Lines(tuple(demand), tuple(bom), frozenset(indivisible), together)


def _values(order: Order) -> tuple[int, ...]:
    return tuple([line.unit_value_micros for line in order.lines])


def _frozen(order: Order, columns: Mapping[str, int]) -> tuple[Piece, ...]:
    lines = {line.line_id: n for n, line in enumerate(order.lines)}
    return tuple(
        sorted(
            Piece(columns[each.location_id], lines[each.line_id], each.quantity)
            for each in order.frozen
        )
    )


def _keep_picked(
    available: IntArray,
    stock: IntArray,
    bom: Bom,
    frozen: Sequence[Piece],
    candidates: Candidates,
) -> IntArray:
    """Return what is available, with what was picked exempt from the policy.

    The routing floor is about choices still open, so it does not touch picked
    units. And a location that a filter removed since ships those and no others.
    """
    picked = np.zeros_like(available)
    for location, line, units in frozen:
        for k, per_unit in bom[line]:
            picked[k, location] += per_unit * units
    at_columns = stock.take(candidates.pool.places, axis=1)
    available = np.maximum(available, np.minimum(picked, at_columns))
    for column in candidates.pinned:
        available[:, column] = np.minimum(picked[:, column], at_columns[:, column])
    return available


def _allowed(order: Order, columns: Mapping[str, int]) -> BoolArray | None:
    """Return (L, N) who may ship what; None: no eligible location refused a line.

    What was picked before it was refused still ships: its location is pinned
    to it (see `Candidates`).
    """
    lines = {line.line_id: n for n, line in enumerate(order.lines)}
    picked = {(each.line_id, each.location_id) for each in order.frozen}
    refused = [
        (lines[line_id], columns[location_id])
        for line_id, location_id in order.rejected - picked
        if location_id in columns
    ]
    if not refused:
        return None
    allowed = np.ones((len(lines), len(columns)), np.bool_)
    for line, column in refused:
        allowed[line, column] = False
    return allowed


def _capacity_units(
    capacities: CapacitiesLeft,
    candidates: Candidates,
    demand: Sequence[int],
    bom: Bom,
    frozen: Sequence[Piece],
    own: OwnStock | None,
) -> IntArray | None:
    """Return (N,) units that may leave; None: no limit that the order can reach."""
    held: dict[str, int] = defaultdict(int)
    if own is not None:
        for (location_id, _), units in own.held.items():
            # Its share of the capacity is counted already.
            held[location_id] += units
    weights = [sum(units for _, units in parts) for parts in bom]
    most = sum(units * weight for units, weight in zip(demand, weights, strict=True))
    columns = candidates.pool.index
    tight = [
        (columns[location_id], units + held[location_id])
        for location_id, (_, units) in capacities.items()
        if units is not None
        and units + held[location_id] < most
        and location_id in columns
    ]
    if not tight:
        return None
    capacity = np.full(len(columns), UNLIMITED, np.int64)
    for column, units in tight:
        capacity[column] = units
    picked: dict[int, int] = defaultdict(int)
    for location, line, units in frozen:
        picked[location] += units * weights[line]
    for column, units in picked.items():
        # It was picked, so there was room for it.
        capacity[column] = max(int(capacity[column]), units)
    return capacity


def _broken_by_frozen(
    message: str, order: Order, candidates: Candidates, rows: Mapping[Sku, int]
) -> InvalidOrder:
    """Say in the order's words what the problem says in numbers."""
    names: dict[str, Sequence[str]] = {
        "location": [each.location_id for each in candidates.pool.locations],
        "line": [line.line_id for line in order.lines],
        "SKU": list(rows),
        "origin": candidates.pool.origin_ids,
    }

    def named(match: re.Match[str]) -> str:
        return f"{match[1]} {names[match[1]][int(match[2])]!r}"

    text = re.sub(r"(location|line|SKU|origin) (\d+)", named, message)
    return InvalidOrder([Violation("order.frozen", "FROZEN_BREAKS_LIMIT", text)])
