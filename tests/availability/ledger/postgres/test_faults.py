"""PostgreSQL when connections die, rows are held and commits are in doubt."""

import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import psycopg
import pytest

from availability.errors import RequestReused, StockConflict, StoreUnavailable
from availability.ledger import one_writer
from availability.ledger.postgres import database
from availability.ledger.postgres.session import SETTINGS
from availability.ledger.protocol import Ledger
from availability.ledger.statements.session import Row
from tests.availability.ledger.postgres_server import Opener, store_of
from tests.availability.ledger.world import (
    allocated,
    available,
    change,
    check_grid,
    import_set,
    record,
    request,
    reservation,
    stocked,
)

KILL = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE application_name = 'repartir' AND datname = current_database()
"""
WAIT_SECONDS = 60.0
"""Longest wait for anything; a busy machine is slow."""
WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE wait_event_type = 'Lock' AND datname = current_database()
"""


def kill_all(url: str) -> int:
    with psycopg.connect(url, autocommit=True) as db:
        row = db.execute(KILL).fetchone()
    assert row is not None
    return int(row[0])


def until_blocked(url: str) -> None:
    """Wait until a session waits for a lock."""
    give_up = time.monotonic() + WAIT_SECONDS
    with psycopg.connect(url, autocommit=True) as db:
        while db.execute(WAITING).fetchone() == (0,):
            assert time.monotonic() < give_up
            time.sleep(0.01)


class TestKilledBackends:
    def test_a_connection_that_died_while_idle(
        self, open_postgres: Opener, postgres_url: str
    ) -> None:
        ledger = open_postgres()
        stocked(ledger, {("a", "x"): 10})
        job = reservation("1", ("a", "x", 1), request=request("r1"))

        assert kill_all(postgres_url) > 0

        # It was used a moment ago and is trusted: this one call may meet it.
        try:
            ledger.reserve(job)
        except StoreUnavailable:
            assert ledger.reserve(job) == job.reply
        assert allocated(ledger) == {("a", "x"): 1}
        check_grid(ledger)

    def test_every_connection_of_a_busy_pool(
        self, open_postgres: Opener, postgres_url: str
    ) -> None:
        ledger = open_postgres()
        stocked(ledger, {("a", "x"): 1_000})

        def run(n: int) -> None:
            job = reservation(str(n), ("a", "x", 1), request=request(str(n)))
            for _ in range(20):
                try:
                    assert ledger.reserve(job) == job.reply
                    assert ledger.plan(f"plan-{n}") == job.reply
                except StoreUnavailable:
                    continue
                return
            raise AssertionError("it never worked again")

        with ThreadPoolExecutor(8) as pool:
            for first in range(0, 150, 50):
                done = [pool.submit(run, n) for n in range(first, first + 50)]
                kill_all(postgres_url)
                for each in done:
                    each.result()
                # The next batch finds no connection of the pool alive.
                assert kill_all(postgres_url) > 0
            list(pool.map(run, range(150, 200)))

        assert allocated(ledger) == {("a", "x"): 200}
        check_grid(ledger)

    def test_a_backend_that_dies_within_a_transaction(
        self, open_postgres: Opener, postgres_url: str
    ) -> None:
        ledger = open_postgres()
        stocked(ledger, {("a", "x"): 10})
        with psycopg.connect(postgres_url) as db, ThreadPoolExecutor(1) as pool:
            db.execute("SELECT FROM stock FOR UPDATE")
            write: Future[object] = pool.submit(
                import_set, ledger, change("a", "x", 3), change("a", "y", 1)
            )
            until_blocked(postgres_url)
            kill_all(postgres_url)
            assert isinstance(write.exception(), StoreUnavailable)

        assert record(ledger, "a", "y") is None  # nothing of it
        assert available(ledger, "x") == {"a": 10}
        assert import_set(ledger, change("a", "x", 3)).changed_count == 1
        check_grid(ledger)


