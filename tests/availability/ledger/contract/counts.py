"""What every ledger promises of counts: when they were, how they go, what they drop."""

import pytest

from availability.errors import (
    InvalidChange,
    RequestReused,
    SnapshotDrops,
    StockConflict,
)
from availability.ledger.protocol import Ledger
from availability.model import (
    ImportMode,
    ImportResult,
    LocationId,
    Sku,
    StockChange,
    Zone,
)
from availability.reservations import Cause, Place, Ship
from tests.availability.ledger.world import (
    Clock,
    available,
    balances,
    change,
    correction,
    counted,
    do,
    import_set,
    location,
    record,
    records,
    request,
    reservation,
    stocked,
    swap,
    violations,
    withdrawal,
    withdrawals,
)

LAST = 2**31 + 7
"""A second that memory has no room for."""


def import_in(
    ledger: Ledger, mode: ImportMode, *changes: StockChange, **options: int | None
) -> ImportResult:
    done = ledger.import_stock(mode, changes, **options)  # type: ignore[arg-type]
    return ImportResult.from_json(done)


def delete(ledger: Ledger, *at: tuple[str, str]) -> ImportResult:
    return import_in(ledger, ImportMode.DELETE, *(change(*each, 0) for each in at))


def on_hand(ledger: Ledger) -> dict[tuple[str, str], int]:
    return {(each.location_id, each.sku): each.on_hand for each in records(ledger)}


class CountedContract:
    @pytest.mark.parametrize(
        ("mode", "units"),
        [(ImportMode.SET, 5), (ImportMode.SNAPSHOT, 5), (ImportMode.DELTA, 0)],
    )
    def test_a_count_that_is_confirmed_is_no_change(
        self, ledger: Ledger, clock: Clock, mode: ImportMode, units: int
    ) -> None:
        stocked(ledger, {("a", "x"): 5, ("b", "x"): 5})
        version, first = ledger.version(), int(clock.now)
        movements = ledger.movements()
        clock.now += 90.7

        done = import_in(ledger, mode, change("a", "x", units))

        assert (done.changed_count, done.zeroed_count) == (0, 0)
        assert done.stock_version == ledger.version() == version
        assert ledger.movements() == movements
        expected = {("a", "x"): int(first + 90.7), ("b", "x"): first}
        assert counted(ledger) == expected

    def test_a_change_is_counted(self, ledger: Ledger, clock: Clock) -> None:
        stocked(ledger, {("a", "x"): 5, ("a", "y"): 6, ("a", "z"): 0})
        clock.now += 60
        import_set(ledger, change("a", "x", 7))
        assert counted(ledger) == {
            ("a", "x"): int(clock.now),
            ("a", "y"): int(clock.now) - 60,
            ("a", "z"): int(clock.now) - 60,
        }

        clock.now += 60
        done = import_in(ledger, ImportMode.SNAPSHOT, change("a", "w", 1))

        # All of the location: also z, of which it says that there are still none.
        assert (done.changed_count, done.zeroed_count) == (1, 2)
        assert set(counted(ledger).values()) == {int(clock.now)}
        assert len(counted(ledger)) == 4

    def test_a_zone_that_is_counted_counts_the_record(
        self, ledger: Ledger, clock: Clock
    ) -> None:
        far = Zone("f", available=False)
        ledger.put_locations([location("a", 1, zones=(Zone("p"), far))])
        import_set(ledger, change("a", "x", 1))
        clock.now += 60

        done = import_set(ledger, change("a", "x", 4, zone="f"))

        assert done.changed_count == 1  # though nothing more is on hand
        assert counted(ledger) == {("a", "x"): int(clock.now)}

    def test_nothing_else_counts(self, ledger: Ledger, clock: Clock) -> None:
        stocked(ledger, {("a", "x"): 9, ("b", "x"): 9})
        first = int(clock.now)
        clock.now += 60

        ledger.reserve(reservation("1", ("a", "x", 4), hold=60))
        do(ledger, "1", Place())
        off = correction("a", "x", 1, 1)
        steps = swap(0, [("a", "x", 1)], cause=Cause.REJECTED, corrections=[off])
        ledger.reserve(reservation("2", ("a", "x", 1)))
        do(ledger, "2", steps)
        do(ledger, "1", Ship())
        away = withdrawal("w", "b", "x", 2, None, clock.now + 60)
        ledger.put_withdrawals([withdrawals("b", "x", away)])
        ledger.put_locations([location("b", 2, zones=(Zone("p"),))])
        clock.now += 60
        assert ledger.sweep().withdrawals_ended == 1

        assert counted(ledger) == {("a", "x"): first, ("b", "x"): first}

    def test_locations_that_move_keep_their_counts(
        self, ledger: Ledger, clock: Clock
    ) -> None:
        stocked(ledger, {("a", "x"): 5, ("b", "x"): 5})
        clock.now += 60
        import_set(ledger, change("b", "x", 5))

        ledger.put_locations([location("b", 0, active=False), location("c", 1)])

        now = int(clock.now)
        assert counted(ledger) == {("a", "x"): now - 60, ("b", "x"): now}
        ledger.put_locations([location("b", 0)])
        assert counted(ledger) == {("a", "x"): now - 60, ("b", "x"): now}

    def test_a_record_that_is_refused_is_not_counted(
        self, ledger: Ledger, clock: Clock
    ) -> None:
        stocked(ledger, {("a", "x"): 5})
        clock.now += 60

        with pytest.raises(InvalidChange):
            import_set(ledger, change("a", "x", 5), change("nowhere", "x", 1))

        assert counted(ledger) == {("a", "x"): int(clock.now) - 60}

    def test_after_2038(self, ledger: Ledger, clock: Clock) -> None:
        clock.now = float(LAST)
        stocked(ledger, {("a", "x"): 5})

        found = record(ledger, "a", "x")

        assert found is not None
        assert found.counted_seconds == LAST
        assert counted(ledger) == {("a", "x"): LAST}


