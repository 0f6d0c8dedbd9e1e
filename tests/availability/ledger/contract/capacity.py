"""What every ledger promises of capacities, which are per UTC day."""

import pytest

from availability.errors import (
    StockConflict,
)
from availability.ledger.protocol import Ledger
from tests.availability.ledger.contract.races import race
from tests.availability.ledger.world import (
    Clock,
    allocated,
    change,
    check_grid,
    import_set,
    location,
    request,
    reservation,
    stocked,
)

MIDNIGHT = 1_700_006_400.0
"""2023-11-15T00:00:00Z."""


def left(ledger: Ledger) -> dict[str, tuple[int | None, int | None]]:
    return {
        at: (each.orders, each.units) for at, each in ledger.capacity_left().items()
    }


class CapacityContract:
    @pytest.fixture
    def capped(self, ledger: Ledger) -> Ledger:
        stocked(ledger, {(at, "x"): 100 for at in ("free", "orders", "units", "none")})
        ledger.put_locations(
            [
                location("orders", 2, capacity_orders=2),
                location("units", 3, capacity_units=5),
                location("none", 4, capacity_orders=0, capacity_units=0),
            ]
        )
        return ledger

    def test_only_locations_with_a_capacity_are_listed(self, capped: Ledger) -> None:
        assert left(capped) == {
            "orders": (2, None),
            "units": (None, 5),
            "none": (0, 0),
        }

    def test_each_location_counts_one_order_and_its_units(self, capped: Ledger) -> None:
        import_set(capped, change("units", "y", 9))
        capped.reserve(
            reservation(
                "1", ("orders", "x", 9), ("units", "x", 2), ("units", "y", 1),
                ("free", "x", 50),
            )
        )  # fmt: skip

        assert left(capped)["orders"] == (1, None)
        assert left(capped)["units"] == (None, 2)

    @pytest.mark.parametrize(
        "claim", [("none", "x", 1), ("units", "x", 6), ("units", "x", 4)]
    )
    def test_what_is_over_capacity_conflicts_and_holds_nothing(
        self, capped: Ledger, claim: tuple[str, str, int]
    ) -> None:
        capped.reserve(reservation("0", ("units", "x", 2)))
        before = left(capped)

        with pytest.raises(StockConflict):
            capped.reserve(reservation("1", ("orders", "x", 1), claim))

        assert allocated(capped) == {("units", "x"): 2}
        assert left(capped) == before
        check_grid(capped)

    def test_a_first_order_over_capacity(self, capped: Ledger) -> None:
        with pytest.raises(StockConflict):
            capped.reserve(reservation("1", ("units", "x", 6)))
        assert left(capped)["units"] == (None, 5)

    def test_the_day_ends_at_midnight_utc(self, capped: Ledger, clock: Clock) -> None:
        for n in range(2):
            capped.reserve(reservation(str(n), ("orders", "x", 1)))
        with pytest.raises(StockConflict):
            capped.reserve(reservation("2", ("orders", "x", 1)))
        assert left(capped)["orders"] == (0, None)

        clock.now = MIDNIGHT
        assert left(capped)["orders"] == (2, None)
        capped.reserve(reservation("2", ("orders", "x", 1)))
        assert left(capped)["orders"] == (1, None)

        clock.now = MIDNIGHT - 1  # a clock that steps back finds the day as it was
        assert left(capped)["orders"] == (0, None)
        with pytest.raises(StockConflict):
            capped.reserve(reservation("3", ("orders", "x", 1)))

    def test_a_capacity_lowered_below_the_load(self, capped: Ledger) -> None:
        capped.reserve(reservation("1", ("units", "x", 4)))

        capped.put_locations([location("units", 3, capacity_units=3)])

        assert left(capped)["units"] == (None, 0)
        with pytest.raises(StockConflict):
            capped.reserve(reservation("2", ("units", "x", 1)))

    def test_a_repeat_loads_nothing(self, capped: Ledger) -> None:
        for _ in range(3):
            capped.reserve(reservation("1", ("orders", "x", 1), request=request("r")))

        assert left(capped)["orders"] == (1, None)

    def test_twenty_threads_and_two_orders_left(self, capped: Ledger) -> None:
        held = race(
            [reservation(str(n), ("orders", "x", 1)) for n in range(20)], capped
        )

        assert len(held) == 2
        assert left(capped)["orders"] == (0, None)
        check_grid(capped)
