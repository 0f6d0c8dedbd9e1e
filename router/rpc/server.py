"""The server: what it listens on, what it refuses, and how it ends."""

import asyncio
import contextlib
import gc
import logging
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from availability.ledger.protocol import Ledger
from availability.v1 import stock_service_pb2
from router.pipeline import Router
from router.rpc.address import CannotListen, bound_address, check_address
from router.rpc.driver import SOLVER_THREADS, Driver
from router.rpc.health import HealthServicer
from router.rpc.routing_service import RoutingService
from router.rpc.stock_service import StockService
from router.v1 import routing_service_pb2

MAX_RECEIVE_BYTES = 4 * 2**20
"""Largest request."""
METADATA_BYTES = 8 * 2**10
"""Metadata above this is refused more and more often, above twice this always."""
MAX_STREAMS = 256
"""Most calls in flight on one connection; the rest wait at the client."""
HANDSHAKE_MS = 5_000
"""Time until a connection that says nothing is closed."""
KEEPALIVE_MS = 60_000
"""Silence after which the server asks whether the client is still there."""
KEEPALIVE_TIMEOUT_MS = 20_000
MIN_PING_MS = 30_000
"""Clients may ask the same no oftener."""
CONNECTION_AGE_MS = 30 * 60_000
"""Age at which clients are asked to connect again, and so spread over servers."""
CONNECTION_AGE_GRACE_MS = 60_000

SERVICES = tuple(
    file.DESCRIPTOR.services_by_name[name].full_name
    for file, name in (
        (routing_service_pb2, "RoutingService"),
        (stock_service_pb2, "StockService"),
    )
)

_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_RECEIVE_BYTES),
    ("grpc.max_metadata_size", METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", 2 * METADATA_BYTES),
    ("grpc.max_concurrent_streams", MAX_STREAMS),
    ("grpc.server_handshake_timeout_ms", HANDSHAKE_MS),
    ("grpc.keepalive_time_ms", KEEPALIVE_MS),
    ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", MIN_PING_MS),
    ("grpc.max_connection_age_ms", CONNECTION_AGE_MS),
    ("grpc.max_connection_age_grace_ms", CONNECTION_AGE_GRACE_MS),
    # Two servers on one port would each get some of the connections, and each
    # has its own stock in memory.
    ("grpc.so_reuseport", 0),
)

SWITCH_SECONDS = 0.0005
"""How long a thread may keep the interpreter while another waits for it: the
thread that writes must get on with its commit beside a busy event loop."""
COLLECT_AFTER = 50_000
"""Objects made before the garbage collector looks for cycles; a call makes a few
hundred and leaves none."""

_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """How to serve.

    ``address`` is ``host:port``, port 0 for any that is free, or ``unix:path``.
    Calls beyond ``max_concurrent_rpcs`` are refused at once. At the end the server
    says NOT_SERVING for ``pre_stop_seconds``, so that balancers look elsewhere,
    then takes no new call and gives those in flight ``grace_seconds``.
    """

    address: str = "127.0.0.1:50051"
    max_concurrent_rpcs: int = 512
    solver_threads: int = SOLVER_THREADS
    pre_stop_seconds: float = 1.0
    grace_seconds: float = 30.0


class RpcServer:
    """A server that is bound and not yet started; `build_server` makes it."""

    def __init__(
        self,
        server: grpc.aio.Server,
        driver: Driver,
        health: HealthServicer,
        options: ServerOptions,
        address: str,
    ) -> None:
        self.address = address
        """What to connect to: the port is the one that was bound."""
        self._server = server
        self._driver = driver
        self._health = health
        self._options = options
        self._hurried = asyncio.Event()
        self._stopping: asyncio.Future[None] | None = None

    async def start(self) -> None:
        """Take calls."""
        await self._server.start()

    async def drain(self) -> None:
        """End without failing a call in flight; nothing is written after it."""
        self._health.drain()
        # gRPC stops listening as soon as it is told to stop: whoever balances
        # calls has to have heard of it before.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._options.pre_stop_seconds):
                await self._hurried.wait()
        await self._server.stop(self._options.grace_seconds)
        await self._driver.close()

    def hurry(self) -> None:
        """Let a drain end at once: calls in flight fail, a commit does not."""
        if not self._hurried.is_set():
            self._hurried.set()
            self._stopping = asyncio.ensure_future(self._server.stop(None))


def build_server(
    ledger: Ledger,
    options: ServerOptions,
    handlers: Sequence[grpc.GenericRpcHandler] = (),
) -> RpcServer:
    """Build a server and bind its address; call it where the event loop runs.

    ``handlers`` are served beside ours.

    Raises
    ------
    CannotListen
        The address is taken or is none.
    """
    check_address(options.address)
    driver = Driver(ledger, solver_threads=options.solver_threads)
    router = Router(ledger)
    health = HealthServicer(SERVICES)
    server = grpc.aio.server(
        handlers=(
            RoutingService(router, ledger, driver).generic_handler(),
            StockService(ledger, driver).generic_handler(),
            *handlers,
            *handlers,
        ),
        options=_OPTIONS,
        maximum_concurrent_rpcs=options.max_concurrent_rpcs,
    )
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    reflection.enable_server_reflection(
        (*SERVICES, "grpc.health.v1.Health", reflection.SERVICE_NAME), server
    )
    try:
        port = server.add_insecure_port(options.address)
    except RuntimeError as error:
        raise CannotListen(options.address, "gRPC could not bind it") from error
    address = bound_address(options.address, port)
    return RpcServer(server, driver, health, options, address)


def tune_interpreter() -> None:
    """Set what a process needs that does nothing but serve."""
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.set_threshold(COLLECT_AFTER)
    # What is loaded by now stays: it need not be looked at again.
    gc.freeze()


async def serve(
    ledger: Ledger,
    options: ServerOptions,
    on_ready: Callable[[RpcServer], None] = lambda _: None,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain and close the ledger.

    A second signal ends it at once. ``on_ready`` is called when calls are taken.

    Raises
    ------
    CannotListen
        The address is taken or is none.
    """
    loop = asyncio.get_running_loop()
    tune_interpreter()
    try:
        server = build_server(ledger, options)
        asked = asyncio.Event()

        def on_signal() -> None:
            if asked.is_set():
                server.hurry()
            asked.set()

        for number in _SIGNALS:
            loop.add_signal_handler(number, on_signal)
        try:
            await server.start()
            on_ready(server)
            await asked.wait()
        finally:
            _log.info("draining %s", server.address)
            await server.drain()
            for number in _SIGNALS:
                loop.remove_signal_handler(number)
    finally:
        ledger.close()
