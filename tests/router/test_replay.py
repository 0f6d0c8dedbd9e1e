"""A replay does what a server would have done, order after order."""

import json
import random
from collections.abc import Callable
from contextlib import closing

import pytest

from availability.errors import PlanNotFound, StockConflict
from availability.ledger.open import open_ledger
from availability.model import (
    ImportMode,
    Location,
    LocationId,
    Request,
    Sku,
    StockChange,
    StockRecord,
)
from availability.reservations import Claim, Guard, Reservation
from availability.setup.channels import Channel, SupplyRule
from availability.setup.settings import Backorders, Settings
from availability.setup.setup import NOTHING_SAID, Setup, SetupChange, changed
from router.errors import InvalidOrder
from router.model import Order, OrderLine, RoutingPlan
from router.pipeline import RouteOptions, Router
from router.policies import DEFAULT, PRESETS
from router.replay import PassingStock, Replay, replay_limits, replay_report
from router.report.model import Count
from router.report.tally import Tally
from tests.builders import SEED, line, order, picked

NOW_SECONDS = 1_800_000_000
LIMITS = replay_limits(1.0)
SETUP = SetupChange(
    channels={
        "web": Channel("web"),
        "shop": Channel(
            "shop", (SupplyRule(include_ids=frozenset({LocationId("laval")})),)
        ),
    },
    settings={
        ("", "hat"): Settings(max_units=4),
        ("web", ""): Settings(buffer_units=1),
        ("", "shoes"): Settings(
            backorders=Backorders.ALLOW, out_of_stock_threshold_units=-6
        ),
    },
)


def passing(setup: Setup = NOTHING_SAID) -> PassingStock:
    locations = [Location(LocationId(name), n) for n, name in enumerate(SEED, start=1)]
    records = [
        StockRecord(LocationId(name), Sku(sku), units)
        for name, held in SEED.items()
        for sku, units in held.items()
    ]
    return PassingStock(locations, records, setup)


def replay(stock: PassingStock, name: str = DEFAULT) -> Replay:
    return Replay(name, PRESETS[name], stock, LIMITS, NOW_SECONDS)


def past(seed: int, count: int, *channels: str) -> list[Order]:
    chance = random.Random(seed)
    orders = []
    for n in range(count):
        skus = chance.sample(["shirt", "hat", "shoes"], chance.randint(1, 3))
        lines = tuple(
            OrderLine(sku, Sku(sku), chance.randint(1, 5 if sku == "hat" else 3))
            for sku in skus
        )
        orders.append(Order(f"o{n}", lines, channel_id=chance.choice(channels)))
    return orders


def test_each_order_takes_its_units_from_the_next() -> None:
    run = replay(passing())
    for n, units in enumerate((20, 20, 1)):
        run.route(order(line(f"hat:{units}"))._replace(order_id=f"o{n}"))

    found = run.tally.outcome()
    assert found.complete_orders == 1
    assert found.shipments_per_order[0] == 1
    assert (found.assigned_units, found.unassigned_units) == (23, 18)
    assert sum(each.units for each in found.loads) == 23


@pytest.mark.parametrize("seed", range(6))
def test_as_a_server_with_channels_would(seed: int) -> None:
    """Limits, buffers, pools and backorders: over a ledger it is the same."""
    orders = past(seed, 25, "web", "shop", "")
    run = replay(passing(changed(NOTHING_SAID, SETUP)))
    for each in orders:
        run.route(each)

    with closing(open_ledger("sqlite://", lambda: NOW_SECONDS)) as ledger:
        ledger.put_locations(
            [Location(LocationId(name), n) for n, name in enumerate(SEED, start=1)]
        )
        ledger.import_stock(
            ImportMode.SET,
            [
                StockChange(LocationId(name), Sku(sku), units)
                for name, held in SEED.items()
                for sku, units in held.items()
            ],
        )
        ledger.put_setup(SETUP)
        served = Tally(DEFAULT)
        router = Router(ledger, clock=lambda: NOW_SECONDS)
        for each in orders:
            serve(router, each, served)

    assert run.tally.outcome() == served.outcome()
    assert run.tally.outcome(served).moved_orders == 0
    assert run.tally.outcome().refused_orders > 0


