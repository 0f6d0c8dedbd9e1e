"""Locations that refuse: what becomes of the order and of the stock, over the wire."""

import concurrent.futures
from typing import Any

import pytest

from availability.model import ImportMode, LocationId, Sku, StockChange
from availability.v1 import location_pb2, stock_service_pb2
from router.v1 import order_pb2, plan_pb2, routing_service_pb2
from tests.router.rpc.calls import (
    CALL_SECONDS,
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
    Reason,
    balances,
    get,
    reject,
    rejecting,
    ship,
    state,
    units,
)

NOT_IN_STOCK = Reason.REJECTION_REASON_NOT_IN_STOCK
MISMATCH = Reason.REJECTION_REASON_MISMATCH
DAMAGED = Reason.REJECTION_REASON_DAMAGED
TOO_BUSY = Reason.REJECTION_REASON_TOO_BUSY
CLOSED = Reason.REJECTION_REASON_CLOSED
OTHER = Reason.REJECTION_REASON_OTHER

STOCK = {
    "a": {"hat": 6, "cap": 2},
    "b": {"hat": 6, "cap": 2},
    "c": {"hat": 6, "cap": 2},
}


@pytest.fixture
def plan(server: Running) -> plan_pb2.RoutingPlan:
    """Four hats and a cap, all of them at a."""
    load(server, STOCK)
    made = route(server, order("o", hat=4, cap=1))
    assert shipped(made) == {"a": {"hat": 4, "cap": 1}}
    return made


AT_A = {
    NOT_IN_STOCK: {},
    # Six less three that are not there; one is the order's, or nobody's.
    MISMATCH: {"on_hand": 3},
    DAMAGED: {"on_hand": 6, "withdrawn": 3},
    TOO_BUSY: {"on_hand": 6},
    CLOSED: {"on_hand": 6},
    OTHER: {"on_hand": 6},
}
"""What is left at a of its six hats when it refuses three of the four it was given."""


@pytest.mark.parametrize("why", AT_A, ids=Reason.Name)
@pytest.mark.parametrize("blocking", [False, True])
def test_each_reason_says_something_of_the_stock(
    server: Running, plan: plan_pb2.RoutingPlan, why: Any, blocking: bool
) -> None:
    answer = reject(server, plan.plan_id, "a", why, blocking=blocking, hat=3)

    stays = {} if blocking else {"a": {"hat": 1, "cap": 1}}
    moved = {"hat": 4, "cap": 1} if blocking else {"hat": 3}
    assert shipped(answer.plan) == {**stays, "b": moved}
    assert answer.plan.plan_id == plan.plan_id
    assert state(answer.reservation) == "placed"
    kept = {} if blocking else {"open": 1}
    assert units(answer.reservation, "hat") == {
        "a/hat": {**kept, "rejected": 4 if blocking else 3},
        "b/hat": {"open": moved["hat"]},
    }
    found = balances(server)
    expected = dict(AT_A[why])
    if not blocking:
        expected["allocated"] = 1
    on_hand, withdrawn = expected.get("on_hand", 0), expected.get("withdrawn", 0)
    left = max(0, on_hand - withdrawn - expected.get("allocated", 0))
    assert found["a/hat"] == {**expected, **({"available": left} if left else {})}
    # What was not named is as it was counted, whatever else is refused.
    assert found["a/cap"]["on_hand"] == 2
    assert found["b/hat"]["allocated"] == moved["hat"]
    assert server.ledger.audit().drift_count == 0


def test_the_plan_is_read_again_as_it_is_now(
    server: Running, plan: plan_pb2.RoutingPlan
) -> None:
    answer = reject(server, plan.plan_id, "a", OTHER, cap=1)

    read = get(server, plan.plan_id)
    assert read.plan == answer.plan
    assert read.reservation == answer.reservation


def test_re_routing_never_loops(server: Running, plan: plan_pb2.RoutingPlan) -> None:
    """Every location refuses in turn; none is asked twice, and it ends."""
    asked: list[str] = []
    places = shipped(plan)
    while places:
        (location_id,) = places
        asked.append(location_id)
        places = shipped(reject(server, plan.plan_id, location_id, TOO_BUSY).plan)

    assert asked == ["a", "b", "c"]
    answer = get(server, plan.plan_id)
    assert state(answer.reservation) == "rejected"
    assert answer.plan.status == plan_pb2.PLAN_STATUS_NONE
    assert {each.reason for each in answer.plan.unassigned} == {
        plan_pb2.UNASSIGNED_REASON_LOCATIONS_ELIMINATED
    }
    assert {each.filter for each in answer.plan.eliminated} == {
        plan_pb2.ELIMINATION_FILTER_REJECTED
    }
    assert server.allocated() == 0
    # Nothing holds the order any more.
    assert shipped(route(server, order("o", hat=1))) == {"a": {"hat": 1}}


