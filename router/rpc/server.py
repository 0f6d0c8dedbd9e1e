"""The server: what it listens on, what it refuses, and how it ends."""

import asyncio
import contextlib
import gc
import logging
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import grpc
from grpc_health.v1 import health_pb2_grpc

from availability.ledger.protocol import Ledger
from availability.model import Clock
from availability.offers.service import Offering
from availability.v1 import (
    availability_service_pb2,
    channel_service_pb2,
    stock_service_pb2,
)
from router.amending.amender import Amender
from router.pipeline import Router
from router.rpc.background.driver import MAX_WAITING, SOLVER_THREADS, Driver
from router.rpc.background.follow_ups import FollowUps
from router.rpc.background.housekeeping import REFRESH_SECONDS, Housekeeper
from router.rpc.background.offer_rows import OfferReader
from router.rpc.background.rerouter import Rerouter
from router.rpc.background.watch import Watches
from router.rpc.codec.body import WireForm
from router.rpc.services.availability import AvailabilityService
from router.rpc.services.channels import ChannelService
from router.rpc.services.routing import RoutingService
from router.rpc.services.stock import StockService
from router.rpc.transport.address import CannotListen, bound_address, check_address
from router.rpc.transport.exporter import Exporter, check_metrics_address
from router.rpc.transport.health import PROBE_SECONDS, HealthServicer, LedgerProbe
from router.rpc.transport.interceptors import MAX_CONCURRENT, MAX_WATCHES, Gate
from router.rpc.transport.limits import (
    HANDSHAKE_SECONDS,
    MAX_OPEN_CALLS,
    channel_options,
)
from router.rpc.transport.metrics import Metrics
from router.rpc.transport.reflection import reflection_handler
from router.rpc.transport.tls import Tls, server_credentials
from router.rpc.transport.tokens import Tokens
from router.v1 import routing_service_pb2

