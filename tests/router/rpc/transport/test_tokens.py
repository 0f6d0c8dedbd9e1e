"""Every method wants its scope, and a file of tokens says all that is wrong."""

import hashlib
import timeit
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from availability.v1 import (
    availability_service_pb2,
    channel_service_pb2,
    stock_service_pb2,
)
from router.rpc.transport.errors import ScopeMissing, TokenMissing, TokenUnknown
from router.rpc.transport.tokens import (
    MAX_FILE_BYTES,
    BadTokens,
    Scope,
    Token,
    Tokens,
    read_tokens,
    stanza,
)
from router.v1 import routing_service_pb2
from tests.router.rpc.calls import CALL_SECONDS, code, metadata, reason, refused, status
from tests.router.rpc.conftest import Running, Start

ROUTING, STOCK = "/router.v1.RoutingService/", "/availability.v1.StockService/"
CHANNEL = "/availability.v1.ChannelService/"
AVAILABILITY = "/availability.v1.AvailabilityService/"

ALLOWED = {
    f"{ROUTING}RouteOrder": {"route", "admin"},
    f"{ROUTING}RouteOrders": {"route", "admin"},
    f"{ROUTING}GetPlan": {"route", "admin"},
    f"{ROUTING}PlaceOrder": {"route", "admin"},
    f"{ROUTING}ExtendHold": {"route", "admin"},
    f"{ROUTING}CancelOrder": {"route", "admin"},
    f"{ROUTING}ShipAssignment": {"route", "admin"},
    f"{ROUTING}RejectAssignment": {"route", "admin"},
    f"{ROUTING}RerouteOrders": {"admin"},
    f"{STOCK}PutLocations": {"stock", "admin"},
    f"{STOCK}ImportStock": {"stock", "admin"},
    f"{STOCK}ListLocations": {"route", "stock", "admin"},
    f"{STOCK}ListStock": {"route", "stock", "admin"},
    f"{STOCK}PutWithdrawals": {"stock", "admin"},
    f"{STOCK}ListWithdrawals": {"route", "stock", "admin"},
    f"{STOCK}ListMovements": {"route", "stock", "admin"},
    f"{CHANNEL}PutSetup": {"stock", "admin"},
    f"{CHANNEL}ListSetup": {"route", "stock", "admin"},
    f"{AVAILABILITY}GetAvailability": {"route", "stock", "admin"},
    f"{AVAILABILITY}BatchGetAvailability": {"route", "stock", "admin"},
    f"{AVAILABILITY}WatchAvailability": {"route", "stock", "admin"},
    f"{AVAILABILITY}ExplainAvailability": {"route", "stock", "admin"},
}
"""Which scopes may call a method; any one of them will do."""


def token(name: str, scopes: Scope) -> Token:
    """A token whose secret is its name."""
    return Token(name, hashlib.sha256(name.encode()).digest(), scopes)


TOKENS = Tokens(
    [
        token("route", Scope.ROUTE),
        token("stock", Scope.STOCK),
        token("admin", Scope.ADMIN),
    ]
)


def bearer(secret: str, scheme: str = "Bearer ") -> tuple[tuple[str, str], ...]:
    return (("authorization", f"{scheme}{secret}"),)


@pytest.fixture
def server(start: Start) -> Running:
    return start(tokens=TOKENS)


def test_every_method_says_what_it_needs() -> None:
    """A new method is missing here until somebody has thought about it."""
    services = (
        (ROUTING, routing_service_pb2.DESCRIPTOR.services_by_name["RoutingService"]),
        (STOCK, stock_service_pb2.DESCRIPTOR.services_by_name["StockService"]),
        (CHANNEL, channel_service_pb2.DESCRIPTOR.services_by_name["ChannelService"]),
        (
            AVAILABILITY,
            availability_service_pb2.DESCRIPTOR.services_by_name["AvailabilityService"],
        ),
    )
    methods = {
        f"{name}{each.name}" for name, service in services for each in service.methods
    }

    assert methods == set(ALLOWED)