def test_a_location_that_keeps_some_of_a_line_gets_nothing_more(
    server: Running,
) -> None:
    load(server, {"a": {"hat": 9, "cap": 9}, "b": {"hat": 1, "cap": 1}})
    plan = route(server, order("o", hat=3, cap=2))

    answer = reject(server, plan.plan_id, "a", TOO_BUSY, hat=2)

    assert shipped(answer.plan) == {"a": {"hat": 1, "cap": 2}, "b": {"hat": 1}}
    (rest,) = answer.plan.unassigned
    assert (rest.line_id, rest.quantity) == ("hat", 1)
    # And again, with what it kept.
    answer = reject(server, plan.plan_id, "a", TOO_BUSY)
    assert shipped(answer.plan) == {"b": {"hat": 1, "cap": 1}}


def test_what_was_shipped_stays_shipped(server: Running) -> None:
    load(server, {"a": {"hat": 4}, "b": {"hat": 4}})
    plan = route(server, order("o", hat=4))
    ship(server, plan.plan_id, ("hat", "a", 1))

    answer = reject(server, plan.plan_id, "a", NOT_IN_STOCK)

    assert shipped(answer.plan) == {"a": {"hat": 1}, "b": {"hat": 3}}
    assert units(answer.reservation) == {
        "a/hat": {"shipped": 1, "rejected": 3},
        "b/hat": {"open": 3},
    }
    assert balances(server)["a/hat"] == {}
    assert state(ship(server, plan.plan_id)) == "shipped"


def test_a_line_that_left_in_part_is_not_whole_any_more(server: Running) -> None:
    load(server, {"a": {"hat": 4}, "b": {"hat": 4}})
    wanted = order("o", hat=4)
    wanted.lines[0].indivisible = True
    plan = route(server, wanted)
    ship(server, plan.plan_id, ("hat", "a", 1))

    answer = reject(server, plan.plan_id, "a", MISMATCH, hat=1)

    # All three that were left are refused with the one: they leave together.
    assert shipped(answer.plan) == {"a": {"hat": 1}, "b": {"hat": 3}}
    assert balances(server)["a/hat"] == {"on_hand": 2, "available": 2}


def test_units_that_are_not_there_are_not_offered_to_another_line(
    server: Running,
) -> None:
    """Two lines of one SKU: what the first finds missing the second cannot have."""
    load(server, {"a": {"hat": 5}, "b": {"hat": 3, "cap": 1}, "c": {"cap": 1}})
    wanted = order("o", hat=2)
    wanted.lines.append(order_pb2.OrderLine(line_id="more", sku="hat", quantity=3))
    plan = route(server, wanted)
    assert shipped(plan) == {"a": {"hat": 5}}

    answer = reject(server, plan.plan_id, "a", NOT_IN_STOCK, hat=2)

    # The other line's three stay where they are until it is said that they do not.
    assignments = answer.plan.assignments
    assert {
        (each.line_id, each.location_id, each.quantity) for each in assignments
    } == {
        ("hat", "b", 2),
        ("more", "a", 3),
    }
    assert balances(server)["a/hat"] == {"allocated": 3}
    again = reject(server, plan.plan_id, "a", NOT_IN_STOCK)
    assert shipped(again.plan) == {"b": {"hat": 3}}
    assert [(each.line_id, each.quantity) for each in again.plan.unassigned] == [
        ("more", 2)
    ]


def test_what_nobody_else_has_is_queued_if_the_order_said_so(server: Running) -> None:
    load(server, {"a": {"hat": 4}, "b": {"hat": 1}})
    wanted = order("o", hat=4)
    wanted.channel_id = "web"
    plan = route(server, wanted, queue_unassigned=True)

    answer = reject(server, plan.plan_id, "a", NOT_IN_STOCK)

    assert shipped(answer.plan) == {"b": {"hat": 1}}
    assert units(answer.reservation) == {
        "/hat": {"open": 3},
        "a/hat": {"rejected": 4},
        "b/hat": {"open": 1},
    }
    assert server.ledger.queued() == {("web", "hat"): 3}
    # There are more by the next time: the queue is served.
    change = StockChange(LocationId("a"), Sku("hat"), 9)
    server.ledger.import_stock(ImportMode.SET, [change])
    load(server, {"a": {}, "b": {}, "c": {"hat": 9}})
    served = reject(server, plan.plan_id, "b", TOO_BUSY)
    assert shipped(served.plan) == {"c": {"hat": 4}}
    assert server.ledger.queued() == {}
    assert units(served.reservation)["c/hat"] == {"open": 4}


