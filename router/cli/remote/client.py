"""Calls to a running server: bounded, repeatable, with readable errors."""

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar, cast

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from availability.v1 import (
    availability_service_pb2_grpc,
    channel_service_pb2_grpc,
    stock_service_pb2_grpc,
)
from router.cli.remote.access import Access, open_channel
from router.v1 import routing_service_pb2_grpc

MAX_MESSAGE_BYTES = 4 * 2**20
"""gRPC's own limit, in both directions."""
CALL_SECONDS = 30.0
CONNECT_SECONDS = 5.0
ATTEMPTS = 4
"""Attempts of a call before it fails."""
FIRST_PAUSE_SECONDS = 0.2
KEEPALIVE_MS = 60_000
"""Idle time before a keepalive ping; servers allow one every 30 s."""
KEEPALIVE_TIMEOUT_MS = 20_000
"""Wait for the answer to a ping before the connection is closed."""

# The outcome is unknown or the server is busy: repeat with the same request_id.
_REPEATABLE = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
)

Reply = TypeVar("Reply", bound=Message)
T = TypeVar("T")


class CallFailed(Exception):
    """The server refused a call or could not be reached; one line a cause.

    ``reason`` is the server's name of the error, if any. ``lost`` is True if a write
    may or may not have been applied.
    """

    def __init__(self, *lines: str, reason: str = "", lost: bool = False) -> None:
        self.lines = lines
        self.reason = reason
        self.lost = lost
        super().__init__("; ".join(lines))


class Client:
    """The services of one server."""

    def __init__(
        self, address: str, channel: grpc.Channel, access: Access = Access()
    ) -> None:
        self.address = address
        self._metadata = access.metadata()
        self.routing = routing_service_pb2_grpc.RoutingServiceStub(channel)
        self.stock = stock_service_pb2_grpc.StockServiceStub(channel)
        self.channels = channel_service_pb2_grpc.ChannelServiceStub(channel)
        self.availability = availability_service_pb2_grpc.AvailabilityServiceStub(
            channel
        )

    def call(self, method: Callable[..., Reply], request: Message) -> Reply:
        """Call, and retry where that is safe.

        Only for reads, and for writes with a ``request_id``: the reply to the
        first attempt may have been lost on the way.

        Raises
        ------
        CallFailed
            The server refused, or did not answer any attempt.
        """
        return self._repeated(
            lambda: method(request, timeout=CALL_SECONDS, metadata=self._metadata)
        )

    def collect(
        self,
        method: Callable[..., Iterable[Reply]],
        request: Message,
        is_last: Callable[[Reply], bool] = lambda _: False,
    ) -> list[Reply]:
        """Call a streaming method and return its messages; as `call`.

        The call ends after the first message for which ``is_last`` is True.
        """

        def attempt() -> list[Reply]:
            replies = method(request, timeout=CALL_SECONDS, metadata=self._metadata)
            found = []
            for reply in replies:
                found.append(reply)
                if is_last(reply):
                    cast(grpc.Call, replies).cancel()
                    break
            return found

        return self._repeated(attempt)

    def converse(
        self, method: Callable[..., Iterator[Reply]], requests: Iterator[Message]
    ) -> Generator[Reply, None, None]:
        """Yield the replies of a bidirectional call, which is never retried.

        Another thread iterates ``requests`` until they end. Closing the iterator
        ends the call.

        Raises
        ------
        CallFailed
            The server refused, or the connection was lost, at any time.
        """
        replies = method(requests, metadata=self._metadata)
        try:
            yield from replies
        except grpc.RpcError as error:
            raise _failure(self.address, error) from None
        finally:
            cast(grpc.Call, replies).cancel()

    def _repeated(self, attempt_it: Callable[[], T]) -> T:
        pause_seconds = FIRST_PAUSE_SECONDS
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return attempt_it()
            except grpc.RpcError as error:
                if error.code() not in _REPEATABLE or attempt == ATTEMPTS:
                    raise _failure(self.address, error) from None
            time.sleep(pause_seconds)
            pause_seconds *= 2
        raise AssertionError("the last attempt returns or raises")


@contextmanager
def connect(address: str, access: Access = Access()) -> Iterator[Client]:
    """Open a connection and close it at the end.

    Raises
    ------
    BadAccess
        The options do not make a connection.
    CallFailed
        No server answers, or TLS failed.
    """
    options = (
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.keepalive_time_ms", KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
    )
    with open_channel(address, access, options) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=CONNECT_SECONDS)
        except grpc.FutureTimeoutError:
            raise CallFailed(_no_answer(address, access)) from None
        yield Client(address, channel, access)


def _no_answer(address: str, access: Access) -> str:
    if access.ca is None:
        return f"no server answers at {address}: is `repartir serve` running there?"
    return (
        f"no server answers at {address} over TLS: is `repartir serve` running there,"
        " with a certificate for this name that --ca signed? Does it require"
        " --certificate?"
    )


def _failure(address: str, error: grpc.RpcError) -> CallFailed:
    """Return what to raise: all field violations, or else the message."""
    # What a call raises is the call itself; its type does not say so.
    status = rpc_status.from_call(cast(grpc.Call, error))
    causes: list[str] = []
    reason = left_out = ""
    for packed in status.details if status is not None else ():
        bad, info = error_details_pb2.BadRequest(), error_details_pb2.ErrorInfo()
        if packed.Unpack(bad):
            for each in bad.field_violations:
                causes.append(f"{each.field}: {each.description}")
        elif packed.Unpack(info):
            reason = info.reason
            left_out = info.metadata.get("violations_left_out", "")
    if left_out:
        causes.append(f"and {left_out} more")
    if not causes:
        message = " ".join((error.details() or "no reason was given").split())
        causes.append(f"{address}: {error.code().name}: {message}")
    return CallFailed(*causes, reason=reason, lost=error.code() in _REPEATABLE)
