"""What surrounds every call, put on once when a method is registered.

gRPC's own interceptors run again on every call and each adds a layer of awaits;
these are a single function around the handler. It takes the bytes themselves, so
that bytes which are no message get an answer that says so (gRPC would answer
UNKNOWN with the parser's words).
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import NoReturn, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import status_pb2
from grpc_status import rpc_status

from router.errors import DeadlineTooShort, MalformedMessage
from router.rpc.errors import Overloaded
from router.rpc.metrics import CODES, Metrics
from router.rpc.status import status_of
from router.rpc.tokens import Scope, Tokens

DEFAULT_DEADLINE_SECONDS = 2.0
"""What a call may take whose client sets no deadline."""
MAX_DEADLINE_SECONDS = 300.0
"""What a call may take at most, whatever its client says."""
MIN_DEADLINE_SECONDS = 0.005
"""The least time worth starting with: an order's plan and its commit."""
MAX_CONCURRENT = 512
"""Most calls being answered at once, unless an operator says another number."""

RequestT = TypeVar("RequestT", bound=Message)
Context = grpc.aio.ServicerContext[bytes, bytes]


Handler = Callable[[RequestT, float], Awaitable[bytes]]
"""A method: a request and its deadline (of `time.monotonic`), to reply bytes."""

_OK = grpc.StatusCode.OK.value[0]
_CANCELLED = grpc.StatusCode.CANCELLED.value[0]
_DEADLINE_EXCEEDED = grpc.StatusCode.DEADLINE_EXCEEDED.value[0]

_log = logging.getLogger(__name__)


class Gate:
    """What the calls of one server have to pass, and where they are counted.

    Without ``tokens`` everybody may call. A call that is one too many is refused
    at once: its client learns it while there is time to go elsewhere. Health
    checks do not come here, so that a server under load does not look dead.
    """

    def __init__(
        self,
        metrics: Metrics | None = None,
        tokens: Tokens | None = None,
        max_concurrent: int = MAX_CONCURRENT,
    ) -> None:
        self.metrics = metrics or Metrics()
        self.in_flight = 0
        """Calls being answered now."""
        self._tokens = tokens
        self._max_concurrent = max_concurrent
        self.metrics.watch(
            "repartir_rpc_in_flight",
            "Calls being answered now.",
            lambda: self.in_flight,
        )

    def enter(self, context: Context, needed: int) -> None:
        """Let a call in, to be let out by whoever subtracts it from ``in_flight``.

        Raises
        ------
        TokenMissing, TokenUnknown, ScopeMissing
            It may not be made by its caller.
        Overloaded
            There are too many.
        """
        if self._tokens is not None:
            self._tokens.check(context.invocation_metadata() or (), needed)
        if self.in_flight >= self._max_concurrent:
            raise Overloaded(f"{self._max_concurrent} calls are being answered")
        self.in_flight += 1


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
    answer = _answering(request_type.FromString, handler, default_seconds)
    needed = int(scope | Scope.ADMIN)
    method = _method_name(request_type)
    observed = gate.metrics.of_method(method)
    clock = time.perf_counter

    async def call(data: bytes, context: Context) -> bytes:
        began = clock()
        observed.started += 1
        code = _CANCELLED
        try:
            gate.enter(context, needed)
            try:
                reply = await answer(data, context)
            finally:
                gate.in_flight -= 1
            code = _OK
            return reply
        except asyncio.CancelledError:
            # The client has gone, or its deadline has passed and so gRPC has.
            left: float | None = context.time_remaining()
            if left is not None and left <= 0:
                code = _DEADLINE_EXCEEDED
            raise
        except _DeadlinePassed as error:
            code = _DEADLINE_EXCEEDED
            _log_refusal(method, code, str(error))
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, str(error))
        except Exception as error:
            status = status_of(error)
            code = status.code
            _log_refusal(method, code, type(error).__name__)
            await _abort(context, status)
        finally:
            observed.handled(code, clock() - began)
        raise AssertionError("an aborted call goes on")

    return grpc.unary_unary_rpc_method_handler(call)


def _answering(
    parse: Callable[[bytes], RequestT],
    handler: Handler[RequestT],
    default_seconds: float,
) -> Callable[[bytes, Context], Awaitable[bytes]]:
    async def answer(data: bytes, context: Context) -> bytes:
        # None where the client set no deadline, whatever the stubs say.
        left: float | None = context.time_remaining()
        if left is None or left > MAX_DEADLINE_SECONDS:
            left = default_seconds if left is None else MAX_DEADLINE_SECONDS
            deadline = time.monotonic() + left
            return await _within(left, handler(_parse(parse, data), deadline))
        if left < MIN_DEADLINE_SECONDS:
            raise DeadlineTooShort(
                f"{left * 1_000:.1f} ms are left, a call needs"
                f" {MIN_DEADLINE_SECONDS * 1_000:g}"
            )
        deadline = time.monotonic() + left
        return await handler(_parse(parse, data), deadline)

    return answer


def _method_name(request_type: type[Message]) -> str:
    """Return a label: router.v1.RoutingService/RouteOrder.

    A request is one method's alone (buf's rule RPC_REQUEST_RESPONSE_UNIQUE).
    """
    wanted = request_type.DESCRIPTOR
    for service in wanted.file.services_by_name.values():
        for method in service.methods:
            if method.input_type.full_name == wanted.full_name:
                return f"{service.full_name}/{method.name}"
    return str(wanted.full_name)


def _log_refusal(method: str, code: int, why: str) -> None:
    # Never the error's own text: it may hold what the caller sent.
    if _log.isEnabledFor(logging.DEBUG):
        fields = {"method": method, "code": CODES[code], "why": why}
        _log.debug("refused", extra=fields)


async def _abort(context: Context, status: status_pb2.Status) -> NoReturn:
    await context.abort_with_status(rpc_status.to_status(status))
    raise AssertionError("an aborted call goes on")


class _DeadlinePassed(Exception):
    """What the client's own deadline would have done; the outcome is not known."""


async def _within(seconds: float, reply: Awaitable[bytes]) -> bytes:
    try:
        async with asyncio.timeout(seconds) as limit:
            return await reply
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise _DeadlinePassed(
            f"took more than {seconds:g} s; set a deadline to give it longer"
        ) from error


def _parse(parse: Callable[[bytes], RequestT], data: bytes) -> RequestT:
    try:
        return parse(data)
    except DecodeError as error:
        raise MalformedMessage(
            "the bytes are not a message of the expected type"
        ) from error