class DeleteContract:
    def test_a_record_is_forgotten(self, ledger: Ledger, clock: Clock) -> None:
        stocked(ledger, {("a", "x"): 5, ("a", "y"): 6, ("b", "x"): 7})
        version = ledger.version()
        clock.now += 60

        done = delete(ledger, ("a", "x"), ("b", "never"))

        assert done == ImportResult(1, 0, version + 1)
        expected = {("a", "x"): 0, ("a", "y"): 6, ("b", "x"): 7}
        assert on_hand(ledger) == expected
        before = int(clock.now) - 60
        assert counted(ledger) == {("a", "y"): before, ("b", "x"): before}
        assert available(ledger, "x") == {"a": 0, "b": 7}
        last = ledger.movements()[-1].movement
        assert (last.cause, last.location_id, last.on_hand) == ("imported", "a", -5)

    def test_what_is_not_there_can_be_deleted_again(self, ledger: Ledger) -> None:
        stocked(ledger, {("a", "x"): 5})
        delete(ledger, ("a", "x"))
        version, movements = ledger.version(), ledger.movements()

        assert delete(ledger, ("a", "x"), ("a", "y")) == ImportResult(0, 0, version)
        assert ledger.version() == version
        assert ledger.movements() == movements

    def test_an_empty_record_is_forgotten_and_known_again(
        self, ledger: Ledger, clock: Clock
    ) -> None:
        stocked(ledger, {("a", "x"): 0})

        assert delete(ledger, ("a", "x")).changed_count == 1
        assert counted(ledger) == {}
        assert import_set(ledger, change("a", "x", 0)).changed_count == 1
        assert counted(ledger) == {("a", "x"): int(clock.now)}

    def test_a_snapshot_says_nothing_of_what_was_forgotten(
        self, ledger: Ledger, clock: Clock
    ) -> None:
        stocked(ledger, {("a", "x"): 5, ("a", "y"): 5})
        delete(ledger, ("a", "x"))

        import_in(ledger, ImportMode.SNAPSHOT, change("a", "y", 5))

        assert counted(ledger) == {("a", "y"): int(clock.now)}

    def test_what_is_promised_stays_promised(self, ledger: Ledger) -> None:
        stocked(ledger, {("a", "x"): 5})
        import_set(ledger, change("a", "x", 5, 1))
        ledger.put_withdrawals([withdrawals("a", "x", withdrawal("w", "a", "x", 1))])
        ledger.reserve(reservation("1", ("a", "x", 3)))

        delete(ledger, ("a", "x"))

        assert balances(ledger, "a", "x") == (0, 3, 0, 1)
        assert [each.safety_stock for each in records(ledger)] == [1]
        assert available(ledger, "x") == {"a": 0}
        with pytest.raises(StockConflict):
            ledger.reserve(reservation("2", ("a", "x", 1)))
        do(ledger, "1", Ship())
        assert balances(ledger, "a", "x") == (0, 0, 0, 1)
        assert counted(ledger) == {}

    def test_all_zones_are_forgotten(self, ledger: Ledger) -> None:
        far = Zone("f", available=False)
        ledger.put_locations([location("a", 1, zones=(Zone("p"), far))])
        zones = {"": 1, "p": 2, "f": 4}
        import_set(
            ledger, *(change("a", "x", n, zone=zone) for zone, n in zones.items())
        )
        import_set(ledger, change("a", "y", 3, zone="f"))

        assert delete(ledger, ("a", "x"), ("a", "y")).changed_count == 2

        found = ledger.zones([Sku("x"), Sku("y")], [LocationId("a")])
        assert {each.on_hand for each in found} == {0}
        assert on_hand(ledger) == {("a", "x"): 0, ("a", "y"): 0}
        moved = [each.movement for each in ledger.movements(Sku("x"))][-3:]
        assert {each.zone_id: (each.on_hand, each.zone_units) for each in moved} == {
            "": (-1, 0),
            "p": (-2, -2),
            "f": (0, -4),
        }

    def test_violations_of_a_delete(self, ledger: Ledger) -> None:
        stocked(ledger, {("a", "x"): 5})
        ledger.put_locations([location("a", 1, zones=(Zone("p"),))])

        with pytest.raises(InvalidChange) as caught:
            import_in(
                ledger,
                ImportMode.DELETE,
                change("a", "x", 1),
                change("a", "y", 0, 0),
                change("a", "z", 0, zone="p"),
                change("a", "w", -1, 2, zone="nowhere"),
                change("nowhere", "x", 0),
                change("a", "x", 0),
            )

        assert violations(caught) == [
            ("changes[0].on_hand_units", "OUT_OF_RANGE"),
            ("changes[1].safety_stock_units", "NOT_ALLOWED"),
            ("changes[2].zone_id", "NOT_ALLOWED"),
            ("changes[3].on_hand_units", "OUT_OF_RANGE"),
            ("changes[3].safety_stock_units", "NOT_ALLOWED"),
            ("changes[3].zone_id", "NOT_ALLOWED"),
            ("changes[4].location_id", "UNKNOWN_LOCATION"),
            ("changes[5].sku", "DUPLICATE"),
        ]
        assert on_hand(ledger) == {("a", "x"): 5}


