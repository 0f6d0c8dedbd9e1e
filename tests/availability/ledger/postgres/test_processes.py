"""Several processes on one database: nothing is sold twice, and all learn of it."""

import contextlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from random import Random

from availability.errors import AvailabilityError, ReservationResolved, StockConflict
from availability.reservations import Cancel, Command, Place, Reservation, Ship
from tests.availability.ledger.postgres_server import Opener
from tests.availability.ledger.sqlite.test_processes import reap
from tests.availability.ledger.world import (
    Clock,
    allocated,
    available,
    change,
    check_books,
    check_grid,
    claimed,
    import_set,
    location,
    ref,
    request,
    reservation,
    stocked,
)

CHILD = """
import sys
from availability.errors import StockConflict
from availability.ledger.open import open_ledger
from tests.availability.ledger.world import reservation

ledger, name = open_ledger(sys.argv[1]), sys.argv[2]
print("ready", flush=True)
sys.stdin.readline()
sold = 0
for n in range(100):
    if n == 1:
        print("begun", flush=True)
        sys.stdin.readline()
    jobs = [reservation(f"{name}-{n}-{k}", ("a", "hot", 1)) for k in range(4)]
    outcomes = ledger.reserve_many(jobs)
    sold += sum(isinstance(each, bytes) for each in outcomes)
    assert all(isinstance(each, bytes | StockConflict) for each in outcomes), outcomes
ledger.close()
print(sold, flush=True)
"""


class TestProcesses:
    def test_one_hot_sku(self, open_postgres: Opener, postgres_url: str) -> None:
        stocked(open_postgres(), {("a", "hot"): 500})
        children = [spawn_child(postgres_url, f"child-{n}") for n in range(3)]
        sold = []
        # The first few of each; then all at once for the rest.
        for child in children:
            go_on(child)
            assert child.stdout is not None
            assert child.stdout.readline() == "begun\n"
        for child in children:
            go_on(child)
        for child in children:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.close()
            sold.append(int(child.stdout.read()))
            reap(child)

        ledger = open_postgres()
        assert sum(sold) == 500
        assert allocated(ledger) == {("a", "hot"): 500}
        assert available(ledger, "hot") == {"a": 0}
        assert all(sold)

    def test_groups_that_would_deadlock(self, open_postgres: Opener) -> None:
        """Each wants many rows in an order of its own; imports do as well."""
        skus = [f"s{n}" for n in range(12)]
        first = open_postgres()
        stocked(first, {(at, sku): 200 for at in "ab" for sku in skus})
        ledgers = [first, open_postgres(), open_postgres()]

        def run(thread: int) -> list[Reservation]:
            random, held = Random(thread), []
            ledger = ledgers[thread % len(ledgers)]
            for n in range(30):
                jobs = [
                    reservation(
                        f"{thread}-{n}-{k}",
                        *(
                            (at, sku, 1)
                            for sku in random.sample(skus, 6)
                            for at in "ba"
                        ),
                    )
                    for k in range(4)
                ]
                outcomes = ledger.reserve_many(jobs)
                for job, outcome in zip(jobs, outcomes, strict=True):
                    assert isinstance(outcome, bytes | StockConflict), outcome
                    if isinstance(outcome, bytes):
                        held.append(job)
                if n % 10 == thread:
                    import_set(
                        ledger,
                        *(change("a", sku, 200) for sku in random.sample(skus, 12)),
                    )
            return held

        with ThreadPoolExecutor(6) as pool:
            held = [job for jobs in pool.map(run, range(6)) for job in jobs]

        assert allocated(first) == claimed(held)
        assert max(allocated(first).values()) <= 200
        for ledger in ledgers:
            ledger.refresh()
            check_grid(ledger)

    def test_commands_beside_groups_and_sweeps(self, open_postgres: Opener) -> None:
        """Whatever the order they come in, the books balance and nothing is lost."""
        clock = Clock()
        ledgers = [open_postgres(clock) for _ in range(2)]
        skus = [f"s{n}" for n in range(4)]
        stocked(ledgers[0], {(at, sku): 500 for at in "ba" for sku in skus})

        def run(thread: int) -> None:
            random = Random(thread)
            ledger = ledgers[thread % 2]
            for n in range(15):
                name = f"{thread}-{n}"
                claims = [(at, sku, 1) for sku in random.sample(skus, 3) for at in "ab"]
                ledger.reserve(
                    reservation(name, *claims, hold=random.choice([None, 1, 60]))
                )
                clock.now += 0.5
                # A hold may have been swept a moment ago.
                with contextlib.suppress(ReservationResolved):
                    if random.random() < 0.5:
                        ledger.change(ref(name), Place())
                    last: Command = Ship() if random.random() < 0.5 else Cancel()
                    ledger.change(ref(name), last)
                if n % 3 == 0:
                    ledger.sweep()

        with ThreadPoolExecutor(6) as pool:
            for each in [pool.submit(run, thread) for thread in range(6)]:
                each.result()

        for ledger in ledgers:
            ledger.refresh()
            check_books(ledger)

    def test_one_request_in_two_processes(self, open_postgres: Opener) -> None:
        ledgers = [open_postgres(), open_postgres()]
        stocked(ledgers[0], {("a", "x"): 50, ("b", "x"): 50})

        def run(n: int) -> bytes | AvailabilityError:
            job = reservation(
                str(n), ("ab"[n % 2], "x", 1), request=request(f"r{n // 4}")
            )
            return ledgers[n % 2].reserve_many([job])[0]

        with ThreadPoolExecutor(8) as pool:
            replies = list(pool.map(run, range(40)))

        assert all(isinstance(each, bytes) for each in replies)
        assert len(set(replies)) == 10
        assert sum(allocated(ledgers[0]).values()) == 10

    def test_one_put_request_in_two_processes(self, open_postgres: Opener) -> None:
        ledgers = [open_postgres(), open_postgres()]
        stocked(ledgers[0], {("a", "x"): 1})
        ledgers[1].refresh()

        def run(n: int) -> bytes:
            put = [location("b", 1), location("a", 1, workload_minutes=1)]
            return ledgers[n % 2].put_locations(put, request(f"r{n // 4}"))

        with ThreadPoolExecutor(8) as pool:
            replies = list(pool.map(run, range(40)))
        assert all(len(set(replies[n : n + 4])) == 1 for n in range(0, 40, 4))
        for ledger in ledgers:
            ledger.refresh()
            check_grid(ledger)


def go_on(child: "subprocess.Popen[str]") -> None:
    assert child.stdin is not None
    child.stdin.write("go\n")
    child.stdin.flush()


def spawn_child(url: str, name: str) -> "subprocess.Popen[str]":
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, url, name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child
