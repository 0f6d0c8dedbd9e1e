"""A real server on a port of its own, with a real ledger, and stubs to call it."""

import asyncio
import concurrent.futures
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import grpc
import pytest

from availability.ledger.open import open_ledger
from availability.ledger.protocol import Ledger
from availability.model import Clock
from availability.v1 import stock_service_pb2_grpc
from router.rpc.server import RpcServer, ServerOptions, build_server
from router.v1 import routing_service_pb2_grpc
from tests.router.rpc.calls import SEED, Client, StepClock, load

T = TypeVar("T")


@dataclass(frozen=True)
class Running(Client):
    """A client, and the server of this process that it calls."""

    server: RpcServer
    ledger: Ledger

    @property
    def address(self) -> str:
        return self.server.address


class Loop:
    """An event loop in a thread: gRPC wants one for all servers of a process.

    It holds a server that is never started. gRPC ends its poller with the last
    server that is collected, in whatever thread that happens, and with the next
    one begins another; when the old one's descriptor is reused in between, the
    new poller is never heard (seen with grpcio 1.85, a hang in 1 of 60 runs).
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._keeper: grpc.aio.Server | None = self.run(_unstarted())

    def submit(self, work: Coroutine[Any, Any, T]) -> "concurrent.futures.Future[T]":
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.submit(work).result(60)

    def close(self) -> None:
        if self._keeper is not None:
            self.run(self._keeper.stop(None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        # Only now, when the loop runs no more: this ends the poller.
        self._keeper = None
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()


async def _unstarted() -> grpc.aio.Server:
    return grpc.aio.server()


@pytest.fixture(scope="session")
def loop() -> Iterator[Loop]:
    running = Loop()
    yield running
    running.close()


Start = Callable[..., Running]


@pytest.fixture
def start(loop: Loop, tmp_path: Path) -> Iterator[Start]:
    """Return what starts a server; keywords are those of `ServerOptions`.

    Save ``handlers``, served beside ours, ``dial``, which opens its channel, and
    ``clock``, the ledger's and the server's.
    """
    closing: list[Callable[[], object]] = []

    def starting(
        *,
        handlers: Sequence[grpc.GenericRpcHandler] = (),
        dial: Callable[[str], grpc.Channel] = grpc.insecure_channel,
        clock: Clock = time.time,
        **options: Any,
    ) -> Running:
        ledger = open_ledger(f"sqlite:///{tmp_path}/ledger-{len(closing)}.db", clock)
        closing.append(ledger.close)

        async def begin() -> RpcServer:
            server = build_server(
                ledger,
                ServerOptions(
                    **{
                        "address": "127.0.0.1:0",
                        "pre_stop_seconds": 0.0,
                        "grace_seconds": 5.0,
                        **options,
                    }
                ),
                handlers,
                clock,
            )
            await server.start()
            return server

        server = loop.run(begin())
        closing.append(lambda: loop.run(server.drain()))
        channel = dial(server.address)
        closing.append(channel.close)
        return Running(
            channel,
            routing_service_pb2_grpc.RoutingServiceStub(channel),
            stock_service_pb2_grpc.StockServiceStub(channel),
            server,
            ledger,
        )

    yield starting
    for close in reversed(closing):
        close()


@pytest.fixture
def server(start: Start) -> Running:
    return start()


@pytest.fixture
def seeded(server: Running) -> Running:
    """A server with the seed's three outlets."""
    load(server, SEED)
    return server


@pytest.fixture
def ledger_clock() -> StepClock:
    """A clock that only moves when it is told to."""
    return StepClock()


@pytest.fixture
def timed(start: Start, ledger_clock: StepClock) -> Running:
    """A server whose ledger goes by `ledger_clock`, with ten hats at one location."""
    server = start(clock=ledger_clock)
    load(server, {"laval": {"hat": 10}})
    return server
