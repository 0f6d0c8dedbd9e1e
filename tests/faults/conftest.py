"""Databases to be killed, broken and filled: none is shared with other tests."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.faults.cluster import Cluster, running_cluster

_numbers = itertools.count(1)


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/stock.db"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    # Processes are killed here, not machines.
    with running_cluster(fsync=False) as cluster:
        yield cluster


@pytest.fixture
def postgres(cluster: Cluster) -> str:
    return cluster.database(f"faults{next(_numbers)}")
