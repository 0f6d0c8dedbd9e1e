"""What every ledger promises of zones: parts of a location counted by themselves."""

from itertools import pairwise

import pytest

from availability.errors import InvalidChange, StockConflict
from availability.ledger.protocol import Ledger
from availability.model import (
    ImportMode,
    ImportResult,
    Location,
    LocationId,
    Sku,
    StockChange,
    Zone,
)
from availability.reservations import Cause, Ship
from tests.availability.ledger.world import (
    available,
    balances,
    change,
    correction,
    do,
    import_set,
    location,
    records,
    request,
    reservation,
    stocked,
    swap,
    violations,
)

Zones = dict[str, int]


def depot(name: str = "a", *zones: Zone, **fields: object) -> Location:
    """A location: zone p is picked from, q too, and f is far."""
    usual = (Zone("p"), Zone("q"), Zone("f", available=False))
    return location(name, 1, zones=zones or usual, **fields)


def zones_of(ledger: Ledger, sku: str, location_id: str = "a") -> Zones:
    found = ledger.zones([Sku(sku)], [LocationId(location_id)])
    assert {(each.location_id, each.sku) for each in found} <= {(location_id, sku)}
    return {each.zone_id: each.on_hand for each in found}


def import_in(ledger: Ledger, mode: ImportMode, *changes: StockChange) -> ImportResult:
    return ImportResult.from_json(ledger.import_stock(mode, changes))


