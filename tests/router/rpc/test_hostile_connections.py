"""Connections that send nothing, too little, too slowly or too much."""

import contextlib
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import pytest

from router.rpc.transport.limits import MAX_STREAMS, METADATA_BYTES, channel_options
from tests.router.rpc.calls import CALL_SECONDS, SEED, load, order, request, unharmed
from tests.router.rpc.conftest import Running, Start

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS, SETTINGS, PING = 1, 4, 6
END_HEADERS, ACK = 4, 1
HANDSHAKE_SECONDS = 0.5
GIVE_UP_SECONDS = 60.0
"""Longest wait for the server to hang up; gRPC's own limit is twice as long."""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return one frame of HTTP/2."""
    length = len(payload).to_bytes(3, "big")
    return length + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def headers(path: str) -> bytes:
    """Return the headers of a call, as plainly as HPACK can say them."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "test",
        "te": "trailers",
        "content-type": "application/grpc",
    }
    return b"".join(
        b"\0" + bytes([len(name)]) + name.encode() + bytes([len(text)]) + text.encode()
        for name, text in fields.items()
    )


@contextmanager
def connected(server: Running) -> Iterator[socket.socket]:
    with dialled(server) as connection:
        yield connection


def dialled(server: Running) -> socket.socket:
    host, _, port = server.address.rpartition(":")
    return socket.create_connection((host, int(port)), GIVE_UP_SECONDS)


def until_read(connection: socket.socket) -> None:
    """Wait until the server has read all frames so far: until it answers a ping."""
    connection.sendall(frame(PING, 0, 0, b"read all"))
    with connection.makefile("rb") as answers:
        while header := answers.read(9):
            payload = answers.read(int.from_bytes(header[:3], "big"))
            if header[3] == PING and header[4] & ACK:
                assert payload == b"read all"
                return
    raise ConnectionError("the server hung up")


def hung_up(connection: socket.socket) -> bool:
    """Read until the server hangs up; False if it does not."""
    try:
        while connection.recv(4_096):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


@pytest.fixture
def hasty(start: Start) -> Running:
    """A server that allows little time for a handshake."""
    server = start(handshake_seconds=HANDSHAKE_SECONDS)
    load(server, SEED)
    return server


def test_hundreds_of_silent_connections_harm_no_call(start: Start) -> None:
    # They stay while the test lasts.
    server = start(handshake_seconds=10 * GIVE_UP_SECONDS)
    load(server, SEED)
    silent = [dialled(server) for _ in range(400)]

    unharmed(server)
    for each in silent:
        each.close()


def test_hundreds_of_silent_connections_are_hung_up_on(hasty: Running) -> None:
    silent = [dialled(hasty) for _ in range(400)]

    assert all(map(hung_up, silent))
    unharmed(hasty)
    for each in silent:
        each.close()


def test_a_preface_byte_by_byte_is_hung_up_on(hasty: Running) -> None:
    """Slowloris: each byte comes in time, the whole preface does not."""
    with connected(hasty) as slow:
        sent = 0
        with contextlib.suppress(ConnectionError):
            for byte in PREFACE:
                slow.sendall(bytes([byte]))
                sent += 1
                time.sleep(HANDSHAKE_SECONDS / 2)

        assert sent < len(PREFACE)
    unharmed(hasty)


@pytest.mark.parametrize(
    "greeting",
    [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"\0" * 4_096],
    ids=["http1", "tls", "zeros"],
)
def test_another_protocol_is_hung_up_on(hasty: Running, greeting: bytes) -> None:
    with connected(hasty) as stranger:
        stranger.sendall(greeting)

        assert hung_up(stranger)
    unharmed(hasty)


def test_calls_that_never_arrive_take_no_place(start: Start) -> None:
    """Slowloris again: the headers of many calls, and of none its request."""
    server = start(max_concurrent_rpcs=2)
    load(server, SEED)
    fields = headers("/router.v1.RoutingService/RouteOrder")
    with connected(server) as slow:
        slow.sendall(PREFACE + frame(SETTINGS, 0, 0))
        for n in range(MAX_STREAMS - 1):
            slow.sendall(frame(HEADERS, END_HEADERS, 2 * n + 1, fields))
        until_read(slow)

        unharmed(server)


def test_a_flood_of_streams_does_not_reach_the_others(hasty: Running) -> None:
    """More streams than one connection may have: only that connection suffers."""
    fields = headers("/router.v1.RoutingService/RouteOrder")
    with connected(hasty) as flood:
        try:
            flood.sendall(PREFACE + frame(SETTINGS, 0, 0))
            for n in range(20 * MAX_STREAMS):
                flood.sendall(frame(HEADERS, END_HEADERS, 2 * n + 1, fields))
            until_read(flood)
        except ConnectionError:
            pass  # The server hung up, which it may.
        unharmed(hasty)


@pytest.mark.parametrize("size", [1_000, METADATA_BYTES - 2_000])
def test_metadata_below_the_limit_is_taken(hasty: Running, size: int) -> None:
    for _ in range(10):
        hasty.routing.RouteOrder(
            request(order("o", hat=1), validate_only=True),
            metadata=(("x-much", "m" * size),),
            timeout=CALL_SECONDS,
        )


def test_metadata_above_the_limit_is_refused_or_not(hasty: Running) -> None:
    """Between its two limits gRPC refuses at random; above the second, always."""
    wanted = request(order("o", hat=1), validate_only=True)
    codes = []
    for size in 10 * [METADATA_BYTES * 3 // 2] + 10 * [METADATA_BYTES * 2]:
        call = hasty.routing.RouteOrder.future(
            wanted, metadata=(("x-much", "m" * size),), timeout=CALL_SECONDS
        )
        codes.append(call.code())

    assert set(codes[10:]) == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert set(codes) <= {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
    unharmed(hasty)


def test_a_thousand_small_fields_are_too_many(hasty: Running) -> None:
    call = hasty.routing.RouteOrder.future(
        request(order("o", hat=1)),
        metadata=tuple((f"x-{n}", "m") for n in range(1_000)),
        timeout=CALL_SECONDS,
    )

    assert call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    unharmed(hasty)


def test_every_limit_of_the_wire_is_set() -> None:
    """gRPC's own are none at all for half of these."""
    options = dict(channel_options(5.0))

    assert len(options) == len(channel_options(5.0))
    assert options["grpc.server_handshake_timeout_ms"] == 5_000
    assert all(
        f"grpc.{name}" in options
        for name in (
            "max_receive_message_length",
            "max_metadata_size",
            "absolute_max_metadata_size",
            "max_concurrent_streams",
            "max_connection_idle_ms",
            "max_connection_age_ms",
            "max_connection_age_grace_ms",
        )
    )


def test_a_deadline_of_a_hundred_years(hasty: Running) -> None:
    plan = hasty.routing.RouteOrder(
        request(order("o", hat=1), validate_only=True), timeout=100 * 365 * 86_400
    )

    assert plan.plan.order_id == "o"


def test_clients_that_cancel_harm_no_call(hasty: Running) -> None:
    wanted = request(order("o", hat=1), validate_only=True)
    for _ in range(50):
        hasty.routing.RouteOrder.future(wanted, timeout=CALL_SECONDS).cancel()

    unharmed(hasty)
