"""grpc.health.v1: who may be sent calls.

Ours and not grpcio-health-checking's servicer, for two reasons seen in its 1.81:
one watcher that leaves takes the others' notifications with it, and a watch never
ends, so that a drain waits for its whole grace.
"""

import asyncio
from collections.abc import Sequence

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

MAX_WATCHES = 64
"""Most watches open at once: each holds one of the server's places for calls."""

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN

_Context = grpc.aio.ServicerContext[
    health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse
]


class HealthServicer(health_pb2_grpc.HealthServicer):
    """Every service serves until `drain`; "" stands for all of them."""

    def __init__(self, services: Sequence[str]) -> None:
        self._services = frozenset(services) | {""}
        self._draining = asyncio.Event()
        self._watches = 0

    def drain(self) -> None:
        """Answer NOT_SERVING from now on, and end every watch with it."""
        self._draining.set()

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
        """Say it, and say it again when it changes; it changes once."""
        if self._watches >= MAX_WATCHES:
            await context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED, f"{MAX_WATCHES} watches are open"
            )
        self._watches += 1
        try:
            await context.write(self._answer(request.service))
            if not self._draining.is_set():
                await self._draining.wait()
                await context.write(self._answer(request.service))
        finally:
            self._watches -= 1

    def _answer(self, service: str) -> health_pb2.HealthCheckResponse:
        if service not in self._services:
            return health_pb2.HealthCheckResponse(status=_UNKNOWN)
        status = _NOT_SERVING if self._draining.is_set() else _SERVING
        return health_pb2.HealthCheckResponse(status=status)
