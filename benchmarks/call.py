"""The whole call: RouteOrder over gRPC beside a handler that answers fixed bytes.

    make bench-call

Needs h2load (Debian: nghttp2-client). Three parts, one server, one run:

1. `validate_only`, 3 lines, 20 locations, against the fixed reply, by h2load.
   h2load counts HTTP only, so the bytes of data it received are checked too: a
   call that failed carries none.
2. Durable reservations on SQLite (synchronous=FULL) and on a PostgreSQL of its own
   (fsync on), by a client process with 1, 4, 16 and 64 calls in flight: orders/s,
   and the latency the client saw.
3. What the ledger holds afterwards is exactly what was ordered.
"""

import asyncio
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc

from availability.v1 import (
    location_pb2,
    stock_service_pb2,
    stock_service_pb2_grpc,
)
from benchmarks.call_server import BASELINE
from benchmarks.faults.cluster import running_cluster
from router.v1 import (
    order_pb2,
    plan_pb2,
    routing_service_pb2,
    routing_service_pb2_grpc,
)

ROUTE = "/router.v1.RoutingService/RouteOrder"
LOCATIONS = 20
SKUS = 300
LINES = 3
QUANTITY = 2
ON_HAND = 10**9
LOADS = ((1, 1), (4, 1), (4, 4), (4, 16))
"""Connections x calls in flight on each."""
CALLS = 6_000
REPEATS = 3
IN_FLIGHT = (1, 4, 16, 64)
ORDERS = 3_000


@contextmanager
def _server(database: str) -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.call_server", database]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            yield child.stdout.readline().strip()
        finally:
            child.send_signal(signal.SIGTERM)


def _load(address: str) -> None:
    """Put the locations and give every one of them plenty of every SKU."""
    with grpc.insecure_channel(address) as channel:
        stub = stock_service_pb2_grpc.StockServiceStub(channel)
        names = [f"location-{n:02}" for n in range(LOCATIONS)]
        stub.PutLocations(
            stock_service_pb2.PutLocationsRequest(
                locations=[
                    location_pb2.Location(location_id=name, rank=rank)
                    for rank, name in enumerate(names, start=1)
                ]
            )
        )
        stub.ImportStock(
            stock_service_pb2.ImportStockRequest(
                mode=stock_service_pb2.IMPORT_MODE_SET,
                changes=[
                    stock_service_pb2.StockChange(
                        location_id=name, sku=f"sku-{n}", on_hand_units=ON_HAND
                    )
                    for name in names
                    for n in range(SKUS)
                ],
            ),
            timeout=60,
        )


def _order(number: int) -> order_pb2.Order:
    return order_pb2.Order(
        order_id=f"order-{number}",
        lines=[
            order_pb2.OrderLine(
                line_id=str(n),
                sku=f"sku-{(number * 7 + n * 31) % SKUS}",
                quantity=QUANTITY,
            )
            for n in range(LINES)
        ],
    )


def _h2load(address: str, method: str, body: Path, clients: int, streams: int) -> float:
    """Return requests/s; raises where a reply carried no data."""
    command = [
        "h2load", "-n", str(CALLS), "-c", str(clients), "-m", str(streams), "-t", "1",
        "-d", str(body), "-H", "content-type: application/grpc", "-H", "te: trailers",
        f"http://{address}{method}",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rate = re.search(r"([\d.]+) req/s", done.stdout)
    data = re.search(r"\((\d+)\) data", done.stdout)
    good = re.search(r"(\d+) 2xx", done.stdout)
    if not (rate and data and good) or int(good[1]) != CALLS:
        raise SystemExit(done.stdout)
    if int(data[1]) < CALLS * 30:
        raise SystemExit(f"some calls failed: {data[1]} bytes for {CALLS} calls")
    return float(rate[1])


def _evaluate(address: str, folder: str) -> None:
    request = routing_service_pb2.RouteOrderRequest(order=_order(1), validate_only=True)
    with grpc.insecure_channel(address) as channel:
        stub = routing_service_pb2_grpc.RoutingServiceStub(channel)
        for _ in range(200):
            plan = stub.RouteOrder(request, timeout=2).plan
            assert plan.status == plan_pb2.PLAN_STATUS_FULL
            assert plan.proven
            assert len(plan.shipments) == 1
    message = request.SerializeToString()
    body = Path(folder) / "body"
    body.write_bytes(b"\0" + len(message).to_bytes(4, "big") + message)
    print("\n| in flight | fixed reply, req/s | RouteOrder, req/s | share |")
    print("| --- | --- | --- | --- |")
    for clients, streams in LOADS:
        fixed, routed = [], []
        for _ in range(REPEATS):
            fixed.append(_h2load(address, BASELINE, body, clients, streams))
            routed.append(_h2load(address, ROUTE, body, clients, streams))
        a, b = statistics.median(fixed), statistics.median(routed)
        print(f"| {clients} x {streams} | {a:,.0f} | {b:,.0f} | {b / a:.0%} |")


async def _reserve(address: str, in_flight: int, first: int) -> list[float]:
    """Route ``ORDERS`` new orders; return each call's seconds."""
    seconds: list[float] = []
    numbers = iter(range(first, first + ORDERS))
    async with grpc.aio.insecure_channel(address) as channel:
        stub = routing_service_pb2_grpc.RoutingServiceStub(channel)

        async def checkout() -> None:
            for number in numbers:
                request = routing_service_pb2.RouteOrderRequest(
                    request_id=str(uuid.uuid4()), order=_order(number)
                )
                started = time.perf_counter()
                reply = await stub.RouteOrder(request, timeout=5)
                seconds.append(time.perf_counter() - started)
                assert reply.plan.status == plan_pb2.PLAN_STATUS_FULL

        await asyncio.gather(*(checkout() for _ in range(in_flight)))
    return seconds


def _reservations(address: str) -> None:
    print("\n| in flight | orders/s | p50 ms | p99 ms |")
    print("| --- | --- | --- | --- |")
    first = 1_000
    for in_flight in IN_FLIGHT:
        started = time.perf_counter()
        seconds = sorted(asyncio.run(_reserve(address, in_flight, first)))
        rate = ORDERS / (time.perf_counter() - started)
        p50, p99 = seconds[ORDERS // 2], seconds[ORDERS * 99 // 100]
        print(f"| {in_flight} | {rate:,.0f} | {p50 * 1e3:.2f} | {p99 * 1e3:.2f} |")
        first += ORDERS
    ordered = len(IN_FLIGHT) * ORDERS * LINES * QUANTITY
    assert _allocated(address) == ordered
    print(f"\nallocated in the ledger: {ordered:,} units, as ordered")


def _allocated(address: str) -> int:
    total, token = 0, ""
    with grpc.insecure_channel(address) as channel:
        stub = stock_service_pb2_grpc.StockServiceStub(channel)
        while True:
            page = stub.ListStock(
                stock_service_pb2.ListStockRequest(page_token=token), timeout=10
            )
            total += sum(record.allocated_units for record in page.records)
            token = page.next_page_token
            if not token:
                return total


def main() -> None:
    """Run all parts and print the tables."""
    if shutil.which("h2load") is None:
        raise SystemExit("h2load is missing; on Debian: apt-get install nghttp2-client")
    with tempfile.TemporaryDirectory(dir=".") as folder:
        with _server(f"{folder}/stock.db") as address:
            _load(address)
            _evaluate(address, folder)
            print("\nSQLite")
            _reservations(address)
        with running_cluster() as cluster, _server(cluster.database("call")) as address:
            _load(address)
            print("\nPostgreSQL")
            _reservations(address)


if __name__ == "__main__":
    main()
