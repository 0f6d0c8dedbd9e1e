"""grpc.health.v1: who may be sent calls.

Ours and not grpcio-health-checking's servicer, for two reasons seen in its 1.81:
one watcher that leaves takes the others' notifications with it, and a watch never
ends, so that a drain waits for its whole grace.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from availability.errors import AvailabilityError, RequestReused
from availability.ledger.protocol import Ledger
from availability.model import Request

MAX_WATCHES = 64
"""Most watches open at once: each holds one of the server's open calls."""
LEDGER = "ledger"
"""The name under which the store's health can be asked for."""
PROBE_SECONDS = 5.0
"""Time between two looks at the store, and the most that one may take."""

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN

_PROBE = Request("health-probe", b"")

_Context = grpc.aio.ServicerContext[
    health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse
]

_log = logging.getLogger(__name__)


class HealthServicer(health_pb2_grpc.HealthServicer):
    """Every service serves until `drain`; "" stands for all of them.

    The store has a name of its own. Without it "" does not serve either, so that
    balancers look elsewhere; the services by name do, as far as they can: what is
    in memory is still answered.
    """

    def __init__(self, services: Sequence[str]) -> None:
        self._services = frozenset(services) | {"", LEDGER}
        self._draining = False
        self._ledger_serves = True
        self._changed = asyncio.Event()
        self._watches = 0

    def drain(self) -> None:
        """Answer NOT_SERVING from now on, and end every watch with it."""
        self._draining = True
        self._tell()

    def set_ledger(self, serves: bool) -> None:
        """Say whether the store can be read."""
        if serves is not self._ledger_serves:
            self._ledger_serves = serves
            self._tell()

    async def Check(
        self, request: health_pb2.HealthCheckRequest, context: _Context
    ) -> health_pb2.HealthCheckResponse:
        """Say whether one service serves."""
        if request.service not in self._services:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such service")
        return self._answer(request.service)

    async def Watch(
        self, request: health_pb2.HealthCheckRequest, context: _Context
    ) -> None:
        """Say it, and say it again whenever it changes."""
        if self._watches >= MAX_WATCHES:
            await context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED, f"{MAX_WATCHES} watches are open"
            )
        self._watches += 1
        sent: health_pb2.HealthCheckResponse | None = None
        try:
            while True:
                changed, last = self._changed, self._draining
                answer = self._answer(request.service)
                if answer != sent:
                    await context.write(answer)
                    sent = answer
                if last:
                    return
                await changed.wait()
        finally:
            self._watches -= 1

    def _tell(self) -> None:
        """Wake the watches; the next change has its own event."""
        self._changed.set()
        self._changed = asyncio.Event()

    def _answer(self, service: str) -> health_pb2.HealthCheckResponse:
        if service not in self._services:
            return health_pb2.HealthCheckResponse(status=_UNKNOWN)
        if self._draining or (service in ("", LEDGER) and not self._ledger_serves):
            return health_pb2.HealthCheckResponse(status=_NOT_SERVING)
        return health_pb2.HealthCheckResponse(status=_SERVING)


class LedgerProbe:
    """Checks the store every few seconds, and updates the health servicer.

    One look at a time, in a thread of its own: while a store hangs it is found
    not to serve, and no second thread is left hanging there.
    """

    def __init__(
        self, ledger: Ledger, health: HealthServicer, seconds: float = PROBE_SECONDS
    ) -> None:
        self._ledger = ledger
        self._health = health
        self._seconds = seconds
        self._thread = ThreadPoolExecutor(1, "probe")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.ensure_future(self._look())

    async def stop(self) -> None:
        """Look no more; a look that hangs is not waited for."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        served = True
        while True:
            await asyncio.sleep(self._seconds)
            found = loop.run_in_executor(self._thread, self._read)
            done, _ = await asyncio.wait({found}, timeout=self._seconds)
            if not done:
                served = self._found(served, f"no answer in {self._seconds:g} s")
            served = self._found(served, await found)

    def _found(self, served: bool, fault: str) -> bool:
        self._health.set_ledger(not fault)
        if fault and served:
            _log.error("the store cannot be read", extra={"why": fault})
        elif not fault and not served:
            _log.warning("the store can be read again")
        return not fault

    def _read(self) -> str:
        """Read the store; return what went wrong, or nothing."""
        try:
            self._ledger.replay(_PROBE)
        except RequestReused:
            return ""  # A caller's own request has that id: it was read.
        except AvailabilityError as error:
            return str(error) or type(error).__name__
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return ""
