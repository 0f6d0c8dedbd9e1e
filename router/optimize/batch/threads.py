"""Prices orders in several threads of this process.

Pricing is numpy's work on arrays of a quarter of a million numbers, for which it lets
other threads run. What is Python's between them takes turns, so two threads are less
than twice as fast; but nothing is copied, and nothing has to be started.
"""

from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

from availability.model import IntArray
from router.optimize.batch.engine import joined
from router.optimize.batch.pricing import EXACT_NODES, Patterns, Pricer
from router.optimize.batch.problem import BatchProblem
from router.optimize.batch.shards import dealt

MAX_THREADS = 64
"""Most threads: each has arrays of its own."""


class Threads:
    """An `Engine` of ``count`` threads, from ``with`` on to its end.

    Raises
    ------
    ValueError
        ``count`` is not in 1..`MAX_THREADS`.
    """

    def __init__(self, count: int) -> None:
        if not 1 <= count <= MAX_THREADS:
            raise ValueError(f"count must be 1 to {MAX_THREADS}, got {count}")
        self._count = count
        self._pool = ThreadPoolExecutor(count, "pricing")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def pricer(self, problem: BatchProblem, orders: IntArray) -> "ThreadedPricer":
        """Return what prices ``orders``, dealt out to the threads."""
        shards = dealt(problem, orders, self._count) or [orders]
        return ThreadedPricer(self._pool, [Pricer(problem, each) for each in shards])


class ThreadedPricer:
    """Orders dealt out once, priced as often as wanted."""

    def __init__(self, pool: ThreadPoolExecutor, shards: list[Pricer]) -> None:
        self._pool = pool
        self._shards = shards

    def price(
        self,
        stock: IntArray,
        price: IntArray,
        fixed: IntArray,
        nodes: int = EXACT_NODES,
    ) -> Patterns:
        """Return what `Pricer.price` does, shard after shard."""
        asked = [
            self._pool.submit(each.price, stock, price, fixed, nodes)
            for each in self._shards
        ]
        return joined([each.result() for each in asked])
