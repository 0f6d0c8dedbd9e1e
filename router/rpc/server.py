"""The server: how it is built, listens and ends."""

import asyncio
import contextlib
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
from router.rpc.transport.gate import MAX_CONCURRENT, MAX_WATCHES, Gate
from router.rpc.transport.health import PROBE_SECONDS, HealthServicer, LedgerProbe
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerParts:
    """All that a server starts, and ends in order."""

    server: grpc.aio.Server
    driver: Driver
    health: HealthServicer
    probe: LedgerProbe
    housekeeper: Housekeeper
    watches: Watches
    exporter: Exporter | None


class RpcServer:
    """A server that is bound and not yet started; `build_server` makes it."""

    def __init__(
        self, parts: ServerParts, metrics: Metrics, options: ServerOptions, address: str
    ) -> None:
        self.address = address
        """What to connect to: the port is the one that was bound."""
        self.metrics = metrics
        """What it counts."""
        self.metrics_address = parts.exporter.address if parts.exporter else None
        """Where to ask for metrics."""
        self._parts = parts
        self._options = options
        self._hurried = asyncio.Event()
        self._stopping: asyncio.Future[None] | None = None

    async def start(self) -> None:
        """Take calls."""
        parts = self._parts
        parts.probe.start()
        parts.housekeeper.start()
        await parts.server.start()
        parts.driver.warm()

    async def drain(self) -> None:
        """End without failing a call in flight; nothing is written after it."""
        parts = self._parts
        parts.health.drain()
        # gRPC stops listening as soon as it is stopped: load balancers must have
        # seen NOT_SERVING before.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._options.pre_stop_seconds):
                await self._hurried.wait()
        # Only now: a watcher that reconnects at once must find another server.
        parts.watches.drain()
        await parts.server.stop(self._options.grace_seconds)
        await parts.probe.stop()
        await parts.housekeeper.stop()
        await parts.watches.close()
        await parts.driver.close()
        if parts.exporter is not None:
            # Last, so that the metrics include the drain.
            await asyncio.to_thread(parts.exporter.close)

    def hurry(self) -> None:
        """Let a drain end at once: calls in flight fail, a commit does not."""
        if not self._hurried.is_set():
            self._hurried.set()
            self._stopping = asyncio.ensure_future(self._parts.server.stop(None))


def build_server(
    ledger: Ledger,
    options: ServerOptions,
    handlers: Sequence[grpc.GenericRpcHandler] = (),
    clock: Clock = time.time,
) -> RpcServer:
    """Build a server and bind its address; call it where the event loop runs.

    ``handlers`` are served besides ours. ``clock`` opens pre-orders and ages counts.

    Raises
    ------
    CannotListen
        An address is taken or invalid.
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
    router = Router(ledger, stored=WireForm(), clock=clock)
    rerouter = Rerouter(router, ledger, driver, WireForm(), clock, options.ray_address)
    gate = Gate(metrics, options.tokens, options.max_concurrent_rpcs)
    reader = OfferReader(Offering(ledger, clock))
    watches = Watches(reader, ledger, clock)
    health = HealthServicer(SERVICES)
    if options.tokens is None or options.reflection:
        described = (*SERVICES, "grpc.health.v1.Health")
        handlers = (*handlers, reflection_handler(gate, described))
    routing = RoutingService(router, ledger, driver, rerouter, metrics)
    server = grpc.aio.server(
        handlers=(
            routing.generic_handler(gate),
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
    amender = Amender(router, WireForm())
    follow_ups = FollowUps(ledger, driver, amender, rerouter, metrics)
    parts = ServerParts(
        server=server,
        driver=driver,
        health=health,
        probe=LedgerProbe(ledger, health, options.probe_seconds),
        housekeeper=_housekeeper(ledger, driver, follow_ups, options),
        watches=watches,
        exporter=exporter,
    )
    return RpcServer(parts, metrics, options, address)


def _housekeeper(
    ledger: Ledger, driver: Driver, follow_ups: FollowUps, options: ServerOptions
) -> Housekeeper:
    also: dict[str, Callable[[], Awaitable[None]]] = {}
    if options.fill_queue:
        also["filling the queue"] = follow_ups.fill_queue
    if options.drain_inactive:
        also["draining inactive locations"] = follow_ups.drain_inactive
    refresh = REFRESH_SECONDS if ledger.shared else None
    return Housekeeper(ledger, driver, refresh_seconds=refresh, also=also)


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
