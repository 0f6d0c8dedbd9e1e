"""What gRPC itself refuses, closes or slows down: the limits of the wire.

Tried one by one against grpcio 1.85 (tests/router/rpc/test_hostile_wire.py,
test_hostile_connections.py); docs/operations.md has the list for operators.
"""

MAX_RECEIVE_BYTES = 4 * 2**20
"""Largest request, compressed or not: a bomb is stopped while it is unpacked."""
METADATA_BYTES = 8 * 2**10
"""Metadata above this is refused more and more often, above twice this always."""
MAX_STREAMS = 256
"""Most calls in flight on one connection; the rest wait at the client."""
MAX_OPEN_CALLS = 4_096
"""Most calls of all connections that have begun to arrive, beside those being
answered, which have a limit of their own: who sends his bytes slowly or never must
not keep the places of the others."""
HANDSHAKE_SECONDS = 5.0
"""Time until a connection that says nothing, or no TLS, is closed."""
KEEPALIVE_MS = 60_000
"""Silence after which the server asks whether the client is still there."""
KEEPALIVE_TIMEOUT_MS = 20_000
"""Time a client has to answer that."""
MIN_PING_MS = 30_000
"""Clients may ask the same no oftener."""
CONNECTION_IDLE_MS = 10 * 60_000
"""Time without a call after which a connection is closed."""
CONNECTION_AGE_MS = 30 * 60_000
"""Age at which clients are asked to connect again, and so spread over servers."""
CONNECTION_AGE_GRACE_MS = 60_000
"""Time that the calls of such a connection still have."""


def channel_options(
    handshake_seconds: float, reuse_port: bool = False
) -> tuple[tuple[str, int], ...]:
    """Return gRPC's options for a server; see ``ServerOptions``."""
    return (
        ("grpc.max_receive_message_length", MAX_RECEIVE_BYTES),
        ("grpc.max_metadata_size", METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", 2 * METADATA_BYTES),
        ("grpc.max_concurrent_streams", MAX_STREAMS),
        ("grpc.server_handshake_timeout_ms", round(handshake_seconds * 1_000)),
        ("grpc.keepalive_time_ms", KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", MIN_PING_MS),
        ("grpc.max_connection_idle_ms", CONNECTION_IDLE_MS),
        ("grpc.max_connection_age_ms", CONNECTION_AGE_MS),
        ("grpc.max_connection_age_grace_ms", CONNECTION_AGE_GRACE_MS),
        # Two servers on one port each get some of the connections: never by chance.
        ("grpc.so_reuseport", int(reuse_port)),
    )
