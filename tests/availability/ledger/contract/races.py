"""What every ledger promises when many threads reserve at once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from availability.errors import (
    AvailabilityError,
    OrderAlreadyRouted,
    StockConflict,
)
from availability.ledger.protocol import Ledger
from availability.reservations import Reservation
from tests.availability.ledger.world import (
    allocated,
    change,
    check_grid,
    claimed,
    import_set,
    location,
    request,
    reservation,
    stocked,
)

READERS = 6
WAIT_SECONDS = 60.0
"""Longest wait for all threads to begin; a busy machine is slow."""


def race(jobs: list[Reservation], ledger: Ledger) -> list[Reservation]:
    """Reserve all at the same moment; return those that got their units."""
    gate = threading.Barrier(len(jobs))

    def run(job: Reservation) -> Reservation | None:
        gate.wait()
        try:
            assert ledger.reserve(job) == job.reply
        except StockConflict:
            return None
        return job

    with ThreadPoolExecutor(len(jobs)) as pool:
        return [job for job in pool.map(run, jobs) if job is not None]


class RaceContract:
    @pytest.mark.parametrize("stock", [1, 7])
    def test_twenty_threads_and_too_few_units(self, ledger: Ledger, stock: int) -> None:
        """Medusa's first disaster: both confirm, then both take."""
        stocked(ledger, {("a", "x"): stock})

        held = race([reservation(str(n), ("a", "x", 1)) for n in range(20)], ledger)

        assert len(held) == stock
        assert allocated(ledger) == {("a", "x"): stock}
        check_grid(ledger)

    def test_twenty_threads_with_one_request(self, ledger: Ledger) -> None:
        stocked(ledger, {("a", "x"): 20})
        jobs = [
            reservation(str(n), ("a", "x", 1), request=request("r")) for n in range(20)
        ]

        with ThreadPoolExecutor(20) as pool:
            replies = set(pool.map(ledger.reserve, jobs))

        assert len(replies) == 1
        assert allocated(ledger) == {("a", "x"): 1}

    def test_twenty_threads_with_one_order(self, ledger: Ledger) -> None:
        stocked(ledger, {("a", "x"): 20})

        def run(n: int) -> bool:
            try:
                ledger.reserve(reservation(str(n), ("a", "x", 1), order="o"))
            except OrderAlreadyRouted:
                return False
            return True

        with ThreadPoolExecutor(20) as pool:
            assert sum(pool.map(run, range(20))) == 1
        assert allocated(ledger) == {("a", "x"): 1}

    def test_eight_threads_with_random_claims(self, ledger: Ledger) -> None:
        """No deadlock, nothing lost, nothing promised twice, grid in step."""
        places, skus = ["a", "b", "c", "d"], ["u", "v", "w", "x", "y"]
        stocked(ledger, {(at, sku): 40 for at in places for sku in skus})
        pairs = [(at, sku) for at in places for sku in skus]

        def run(thread: int) -> list[Reservation]:
            random = Random(thread)
            held = []
            for n in range(60):
                claims = [
                    (at, sku, random.randint(1, 4))
                    for at, sku in random.sample(pairs, random.randint(1, 6))
                ]
                job = reservation(f"{thread}-{n}", *claims)
                many = random.random() < 0.3
                outcome = ledger.reserve_many([job])[0] if many else take(job)
                if isinstance(outcome, bytes):
                    held.append(job)
                if n % 20 == 0:
                    ledger.put_locations([location("a", 1, workload_minutes=n)])
            return held

        def take(job: Reservation) -> bytes | AvailabilityError:
            try:
                return ledger.reserve(job)
            except StockConflict as error:
                return error

        with ThreadPoolExecutor(8) as pool:
            held = [job for jobs in pool.map(run, range(8)) for job in jobs]

        assert allocated(ledger) == claimed(held)
        assert max(allocated(ledger).values()) <= 40
        check_grid(ledger)

    def test_reads_and_imports_beside_reservations(self, ledger: Ledger) -> None:
        stocked(ledger, {("a", f"s{n}"): 100 for n in range(20)})
        done = threading.Event()
        # All readers have read a page before the first reservation.
        begun = threading.Barrier(1 + READERS, timeout=WAIT_SECONDS)

        def read() -> int:
            pages = 0
            while True:
                versions = [ledger.version(), ledger.stock(limit=5).version]
                assert versions == sorted(versions)
                assert ledger.replay(request("none")) is None
                assert ledger.grid().read([0]).shape == (1, 1)
                if not pages:
                    begun.wait()
                pages += 1
                if done.is_set():
                    return pages

        with ThreadPoolExecutor(12) as pool:
            readers = [pool.submit(read) for _ in range(READERS)]
            try:
                begun.wait()
                for n in range(100):
                    ledger.reserve(reservation(str(n), ("a", f"s{n % 20}", 1)))
                    if n % 10 == 0:
                        import_set(ledger, change("a", "s0", 100 + n))
            finally:
                done.set()
            assert all(reader.result() for reader in readers)
        check_grid(ledger)