def test_a_held_cart_may_be_refused_too(server: Running) -> None:
    load(server, STOCK)
    plan = route(server, order("o", hat=2), hold_seconds=60)

    answer = reject(server, plan.plan_id, "a", CLOSED, blocking=True)

    assert state(answer.reservation) == "held"
    assert balances(server)["b/hat"]["held"] == 2


def test_its_own_capacity_is_not_in_the_way(server: Running) -> None:
    """b may take four a day and has three: those stay, and one more fits."""
    load(server, {"a": {"hat": 2, "cap": 2}, "b": {"hat": 9}})
    server.stock.PutLocations(
        stock_service_pb2.PutLocationsRequest(
            locations=[
                location_pb2.Location(location_id="a", rank=1),
                location_pb2.Location(location_id="b", rank=2, capacity_units=4),
            ]
        )
    )
    plan = route(server, order("o", hat=5, cap=1))
    assert shipped(plan) == {"a": {"hat": 2, "cap": 1}, "b": {"hat": 3}}

    answer = reject(server, plan.plan_id, "a", MISMATCH, hat=2)

    assert shipped(answer.plan) == {"a": {"cap": 1}, "b": {"hat": 4}}
    (rest,) = answer.plan.unassigned
    assert rest.reason == plan_pb2.UNASSIGNED_REASON_CAPACITY


def test_who_has_nothing_of_the_plan_has_nothing_to_refuse(
    server: Running, plan: plan_pb2.RoutingPlan
) -> None:
    asked = rejecting(plan.plan_id, "b", OTHER)

    error = refused(server.routing.RejectAssignment, asked)

    assert reason(status(error)) == "UNITS_NOT_OPEN"
    assert metadata(status(error)) == {"plan_id": plan.plan_id}


def test_a_kits_part_is_named_by_its_sku(server: Running) -> None:
    load(server, {"a": {"hat": 3, "cap": 9}, "b": {"hat": 3, "cap": 9}})
    parts = [
        order_pb2.KitComponent(sku="hat", quantity=1),
        order_pb2.KitComponent(sku="cap", quantity=3),
    ]
    line = order_pb2.OrderLine(line_id="set", quantity=2, components=parts)
    plan = route(server, order_pb2.Order(order_id="o", lines=[line]))
    asked = rejecting(plan.plan_id, "a", NOT_IN_STOCK)
    asked.lines.add(line_id="set", quantity=2, sku="cap")

    answer = server.routing.RejectAssignment(asked, timeout=CALL_SECONDS)

    assert [(each.location_id, each.quantity) for each in answer.plan.assignments] == [
        ("b", 2)
    ]
    assert balances(server)["a/hat"] == {"on_hand": 3, "available": 3}
    assert balances(server)["a/cap"] == {}


def test_refusals_that_meet_are_each_done_once(server: Running) -> None:
    """Six of one plan at once: each is worked out from what the others left."""
    load(server, {"a": {"hat": 6}, "b": {"hat": 6}})
    plan = route(server, order("o", hat=6))
    asked = rejecting(plan.plan_id, "a", TOO_BUSY, hat=1)

    def call(n: int) -> str:
        one = routing_service_pb2.RejectAssignmentRequest()
        one.CopyFrom(asked)
        one.request_id = f"r-{n}"
        while True:
            try:
                server.routing.RejectAssignment(one, timeout=CALL_SECONDS)
            except Exception as error:
                if reason(status(error)) != "PLAN_CHANGED":
                    return reason(status(error))
            else:
                return "done"

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(call, range(6)))

    assert outcomes == ["done"] * 6
    assert balances(server)["a/hat"] == {"on_hand": 6, "available": 6}
    assert balances(server)["b/hat"] == {"on_hand": 6, "allocated": 6}
    assert server.ledger.audit().drift_count == 0


def test_a_repeat_of_many_calls_is_one(
    server: Running, plan: plan_pb2.RoutingPlan
) -> None:
    asked = rejecting(plan.plan_id, "a", MISMATCH, hat=1, request_id="r-1")

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        replies = list(
            pool.map(
                lambda _: server.routing.RejectAssignment(asked, timeout=CALL_SECONDS),
                range(8),
            )
        )

    assert len({each.SerializeToString(deterministic=True) for each in replies}) == 1
    assert balances(server)["a/hat"]["on_hand"] == 5


def test_evaluating_holds_nothing_whatever_is_asked(server: Running) -> None:
    load(server, STOCK)
    asked = request(
        order("o", hat=99), validate_only=True, hold_seconds=60, queue_unassigned=True
    )

    server.routing.RouteOrder(asked, timeout=CALL_SECONDS)

    assert server.ledger.queued() == {}
    assert balances(server)["a/hat"] == {"on_hand": 6, "available": 6}
