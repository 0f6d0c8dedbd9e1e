"""What every scenario has in common: its clients, and its end."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.faults.answers import Verdict, describe
from benchmarks.faults.checker import check
from benchmarks.faults.client import Job
from benchmarks.faults.harness import Server
from benchmarks.faults.world import Basket, Stock

Say = Callable[[str], object]

PLENTY = 1_000_000
"""Units that no scenario comes to the end of."""
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


def conclude(
    database: str,
    stock: Stock,
    jobs: Iterable[Job],
    servers: Sequence[Server],
    say: Say,
    *,
    sold_out: Iterable[str] = (),
) -> Verdict:
    """Stop the servers, judge what is left, and say it."""
    stopped = [each.stop() for each in servers]
    verdict = check(database, stock, [job.file for job in jobs], sold_out=sold_out)
    verdict.claim("a server ended badly", [status for status in stopped if status])
    verdict.claim("a server's log", [x for each in servers for x in each.complaints()])
    for line in describe(verdict):
        say(line)
    return verdict


def serving_again(seconds: Sequence[float], bar: float) -> str:
    """Say how long it took until orders were answered again."""
    ordered = sorted(seconds)
    kept = "kept" if ordered[-1] <= bar else "NOT KEPT"
    return (
        f"serving again after: median {ordered[len(ordered) // 2]:.2f} s, "
        f"worst {ordered[-1]:.2f} s (bar {bar:.0f} s: {kept})"
    )


def kind_of(database: str) -> str:
    """Return the scheme of an address."""
    return database.partition(":")[0]