class ZoneContract:
    @pytest.fixture
    def zoned(self, ledger: Ledger) -> Ledger:
        """x at a: one in no zone, two in p, three in q; four in f do not count."""
        ledger.put_locations([depot(), location("b", 2)])
        import_set(
            ledger,
            change("a", "x", 1),
            change("a", "x", 2, zone="p"),
            change("a", "x", 3, zone="q"),
            change("a", "x", 4, zone="f"),
        )
        return ledger

    def test_the_golden_example(self, ledger: Ledger) -> None:
        """Altazion, central stock: available is the sum of the available zones."""
        no = {"available": False}
        zones = [Zone("1"), Zone("2", **no), Zone("3", **no)]
        ledger.put_locations([depot("A", *zones), depot("B", Zone("1"), Zone("2"))])
        import_set(
            ledger,
            change("A", "A", 4, zone="1"), change("A", "A", 1, zone="3"),
            change("A", "B", 2, zone="2"),
            change("A", "C", 2, zone="1"), change("A", "C", 6, zone="2"),
            change("B", "A", 4, zone="1"),
            change("B", "B", 2, zone="2"),
            change("B", "C", 3, zone="1"), change("B", "C", 20, zone="2"),
        )  # fmt: skip

        assert {sku: available(ledger, sku) for sku in "ABC"} == {
            "A": {"A": 4, "B": 4},
            "B": {"A": 0, "B": 2},
            "C": {"A": 2, "B": 23},
        }

    def test_zones_are_listed(self, zoned: Ledger) -> None:
        zoned.put_locations([depot("c", Zone("p"))])
        import_set(
            zoned,
            change("c", "x", 5, zone="p"),
            change("c", "w", 6, zone="p"),
            change("b", "x", 9),
        )

        found = zoned.zones([Sku("x"), Sku("w"), Sku("nothing")])

        # By SKU, location and zone; b has no zones.
        assert [tuple(each) for each in found] == [
            ("c", "w", "", 0), ("c", "w", "p", 6),
            ("a", "x", "", 1), ("a", "x", "f", 4), ("a", "x", "p", 2),
            ("a", "x", "q", 3),
            ("c", "x", "", 0), ("c", "x", "p", 5),
        ]  # fmt: skip
        assert zoned.zones([Sku("x")], [LocationId("b")]) == []

    def test_what_is_in_no_zone_is_listed_too(self, ledger: Ledger) -> None:
        ledger.put_locations([depot()])
        import_set(ledger, change("a", "x", 7))

        assert zones_of(ledger, "x") == {"": 7}

    def test_set_counts_one_zone_alone(self, zoned: Ledger) -> None:
        done = import_set(zoned, change("a", "x", 7, zone="p"))

        assert done.changed_count == 1
        assert zones_of(zoned, "x") == {"": 1, "p": 7, "q": 3, "f": 4}
        assert available(zoned, "x")["a"] == 11

    def test_set_of_what_is_in_no_zone(self, zoned: Ledger) -> None:
        import_set(zoned, change("a", "x", 9))

        assert zones_of(zoned, "x") == {"": 9, "p": 2, "q": 3, "f": 4}
        assert available(zoned, "x")["a"] == 14

    def test_a_far_zone_does_not_sell(self, zoned: Ledger) -> None:
        import_set(zoned, change("a", "x", 90, zone="f"))

        assert zones_of(zoned, "x")["f"] == 90
        assert available(zoned, "x")["a"] == 6
        with pytest.raises(StockConflict):
            zoned.reserve(reservation("1", ("a", "x", 7)))

    def test_delta_adds_zone_by_zone(self, zoned: Ledger) -> None:
        import_in(
            zoned,
            ImportMode.DELTA,
            change("a", "x", -1),
            change("a", "x", -2, zone="p"),
            change("a", "x", 5, zone="f"),
        )

        assert zones_of(zoned, "x") == {"": 0, "p": 0, "q": 3, "f": 9}
        assert balances(zoned, "a", "x") == (3, 0, 0, 0)

    @pytest.mark.parametrize("zone", ["", "p", "q", "f"])
    def test_delta_below_what_a_zone_has(self, zoned: Ledger, zone: str) -> None:
        """It does not matter that the record has enough."""
        fewer = -1 - zones_of(zoned, "x")[zone]

        with pytest.raises(InvalidChange) as caught:
            import_in(zoned, ImportMode.DELTA, change("a", "x", fewer, zone=zone))

        assert violations(caught) == [("changes[0].on_hand_units", "BELOW_ZERO")]

    def test_snapshot_zeroes_the_zones_it_does_not_name(self, zoned: Ledger) -> None:
        import_set(zoned, change("a", "y", 8, zone="f"), change("a", "z", 5))
        import_set(zoned, change("b", "x", 5))

        done = import_in(zoned, ImportMode.SNAPSHOT, change("a", "x", 9, zone="q"))

        assert zones_of(zoned, "x") == {"": 0, "p": 0, "q": 9, "f": 0}
        assert zones_of(zoned, "y") == {"": 0, "f": 0}
        assert balances(zoned, "a", "z")[0] == 0
        assert available(zoned, "x") == {"a": 9, "b": 5}
        assert (done.changed_count, done.zeroed_count) == (1, 2)

    def test_safety_stock_is_the_records(self, zoned: Ledger) -> None:
        import_set(
            zoned,
            change("a", "x", 2, 1, zone="p"),
            change("a", "x", 3, 1, zone="q"),
            change("a", "x", 4, zone="f"),
        )

        assert [each.safety_stock for each in records(zoned)] == [1]
        assert available(zoned, "x")["a"] == 5

    def test_violations_of_zones(self, zoned: Ledger) -> None:
        with pytest.raises(InvalidChange) as caught:
            import_set(
                zoned,
                change("a", "x", 1, zone="nowhere"),
                change("b", "x", 1, zone="p"),
                change("nowhere", "x", 1, zone="p"),
                change("a", "x", 1, zone="p"),
                change("a", "x", 1, zone="q"),
                change("a", "x", 2, zone="p"),
                change("a", "y", 1, 1, zone="p"),
                change("a", "y", 1, 2, zone="q"),
                change("a", "y", 1),
                change("a", "", -1, zone="p"),
            )

        assert violations(caught) == [
            ("changes[0].zone_id", "UNKNOWN_ZONE"),
            ("changes[1].zone_id", "UNKNOWN_ZONE"),
            ("changes[2].location_id", "UNKNOWN_LOCATION"),
            ("changes[5].sku", "DUPLICATE"),
            ("changes[7].safety_stock_units", "CONFLICT"),
            ("changes[9].sku", "INVALID_SKU"),
            ("changes[9].on_hand_units", "OUT_OF_RANGE"),
        ]
        assert zones_of(zoned, "x") == {"": 1, "p": 2, "q": 3, "f": 4}

    def test_a_zone_that_opens_or_closes_moves_what_counts(self, zoned: Ledger) -> None:
        closed = Zone("p", available=False), Zone("q", available=False)
        import_set(zoned, change("a", "y", 5, zone="p"))

        zoned.put_locations([depot("a", *closed, Zone("f"))])

        assert available(zoned, "x")["a"] == 1 + 4
        assert available(zoned, "y")["a"] == 0
        assert zones_of(zoned, "x") == {"": 1, "p": 2, "q": 3, "f": 4}
        moved = [each.movement for each in zoned.movements(Sku("x"))][-3:]
        assert [(each.cause, each.zone_id, each.on_hand) for each in moved] == [
            (Cause.ZONED, "f", 4),
            (Cause.ZONED, "p", -2),
            (Cause.ZONED, "q", -3),
        ]
        zoned.put_locations([depot()])
        assert available(zoned, "x")["a"] == 6

    def test_a_zone_that_closes_over_a_promise_leaves_a_deficit(
        self, zoned: Ledger
    ) -> None:
        zoned.reserve(reservation("1", ("a", "x", 6)))
        closed = Zone("q", available=False), Zone("f", available=False)

        zoned.put_locations([depot("a", Zone("p"), *closed)])

        assert balances(zoned, "a", "x") == (3, 6, 0, 0)
        import_in(zoned, ImportMode.DELTA, change("a", "x", 3))
        with pytest.raises(StockConflict):
            zoned.reserve(reservation("2", ("a", "x", 1)))

    def test_a_zone_with_units_can_not_go(self, zoned: Ledger) -> None:
        before = zoned.network()

        with pytest.raises(InvalidChange) as caught:
            zoned.put_locations([location("b", 5), depot("a", Zone("p"))], request("r"))

        # Each zone by itself: q and f hold units.
        reasons = [("locations[1].zones", "ZONE_NOT_EMPTY")] * 2
        assert violations(caught) == reasons
        assert zoned.network() == before
        assert zoned.replay(request("r")) is None

    def test_an_empty_zone_can_go_and_come_back(self, zoned: Ledger) -> None:
        import_set(zoned, change("a", "x", 0, zone="q"))
        f = Zone("f", available=False)

        zoned.put_locations([depot("a", Zone("p"), f)])
        assert zones_of(zoned, "x") == {"": 1, "p": 2, "f": 4}
        with pytest.raises(InvalidChange):
            import_set(zoned, change("a", "x", 1, zone="q"))

        zoned.put_locations([depot()])
        import_set(zoned, change("a", "x", 5, zone="q"))
        assert available(zoned, "x")["a"] == 8

    def test_a_location_gets_zones(self, ledger: Ledger) -> None:
        stocked(ledger, {("a", "x"): 5})

        ledger.put_locations([depot()])

        assert available(ledger, "x") == {"a": 5}
        import_set(ledger, change("a", "x", 2, zone="p"))
        assert zones_of(ledger, "x") == {"": 5, "p": 2}
        assert available(ledger, "x") == {"a": 7}

    def test_shipping_takes_what_is_in_no_zone_first(self, zoned: Ledger) -> None:
        left = [{"": 1, "p": 2, "q": 3, "f": 4}]
        for n in range(6):
            zoned.reserve(reservation(str(n), ("a", "x", 1)))
            do(zoned, str(n), Ship())
            left.append(zones_of(zoned, "x"))

        names = [
            next(zone for zone in before if before[zone] != after[zone])
            for before, after in pairwise(left)
        ]
        assert names == ["", "p", "p", "q", "q", "q"]
        assert left[-1] == {"": 0, "p": 0, "q": 0, "f": 4}
        assert balances(zoned, "a", "x") == (0, 0, 0, 0)

    def test_a_shipment_out_of_several_zones(self, zoned: Ledger) -> None:
        zoned.reserve(reservation("1", ("a", "x", 4)))

        do(zoned, "1", Ship())

        assert zones_of(zoned, "x") == {"": 0, "p": 0, "q": 2, "f": 4}
        moved = [each.movement for each in zoned.movements(plan_id="plan-1")][1:]
        assert [(each.zone_id, each.on_hand, each.zone_units) for each in moved] == [
            ("", -1, 0),
            ("p", -2, -2),
            ("q", -1, -1),
        ]

    def test_more_is_shipped_than_all_zones_have(self, zoned: Ledger) -> None:
        zoned.reserve(reservation("1", ("a", "x", 6)))
        import_set(zoned, change("a", "x", 0), change("a", "x", 0, zone="q"))

        do(zoned, "1", Ship())

        assert zones_of(zoned, "x") == {"": 0, "p": 0, "q": 0, "f": 4}
        assert balances(zoned, "a", "x") == (0, 0, 0, 0)

    @pytest.mark.parametrize(
        ("said", "expected"),
        [
            (2, {"": 0, "p": 1, "q": 3, "f": 4}),
            (None, {"": 0, "p": 0, "q": 0, "f": 4}),
        ],
    )
    def test_a_correction_takes_from_the_zones_that_sell(
        self, zoned: Ledger, said: int | None, expected: Zones
    ) -> None:
        zoned.reserve(reservation("1", ("a", "x", 1)))
        off = correction("a", "x", said)

        do(
            zoned,
            "1",
            swap(0, [("a", "x", 1)], cause=Cause.REJECTED, corrections=[off]),
        )

        assert zones_of(zoned, "x") == expected
        assert balances(zoned, "a", "x")[0] == sum(expected.values()) - 4
