import logging
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from availability.v1 import stock_service_pb2
from router.cli import app
from router.cli.remote.client import CallFailed, connect
from router.cli.serving.serve import READY
from tests.router.cli.tool import SECONDS, command, environment, run


@contextmanager
def serving(folder: Path, *options: str) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        command("serve", "--listen", "127.0.0.1:0", "--pre-stop", "0s", *options),
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def address(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith(READY)
    return line.removeprefix(READY).partition(",")[0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serves_until_a_signal(tmp_path: Path, number: int) -> None:
    with serving(tmp_path) as process:
        with connect(address(process)) as client:
            request = stock_service_pb2.ListLocationsRequest()
            reply = client.call(client.stock.ListLocations, request)
            assert not reply.locations
        process.send_signal(number)
        _, stderr = process.communicate(timeout=SECONDS)

    assert process.returncode == 0
    assert "Traceback" not in stderr
    assert (tmp_path / "repartir.db").exists()


def test_a_taken_address_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        result = run("serve", "--listen", listen, folder=tmp_path)

    assert result.returncode == 2
    [line] = result.stderr.splitlines()
    assert line.startswith(f"repartir: cannot listen on {listen}: ")
    assert "Address already in use" in line or "address already in use" in line


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            ("--database", "nosql:///x"),
            "repartir: --database nosql:///x: no ledger for",
        ),
        (("--database", "sqlite:///no/x"), "repartir: --database sqlite:///no/x: "),
        (("--listen", "nowhere"), "repartir: cannot listen on nowhere: must be host:"),
        (
            ("--listen", "127.0.0.1:0", "--metrics", "9464"),
            "repartir: cannot listen on 9464: must be host:port or unix:path: choose "
            "another with --metrics",
        ),
        (("--pre-stop", "soon"), "repartir: --pre-stop must be 0s to 60s, like 500ms"),
    ],
)
def test_bad_usage_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    expected: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    # It is for the process, which here is the tests'.
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)

    result = CliRunner().invoke(app, ["serve", *options])

    assert result.exit_code == 2
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    assert line.startswith(expected)


def test_a_database_has_one_server(tmp_path: Path) -> None:
    with serving(tmp_path) as process:
        address(process)
        result = run("serve", "--listen", "127.0.0.1:0", folder=tmp_path)

    assert result.returncode == 2
    [line] = result.stderr.splitlines()
    assert line.startswith("repartir: --database sqlite:///repartir.db: ")


def test_a_call_to_a_stopped_server_is_one_line(tmp_path: Path) -> None:
    with serving(tmp_path) as process, connect(address(process)) as client:
        process.kill()
        process.wait(SECONDS)
        with pytest.raises(CallFailed, match="UNAVAILABLE"):
            client.call(
                client.stock.ListLocations, stock_service_pb2.ListLocationsRequest()
            )


def test_metrics_are_served_and_end_with_the_server(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        where = f"127.0.0.1:{free.getsockname()[1]}"
    with serving(tmp_path, "--metrics", where, "--max-concurrent", "7") as process:
        address(process)
        with urllib.request.urlopen(f"http://{where}/metrics", timeout=SECONDS) as page:
            assert b"repartir_stock_version" in page.read()
        taken = run(
            *("serve", "--listen", "127.0.0.1:0", "--metrics", where),
            *("--database", "sqlite:///other.db"),
            folder=tmp_path,
        )
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=SECONDS)

    assert process.returncode == 0, stderr
    assert '"max_concurrent": 7' in stderr
    assert taken.returncode == 2
    assert taken.stderr.splitlines() == [
        f"repartir: cannot listen on {where}: address already in use: choose another "
        "with --metrics"
    ]


def test_an_address_has_one_purpose(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        where = f"127.0.0.1:{free.getsockname()[1]}"

    result = run("serve", "--listen", where, "--metrics", where, folder=tmp_path)

    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
