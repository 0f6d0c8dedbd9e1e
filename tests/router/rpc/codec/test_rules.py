"""What the wire can say and the model cannot hold: listed, with its path."""

import dataclasses
import math

import pytest
from google.protobuf import duration_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from availability.errors import Violation
from availability.v1 import location_pb2
from router.policies import DEFAULT, PRESETS
from router.rpc.codec.location_shape import location_breaches
from router.rpc.codec.order import decode_order
from router.rpc.codec.policy import decode_policy
from router.rpc.codec.request import (
    DEFAULT_PAGE,
    MAX_PAGE,
    decode_page_size,
    decode_page_token,
    decode_request,
    decode_solve_timeout,
    digest,
    encode_page_token,
)
from router.v1 import order_pb2, policy_pb2, routing_service_pb2


def reasons(violations: list[Violation]) -> dict[str, str]:
    return {each.path: each.reason for each in violations}


def test_an_unset_policy_is_the_default_preset() -> None:
    violations: list[Violation] = []

    policy = decode_policy(policy_pb2.RoutingPolicy(), "policy", violations)

    assert policy is PRESETS[DEFAULT]
    assert violations == []


def test_unset_fields_keep_the_presets_values() -> None:
    wire = policy_pb2.RoutingPolicy(preset="cheapest", max_shipments=2)

    policy = decode_policy(wire, "policy", [])

    assert policy == dataclasses.replace(PRESETS["cheapest"], max_shipments=2)


def test_what_a_policy_cannot_hold_is_listed_whole() -> None:
    objective = policy_pb2.Objective
    wire = policy_pb2.RoutingPolicy(
        preset="fastest",
        objectives=[
            objective(term=policy_pb2.OBJECTIVE_TERM_SHIPMENTS),
            objective(),
            objective(term=99),  # type: ignore[arg-type]
            objective(term=policy_pb2.OBJECTIVE_TERM_SHIPMENTS),
            objective(term=policy_pb2.OBJECTIVE_TERM_PRIMARY, tolerance_amount=1),
            objective(term=policy_pb2.OBJECTIVE_TERM_RANK, tolerance_permille=-1),
            objective(term=policy_pb2.OBJECTIVE_TERM_RANK, tolerance_amount=10**13),
        ],
        split_rung=7,  # type: ignore[arg-type]
        incomplete=-1,  # type: ignore[arg-type]
        filter=policy_pb2.LocationFilter(kinds=[1, 0, 12]),  # type: ignore[list-item]
    )
    violations: list[Violation] = []

    policy = decode_policy(wire, "policy", violations)

    assert reasons(violations) == {
        "policy.preset": "UNKNOWN",
        "policy.objectives[1].term": "REQUIRED",
        "policy.objectives[2].term": "UNKNOWN",
        "policy.objectives[3].term": "DUPLICATE",
        "policy.objectives[4].tolerance_amount": "NOT_ALLOWED",
        "policy.objectives[5].tolerance_permille": "OUT_OF_RANGE",
        "policy.objectives[6].tolerance_amount": "OUT_OF_RANGE",
        "policy.split_rung": "UNKNOWN",
        "policy.incomplete": "UNKNOWN",
        "policy.filter.kinds[1]": "REQUIRED",
        "policy.filter.kinds[2]": "UNKNOWN",
    }
    assert policy.objectives == PRESETS[DEFAULT].objectives


def test_a_list_too_long_is_not_even_read() -> None:
    kit = order_pb2.OrderLine(components=[order_pb2.KitComponent()] * 101)
    wire = order_pb2.Order(
        lines=[order_pb2.OrderLine(), kit],
        lanes=[order_pb2.Lane()] * 10_001,
        frozen=[order_pb2.FrozenAssignment()] * 1_001,
        rejected=[order_pb2.RejectedPair()] * 10_001,
    )
    violations: list[Violation] = []

    order = decode_order(wire, "order", violations)

    read = (order.lines[1].components, order.lanes, order.frozen, order.rejected)
    assert not any(read)
    assert reasons(violations) == {
        "order.lines[1].components": "TOO_MANY",
        "order.lanes": "TOO_MANY",
        "order.frozen": "TOO_MANY",
        "order.rejected": "TOO_MANY",
    }