class DryRunContract:
    @pytest.mark.parametrize("mode", ImportMode)
    def test_it_answers_as_the_real_one_and_changes_nothing(
        self, ledger: Ledger, clock: Clock, mode: ImportMode
    ) -> None:
        stocked(ledger, {("a", "x"): 5, ("a", "y"): 6, ("b", "x"): 7})
        ledger.reserve(reservation("1", ("a", "x", 2)))
        units = 0 if mode is ImportMode.DELETE else 3
        changes = [change("a", "x", units), change("a", "new", units)]
        before, counts = list(records(ledger)), counted(ledger)
        version, movements = ledger.version(), ledger.movements()
        clock.now += 60

        for _ in range(2):
            dry = ledger.import_stock(mode, changes, request("r"), dry_run=True)
            assert ledger.replay(request("r")) is None
        assert (list(records(ledger)), counted(ledger)) == (before, counts)
        assert (ledger.version(), ledger.movements()) == (version, movements)

        real = ledger.import_stock(mode, changes, request("r"))
        said, done = ImportResult.from_json(dry), ImportResult.from_json(real)
        assert done.changed_count > 0
        assert said.stock_version == version < done.stock_version
        assert (said.changed_count, said.zeroed_count) == (
            done.changed_count,
            done.zeroed_count,
        )
        assert said.dropped_units == done.dropped_units

    def test_it_refuses_as_the_real_one(self, ledger: Ledger) -> None:
        stocked(ledger, {("a", "x"): 5})

        for mode, units in ((ImportMode.SET, -1), (ImportMode.DELTA, -6)):
            with pytest.raises(InvalidChange):
                import_in(ledger, mode, change("a", "x", units), dry_run=True)
        with pytest.raises(SnapshotDrops):
            import_in(
                ledger,
                ImportMode.SNAPSHOT,
                change("a", "x", 0),
                dry_run=True,
                max_drop_permille=999,
            )
        assert on_hand(ledger) == {("a", "x"): 5}

    def test_its_request_is_not_looked_at(self, ledger: Ledger) -> None:
        stocked(ledger, {("a", "x"): 5})
        changes = [change("a", "x", 7)]
        ledger.import_stock(ImportMode.SET, changes, request("r"))

        dry = ledger.import_stock(
            ImportMode.SET, changes, request("r", b"another body"), dry_run=True
        )

        assert ImportResult.from_json(dry).changed_count == 0
        with pytest.raises(RequestReused):
            ledger.import_stock(ImportMode.SET, changes, request("r", b"another body"))


