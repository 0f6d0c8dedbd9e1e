"""Pending orders are re-routed under load and faults: none loses what it holds."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import psycopg
import pytest
from google.protobuf.duration_pb2 import Duration

from benchmarks.faults.checkouts import Checkouts, jobs_of
from benchmarks.faults.cluster import Cluster
from benchmarks.faults.harness import Server, serving
from benchmarks.faults.holds import Holds, check_holds
from benchmarks.faults.pending import Waiting, World, place
from benchmarks.faults.rerouting import Rerouting, deciding, of_group
from tests.faults.holding import (
    CHANGES,
    GONE_SECONDS,
    LOOK_SECONDS,
    MODULE,
    VARIABLE,
    among_changes,
    held_at,
    until_among,
)
from tests.router.rpc.calls import code, metadata, reason, status

SMALL = World(orders=80, locations=5, skus=15)
LARGER = World(orders=150, locations=6, skus=25)
"""Of which far more orders change than `CHANGES`."""
LATE_UNITS = 3
"""Units added to each record once the orders are placed."""
CLIENTS = 16
PACE_SECONDS = 0.15
SHORT = Duration(seconds=1)
"""Least time that a re-routing may be given to solve."""
LONG = Duration(seconds=60)
AWAY_SECONDS = 1.0
SOLVING = "prices"


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue(request.param)
    return url


@pytest.fixture
def solving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Server]]:
    """Start a server over a database whose solving process `held_at` can hold."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "hold"))
    with ExitStack() as stack:

        def start(database: str) -> Server:
            (server,) = stack.enter_context(serving(database, tmp_path, module=MODULE))
            return server

        yield start


def unharmed(database: str, waiting: list[Waiting], server: Server) -> Holds:
    """Stop a server; each order has its one plan, and what it was promised."""
    assert server.stop() == 0
    found = check_holds(database, {each.order_id: each.units for each in waiting})
    assert found.breaches == []
    assert found.live == found.orders == len(waiting)
    assert server.complaints() == []
    return found


def until(true: Callable[[], bool]) -> None:
    give_up = time.monotonic() + GONE_SECONDS
    while not true():
        assert time.monotonic() < give_up
        time.sleep(LOOK_SECONDS)


def repeated(server: Server) -> Rerouting:
    """Re-route once the server is ready for it."""
    give_up = time.monotonic() + GONE_SECONDS
    while True:
        again = Rerouting(server.address, solve_timeout=SHORT)
        try:
            again.end()
        except grpc.RpcError as error:
            again.leave()
            why = status(error)
            assert reason(why) in ("OVERLOADED", "STORE_UNAVAILABLE"), why
            assert time.monotonic() < give_up
            time.sleep(LOOK_SECONDS)
        else:
            return again


def how_it_ended(run: Rerouting) -> str:
    """Read a re-routing to its end; return the reason of its failure, empty if none."""
    try:
        run.end()
    except grpc.RpcError as error:
        run.leave()
        return reason(status(error))
    return ""


def test_while_clients_check_out(database: str, tmp_path: Path) -> None:
    with serving(database, tmp_path) as (server,):
        waiting = place(server.address, SMALL, LATE_UNITS)
        jobs = jobs_of(
            CLIENTS, [server.address], SMALL.sku_names, waiting, PACE_SECONDS
        )
        with Checkouts(jobs) as clients:
            runs = [repeated(server), repeated(server)]
            did = clients.did()
        assert server.stop() == 0

    before = {each.order_id: each.units for each in waiting}
    found = check_holds(database, before | did.open_units)
    assert did.refused == []
    assert found.breaches == []
    assert found.swaps == sum(each.latest.applied_count for each in runs) > 0
    assert server.complaints() == []


def test_the_client_goes_away(database: str, solving: Callable[[str], Server]) -> None:
    server = solving(database)
    waiting = place(server.address, LARGER, LATE_UNITS)

    def leave(run: Rerouting) -> None:
        run.leave()
        until(lambda: not deciding(server.pid))

    run = Rerouting(server.address, solve_timeout=SHORT)
    assert run.until(lambda step: step.phase == "reading")
    leave(run)
    with held_at(SOLVING):
        run = Rerouting(server.address, solve_timeout=SHORT)
        assert run.until(lambda step: step.phase == SOLVING)
        leave(run)
    with among_changes(database):
        run = Rerouting(server.address, solve_timeout=SHORT)
        until_among(database)
        leave(run)
    again = repeated(server)
    found = unharmed(database, waiting, server)

    assert found.swaps >= again.latest.applied_count + CHANGES
    assert again.latest.applied_count > 0


