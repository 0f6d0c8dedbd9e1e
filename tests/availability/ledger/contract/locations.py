"""What every ledger promises of locations."""

import pytest

from availability.errors import InvalidChange, StockConflict
from availability.ledger.protocol import Ledger
from availability.model import (
    Location,
    LocationId,
    LocationKind,
    PutResult,
    Sku,
    StockRecord,
)
from tests.availability.ledger.world import (
    available,
    change,
    check_grid,
    import_set,
    location,
    record,
    records,
    reservation,
    stocked,
    violations,
)

FULL = Location(
    LocationId("Montréal"),
    rank=3,
    kind=LocationKind.STORE,
    latitude=45.50884000000001,
    longitude=-73.58781,
    country_code="CA",
    origin_id="site-1",
    groups=frozenset({"east", "core"}),
    shipping_methods=frozenset({"express"}),
    channel_ids=frozenset({"web", "pos"}),
    capacity_orders=0,
    capacity_units=10**12,
    shipment_cost_micros=1_250_000,
    unit_cost_micros=7,
    workload_minutes=45,
)


class LocationContract:
    def test_a_new_ledger_is_empty(self, ledger: Ledger) -> None:
        assert ledger.network().locations == ()
        assert ledger.version() == 0
        assert ledger.stock().records == ()
        assert dict(ledger.capacity_left()) == {}
        check_grid(ledger)

    def test_put_creates_and_replaces(self, ledger: Ledger) -> None:
        ledger.put_locations([location("a", 1), location("b", 2)])

        reply = ledger.put_locations([location("b", 1, workload_minutes=5), FULL])

        assert PutResult.from_json(reply) == PutResult(1, 1)
        # a before b: equal ranks are ordered by when they were first put.
        expected = (location("a", 1), location("b", 1, workload_minutes=5), FULL)
        assert ledger.network().locations == expected
        assert ledger.network().version == ledger.version() == 2

    def test_put_of_what_is_there_changes_nothing(self, ledger: Ledger) -> None:
        ledger.put_locations([FULL])
        before = ledger.network()

        reply = ledger.put_locations([FULL])

        assert PutResult.from_json(reply) == PutResult(0, 1)
        assert ledger.network() is before

    def test_a_location_put_twice_in_one_call(self, ledger: Ledger) -> None:
        with pytest.raises(InvalidChange) as caught:
            ledger.put_locations([FULL, location("a"), FULL, location("a")])

        assert violations(caught) == [
            ("locations[2].location_id", "DUPLICATE"),
            ("locations[3].location_id", "DUPLICATE"),
        ]
        assert ledger.network().locations == ()

    def test_a_new_rank_moves_the_columns_with_their_stock(
        self, ledger: Ledger
    ) -> None:
        stocked(ledger, {("a", "x"): 1, ("b", "x"): 2, ("c", "x"): 3})
        before = ledger.grid()

        ledger.put_locations([location("c", 0), location("d", 1)])

        assert ledger.grid() is not before
        assert available(ledger, "x") == {"c": 3, "a": 1, "d": 0, "b": 2}
        assert [each.location_id for each in records(ledger)] == ["c", "a", "b"]
        check_grid(ledger)

    def test_other_fields_keep_the_grid(self, ledger: Ledger) -> None:
        stocked(ledger, {("a", "x"): 1})
        before = ledger.grid()

        ledger.put_locations([location("a", 1, workload_minutes=90)])

        assert ledger.grid() is before
        assert before.network.locations[0].workload_minutes == 90
        check_grid(ledger)

    def test_an_inactive_location_keeps_its_stock_and_ships_nothing(
        self, ledger: Ledger
    ) -> None:
        stocked(ledger, {("a", "x"): 4, ("b", "x"): 2})

        ledger.put_locations([location("a", 1, active=False)])
        import_set(ledger, change("a", "x", 5))

        assert available(ledger, "x") == {"a": 0, "b": 2}
        found = record(ledger, "a", "x")
        assert found is not None
        expected = StockRecord(
            LocationId("a"), Sku("x"), 5, counted_seconds=found.counted_seconds
        )
        assert found == expected
        with pytest.raises(StockConflict):
            ledger.reserve(reservation("1", ("a", "x", 1)))
        ledger.put_locations([location("a", 1)])
        assert available(ledger, "x") == {"a": 5, "b": 2}
        check_grid(ledger)
