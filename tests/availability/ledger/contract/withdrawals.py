"""What every ledger promises of units out of sale for a reason and a time."""

from typing import Any

import pytest

from availability.errors import InvalidChange, StockConflict
from availability.ledger.protocol import MAX_WITHDRAWALS, Ledger
from availability.model import LocationId, Sku
from availability.reservations import Cause, Ship, Swept, Withdrawal, Withdrawals
from tests.availability.ledger.world import (
    Clock,
    available,
    balances,
    change,
    correction,
    do,
    import_set,
    location,
    request,
    reservation,
    stocked,
    swap,
    violations,
    withdrawal,
    withdrawals,
)


def turned(started: int, ended: int) -> Swept:
    return Swept(0, 0, started, ended)


def names(ledger: Ledger, *args: Any) -> list[str]:
    return [each.withdrawal_id for each in ledger.withdrawals(*args)]


class WithdrawalContract:
    @pytest.fixture
    def shelf(self, ledger: Ledger) -> Ledger:
        stocked(ledger, {("a", "x"): 10, ("b", "x"): 10, ("a", "y"): 10})
        return ledger

    def put(self, ledger: Ledger, *given: Withdrawal) -> None:
        """All of x at a."""
        ledger.put_withdrawals([withdrawals("a", "x", *given)])

    def test_what_is_withdrawn_does_not_sell(self, shelf: Ledger) -> None:
        version = shelf.version()

        reply = shelf.put_withdrawals(
            [withdrawals("a", "x", withdrawal("w", "a", "x", 3))],
            encode=lambda after: f"version {after}".encode(),
        )

        assert reply == f"version {version + 1}".encode()
        assert shelf.version() == version + 1
        assert balances(shelf, "a", "x") == (10, 0, 0, 3)
        assert available(shelf, "x") == {"a": 7, "b": 10}
        with pytest.raises(StockConflict):
            shelf.reserve(reservation("1", ("a", "x", 8)))
        shelf.reserve(reservation("1", ("a", "x", 7)))

    def test_a_withdrawal_begins_and_returns_by_itself(
        self, shelf: Ledger, clock: Clock
    ) -> None:
        start, end = clock.now + 60, clock.now + 120
        self.put(shelf, withdrawal("w", "a", "x", 3, start, end))
        version = shelf.version()
        assert available(shelf, "x")["a"] == 10
        clock.now = start - 0.001
        assert shelf.sweep() == turned(0, 0)

        clock.now = start
        assert shelf.sweep() == turned(1, 0)
        assert available(shelf, "x")["a"] == 7
        assert shelf.sweep() == turned(0, 0)
        assert names(shelf) == ["w"]

        clock.now = end - 0.001
        assert shelf.sweep() == turned(0, 0)
        clock.now = end
        assert shelf.sweep() == turned(0, 1)
        assert available(shelf, "x")["a"] == 10
        assert names(shelf) == []
        assert shelf.version() == version + 2
        moved = [each for each in shelf.movements(Sku("x")) if each.reference == "w"]
        assert [
            (each.movement.cause, each.movement.withdrawn, each.at_seconds)
            for each in moved
        ] == [(Cause.WITHDRAWN, 3, start), (Cause.RETURNED, -3, end)]

    def test_one_without_a_start_begins_at_once(
        self, shelf: Ledger, clock: Clock
    ) -> None:
        self.put(
            shelf,
            withdrawal("1", "a", "x", 1, None, clock.now + 60),
            withdrawal("2", "a", "x", 2, clock.now, None),
            withdrawal("3", "a", "x", 3, clock.now - 60, None),
            withdrawal("4", "a", "x", 4, clock.now + 0.001, None),
        )

        assert available(shelf, "x")["a"] == 4
        clock.now += 86_400 * 1_000
        assert shelf.sweep() == turned(1, 1)
        assert available(shelf, "x")["a"] == 10 - 2 - 3 - 4

    def test_one_that_is_over_never_counts(self, shelf: Ledger, clock: Clock) -> None:
        version = shelf.version()

        self.put(shelf, withdrawal("w", "a", "x", 1, None, clock.now))

        assert names(shelf) == []
        assert shelf.version() == version

    def test_one_that_no_sweep_saw_begin(self, shelf: Ledger, clock: Clock) -> None:
        self.put(shelf, withdrawal("w", "a", "x", 1, clock.now + 60, clock.now + 61))
        version = shelf.version()
        clock.now += 120

        assert shelf.sweep() == turned(0, 1)
        assert available(shelf, "x")["a"] == 10
        assert names(shelf) == []
        assert shelf.version() == version

    def test_they_are_replaced_as_a_whole(self, shelf: Ledger, clock: Clock) -> None:
        shelf.put_withdrawals(
            [
                withdrawals(
                    "a",
                    "x",
                    withdrawal("same", "a", "x", 1),
                    withdrawal("more", "a", "x", 2),
                    withdrawal("later", "a", "x", 3),
                    withdrawal("gone", "a", "x", 1),
                ),
                withdrawals("b", "x", withdrawal("same", "b", "x", 5)),
            ]
        )
        assert available(shelf, "x") == {"a": 3, "b": 5}
        before = len(shelf.movements())

        self.put(
            shelf,
            withdrawal("same", "a", "x", 1),
            withdrawal("more", "a", "x", 4),
            withdrawal("later", "a", "x", 3, clock.now + 60),
            withdrawal("new", "a", "x", 2),
        )

        assert available(shelf, "x") == {"a": 3, "b": 5}
        moved = shelf.movements()[before:]
        assert {each.reference: each.movement.withdrawn for each in moved} == {
            "gone": -1,
            "later": -3,
            "more": 2,
            "new": 2,
        }
        self.put(shelf)
        assert available(shelf, "x") == {"a": 10, "b": 5}
        assert [each.location_id for each in shelf.withdrawals()] == ["b"]

    def test_what_a_rejection_withdrew_is_among_them(self, shelf: Ledger) -> None:
        shelf.reserve(reservation("1", ("a", "x", 2)))
        broken = [correction("a", "x", 0, withdrawn=2)]
        do(shelf, "1", swap(0, [("a", "x", 2)], corrections=broken))
        assert available(shelf, "x")["a"] == 8

        self.put(shelf)

        assert available(shelf, "x")["a"] == 10
        assert shelf.withdrawals() == []

    def test_more_may_be_withdrawn_than_is_there(
        self, shelf: Ledger, clock: Clock
    ) -> None:
        shelf.reserve(reservation("1", ("a", "x", 8)))
        self.put(shelf, withdrawal("w", "a", "x", 50, None, clock.now + 60))

        assert available(shelf, "x")["a"] == 0
        do(shelf, "1", Ship())
        assert balances(shelf, "a", "x") == (2, 0, 0, 50)
        import_set(shelf, change("a", "x", 51))
        assert available(shelf, "x")["a"] == 1
        clock.now += 60
        shelf.sweep()
        assert available(shelf, "x")["a"] == 51

    def test_an_inactive_location_stays_at_zero(
        self, shelf: Ledger, clock: Clock
    ) -> None:
        self.put(shelf, withdrawal("w", "a", "x", 3, None, clock.now + 60))
        shelf.put_locations([location("a", 1, active=False)])
        clock.now += 60

        shelf.sweep()

        assert available(shelf, "x")["a"] == 0

    def test_they_are_listed(self, shelf: Ledger, clock: Clock) -> None:
        late = withdrawal("2", "a", "x", 1, clock.now + 1.5, clock.now + 2.25)
        first = withdrawal("1", "a", "x", 1)
        shelf.put_withdrawals(
            [
                withdrawals("b", "x", withdrawal("3", "b", "x", 1)),
                withdrawals("a", "y", withdrawal("4", "a", "y", 1)),
                withdrawals("a", "x", late, first),
            ]
        )

        assert shelf.withdrawals()[:2] == [first, late]
        x, y, a, b = Sku("x"), Sku("y"), LocationId("a"), LocationId("b")
        assert names(shelf) == ["1", "2", "3", "4"]
        assert names(shelf, [x]) == ["1", "2", "3"]
        assert names(shelf, [y, x, x]) == ["1", "2", "3", "4"]
        assert names(shelf, [], [b]) == ["3"]
        assert names(shelf, [], [b, a]) == ["1", "2", "3", "4"]
        assert names(shelf, [x], [a]) == ["1", "2"]
        assert names(shelf, [Sku("nothing")]) == names(shelf, [y], [b]) == []

    def test_every_violation_has_its_path(self, shelf: Ledger, clock: Clock) -> None:
        now = clock.now
        dated = [
            withdrawal("1", "a", "x", 1, now, now),
            withdrawal("2", "a", "x", 1, now + 1, now),
            withdrawal("1", "a", "x", 1),
        ]
        many = [withdrawal(str(n), "b", "x", 1) for n in range(MAX_WITHDRAWALS + 1)]

        with pytest.raises(InvalidChange) as caught:
            shelf.put_withdrawals(
                [
                    withdrawals("nowhere", "x"),
                    withdrawals("a", "x", *dated),
                    withdrawals("b", "x", *many),
                    withdrawals("a", "x"),
                ],
                request("r"),
            )

        assert violations(caught) == [
            ("changes[0].location_id", "UNKNOWN_LOCATION"),
            ("changes[1].withdrawals[0].end_time", "INVALID_PERIOD"),
            ("changes[1].withdrawals[1].end_time", "INVALID_PERIOD"),
            ("changes[1].withdrawals[2].withdrawal_id", "DUPLICATE"),
            ("changes[2].withdrawals", "TOO_MANY"),
            ("changes[3].sku", "DUPLICATE"),
        ]
        assert shelf.withdrawals() == []
        assert shelf.replay(request("r")) is None

    def test_a_sku_without_a_record(self, shelf: Ledger) -> None:
        lost = withdrawals("b", "y"), withdrawals("a", "new")

        with pytest.raises(InvalidChange) as caught:
            shelf.put_withdrawals(
                [withdrawals("a", "x", withdrawal("w", "a", "x", 1)), *lost]
            )

        assert violations(caught) == [
            ("changes[1].sku", "UNKNOWN_SKU"),
            ("changes[2].sku", "UNKNOWN_SKU"),
        ]
        assert shelf.withdrawals() == []

    def test_as_many_as_may_be(self, shelf: Ledger) -> None:
        self.put(
            shelf, *(withdrawal(str(n), "a", "x", 1) for n in range(MAX_WITHDRAWALS))
        )

        assert balances(shelf, "a", "x") == (10, 0, 0, MAX_WITHDRAWALS)

    def test_a_repeat_does_nothing(self, shelf: Ledger) -> None:
        given: list[Withdrawals] = [withdrawals("a", "x", withdrawal("w", "a", "x", 3))]
        first = shelf.put_withdrawals(given, request("r"), lambda _: b"first")
        self.put(shelf)

        again = shelf.put_withdrawals(given, request("r"), lambda _: b"again")

        assert first == again == shelf.replay(request("r")) == b"first"
        assert available(shelf, "x")["a"] == 10

    def test_a_sweep_turns_so_many_the_oldest_first(
        self, shelf: Ledger, clock: Clock
    ) -> None:
        now = clock.now
        shelf.put_withdrawals(
            [
                withdrawals("a", "x", withdrawal("1", "a", "x", 1, now + 30)),
                withdrawals("b", "x", withdrawal("2", "b", "x", 1, None, now + 20)),
                withdrawals("a", "y", withdrawal("3", "a", "y", 1, now + 10)),
            ]
        )
        clock.now += 60

        assert shelf.sweep(limit=2) == turned(1, 1)
        assert available(shelf, "x") == {"a": 10, "b": 10}
        assert available(shelf, "y") == {"a": 9, "b": 0}
        assert shelf.sweep(limit=2) == turned(1, 0)
        assert available(shelf, "x") == {"a": 9, "b": 10}

    def test_a_quantity_is_positive(self) -> None:
        with pytest.raises(ValueError, match="positive"):
            withdrawal("w", "a", "x", 0)
