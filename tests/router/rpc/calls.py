"""Requests in one line, and what comes back as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from availability.v1 import (
    location_pb2,
    stock_service_pb2,
    stock_service_pb2_grpc,
)
from router.v1 import (
    order_pb2,
    plan_pb2,
    policy_pb2,
    routing_service_pb2,
    routing_service_pb2_grpc,
)

CALL_SECONDS = 60.0
"""Deadline of a call that should be answered; a busy machine is slow."""

Stock = Mapping[str, Mapping[str, int]]
"""{location: {sku: units}}, best rank first."""

SEED: Stock = {
    "montreal": {"shirt": 10, "hat": 3, "shoes": 5},
    "sherbrooke": {"shirt": 0, "hat": 10, "shoes": 10},
    "laval": {"shirt": 15, "hat": 10, "shoes": 10},
}
"""The seed's three outlets."""


class StepClock:
    """A clock that only moves when it is told to."""

    def __init__(self, seconds: float = 1_800_000_000.0) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        return self.seconds


@dataclass(frozen=True)
class Client:
    """What a client needs."""

    channel: grpc.Channel
    routing: routing_service_pb2_grpc.RoutingServiceStub
    stock: stock_service_pb2_grpc.StockServiceStub

    def allocated(self) -> int:
        """Units allocated anywhere."""
        page = self.stock.ListStock(
            stock_service_pb2.ListStockRequest(page_size=10_000), timeout=CALL_SECONDS
        )
        assert not page.next_page_token
        return sum(record.allocated_units for record in page.records)


def load(server: Client, stock: Stock) -> None:
    """Put locations, in rank order, and what they hold."""
    server.stock.PutLocations(
        stock_service_pb2.PutLocationsRequest(
            locations=[
                location_pb2.Location(location_id=name, rank=rank)
                for rank, name in enumerate(stock, start=1)
            ]
        ),
        timeout=CALL_SECONDS,
    )
    server.stock.ImportStock(
        stock_service_pb2.ImportStockRequest(
            mode=stock_service_pb2.IMPORT_MODE_SET,
            changes=[
                stock_service_pb2.StockChange(
                    location_id=name, sku=sku, on_hand_units=units
                )
                for name, held in stock.items()
                for sku, units in held.items()
            ],
        ),
        timeout=CALL_SECONDS,
    )


def order(order_id: str, /, **units: int) -> order_pb2.Order:
    """Build an order with one line a SKU."""
    return order_pb2.Order(
        order_id=order_id,
        lines=[
            order_pb2.OrderLine(line_id=sku, sku=sku, quantity=quantity)
            for sku, quantity in units.items()
        ],
    )


def request(
    what: order_pb2.Order, policy: str = "", **fields: Any
) -> routing_service_pb2.RouteOrderRequest:
    """Build a RouteOrder request."""
    return routing_service_pb2.RouteOrderRequest(
        order=what,
        policy=policy_pb2.RoutingPolicy(preset=policy) if policy else None,
        **fields,
    )


def route(
    server: Client, what: order_pb2.Order, policy: str = "", **fields: Any
) -> plan_pb2.RoutingPlan:
    """Route one order."""
    return server.routing.RouteOrder(
        request(what, policy, **fields), timeout=CALL_SECONDS
    ).plan


def shipped(plan: plan_pb2.RoutingPlan) -> dict[str, dict[str, int]]:
    """Return {location: {sku: units}}."""
    places: dict[str, dict[str, int]] = {}
    for each in plan.assignments:
        place = places.setdefault(each.location_id, {})
        place[each.sku] = place.get(each.sku, 0) + each.quantity
    return places


def unharmed(server: Client) -> None:
    """Nothing was allocated, and the next call is answered as if nothing were."""
    assert server.allocated() == 0
    plan = route(server, order("good", shirt=2, hat=1, shoes=1))
    assert shipped(plan) == {"montreal": {"shirt": 2, "hat": 1, "shoes": 1}}


def refused(call: Any, *arguments: Any, **options: Any) -> grpc.RpcError:
    """Make a call that must fail, and return its error."""
    options.setdefault("timeout", CALL_SECONDS)
    try:
        reply = call(*arguments, **options)
    except grpc.RpcError as error:
        return error
    raise AssertionError(f"was answered: {reply}")


def code(error: Any) -> grpc.StatusCode:
    """Return an error's code."""
    found: grpc.StatusCode = error.code()
    return found


def status(error: Any) -> status_pb2.Status:
    """Return an error's google.rpc.Status."""
    found = rpc_status.from_call(error)
    assert found is not None, f"no details: {error}"
    return found


def reason(told: status_pb2.Status) -> str:
    """Return the reason in a status's ErrorInfo."""
    return str(_detail(told, error_details_pb2.ErrorInfo()).reason)


def metadata(told: status_pb2.Status) -> dict[str, str]:
    """Return the metadata in a status's ErrorInfo."""
    return dict(_detail(told, error_details_pb2.ErrorInfo()).metadata)


def violations(told: status_pb2.Status) -> dict[str, str]:
    """Return {path: reason} of a status's BadRequest."""
    bad = _detail(told, error_details_pb2.BadRequest())
    return {each.field: each.reason for each in bad.field_violations}


def _detail(told: status_pb2.Status, into: Any) -> Any:
    for each in told.details:
        if each.Unpack(into):
            return into
    raise AssertionError(f"no {type(into).__name__} in {told}")
