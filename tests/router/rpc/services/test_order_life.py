"""Orders and carts from their plan to their end, over the wire."""

import asyncio

from router.rpc.background.driver import Driver
from router.rpc.background.housekeeping import Housekeeper
from router.v1 import order_pb2, routing_service_pb2
from tests.router.rpc.calls import (
    StepClock,
    load,
    metadata,
    order,
    reason,
    refused,
    request,
    route,
    shipped,
    status,
)
from tests.router.rpc.conftest import Running
from tests.router.rpc.life import (
    balances,
    cancel,
    extend,
    get,
    place,
    ship,
    state,
    units,
)

wire = routing_service_pb2


# --- The seed's cycle -------------------------------------------------------------


def test_the_cycle_of_the_seed(server: Running) -> None:
    """25 on hand: place 25, cancel 5, ship 20. No location is credited with the 5."""
    load(server, {"warehouse": {"sku": 25}})

    plan = route(server, order("o", sku=25))
    assert balances(server) == {"warehouse/sku": {"on_hand": 25, "allocated": 25}}

    cancelled = cancel(server, "o", sku=5)
    assert state(cancelled) == "placed"
    assert balances(server) == {
        "warehouse/sku": {"on_hand": 25, "allocated": 20, "available": 5}
    }

    done = ship(server, plan.plan_id)
    assert state(done) == "shipped"
    assert units(done) == {"warehouse/sku": {"shipped": 20, "cancelled": 5}}
    assert balances(server) == {"warehouse/sku": {"on_hand": 5, "available": 5}}
    # Another order finds the five, once.
    assert shipped(route(server, order("next", sku=9))) == {"warehouse": {"sku": 5}}
    assert server.ledger.audit().drift_count == 0


def test_an_order_ships_piece_by_piece(server: Running) -> None:
    load(server, {"a": {"hat": 3}, "b": {"hat": 3, "cap": 1}})
    plan = route(server, order("o", hat=5, cap=1))
    assert shipped(plan) == {"b": {"hat": 3, "cap": 1}, "a": {"hat": 2}}

    part = ship(server, plan.plan_id, ("hat", "b", 1), ("hat", "a", 2))

    assert state(part) == "placed"
    assert units(part, "hat") == {
        "a/hat": {"shipped": 2},
        "b/hat": {"open": 2, "shipped": 1},
    }
    assert balances(server)["a/hat"] == {"on_hand": 1, "available": 1}
    assert balances(server)["b/hat"] == {"on_hand": 2, "allocated": 2}
    # What is left is cancelled: what left stays gone.
    assert state(cancel(server, "o")) == "shipped"
    assert balances(server)["b/hat"] == {"on_hand": 2, "available": 2}


def test_a_cancelled_order_may_be_routed_again(server: Running) -> None:
    load(server, {"laval": {"hat": 2}})
    first = route(server, order("o", hat=2))

    done = cancel(server, "o")

    assert state(done) == "cancelled"
    second = route(server, order("o", hat=1))
    assert second.plan_id != first.plan_id
    # Its latest plan is meant.
    assert cancel(server, "o").plan_id == second.plan_id
    assert state(get(server, first.plan_id).reservation) == "cancelled"


def test_a_part_is_taken_from_the_last_shipment(server: Running) -> None:
    load(server, {"a": {"hat": 3}, "b": {"hat": 4, "cap": 1}})
    route(server, order("o", hat=5, cap=1))

    done = cancel(server, "o", hat=2)

    # Four at b, the busiest, and one at a: a is spared a shipment, then b a unit.
    assert units(done, "hat") == {
        "a/hat": {"cancelled": 1},
        "b/hat": {"open": 3, "cancelled": 1},
    }


def test_kits_are_shipped_and_cancelled_in_kits(server: Running) -> None:
    load(server, {"laval": {"hat": 3, "cap": 9}})
    wanted = order_pb2.Order(
        order_id="o",
        lines=[
            order_pb2.OrderLine(
                line_id="set",
                quantity=3,
                components=[
                    order_pb2.KitComponent(sku="hat", quantity=1),
                    order_pb2.KitComponent(sku="cap", quantity=3),
                ],
            )
        ],
    )
    plan = route(server, wanted)

    cancel(server, "o", set=1)
    ship(server, plan.plan_id, ("set", "laval", 1))

    assert balances(server) == {
        "laval/hat": {"on_hand": 2, "allocated": 1, "available": 1},
        "laval/cap": {"on_hand": 6, "allocated": 3, "available": 3},
    }
    error = refused(
        server.routing.ShipAssignment,
        wire.ShipAssignmentRequest(
            plan_id=plan.plan_id,
            assignments=[
                wire.ShippedUnits(line_id="set", location_id="laval", quantity=2)
            ],
        ),
    )
    assert reason(status(error)) == "UNITS_NOT_OPEN"


# --- What is queued ---------------------------------------------------------------