class TestHeldRows:
    def test_a_row_that_somebody_holds_for_too_long(
        self,
        open_postgres: Opener,
        postgres_url: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setitem(SETTINGS, "lock_timeout", "100ms")
        ledger = open_postgres()
        stocked(ledger, {("a", "x"): 10})
        job = reservation("1", ("a", "x", 1), request=request("r1"))

        with psycopg.connect(postgres_url) as db:
            db.execute("SELECT FROM stock FOR UPDATE")
            with pytest.raises(StoreUnavailable, match="lock timeout"):
                ledger.reserve(job)
            assert record(ledger, "a", "x") is not None  # reading goes on

        assert ledger.reserve(job) == job.reply
        check_grid(ledger)

    @pytest.mark.parametrize(
        ("digest", "outcome"), [(b"body", b"first"), (b"another", RequestReused)]
    )
    def test_a_request_that_is_stored_a_moment_earlier(
        self,
        open_postgres: Opener,
        postgres_url: str,
        digest: bytes,
        outcome: bytes | type[Exception],
    ) -> None:
        """It was not there when the group looked, and is when it writes."""
        ledger = open_postgres()
        stocked(ledger, {("a", "x"): 10})
        jobs = [
            reservation("1", ("a", "x", 1), request=request("r1")),
            reservation("2", ("a", "x", 1)),
        ]

        with psycopg.connect(postgres_url) as db, ThreadPoolExecutor(1) as pool:
            db.execute(
                "INSERT INTO request VALUES ('r1', %s, NULL, 'first', 0)", [digest]
            )
            reserving = pool.submit(ledger.reserve_many, jobs)
            until_blocked(postgres_url)
            db.commit()
            first, second = reserving.result()

        assert first == outcome or type(first) is outcome
        assert second == b"reply-2"
        assert allocated(ledger) == {("a", "x"): 1}
        check_grid(ledger)

    def test_writes_that_take_too_long(
        self, open_postgres: Opener, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(one_writer, "WRITER_SECONDS", 0.05)
        ledger = open_postgres()
        stocked(ledger, {("a", "x"): 10})

        with ThreadPoolExecutor(1) as other, store_of(ledger).database.exclusive():
            write = other.submit(ledger.reserve, reservation("1", ("a", "x", 1)))
            assert isinstance(write.exception(), StoreUnavailable)
        assert ledger.reserve(reservation("1", ("a", "x", 1))) == b"reply-1"

    def test_connections_are_bounded(
        self, open_postgres: Opener, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(database, "WAIT_SECONDS", 0.05)
        monkeypatch.setattr(database, "MAX_CONNECTIONS", 1)
        ledger = open_postgres()
        with (
            store_of(ledger).database.session(),
            pytest.raises(StoreUnavailable, match="connection"),
        ):
            ledger.replay(request("r1"))
        assert ledger.replay(request("r1")) is None


class TestDoubt:
    @pytest.mark.parametrize("happened", [True, False])
    def test_a_commit_whose_outcome_is_unknown(
        self, open_postgres: Opener, happened: bool
    ) -> None:
        ledger = open_postgres()
        stocked(ledger, {("a", "x"): 10})
        job = reservation("1", ("a", "x", 4), request=request("r1"))
        fail_once(ledger, happened)

        with pytest.raises(StoreUnavailable, match="gone"):
            ledger.reserve(job)

        assert available(ledger, "x") == {"a": 6 if happened else 10}
        assert ledger.replay(request("r1")) == (job.reply if happened else None)
        check_grid(ledger)
        # The caller repeats, and learns the outcome or makes it so.
        assert ledger.reserve(job) == job.reply
        assert available(ledger, "x") == {"a": 6}
        check_grid(ledger)

    def test_memory_that_can_not_follow_is_read_anew(
        self, open_postgres: Opener, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ledger, other = open_postgres(), open_postgres()
        stocked(ledger, {("a", "x"): 10})

        def fails() -> None:
            raise StoreUnavailable("gone")

        with monkeypatch.context() as patch:
            patch.setattr(store_of(other).memory, "catch_up", fails)
            # The network is new to it, and it can not be read just now.
            assert other.reserve(reservation("1", ("a", "x", 1))) == b"reply-1"

        assert available(other, "x") == {"a": 9}
        check_grid(other)

    def test_a_conflict_shows_the_truth(self, open_postgres: Opener) -> None:
        ledger, other = open_postgres(), open_postgres()
        stocked(ledger, {("a", "x"): 10, ("b", "x"): 1})
        other.refresh()
        ledger.reserve(reservation("1", ("a", "x", 9)))
        assert available(other, "x") == {"a": 10, "b": 1}  # stale

        with pytest.raises(StockConflict):
            other.reserve(reservation("2", ("a", "x", 2)))

        assert available(other, "x") == {"a": 1, "b": 1}


def fail_once(ledger: Ledger, happened: bool) -> None:
    """Let the next reservation fail, after or before it is committed."""
    database = store_of(ledger).database
    once = database.once
    patch = pytest.MonkeyPatch()

    def fails(sql: str, values: Mapping[str, object]) -> list[Row]:
        patch.undo()
        if happened:
            once(sql, values)
        raise StoreUnavailable("the connection is gone")

    patch.setattr(database, "once", fails)