def told(server: Running, method: str, secret: str) -> grpc.RpcError | None:
    """Send nothing, so that nobody gets further than the handler."""
    call: Any = server.channel.unary_unary(method)
    try:
        call(b"", metadata=bearer(secret), timeout=CALL_SECONDS)
    except grpc.RpcError as error:
        return error
    return None


@pytest.mark.parametrize("method", ALLOWED)
@pytest.mark.parametrize("scope", ["route", "stock", "admin"])
def test_who_may_call_what(server: Running, method: str, scope: str) -> None:
    error = told(server, method, scope)

    if scope in ALLOWED[method]:
        assert error is None or reason(status(error)) in {
            "INVALID_REQUEST",
            "ORDER_NOT_FOUND",
            "PLAN_NOT_FOUND",
        }
    else:
        assert code(error) is grpc.StatusCode.PERMISSION_DENIED
        assert reason(status(error)) == "SCOPE_MISSING"
        needed = set(metadata(status(error))["scopes"].split(","))
        # Who may do everything is named only where nobody else may.
        assert needed == (ALLOWED[method] - {"admin"} or {"admin"})


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ((), "TOKEN_MISSING"),
        (bearer(""), "TOKEN_UNKNOWN"),
        (bearer("nobody's"), "TOKEN_UNKNOWN"),
        (bearer("route", "Basic "), "TOKEN_MISSING"),
        (bearer("route", ""), "TOKEN_MISSING"),
        (bearer("x" * 4_000), "TOKEN_UNKNOWN"),
        ((("authorization-bin", b"Bearer route"),), "TOKEN_MISSING"),
    ],
)
@pytest.mark.parametrize(
    "method",
    [
        f"{ROUTING}RouteOrder",
        f"{STOCK}ListStock",
        f"{AVAILABILITY}BatchGetAvailability",
        f"{AVAILABILITY}WatchAvailability",
    ],
)
def test_who_is_not_known_gets_nowhere(
    server: Running, method: str, sent: Any, expected: str
) -> None:
    error = refused(server.channel.unary_unary(method), b"\xff", metadata=sent)

    assert code(error) is grpc.StatusCode.UNAUTHENTICATED
    assert reason(status(error)) == expected


def test_the_scheme_may_be_written_in_any_case(server: Running) -> None:
    server.stock.ListStock(
        stock_service_pb2.ListStockRequest(),
        metadata=bearer("route", "bearer "),
        timeout=CALL_SECONDS,
    )


def test_health_is_asked_without_a_token(server: Running) -> None:
    stub: Any = health_pb2_grpc.HealthStub(server.channel)

    reply = stub.Check(health_pb2.HealthCheckRequest(), timeout=CALL_SECONDS)

    assert reply.status == health_pb2.HealthCheckResponse.SERVING


def reflected(server: Running, sent: tuple[tuple[str, str], ...]) -> list[str]:
    """Return the services that reflection lists."""
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(server.channel)
    request = iter([reflection_pb2.ServerReflectionRequest(list_services="*")])
    call = stub.ServerReflectionInfo(request, metadata=sent, timeout=CALL_SECONDS)
    (reply,) = list(call)
    return [each.name for each in reply.list_services_response.service]


@pytest.mark.parametrize("secret", ["route", "admin"])
def test_tokens_turn_reflection_off(server: Running, secret: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        reflected(server, bearer(secret))

    assert code(caught.value) is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    ("sent", "expected", "expected_reason"),
    [
        ((), grpc.StatusCode.UNAUTHENTICATED, "TOKEN_MISSING"),
        (bearer("unknown"), grpc.StatusCode.UNAUTHENTICATED, "TOKEN_UNKNOWN"),
        (bearer("route"), grpc.StatusCode.PERMISSION_DENIED, "SCOPE_MISSING"),
        (bearer("stock"), grpc.StatusCode.PERMISSION_DENIED, "SCOPE_MISSING"),
    ],
)
def test_reflection_refuses_all_but_admins(
    start: Start,
    sent: tuple[tuple[str, str], ...],
    expected: grpc.StatusCode,
    expected_reason: str,
) -> None:
    server = start(tokens=TOKENS, reflection=True)

    with pytest.raises(grpc.RpcError) as caught:
        reflected(server, sent)

    assert code(caught.value) is expected
    assert reason(status(caught.value)) == expected_reason


