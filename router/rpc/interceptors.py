"""What surrounds every call, put on once when a method is registered.

gRPC's own interceptors run again on every call and each adds a layer of awaits;
these are a single function around the handler. It takes the bytes themselves, so
that bytes which are no message get an answer that says so (gRPC would answer
UNKNOWN with the parser's words).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import grpc
from google.protobuf.message import DecodeError, Message

from router.errors import DeadlineTooShort, MalformedMessage
from router.rpc.status import abort

DEFAULT_DEADLINE_SECONDS = 2.0
"""What a call may take whose client sets no deadline."""
MIN_DEADLINE_SECONDS = 0.005
"""The least time worth starting with: an order's plan and its commit."""

RequestT = TypeVar("RequestT", bound=Message)
Context = grpc.aio.ServicerContext[bytes, bytes]


Handler = Callable[[RequestT, float], Awaitable[bytes]]
"""A method: a request and its deadline (of `time.monotonic`), to reply bytes."""


def guarded(
    request_type: type[RequestT],
    handler: Handler[RequestT],
    default_seconds: float = DEFAULT_DEADLINE_SECONDS,
) -> "grpc.RpcMethodHandler[bytes, bytes]":
    """Return a handler to register: every error of it has a status with details."""
    parse: Callable[[bytes], RequestT] = request_type.FromString

    async def call(data: bytes, context: Context) -> bytes:
        # None where the client set no deadline, whatever the stubs say.
        left: float | None = context.time_remaining()
        try:
            if left is None:
                request = _parse(parse, data)
                deadline = time.monotonic() + default_seconds
                return await _within(default_seconds, handler(request, deadline))
            if left < MIN_DEADLINE_SECONDS:
                raise DeadlineTooShort(
                    f"{left * 1_000:.1f} ms are left, a call needs"
                    f" {MIN_DEADLINE_SECONDS * 1_000:g}"
                )
            deadline = time.monotonic() + left
            return await handler(_parse(parse, data), deadline)
        except _DefaultDeadlinePassed as error:
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, str(error))
        except Exception as error:
            await abort(context, error)
        raise AssertionError("an aborted call goes on")

    return grpc.unary_unary_rpc_method_handler(call)


class _DefaultDeadlinePassed(Exception):
    """What the client's own deadline would have done; the outcome is not known."""


async def _within(seconds: float, reply: Awaitable[bytes]) -> bytes:
    try:
        async with asyncio.timeout(seconds) as limit:
            return await reply
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise _DefaultDeadlinePassed(
            f"took more than {seconds:g} s; set a deadline to give it longer"
        ) from error


def _parse(parse: Callable[[bytes], RequestT], data: bytes) -> RequestT:
    try:
        return parse(data)
    except DecodeError as error:
        raise MalformedMessage(
            "the bytes are not a message of the expected type"
        ) from error
