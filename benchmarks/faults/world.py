"""Small stocks that the servers sell, and seeded orders."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import grpc

from availability.v1 import (
    location_pb2,
    stock_service_pb2,
    stock_service_pb2_grpc,
)
from router.v1 import order_pb2

LOAD_SECONDS = 30.0

Stock = Mapping[tuple[str, str], int]
"""{(location, SKU): units}."""


@dataclass(frozen=True)
class Basket:
    """How an order is drawn: ``lines`` different SKUs of these, some of each."""

    skus: tuple[str, ...]
    lines: int = 1
    most_units: int = 1

    def draw(self, order_id: str, rng: random.Random) -> order_pb2.Order:
        """Draw one order."""
        return order_pb2.Order(
            order_id=order_id,
            lines=[
                order_pb2.OrderLine(
                    line_id=str(n), sku=sku, quantity=rng.randint(1, self.most_units)
                )
                for n, sku in enumerate(rng.sample(self.skus, self.lines))
            ],
        )


def stock_of(
    locations: int, skus: Sequence[str], units: int
) -> dict[tuple[str, str], int]:
    """Give every location so many units of every SKU."""
    return {(f"l{n}", sku): units for n in range(locations) for sku in skus}


def load(address: str, stock: Stock) -> None:
    """Put the locations, in rank order, and what they hold."""
    names = list(dict.fromkeys(location for location, _ in stock))
    with grpc.insecure_channel(address) as channel:
        stub = stock_service_pb2_grpc.StockServiceStub(channel)
        stub.PutLocations(
            stock_service_pb2.PutLocationsRequest(
                locations=[
                    location_pb2.Location(location_id=name, rank=rank)
                    for rank, name in enumerate(names, start=1)
                ]
            ),
            timeout=LOAD_SECONDS,
            wait_for_ready=True,
        )
        stub.ImportStock(
            stock_service_pb2.ImportStockRequest(
                mode=stock_service_pb2.IMPORT_MODE_SET,
                changes=[
                    stock_service_pb2.StockChange(
                        location_id=location, sku=sku, on_hand_units=units
                    )
                    for (location, sku), units in stock.items()
                ],
            ),
            timeout=LOAD_SECONDS,
        )