def test_reflection_answers_an_admin(start: Start) -> None:
    server = start(tokens=TOKENS, reflection=True)

    assert "router.v1.RoutingService" in reflected(server, bearer("admin"))


def test_a_check_is_cheap() -> None:
    sent = (("user-agent", "grpc"), *bearer("route"))

    seconds = min(
        timeit.repeat(lambda: TOKENS.check(sent, Scope.ROUTE), number=1_000, repeat=20)
    )

    # About 1.3 µs here; the bar is for a machine that does other things too.
    assert seconds / 1_000 < 20e-6


def test_a_check_by_itself() -> None:
    TOKENS.check(bearer("stock"), Scope.STOCK | Scope.ROUTE)
    with pytest.raises(TokenMissing):
        TOKENS.check((), Scope.ROUTE)
    with pytest.raises(TokenUnknown):
        TOKENS.check(bearer("Route"), Scope.ROUTE)
    with pytest.raises(ScopeMissing, match="admin"):
        TOKENS.check(bearer("route"), Scope.ADMIN)


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    path.write_text(stanza("a", "s-a", ["route"]) + stanza("b", "s-b", ["admin"]))

    tokens = read_tokens(path)

    tokens.check(bearer("s-a"), Scope.ROUTE)
    with pytest.raises(ScopeMissing):
        tokens.check(bearer("s-a"), Scope.STOCK)
    tokens.check(bearer("s-b"), Scope.STOCK | Scope.ADMIN)


DIGEST = "0" * 64


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("", ["tokens: must be a table"]),
        ("tokens = 1", ["tokens: must be a table"]),
        ("[tokens]", ["tokens: must be a table"]),
        ("[tokens.a\n", ["is not TOML: Expected ']' at the end of a table"]),
        ("[tokens]\na = 1", ["tokens.a: must be a table with sha256 and scopes"]),
        (
            "[tokens.a]",
            ["tokens.a.sha256: must be 64 hex", "tokens.a.scopes: must be a list"],
        ),
        (
            f'[tokens.a]\nsha256 = "{DIGEST}"\nscopes = ["route", "root", 7]\nx = 1\n'
            f'[tokens."b c"]\nsha256 = "{DIGEST}"\nscopes = ["stock"]\n[other]\n',
            [
                "other: no such table",
                "tokens.a.x: no such key",
                "tokens.a.scopes[1]: must be one of route, stock, admin",
                "tokens.a.scopes[2]: must be one of",
                "tokens.b c: the name must be",
                "tokens.b c.sha256: is that of tokens.a",
            ],
        ),
        (
            f'[tokens.a]\nsha256 = "{DIGEST.replace("0", "A")}"\nscopes = []',
            ["tokens.a.sha256: must be 64 hex", "tokens.a.scopes: must be a list"],
        ),
        ("x = " + "[" * 100_000, ["is not TOML"]),
        ("é".encode("latin-1"), ["is not TOML"]),
        ("#" * (MAX_FILE_BYTES + 1), ["has more than 1,048,576 bytes"]),
    ],
)
def test_every_fault_is_listed_with_its_place(
    tmp_path: Path, text: str | bytes, faults: list[str]
) -> None:
    path = tmp_path / "tokens.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())

    with pytest.raises(BadTokens) as caught:
        read_tokens(path)

    lines = caught.value.lines
    assert len(lines) == len(faults), lines
    for line, start in zip(lines, faults, strict=True):
        assert line.startswith(f"{path}: {start}")


def test_a_fault_does_not_repeat_what_may_be_a_secret(tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    path.write_text('[tokens.a]\nsha256 = "my-secret"\nscopes = ["route"]')

    with pytest.raises(BadTokens) as caught:
        read_tokens(path)

    assert "my-secret" not in str(caught.value)
