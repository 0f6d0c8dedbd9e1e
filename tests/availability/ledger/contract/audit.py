"""What every ledger promises of the audit: it names what differs, and repairs it."""

from collections.abc import Callable
from random import Random

import pytest

from availability.errors import AvailabilityError
from availability.ledger.protocol import MAX_DRIFTS, Ledger
from availability.model import ImportMode, Zone
from availability.reservations import (
    Cancel,
    Cause,
    Command,
    Drift,
    Extend,
    Place,
    ReservationState,
    Ship,
)
from tests.availability.ledger.contract.capacity import MIDNIGHT, left
from tests.availability.ledger.world import (
    Clock,
    available,
    balances,
    cancel,
    change,
    check_books,
    do,
    import_set,
    location,
    queue,
    record_of,
    reservation,
    ship,
    swap,
    withdrawal,
    withdrawals,
)

Tamper = Callable[[str], None]
STOCK = "stock a/x"
YESTERDAY = int(MIDNIGHT // 86_400) - 1


class AuditContract:
    @pytest.fixture
    def books(self, ledger: Ledger) -> Ledger:
        """Something of everything that the audit looks at."""
        ledger.put_locations(
            [location("a", capacity_orders=9, capacity_units=99, zones=(Zone("p"),))]
        )
        import_set(ledger, change("a", "x", 20, 1), change("a", "x", 5, zone="p"))
        away = withdrawal("w", "a", "x", 2)
        ledger.put_withdrawals([withdrawals("a", "x", away)])
        ledger.reserve(reservation("1", ("a", "x", 4), queued=[queue("web", "x", 3)]))
        ledger.reserve(reservation("2", ("a", "x", 6), hold=60))
        return ledger

    def test_a_sound_ledger(self, books: Ledger) -> None:
        books.reserve(reservation("3"))  # holds nothing
        report = books.audit()

        assert (report.drifts, report.drift_count) == ((), 0)
        assert (report.stock_count, report.reservation_count) == (1, 2)
        assert report.movement_count == len(books.movements())
        version = books.version()
        assert books.audit(repair=True) == report
        assert books.version() == version

    @pytest.mark.parametrize(
        ("sql", "drift"),
        [
            ("UPDATE stock SET on_hand = 30", Drift(STOCK, "on_hand", 30, 25)),
            ("UPDATE stock SET allocated = 1", Drift(STOCK, "allocated", 1, 4)),
            ("UPDATE stock SET held = 7", Drift(STOCK, "held", 7, 6)),
            (
                "UPDATE stock SET safety_stock = 0",
                Drift(STOCK, "safety_stock", 0, 1),
            ),
            (
                "UPDATE zone_stock SET on_hand = 9",
                Drift("zone a/p/x", "on_hand", 9, 5),
            ),
            ("UPDATE queue SET queued = 0", Drift("queue web/x", "queued", 0, 3)),
            (
                "UPDATE location_load SET orders = 1",
                Drift(f"load a on day {YESTERDAY}", "orders", 1, 2),
            ),
            (
                "UPDATE location_load SET units = 50",
                Drift(f"load a on day {YESTERDAY}", "units", 50, 10),
            ),
            (
                "UPDATE withdrawal SET quantity = 5",
                Drift("withdrawals a/x", "withdrawn", 2, 5),
            ),
            (
                "UPDATE withdrawal SET active = 0",
                Drift("withdrawals a/x", "withdrawn", 2, 0),
            ),
            ("DELETE FROM withdrawal", Drift("withdrawals a/x", "withdrawn", 2, 0)),
        ],
    )
    def test_a_drift_is_named_and_repaired(
        self, books: Ledger, tampering: Tamper, sql: str, drift: Drift
    ) -> None:
        tampering(sql)

        report = books.audit()
        assert report.drifts == (drift,)
        assert report.drift_count == 1
        assert books.audit() == report  # to look changes nothing

        version = books.version()
        repaired = books.audit(repair=True)
        assert repaired.drifts == (drift._replace(repaired=True),)
        assert books.version() > version
        check_books(books)
        assert left(books) == {"a": (7, 89)}

    def test_what_is_withdrawn_without_a_withdrawal(
        self, books: Ledger, tampering: Tamper
    ) -> None:
        tampering("UPDATE stock SET withdrawn = 9")

        assert books.audit().drifts == (
            Drift(STOCK, "withdrawn", 9, 2),
            Drift("withdrawals a/x", "withdrawn", 9, 2),
        )
        # Once the first is right the other is.
        repaired = books.audit(repair=True)
        assert repaired.drifts == (Drift(STOCK, "withdrawn", 9, 2, repaired=True),)
        assert balances(books, "a", "x") == (25, 4, 6, 2)
        check_books(books)

    def test_several_drifts_of_one_record(
        self, books: Ledger, tampering: Tamper
    ) -> None:
        tampering("UPDATE stock SET on_hand = 26, held = 0, allocated = 0")

        found = [(each.balance, each.found) for each in books.audit().drifts]
        assert found == [("on_hand", 26), ("allocated", 0), ("held", 0)]
        assert books.audit(repair=True).drift_count == 3
        assert balances(books, "a", "x") == (25, 4, 6, 2)
        check_books(books)

    def test_a_repair_finds_a_deficit_again(
        self, books: Ledger, tampering: Tamper
    ) -> None:
        import_set(books, change("a", "x", 0))
        tampering("UPDATE stock SET on_hand = 90, deficit = 0")

        books.audit(repair=True)

        assert balances(books, "a", "x") == (5, 4, 6, 2)
        assert available(books, "x") == {"a": 0}
        check_books(books)

    @pytest.mark.parametrize("state", ["cancelled", "shipped", "rejected"])
    def test_what_a_finished_plan_still_holds(
        self, books: Ledger, tampering: Tamper, state: str
    ) -> None:
        tampering(f"UPDATE plan SET state = '{state}' WHERE plan_id = 'plan-1'")
        strays = {
            Drift("plan plan-1 line  x", "allocated", 4, 0),
            Drift("plan plan-1 line  x", "queued", 3, 0),
        }
        assert set(books.audit().drifts) == strays

        repaired = books.audit(repair=True)

        assert set(repaired.drifts) == {x._replace(repaired=True) for x in strays}
        assert balances(books, "a", "x") == (25, 0, 6, 2)
        assert dict(books.queued()) == {}
        moved = [each.movement for each in books.movements(plan_id="plan-1")][2:]
        assert {(x.cause, x.allocated, x.queued) for x in moved} == {
            (Cause.REPAIRED, -4, 0),
            (Cause.REPAIRED, 0, -3),
        }
        assert record_of(books, "1").open_units == 0
        check_books(books)

    def test_what_an_expired_cart_still_holds(
        self, books: Ledger, tampering: Tamper
    ) -> None:
        tampering(
            "UPDATE plan SET state = 'expired', expires_ms = NULL, hold_seconds = NULL"
            " WHERE plan_id = 'plan-2'"
        )

        (found,) = books.audit(repair=True).drifts

        assert found == Drift("plan plan-2 line  x", "held", 6, 0, repaired=True)
        assert balances(books, "a", "x") == (25, 4, 0, 2)
        check_books(books)

    def test_so_many_drifts_are_listed_and_all_are_repaired(
        self, ledger: Ledger, tampering: Tamper
    ) -> None:
        ledger.put_locations([location("a")])
        count = MAX_DRIFTS + 1
        import_set(ledger, *(change("a", f"s{n}", 1) for n in range(count)))
        tampering("UPDATE stock SET on_hand = 2")

        report = ledger.audit(repair=True)

        assert (len(report.drifts), report.drift_count) == (MAX_DRIFTS, count)
        check_books(ledger)

    def test_a_ledger_put_right_goes_on(self, books: Ledger, tampering: Tamper) -> None:
        tampering("UPDATE stock SET allocated = 0, held = 0")

        books.audit(repair=True)

        do(books, "1", Ship())
        do(books, "2", Cancel())
        assert balances(books, "a", "x") == (21, 0, 0, 2)
        check_books(books)

    @pytest.mark.parametrize("seed", [0, 2, 4])
    def test_random_operations_leave_it_clean(
        self, ledger: Ledger, clock: Clock, seed: int
    ) -> None:
        random, names = Random(seed), ["0"]
        places = location("a", capacity_units=60, zones=(Zone("p"),)), location("b")
        ledger.put_locations(places)
        ledger.reserve(reservation("0", queued=[queue("web", "x", 1)]))
        for n in range(1, 250):
            try:
                _act(random, ledger, clock, n, names)
            except AvailabilityError:
                continue
            assert ledger.audit().drifts == ()
        assert {each.movement.cause for each in ledger.movements()} >= {
            Cause.IMPORTED, Cause.ZONED, Cause.HELD, Cause.ALLOCATED, Cause.QUEUED,
            Cause.PLACED, Cause.SHIPPED, Cause.CANCELLED, Cause.REJECTED,
            Cause.EXPIRED, Cause.WITHDRAWN, Cause.RETURNED,
        }  # fmt: skip


def _act(
    random: Random, ledger: Ledger, clock: Clock, n: int, names: list[str]
) -> None:
    at = random.choice("ab")
    clock.now += random.choice([0, 1, 10, 20])
    dice = random.random()
    if dice < 0.15:
        mode = random.choice(list(ImportMode))
        zone = random.choice(["", "p"]) if at == "a" else ""
        changes = [change(at, "x", random.randint(0, 30), None, zone)]
        if mode is ImportMode.DELETE:
            changes = [change(at, "x", 0)]
        ledger.import_stock(mode, changes)
    elif dice < 0.2:
        zones = (Zone("p", available=random.random() < 0.5),)
        ledger.put_locations([location("a", capacity_units=60, zones=zones)])
    elif dice < 0.25:
        ends = clock.now + random.randint(1, 60)
        away = withdrawal("w", at, "x", random.randint(1, 5), None, ends)
        ledger.put_withdrawals([withdrawals(at, "x", away)])
    elif dice < 0.35:
        ledger.sweep()
    elif dice < 0.65:
        job = reservation(
            str(n),
            (at, "x", random.randint(1, 4)),
            hold=random.choice([None, 60]),
            queued=[queue("web", "x", 2)] if random.random() < 0.5 else [],
        )
        ledger.reserve(job)
        names.append(str(n))
    else:
        _change(random, ledger, random.choice(names[-8:]))


def _change(random: Random, ledger: Ledger, name: str) -> None:
    record = record_of(ledger, name)
    place = max(record.holdings, key=lambda each: each.location_id)
    some = (place.location_id, "x", max(1, place.open // 2))
    move = swap(record.revision, [some], [("b", "x", some[2])], cause=Cause.REJECTED)
    commands: list[Command] = [ship(some), Ship(), cancel(some), Cancel(), move]
    if record.state is ReservationState.HELD:
        commands += [Place(), Place(), Place(), Extend(5, "payment")]
    do(ledger, name, random.choice(commands))
