"""A server that wants certificates and tokens, and the commands that have them."""

import json
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from router.cli import app
from router.rpc.transport.tokens import SECRET_PREFIX
from tests.certificates import Authority, Pair
from tests.router.cli.serving.test_serve import address, serving
from tests.router.cli.tool import SECONDS, SEED_STOCK, run

LOCATIONS = "location,rank\nMontréal,1\nSherbrooke,2\nLaval,3\n"


@dataclass(frozen=True)
class Secure:
    """A running server, and all that one needs to call it."""

    address: str
    folder: Path
    ca: Authority
    client: Pair
    secrets: Mapping[str, str]


def new_token(name: str, *scopes: str) -> tuple[str, str]:
    """Run `repartir token`; return the secret and the stanza."""
    options = [word for each in scopes for word in ("--scope", each)]
    result = CliRunner().invoke(app, ["token", name, *options])
    assert result.exit_code == 0, result.stderr
    return result.stderr.splitlines()[-1], result.stdout


@contextmanager
def secure(folder: Path) -> Iterator[Secure]:
    ca = Authority(folder, "ours")
    served = ca.sign("127.0.0.1")
    made = {"stocker": new_token("stocker", "stock"), "web": new_token("web", "route")}
    tokens = folder / "tokens.toml"
    tokens.write_text("".join(stanza for _, stanza in made.values()))
    (folder / "stock.csv").write_text(SEED_STOCK)
    (folder / "locations.csv").write_text(LOCATIONS)
    with serving(
        folder,
        *("--tls-certificate", str(served.certificate_file)),
        *("--tls-key", str(served.key_file)),
        *("--client-ca", str(ca.file)),
        *("--tokens", str(tokens)),
    ) as process:
        yield Secure(
            address(process),
            folder,
            ca,
            ca.sign("importer.example"),
            {name: secret for name, (secret, _) in made.items()},
        )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    with secure(tmp_path_factory.mktemp("secure")) as running:
        yield running


def send(server: Secure, *options: str, env: Mapping[str, str] | None = None) -> Result:
    files = [
        *("--locations", str(server.folder / "locations.csv")),
        *("--stock", str(server.folder / "stock.csv"), "--mode", "set"),
    ]
    return CliRunner().invoke(
        app, ["import", "--server", server.address, *files, *options], env=env
    )


def identity(server: Secure) -> list[str]:
    return [
        *("--ca", str(server.ca.file)),
        *("--certificate", str(server.client.certificate_file)),
        *("--key", str(server.client.key_file)),
    ]


def test_with_everything_it_imports(server: Secure) -> None:
    result = send(server, *identity(server), "--token", server.secrets["stocker"])

    assert result.exit_code == 0, result.stderr
    assert "9 records read" in result.stdout


def test_all_of_it_may_come_from_the_environment(server: Secure) -> None:
    result = send(
        server,
        env={
            "REPARTIR_CA": str(server.ca.file),
            "REPARTIR_CERTIFICATE": str(server.client.certificate_file),
            "REPARTIR_KEY": str(server.client.key_file),
            "REPARTIR_TOKEN": server.secrets["stocker"],
        },
    )

    assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("", "UNAUTHENTICATED"),
        ("nobody's", "UNAUTHENTICATED"),
        ("web", "PERMISSION_DENIED"),
    ],
)
def test_a_wrong_token_is_one_line(server: Secure, token: str, code: str) -> None:
    secret = server.secrets.get(token, token)

    result = send(server, *identity(server), *(("--token", secret) if secret else ()))

    assert result.exit_code == 1
    assert result.stderr.startswith(f"repartir: {server.address}: {code}: ")
    assert not secret or secret not in result.stderr


