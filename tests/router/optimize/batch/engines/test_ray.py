"""One local Ray of two workers for all tests; it takes seconds to start."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread, Timer

import numpy as np
import pytest

from benchmarks.batch.generator import Size, draw
from router.optimize.batch.engines.engine import EngineError, in_order
from router.optimize.batch.engines.ray_engine import RayEngine, agreed
from router.optimize.batch.engines.ray_worker import About, Build
from router.optimize.batch.pricing.pricing import Pricer
from router.optimize.batch.proof.certificate import verify
from router.optimize.batch.solve import BatchLimits, Progress, solve_batch

LIMITS = BatchLimits(
    wall_seconds=600, rounds=3, iterations=500, neighbourhoods=10, size=30
)
"""The work ends it, not the clock: so two runs can be compared."""

PROBLEM = draw("tight", Size(400, 12, 150), 0)
GONE_SECONDS = 10.0
UNANSWERED_SECONDS = 0.5


def children() -> set[str]:
    tasks = Path("/proc/self/task").iterdir()
    return {pid for task in tasks for pid in (task / "children").read_text().split()}


@pytest.fixture(scope="module")
def engine() -> Iterator[RayEngine]:
    home = Path.home() / ".ray"
    token = home.exists()
    mine, handler = children(), signal.getsignal(signal.SIGTERM)
    # Another process of this run may have a local Ray of its own at the same time.
    with (
        tempfile.TemporaryDirectory(prefix="r") as own,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(tempfile, "tempdir", own)
        with RayEngine(num_cpus=2) as engine:
            yield engine
            workers = [Path(f"/proc/{pid}") for pid in pids(engine)]
        until = time.monotonic() + GONE_SECONDS
        while children() != mine or any(worker.exists() for worker in workers):
            assert time.monotonic() < until, "processes outlive the engine"
            time.sleep(0.1)
        assert list(Path(own).iterdir()) == []
    assert home.exists() is token
    assert signal.getsignal(signal.SIGTERM) is handler


def pids(engine: RayEngine) -> list[int]:
    return [about.pid for about in engine.about()]


# --- The same answer --------------------------------------------------------------


def test_the_answer_is_the_local_engines(engine: RayEngine) -> None:
    local = solve_batch(PROBLEM, LIMITS)
    spread = solve_batch(PROBLEM, LIMITS, engine=engine)
    assert spread.certificate == local.certificate
    assert spread.levels == local.levels
    for here, there in zip(local.plan, spread.plan, strict=True):
        assert np.array_equal(here, there)
    assert verify(PROBLEM, spread.certificate) == spread.levels


def test_a_dead_worker_is_replaced_and_its_shard_priced_again(
    engine: RayEngine,
) -> None:
    killed: list[int] = []

    def tell(step: Progress) -> None:
        if step.phase == "prices" and not killed:
            killed.append(pids(engine)[0])
            # It stands still, so that it dies with the next question unanswered.
            os.kill(killed[0], signal.SIGSTOP)
            Timer(UNANSWERED_SECONDS, os.kill, (killed[0], signal.SIGKILL)).start()

    spread = solve_batch(PROBLEM, LIMITS, tell, engine=engine)
    assert spread.certificate == solve_batch(PROBLEM, LIMITS).certificate
    assert killed[0] not in pids(engine)


def test_stock_that_changes_is_seen(engine: RayEngine) -> None:
    every = np.arange(PROBLEM.orders)
    pricer = engine.pricer(PROBLEM, every)
    price, fixed = np.zeros_like(PROBLEM.stock), np.ones(12, dtype=np.int64)
    stock = PROBLEM.stock.copy()
    before = pricer.price(stock, price, fixed)
    stock[:] = 0
    after = pricer.price(stock, price, fixed)
    assert len(before.line) > len(every)
    assert len(after.line) == 0


def test_no_orders(engine: RayEngine) -> None:
    pricer = engine.pricer(PROBLEM, np.zeros(0, dtype=np.int64))
    price = np.zeros_like(PROBLEM.stock)
    found = pricer.price(PROBLEM.stock, price, np.ones(12, dtype=np.int64))
    assert [len(column) for column in found] == [0] * 6


def test_problems_in_turn(engine: RayEngine) -> None:
    """A worker lets go of what it keeps of one problem when it sees another."""
    other = draw("loose", Size(200, 12, 150), 1)
    price, fixed = np.zeros_like(PROBLEM.stock), np.ones(12, dtype=np.int64)
    for problem in (PROBLEM, other, PROBLEM):
        every = np.arange(problem.orders)
        args = (problem.stock, price, fixed, 5)
        found = engine.pricer(problem, every).price(*args)
        here = Pricer(problem, every).price(*args)
        for mine, theirs in zip(in_order(found), in_order(here), strict=True):
            assert np.array_equal(mine, theirs)


# --- What can go wrong ------------------------------------------------------------


def test_a_fault_of_a_worker_is_told_as_it_is(engine: RayEngine) -> None:
    pricer = engine.pricer(PROBLEM, np.arange(PROBLEM.orders))
    price = np.zeros_like(PROBLEM.stock)
    with pytest.raises(ValueError, match="broadcast"):
        pricer.price(PROBLEM.stock, price, np.ones(11, dtype=np.int64))


def test_a_worker_that_does_not_answer_in_time(engine: RayEngine) -> None:
    asked = [worker.about.remote() for worker in engine.workers]
    with pytest.raises(EngineError, match="no answer in 0 s"):
        engine.cluster.answers(asked, 0.0)


def test_another_driver_joins_and_leaves_the_cluster(engine: RayEngine) -> None:
    """All CPUs are taken, which the other is told; this engine goes on."""
    address = engine.cluster.address
    joining = (
        "from router.optimize.batch.engines.ray_engine import RayEngine\n"
        f"with RayEngine({address!r}): pass"
    )
    run = subprocess.run(
        [sys.executable, "-c", joining], capture_output=True, text=True, timeout=60
    )
    assert f"EngineError: no CPU is free at {address}" in run.stderr
    assert len(pids(engine)) == 2


def test_no_cluster_at_the_address() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        said = f"no Ray cluster at {address} .*ray start --head"
        with pytest.raises(EngineError, match=said), RayEngine(address):
            pass


def test_something_else_at_the_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"

        def answer() -> None:
            line, _ = other.accept()
            with line:
                line.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        Thread(target=answer, daemon=True).start()
        said = f"what listens at {address} is no Ray cluster"
        with pytest.raises(EngineError, match=said), RayEngine(address):
            pass


@pytest.mark.parametrize("address", ["here", "ray://here:10001", "here:port", ":1"])
def test_an_address_that_is_none(address: str) -> None:
    said = f"not host:port of a Ray cluster: {re.escape(address)}"
    with pytest.raises(EngineError, match=said), RayEngine(address):
        pass


def test_without_ray_the_extra_is_named() -> None:
    without = (
        "import sys; sys.modules['ray'] = None\n"
        "from router.optimize.batch.engines.ray_engine import RayEngine\n"
        "RayEngine().__enter__()"
    )
    run = subprocess.run(
        [sys.executable, "-c", without], capture_output=True, text=True, timeout=60
    )
    assert "install repartir[ray]" in run.stderr.splitlines()[-1]


def test_another_build_is_refused() -> None:
    mine = Build.here()
    older = mine._replace(repartir="0.0.1")
    agreed([About("a", 1, mine, 0.5)], mine)
    with pytest.raises(EngineError, match=r"^b runs Python .*0\.0\.1"):
        agreed([About("a", 1, mine, 0.5), About("b", 2, older, 0.5)], mine)


def test_at_least_one_cpu() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        RayEngine(num_cpus=0)
