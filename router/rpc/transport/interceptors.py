"""What surrounds every call, put on once when a method is registered.

gRPC's own interceptors run again on every call and each adds a layer of awaits;
these are a single function around the handler. It takes the bytes themselves, so
that bytes which are no message get an answer that says so (gRPC would answer
UNKNOWN with the parser's words).
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from types import ModuleType
from typing import NoReturn, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from grpc_status import rpc_status

from router.errors import MalformedMessage
from router.rpc.transport.deadlines import (
    DEFAULT_DEADLINE_SECONDS,
    MAX_DEADLINE_SECONDS,
    MIN_DEADLINE_SECONDS,
    Context,
    DeadlinePassed,
    time_left,
    too_short,
)
from router.rpc.transport.gate import Gate
from router.rpc.transport.metrics import CODES
from router.rpc.transport.outcomes import outcome_of
from router.rpc.transport.status import status_of
from router.rpc.transport.tokens import Scope

RequestT = TypeVar("RequestT", bound=Message)
DataT = TypeVar("DataT")
T = TypeVar("T")


Handler = Callable[[RequestT, float], Awaitable[bytes]]
"""A method: a request and its deadline (of `time.monotonic`), to reply bytes."""

StreamHandler = Callable[[RequestT], AsyncGenerator[bytes, None]]
"""A method that answers with many messages: a request to the bytes of each."""

Heard = Callable[[], Awaitable[RequestT | None]]
"""Returns the client's next message, None when it says no more."""

DialogueHandler = Callable[[Heard[RequestT]], AsyncGenerator[bytes, None]]
"""A method that reads many messages and sends many."""

_OK = grpc.StatusCode.OK.value[0]
_CANCELLED = grpc.StatusCode.CANCELLED.value[0]
_DEADLINE_EXCEEDED = grpc.StatusCode.DEADLINE_EXCEEDED.value[0]

_log = logging.getLogger(__name__)


def guarded(
    gate: Gate,
    request_type: type[RequestT],
    handler: Handler[RequestT],
    scope: Scope,
    default_seconds: float = DEFAULT_DEADLINE_SECONDS,
) -> "grpc.RpcMethodHandler[bytes, bytes]":
    """Return a handler to register: every error of it has a status with details.

    ``scope`` is what a caller's token must have; of several scopes (``|``) any one
    will do. `Scope.ADMIN` may do everything.
    """
    parse = request_type.FromString

    async def answer(data: bytes, context: Context) -> bytes:
        # None where the client set no deadline, whatever the stubs say.
        left: float | None = context.time_remaining()
        if left is None or left > MAX_DEADLINE_SECONDS:
            left = default_seconds if left is None else MAX_DEADLINE_SECONDS
            deadline = time.monotonic() + left
            return await _within(left, handler(_parse(parse, data), deadline))
        if left < MIN_DEADLINE_SECONDS:
            raise too_short(left)
        deadline = time.monotonic() + left
        return await handler(_parse(parse, data), deadline)

    call = _observed(gate, request_type, scope, answer)
    return grpc.unary_unary_rpc_method_handler(call)


def guarded_stream(
    gate: Gate,
    request_type: type[RequestT],
    handler: StreamHandler[RequestT],
    scope: Scope,
    default_seconds: float = DEFAULT_DEADLINE_SECONDS,
    *,
    lasting: bool = False,
) -> "grpc.RpcMethodHandler[bytes, bytes]":
    """Return a handler to register that answers with many messages; as `guarded`.

    The next message is asked for when the one before could be sent: the handler
    waits for a slow client. A ``lasting`` stream has the deadline that its client
    sets, or none, and is counted by itself.
    """

    async def send(data: bytes, context: Context) -> None:
        await _send(handler(_parse(request_type.FromString, data)), context)

    async def answer(data: bytes, context: Context) -> None:
        if lasting:
            await send(data, context)
        else:
            await _within(time_left(context, default_seconds), send(data, context))

    call = _observed(gate, request_type, scope, answer, lasting=lasting)
    return grpc.unary_stream_rpc_method_handler(call)


def guarded_dialogue(
    gate: Gate,
    request_type: type[RequestT],
    handler: DialogueHandler[RequestT],
    scope: Scope,
    *,
    lasting: bool = False,
) -> "grpc.RpcMethodHandler[bytes, bytes]":
    """Return a handler to register that reads and sends many messages; as `guarded`.

    It may last as long as its client lets it, and takes the place of a call; of a
    watch if it is ``lasting``, idle most of the time.
    """

    async def answer(_: object, context: Context) -> None:
        async def heard() -> RequestT | None:
            data: object = await context.read()
            if not isinstance(data, bytes):
                return None  # the client says no more
            return _parse(request_type.FromString, data)

        await _send(handler(heard), context)

    call = _observed(gate, request_type, scope, answer, lasting=lasting)
    return grpc.stream_stream_rpc_method_handler(call)


