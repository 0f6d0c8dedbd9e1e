"""Prices orders on the workers of a Ray cluster; all else stays where it is called.

What is spread, what is not, and why, is in docs/decisions/0008-ray.md.
"""

import contextlib
import os
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np

from availability.model import IntArray
from router.optimize.batch.engines.engine import EngineError, joined
from router.optimize.batch.engines.ray_cluster import Cluster, join
from router.optimize.batch.engines.ray_worker import About, Build, Worker
from router.optimize.batch.engines.shards import dealt
from router.optimize.batch.pricing.nodes import EXACT_NODES
from router.optimize.batch.pricing.pricing import Patterns, Pricer
from router.optimize.batch.problem import BatchProblem

START_SECONDS = 60.0
"""Longest wait for the workers to say which build they run."""

ANSWER_SECONDS = 600.0
"""Longest wait for one round of prices, restarts included."""

MAX_WORKERS = 256
"""Most workers of one engine: the driver puts their answers together by itself."""

_KEPT_ARRAYS = 2
"""Arrays that are not put again while they are the same: stock and prices."""


class RayEngine:
    """Workers of a Ray cluster, from ``with`` on to its end.

    The driver, which is the process that enters, must be on a node of the cluster.
    The workers price; the LP, rounding and repair are the driver's, so the answer is
    that of the local engine.

    Parameters
    ----------
    address
        ``host:port`` of a cluster, or ``auto`` for the one on this machine; None:
        one is started for as long as the engine is in use.
    num_cpus
        CPUs to use, a worker on each; None: all of this machine, or all that are
        free at the address.

    Raises
    ------
    EngineError
        On entering: Ray is not installed, no cluster answers, no CPU is free, or a
        node runs another build. In use: a worker died more often than it may, or
        gave no answer in `ANSWER_SECONDS`.
    """

    def __init__(
        self, address: str | None = None, *, num_cpus: int | None = None
    ) -> None:
        if num_cpus is not None and num_cpus < 1:
            raise ValueError(f"num_cpus must be at least 1, got {num_cpus}")
        self._address = address
        self._num_cpus = num_cpus
        self._undo = contextlib.ExitStack()
        self._shards = 0
        self._problems = 0
        self._problem: tuple[BatchProblem, Any] | None = None
        self._arrays: list[tuple[IntArray, Any]] = []
        self.cluster = Cluster("nowhere", started=False)
        self.workers: tuple[Any, ...] = ()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as undo:
            cpus = self._num_cpus or os.cpu_count() or 1
            self.cluster = undo.enter_context(join(self._address, cpus))
            if self._num_cpus is None and not self.cluster.started:
                cpus = self.cluster.free_cpus
            if cpus < 1:
                raise EngineError(f"no CPU is free at {self.cluster.where}")
            count = min(cpus, MAX_WORKERS)
            self.workers = tuple(self.cluster.start(Worker, count))
            undo.callback(self._dismiss)
            mine = Build.here()
            try:
                agreed(self.about(), mine)
            except EngineError as error:
                raise EngineError(
                    f"{error}; {count} CPUs have to be free, and to run what this"
                    f" process runs: {mine}"
                ) from error
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._undo.close()

    def pricer(self, problem: BatchProblem, orders: IntArray) -> "ShardedPricer":
        """Return what prices ``orders``, dealt out to the workers.

        A problem is put into the object store once: it must not change meanwhile.
        """
        if self._problem is None or self._problem[0] is not problem:
            self._problem = problem, self.cluster.put(problem)
            self._problems += 1
        self._shards += 1
        name = self._problems, self._shards
        return ShardedPricer(self, name, self._problem, orders)

    def put(self, array: IntArray) -> Any:
        """Return a reference to an array, that of before if it is the same again."""
        for at, (known, reference) in enumerate(self._arrays):
            if np.array_equal(known, array):
                self._arrays.append(self._arrays.pop(at))
                return reference
        del self._arrays[: 1 - _KEPT_ARRAYS]
        self._arrays.append((array.copy(), self.cluster.put(array)))
        return self._arrays[-1][1]

    def about(self) -> list[About]:
        """Return which process each worker is now."""
        calls = [worker.about.remote() for worker in self.workers]
        return self.cluster.answers(calls, START_SECONDS)

    def _dismiss(self) -> None:
        self.cluster.stop(self.workers)
        self.workers = ()
        self._problem = None
        self._arrays = []


class ShardedPricer:
    """Orders dealt out once, priced as often as wanted; made by `RayEngine.pricer`.

    The problem and each shard's orders are in the object store, stock and prices
    are put there when they change: once for all workers.
    """

    def __init__(
        self,
        engine: RayEngine,
        name: tuple[int, int],
        problem: tuple[BatchProblem, Any],
        orders: IntArray,
    ) -> None:
        self._engine = engine
        self._name = name
        self._none = Pricer(problem[0], orders[:0])
        self._problem = problem[1]
        shards = dealt(problem[0], orders, len(engine.workers))
        # Fewer orders than workers leave some of them idle.
        self._shards = [
            (worker, engine.cluster.put(shard))
            for worker, shard in zip(engine.workers, shards, strict=False)
        ]

    def price(
        self,
        stock: IntArray,
        price: IntArray,
        fixed: IntArray,
        nodes: int = EXACT_NODES,
    ) -> Patterns:
        """Return what `Pricer.price` does, shard after shard.

        Raises
        ------
        EngineError
            See `RayEngine`.
        """
        if not self._shards:
            return self._none.price(stock, price, fixed, nodes)
        given = (self._engine.put(stock), self._engine.put(price), fixed, nodes)
        calls = [
            worker.price.remote(self._name, self._problem, orders, *given)
            for worker, orders in self._shards
        ]
        return joined(self._engine.cluster.answers(calls, ANSWER_SECONDS))


def agreed(workers: Sequence[About], mine: Build) -> None:
    """Refuse workers whose build is another: their answers might be others, too.

    Raises
    ------
    EngineError
        Names every node that differs.
    """
    others = sorted({f"{a.node} runs {a.build}" for a in workers if a.build != mine})
    if others:
        raise EngineError("; ".join(others))
