"""Wire <-> model: exact inverses, and nothing that the model cannot hold gets in."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from availability.errors import Violation
from availability.memory_stock import MemoryStock
from availability.model import (
    ImportMode,
    ImportResult,
    Location,
    LocationId,
    LocationKind,
    PutResult,
    Sku,
    StockChange,
    StockRecord,
)
from availability.reservations import Cause, ReservationState
from availability.v1 import location_pb2, stock_service_pb2
from router.amending.rejection import RejectionReason
from router.model import (
    EliminationFilter,
    Incomplete,
    Order,
    OrderLine,
    PlanStatus,
    RoutingPlan,
    RoutingPolicy,
    SplitRung,
    Term,
    UnassignedReason,
)
from router.pipeline import RouteOptions, Router
from router.rpc.codec import enums
from router.rpc.codec.location_shape import location_breaches
from router.rpc.codec.order import decode_order, encode_order
from router.rpc.codec.plan import (
    decode_reply,
    encode_plan,
    encode_reply,
    join_results,
)
from router.rpc.codec.policy import decode_policy, encode_policy
from router.rpc.codec.results import decode_result, encode_result
from router.rpc.codec.stock import (
    add_record,
    decode_changes,
    decode_location,
    encode_change,
    encode_location,
)
from router.v1 import (
    order_pb2,
    plan_pb2,
    policy_pb2,
    reservation_pb2,
    routing_service_pb2,
)
from tests.router.rpc.strategies import (
    INT64,
    LOCATION_ID,
    ORDERS,
    PLANS,
    POLICIES,
    SKU,
    TEXT,
    locations,
    many,
)


@given(ORDERS)
@settings(deadline=None)
def test_an_order_survives_the_wire(order: Order) -> None:
    sent = encode_order(order).SerializeToString()
    violations: list[Violation] = []

    assert decode_order(order_pb2.Order.FromString(sent), "order", violations) == order
    assert violations == []


@given(POLICIES)
@settings(deadline=None)
def test_a_policy_survives_the_wire(policy: RoutingPolicy) -> None:
    # 0 in these fields is the preset's value, and every preset's is 0 here.
    sent = encode_policy(policy).SerializeToString()
    violations: list[Violation] = []
    wire = policy_pb2.RoutingPolicy.FromString(sent)

    assert decode_policy(wire, "policy", violations) == policy
    assert violations == []


@given(PLANS)
@settings(deadline=None, max_examples=200)
def test_a_plan_survives_the_wire_byte_for_byte(plan: RoutingPlan) -> None:
    reply = encode_reply(plan)

    assert decode_reply(reply) == plan
    assert encode_reply(decode_reply(reply)) == reply


@given(locations())
@settings(deadline=None)
def test_a_location_survives_the_wire(location: Location) -> None:
    sent = encode_location(location).SerializeToString()

    assert decode_location(location_pb2.Location.FromString(sent)) == location


@given(many(st.builds(StockChange, LOCATION_ID, SKU, INT64, st.none() | INT64, TEXT)))
@settings(deadline=None)
def test_changes_survive_the_wire(changes: tuple[StockChange, ...]) -> None:
    request = stock_service_pb2.ImportStockRequest(
        changes=[encode_change(each) for each in changes]
    )
    sent = request.SerializeToString()

    received = stock_service_pb2.ImportStockRequest.FromString(sent)
    assert decode_changes(received.changes) == list(changes)


def _record_of(wire: stock_service_pb2.StockRecord) -> StockRecord:
    return StockRecord(
        LocationId(wire.location_id),
        Sku(wire.sku),
        wire.on_hand_units,
        wire.allocated_units,
        wire.safety_stock_units,
        wire.held_units,
        wire.withdrawn_units,
        wire.counted_time.seconds,
    )


@given(st.builds(StockRecord, LOCATION_ID, SKU, *[st.integers(0, 10**11)] * 6))
@settings(deadline=None)
def test_a_record_survives_the_wire(record: StockRecord) -> None:
    page = stock_service_pb2.ListStockResponse()
    add_record(page, record, active=True)
    add_record(page, record, active=False)

    assert [_record_of(each) for each in page.records] == [record, record]
    assert [each.available_units for each in page.records] == [record.available, 0]


def test_replies_of_the_ledger_survive_the_wire() -> None:
    put, imported = PutResult(3, 4), ImportResult(5, 6, 7, 8, 9, 10, 11)

    assert decode_result(PutResult, encode_result(put)) == put
    assert decode_result(ImportResult, encode_result(imported)) == imported


PAIRS: list[tuple[Any, Mapping[Any, Any], Mapping[Any, Any], Any]] = [
    (location_pb2.LocationKind, enums.KIND_TO_WIRE, enums.KIND_FROM_WIRE, LocationKind),
    (
        stock_service_pb2.ImportMode,
        enums.MODE_TO_WIRE,
        enums.MODE_FROM_WIRE,
        ImportMode,
    ),
    (policy_pb2.ObjectiveTerm, enums.TERM_TO_WIRE, enums.TERM_FROM_WIRE, Term),
    (policy_pb2.SplitRung, enums.RUNG_TO_WIRE, enums.RUNG_FROM_WIRE, SplitRung),
    (
        policy_pb2.IncompletePolicy,
        enums.INCOMPLETE_TO_WIRE,
        enums.INCOMPLETE_FROM_WIRE,
        Incomplete,
    ),
    (plan_pb2.PlanStatus, enums.STATUS_TO_WIRE, enums.STATUS_FROM_WIRE, PlanStatus),
    (
        plan_pb2.UnassignedReason,
        enums.UNASSIGNED_TO_WIRE,
        enums.UNASSIGNED_FROM_WIRE,
        UnassignedReason,
    ),
    (
        plan_pb2.EliminationFilter,
        enums.FILTER_TO_WIRE,
        enums.FILTER_FROM_WIRE,
        EliminationFilter,
    ),
    (
        reservation_pb2.ReservationState,
        enums.STATE_TO_WIRE,
        enums.STATE_FROM_WIRE,
        ReservationState,
    ),
    (
        reservation_pb2.RejectionReason,
        enums.REJECTION_TO_WIRE,
        enums.REJECTION_FROM_WIRE,
        RejectionReason,
    ),
    (
        stock_service_pb2.MovementCause,
        enums.CAUSE_TO_WIRE,
        enums.CAUSE_FROM_WIRE,
        Cause,
    ),
]


@pytest.mark.parametrize(
    ("wire", "to_wire", "from_wire", "members"),
    PAIRS,
    ids=[pair[0].DESCRIPTOR.name for pair in PAIRS],
)
def test_every_member_has_one_number(
    wire: Any, to_wire: Mapping[Any, Any], from_wire: Mapping[Any, Any], members: Any
) -> None:
    numbers = set(wire.values()) - {0}

    assert set(to_wire) == set(members)
    assert set(from_wire) == numbers
    assert all(from_wire[to_wire[member]] is member for member in members)


def test_every_enum_of_the_contract_is_in_the_table() -> None:
    files = (
        location_pb2.DESCRIPTOR,
        stock_service_pb2.DESCRIPTOR,
        policy_pb2.DESCRIPTOR,
        plan_pb2.DESCRIPTOR,
        reservation_pb2.DESCRIPTOR,
        order_pb2.DESCRIPTOR,
        routing_service_pb2.DESCRIPTOR,
    )
    named = {name for file in files for name in file.enum_types_by_name}

    # A sense is a bool in the model; the plans above carry both.
    assert named - {"ObjectiveSense"} == {pair[0].DESCRIPTOR.name for pair in PAIRS}


def test_a_reply_is_a_plan_of_all_three_messages() -> None:
    """The stored bytes are sent as any of them; see `encode_reply`."""
    reply = encode_reply(
        RoutingPlan("o", PlanStatus.NONE, (), (), (), (), {}, 1, "exact", 2, "p")
    )
    plan = routing_service_pb2.RouteOrderResponse.FromString(reply).plan
    result = routing_service_pb2.RouteOrderResult.FromString(reply)

    assert plan.order_id == "o"
    assert routing_service_pb2.GetPlanResponse.FromString(reply).plan == plan
    assert result.plan == plan
    assert result.WhichOneof("result") == "plan"


@pytest.mark.parametrize("sizes", [[], [0], [1, 127, 128], [16_383, 16_384, 300_000]])
def test_results_are_joined_as_protobuf_would(sizes: list[int]) -> None:
    results = [
        routing_service_pb2.RouteOrderResult(plan=plan_pb2.RoutingPlan(engine="x" * n))
        for n in sizes
    ]
    whole = routing_service_pb2.RouteOrdersResponse(results=results)

    joined = join_results(each.SerializeToString() for each in results)
    assert joined == whole.SerializeToString()


@given(locations())
@settings(deadline=None)
def test_what_has_the_shape_can_be_read(location: Location) -> None:
    wire = encode_location(location)

    if not list(location_breaches(wire, "at")):
        decode_location(wire)


def test_a_reply_is_the_bytes_of_one_message() -> None:
    """It is put together from parts; protobuf would have written the same."""
    stock = MemoryStock(
        [Location(LocationId("a"), rank=1), Location(LocationId("b"), active=False)],
        [StockRecord(LocationId("a"), Sku("hat"), 1)],
    )
    order = Order("1", (OrderLine("1", Sku("hat"), 2),))
    plan = Router(stock).evaluate(order, options=RouteOptions(counterfactuals=True))

    reply = encode_reply(plan)

    assert len(plan.unassigned) == len(plan.eliminated) == 1
    whole = routing_service_pb2.RouteOrderResponse(plan=encode_plan(plan))
    assert reply == whole.SerializeToString(deterministic=True)
