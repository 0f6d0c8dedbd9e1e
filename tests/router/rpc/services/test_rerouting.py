"""Pending orders decided again together, over the wire."""

import threading
import time
from collections.abc import Iterator

import grpc
import pytest
from google.protobuf import duration_pb2

from availability.reservations import PlanRef, ReservationState
from router.optimize.batch.proof.saved import Saved
from router.rerouting.worker_main import PART_MOVES
from router.v1 import order_pb2, policy_pb2, rerouting_pb2, reservation_pb2
from tests.router.rpc.calls import (
    code,
    load,
    order,
    reason,
    refused,
    route,
    shipped,
    status,
    violations,
)
from tests.router.rpc.conftest import Running, Start
from tests.router.rpc.life import get, ship, state
from tests.router.rpc.rerouting import Wire, ask, reroute, told

# Each order by itself takes the first location; so the second has to split.
TRAP = {"a": {"hat": 1, "cap": 1}, "b": {"hat": 1, "cap": 0}}


@pytest.fixture
def trapped(server: Running) -> list[str]:
    """Plans of a hat at a, and of a hat at b with a cap from a."""
    return trap(server)


def trap(server: Running) -> list[str]:
    load(server, TRAP)
    one = route(server, order("one", hat=1))
    two = route(server, order("two", hat=1, cap=1))
    assert [len(each.shipments) for each in (one, two)] == [1, 2]
    return [one.plan_id, two.plan_id]


def where(server: Running, plans: list[str]) -> list[dict[str, dict[str, int]]]:
    return [shipped(get(server, each).plan) for each in plans]


APART = [{"a": {"hat": 1}}, {"a": {"cap": 1}, "b": {"hat": 1}}]
TOGETHER = [{"b": {"hat": 1}}, {"a": {"hat": 1, "cap": 1}}]


class TestExchange:
    def test_orders_exchange_what_they_hold(
        self, server: Running, trapped: list[str]
    ) -> None:
        done = reroute(server, certificate=True)

        assert where(server, trapped) == TOGETHER
        two = get(server, trapped[1])
        assert two.plan.engine == "joint"
        assert [each.reason for each in two.plan.shipments] != [""]
        assert state(two.reservation) == "placed"
        before, after = done.report.before, done.report.after
        assert (before.shipment_count, after.shipment_count) == (3, 2)
        assert (before.split_order_count, after.split_order_count) == (1, 0)
        assert (after.moved_count, after.gained_count, after.lost_count) == (2, 0, 0)
        assert done.report.shipment_bound == 2
        assert done.report.given_up_count == done.report.conflict_count == 0
        loads = [
            (each.location_id, each.order_count, each.units) for each in after.loads
        ]
        assert loads == [("a", 1, 2), ("b", 1, 1)]
        assert server.ledger.audit().drift_count == 0

    @pytest.mark.usefixtures("trapped")
    def test_what_it_proves_can_be_checked_by_anybody(self, server: Running) -> None:
        done = reroute(server, certificate=True)

        levels = Saved.from_bytes(done.saved).verify()
        assert [tuple(each) for each in levels] == [
            (each.name, each.value, each.bound, each.provenance)
            for each in done.report.levels
        ]
        assert reroute(server).saved == b""

    @pytest.mark.usefixtures("trapped")
    def test_it_says_how_far_it_is(self, server: Running) -> None:
        done = reroute(server)

        phases = [each.phase for each in done.progress]
        assert phases[0] == "reading"
        assert phases[-2:] == ["applying", "report"]
        last = done.progress[-1]
        assert (last.order_count, last.move_count, last.applied_count) == (2, 2, 2)
        assert (last.value, last.bound) == (2, 2)

    @pytest.mark.usefixtures("trapped")
    def test_a_second_time_nothing_is_left_to_do(self, server: Running) -> None:
        reroute(server)
        version = server.ledger.version()

        done = reroute(server)

        assert done.report.after.moved_count == 0
        assert server.ledger.version() == version

    def test_to_evaluate_changes_nothing(
        self, server: Running, trapped: list[str]
    ) -> None:
        version = server.ledger.version()

        report = reroute(server, validate_only=True).report

        assert (report.validate_only, report.after.shipment_count) == (True, 2)
        assert where(server, trapped) == APART
        assert server.ledger.version() == version

    def test_moves_that_are_too_many_for_one_message(self, server: Running) -> None:
        pairs = PART_MOVES // 2 + 5
        load(server, {"a": {"hat": pairs, "cap": pairs}, "b": {"hat": pairs, "cap": 0}})
        for n in range(pairs):
            route(server, order(f"one-{n}", hat=1))
        for n in range(pairs):
            route(server, order(f"two-{n}", hat=1, cap=1))

        report = reroute(server, validate_only=True).report

        assert report.before.shipment_count == 3 * pairs
        assert report.after.shipment_count == 2 * pairs
        assert report.after.moved_count == 2 * pairs

    def test_nobody_moves_for_less_than_the_least_gain(
        self, server: Running, trapped: list[str]
    ) -> None:
        # Two orders move, for one shipment.
        assert reroute(server, min_gain_permille=501).report.after.moved_count == 0
        assert where(server, trapped) == APART
        assert reroute(server, min_gain_permille=499).report.after.moved_count == 2
        assert where(server, trapped) == TOGETHER

    @pytest.mark.usefixtures("trapped")
    def test_no_more_move_than_may(self, server: Running) -> None:
        assert reroute(server, max_moves=1).report.after.moved_count == 0
        assert reroute(server, max_moves=2).report.after.moved_count == 2

    def test_nothing_to_do(self, server: Running) -> None:
        report = reroute(server, certificate=True).report

        assert report.after.order_count == 0
        assert not report.HasField("shipment_bound")


