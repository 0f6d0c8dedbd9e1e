"""Every bound that proto/router/v1 states, at its edge and one beyond."""

from typing import Any

import pytest

from router.model import (
    Destination,
    LocationFilter,
    Objective,
    Order,
    OrderLine,
    RoutingPolicy,
    Term,
)
from router.policies import PRESETS
from router.validation.shape import order_breaches, policy_breaches
from tests.builders import kit, lane, line, order, part, picked, policy

LONGEST = "x" * 128


def breaches(subject: Order | RoutingPolicy) -> list[tuple[str, str]]:
    found = (
        order_breaches(subject)
        if isinstance(subject, Order)
        else policy_breaches(subject)
    )
    assert all(each.message for each in found)
    return [(each.path, each.reason) for each in found]


def tolerant(permille: int, amount: int) -> RoutingPolicy:
    objectives = (
        Objective(Term.UNASSIGNED_UNITS),
        Objective(Term.SHIPMENTS, permille, amount),
    )
    return RoutingPolicy("p", objectives)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS.keys())
def test_presets_have_the_right_shape(preset: RoutingPolicy) -> None:
    assert breaches(preset) == []


@pytest.mark.parametrize(
    "good",
    [
        order(LONGEST, order_id=LONGEST),
        order(line("a b:1000000000", line_id="é ü")),
        order(*[f"s{n}" for n in range(1_000)]),
        order(line("a", unit_value_micros=10**12, ship_together=LONGEST)),
        order(line("", line_id="1", components=(part("a", 1_000_000),))),
        order(kit("set", **{f"s{n}": 1 for n in range(100)})),
        order("a", destination=Destination(90.0, -180.0, "CA")),
        order(
            "a",
            lanes=(
                lane(
                    "l",
                    shipment_cost_micros=10**12,
                    unit_cost_micros=0,
                    arrival_minutes=10_000_000,
                ),
                lane("m"),
            ),
        ),
        order("a", promised_minutes=-5),
        order("a", frozen=(picked("a", "l", 1), picked("a", "m", 10**9))),
        tolerant(1_000_000, 10**12),
        policy(
            max_shipments=1_000,
            min_split_value_micros=10**15,
            routing_floor_units=10**9,
            filter=LocationFilter(groups=frozenset("g"), max_distance_meters=10**12),
        ),
    ],
)
def test_takes_what_is_within_the_bounds(good: Order | RoutingPolicy) -> None:
    assert breaches(good) == []


