"""`repartir serve --workers N`: one port, several processes, none left behind."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from availability.v1 import (
    location_pb2,
    stock_service_pb2,
    stock_service_pb2_grpc,
)
from router.cli.serving.workers import Supervisor, WorkersFailed
from tests.router.cli.tool import command, environment, run

SECONDS = 60.0
READY = "repartir: serving on "


@contextmanager
def serving(url: str, folder: Path) -> "Iterator[tuple[subprocess.Popen[str], str]]":
    """Two workers, and the address they share."""
    with subprocess.Popen(
        command(
            *("serve", "--workers", "2", "--listen", "127.0.0.1:0"),
            *("--database", url, "--pre-stop", "0s"),
        ),
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            assert child.stdout is not None
            line = child.stdout.readline()
            assert line.startswith(READY)
            assert line.endswith(", 2 workers\n")
            yield child, line.removeprefix(READY).partition(",")[0]
        finally:
            child.kill()


def workers(parent: int) -> list[int]:
    """The processes that a process started."""
    path = Path(f"/proc/{parent}/task/{parent}/children")
    return [int(each) for each in path.read_text().split()]


def alive(pid: int) -> bool:
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        )
    except FileNotFoundError:
        return False


def wait_for(what: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


def put_location(address: str, location_id: str) -> None:
    with grpc.insecure_channel(address) as channel:
        stub = stock_service_pb2_grpc.StockServiceStub(channel)
        place = location_pb2.Location(location_id=location_id)
        stub.PutLocations(
            stock_service_pb2.PutLocationsRequest(locations=[place]),
            timeout=SECONDS,
            wait_for_ready=True,
        )


def locations(address: str) -> list[str]:
    # A connection of its own: the kernel may give it to the other worker.
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(address, options) as channel:
        stub = stock_service_pb2_grpc.StockServiceStub(channel)
        reply = stub.ListLocations(
            stock_service_pb2.ListLocationsRequest(),
            timeout=SECONDS,
            wait_for_ready=True,
        )
    return sorted(each.location_id for each in reply.locations)


def test_they_share_the_stock_and_end_together(
    postgres_url: str, tmp_path: Path
) -> None:
    with serving(postgres_url, tmp_path) as (child, address):
        first = workers(child.pid)
        assert len(first) == 2
        put_location(address, "a")
        for _ in range(8):
            wait_for(lambda: locations(address) == ["a"])
        # One that dies is replaced, and the other serves meanwhile.
        os.kill(first[0], signal.SIGKILL)
        put_location(address, "b")
        wait_for(lambda: len(workers(child.pid)) == 2)
        wait_for(lambda: not set(workers(child.pid)) & {first[0]})
        for _ in range(8):
            wait_for(lambda: locations(address) == ["a", "b"])
        running = workers(child.pid)
        child.send_signal(signal.SIGTERM)
        assert child.wait(SECONDS) == 0
        assert not any(map(alive, running))


def test_workers_do_not_outlive_the_one_that_started_them(
    postgres_url: str, tmp_path: Path
) -> None:
    with serving(postgres_url, tmp_path) as (child, _):
        running = workers(child.pid)
        child.kill()
        child.wait(SECONDS)
        wait_for(lambda: not any(map(alive, running)))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--database", "sqlite:///s.db"], "an SQLite file serves one process"),
        (
            ["--database", "postgresql:///x", "--listen", "unix:socket"],
            "--workers needs host:port: choose another with --listen",
        ),
        (
            ["--database", "postgresql:///x", "--workers", "65"],
            "less than or equal to 64",
        ),
    ],
)
def test_what_can_not_be_shared(
    tmp_path: Path, arguments: list[str], expected: str
) -> None:
    done = run("serve", "--workers", "2", *arguments, folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert expected in done.stderr


def test_a_missing_database(tmp_path: Path) -> None:
    url = "postgresql://me:secret@127.0.0.1:1/nothing"
    done = run("serve", "--workers", "2", "--database", url, folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "did not start" in done.stderr
    # Passwords are for the database alone.
    assert "secret" not in done.stderr
    assert "postgresql://me:***@127.0.0.1:1/nothing" in done.stderr


def test_the_status_is_the_one_it_ends_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Between the end of its output and its own end there is time, on a busy machine.
    worker = tmp_path / "worker"
    worker.write_text("#!/bin/sh\nexec >&-\nsleep 0.5\nexit 3\n")
    worker.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(worker))
    with pytest.raises(WorkersFailed, match="worker 0 did not start") as failed:
        asyncio.run(Supervisor(lambda _: [], 1, "ready").run(lambda: None))
    assert failed.value.status == 3
