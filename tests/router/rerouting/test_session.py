"""Re-routing on random worlds: nobody loses, nothing is sold twice, less is shipped."""

import pytest

from availability.model import Location, LocationId
from availability.reservations import ReservationRecord
from router.rerouting.joint_problem import SPLIT_FIRST, Wishes
from router.rpc.codec.body import WireForm
from tests.router.rerouting.problems import World, random_world


def all_open(world: World) -> dict[str, ReservationRecord]:
    records = world.ledger.open_plans().records
    return {each.order_id: each for each in records}


def open_units(record: ReservationRecord) -> dict[str, int]:
    """Units that are open, wherever, by line."""
    units: dict[str, int] = {}
    for each in record.holdings:
        units[each.line_id] = units.get(each.line_id, 0) + each.open
    return units


def placed_units(record: ReservationRecord) -> int:
    return sum(each.open for each in record.holdings if each.location_id)


@pytest.mark.parametrize("seed", range(40))
def test_random_worlds(seed: int) -> None:
    world = random_world(seed)
    before = all_open(world)

    summary, moves, done = world.reroute()

    after = all_open(world)
    assert {name: open_units(each) for name, each in after.items()} == {
        name: open_units(each) for name, each in before.items()
    }
    for name, record in after.items():
        assert placed_units(record) >= placed_units(before[name])
        plan = WireForm().plan(record.reply)
        assert sum(each.quantity for each in plan.assignments) == placed_units(record)
    audit = world.ledger.audit()
    assert (audit.drift_count, audit.reservation_count) == (0, audit.reservation_count)
    told = summary.after
    assert told.lost_orders == 0
    assert told.moved_orders == sum(
        placed(after[name]) != placed(before[name]) for name in before
    )
    if not summary.before.unassigned_units:
        # With nobody who waits, what is exchanged is exchanged for something.
        worth = [
            each.shipments + SPLIT_FIRST * each.split_lines
            for each in (summary.before, told)
        ]
        assert worth[1] < worth[0] if done else worth[1] == worth[0]
    if len(done) == len(moves) and summary.bound is not None:
        assert told.shipments >= summary.bound.shipments


def placed(record: ReservationRecord) -> set[tuple[str, str, int]]:
    return {
        (each.line_id, each.location_id, each.open)
        for each in record.holdings
        if each.open and each.location_id
    }


@pytest.mark.parametrize("seed", range(8))
def test_a_second_run_finds_nothing(seed: int) -> None:
    world = random_world(seed)
    _, moves, done = world.reroute()
    if len(done) < len(moves):
        return

    assert world.reroute()[1] == []


@pytest.mark.parametrize("seed", range(8))
def test_a_cap_on_moves(seed: int) -> None:
    world = random_world(seed)

    summary, moves, _ = world.reroute(Wishes(max_moves=1))

    held = {each.plan.plan_id for each in moves if not each.served_units}
    assert len(held) <= 1
    assert summary.after.lost_orders == 0


def test_orders_leave_a_location_that_closed() -> None:
    world = World({"a": {"x": 3, "y": 3}, "b": {"x": 1, "y": 3}, "c": {"x": 3}})
    for n in range(3):
        world.route(f"o{n}", "fewest-shipments", [("x", 1), ("y", 1)], queue=False)
    world.ledger.put_locations([Location(LocationId("a"), 0, active=False)])

    summary, _, done = world.reroute()

    assert len(done) == 3
    assert {each.location_id for each in summary.after.loads} == {"b", "c"}
    assert summary.after.shipments == 5
    assert world.ledger.audit().drift_count == 0
