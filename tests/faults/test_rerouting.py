"""Pending orders are re-routed while the world goes on: nobody loses its hold."""

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable
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
from tests.router.rpc.calls import code, metadata, reason, status

SMALL = World(orders=80, locations=5, skus=15)
LARGER = World(orders=150, locations=6, skus=25)
"""Whose changes take long enough to be struck among them."""
LATE_UNITS = 3
"""What comes to each record once the orders are placed."""
CLIENTS = 16
PACE_SECONDS = 0.15
SHORT = Duration(seconds=1)
"""Least time that a re-routing may be given to solve."""
LONG = Duration(seconds=60)
GONE_SECONDS = 30.0
"""Longest wait for a process to end, or for a server to be ready; a busy machine."""
AWAY_SECONDS = 1.0
LOOK_SECONDS = 0.05
SOLVING = "prices"
MOST_LATER_SECONDS = 0.2
"""After a phase has begun: the most until it is struck."""


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue(request.param)
    return url


def unharmed(database: str, waiting: list[Waiting], server: Server) -> Holds:
    """Stop a server; each order has its one plan, and what it was promised."""
    assert server.stop() == 0
    found = check_holds(database, {each.order_id: each.units for each in waiting})
    assert found.breaches == []
    assert found.live == found.orders == len(waiting)
    assert server.complaints() == []
    return found


def until(there: Callable[[], bool]) -> None:
    give_up = time.monotonic() + GONE_SECONDS
    while not there():
        assert time.monotonic() < give_up
        time.sleep(LOOK_SECONDS)


def struck_at(rerouting: Rerouting, phase: str, rng: random.Random) -> bool:
    """Wait for a phase and some time more; False: it came to its end before."""
    went_on = rerouting.until(lambda told: told.phase == phase)
    time.sleep(rng.uniform(0, MOST_LATER_SECONDS))
    return went_on


def repeated(server: Server) -> Rerouting:
    """Re-route once the server is ready for it."""
    give_up = time.monotonic() + GONE_SECONDS
    while True:
        again = Rerouting(server.address, solve_timeout=SHORT)
        try:
            again.end()
        except grpc.RpcError as error:
            again.leave()
            told = status(error)
            assert reason(told) in ("OVERLOADED", "STORE_UNAVAILABLE"), told
            assert time.monotonic() < give_up
            time.sleep(LOOK_SECONDS)
        else:
            return again


def how_it_ended(run: Rerouting) -> str:
    """Hear a re-routing to its end; return what it failed with, empty if it did not."""
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
    assert found.swaps == sum(each.told.applied_count for each in runs) > 0
    assert server.complaints() == []


def test_the_client_goes_away(database: str, tmp_path: Path) -> None:
    rng = random.Random("away")
    with serving(database, tmp_path) as (server,):
        waiting = place(server.address, LARGER, LATE_UNITS)
        for phase in ("reading", SOLVING, "applying"):
            run = Rerouting(server.address, solve_timeout=SHORT)
            struck_at(run, phase, rng)
            run.leave()
            until(lambda: not deciding(server.pid))
        again = repeated(server)
        found = unharmed(database, waiting, server)

    assert found.swaps >= again.told.applied_count
    assert found.swaps > 0


def test_stop_applies_the_best_so_far(sqlite: str, tmp_path: Path) -> None:
    with serving(sqlite, tmp_path) as (server,):
        waiting = place(server.address, SMALL, LATE_UNITS)
        run = Rerouting(server.address, solve_timeout=LONG)
        assert run.until(lambda told: told.phase == "repair")
        run.stop()
        report = run.end()
        found = unharmed(sqlite, waiting, server)

    assert report.stopped
    assert report.after.shipment_count <= report.before.shipment_count
    assert found.swaps == run.told.applied_count


# What a kill leaves is the database's to mend: each has the phase that is harder on it.
@pytest.mark.parametrize(
    ("name", "phase"), [("postgres", SOLVING), ("sqlite", "applying")]
)
def test_kill_nine_of_the_server(
    request: pytest.FixtureRequest, tmp_path: Path, name: str, phase: str
) -> None:
    database: str = request.getfixturevalue(name)
    with serving(database, tmp_path) as (server,):
        waiting = place(server.address, LARGER, LATE_UNITS)
        run = Rerouting(server.address, solve_timeout=SHORT)
        assert struck_at(run, phase, random.Random(phase))
        group = server.pid
        # It alone: nobody is there to end its child.
        server.signal(signal.SIGKILL)
        with contextlib.suppress(grpc.RpcError):  # unless all was applied by then
            run.end()
        run.leave()
        until(lambda: not of_group(group))
        server.kill()
        server.start()
        again = repeated(server)
        found = unharmed(database, waiting, server)

    assert found.swaps >= again.told.applied_count
    assert found.swaps > 0


def test_the_child_is_killed_while_it_solves(sqlite: str, tmp_path: Path) -> None:
    with serving(sqlite, tmp_path) as (server,):
        waiting = place(server.address, SMALL, LATE_UNITS)
        run = Rerouting(server.address, solve_timeout=LONG)
        assert run.until(lambda told: told.phase == SOLVING)
        (child,) = deciding(server.pid)
        os.kill(child, signal.SIGKILL)
        with pytest.raises(grpc.RpcError) as failed:
            run.end()
        run.leave()
        again = repeated(server)
        found = unharmed(sqlite, waiting, server)

    assert code(failed.value) is grpc.StatusCode.ABORTED
    told = status(failed.value)
    assert reason(told) == "REROUTING_ENDED"
    assert metadata(told) == {"how": "signal 9"}
    assert found.swaps == again.told.applied_count > 0


def test_two_servers_re_route_the_same_orders(postgres: str, tmp_path: Path) -> None:
    with serving(postgres, tmp_path, count=2) as (one, two):
        waiting = place(one.address, SMALL, LATE_UNITS)
        runs = [Rerouting(each.address, solve_timeout=SHORT) for each in (one, two)]
        threads = [threading.Thread(target=each.end) for each in runs]
        with psycopg.connect(postgres) as db:
            # So that both have decided before either has changed anything.
            db.execute("SELECT 1 FROM plan FOR UPDATE")
            for run in runs:
                assert run.until(lambda told: told.phase == "applying")
            for each in threads:
                each.start()
        for each in threads:
            each.join()
        assert two.stop() == 0
        assert two.complaints() == []
        found = unharmed(postgres, waiting, one)

    reports = [run.report for run in runs]
    assert all(reports)
    assert found.swaps == sum(run.told.applied_count for run in runs) > 0
    assert sum(each.conflict_count for each in reports if each) > 0


def test_the_store_goes_away(postgres: str, tmp_path: Path, cluster: Cluster) -> None:
    rng = random.Random("store")
    with serving(postgres, tmp_path) as (server,):
        waiting = place(server.address, LARGER, LATE_UNITS)
        for phase in (SOLVING, "applying"):
            run = Rerouting(server.address, solve_timeout=SHORT)
            struck_at(run, phase, rng)
            cluster.stop()
            time.sleep(AWAY_SECONDS)
            cluster.start()
            if run.report is None:
                assert how_it_ended(run) in ("", "STORE_UNAVAILABLE")
        again = repeated(server)
        found = unharmed(postgres, waiting, server)

    assert found.swaps >= again.told.applied_count
    assert found.swaps > 0
