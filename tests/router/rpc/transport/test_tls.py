"""Who is not to be talked to never reaches a handler."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from router.rpc.transport.tls import BadTls, Tls, read_tls
from tests.certificates import Authority, Pair, encrypt
from tests.router.rpc.calls import CALL_SECONDS, code, refused
from tests.router.rpc.conftest import Start

Dial = Callable[[str], grpc.Channel]
COUNT = "/tests.Counting/Count"


class Counting:
    """A service that counts who reaches it."""

    def __init__(self) -> None:
        self.calls = 0

    def generic_handler(self) -> grpc.GenericRpcHandler:
        handler: Any = grpc.unary_unary_rpc_method_handler(self._count)
        return grpc.method_handlers_generic_handler(
            "tests.Counting", {"Count": handler}
        )

    async def _count(self, _: bytes, _context: object) -> bytes:
        self.calls += 1
        return b"counted"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def ours(folder: Path) -> Authority:
    return Authority(folder, "ours")


@pytest.fixture(scope="module")
def other(folder: Path) -> Authority:
    return Authority(folder, "other")


@pytest.fixture(scope="module")
def served(ours: Authority) -> Pair:
    return ours.sign("127.0.0.1")


def dial(roots: bytes, shown: Pair | None = None) -> Dial:
    pair = (shown.key, shown.certificate) if shown else (None, None)
    credentials = grpc.ssl_channel_credentials(roots, *pair)
    return lambda address: grpc.secure_channel(address, credentials)


def count(channel: grpc.Channel, seconds: float = CALL_SECONDS) -> bytes:
    method: Any = channel.unary_unary(COUNT)
    reply: bytes = method(b"", timeout=seconds)
    return reply


def test_who_trusts_the_server_is_served(
    start: Start, ours: Authority, served: Pair
) -> None:
    counting = Counting()
    server = start(
        handlers=[counting.generic_handler()],
        dial=dial(ours.pem),
        tls=Tls(served.certificate, served.key),
    )

    assert count(server.channel) == b"counted"
    assert counting.calls == 1
    assert server.allocated() == 0


def test_the_right_certificate_is_served(
    start: Start, ours: Authority, served: Pair
) -> None:
    counting = Counting()
    server = start(
        handlers=[counting.generic_handler()],
        dial=dial(ours.pem, ours.sign("client.example")),
        tls=Tls(served.certificate, served.key, ours.pem),
    )

    assert count(server.channel) == b"counted"
    assert server.allocated() == 0


@pytest.mark.parametrize("how", ["none", "another's", "in clear", "of another server"])
def test_all_others_never_reach_a_handler(
    start: Start, ours: Authority, other: Authority, served: Pair, how: str
) -> None:
    dials: dict[str, Dial] = {
        "none": dial(ours.pem),
        "another's": dial(ours.pem, other.sign("client.example")),
        "in clear": grpc.insecure_channel,
        "of another server": dial(other.pem, ours.sign("client.example")),
    }
    counting = Counting()
    server = start(
        handlers=[counting.generic_handler()],
        dial=dials[how],
        tls=Tls(served.certificate, served.key, ours.pem),
    )

    error = refused(server.channel.unary_unary(COUNT), b"")

    assert code(error) is grpc.StatusCode.UNAVAILABLE
    assert counting.calls == 0
    # It was not the server that was in no state to answer.
    with dial(ours.pem, ours.sign("client.example"))(server.address) as channel:
        assert count(channel) == b"counted"


def test_a_name_that_is_not_the_servers(
    start: Start, ours: Authority, served: Pair
) -> None:
    server = start(
        dial=lambda address: dial(ours.pem)(f"localhost:{address.rpartition(':')[2]}"),
        tls=Tls(served.certificate, served.key),
    )

    error = refused(server.channel.unary_unary(COUNT), b"")

    assert code(error) is grpc.StatusCode.UNAVAILABLE


def test_who_begins_a_handshake_and_stops_is_hung_up_on(
    start: Start, ours: Authority, served: Pair
) -> None:
    server = start(
        dial=dial(ours.pem),
        tls=Tls(served.certificate, served.key),
        handshake_seconds=0.5,
    )
    host, _, port = server.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=CALL_SECONDS) as silent:
        silent.sendall(b"\x16\x03\x01\x02\x00\x01")  # the first bytes of a ClientHello

        while silent.recv(4_096):
            pass


def test_files_that_fit_are_read(ours: Authority, served: Pair) -> None:
    tls = read_tls(served.certificate_file, served.key_file, ours.file)

    assert tls == Tls(served.certificate, served.key, ours.pem)
    assert "PRIVATE KEY" not in repr(tls)


def test_each_bad_file_is_said_with_its_option(
    tmp_path: Path, ours: Authority, other: Authority, served: Pair
) -> None:
    words = tmp_path / "words"
    words.write_text("just words\n")
    large = tmp_path / "large"
    large.write_bytes(b"\0" * 2_000_000)
    gone = tmp_path / "gone"
    alien = other.sign("127.0.0.1").key_file
    encrypted = tmp_path / "encrypted"
    encrypted.write_bytes(encrypt(served.key))
    good, key, ca = served.certificate_file, served.key_file, ours.file
    cases: list[tuple[tuple[Path, Path, Path | None], str]] = [
        ((gone, key, ca), f"--tls-certificate {gone}: no such file"),
        ((tmp_path, key, ca), f"--tls-certificate {tmp_path}: is a directory"),
        ((words, key, ca), f"--tls-certificate {words}: holds no certificate in PEM"),
        ((key, key, ca), f"--tls-certificate {key}: holds no certificate in PEM"),
        ((large, key, ca), f"--tls-certificate {large}: has more than"),
        ((good, gone, ca), f"--tls-key {gone}: no such file"),
        ((good, words, ca), f"--tls-key {words}: holds no private key in PEM"),
        ((good, good, ca), f"--tls-key {good}: holds no private key in PEM"),
        ((good, encrypted, ca), f"--tls-key {encrypted}: is encrypted"),
        (
            (good, alien, ca),
            f"--tls-key {alien}: is not the key of --tls-certificate {good}",
        ),
        ((good, key, gone), f"--client-ca {gone}: no such file"),
        ((good, key, words), f"--client-ca {words}: holds no certificate in PEM"),
    ]
    for files, expected in cases:
        with pytest.raises(BadTls) as caught:
            read_tls(*files)
        assert str(caught.value).startswith(expected)
        assert "\n" not in str(caught.value)


def test_words_around_the_pem_are_no_fault(tmp_path: Path, served: Pair) -> None:
    described = tmp_path / "described"
    described.write_bytes("# Montréal\n".encode() + served.certificate)

    assert read_tls(described, served.key_file).client_ca is None
