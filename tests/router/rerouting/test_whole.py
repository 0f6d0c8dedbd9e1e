"""Orders of every kind through the whole flow: whatever is asked adds up."""

import dataclasses
from collections import Counter
from random import Random
from typing import Any

import pytest

from availability.memory_stock import MemoryStock
from availability.model import Request
from router.errors import InvalidOrder
from router.line_units import claims
from router.model import (
    Incomplete,
    LocationFilter,
    Objective,
    Order,
    PlanStatus,
    RoutingPlan,
    RoutingPolicy,
    SplitRung,
    Term,
)
from router.optimize.limits import SolveLimits
from router.pipeline import RouteOptions, Router
from router.policies import PRESETS
from tests.builders import PARIS, built, kit, lane, line, order, picked, stock

OPTIONS = RouteOptions(SolveLimits(wall_seconds=5.0))
LOCATIONS = ("a", "b", "c", "d", "e")
SKUS = ("hat", "cap", "tie", "bag")


def some_stock(rng: Random) -> MemoryStock:
    held = {name: {sku: rng.randint(0, 4) for sku in SKUS} for name in LOCATIONS}
    fields: dict[str, dict[str, Any]] = {name: {} for name in LOCATIONS}
    for each in fields.values():
        for name, values in (
            ("active", (True, True, True, False)),
            ("origin_id", ("", "", "site")),
            ("groups", (frozenset(), frozenset(["g"]))),
            ("channel_ids", (frozenset(), frozenset(), frozenset(["web"]))),
            ("capacity_orders", (None, None, None, 0, 2)),
            ("capacity_units", (None, None, 3)),
            ("shipment_cost_micros", (0, 7)),
            ("workload_minutes", (0, 5)),
        ):
            each[name] = rng.choice(values)
        if rng.random() < 0.7:
            each["latitude"], each["longitude"] = rng.uniform(40, 50), 2.0
    return stock(held, **fields)


def some_order(rng: Random) -> Order:
    lines = []
    for n in range(rng.randint(1, 4)):
        if rng.random() < 0.2:
            made = kit(f"set:{rng.randint(1, 2)}", hat=1, cap=rng.randint(1, 2))
        else:
            made = line(f"{rng.choice(SKUS)}:{rng.randint(1, 6)}")
        extras: dict[str, Any] = {
            "indivisible": rng.random() < 0.15,
            "ship_together": rng.choice(("", "", "", "g")),
            "unit_value_micros": rng.randint(0, 9),
        }
        lines.append(made._replace(line_id=f"l{n}", **extras))
    pairs = [(each.line_id, name) for each in lines for name in LOCATIONS]
    frozen = rng.sample(pairs, rng.choice((0, 0, 0, 1)))
    rejected = rng.sample(pairs, rng.choice((0, 0, 2, 5)))
    return order(
        *lines,
        destination=PARIS,
        channel_id=rng.choice(("", "web", "shop")),
        lanes=(lane("a", arrival_minutes=9, unit_cost_micros=3),),
        promised_minutes=rng.choice((None, 4)),
        frozen=tuple(picked(*pair, 1) for pair in frozen),
        rejected=frozenset(rejected) - frozenset(frozen),
    )


def some_policy(rng: Random) -> RoutingPolicy:
    preset = rng.choice(list(PRESETS.values()))
    fields: dict[str, Any] = {
        "split_rung": rng.choice((*SplitRung, SplitRung.QUANTITY_SPLIT)),
        "incomplete": rng.choice((*Incomplete, Incomplete.PARTIAL)),
        "max_shipments": rng.choice((0, 0, 1, 2)),
        "min_split_value_micros": rng.choice((0, 0, 5)),
        "routing_floor_units": rng.choice((0, 0, 1)),
        "filter": LocationFilter(
            groups=rng.choice((frozenset(), frozenset(), frozenset(["g"]))),
            max_distance_meters=rng.choice((0, 0, 500_000)),
        ),
    }
    if rng.random() < 0.3:
        terms = (Term.UNASSIGNED_UNITS, *rng.sample(list(Term)[1:], 3))
        fields["objectives"] = tuple(Objective(term) for term in terms)
    return dataclasses.replace(preset, **fields)


