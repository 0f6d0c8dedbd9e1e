"""PostgreSQL keeps the contract; and what is its own: openings and refusals."""

import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
import pytest

from availability.errors import StoreTooOld, StoreUnavailable
from availability.ledger.open import open_ledger
from availability.ledger.postgres import database
from availability.ledger.protocol import CapacityLeft, Ledger
from availability.ledger.times import utc_day
from availability.model import LocationId, Zone
from tests.availability.ledger.contract.ledger import LedgerContract
from tests.availability.ledger.contract.locations import FULL
from tests.availability.ledger.postgres_server import Opener, store_of
from tests.availability.ledger.world import (
    change,
    check_grid,
    import_set,
    location,
    records,
    request,
    reservation,
    stocked,
)


class TestPostgresLedger(LedgerContract):
    @pytest.fixture
    def make_ledger(self, open_postgres: Opener) -> Opener:
        return open_postgres

    def tamper(self, ledger: Ledger, sql: str) -> None:
        with store_of(ledger).database.session() as session:
            session.run(sql)

    def capacity_on_disk(self, ledger: Ledger) -> Mapping[LocationId, CapacityLeft]:
        store = store_of(ledger)
        mirror, _ = store.memory.read_mirror()
        return mirror.capacity_left(utc_day(store.seconds()))


class TestStaleStatistics:
    def test_an_audit_ends_though_the_planner_takes_the_tables_for_empty(
        self, open_postgres: Opener
    ) -> None:
        ledger = open_postgres()
        ledger.put_locations([location(f"l{n}", n) for n in range(50)])
        changes = [change(f"l{n}", f"s{k}", 9) for k in range(400) for n in range(50)]
        import_set(ledger, *changes)
        with store_of(ledger).database.session() as session:
            session.run("ANALYZE")
            # As it is left by an ANALYZE while the first import is under way.
            session.run(
                "UPDATE pg_class SET reltuples = 0 "
                "WHERE relname IN ('stock', 'movement')"
            )

        # Record by movement it would be hours.
        assert ledger.audit().stock_count == 20_000
        assert not ledger.audit(repair=True).drifts


class TestReopening:
    def test_everything_is_there_again(self, open_postgres: Opener) -> None:
        ledger = open_postgres()
        ledger.put_locations([FULL, location("b", 1, capacity_orders=3)], request("r"))
        import_set(ledger, change("b", "x", 5, 1), change("Montréal", "x", 9))
        ledger.reserve(reservation("1", ("b", "x", 2), request=request("r1")))
        network, version = ledger.network(), ledger.version()
        before, left = list(records(ledger)), dict(ledger.capacity_left())
        ledger.close()

        ledger = open_postgres()

        assert ledger.network() == network
        assert ledger.version() == version
        assert list(records(ledger)) == before
        assert dict(ledger.capacity_left()) == left
        assert ledger.replay(request("r1")) == ledger.plan("plan-1") == b"reply-1"
        check_grid(ledger)

    def test_the_databases_clock_is_the_default(self, postgres_url: str) -> None:
        with closing(open_ledger(postgres_url)) as ledger:
            stocked(ledger, {("a", "x"): 5})
            ledger.reserve(reservation("1", ("a", "x", 2)))
            moved = ledger.movements()

            with psycopg.connect(postgres_url) as db:
                row = db.execute("SELECT extract(epoch FROM now())::float8").fetchone()
        assert row is not None
        assert all(abs(each.at_seconds - row[0]) < 60 for each in moved)

    def test_ledgers_that_are_opened_at_once_create_once(self, fresh_url: str) -> None:
        with ThreadPoolExecutor(4) as pool:
            ledgers = list(pool.map(open_ledger, [fresh_url] * 4))

        stocked(ledgers[0], {("a", "x"): 5})
        for ledger in ledgers:
            ledger.refresh()
            check_grid(ledger)
            ledger.close()

    def test_a_function_of_another_version_is_replaced(self, fresh_url: str) -> None:
        open_ledger(fresh_url).close()
        with psycopg.connect(fresh_url) as db:
            db.execute("CREATE FUNCTION reserve_group(x int) RETURNS int RETURN x")

        with closing(open_ledger(fresh_url)) as ledger:
            stocked(ledger, {("a", "x"): 5})
            ledger.reserve(reservation("1", ("a", "x", 2)))
        with psycopg.connect(fresh_url) as db:
            found = db.execute(
                "SELECT count(*) FROM pg_proc WHERE proname = 'reserve_group'"
                " AND pronamespace = current_schema()::regnamespace"
            )
            assert found.fetchone() == (1,)

    def test_settings_that_durability_hangs_on(self, open_postgres: Opener) -> None:
        with store_of(open_postgres()).database.session() as session:
            for name, value in (
                ("synchronous_commit", "on"),
                ("transaction_isolation", "read committed"),
                ("lock_timeout", "5s"),
                ("statement_timeout", "30s"),
                ("idle_in_transaction_session_timeout", "10s"),
                ("application_name", "repartir"),
            ):
                assert session.run(f"SHOW {name}") == [(value,)]

    def test_nothing_allocates_beyond_what_is_on_hand(
        self, open_postgres: Opener, postgres_url: str
    ) -> None:
        """Not even SQL written by hand, be there a deficit or not."""
        ledger = open_postgres()
        stocked(ledger, {("a", "x"): 5, ("a", "y"): 5})
        ledger.reserve(reservation("1", ("a", "y", 4)))
        import_set(ledger, change("a", "y", 1))

        for statement in (
            "UPDATE stock SET allocated = 6 WHERE sku = 'x'",
            "UPDATE stock SET allocated = allocated + 1 WHERE sku = 'y'",
            "UPDATE stock SET held = held + 1 WHERE sku = 'y'",
            "UPDATE stock SET on_hand = 9 WHERE sku = 'y'",  # the deficit is gone
            "UPDATE stock SET on_hand = -1",
            "UPDATE stock SET safety_stock = -1",
            "DELETE FROM location",
            "DELETE FROM plan",
        ):
            with (
                psycopg.connect(postgres_url) as db,
                pytest.raises(psycopg.IntegrityError),
            ):
                db.execute(statement)


