"""Orders that are placed and wait, held as well as each by itself could be held.

They were routed while stock was scarce, so many are split; then more came. What a
re-routing finds to do is all there before it begins.
"""

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import grpc

from availability.v1 import stock_service_pb2, stock_service_pb2_grpc
from benchmarks.faults.world import Stock, load
from router.v1 import order_pb2, routing_service_pb2, routing_service_pb2_grpc

PAGE = 200
"""Orders of one call."""
CALL_SECONDS = 120.0
MOST_LINES = 4
PLACES_OF_A_SKU = 3
"""Locations that have some of an SKU at first."""
SCARCITY_PERMILLE = 1_200
"""Units that are there at first, to those that are ordered."""


class World(NamedTuple):
    """How many orders wait, over how many SKUs at how many locations."""

    orders: int
    locations: int
    skus: int
    seed: int = 1

    @property
    def sku_names(self) -> tuple[str, ...]:
        """The SKUs that are ordered."""
        return tuple(f"s{n}" for n in range(self.skus))


class Waiting(NamedTuple):
    """An order that waits; ``units`` are promised to it."""

    order_id: str
    plan_id: str
    units: int


def place(address: str, world: World, late_units: int) -> list[Waiting]:
    """Put the world, place the orders, then add to every record; return who waits."""
    rng = random.Random(f"pending/{world.seed}")
    orders = list(_orders(world, rng))
    stock = _stock(world, orders, rng)
    load(address, stock)
    with grpc.insecure_channel(address) as channel:
        routing = routing_service_pb2_grpc.RoutingServiceStub(channel)
        waiting: list[Waiting] = []
        for first in range(0, len(orders), PAGE):
            requests = [
                routing_service_pb2.RouteOrderRequest(order=each)
                for each in orders[first : first + PAGE]
            ]
            page = routing.RouteOrders(
                routing_service_pb2.RouteOrdersRequest(requests=requests),
                timeout=CALL_SECONDS,
            )
            for each in page.results:
                plan = each.plan
                units = sum(piece.quantity for piece in plan.assignments)
                if units:
                    waiting.append(Waiting(plan.order_id, plan.plan_id, units))
        stub = stock_service_pb2_grpc.StockServiceStub(channel)
        stub.ImportStock(
            stock_service_pb2.ImportStockRequest(
                mode=stock_service_pb2.IMPORT_MODE_DELTA,
                changes=[
                    stock_service_pb2.StockChange(
                        location_id=at, sku=sku, on_hand_units=late_units
                    )
                    for at, sku in stock
                ],
            ),
            timeout=CALL_SECONDS,
        )
    return waiting


def _orders(world: World, rng: random.Random) -> Iterator[order_pb2.Order]:
    names = world.sku_names
    for n in range(world.orders):
        yield order_pb2.Order(
            order_id=f"pending-{n}",
            lines=[
                order_pb2.OrderLine(line_id=sku, sku=sku, quantity=rng.randint(1, 2))
                for sku in rng.sample(names, rng.randint(1, MOST_LINES))
            ],
        )


def _stock(
    world: World, orders: Sequence[order_pb2.Order], rng: random.Random
) -> Stock:
    """Give a few locations of each SKU a little more than is ordered of it."""
    ordered = dict.fromkeys(world.sku_names, 0)
    for order in orders:
        for line in order.lines:
            ordered[line.sku] += line.quantity
    places = [f"l{n}" for n in range(world.locations)]
    stock = {(at, sku): 0 for at in places for sku in ordered}
    for sku, units in ordered.items():
        some = rng.sample(places, min(PLACES_OF_A_SKU, len(places)))
        for _ in range(-(-units * SCARCITY_PERMILLE // 1_000)):
            stock[rng.choice(some), sku] += 1
    return stock