def breaks_by_itself(wanted: Order, by: RoutingPolicy, shelf: MemoryStock) -> bool:
    """Whether what was picked is against a limit: the only breach of these worlds."""
    try:
        built(wanted, shelf, by)
    except InvalidOrder:
        assert wanted.frozen
        return True
    return False


def assert_adds_up(plan: RoutingPlan, wanted: Order) -> None:
    units: Counter[str] = Counter()
    for each in plan.assignments:
        units[each.line_id] += each.quantity
        shipment = plan.shipments[each.shipment]
        assert each.location_id in shipment.location_ids
        assert each.location_id not in plan.eliminated
    missing = {each.line_id: each.quantity for each in plan.unassigned}
    assert min(missing.values(), default=1) > 0
    for each_line in wanted.lines:
        line_id = each_line.line_id
        assert units[line_id] + missing.get(line_id, 0) == each_line.quantity
    assert sum(each.unit_count for each in plan.shipments) == units.total()
    assert all(each.reason for each in plan.shipments)
    expected = PlanStatus.PARTIAL if plan.assignments else PlanStatus.NONE
    assert plan.status is (expected if missing else PlanStatus.FULL)


@pytest.mark.parametrize("seed", range(0, 120, 3))
def test_the_runner_up_comes_from_elsewhere_and_adds_up_too(seed: int) -> None:
    rng = Random(seed)
    shelf, wanted, by = some_stock(rng), some_order(rng), some_policy(rng)
    if breaks_by_itself(wanted, by, shelf):
        return
    asking = dataclasses.replace(OPTIONS, counterfactuals=True)

    plan = Router(shelf).evaluate(wanted, by, asking)

    assert_adds_up(plan, wanted)
    assert plan.counterfactuals is not None
    other = plan.counterfactuals.next_best
    if other is not None:
        used = {each.location_id for each in plan.assignments}
        assert {each.location_id for each in other.assignments} != used
        assert other.lost_at
        if plan.proven and by.walk is None:
            # No better anywhere, or better only where a tolerance gave it away.
            lost = next(each for each in other.objectives if each.name == other.lost_at)
            assert (other.value < other.plan_value) == lost.maximize
    change = plan.counterfactuals.one_shipment
    if change is not None:
        assert change.total_units > 0
        assert change.location_id not in plan.eliminated


@pytest.mark.parametrize("seed", range(120))
def test_whatever_is_asked_adds_up(seed: int) -> None:
    rng = Random(seed)
    shelf, wanted, by = some_stock(rng), some_order(rng), some_policy(rng)
    router = Router(shelf)
    if breaks_by_itself(wanted, by, shelf):
        with pytest.raises(InvalidOrder, match=r"order\.frozen: "):
            router.evaluate(wanted, by, OPTIONS)
        return
    plan = router.evaluate(wanted, by, OPTIONS)
    assert_adds_up(plan, wanted)
    again = router.evaluate(wanted, by, OPTIONS)
    assert dataclasses.replace(again, solve_micros=plan.solve_micros) == plan

    before = {
        sku: shelf.grid().read([row])[0] for sku, row in shelf.grid().rows.items()
    }
    router.route(wanted, by, OPTIONS, Request(), lambda plan: plan.plan_id.encode())

    taken: Counter[tuple[str, str]] = Counter()
    for each in claims(wanted, plan.assignments):
        taken[each.location_id, each.sku] += each.quantity
    for sku, row in shelf.grid().rows.items():
        left = shelf.grid().read([row])[0]
        for name, column in shelf.network().index.items():
            gone = before[sku][column] - left[column]
            assert gone == taken.pop((name, sku), 0)
    assert not taken
