"""Server reflection (`grpc.reflection.v1alpha`) behind the gate of every other call."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import cast

import grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

from router.rpc.transport.gate import Gate
from router.rpc.transport.interceptors import Heard, guarded_dialogue
from router.rpc.transport.tokens import Scope


def reflection_handler(gate: Gate, services: Sequence[str]) -> grpc.GenericRpcHandler:
    """Return what a gRPC server registers to describe ``services`` and itself.

    Where the gate checks tokens, a call needs the scope `Scope.ADMIN`.
    """
    servicer = reflection.aio.ReflectionServicer((*services, reflection.SERVICE_NAME))

    async def info(
        heard: Heard[reflection_pb2.ServerReflectionRequest],
    ) -> AsyncGenerator[bytes, None]:
        # The stubs call this generator a coroutine.
        replies = cast(
            "AsyncIterator[reflection_pb2.ServerReflectionResponse]",
            servicer.ServerReflectionInfo(_requests(heard), None),
        )
        async for reply in replies:
            yield reply.SerializeToString()

    # Tools keep it open: it must not take the place of a call.
    handler = guarded_dialogue(
        gate, reflection_pb2.ServerReflectionRequest, info, Scope.ADMIN, lasting=True
    )
    return grpc.method_handlers_generic_handler(
        reflection.SERVICE_NAME, {"ServerReflectionInfo": handler}
    )


async def _requests(
    heard: Heard[reflection_pb2.ServerReflectionRequest],
) -> AsyncIterator[reflection_pb2.ServerReflectionRequest]:
    while (request := await heard()) is not None:
        yield request