class TestWhatStays:
    def test_what_was_picked(self, server: Running) -> None:
        load(server, TRAP)
        picked = order("one", hat=1)
        picked.frozen.add(line_id="hat", location_id="a", quantity=1)
        plans = [route(server, picked), route(server, order("two", hat=1, cap=1))]

        reroute(server)

        assert where(server, [each.plan_id for each in plans]) == APART

    def test_what_was_shipped(self, server: Running, trapped: list[str]) -> None:
        ship(server, trapped[1], ("cap", "a", 1))

        report = reroute(server).report

        # Its hat is all that is left of the second order: one shipment, anywhere.
        assert report.before.shipment_count == report.after.shipment_count == 2
        assert where(server, trapped) == APART

    def test_what_was_never_promised(self, server: Running) -> None:
        load(server, {"a": {"hat": 2, "cap": 1}, "b": {"hat": 2, "cap": 0}})
        made = route(server, order("o", hat=1, cap=3))
        assert [each.quantity for each in made.unassigned] == [2]
        route(server, order("p", hat=1))

        reroute(server)

        plan = get(server, made.plan_id).plan
        assert [each.quantity for each in plan.unassigned] == [2]
        assert shipped(plan) == {"a": {"hat": 1, "cap": 1}}

    def test_carts_unless_they_are_asked_for(self, server: Running) -> None:
        load(server, TRAP)
        one = route(server, order("one", hat=1), hold_seconds=600)
        two = route(server, order("two", hat=1, cap=1))
        plans = [one.plan_id, two.plan_id]

        reroute(server)
        assert where(server, plans) == APART
        both = [
            reservation_pb2.RESERVATION_STATE_HELD,
            reservation_pb2.RESERVATION_STATE_PLACED,
        ]
        reroute(server, selection=rerouting_pb2.RerouteSelection(states=both))

        assert where(server, plans) == TOGETHER
        record = server.ledger.reservation(PlanRef(one.plan_id))
        assert record.state is ReservationState.HELD

    @pytest.mark.parametrize(
        ("line", "policy", "why"),
        [
            ({"indivisible": True, "quantity": 2}, "", "ship_together"),
            ({"ship_together": "g"}, "", "ship_together"),
            ({}, "nearest", "walk"),
            ({}, "cheapest", "objectives"),
        ],
    )
    def test_what_cannot_be_decided_together_is_told(
        self, server: Running, line: dict[str, object], policy: str, why: str
    ) -> None:
        load(server, {"a": {"hat": 5}})
        asked = order_pb2.Order(order_id="o")
        fields = {"line_id": "1", "sku": "hat", "quantity": 1, **line}
        asked.lines.add(**fields)
        if policy == "nearest":
            asked.destination.latitude = asked.destination.longitude = 1.0
        route(server, asked, policy)

        report = reroute(server).report

        assert [(each.reason, each.count) for each in report.kept] == [(why, 1)]
        assert report.after.order_count == 1