@pytest.mark.parametrize(
    ("bad", "path", "reason"),
    [
        (order("a", order_id=""), "order.order_id", "REQUIRED"),
        (order("a", order_id=LONGEST + "x"), "order.order_id", "INVALID_ID"),
        (order("a", order_id=" a"), "order.order_id", "INVALID_ID"),
        (order("a", order_id="a "), "order.order_id", "INVALID_ID"),
        (order("a", order_id="a\nb"), "order.order_id", "INVALID_ID"),
        (order("a", order_id="a\u00a0"), "order.order_id", "INVALID_ID"),
        (order(), "order.lines", "REQUIRED"),
        (order(*[f"s{n}" for n in range(1_001)]), "order.lines", "TOO_MANY"),
        (order("a", "a"), "order.lines[1].line_id", "DUPLICATE"),
        (order(line("a", line_id="")), "order.lines[0].line_id", "REQUIRED"),
        (order(line("", line_id="1")), "order.lines[0].sku", "REQUIRED"),
        (order("a", line("b", sku=" b")), "order.lines[1].sku", "INVALID_ID"),
        (order("a:0"), "order.lines[0].quantity", "OUT_OF_RANGE"),
        (order("a:1000000001"), "order.lines[0].quantity", "OUT_OF_RANGE"),
        (order("a:-1"), "order.lines[0].quantity", "OUT_OF_RANGE"),
        (
            order(line("a", ship_together=LONGEST + "x")),
            "order.lines[0].ship_together",
            "TOO_LONG",
        ),
        (
            order(line("a", unit_value_micros=-1)),
            "order.lines[0].unit_value_micros",
            "OUT_OF_RANGE",
        ),
        (
            order(line("a", unit_value_micros=10**12 + 1)),
            "order.lines[0].unit_value_micros",
            "OUT_OF_RANGE",
        ),
        (
            order(line("", line_id="1", ship_together="g")),
            "order.lines[0].sku",
            "REQUIRED",
        ),
        (
            order(kit("set", a=0)),
            "order.lines[0].components[0].quantity",
            "OUT_OF_RANGE",
        ),
        (
            order(kit("set", a=1_000_001)),
            "order.lines[0].components[0].quantity",
            "OUT_OF_RANGE",
        ),
        (
            order(kit("set", **{f"s{n}": 1 for n in range(101)})),
            "order.lines[0].components",
            "TOO_MANY",
        ),
        (
            order(line("set", components=(part("a", 1), part("a", 2)))),
            "order.lines[0].components[1].sku",
            "DUPLICATE",
        ),
        (
            order(line("set", components=(part("", 1),))),
            "order.lines[0].components[0].sku",
            "REQUIRED",
        ),
        (
            order("a", destination=Destination(1.0, None)),
            "order.destination.longitude",
            "REQUIRED",
        ),
        (
            order("a", destination=Destination(None, 1.0)),
            "order.destination.latitude",
            "REQUIRED",
        ),
        (
            order("a", destination=Destination(90.1, 0.0)),
            "order.destination.latitude",
            "OUT_OF_RANGE",
        ),
        (
            order("a", destination=Destination(0.0, float("nan"))),
            "order.destination.longitude",
            "OUT_OF_RANGE",
        ),
        (
            order("a", destination=Destination(float("-inf"), 0.0)),
            "order.destination.latitude",
            "OUT_OF_RANGE",
        ),
        (
            order("a", destination=Destination(country_code="fr")),
            "order.destination.country_code",
            "INVALID_COUNTRY",
        ),
        (
            order("a", lanes=(lane("l"), lane("l"))),
            "order.lanes[1].location_id",
            "DUPLICATE",
        ),
        (
            order("a", lanes=(lane("l", shipment_cost_micros=-1),)),
            "order.lanes[0].shipment_cost_micros",
            "OUT_OF_RANGE",
        ),
        (
            order("a", lanes=(lane("l", unit_cost_micros=10**12 + 1),)),
            "order.lanes[0].unit_cost_micros",
            "OUT_OF_RANGE",
        ),
        (
            order("a", lanes=(lane("l", arrival_minutes=10_000_001),)),
            "order.lanes[0].arrival_minutes",
            "OUT_OF_RANGE",
        ),
        (
            order("a", lanes=tuple(lane(f"l{n}") for n in range(10_001))),
            "order.lanes",
            "TOO_MANY",
        ),
        (
            order("a", frozen=(picked("a", "l", 0),)),
            "order.frozen[0].quantity",
            "OUT_OF_RANGE",
        ),
        (
            order("a", frozen=(picked("a", "l", 1), picked("a", "l", 1))),
            "order.frozen[1]",
            "DUPLICATE",
        ),
        (
            order("a", frozen=tuple(picked("a", f"l{n}", 1) for n in range(1_001))),
            "order.frozen",
            "TOO_MANY",
        ),
        (
            order("a", rejected=frozenset(("a", f"l{n}") for n in range(10_001))),
            "order.rejected",
            "TOO_MANY",
        ),
        (
            tolerant(1_000_001, 0),
            "policy.objectives[1].tolerance_permille",
            "OUT_OF_RANGE",
        ),
        (
            tolerant(0, 10**12 + 1),
            "policy.objectives[1].tolerance_amount",
            "OUT_OF_RANGE",
        ),
        (policy(max_shipments=1_001), "policy.max_shipments", "OUT_OF_RANGE"),
        (policy(max_shipments=-1), "policy.max_shipments", "OUT_OF_RANGE"),
        (
            policy(min_split_value_micros=10**15 + 1),
            "policy.min_split_value_micros",
            "OUT_OF_RANGE",
        ),
        (
            policy(routing_floor_units=10**9 + 1),
            "policy.routing_floor_units",
            "OUT_OF_RANGE",
        ),
        (
            policy(filter=LocationFilter(max_distance_meters=-1)),
            "policy.filter.max_distance_meters",
            "OUT_OF_RANGE",
        ),
        (
            policy(filter=LocationFilter(groups=frozenset([""]))),
            "policy.filter.groups",
            "REQUIRED",
        ),
        (
            policy(filter=LocationFilter(country_codes=frozenset(["FRA"]))),
            "policy.filter.country_codes",
            "INVALID_COUNTRY",
        ),
    ],
)
def test_refuses_what_is_beyond(
    bad: Order | RoutingPolicy, path: str, reason: str
) -> None:
    assert breaches(bad) == [(path, reason)]


def test_lists_every_breach_at_once() -> None:
    bad = order("a:0", line("b", line_id="a"), order_id="")

    assert breaches(bad) == [
        ("order.order_id", "REQUIRED"),
        ("order.lines[0].quantity", "OUT_OF_RANGE"),
        ("order.lines[1].line_id", "DUPLICATE"),
    ]


def test_says_where_in_the_request_the_order_stands() -> None:
    found = order_breaches(order("a:0"), "requests[3].order")

    assert [each.path for each in found] == ["requests[3].order.lines[0].quantity"]


def test_messages_do_not_repeat_what_may_be_huge() -> None:
    huge: Any = OrderLine("y" * 10**6, "y" * 10**6, 1)  # type: ignore[arg-type]

    found = order_breaches(order(huge, huge))

    assert all(len(each.message) < 400 for each in found)