def test_more_lines_than_allowed_are_not_even_read() -> None:
    violations: list[Violation] = []

    order = decode_order(
        order_pb2.Order(lines=[order_pb2.OrderLine()] * 1_001), "order", violations
    )

    assert order.lines == ()
    assert reasons(violations) == {"order.lines": "TOO_MANY"}


def test_a_filter_too_long_is_not_even_read() -> None:
    wire = policy_pb2.RoutingPolicy(
        filter=policy_pb2.LocationFilter(
            kinds=[location_pb2.LOCATION_KIND_STORE] * 10_001,
            groups=["g"] * 10_001,
            country_codes=["CA"] * 10_001,
            included_location_ids=["l"] * 10_001,
            excluded_location_ids=["l"] * 10_001,
        )
    )
    violations: list[Violation] = []

    policy = decode_policy(wire, "policy", violations)

    assert policy == PRESETS[DEFAULT]
    assert reasons(violations) == {
        f"policy.filter.{name}": "TOO_MANY"
        for name in (
            "kinds",
            "groups",
            "country_codes",
            "included_location_ids",
            "excluded_location_ids",
        )
    }


@pytest.mark.parametrize(
    ("wire", "path"),
    [
        (location_pb2.Location(), "at.location_id"),
        (location_pb2.Location(location_id=" a"), "at.location_id"),
        (location_pb2.Location(location_id="a\tb"), "at.location_id"),
        (location_pb2.Location(location_id="a" * 129), "at.location_id"),
        (location_pb2.Location(location_id="a", kind=9), "at.kind"),  # type: ignore[arg-type]
        (location_pb2.Location(location_id="a", rank=-1), "at.rank"),
        (location_pb2.Location(location_id="a", rank=1_000_001), "at.rank"),
        (location_pb2.Location(location_id="a", latitude=1.0), "at.longitude"),
        (location_pb2.Location(location_id="a", longitude=1.0), "at.latitude"),
        (
            location_pb2.Location(location_id="a", latitude=90.1, longitude=0),
            "at.latitude",
        ),
        (
            location_pb2.Location(location_id="a", latitude=0, longitude=math.nan),
            "at.longitude",
        ),
        (
            location_pb2.Location(location_id="a", latitude=-math.inf, longitude=0),
            "at.latitude",
        ),
        (location_pb2.Location(location_id="a", country_code="ca"), "at.country_code"),
        (location_pb2.Location(location_id="a", origin_id=" "), "at.origin_id"),
        (location_pb2.Location(location_id="a", groups=["b", ""]), "at.groups[1]"),
        (location_pb2.Location(location_id="a", groups=["b"] * 65), "at.groups"),
        (
            location_pb2.Location(location_id="a", shipping_methods=["b"] * 65),
            "at.shipping_methods",
        ),
        (
            location_pb2.Location(location_id="a", channel_ids=["b"] * 257),
            "at.channel_ids",
        ),
        (
            location_pb2.Location(location_id="a", capacity_orders=-1),
            "at.capacity_orders",
        ),
        (
            location_pb2.Location(location_id="a", capacity_units=-1),
            "at.capacity_units",
        ),
        (
            location_pb2.Location(location_id="a", shipment_cost_micros=10**12 + 1),
            "at.shipment_cost_micros",
        ),
        (
            location_pb2.Location(location_id="a", unit_cost_micros=-1),
            "at.unit_cost_micros",
        ),
        (
            location_pb2.Location(location_id="a", workload_minutes=10_000_001),
            "at.workload_minutes",
        ),
        (
            location_pb2.Location(location_id="a", stale_after_seconds=-1),
            "at.stale_after_seconds",
        ),
        (
            location_pb2.Location(location_id="a", stale_after_seconds=315_360_001),
            "at.stale_after_seconds",
        ),
        (
            location_pb2.Location(location_id="a", lead_time_minutes=-1),
            "at.lead_time_minutes",
        ),
        (
            location_pb2.Location(location_id="a", lead_time_minutes=10_000_001),
            "at.lead_time_minutes",
        ),
        (
            location_pb2.Location(
                location_id="a", zones=[location_pb2.Zone(zone_id=" z")]
            ),
            "at.zones[0].zone_id",
        ),
        (
            location_pb2.Location(
                location_id="a", zones=[location_pb2.Zone(zone_id="z")] * 2
            ),
            "at.zones[1].zone_id",
        ),
        (
            location_pb2.Location(location_id="a", zones=[location_pb2.Zone()] * 65),
            "at.zones",
        ),
    ],
)
def test_a_location_out_of_shape(wire: location_pb2.Location, path: str) -> None:
    assert [each.path for each in location_breaches(wire, "at")] == [path]