class TestAlone:
    def test_a_kit_moves_where_it_needs_one_shipment(self, server: Running) -> None:
        load(server, {"a": {"hat": 1, "cap": 0}, "b": {"hat": 0, "cap": 0}})
        asked = order_pb2.Order(order_id="o")
        line = asked.lines.add(line_id="kit", sku="set", quantity=1)
        line.components.add(sku="hat", quantity=1)
        asked.lines.add(line_id="cap", sku="cap", quantity=1)
        made = route(server, asked, queue_unassigned=True)
        assert shipped(made) == {"a": {"set": 1}}
        # A second location with all of it; the cap is served where the kit is not.
        load(server, {"a": {"hat": 1, "cap": 0}, "b": {"hat": 1, "cap": 1}})

        deadline = time.monotonic() + 20
        while server.ledger.queued():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        report = reroute(server).report

        assert shipped(get(server, made.plan_id).plan) == {"b": {"set": 1, "cap": 1}}
        assert report.after.shipment_count == 1
        assert [(each.reason, each.count) for each in report.kept] == [("kits", 1)]
        assert server.ledger.audit().drift_count == 0


class TestSelection:
    @pytest.mark.usefixtures("trapped")
    @pytest.mark.parametrize(
        ("selection", "count"),
        [
            ({"order_ids": ["one"]}, 1),
            ({"order_ids": ["one", "two", "three"]}, 2),
            ({"location_ids": ["b"]}, 1),
            ({"location_ids": ["a"]}, 2),
            ({"channel_ids": ["web"]}, 0),
            ({"queued_only": True}, 0),
            ({"min_age": duration_pb2.Duration(seconds=3_600)}, 0),
        ],
    )
    def test_only_those_that_are_meant(
        self, server: Running, selection: dict[str, object], count: int
    ) -> None:
        meant = rerouting_pb2.RerouteSelection(**selection)  # type: ignore[arg-type]

        assert reroute(server, selection=meant).report.after.order_count == count

    def test_the_policy_asked_for_takes_the_place_of_theirs(
        self, server: Running
    ) -> None:
        load(server, TRAP)
        plans = [
            route(server, each, "cheapest").plan_id
            for each in (order("one", hat=1), order("two", hat=1, cap=1))
        ]
        policy = policy_pb2.RoutingPolicy(preset="fewest-shipments")

        report = reroute(server, policy=policy).report

        assert not report.kept
        assert report.after.shipment_count == 2
        assert where(server, plans) != APART


class TestWaiting:
    def test_who_waits_may_take_what_others_can_spare(self, start: Start) -> None:
        server = start(fill_queue=False)
        load(server, {"a": {"hat": 1}, "b": {"hat": 0}})
        route(server, order("one", hat=1))
        waits = route(server, order("two", hat=1), queue_unassigned=True)
        load(server, {"a": {"hat": 1}, "b": {"hat": 1}})

        report = reroute(server).report

        assert (report.before.complete_count, report.after.complete_count) == (1, 2)
        assert (report.after.gained_count, report.after.queued_units) == (1, 0)
        assert not server.ledger.queued()
        assert shipped(get(server, waits.plan_id).plan) == {"b": {"hat": 1}}
        assert server.ledger.audit().drift_count == 0