SERVICES = tuple(
    file.DESCRIPTOR.services_by_name[name].full_name
    for file, name in (
        (routing_service_pb2, "RoutingService"),
        (stock_service_pb2, "StockService"),
        (channel_service_pb2, "ChannelService"),
        (availability_service_pb2, "AvailabilityService"),
    )
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

    ``address`` is ``host:port``, port 0 for any that is free, or ``unix:path``;
    without ``tls`` what goes over it can be read and changed on the way. With
    ``tokens`` a call needs one, and reflection is served only with ``reflection``, to
    the scope admin. ``metrics_address`` is where Prometheus may ask, ``host:port``.

    With ``reuse_port`` other servers may listen on the same port: the kernel gives
    each some of the connections. Calls beyond ``max_concurrent_rpcs`` are refused at
    once, and so are writes beyond ``max_waiting`` that wait for the store. With
    ``ray_address`` re-routing prices its orders on a Ray cluster. With
    ``fill_queue`` orders that wait get stock as it comes, with ``drain_inactive`` those
    at locations that are made inactive are moved. At the end
    the server says NOT_SERVING for ``pre_stop_seconds``, so that balancers look
    elsewhere, then takes no new call and gives those in flight ``grace_seconds``.
    """

    address: str = "127.0.0.1:50051"
    reuse_port: bool = False
    tls: Tls | None = None
    tokens: Tokens | None = None
    reflection: bool = False
    metrics_address: str | None = None
    max_concurrent_rpcs: int = MAX_CONCURRENT
    max_waiting: int = MAX_WAITING
    solver_threads: int = SOLVER_THREADS
    handshake_seconds: float = HANDSHAKE_SECONDS
    probe_seconds: float = PROBE_SECONDS
    ray_address: str | None = None
    fill_queue: bool = True
    drain_inactive: bool = True
    pre_stop_seconds: float = 1.0
    grace_seconds: float = 30.0


class RpcServer:
    """A server that is bound and not yet started; `build_server` makes it."""

    def __init__(
        self,
        server: grpc.aio.Server,
        driver: Driver,
        health: HealthServicer,
        probe: LedgerProbe,
        housekeeper: Housekeeper,
        watches: Watches,
        metrics: Metrics,
        exporter: Exporter | None,
        options: ServerOptions,
        address: str,
    ) -> None:
        self.address = address
        """What to connect to: the port is the one that was bound."""
        self.metrics = metrics
        """What it counts."""
        self.metrics_address = exporter.address if exporter else None
        """Where to ask for metrics."""
        self._server = server
        self._driver = driver
        self._health = health
        self._probe = probe
        self._housekeeper = housekeeper
        self._watches = watches
        self._exporter = exporter
        self._options = options
        self._hurried = asyncio.Event()
        self._stopping: asyncio.Future[None] | None = None

    async def start(self) -> None:
        """Take calls."""
        self._probe.start()
        self._housekeeper.start()
        await self._server.start()
        self._driver.warm()

    async def drain(self) -> None:
        """End without failing a call in flight; nothing is written after it."""
        self._health.drain()
        # gRPC stops listening as soon as it is told to stop: whoever balances
        # calls has to have heard of it before.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._options.pre_stop_seconds):
                await self._hurried.wait()
        # Only now: who comes back at once is to find another server.
        self._watches.drain()
        await self._server.stop(self._options.grace_seconds)
        await self._probe.stop()
        await self._housekeeper.stop()
        await self._watches.close()
        await self._driver.close()
        if self._exporter is not None:
            # Last, so that what the drain did can still be seen.
            await asyncio.to_thread(self._exporter.close)

    def hurry(self) -> None:
        """Let a drain end at once: calls in flight fail, a commit does not."""
        if not self._hurried.is_set():
            self._hurried.set()
            self._stopping = asyncio.ensure_future(self._server.stop(None))


def build_server(
    ledger: Ledger,
    options: ServerOptions,
    handlers: Sequence[grpc.GenericRpcHandler] = (),
    clock: Clock = time.time,
) -> RpcServer:
    """Build a server and bind its address; call it where the event loop runs.

    ``handlers`` are served beside ours. By ``clock`` pre-orders open and counts grow
    old.

    Raises
    ------
    CannotListen
        An address is taken or is none.
    """
    if not options.reuse_port:
        check_address(options.address)
    if options.metrics_address is not None:
        check_metrics_address(options.metrics_address)
    metrics = Metrics()
    metrics.watch(
        "repartir_stock_version", "Version of the stock in memory.", ledger.version
    )
    driver = Driver(
        ledger,
        metrics,
        solver_threads=options.solver_threads,
        max_waiting=options.max_waiting,
    )
    router = Router(ledger, stored=WireForm())
    rerouter = Rerouter(router, ledger, driver, WireForm(), clock, options.ray_address)
    gate = Gate(metrics, options.tokens, options.max_concurrent_rpcs)
    reader = OfferReader(Offering(ledger, clock))
    watches = Watches(reader, ledger, clock)
    health = HealthServicer(SERVICES)
    if options.tokens is None or options.reflection:
        described = (*SERVICES, "grpc.health.v1.Health")
        handlers = (*handlers, reflection_handler(gate, described))
    server = grpc.aio.server(
        handlers=(
            RoutingService(router, ledger, driver, rerouter, metrics).generic_handler(
                gate
            ),
            StockService(ledger, driver).generic_handler(gate),
            ChannelService(ledger, driver).generic_handler(gate),
            AvailabilityService(reader, driver, watches).generic_handler(gate),
            *handlers,
        ),
        options=channel_options(options.handshake_seconds, options.reuse_port),
        maximum_concurrent_rpcs=(
            options.max_concurrent_rpcs + MAX_OPEN_CALLS + MAX_WATCHES
        ),
    )
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    address = _bind(server, options)
    exporter = None
    if options.metrics_address is not None:
        exporter = Exporter(metrics.registry, options.metrics_address)
    probe = LedgerProbe(ledger, health, options.probe_seconds)
    refresh = REFRESH_SECONDS if ledger.shared else None
    follow_ups = FollowUps(
        ledger, driver, Amender(router, WireForm()), rerouter, metrics
    )
    also: dict[str, Callable[[], Awaitable[None]]] = {}
    if options.fill_queue:
        also["serving the queue"] = follow_ups.fill_queue
    if options.drain_inactive:
        also["leaving closed locations"] = follow_ups.drain_inactive
    housekeeper = Housekeeper(ledger, driver, refresh_seconds=refresh, also=also)
    return RpcServer(
        server,
        driver,
        health,
        probe,
        housekeeper,
        watches,
        metrics,
        exporter,
        options,
        address,
    )


def _bind(server: grpc.aio.Server, options: ServerOptions) -> str:
    try:
        if options.tls is None:
            port = server.add_insecure_port(options.address)
        else:
            credentials = server_credentials(options.tls)
            port = server.add_secure_port(options.address, credentials)
    except RuntimeError as error:
        raise CannotListen(options.address, "gRPC could not bind it") from error
    return bound_address(options.address, port)


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
    until: Awaitable[None] | None = None,
) -> None:
    """Serve until SIGTERM, SIGINT or the end of ``until``; drain, close the ledger.

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

        async def watch(end: Awaitable[None]) -> None:
            await end
            asked.set()

        watching = None if until is None else asyncio.ensure_future(watch(until))
        for number in _SIGNALS:
            loop.add_signal_handler(number, on_signal)
        try:
            await server.start()
            on_ready(server)
            _log.info("serving", extra=_described(server, options))
            await asked.wait()
        finally:
            _log.info("draining", extra={"address": server.address})
            await server.drain()
            for number in _SIGNALS:
                loop.remove_signal_handler(number)
            if watching is not None:
                watching.cancel()
            _log.info("stopped", extra={"address": server.address})
    finally:
        ledger.close()


def _described(server: RpcServer, options: ServerOptions) -> dict[str, object]:
    tls = options.tls
    return {
        "address": server.address,
        "metrics": server.metrics_address,
        "tls": "none" if tls is None else "mutual" if tls.client_ca else "server",
        "tokens": options.tokens is not None,
        "max_concurrent": options.max_concurrent_rpcs,
    }
