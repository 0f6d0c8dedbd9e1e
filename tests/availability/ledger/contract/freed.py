"""What every ledger promises of a day's capacity that is given back, or is not."""

import pytest

from availability.errors import StockConflict
from availability.ledger.protocol import Ledger
from availability.reservations import Cancel, Cause, Ship
from tests.availability.ledger.contract.capacity import MIDNIGHT, left
from tests.availability.ledger.world import (
    Clock,
    cancel,
    claim,
    do,
    location,
    reservation,
    ship,
    stocked,
    swap,
)

YESTERDAY, TODAY = MIDNIGHT - 1, MIDNIGHT + 1


class FreedCapacityContract:
    @pytest.fixture
    def daily(self, ledger: Ledger) -> Ledger:
        """Three orders and ten units a day at each of a and b; c takes any."""
        stocked(ledger, {(at, sku): 100 for at in "abc" for sku in "xy"})
        limits = {"capacity_orders": 3, "capacity_units": 10}
        ledger.put_locations(
            [location("a", 1, **limits), location("b", 2, **limits), location("c", 3)]
        )
        return ledger

    def test_a_cancelled_order_gives_its_day_back(self, daily: Ledger) -> None:
        daily.reserve(reservation("1", ("a", "x", 4), ("a", "y", 2), ("c", "x", 9)))
        assert left(daily) == {"a": (2, 4), "b": (3, 10)}

        do(daily, "1", Cancel())

        assert left(daily) == {"a": (3, 10), "b": (3, 10)}
        daily.reserve(reservation("2", ("a", "x", 10)))

    def test_a_part_keeps_the_order_in_the_day(self, daily: Ledger) -> None:
        daily.reserve(reservation("1", ("a", "x", 4), ("a", "y", 2)))

        do(daily, "1", cancel(("a", "x", 4)))
        assert left(daily)["a"] == (2, 8)

        do(daily, "1", cancel(("a", "y", 2)))
        assert left(daily)["a"] == (3, 10)

    def test_an_expired_cart_gives_its_day_back(
        self, daily: Ledger, clock: Clock
    ) -> None:
        clock.now = TODAY
        daily.reserve(reservation("1", ("a", "x", 4), hold=60))
        assert left(daily)["a"] == (2, 6)

        clock.now += 60
        daily.sweep()

        assert left(daily)["a"] == (3, 10)

    def test_what_was_shipped_stays_in_the_day(self, daily: Ledger) -> None:
        daily.reserve(reservation("1", ("a", "x", 4)))

        do(daily, "1", ship(("a", "x", 1)))
        assert left(daily)["a"] == (2, 6)

        do(daily, "1", Cancel())  # three of them never were work
        assert left(daily)["a"] == (2, 9)
        do_nothing_more = reservation("2", ("a", "x", 10))
        with pytest.raises(StockConflict):
            daily.reserve(do_nothing_more)

    def test_a_shipped_order_stays_in_the_day(self, daily: Ledger) -> None:
        daily.reserve(reservation("1", ("a", "x", 4)))

        do(daily, "1", Ship())

        assert left(daily)["a"] == (2, 6)

    def test_a_day_gets_back_what_was_taken_of_it(
        self, daily: Ledger, clock: Clock
    ) -> None:
        clock.now = YESTERDAY
        daily.reserve(reservation("1", ("a", "x", 4)))
        clock.now = TODAY
        daily.reserve(reservation("2", ("a", "x", 3)))

        do(daily, "1", cancel(("a", "x", 1)))

        assert left(daily)["a"] == (2, 7)
        clock.now = YESTERDAY
        assert left(daily)["a"] == (2, 7)
        do(daily, "1", Cancel())
        assert left(daily)["a"] == (3, 10)
        clock.now = TODAY
        assert left(daily)["a"] == (2, 7)

    def test_a_swap_takes_of_the_day_it_is_made(
        self, daily: Ledger, clock: Clock
    ) -> None:
        clock.now = YESTERDAY
        daily.reserve(reservation("1", ("a", "x", 4)))
        clock.now = TODAY

        do(daily, "1", swap(0, [("a", "x", 3)], [("b", "x", 3)]))

        assert left(daily) == {"a": (3, 10), "b": (2, 7)}
        clock.now = YESTERDAY
        assert left(daily) == {"a": (2, 9), "b": (3, 10)}

    def test_the_latest_day_is_given_back_first(
        self, daily: Ledger, clock: Clock
    ) -> None:
        clock.now = YESTERDAY
        daily.reserve(reservation("1", ("a", "x", 4), ("b", "x", 2)))
        clock.now = TODAY
        do(daily, "1", swap(0, [("b", "x", 2)], [("a", "x", 2)]))
        assert left(daily) == {"a": (2, 8), "b": (3, 10)}

        do(daily, "1", cancel(("a", "x", 3)))

        assert left(daily)["a"] == (3, 10)
        clock.now = YESTERDAY
        assert left(daily)["a"] == (2, 7)

    def test_a_swap_at_one_location_moves_its_day(
        self, daily: Ledger, clock: Clock
    ) -> None:
        clock.now = YESTERDAY
        daily.reserve(reservation("1", ("a", "x", 4)))
        clock.now = TODAY

        do(daily, "1", swap(0, [("a", "x", 4)], [claim("a", "x", 4, "line-2")]))

        assert left(daily)["a"] == (2, 6)
        clock.now = YESTERDAY
        assert left(daily)["a"] == (3, 10)

    def test_an_order_counts_once_a_day(self, daily: Ledger) -> None:
        daily.reserve(reservation("1", ("a", "x", 4), ("b", "x", 2)))

        do(daily, "1", swap(0, [("b", "x", 2)], [("a", "y", 2)]))

        assert left(daily) == {"a": (2, 4), "b": (3, 10)}

    @pytest.mark.parametrize("others", [[6, 1, 1], [7, 1]])
    def test_a_swap_beyond_the_day_is_a_conflict(
        self, daily: Ledger, others: list[int]
    ) -> None:
        """No order is left of three, or fewer than three units of ten."""
        daily.reserve(reservation("1", ("a", "x", 3)))
        for n, units in enumerate(others):
            daily.reserve(reservation(f"other {n}", ("b", "x", units)))
        before = left(daily)

        with pytest.raises(StockConflict):
            do(daily, "1", swap(0, [("a", "x", 3)], [("b", "x", 3)]))

        assert left(daily) == before

    def test_a_swap_may_use_what_it_gives_back(self, daily: Ledger) -> None:
        daily.reserve(reservation("1", ("a", "x", 10)))

        do(daily, "1", swap(0, [("a", "x", 10)], [("a", "y", 10)]))

        assert left(daily)["a"] == (2, 0)

    def test_a_rejection_gives_the_day_back(self, daily: Ledger) -> None:
        daily.reserve(reservation("1", ("a", "x", 4)))

        do(daily, "1", swap(0, [("a", "x", 4)], cause=Cause.REJECTED))

        assert left(daily)["a"] == (3, 10)

    def test_a_capacity_that_came_later_is_not_given_more(self, daily: Ledger) -> None:
        daily.reserve(reservation("1", ("c", "x", 4)))
        daily.put_locations([location("c", 3, capacity_orders=1, capacity_units=5)])
        assert left(daily)["c"] == (1, 5)
        daily.reserve(reservation("2", ("c", "x", 5)))

        do(daily, "1", Cancel())

        assert left(daily)["c"] == (0, 0)