def serve(router: Router, each: Order, served: Tally) -> None:
    try:
        options = RouteOptions(LIMITS)
        plan = router.route(each, PRESETS[DEFAULT], options).plan
    except InvalidOrder as error:
        units = sum(line.quantity for line in each.lines)
        served.add_refused(units, {error.violations[0].reason.lower(): units})
    else:
        assert plan is not None
        served.add_plan(plan)


def test_what_a_channel_refuses_is_counted() -> None:
    run = replay(passing(changed(NOTHING_SAID, SETUP)))
    run.route(order(line("hat:5"), line("shirt:2"))._replace(channel_id="web"))

    found = run.tally.outcome()
    assert (found.orders, found.refused_orders, found.complete_orders) == (1, 1, 0)
    assert found.unassigned == (Count("max_per_order", 7),)


def test_an_order_that_makes_no_sense_is_not_counted() -> None:
    run = replay(passing())

    with pytest.raises(InvalidOrder, match="no SKU 'tie'"):
        run.route(order(line("tie:1")))

    assert run.tally.outcome().orders == 0


def test_picked_units_that_are_gone_are_a_refusal() -> None:
    run = replay(passing())
    at = picked("hat", "montreal", 9)
    run.route(order(line("hat:9"))._replace(frozen=(at,)))

    found = run.tally.outcome()
    assert found.refused_orders == 1
    assert found.unassigned == (Count("frozen_breaks_limit", 9),)


def test_stock_forgets_who_has_it() -> None:
    stock = passing()
    kept: list[str] = []

    def keep(plan: RoutingPlan) -> bytes:
        kept.append(plan.plan_id)
        return b"reply"

    router = Router(stock)
    options = RouteOptions(LIMITS)
    again = order(line("hat:1"))
    for _ in range(2):
        router.route(again, PRESETS[DEFAULT], options, Request("r", b"d"), keep)

    assert len(kept) == 2
    with pytest.raises(PlanNotFound):
        stock.plan(kept[0])


def test_stock_holds_promises_to_their_guards() -> None:
    stock = passing()
    guard = Guard(Sku("hat"), ("web",), 4)

    def sell(name: str, units: int) -> None:
        claim = Claim(LocationId("laval"), Sku("hat"), line_id="1", quantity=units)
        stock.reserve(
            Reservation(name, name, (claim,), b"", channel_id="web", guards=(guard,))
        )

    sell("first", 3)
    with pytest.raises(StockConflict, match="no more of 'hat' is for sale"):
        sell("second", 2)
    sell("third", 1)


def tallies(names: list[str], route: Callable[[Replay], None]) -> list[Tally]:
    runs = [replay(passing(), name) for name in names]
    for run in runs:
        route(run)
    return [run.tally for run in runs]


def test_policies_side_by_side_worked_by_hand() -> None:
    """By rank Montréal ships what it has, 3 hats; Laval alone has all of it."""

    def route(run: Replay) -> None:
        run.route(order(line("shirt:1"), line("hat:5")))

    report = replay_report("Replay", tallies([DEFAULT, "priority"], route))
    first, second = report.outcomes

    assert (first.shipments, first.split_lines, first.moved_orders) == (1, 0, 0)
    assert (second.shipments, second.split_lines, second.moved_orders) == (2, 1, 1)
    assert [each.location_id for each in second.loads] == ["montreal", "sherbrooke"]
    assert json.loads(report.to_json())["derived"]["removed_shipments"] == -1


def test_no_policy_is_no_report() -> None:
    with pytest.raises(ValueError, match="1 to 12 outcomes"):
        replay_report("Replay", [])