@pytest.mark.parametrize("request_id", ["a" * 129, "é", "a\n"])
def test_a_request_id_out_of_shape(request_id: str) -> None:
    violations: list[Violation] = []

    decode_request("M", routing_service_pb2.GetPlanRequest(), request_id, violations)

    assert reasons(violations) == {"request_id": "INVALID_ID"}


def test_a_digest_is_of_the_method_and_the_whole_body() -> None:
    assert digest("A", b"1") == digest("A", b"1")
    assert len({digest("A", b"1"), digest("A", b"2"), digest("B", b"1")}) == 3


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [
        (duration_pb2.Duration(nanos=1_000_000), 0.001),
        (duration_pb2.Duration(seconds=30), 30.0),
        (duration_pb2.Duration(), None),
        (duration_pb2.Duration(nanos=999_999), None),
        (duration_pb2.Duration(seconds=30, nanos=1), None),
        (duration_pb2.Duration(seconds=-1), None),
        (duration_pb2.Duration(seconds=0, nanos=2_000_000_000), None),
        (duration_pb2.Duration(seconds=2**62), None),
    ],
)
def test_a_solve_timeout(timeout: duration_pb2.Duration, seconds: float | None) -> None:
    violations: list[Violation] = []

    decoded = decode_solve_timeout(timeout, violations)

    if seconds is None:
        assert reasons(violations) == {"solve_timeout": "OUT_OF_RANGE"}
    else:
        assert decoded == seconds
        assert violations == []


@pytest.mark.parametrize(
    ("asked", "size"), [(0, DEFAULT_PAGE), (7, 7), (10**9, MAX_PAGE), (-1, None)]
)
def test_a_page_size(asked: int, size: int | None) -> None:
    violations: list[Violation] = []

    decoded = decode_page_size(asked, violations)

    if size is None:
        assert reasons(violations) == {"page_size": "OUT_OF_RANGE"}
    else:
        assert decoded == size


@given(st.lists(st.text(max_size=8), min_size=2, max_size=2))
@settings(deadline=None)
def test_a_page_token_is_read_again(place: list[str]) -> None:
    violations: list[Violation] = []

    assert decode_page_token(encode_page_token(place), 2, violations) == tuple(place)
    assert violations == []


@pytest.mark.parametrize(
    "token",
    [
        "nonsense!",
        "AAAA",
        encode_page_token(["one"]),
        "W1tbW1tbW1tbW1tb" * 1_000,
        "é",
        "eyJhIjogMX0=",
        "WzEsIDJd",
    ],
)
def test_a_page_token_of_ours_or_none(token: str) -> None:
    violations: list[Violation] = []

    assert decode_page_token(token, 2, violations) is None
    assert reasons(violations) == {"page_token": "INVALID_TOKEN"}