class DropContract:
    @pytest.fixture
    def full(self, ledger: Ledger) -> Ledger:
        """Ten records of a and b with 100 units; one is empty, and c is not named."""
        units = {("a", f"s{n}"): 10 for n in range(8)}
        units |= {("b", "s0"): 5, ("b", "s1"): 15, ("a", "none"): 0, ("c", "s0"): 90}
        stocked(ledger, units)
        return ledger

    def snapshot(
        self, ledger: Ledger, changed: dict[tuple[str, str], int], **options: int | None
    ) -> ImportResult:
        """Count a and b as they are, but for what is said."""
        units = {at: n for at, n in on_hand(ledger).items() if at[0] in "ab"} | changed
        named = {at: n for at, n in units.items() if n or at == ("a", "none")}
        lines = [change(*at, n) for at, n in named.items()]
        return import_in(ledger, ImportMode.SNAPSHOT, *lines, **options)

    def test_what_was_dropped_is_told(self, full: Ledger) -> None:
        gone = {("a", "s0"): 0, ("a", "s1"): 4, ("a", "s2"): 90, ("a", "new"): 50}

        done = self.snapshot(full, gone)

        # More of s2 and of what is new does not make up for s0 and s1.
        assert (done.dropped_count, done.known_count) == (1, 10)
        assert (done.dropped_units, done.known_units) == (16, 100)

    def test_only_a_snapshot_drops(self, full: Ledger) -> None:
        done = import_set(full, change("a", "s0", 0))

        assert (done.dropped_count, done.known_count) == (0, 0)
        assert (done.dropped_units, done.known_units) == (0, 0)

    @pytest.mark.parametrize(
        ("gone", "limit", "drops"),
        [
            ({("b", "s0"): 0}, 100, (1, 10, 5, 100)),  # 1 of 10 records, 5 of 100 units
            ({("a", "s0"): 4, ("a", "s1"): 0}, 160, (1, 10, 16, 100)),
            ({("a", f"s{n}"): 0 for n in range(8)}, 800, (8, 10, 80, 100)),
        ],
    )
    def test_more_than_the_guard_is_refused_and_as_much_is_not(
        self,
        full: Ledger,
        gone: dict[tuple[str, str], int],
        limit: int,
        drops: tuple[int, int, int, int],
    ) -> None:
        before, version, counts = on_hand(full), full.version(), counted(full)

        with pytest.raises(SnapshotDrops) as caught:
            self.snapshot(full, gone, max_drop_permille=limit - 1)

        error = caught.value
        assert (error.dropped_count, error.known_count) == drops[:2]
        assert (error.dropped_units, error.known_units) == drops[2:]
        assert error.max_drop_permille == limit - 1
        assert (on_hand(full), full.version(), counted(full)) == (
            before,
            version,
            counts,
        )
        done = self.snapshot(full, gone, max_drop_permille=limit)
        assert (done.dropped_count, done.dropped_units) == drops[::2]

    def test_one_share_is_enough(self, full: Ledger) -> None:
        """A tenth of the records and a twentieth of the units; and the other way."""
        for gone in ({("b", "s0"): 0}, {("b", "s1"): 5, ("a", "s0"): 9}):
            with pytest.raises(SnapshotDrops):
                self.snapshot(full, gone, max_drop_permille=99)

    def test_nothing_may_be_dropped(self, full: Ledger) -> None:
        more = {("a", "s0"): 11, ("a", "none"): 1}
        assert self.snapshot(full, more, max_drop_permille=0).changed_count == 2
        with pytest.raises(SnapshotDrops):
            self.snapshot(full, {("a", "s0"): 10}, max_drop_permille=0)

    def test_where_nothing_was_nothing_drops(self, ledger: Ledger) -> None:
        stocked(ledger, {("a", "x"): 0})

        done = import_in(
            ledger, ImportMode.SNAPSHOT, change("a", "x", 0), max_drop_permille=0
        )

        assert done.known_count == done.known_units == 0

    def test_a_refused_snapshot_leaves_its_id_free(self, full: Ledger) -> None:
        lines = [change("a", "s0", 1)]
        with pytest.raises(SnapshotDrops):
            full.import_stock(
                ImportMode.SNAPSHOT, lines, request("r"), max_drop_permille=0
            )

        assert full.replay(request("r")) is None
        full.import_stock(ImportMode.SNAPSHOT, lines, request("r"))
        assert on_hand(full)["a", "s0"] == 1

    @pytest.mark.parametrize(
        ("mode", "limit", "reason"),
        [
            (ImportMode.SET, 5, "NOT_ALLOWED"),
            (ImportMode.DELETE, 1_000, "NOT_ALLOWED"),
            (ImportMode.SNAPSHOT, -1, "OUT_OF_RANGE"),
            (ImportMode.SNAPSHOT, 1_001, "OUT_OF_RANGE"),
        ],
    )
    def test_a_guard_that_makes_no_sense(
        self, full: Ledger, mode: ImportMode, limit: int, reason: str
    ) -> None:
        with pytest.raises(InvalidChange) as caught:
            import_in(full, mode, change("nowhere", "x", 0), max_drop_permille=limit)

        assert violations(caught) == [
            ("max_drop_permille", reason),
            ("changes[0].location_id", "UNKNOWN_LOCATION"),
        ]

    def test_a_guard_comes_before_what_a_delta_would_leave(self, full: Ledger) -> None:
        with pytest.raises(InvalidChange) as caught:
            import_in(
                full, ImportMode.DELTA, change("a", "s0", -11), max_drop_permille=5
            )

        assert violations(caught) == [
            ("max_drop_permille", "NOT_ALLOWED"),
            ("changes[0].on_hand_units", "BELOW_ZERO"),
        ]
