"""Short ways to write down orders, networks and stock."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from availability.memory_stock import MemoryStock
from availability.model import Location, LocationId, Sku, StockRecord
from router.model import (
    Destination,
    Frozen,
    KitComponent,
    Lane,
    LocationFilter,
    Objective,
    Order,
    OrderLine,
    RoutingPolicy,
    Term,
)
from router.optimize.limits import SolveLimits
from router.optimize.problem import Solution, SourcingProblem
from router.planning.assemble import CheckedSolution, accept
from router.planning.build import Built, build
from router.planning.candidates import CandidateFinder
from router.policies import DEFAULT, PRESETS
from tests.router.optimize.brute_force import (
    allowed_plans,
    as_pieces,
    best_of_all,
    rank_key,
)

SEED = {
    "montreal": {"shirt": 10, "hat": 3, "shoes": 5},
    "sherbrooke": {"shirt": 0, "hat": 10, "shoes": 10},
    "laval": {"shirt": 15, "hat": 10, "shoes": 10},
}
"""The three locations of the seed's worked table, in rank order."""

PARIS = Destination(48.8566, 2.3522, "FR")


def stock(
    held: Mapping[str, Mapping[str, int]], **fields: Mapping[str, Any]
) -> MemoryStock:
    """Return stock by location, in rank order; ``fields`` are more of a location."""
    locations = [
        Location(LocationId(name), rank, **fields.get(name, {}))
        for rank, name in enumerate(held, start=1)
    ]
    records = [
        StockRecord(LocationId(name), Sku(sku), units)
        for name, units_of in held.items()
        for sku, units in units_of.items()
    ]
    return MemoryStock(locations, records)


def line(text: str, **fields: Any) -> OrderLine:
    """Return a line from ``"hat:3"``; its line_id is its SKU unless given."""
    sku, _, units = text.partition(":")
    given = {"line_id": sku, "sku": Sku(sku), "quantity": int(units or 1)}
    return OrderLine(**{**given, **fields})


def kit(text: str, **parts: int) -> OrderLine:
    """Return a kit line: ``kit("set:2", hat=1, shirt=3)``."""
    return line(text, components=tuple(part(*each) for each in parts.items()))


def part(sku: str, units: int) -> KitComponent:
    return KitComponent(Sku(sku), units)


def lane(location_id: str, **fields: int) -> Lane:
    return Lane(LocationId(location_id), **fields)


def picked(line_id: str, location_id: str, units: int) -> Frozen:
    return Frozen(line_id, LocationId(location_id), units)


def order(*lines: str | OrderLine, **fields: Any) -> Order:
    """Return an order: ``order("hat:3", kit(...))``."""
    made = tuple(line(each) if isinstance(each, str) else each for each in lines)
    return Order(**{"order_id": "o1", "lines": made, **fields})


def policy(*terms: Term, preset: str = DEFAULT, **fields: Any) -> RoutingPolicy:
    """Return a preset with other objectives, if there are any, and other fields."""
    if terms:
        fields["objectives"] = tuple(Objective(term) for term in terms)
    return dataclasses.replace(PRESETS[preset], **fields)


def only(**fields: Any) -> RoutingPolicy:
    """Return the default policy with a location filter."""
    return policy(filter=LocationFilter(**fields))


def built(
    order: Order, stock: MemoryStock, policy: RoutingPolicy = PRESETS[DEFAULT]
) -> Built:
    """Return the problem of an order, by the steps of the pipeline."""
    grid, capacities = stock.grid(), stock.capacity_left()
    found = CandidateFinder().find(order, policy, grid.network, capacities)
    return build(order, policy, found, grid, capacities)


def judged(
    order: Order, stock: MemoryStock, policy: RoutingPolicy = PRESETS[DEFAULT]
) -> CheckedSolution:
    """Return the best plan of an order, found by trying every one."""
    problem = built(order, stock, policy)
    return accept(problem, try_all(problem.problem))


def try_all(problem: SourcingProblem, _limits: SolveLimits | None = None) -> Solution:
    """Solve as an engine would, by trying every plan."""
    return Solution(as_pieces(best_of_all(problem).plans[0]), "brute force")


def try_all_excluding(
    problem: SourcingProblem, used: frozenset[int], _limits: SolveLimits
) -> Solution | None:
    """Return the best plan that uses other locations, by trying every plan."""
    plans = allowed_plans(problem)
    keys = rank_key(problem, plans)
    others = [
        (key, as_pieces(plan))
        for key, plan in zip(keys, plans, strict=True)
        if frozenset(plan.sum(axis=1).nonzero()[0].tolist()) != used
    ]
    return Solution(min(others)[1], "brute force") if others else None
