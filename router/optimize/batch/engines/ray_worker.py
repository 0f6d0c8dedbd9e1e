"""What runs on a worker of a cluster: its shards, priced on request.

A worker may die at any time and come back knowing nothing. So each question
carries all that its answer needs, as references into the object store, and what is
kept between questions only saves the sorting of the orders.
"""

import hashlib
import importlib.metadata
import os
import platform
import time
from pathlib import Path
from typing import NamedTuple

from availability.model import IntArray
from router.optimize.batch.pricing.pricing import Patterns, Pricer
from router.optimize.batch.problem import BatchProblem

_KEPT = 256
"""Most shards a worker keeps sorted; the least recently used is dropped."""

_DIGITS = 12


class Build(NamedTuple):
    """What has to be the same on all nodes: versions, and a digest of this folder."""

    python: str
    repartir: str
    code: str

    def __str__(self) -> str:
        return f"Python {self.python}, repartir {self.repartir} (code {self.code})"

    @classmethod
    def here(cls) -> "Build":
        """Return the build that runs in this process."""
        digest = hashlib.sha256()
        for path in sorted(Path(__file__).parents[1].rglob("*.py")):
            digest.update(path.name.encode() + path.read_bytes())
        try:
            version = importlib.metadata.version("repartir")
        except importlib.metadata.PackageNotFoundError:
            version = "not installed"
        python = ".".join(platform.python_version_tuple()[:2])
        return cls(python, version, digest.hexdigest()[:_DIGITS])


class About(NamedTuple):
    """Which process a worker is, what it runs, and the processor's time it has used."""

    node: str
    pid: int
    build: Build
    cpu_seconds: float


class Worker:
    """An actor that prices shards."""

    def __init__(self) -> None:
        self._pricers: dict[tuple[int, int], Pricer] = {}

    def about(self) -> About:
        """Return where this runs, and what."""
        spent = time.process_time()
        return About(platform.node(), os.getpid(), Build.here(), spent)

    def price(
        self,
        shard: tuple[int, int],
        problem: BatchProblem,
        orders: IntArray,
        stock: IntArray,
        price: IntArray,
        fixed: IntArray,
        nodes: int,
    ) -> Patterns:
        """Return what `Pricer.price` does for the orders of a shard.

        A ``shard`` (number of the problem, number of the pricer) is always of the
        same ``problem`` and ``orders``.
        """
        # What is kept of another problem would hold its arrays in the object store.
        if any(of != shard[0] for of, _ in self._pricers):
            self._pricers.clear()
        pricer = self._pricers.pop(shard, None)
        if pricer is None:
            pricer = Pricer(problem, orders)
        self._pricers[shard] = pricer
        while len(self._pricers) > _KEPT:
            del self._pricers[next(iter(self._pricers))]
        return pricer.price(stock, price, fixed, nodes)
