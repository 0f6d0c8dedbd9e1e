"""Pending orders are re-routed while the world goes on: nobody loses its hold."""

import time
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration

from benchmarks.faults.checkouts import Checkouts, jobs_of
from benchmarks.faults.harness import serving
from benchmarks.faults.holds import check_holds
from benchmarks.faults.pending import World, place
from benchmarks.faults.rerouting import reroute

SMALL = World(orders=80, locations=5, skus=15)
LATE_UNITS = 3
"""What comes to each record once the orders are placed."""
CLIENTS = 16
PACE_SECONDS = 0.15
RUNS = 2
LIMIT = Duration(seconds=1)
"""Least time that a re-routing may be given to solve."""


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue(request.param)
    return url


def test_while_clients_check_out(database: str, tmp_path: Path) -> None:
    with serving(database, tmp_path) as (server,):
        waiting = place(server.address, SMALL, LATE_UNITS)
        jobs = jobs_of(
            CLIENTS, [server.address], SMALL.sku_names, waiting, PACE_SECONDS
        )
        began = time.monotonic()
        with Checkouts(jobs) as clients:
            reports = [
                reroute(server.address, solve_timeout=LIMIT) for _ in range(RUNS)
            ]
            did = clients.did()
        print(
            time.monotonic() - began,
            [
                (
                    r.after.moved_count,
                    r.conflict_count,
                    r.given_up_count,
                    [(p.name, p.elapsed_millis) for p in r.phases],
                )
                for r in reports
            ],
            did.calls,
        )
        assert server.stop() == 0

    found = check_holds(
        database, {each.order_id: each.units for each in waiting} | did.open_units
    )
    print(found)
    assert did.refused == []
    assert found.breaches == []
    assert found.swaps > 0
    assert server.complaints() == []