@pytest.mark.parametrize("missing", ["--certificate", "--ca"])
def test_no_certificate_is_no_answer(
    server: Secure, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.cli.remote.client.CONNECT_SECONDS", 1.0)
    options = identity(server)[:2] if missing == "--certificate" else []

    result = send(server, *options)

    assert result.exit_code == 1
    assert result.stderr.startswith("repartir: no server answers ")


def test_failed_handshakes_do_not_fill_the_log(tmp_path: Path) -> None:
    """gRPC's own lines, one for each: any number of them, and no JSON."""
    ca = Authority(tmp_path, "ours")
    served = ca.sign("127.0.0.1")
    with serving(
        tmp_path,
        *("--tls-certificate", str(served.certificate_file)),
        *("--tls-key", str(served.key_file)),
    ) as process:
        host, _, port = address(process).rpartition(":")
        for _ in range(5):
            with socket.create_connection((host, int(port)), 10) as stranger:
                stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
                assert stranger.recv(4_096) is not None
        process.terminate()
        _, stderr = process.communicate(timeout=SECONDS)

    assert [json.loads(line)["event"] for line in stderr.splitlines()] == [
        "serving",
        "draining",
        "stopped",
    ]


def test_bad_access_is_bad_usage(server: Secure) -> None:
    certificate = str(server.client.certificate_file)
    elsewhere = ["--server", "198.51.100.7:1", "--token", "t"]
    for options, expected in (
        (["--certificate", certificate], "--certificate and --key go together"),
        (
            ["--certificate", certificate, "--key", str(server.client.key_file)],
            "--certificate needs --ca",
        ),
        (["--ca", "nowhere.pem"], "--ca nowhere.pem: no such file"),
        (
            [*identity(server)[:4], "--key", str(server.ca.sign("else").key_file)],
            "--key ",
        ),
        (["--token", "né"], "--token must be printable ASCII"),
        (elsewhere, "the token would be sent to 198.51.100.7:1 without TLS"),
    ):
        result = send(server, *options)

        assert result.exit_code == 2, (options, result.stderr)
        [line] = result.stderr.splitlines()
        assert line.startswith(f"repartir: {expected}")


def test_a_token_is_shown_once_and_not_in_the_file() -> None:
    secret, stanza = new_token("till-3", "route", "stock", "route")

    assert secret.startswith(SECRET_PREFIX)
    assert len(secret) > 50
    assert secret not in stanza
    assert re.fullmatch(
        r'\[tokens\.till-3\]\nsha256 = "[0-9a-f]{64}"\nscopes = \["route", "stock"\]'
        r"\n\n",
        stanza,
    )
    assert new_token("till-3", "route")[0] != secret


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("a b", "--scope", "route"), "NAME must be 1 to 64 of A-Z a-z 0-9 _ -"),
        (("a", "--scope", "all"), "--scope must be one of route, stock, admin"),
    ],
)
def test_a_token_that_cannot_be(arguments: tuple[str, ...], expected: str) -> None:
    result = CliRunner().invoke(app, ["token", *arguments])

    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith(f"repartir: {expected}")


def test_serve_names_the_option_that_is_wrong(tmp_path: Path) -> None:
    ca = Authority(tmp_path, "ours")
    good, other = ca.sign("127.0.0.1"), ca.sign("other.example")
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(new_token("a", "admin")[1])
    bad = tmp_path / "bad.toml"
    bad.write_text('[tokens.a]\nsha256 = "secret"\nscopes = ["all"]\n[else]\n')
    certificate = ["--tls-certificate", str(good.certificate_file)]
    for options, expected in (
        (certificate, ["--tls-certificate and --tls-key go together"]),
        (["--client-ca", str(ca.file)], ["--client-ca needs --tls-certificate"]),
        (
            [*certificate, "--tls-key", str(other.key_file)],
            [f"--tls-key {other.key_file}: is not the key of --tls-certificate"],
        ),
        (
            ["--listen", "0.0.0.0:0", "--tokens", str(tokens)],
            ["--tokens without TLS: "],
        ),
        (
            ["--tokens", str(bad)],
            [
                f"--tokens {bad}: else: no such table",
                f"--tokens {bad}: tokens.a.sha256: must be 64 hexadecimal",
                f"--tokens {bad}: tokens.a.scopes[0]: must be one of route, stock, ad",
            ],
        ),
        (["--tokens", "gone"], ["--tokens gone: no such file"]),
    ):
        result = CliRunner().invoke(app, ["serve", *options])

        assert result.exit_code == 2, (options, result.stderr)
        lines = result.stderr.splitlines()
        assert len(lines) == len(expected), lines
        for line, start in zip(lines, expected, strict=True):
            assert line.startswith(f"repartir: {start}")


def test_insecure_tokens_have_to_be_asked_for(tmp_path: Path) -> None:
    """Past that check, it is the database that cannot be."""
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(new_token("a", "admin")[1])
    for options in (
        ("--listen", "0.0.0.0:0", "--insecure-tokens"),
        ("--listen", "localhost:0"),
        ("--listen", "[::1]:0"),
        ("--listen", f"unix:{tmp_path}/socket"),
    ):
        result = run(
            *("serve", "--tokens", str(tokens), "--database", "nosql:///x"),
            *options,
            folder=tmp_path,
        )

        assert result.stderr.startswith("repartir: --database nosql:///x"), options