class TestRefusals:
    def test_without_the_driver(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(database, "_MISSING", "No module named 'psycopg'")

        with pytest.raises(StoreUnavailable, match=r"install repartir\[postgres\]"):
            open_ledger("postgresql://user:secret@host/db")

    def test_the_rest_does_not_need_the_driver(self) -> None:
        code = """
import sys
sys.modules["psycopg"] = sys.modules["psycopg_pool"] = None
from availability.ledger.open import open_ledger
open_ledger(":memory:").close()
try:
    open_ledger("postgresql://user:secret@host/db")
except Exception as error:
    print(type(error).__name__, error)
"""
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.startswith("StoreUnavailable no driver for postgresql://:")
        assert "secret" not in done.stdout

    @pytest.mark.parametrize(
        "url",
        [
            "postgresql://user:secret@localhost:1/db",
            "postgresql://user:secret@localhost:1/db?nonsense=1",
            "postgresql://user:secret@localhost:port/db",
        ],
    )
    def test_a_server_that_is_not_there(self, url: str) -> None:
        with pytest.raises(StoreUnavailable) as caught:
            open_ledger(url)
        assert "secret" not in str(caught.value)

    def test_another_applications_tables(self, fresh_url: str) -> None:
        with psycopg.connect(fresh_url) as db:
            db.execute("CREATE TABLE stock (theirs int)")

        with pytest.raises(StoreTooOld, match="a schema of its own"):
            open_ledger(fresh_url)

    def test_a_newer_programs_tables(self, fresh_url: str) -> None:
        open_ledger(fresh_url).close()
        with psycopg.connect(fresh_url) as db:
            db.execute("UPDATE ledger_schema SET version_num = '0099'")

        with pytest.raises(StoreTooOld, match="version 0099"):
            open_ledger(fresh_url)

    def test_a_search_path_that_leads_nowhere(self, fresh_url: str) -> None:
        with pytest.raises(StoreTooOld, match="no schema"):
            open_ledger(f"{fresh_url}-nowhere")

    @pytest.mark.parametrize("name", ["\ud800", "a\0b"])
    def test_a_name_that_can_not_be_stored(
        self, open_postgres: Opener, name: str
    ) -> None:
        ledger = open_postgres()
        stocked(ledger, {("a", "x"): 5})
        for bad in (
            reservation("1", order=name),
            reservation("1", ("a", name, 1)),
            reservation("1", request=request(name)),
        ):
            with pytest.raises(ValueError, match=r"surrogates|NUL"):
                ledger.reserve(bad)
        for bad_put in (location(name), location("a", zones=(Zone(name),))):
            with pytest.raises(ValueError, match=r"surrogates|NUL"):
                ledger.put_locations([bad_put])
        with pytest.raises(ValueError, match=r"surrogates|NUL"):
            ledger.put_locations([location("b")], request(name))
        assert ledger.reserve(reservation("2", ("a", "x", 1))) == b"reply-2"
        check_grid(ledger)