def handlers(
    guard: Callable[..., "grpc.RpcMethodHandler[bytes, bytes]"],
    wire: ModuleType,
    *methods: Callable[..., object],
) -> dict[str, "grpc.RpcMethodHandler[bytes, bytes]"]:
    """Return methods by their names, guarded; ``wire`` has the type of each request.

    ``guard`` is one of the functions above with all but the two arguments that
    differ.
    """
    return {
        each.__name__: guard(getattr(wire, f"{each.__name__}Request"), each)
        for each in methods
    }


def _observed(
    gate: Gate,
    request_type: type[Message],
    scope: Scope,
    answer: Callable[[DataT, Context], Awaitable[T]],
    *,
    lasting: bool = False,
) -> Callable[[DataT, Context], Awaitable[T]]:
    """Return a call: counted, let in, answered, and its error sent as a status."""
    needed = int(scope | Scope.ADMIN)
    method = _method_name(request_type)
    observed = gate.metrics.of_method(method)
    clock = time.perf_counter
    enter = gate.enter_watch if lasting else gate.enter

    async def call(data: DataT, context: Context) -> T:
        began = clock()
        observed.started += 1
        code = _CANCELLED
        try:
            enter(context, needed)
            try:
                reply = await answer(data, context)
            finally:
                if lasting:
                    gate.watching -= 1
                else:
                    gate.in_flight -= 1
            code = _OK
            return reply
        except (Exception, asyncio.CancelledError) as error:
            code = _code_of(error, context)
            await _end(error, context, method)
        finally:
            observed.handled(code, clock() - began)

    return call


async def _within(seconds: float, reply: Awaitable[T]) -> T:
    """Await a reply for so long; raises DeadlinePassed."""
    try:
        async with asyncio.timeout(seconds) as limit:
            return await reply
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise DeadlinePassed(
            f"took more than {seconds:g} s; set a deadline to give it longer"
        ) from error


async def _send(replies: AsyncGenerator[bytes, None], context: Context) -> None:
    async with aclosing(replies) as messages:
        async for message in messages:
            await context.write(message)


def _code_of(error: Exception | asyncio.CancelledError, context: Context) -> int:
    """Return the code that a call ends with."""
    if isinstance(error, asyncio.CancelledError):
        # The client has gone, or its deadline has passed and so gRPC has.
        left: float | None = context.time_remaining()
        late = left is not None and left <= 0
        return _DEADLINE_EXCEEDED if late else _CANCELLED
    if isinstance(error, DeadlinePassed):
        return _DEADLINE_EXCEEDED
    code: int = outcome_of(error).code.value[0]
    return code


async def _end(
    error: Exception | asyncio.CancelledError, context: Context, method: str
) -> NoReturn:
    """Send an error to the client, if it is connected; raises what ends a call."""
    if isinstance(error, asyncio.CancelledError):
        raise error
    if isinstance(error, DeadlinePassed):
        _log_refusal(method, _DEADLINE_EXCEEDED, str(error))
        await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, str(error))
    status = status_of(error)
    _log_refusal(method, status.code, type(error).__name__)
    await context.abort_with_status(rpc_status.to_status(status))
    raise AssertionError("an aborted call goes on")


def _method_name(request_type: type[Message]) -> str:
    """Return a label: router.v1.RoutingService/RouteOrder.

    A request is one method's alone (buf's rule RPC_REQUEST_RESPONSE_UNIQUE).
    """
    wanted = request_type.DESCRIPTOR
    names = {
        method.input_type.full_name: f"{service.full_name}/{method.name}"
        for service in wanted.file.services_by_name.values()
        for method in service.methods
    }
    return names.get(wanted.full_name, str(wanted.full_name))


def _log_refusal(method: str, code: int, why: str) -> None:
    # Never the error's own text: it may hold what the caller sent.
    if _log.isEnabledFor(logging.DEBUG):
        fields = {"method": method, "code": CODES[code], "why": why}
        _log.debug("refused", extra=fields)


def _parse(parse: Callable[[bytes], RequestT], data: bytes) -> RequestT:
    try:
        return parse(data)
    except DecodeError as error:
        raise MalformedMessage(
            "the bytes are not a message of the expected type"
        ) from error
