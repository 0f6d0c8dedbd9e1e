"""What a handler hands to the router: time above all."""

import asyncio
import time
from collections.abc import Generator
from typing import Any, cast

import pytest
from google.protobuf import duration_pb2

from availability.errors import Violation
from availability.ledger.protocol import Ledger
from availability.model import Request
from router.errors import DeadlineTooShort, InvalidOrder
from router.model import Order, PlanStatus, RoutingPlan, RoutingPolicy
from router.pipeline import Routed, RouteOptions, Router
from router.policies import DEFAULT, PRESETS
from router.rpc.background.driver import Driver
from router.rpc.background.rerouter import Rerouter
from router.rpc.codec.request import digest
from router.rpc.services.routing import RoutingService
from router.v1 import routing_service_pb2
from tests.router.rpc.calls import order, reason, request

PLAN = RoutingPlan("o", PlanStatus.NONE, (), (), (), (), {}, 1, "exact", 2, "p")


class FakeRouter:
    """Remembers what it was asked, and takes some time over it."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.options: list[RouteOptions] = []
        self.policies: list[RoutingPolicy] = []
        self.requests: list[Request] = []
        self.bodies: list[bytes] = []

    def evaluate_steps(
        self, _order: Order, policy: RoutingPolicy, options: RouteOptions
    ) -> Generator[Any, Any, RoutingPlan]:
        self.policies.append(policy)
        self.options.append(options)
        time.sleep(self.seconds)
        yield from ()
        return PLAN

    def route_steps(self, *asked: Any) -> Generator[Any, Any, Routed]:
        self.options.append(asked[2])
        self.requests.append(asked[3])
        self.bodies.append(asked[4])
        yield from ()
        return Routed(b"", None)


def play(router: FakeRouter, method: str, wire: Any, left: float) -> bytes:
    """Call a method with so much time left."""

    async def playing() -> bytes:
        ledger = cast(Ledger, None)
        driver = Driver(ledger)
        try:
            service = RoutingService(
                cast(Router, router), ledger, driver, cast(Rerouter, None)
            )
            reply: bytes = await getattr(service, method)(wire, time.monotonic() + left)
            return reply
        finally:
            await driver.close()

    return asyncio.run(playing())


@pytest.mark.parametrize(
    ("timeout", "left", "expected"),
    [(None, 10, 1.0), (5, 10, 5.0), (30, 10, 6.0), (None, 1, 0.6), (30, 100, 30.0)],
)
def test_solving_has_its_share_of_the_time_left(
    timeout: int | None, left: float, expected: float
) -> None:
    router = FakeRouter()
    wire = request(order("o", hat=1), validate_only=True)
    if timeout is not None:
        wire.solve_timeout.CopyFrom(duration_pb2.Duration(seconds=timeout))

    play(router, "RouteOrder", wire, left)

    (options,) = router.options
    assert options.limits.wall_seconds == pytest.approx(expected, rel=0.05)
    assert not options.counterfactuals


def test_an_order_of_many_leaves_time_for_the_reply() -> None:
    router = FakeRouter()
    one = request(order("o", hat=1), validate_only=True)
    one.solve_timeout.FromSeconds(30)
    many = routing_service_pb2.RouteOrdersRequest(requests=[one])

    play(router, "RouteOrders", many, 0.3)
    play(router, "RouteOrders", many, 10)

    short, long = (each.limits.wall_seconds for each in router.options)
    assert short == pytest.approx(0.6 * 0.27, rel=0.1)
    assert long == pytest.approx(0.6 * 9.75, rel=0.01)


def test_the_orders_that_are_left_when_time_is_over_say_so() -> None:
    router = FakeRouter(seconds=0.1)
    many = routing_service_pb2.RouteOrdersRequest(
        requests=[request(order("o", hat=1), validate_only=True)] * 10
    )

    reply = play(router, "RouteOrders", many, 0.3)

    results = routing_service_pb2.RouteOrdersResponse.FromString(reply).results
    late = [reason(each.error) for each in results if each.HasField("error")]
    assert len(results) == 10
    assert len(router.options) == 10 - len(late) <= 3
    assert set(late) == {"DEADLINE_TOO_SHORT"}


def test_no_time_is_left_once_the_order_is_read() -> None:
    router = FakeRouter()

    with pytest.raises(DeadlineTooShort):
        play(router, "RouteOrder", request(order("o", hat=1)), 0.004)

    assert not router.requests


def test_options_and_policy_are_passed_on() -> None:
    router = FakeRouter()
    wire = request(order("o", hat=1), validate_only=True, counterfactuals=True)

    play(router, "RouteOrder", wire, 10)
    wire.policy.preset = "cheapest"
    play(router, "RouteOrder", wire, 10)

    assert [each.counterfactuals for each in router.options] == [True, True]
    assert router.policies == [PRESETS[DEFAULT], PRESETS["cheapest"]]


def test_a_request_id_comes_with_the_digest_of_the_whole_request() -> None:
    router = FakeRouter()
    wire = request(order("o", hat=1), request_id="r-1")

    play(router, "RouteOrder", wire, 10)
    play(router, "RouteOrder", request(order("o", hat=1)), 10)

    body = wire.SerializeToString(deterministic=True)
    assert router.requests == [Request("r-1", digest("RouteOrder", body)), Request()]
    assert router.bodies[0] == body


def test_violations_are_capped() -> None:
    wire = request(order("o", **{f"sku-{n}": 0 for n in range(500)}))
    wire.solve_timeout.FromSeconds(99)

    with pytest.raises(InvalidOrder) as caught:
        play(FakeRouter(), "RouteOrder", wire, 10)

    violations: tuple[Violation, ...] = caught.value.violations
    assert len(violations) == 100
    assert violations[0].path == "solve_timeout"
