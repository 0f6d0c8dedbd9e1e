"""The ledger: durable reservations compared with a bare conditional UPDATE.

    python -m benchmarks.ledger [--database URL] [--orders N]

Two loads, one hot SKU (every order one unit of it) and three lines of 300 SKUs at
20 locations; 1, 16 and 64 threads in flight, and one thread that submits groups
of 64 as the service does. The floor is what one would write first, through the same
driver on the same kind of database: a transaction of one conditional UPDATE a line,
a connection a thread, and nothing remembered: no order, no request, no movement.

After each run what was sold is what the ledger, or the floor's table, says.
"""

import argparse
import contextlib
import random
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from availability.ledger.open import open_ledger
from availability.ledger.protocol import GROUP_LIMIT, Ledger
from availability.model import (
    ImportMode,
    Location,
    LocationId,
    Request,
    Sku,
    StockChange,
)
from availability.reservations import Claim, Reservation
from benchmarks.databases import database

LOCATIONS = 20
SKUS = 300
LINES = 3
ON_HAND = 10**9
THREADS = (1, 16, 64)
REPLY = b"r" * 400
BODY = b"b" * 200

Lines = tuple[tuple[str, str], ...]
"""(location, SKU) of each line of an order; always one unit."""


class Figure(NamedTuple):
    """Orders a second, and what an order took: median and 99th percentile, ms."""

    per_second: float
    p50_ms: float
    p99_ms: float


def hot(count: int, _seed: int) -> list[Lines]:
    """Return orders that all want the same unit."""
    return [(("l00", "s000"),)] * count


def spread(count: int, seed: int) -> list[Lines]:
    """Return orders of three lines over all SKUs and locations."""
    drawn = random.Random(seed)
    return [
        tuple(
            sorted(
                {
                    (f"l{drawn.randrange(LOCATIONS):02}", f"s{sku:03}")
                    for sku in drawn.sample(range(SKUS), LINES)
                }
            )
        )
        for _ in range(count)
    ]


LOADS: dict[str, Callable[[int, int], list[Lines]]] = {
    "one hot SKU": hot,
    "three lines": spread,
}


def reservation(name: str, lines: Lines) -> Reservation:
    """Return an order's reservation as a routed plan makes it."""
    claims = tuple(
        Claim(LocationId(at), Sku(sku), line_id=str(n), quantity=1)
        for n, (at, sku) in enumerate(lines)
    )
    request = Request(name, b"d" * 32)
    return Reservation(f"p{name}", f"o{name}", claims, REPLY, request, body=BODY)


def fill(ledger: Ledger) -> None:
    """Give every location plenty of every SKU."""
    places = [LocationId(f"l{n:02}") for n in range(LOCATIONS)]
    ledger.put_locations([Location(each, n) for n, each in enumerate(places, start=1)])
    ledger.import_stock(
        ImportMode.SET,
        [
            StockChange(at, Sku(f"s{n:03}"), ON_HAND)
            for n in range(SKUS)
            for at in places
        ],
    )


def race(threads: int, jobs: Sequence[Any], do: Callable[[Any], object]) -> Figure:
    """Do all jobs in so many threads at once."""
    took: list[float] = []
    waiting = iter(jobs)
    guard = threading.Lock()
    failed: list[BaseException] = []

    def work() -> None:
        mine: list[float] = []
        try:
            while True:
                with guard:
                    job = next(waiting, None)
                if job is None:
                    break
                began = time.perf_counter()
                do(job)
                mine.append(time.perf_counter() - began)
        except BaseException as error:
            failed.append(error)
        with guard:
            took.extend(mine)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    began = time.perf_counter()
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    seconds = time.perf_counter() - began
    if failed:
        raise failed[0]
    took.sort()
    middle, late = took[len(took) // 2], took[len(took) * 99 // 100]
    return Figure(len(jobs) / seconds, middle * 1_000, late * 1_000)


@dataclass(slots=True)
class Bench:
    """One database; ``sold`` counts the units our ledger should have sold."""

    ledger: Ledger
    orders: int
    sold: int = 0
    run: int = 0

    def _reservations(self, load: str) -> list[Reservation]:
        self.run += 1
        drawn = LOADS[load](self.orders, self.run)
        self.sold += sum(map(len, drawn))
        return [reservation(f"{self.run}-{n}", lines) for n, lines in enumerate(drawn)]

    def ours(self, load: str, threads: int) -> Figure:
        """Reserve one by one in so many threads."""
        return race(threads, self._reservations(load), self.ledger.reserve)

    def grouped(self, load: str) -> Figure:
        """Reserve in groups, in one thread."""
        jobs = self._reservations(load)
        groups = [jobs[n : n + GROUP_LIMIT] for n in range(0, len(jobs), GROUP_LIMIT)]

        def commit(group: list[Reservation]) -> None:
            outcomes = self.ledger.reserve_many(group)
            assert all(isinstance(each, bytes) for each in outcomes), outcomes

        figure = race(1, groups, commit)
        return figure._replace(per_second=figure.per_second * len(jobs) / len(groups))

    def check(self) -> None:
        """Everything was sold, nothing twice, and the books agree."""
        found, page = 0, self.ledger.stock(limit=10_000)
        found = sum(each.allocated for each in page.records)
        assert page.after is None
        assert found == self.sold, (found, self.sold)
        report = self.ledger.audit()
        assert not report.drifts, report.drifts[:3]


def main() -> None:
    """Run everything and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--database", default="sqlite")
    parser.add_argument("--orders", type=int, default=4_000)
    options = parser.parse_args()
    print("| database | load | in flight | ours | p99 | bare UPDATE | p99 | ratio |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for name in options.database.split(","):
            with database(name, Path(folder)) as (url, floor):
                measure(name, url, floor, options.orders)


def measure(name: str, url: str, floor: Callable[[], Any], orders: int) -> None:
    """Print the rows of one database."""
    with contextlib.closing(open_ledger(url)) as ledger:
        fill(ledger)
        bench = Bench(ledger, orders)
        for load in LOADS:
            for threads in THREADS:
                print(
                    _row(
                        name,
                        load,
                        str(threads),
                        bench.ours(load, threads),
                        bare(floor, load, threads, orders),
                    ),
                    flush=True,
                )
            alone = bare(floor, load, 1, orders)
            print(_row(name, load, "1, groups", bench.grouped(load), alone), flush=True)
        bench.check()


def bare(floor: Callable[[], Any], load: str, threads: int, orders: int) -> Figure:
    """Run the floor: a fresh table, then the same orders."""
    table = floor()
    with contextlib.closing(table):
        table.fill(
            [
                (f"s{n:03}", f"l{at:02}", ON_HAND)
                for n in range(SKUS)
                for at in range(LOCATIONS)
            ]
        )
        jobs = LOADS[load](orders, 99)
        figure = race(threads, jobs, table.sell)
        assert table.sold() == sum(map(len, jobs))
    return figure


def _row(name: str, load: str, flight: str, ours: Figure, floor: Figure) -> str:
    return (
        f"| {name} | {load} | {flight} | {ours.per_second:,.0f}/s"
        f" | {ours.p99_ms:.1f} ms | {floor.per_second:,.0f}/s | {floor.p99_ms:.1f} ms"
        f" | {ours.per_second / floor.per_second:.2f} |"
    )


if __name__ == "__main__":
    main()
