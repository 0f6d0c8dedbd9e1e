"""What one process commits, the others hear of: all of it, in whatever order."""

from collections.abc import Iterator
from random import Random

import psycopg
import pytest

from availability.ledger.postgres import change_feed, stock_import
from availability.ledger.stored_ledger import StoredLedger
from availability.model import ImportMode, Zone
from availability.reservations import Place
from tests.availability.ledger.postgres_server import Opener
from tests.availability.ledger.world import (
    Clock,
    available,
    cancel,
    change,
    check_books,
    counted,
    do,
    import_set,
    location,
    queue,
    records,
    reservation,
    ship,
    stocked,
    withdrawal,
    withdrawals,
)


class TestFeed:
    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def pair(self, open_postgres: Opener) -> Iterator[list[StoredLedger]]:
        ledgers = [open_postgres(), open_postgres()]
        stocked(ledgers[0], {("a", "x"): 10, ("b", "x"): 5, ("b", "y"): 1})
        ledgers[1].refresh()
        yield ledgers
        for ledger in ledgers:
            ledger.refresh()
            check_books(ledger)
        assert ledgers[0].queued() == ledgers[1].queued()
        assert dict(ledgers[0].capacity_left()) == dict(ledgers[1].capacity_left())

    def test_reservations(self, pair: list[StoredLedger]) -> None:
        one, other = pair
        version, grid = other.version(), other.grid()

        one.reserve(reservation("1", ("a", "x", 3), ("b", "y", 1)))
        other.reserve(reservation("2", ("b", "x", 1)))
        other.refresh()

        assert other.version() > version
        assert other.grid() is grid
        assert available(other, "x") == {"a": 7, "b": 4}
        assert available(other, "y") == {"a": 0, "b": 0}

    def test_nothing_new_changes_nothing(self, pair: list[StoredLedger]) -> None:
        one, _ = pair
        one.reserve(reservation("1", ("a", "x", 3)))
        version, grid = one.version(), one.grid()

        for _ in range(3):
            one.refresh()

        assert (one.version(), one.grid()) == (version, grid)

    def test_imports_and_locations(self, pair: list[StoredLedger]) -> None:
        one, other = pair
        import_set(one, change("b", "y", 0), change("a", "new", 7), change("b", "0", 0))
        other.refresh()
        assert available(other, "new") == {"a": 7, "b": 0}
        assert available(other, "0") == {"a": 0, "b": 0}

        one.put_locations([location("c", 0), location("b", 3, active=False)])
        import_set(one, change("c", "x", 2))
        other.refresh()

        assert available(other, "x") == {"c": 2, "a": 10, "b": 0}
        assert other.network() == one.network()

    def test_counts_and_what_is_forgotten(
        self, open_postgres: Opener, clock: Clock
    ) -> None:
        one, other = open_postgres(clock), open_postgres(clock)
        units = {("a", "x"): 10, ("b", "x"): 5, ("b", "y"): 0}
        stocked(one, units)
        other.refresh()
        first = int(clock.now)
        assert counted(other) == dict.fromkeys(units, first)
        version, grid = other.version(), other.grid()

        clock.now += 60
        import_set(one, change("a", "x", 10), change("b", "y", 0))  # as they were
        other.refresh()

        now = int(clock.now)
        expected = {("a", "x"): now, ("b", "x"): first, ("b", "y"): now}
        assert counted(other) == expected
        assert other.version() == one.version() == version
        assert other.grid() is grid

        gone = [change("a", "x", 0), change("b", "y", 0)]
        one.import_stock(ImportMode.DELETE, gone)
        other.refresh()

        assert counted(other) == {("b", "x"): first}
        assert available(other, "x") == {"a": 0, "b": 5}
        assert other.version() == one.version() > version

    def test_what_is_not_known_is_deleted_without_news(
        self, open_postgres: Opener, postgres_url: str
    ) -> None:
        one = open_postgres()
        stocked(one, {("a", "x"): 10})
        gone = [change("a", "x", 0), change("a", "never", 0)]
        one.import_stock(ImportMode.DELETE, gone)

        with psycopg.connect(postgres_url) as db:
            before = db.execute("SELECT * FROM news").fetchall()
            db.commit()
            one.import_stock(ImportMode.DELETE, gone)
            assert db.execute("SELECT * FROM news").fetchall() == before
            assert db.execute("SELECT count(*) FROM stock").fetchone() == (1,)

    def test_a_snapshot_that_confirms(
        self, open_postgres: Opener, clock: Clock
    ) -> None:
        one, other = open_postgres(clock), open_postgres(clock)
        stocked(one, {("a", "x"): 10, ("a", "y"): 0, ("b", "x"): 5})
        other.refresh()
        clock.now += 60

        one.import_stock(ImportMode.SNAPSHOT, [change("a", "x", 10)])
        other.refresh()

        now = int(clock.now)
        assert counted(other) == {
            ("a", "x"): now,
            ("a", "y"): now,
            ("b", "x"): now - 60,
        }

    def test_a_dry_run_is_heard_by_nobody(
        self, open_postgres: Opener, clock: Clock, postgres_url: str
    ) -> None:
        one, other = open_postgres(clock), open_postgres(clock)
        stocked(one, {("a", "x"): 10})
        other.refresh()
        before, version = counted(other), other.version()
        clock.now += 60

        for mode in (ImportMode.SET, ImportMode.SNAPSHOT):
            changes = [change("a", "x", 3), change("a", "new", 3)]
            one.import_stock(mode, changes, dry_run=True)
        other.refresh()

        assert (counted(other), other.version()) == (before, version)
        with psycopg.connect(postgres_url) as db:
            assert db.execute("SELECT count(*) FROM stock").fetchone() == (1,)

    def test_what_was_confirmed_is_not_told_for_ever(
        self, open_postgres: Opener, clock: Clock, postgres_url: str
    ) -> None:
        one = open_postgres(clock)
        units = {("a", f"s{n}"): 1 for n in range(3)}
        stocked(one, units)
        confirmed = [change(*at, n) for at, n in units.items()]

        for _ in range(5):
            clock.now += stock_import.CONFIRMED_SECONDS + 1
            import_set(one, *confirmed)

        with psycopg.connect(postgres_url) as db:
            found = db.execute("SELECT confirmed_ms / 1000 FROM news").fetchall()
        assert found == [(int(clock.now),)] * 3

    def test_an_import_for_a_location_another_process_put(
        self, pair: list[StoredLedger]
    ) -> None:
        one, other = pair
        one.put_locations([location("c", 0)])

        assert import_set(other, change("c", "x", 2)).changed_count == 1

    def test_queues_and_capacities(self, pair: list[StoredLedger]) -> None:
        one, other = pair
        one.put_locations([location("a", 1, capacity_orders=5, capacity_units=9)])
        one.reserve(reservation("1", ("a", "x", 3)))
        one.reserve(reservation("2", queued=[queue("web", "x", 4)]))
        other.refresh()

        assert dict(other.queued()) == {("web", "x"): 4}
        assert other.capacity_left() == one.capacity_left()

    def test_what_becomes_of_reservations(self, pair: list[StoredLedger]) -> None:
        one, other = pair
        web = queue("web", "x", 2)
        one.reserve(reservation("1", ("a", "x", 3), ("b", "x", 2), hold=60))
        one.reserve(reservation("2", ("a", "x", 1), queued=[web]))

        do(other, "1", Place())
        do(one, "1", ship(("a", "x", 2)))
        do(other, "1", cancel(("b", "x", 1)))
        do(one, "2", cancel(("a", "x", 1), queued=[queue("web", "x", 1)]))
        other.refresh()

        assert available(other, "x") == {"a": 7, "b": 4}
        assert dict(other.queued()) == {("web", "x"): 1}
        assert other.plan("plan-1") == one.plan("plan-1")

    def test_withdrawals_and_zones(self, pair: list[StoredLedger]) -> None:
        one, other = pair
        away = withdrawal("w", "a", "x", 4)
        one.put_withdrawals([withdrawals("a", "x", away)])
        one.put_locations([location("b", 2, zones=(Zone("p"),))])
        import_set(other, change("b", "y", 3, zone="p"))
        one.refresh()
        assert available(one, "y") == {"a": 0, "b": 4}

        one.put_locations([location("b", 2, zones=(Zone("p", available=False),))])
        import_set(other, change("b", "y", 6, zone="p"))  # it judges by what is so
        other.refresh()

        assert available(other, "x") == {"a": 6, "b": 5}
        assert available(other, "y") == {"a": 0, "b": 1}

    def test_a_transaction_that_began_first_and_ends_last(
        self, pair: list[StoredLedger], postgres_url: str
    ) -> None:
        one, other = pair
        with psycopg.connect(postgres_url) as db:
            db.execute("SELECT pg_current_xact_id()")  # the lowest of all
            one.reserve(reservation("1", ("a", "x", 3)))
            other.refresh()
            db.execute("UPDATE stock SET allocated = 1 WHERE sku = 'y' AND on_hand = 1")
            db.execute(
                "INSERT INTO movement (at_ms, cause, reference, line_id, location_key,"
                " channel_id, sku, zone_id, on_hand, zone_units, allocated, held,"
                " withdrawn, safety_stock, queued) SELECT 0, 'allocated', '', '',"
                " location_key, '', sku, '', 0, 0, 1, 0, 0, 0, 0 FROM stock"
                " WHERE sku = 'y' AND on_hand = 1"
            )
            one.reserve(reservation("2", ("a", "x", 3)))
            other.refresh()
            assert available(other, "x") == {"a": 4, "b": 5}
            assert available(other, "y") == {"a": 0, "b": 1}
            version = other.version()

            db.commit()

        other.refresh()
        assert available(other, "y") == {"a": 0, "b": 0}
        assert other.version() > version

    def test_more_than_a_feed_takes_over(
        self, pair: list[StoredLedger], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one, other = pair
        monkeypatch.setattr(
            change_feed,
            "_NEWS",
            change_feed._NEWS.replace(str(change_feed.FEED_ROWS + 1), "3"),
        )
        monkeypatch.setattr(change_feed, "FEED_ROWS", 2)
        before = other.grid()

        import_set(one, *(change("a", f"s{n}", n) for n in range(5)))
        other.refresh()

        assert other.grid() is not before
        assert len(list(records(other))) == 8

    def test_an_audit_that_repaired(
        self, pair: list[StoredLedger], postgres_url: str
    ) -> None:
        one, other = pair
        with psycopg.connect(postgres_url) as db:
            db.execute("UPDATE stock SET on_hand = on_hand + 1 WHERE sku = 'y'")
        other.reserve(reservation("1", ("b", "y", 1)))  # memory hears of 1 too many
        assert available(other, "y") == {"a": 0, "b": 1}

        assert one.audit(repair=True).drift_count == 1
        other.refresh()

        assert available(other, "y") == {"a": 0, "b": 0}
        assert one.audit().drifts == ()

    def test_random_work_on_both(self, pair: list[StoredLedger]) -> None:
        random = Random(7)
        for n in range(60):
            ledger = random.choice(pair)
            if n % 13 == 0:
                ledger.put_locations([location("a", random.randint(0, 3))])
            elif n % 5 == 0:
                import_set(ledger, change(random.choice("ab"), "x", 10 + n))
            else:
                ledger.reserve_many(
                    [reservation(str(n), (random.choice("ab"), "x", 1))]
                )
            if n % 4 == 0:
                pair[n % 2].refresh()
