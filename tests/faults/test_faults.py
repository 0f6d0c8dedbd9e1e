"""Real servers under faults, with small numbers: nothing oversold, nothing lost.

`python -m benchmarks.faults` runs the same with large ones.
"""

import dataclasses
from pathlib import Path

import pytest

from benchmarks.faults import clock, deadlines, disk, kill, network, oversell
from benchmarks.faults.answers import Verdict
from benchmarks.faults.cluster import Cluster

ACTIONS = 250


def unharmed(verdict: Verdict, acknowledged: int = 1) -> None:
    """Everything was answered, and every answer holds."""
    assert verdict.breaches == []
    assert verdict.undecided == 0
    assert verdict.acknowledged >= acknowledged


class TestSqlite:
    def test_the_last_units_are_sold_once(self, sqlite: str, tmp_path: Path) -> None:
        size = oversell.QUICK
        verdict = oversell.shared(sqlite, tmp_path, size)
        unharmed(verdict, size.clients * size.orders)

    def test_what_is_cancelled_is_sold_again(self, sqlite: str, tmp_path: Path) -> None:
        unharmed(oversell.churned(sqlite, tmp_path, oversell.QUICK))

    def test_kill_nine_of_the_server(self, sqlite: str, tmp_path: Path) -> None:
        verdict = kill.kill_server(sqlite, tmp_path, kill.QUICK)
        unharmed(verdict)
        assert verdict.errors["UNAVAILABLE"] > 0

    def test_a_network_that_breaks(self, sqlite: str, tmp_path: Path) -> None:
        verdict = network.clients_side(sqlite, tmp_path, network.QUICK)
        unharmed(verdict)
        assert verdict.repeated > 0

    def test_a_disk_that_refuses_writes(self, sqlite: str, tmp_path: Path) -> None:
        verdict = disk.too_large(sqlite, tmp_path, disk.QUICK)
        unharmed(verdict)
        assert verdict.errors["UNAVAILABLE STORE_UNAVAILABLE"] > 0

    def test_a_storm_of_deadlines(self, sqlite: str, tmp_path: Path) -> None:
        verdict = deadlines.storm(sqlite, tmp_path, deadlines.QUICK)
        unharmed(verdict)
        assert verdict.repeated > 0

    @pytest.mark.parametrize("sign", [1, -1])
    def test_a_clock_that_steps(self, sqlite: str, tmp_path: Path, sign: int) -> None:
        unharmed(clock.step(sqlite, tmp_path, actions=ACTIONS, sign=sign))


class TestPostgres:
    def test_two_servers_sell_the_last_units_once(
        self, postgres: str, tmp_path: Path
    ) -> None:
        size = dataclasses.replace(oversell.QUICK, servers=2)
        verdict = oversell.hot(postgres, tmp_path, size)
        unharmed(verdict, size.clients * size.orders)

    def test_kill_nine_of_the_server(self, postgres: str, tmp_path: Path) -> None:
        size = dataclasses.replace(kill.QUICK, kills=2)
        unharmed(kill.kill_server(postgres, tmp_path, size))

    def test_kill_nine_of_postgres(
        self, postgres: str, tmp_path: Path, cluster: Cluster
    ) -> None:
        verdict = kill.kill_store(postgres, tmp_path, kill.QUICK, cluster)
        unharmed(verdict)
        assert verdict.errors["UNAVAILABLE STORE_UNAVAILABLE"] > 0

    def test_a_network_that_breaks(self, postgres: str, tmp_path: Path) -> None:
        verdict = network.store_side(postgres, tmp_path, network.QUICK)
        unharmed(verdict)
        assert verdict.errors["UNAVAILABLE STORE_UNAVAILABLE"] > 0

    def test_a_storm_of_deadlines_over_two_servers(
        self, postgres: str, tmp_path: Path
    ) -> None:
        size = dataclasses.replace(deadlines.QUICK, servers=2)
        verdict = deadlines.storm(postgres, tmp_path, size)
        unharmed(verdict)
        assert verdict.repeated > 0

    @pytest.mark.parametrize("sign", [1, -1])
    def test_a_clock_that_steps(self, postgres: str, tmp_path: Path, sign: int) -> None:
        unharmed(clock.step(postgres, tmp_path, actions=ACTIONS, sign=sign))
