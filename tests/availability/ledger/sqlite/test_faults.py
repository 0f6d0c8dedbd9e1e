"""What a ledger does when the database under it fails."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from pysqlite3 import dbapi2 as driver

from availability.errors import PlanNotFound, StoreUnavailable
from availability.ledger import one_writer
from availability.ledger.sqlite import database
from availability.reservations import Reservation
from tests.availability.ledger.sqlite_file import Opener, check_file, raw, store_of
from tests.availability.ledger.world import (
    Clock,
    allocated,
    available,
    change,
    check_grid,
    counted,
    import_set,
    location,
    record,
    request,
    reservation,
    stocked,
)


class TestFaults:
    """Whatever the database does, an error of ours; and memory equals the file."""

    def test_a_full_disk(self, open_file: Opener, path: Path) -> None:
        ledger = open_file()
        stocked(ledger, {("a", "x"): 100})
        ledger.reserve(reservation("0", ("a", "x", 1)))
        (pages,) = raw(ledger).execute("PRAGMA page_count").fetchone()
        raw(ledger).execute(f"PRAGMA max_page_count = {pages}")
        version = ledger.version()
        large = Reservation("big", "big", (), b"." * 100_000, request("big"))
        many = [change("a", f"s{n}", 1) for n in range(10_000)]

        with pytest.raises(StoreUnavailable, match="full"):
            ledger.reserve(large)
        with pytest.raises(StoreUnavailable, match="full"):
            import_set(ledger, *many)
        with pytest.raises(StoreUnavailable, match="full"):
            ledger.put_locations([location(f"l{n}") for n in range(2_000)])
        # The whole commit fails, whichever of its reservations was too much.
        outcomes = ledger.reserve_many([reservation("1", ("a", "x", 1)), large])
        assert [type(each) for each in outcomes] == [StoreUnavailable] * 2

        assert ledger.version() == version
        assert allocated(ledger) == {("a", "x"): 1}
        assert len(ledger.network().locations) == 1
        assert ledger.replay(request("big")) is None
        with pytest.raises(PlanNotFound):
            ledger.plan("plan-1")
        check_grid(ledger)

        raw(ledger).execute("PRAGMA max_page_count = 1000000")
        assert ledger.reserve(large) == large.reply
        assert ledger.reserve(reservation("1", ("a", "x", 1))) == b"reply-1"
        assert import_set(ledger, *many).changed_count == 10_000
        check_grid(ledger)
        ledger.close()
        check_file(path)

    @pytest.mark.parametrize("happened", [True, False])
    def test_a_confirmed_count_whose_commit_is_unknown(
        self, open_file: Opener, happened: bool
    ) -> None:
        """The version does not tell: it is the same either way."""
        clock = Clock()
        ledger = open_file(clock)
        stocked(ledger, {("a", "x"): 10})
        first = int(clock.now)
        clock.now += 60
        store_of(ledger).database._writer = Faulty(raw(ledger), "COMMIT", happened)

        with pytest.raises(StoreUnavailable):
            import_set(ledger, change("a", "x", 10))

        now = int(clock.now) if happened else first
        assert counted(ledger) == {("a", "x"): now}

    @pytest.mark.parametrize("happened", [True, False])
    def test_a_commit_whose_outcome_is_unknown(
        self, open_file: Opener, path: Path, happened: bool
    ) -> None:
        ledger = open_file()
        stocked(ledger, {("a", "x"): 10})
        job = reservation("1", ("a", "x", 4), request=request("r1"))
        store_of(ledger).database._writer = Faulty(raw(ledger), "COMMIT", happened)

        with pytest.raises(StoreUnavailable, match="disk I/O error"):
            ledger.reserve(job)

        assert available(ledger, "x") == {"a": 6 if happened else 10}
        assert ledger.replay(request("r1")) == (job.reply if happened else None)
        check_grid(ledger)
        # The caller repeats, and learns the outcome or makes it so.
        assert ledger.reserve(job) == job.reply
        assert available(ledger, "x") == {"a": 6}
        check_grid(ledger)
        ledger.close()
        check_file(path)

    @pytest.mark.parametrize("happened", [True, False])
    def test_an_unknown_outcome_of_an_import_and_a_put(
        self, open_file: Opener, happened: bool
    ) -> None:
        ledger = open_file()
        stocked(ledger, {("a", "x"): 10})

        store_of(ledger).database._writer = Faulty(raw(ledger), "COMMIT", happened)
        with pytest.raises(StoreUnavailable):
            import_set(ledger, change("a", "y", 1))
        check_grid(ledger)
        assert (record(ledger, "a", "y") is not None) == happened

        store_of(ledger).database._writer = Faulty(raw(ledger).real, "COMMIT", happened)
        with pytest.raises(StoreUnavailable):
            ledger.put_locations([location("b", 0)])
        assert len(ledger.network().locations) == 1 + happened
        check_grid(ledger)

    def test_a_connection_that_can_not_even_roll_back(self, open_file: Opener) -> None:
        ledger = open_file()
        stocked(ledger, {("a", "x"): 10})
        real = raw(ledger)
        store_of(ledger).database._writer = Faulty(
            real, "UPDATE stock", False, "ROLLBACK"
        )

        with pytest.raises(StoreUnavailable):
            ledger.reserve(reservation("1", ("a", "x", 1)))

        assert raw(ledger) is not real  # a new connection
        assert ledger.reserve(reservation("2", ("a", "x", 1))) == b"reply-2"
        assert allocated(ledger) == {("a", "x"): 1}
        check_grid(ledger)

    def test_another_program_that_holds_the_file(
        self, open_file: Opener, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
        ledger = open_file()
        stocked(ledger, {("a", "x"): 10})

        with closing(driver.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable, match="locked"):
                ledger.reserve(reservation("1", ("a", "x", 1)))
            assert record(ledger, "a", "x") is not None  # reading goes on
            other.execute("ROLLBACK")

        assert ledger.reserve(reservation("1", ("a", "x", 1))) == b"reply-1"
        check_grid(ledger)

    def test_writes_that_take_too_long(
        self, open_file: Opener, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(one_writer, "WRITER_SECONDS", 0.05)
        ledger = open_file()
        stocked(ledger, {("a", "x"): 10})

        with ThreadPoolExecutor(1) as other, store_of(ledger).database.exclusive():
            for write in (
                lambda: ledger.reserve(reservation("1", ("a", "x", 1))),
                lambda: import_set(ledger, change("a", "x", 1)),
            ):
                error = other.submit(write).exception()
                assert isinstance(error, StoreUnavailable)
                assert "other writes" in str(error)

        assert ledger.reserve(reservation("1", ("a", "x", 1))) == b"reply-1"

    def test_readers_are_bounded(
        self, open_file: Opener, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
        ledger = open_file()
        with ExitStack() as stack:
            for _ in range(database.READERS):
                stack.enter_context(store_of(ledger).database.reading())
            with pytest.raises(StoreUnavailable, match="readers are busy"):
                ledger.replay(request("r1"))
        assert ledger.replay(request("r1")) is None

    def test_a_reader_can_not_write(self, open_file: Opener) -> None:
        ledger = open_file()

        with pytest.raises(StoreUnavailable), store_of(ledger).database.reading() as db:
            db.execute("DELETE FROM stock")

    def test_close_while_a_reader_reads(self, open_file: Opener) -> None:
        ledger = open_file()
        with store_of(ledger).database.reading() as db:
            ledger.close()
            assert db.execute("SELECT count(*) FROM plan").fetchone() == (0,)
        with pytest.raises(StoreUnavailable, match="closed"):
            ledger.stock()
        open_file().close()


class Faulty:
    """A connection whose first statement of one kind fails.

    ``happened``: it has run all the same, as when a disk reports an error too late.
    """

    def __init__(self, real: Any, fails: str, happened: bool, then: str = "\0") -> None:
        self.real = real
        self._faults = [fails, then]
        self._happened = happened

    def cursor(self) -> "Faulty":
        return self

    def execute(self, sql: str, parameters: Any = ()) -> Any:
        if self._faults and sql.strip().startswith(self._faults[0]):
            self._faults.pop(0)
            if self._happened:
                self.real.execute(sql, parameters)
            raise driver.OperationalError("disk I/O error")
        return self.real.execute(sql, parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)