def test_what_nobody_ships_is_queued_when_asked(server: Running) -> None:
    load(server, {"laval": {"hat": 2}})
    wanted = order("o", hat=5)
    wanted.channel_id = "web"

    plan = route(server, wanted, queue_unassigned=True)

    assert [(each.line_id, each.quantity) for each in plan.unassigned] == [("hat", 3)]
    assert server.ledger.queued() == {("web", "hat"): 3}
    reservation = get(server, plan.plan_id).reservation
    assert units(reservation) == {"/hat": {"open": 3}, "laval/hat": {"open": 2}}
    # The queue goes first when some is not wanted any more.
    assert units(cancel(server, "o", hat=4)) == {
        "/hat": {"cancelled": 3},
        "laval/hat": {"open": 1, "cancelled": 1},
    }
    assert server.ledger.queued() == {}


def test_an_order_that_is_all_queued_is_bound(server: Running) -> None:
    load(server, {"laval": {"hat": 0}})

    plan = route(server, order("o", hat=5), queue_unassigned=True)

    again = refused(server.routing.RouteOrder, request(order("o", hat=5)))
    assert reason(status(again)) == "ORDER_ALREADY_ROUTED"
    assert metadata(status(again))["plan_id"] == plan.plan_id


def test_without_asking_nothing_is_queued(server: Running) -> None:
    load(server, {"laval": {"hat": 2}})

    plan = route(server, order("o", hat=5))

    assert server.ledger.queued() == {}
    # Two are there; a third was never given to anybody, and costs nobody anything.
    done = cancel(server, "o", hat=3)
    assert units(done) == {"laval/hat": {"open": 2}}
    assert cancel(server, "o", hat=1).revision > done.revision
    assert get(server, plan.plan_id).reservation.units[0].cancelled_units == 1


# --- Carts ------------------------------------------------------------------------


def test_a_cart_is_held_until_its_time_is_over(
    timed: Running, ledger_clock: StepClock
) -> None:
    plan = route(timed, order("o", hat=4), hold_seconds=60)
    held = get(timed, plan.plan_id).reservation

    assert state(held) == "held"
    assert held.expire_time.ToSeconds() == ledger_clock.seconds + 60
    assert balances(timed) == {"laval/hat": {"on_hand": 10, "held": 4, "available": 6}}

    ledger_clock.seconds += 59
    assert timed.ledger.sweep().expired_count == 0
    ledger_clock.seconds += 2
    assert timed.ledger.sweep().expired_count == 1

    assert balances(timed) == {"laval/hat": {"on_hand": 10, "available": 10}}
    reservation = get(timed, plan.plan_id).reservation
    assert state(reservation) == "expired"
    assert not reservation.HasField("expire_time")
    assert units(reservation) == {"laval/hat": {"expired": 4}}
    # The units are back for others, and for the same order.
    assert shipped(route(timed, order("o", hat=10))) == {"laval": {"hat": 10}}


def test_a_cart_that_is_placed_does_not_expire(
    timed: Running, ledger_clock: StepClock
) -> None:
    plan = route(timed, order("o", hat=4), hold_seconds=60)

    placed = place(timed, plan.plan_id)
    ledger_clock.seconds += 3_600
    timed.ledger.sweep()

    assert state(placed) == "placed"
    assert not placed.HasField("expire_time")
    assert balances(timed) == {
        "laval/hat": {"on_hand": 10, "allocated": 4, "available": 6}
    }


def test_a_cart_with_open_work_is_extended_not_dropped(
    timed: Running, ledger_clock: StepClock
) -> None:
    plan = route(timed, order("o", hat=4), hold_seconds=60)
    assert extend(timed, plan.plan_id, 120, "payment 7").work == "payment 7"

    ledger_clock.seconds += 121
    swept = timed.ledger.sweep()

    assert (swept.expired_count, swept.extended_count) == (0, 1)
    held = get(timed, plan.plan_id).reservation
    assert held.expire_time.ToSeconds() == ledger_clock.seconds + 120
    assert balances(timed)["laval/hat"]["held"] == 4
    # The work is done, one way or the other: now it ends with its time.
    extend(timed, plan.plan_id, 10)
    ledger_clock.seconds += 11
    assert timed.ledger.sweep().expired_count == 1


def test_a_cart_may_be_cancelled_in_part(timed: Running) -> None:
    route(timed, order("o", hat=4), hold_seconds=60)

    done = cancel(timed, "o", hat=1)

    assert state(done) == "held"
    assert balances(timed) == {"laval/hat": {"on_hand": 10, "held": 3, "available": 7}}


def test_the_housekeeper_ends_a_cart_by_itself(
    timed: Running, ledger_clock: StepClock
) -> None:
    plan = route(timed, order("o", hat=4), hold_seconds=60)
    ledger_clock.seconds += 61

    async def keep_house() -> None:
        driver = Driver(timed.ledger)
        keeper = Housekeeper(timed.ledger, driver, sweep_seconds=0.01)
        keeper.start()
        async with asyncio.timeout(10):
            while balances(timed)["laval/hat"].get("held"):
                await asyncio.sleep(0.01)
        await keeper.stop()
        await driver.close()

    asyncio.run(keep_house())

    assert state(get(timed, plan.plan_id).reservation) == "expired"
