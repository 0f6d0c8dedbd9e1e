"""Count how often the routing of one order goes from one of our files to another.

    python tools/trip.py             the counts of each kind of order
    python tools/trip.py channel     also the files of that order, in the order entered

A server over a SQLite ledger in memory runs in this process and gets `RouteOrder`
over gRPC, with a request id. A profile hook notes the file of every Python function
that starts or resumes, in all threads, from the decoding of the request to the end of
the reply; only files of `router/` and `availability/` count, and of those not the
generated `v1`. A change is a call of a function in another file than the call before
it; a return is none. Of several calls the least count is shown: what the server does
meanwhile by itself only adds to it.
"""

import asyncio
import itertools
import sys
import threading
from contextlib import closing
from pathlib import Path
from types import FrameType

import grpc

from availability.ledger.open import open_ledger
from availability.ledger.protocol import Ledger
from availability.model import ImportMode, Location, LocationId, Sku, StockChange
from availability.setup.channels import Channel
from availability.setup.settings import Settings
from availability.setup.setup import SetupChange
from router.rpc.server import ServerOptions, build_server
from router.v1 import order_pb2, routing_service_pb2, routing_service_pb2_grpc

ROOT = Path(__file__).resolve().parent.parent
OURS = (f"{ROOT}/router/", f"{ROOT}/availability/")
CALLS = 12
"""Calls of each kind, of which the first ones fill caches."""

UNITS = {"plain": 4, "split": 14, "channel": 4}
"""Units that an order of each kind asks of one SKU; a location has ten."""


def fill(ledger: Ledger) -> None:
    """Put three locations, and a SKU for every call."""
    names = [LocationId(f"location-{n}") for n in range(3)]
    ledger.put_locations([Location(name, rank) for rank, name in enumerate(names, 1)])
    skus = [Sku(f"{kind}-{n}") for kind in UNITS for n in range(CALLS)]
    stock = [StockChange(name, sku, 10) for name in names for sku in skus]
    ledger.import_stock(ImportMode.SET, stock)


def declare(ledger: Ledger) -> None:
    """Put a channel that keeps a unit of everything back."""
    ledger.put_setup(
        SetupChange({"web": Channel("web")}, {("web", ""): Settings(buffer_units=1)})
    )


class Trip:
    """The files of ours that were entered while it is on, one for each call."""

    def __init__(self) -> None:
        self.files: list[str] = []
        self.on = False

    def note(self, frame: FrameType, event: str, _: object) -> None:
        """Take a profile event."""
        name = frame.f_code.co_filename
        if self.on and event == "call" and name.startswith(OURS) and "/v1/" not in name:
            self.files.append(name)

    def take(self) -> list[str]:
        """Return the files since the last time, without repeats in a row."""
        files, self.files = self.files, []
        return [file.removeprefix(f"{ROOT}/") for file, _ in itertools.groupby(files)]


def request(kind: str, number: int) -> routing_service_pb2.RouteOrderRequest:
    """Return an order of its own SKU."""
    line = order_pb2.OrderLine(
        line_id="1", sku=f"{kind}-{number}", quantity=UNITS[kind]
    )
    return routing_service_pb2.RouteOrderRequest(
        request_id=f"{kind}-{number}",
        order=order_pb2.Order(
            order_id=f"{kind}-{number}",
            lines=[line],
            channel_id="web" if kind == "channel" else "",
        ),
    )


async def trips(trip: Trip) -> dict[str, list[str]]:
    """Return the shortest trip of each kind of order."""
    shortest: dict[str, list[str]] = {}
    with closing(open_ledger("sqlite://")) as ledger:
        fill(ledger)
        server = build_server(ledger, ServerOptions(address="127.0.0.1:0"))
        await server.start()
        async with grpc.aio.insecure_channel(server.address) as channel:
            stub = routing_service_pb2_grpc.RoutingServiceStub(channel)
            for kind, number in itertools.product(UNITS, range(CALLS)):
                if kind == "channel" and not number:
                    declare(ledger)
                trip.on = True
                await stub.RouteOrder(request(kind, number))
                trip.on = False
                files = trip.take()
                if len(files) < len(shortest.get(kind, files)) or not number:
                    shortest[kind] = files
        server.hurry()
        await server.drain()
    return shortest


def main() -> None:
    """Print the counts, and the files of the kind that is named."""
    trip = Trip()
    sys.setprofile(trip.note)
    threading.setprofile(trip.note)
    for kind, files in asyncio.run(trips(trip)).items():
        changes, entered = len(files) - 1, len(set(files))
        print(f"{kind:8} {changes:4} changes of file, {entered} files")
        if kind in sys.argv[1:]:
            print("\n".join(files))


if __name__ == "__main__":
    main()