class TestRefusals:
    def test_all_that_is_wrong_is_said(self, server: Running) -> None:
        selection = rerouting_pb2.RerouteSelection(
            channel_ids=["", "ok"],
            location_ids=["x" * 129],
            states=[reservation_pb2.RESERVATION_STATE_SHIPPED],
            min_age=duration_pb2.Duration(seconds=-1),
        )
        asked = ask(
            selection=selection,
            min_gain_permille=-1,
            max_moves=-1,
            solve_timeout=duration_pb2.Duration(nanos=1),
        )

        error = refused_stream(server, [asked])

        assert violations(status(error)) == {
            "rerouting.selection.channel_ids[0]": "REQUIRED",
            "rerouting.selection.location_ids[0]": "INVALID_ID",
            "rerouting.selection.states[0]": "OUT_OF_RANGE",
            "rerouting.selection.min_age": "OUT_OF_RANGE",
            "rerouting.min_gain_permille": "OUT_OF_RANGE",
            "rerouting.max_moves": "OUT_OF_RANGE",
            "rerouting.solve_timeout": "OUT_OF_RANGE",
        }

    @pytest.mark.parametrize("messages", [[], [Wire(stop=True)], [Wire()]])
    def test_the_first_message_says_what_to_do(
        self, server: Running, messages: list[Wire]
    ) -> None:
        error = refused_stream(server, messages)

        assert violations(status(error)) == {"rerouting": "REQUIRED"}

    @pytest.mark.usefixtures("trapped")
    @pytest.mark.parametrize("second", [Wire(), Wire(stop=False), ask()])
    def test_after_it_there_is_only_stop(self, server: Running, second: Wire) -> None:
        error = refused_stream(server, [ask(), second])

        assert violations(status(error)) == {"stop": "REQUIRED"}
        assert reroute(server).report.after.order_count == 2

    @pytest.mark.usefixtures("trapped")
    def test_one_at_a_time(self, server: Running) -> None:
        first = server.routing.RerouteOrders(_held_open(ask()), timeout=60)
        next(first)

        error = refused_stream(server, [ask()])

        assert code(error) is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert reason(status(error)) == "OVERLOADED"
        told(first)
        assert reroute(server).report.after.order_count == 2


class TestEnds:
    @pytest.mark.usefixtures("trapped")
    def test_a_stop_takes_the_best_so_far(self, server: Running) -> None:
        done = told(
            server.routing.RerouteOrders(iter([ask(), Wire(stop=True)]), timeout=60)
        )

        assert done.report.stopped
        assert server.ledger.audit().drift_count == 0
        assert reroute(server).report.after.shipment_count == 2

    @pytest.mark.usefixtures("trapped")
    def test_who_goes_away_ends_it(self, server: Running) -> None:
        call = server.routing.RerouteOrders(iter([ask()]), timeout=60)
        next(call)
        call.cancel()

        end = time.monotonic() + 30
        while (report := _unless_busy(server)) is None:
            assert time.monotonic() < end
            time.sleep(0.1)
        assert report.after.shipment_count == 2
        assert server.ledger.audit().drift_count == 0


def _unless_busy(server: Running) -> rerouting_pb2.RerouteReport | None:
    try:
        return reroute(server).report
    except grpc.RpcError as error:
        if code(error) is not grpc.StatusCode.RESOURCE_EXHAUSTED:
            raise
        return None


def refused_stream(server: Running, messages: list[Wire]) -> grpc.RpcError:
    method = server.routing.RerouteOrders
    return refused(lambda **options: list(method(iter(messages), **options)))


def _held_open(*messages: Wire) -> Iterator[Wire]:
    """Say something, and go on listening."""
    yield from messages
    threading.Event().wait(5)
