"""Settings of every test."""

import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# The same examples on every machine, however long one takes.
settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")


EXHAUSTIVE = (
    "benchmarks/",
    "tests/availability/ledger/postgres/",
    "tests/availability/ledger/sqlite/test_processes.py",
    "tests/availability/ledger/test_stateful_",
    "tests/benchmarks/",
    "tests/compliance/",
    "tests/faults/",
    "tests/router/cli/",
    "tests/router/optimize/batch/",
    "tests/router/optimize/cpsat/",
    "tests/router/optimize/proofs/",
    "tests/router/report/",
    "tests/router/rerouting/",
    "tests/router/rpc/background/test_follow_ups.py",
    "tests/router/rpc/codec/",
    "tests/router/rpc/services/test_rerouting",
    "tests/router/rpc/test_",
    "tests/test_operations.py",
    "tests/test_readme.py",
)
"""Tests that start processes, servers or PostgreSQL, or that try every plan."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Mark the tests that `make check` leaves out."""
    for each in items:
        path = each.path.relative_to(config.rootpath).as_posix()
        if path.startswith(EXHAUSTIVE):
            each.add_marker("exhaustive")


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_is_not_ignored() -> Iterator[None]:
    """Let programs under test receive Ctrl-C, however this run was started.

    A shell starts background jobs with SIGINT ignored, and children inherit that.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, before)