def test_stop_applies_the_best_so_far(
    sqlite: str, solving: Callable[[str], Server]
) -> None:
    server = solving(sqlite)
    waiting = place(server.address, SMALL, LATE_UNITS)
    # It goes on when it hears of the stop.
    with held_at("repair"):
        run = Rerouting(server.address, solve_timeout=LONG)
        assert run.until(lambda step: step.phase == "repair")
        run.stop()
        report = run.end()
    found = unharmed(sqlite, waiting, server)

    assert report.stopped
    assert report.after.shipment_count <= report.before.shipment_count
    assert found.swaps == run.latest.applied_count


def test_kill_nine_of_the_server_while_it_solves(
    postgres: str, solving: Callable[[str], Server]
) -> None:
    server = solving(postgres)
    waiting = place(server.address, LARGER, LATE_UNITS)
    with held_at(SOLVING):
        run = Rerouting(server.address, solve_timeout=SHORT)
        assert run.until(lambda step: step.phase == SOLVING)
        kill_alone(server, run)
    again = restarted(server)
    found = unharmed(postgres, waiting, server)

    assert found.swaps == again.latest.applied_count > 0


def test_kill_nine_of_the_server_among_its_changes(
    database: str, tmp_path: Path
) -> None:
    with serving(database, tmp_path) as (server,):
        waiting = place(server.address, LARGER, LATE_UNITS)
        with among_changes(database):
            run = Rerouting(server.address, solve_timeout=SHORT)
            until_among(database)
            kill_alone(server, run)
        again = restarted(server)
        found = unharmed(database, waiting, server)

    assert found.swaps == again.latest.applied_count + CHANGES > CHANGES


def kill_alone(server: Server, run: Rerouting) -> None:
    """Kill the server itself: its solving process has to end unasked."""
    group = server.pid
    server.signal(signal.SIGKILL)
    with pytest.raises(grpc.RpcError):
        run.end()
    run.leave()
    until(lambda: not of_group(group))


def restarted(server: Server) -> Rerouting:
    """Start a server that was killed, and re-route what is left."""
    server.kill()
    server.start()
    return repeated(server)


def test_the_child_is_killed_while_it_solves(
    sqlite: str, solving: Callable[[str], Server]
) -> None:
    server = solving(sqlite)
    waiting = place(server.address, SMALL, LATE_UNITS)
    with held_at(SOLVING):
        run = Rerouting(server.address, solve_timeout=LONG)
        assert run.until(lambda step: step.phase == SOLVING)
        (child,) = deciding(server.pid)
        os.kill(child, signal.SIGKILL)
        with pytest.raises(grpc.RpcError) as failed:
            run.end()
        run.leave()
    again = repeated(server)
    found = unharmed(sqlite, waiting, server)

    assert code(failed.value) is grpc.StatusCode.ABORTED
    error = status(failed.value)
    assert reason(error) == "REROUTING_ENDED"
    assert metadata(error) == {"how": "signal 9"}
    assert found.swaps == again.latest.applied_count > 0


def test_two_servers_re_route_the_same_orders(postgres: str, tmp_path: Path) -> None:
    with serving(postgres, tmp_path, count=2) as (one, two):
        waiting = place(one.address, SMALL, LATE_UNITS)
        runs = [Rerouting(each.address, solve_timeout=SHORT) for each in (one, two)]
        threads = [threading.Thread(target=each.end) for each in runs]
        with psycopg.connect(postgres) as db:
            # Both decide before either can change anything.
            db.execute("SELECT 1 FROM plan FOR UPDATE")
            for run in runs:
                assert run.until(lambda step: step.phase == "applying")
            for each in threads:
                each.start()
        for each in threads:
            each.join()
        assert two.stop() == 0
        assert two.complaints() == []
        found = unharmed(postgres, waiting, one)

    reports = [run.report for run in runs]
    assert all(reports)
    assert found.swaps == sum(run.latest.applied_count for run in runs) > 0
    assert sum(each.conflict_count for each in reports if each) > 0


def test_the_store_goes_away(
    postgres: str, cluster: Cluster, solving: Callable[[str], Server]
) -> None:
    server = solving(postgres)
    waiting = place(server.address, LARGER, LATE_UNITS)
    with among_changes(postgres):
        run = Rerouting(server.address, solve_timeout=SHORT)
        until_among(postgres)
        restart(cluster)
    assert how_it_ended(run) in ("", "STORE_UNAVAILABLE")
    with held_at(SOLVING):
        run = Rerouting(server.address, solve_timeout=SHORT)
        run.until(lambda step: step.phase == SOLVING)
        restart(cluster)
    if run.report is None:
        assert how_it_ended(run) in ("", "STORE_UNAVAILABLE")
    again = repeated(server)
    found = unharmed(postgres, waiting, server)

    assert found.swaps >= again.latest.applied_count + CHANGES


def restart(cluster: Cluster) -> None:
    """Let PostgreSQL be away for a while."""
    cluster.stop()
    time.sleep(AWAY_SECONDS)
    cluster.start()
