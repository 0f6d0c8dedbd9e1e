"""What every scenario has in common: its clients, its probe, and its end."""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.faults.answers import Verdict, describe
from benchmarks.faults.checker import check
from benchmarks.faults.client import PATIENCE_SECONDS, Client, Job
from benchmarks.faults.harness import Server
from benchmarks.faults.world import Basket, Stock

Say = Callable[[str], object]

PLENTY = 1_000_000
"""More units than any scenario orders."""
LOOK_SECONDS = 0.005
SKUS = tuple(f"s{n}" for n in range(5))
MIXED = Basket(SKUS, lines=3, most_units=2)
"""Orders of three lines of one or two units."""


def jobs_of(
    count: int,
    addresses: Sequence[str],
    basket: Basket,
    folder: Path,
    seed: int,
    **more: Any,
) -> list[Job]:
    """Return one job for each client; each begins with another address."""
    return [
        Job(
            name=f"c{n}",
            addresses=(
                *addresses[n % len(addresses) :],
                *addresses[: n % len(addresses)],
            ),
            basket=basket,
            file=folder / f"answers-{n}",
            seed=seed,
            **more,
        )
        for n in range(count)
    ]


class Probe:
    """A client of this process that notices when a server fails and serves again."""

    def __init__(self, job: Job) -> None:
        self._client = Client(job)
        self._pool = ThreadPoolExecutor(1)
        self._placing: Future[None] | None = None

    def fails(self) -> None:
        """Return when an order has met an error; it is repeated until `serves`."""
        errors = self._client.tally
        before = errors.total()

        def place() -> None:
            while errors.total() == before:
                self._client.place()

        self._placing = self._pool.submit(place)
        give_up = time.monotonic() + PATIENCE_SECONDS
        while errors.total() == before and not self._placing.done():
            if time.monotonic() > give_up:
                raise RuntimeError("the server did not fail")
            time.sleep(LOOK_SECONDS)

    def serves(self) -> None:
        """Return when an order is answered: the one that met an error, or a new one."""
        placing, self._placing = self._placing, None
        if placing is None:
            self._client.place()
        else:
            placing.result()

    def close(self) -> None:
        """Record the errors that were met, and close."""
        self._pool.shutdown()
        self._client.close()


def conclude(
    database: str,
    stock: Stock,
    jobs: Iterable[Job],
    servers: Sequence[Server],
    say: Say,
    *,
    sold_out: Iterable[str] = (),
) -> Verdict:
    """Stop the servers, check the ledger, and print the verdict."""
    stopped = [each.stop() for each in servers]
    verdict = check(database, stock, [job.file for job in jobs], sold_out=sold_out)
    verdict.claim("a server ended badly", [status for status in stopped if status])
    verdict.claim("a server's log", [x for each in servers for x in each.complaints()])
    for line in describe(verdict):
        say(line)
    return verdict


def serving_again(seconds: Sequence[float], bar: float) -> str:
    """Return a sentence on how long it took until orders were answered again."""
    ordered = sorted(seconds)
    kept = "kept" if ordered[-1] <= bar else "NOT KEPT"
    return (
        f"serving again after: median {ordered[len(ordered) // 2]:.2f} s, "
        f"worst {ordered[-1]:.2f} s (bar {bar:.0f} s: {kept})"
    )


def kind_of(database: str) -> str:
    """Return the scheme of an address."""
    return database.partition(":")[0]
