"""What every ledger promises of imports, and of repeats."""

import pytest

from availability.errors import InvalidChange, RequestReused, StockConflict
from availability.ledger.protocol import Ledger
from availability.model import (
    MAX_STOCK_UNITS,
    ImportMode,
    ImportResult,
    PutResult,
    Request,
)
from tests.availability.ledger.world import (
    available,
    change,
    check_grid,
    import_set,
    location,
    record,
    records,
    request,
    reservation,
    stocked,
    violations,
)


class ImportContract:
    def test_set_replaces_what_is_named(self, ledger: Ledger) -> None:
        ledger.put_locations([location("a")])
        first = import_set(ledger, change("a", "x", 5, 2), change("a", "y", 1))

        second = import_set(ledger, change("a", "x", 7), change("a", "z", 0))

        assert first == ImportResult(2, 0, 2)
        assert second == ImportResult(2, 0, 3)
        assert [
            (each.sku, each.on_hand, each.safety_stock) for each in records(ledger)
        ] == [
            ("x", 7, 2),  # safety stock unset leaves it as it was
            ("y", 1, 0),
            ("z", 0, 0),
        ]
        assert available(ledger, "x") == {"a": 5}
        check_grid(ledger)

    def test_an_import_that_changes_nothing(self, ledger: Ledger) -> None:
        stocked(ledger, {("a", "x"): 5})
        version = ledger.version()

        assert import_set(ledger, change("a", "x", 5)) == ImportResult(0, 0, version)
        assert ledger.version() == version

    def test_safety_stock_alone_counts_as_a_change(self, ledger: Ledger) -> None:
        stocked(ledger, {("a", "x"): 5})

        assert import_set(ledger, change("a", "x", 5, 9)).changed_count == 1
        assert available(ledger, "x") == {"a": 0}
        with pytest.raises(StockConflict):
            ledger.reserve(reservation("1", ("a", "x", 1)))
        check_grid(ledger)

    def test_snapshot_zeroes_what_it_does_not_name(self, ledger: Ledger) -> None:
        stocked(
            ledger,
            {("a", "x"): 5, ("a", "y"): 6, ("a", "z"): 0, ("b", "y"): 7, ("b", "z"): 8},
        )
        ledger.reserve(reservation("1", ("a", "y", 2)))

        reply = ledger.import_stock(
            ImportMode.SNAPSHOT, [change("a", "x", 5), change("a", "w", 1)]
        )

        # y goes to zero; z was there already; b was not named.
        done = ImportResult(1, 1, ledger.version(), 1, 2, 6, 11)
        assert ImportResult.from_json(reply) == done
        assert [
            (each.sku, each.location_id, each.on_hand, each.allocated)
            for each in records(ledger)
        ] == [
            ("w", "a", 1, 0),
            ("x", "a", 5, 0),
            ("y", "a", 0, 2),
            ("y", "b", 7, 0),
            ("z", "a", 0, 0),
            ("z", "b", 8, 0),
        ]
        check_grid(ledger)

    def test_delta_adds_to_what_was_on_hand(self, ledger: Ledger) -> None:
        stocked(ledger, {("a", "x"): 5, ("a", "y"): 5})

        reply = ledger.import_stock(
            ImportMode.DELTA,
            [change("a", "x", -5), change("a", "y", 2, 1), change("a", "z", 3)],
        )

        assert ImportResult.from_json(reply).changed_count == 3
        assert [(each.sku, each.available) for each in records(ledger)] == [
            ("x", 0),
            ("y", 6),
            ("z", 3),
        ]
        check_grid(ledger)

    def test_delta_below_zero_lists_all_and_applies_none(self, ledger: Ledger) -> None:
        stocked(ledger, {("a", "x"): 5, ("a", "y"): 5, ("a", "z"): MAX_STOCK_UNITS})
        before = list(records(ledger))

        with pytest.raises(InvalidChange) as caught:
            ledger.import_stock(
                ImportMode.DELTA,
                [
                    change("a", "new", -1),
                    change("a", "x", -6),
                    change("nowhere", "x", 1),
                    change("a", "y", -5),
                    change("a", "z", 1),
                ],
            )

        assert violations(caught) == [
            ("changes[0].on_hand_units", "BELOW_ZERO"),
            ("changes[1].on_hand_units", "BELOW_ZERO"),
            ("changes[2].location_id", "UNKNOWN_LOCATION"),
            ("changes[4].on_hand_units", "OUT_OF_RANGE"),
        ]
        assert list(records(ledger)) == before
        check_grid(ledger)

    def test_every_violation_is_listed(self, ledger: Ledger) -> None:
        ledger.put_locations([location("a")])

        with pytest.raises(InvalidChange) as caught:
            import_set(
                ledger,
                change("nowhere", "", -1, -1),
                change("a", "x", 1),
                change("a", "x", 2),
                change("a", "y", MAX_STOCK_UNITS + 1, MAX_STOCK_UNITS + 1),
                change("a", "tab\t", 0),
                change("a", "k" * 129, 0),
                change("a", "\ud800", 0),
            )

        assert violations(caught) == [
            ("changes[0].location_id", "UNKNOWN_LOCATION"),
            ("changes[0].sku", "INVALID_SKU"),
            ("changes[0].on_hand_units", "OUT_OF_RANGE"),
            ("changes[0].safety_stock_units", "OUT_OF_RANGE"),
            ("changes[2].sku", "DUPLICATE"),
            ("changes[3].on_hand_units", "OUT_OF_RANGE"),
            ("changes[3].safety_stock_units", "OUT_OF_RANGE"),
            ("changes[4].sku", "INVALID_SKU"),
            ("changes[5].sku", "INVALID_SKU"),
            ("changes[6].sku", "INVALID_SKU"),
        ]
        assert list(records(ledger)) == []

    def test_a_hundred_violations_are_enough(self, ledger: Ledger) -> None:
        with pytest.raises(InvalidChange) as caught:
            import_set(ledger, *(change("nowhere", f"sku-{n}", 1) for n in range(500)))

        assert len(caught.value.violations) == 100

    def test_the_hundred_are_the_first(self, ledger: Ledger) -> None:
        ledger.put_locations([location("a")])
        nowhere = [change("nowhere", f"sku-{n}", 1) for n in range(100)]

        with pytest.raises(InvalidChange) as caught:
            ledger.import_stock(ImportMode.DELTA, [change("a", "x", -1), *nowhere])

        assert violations(caught)[0] == ("changes[0].on_hand_units", "BELOW_ZERO")
        assert len(caught.value.violations) == 100

    def test_the_largest_quantities(self, ledger: Ledger) -> None:
        stocked(ledger, {("a", "x"): MAX_STOCK_UNITS})
        ledger.reserve(reservation("1", ("a", "x", MAX_STOCK_UNITS)))

        assert available(ledger, "x") == {"a": 0}
        check_grid(ledger)

    def test_a_lower_count_leaves_a_deficit(self, ledger: Ledger) -> None:
        stocked(ledger, {("a", "x"): 5})
        ledger.reserve(reservation("1", ("a", "x", 4)))

        import_set(ledger, change("a", "x", 1))

        short = record(ledger, "a", "x")
        assert short is not None
        assert (short.on_hand, short.allocated, short.available) == (1, 4, 0)
        check_grid(ledger)
        with pytest.raises(StockConflict):
            ledger.reserve(reservation("2", ("a", "x", 1)))
        # Three make up the deficit, the fourth can be promised.
        ledger.import_stock(ImportMode.DELTA, [change("a", "x", 4)])
        ledger.reserve(reservation("3", ("a", "x", 1)))
        with pytest.raises(StockConflict):
            ledger.reserve(reservation("4", ("a", "x", 1)))
        check_grid(ledger)

    def test_fifty_thousand_changes_in_one_call(self, ledger: Ledger) -> None:
        ledger.put_locations([location(f"l{n}", n) for n in range(50)])
        changes = [
            change(f"l{n}", f"s{k}", n + k) for k in range(1_000) for n in range(50)
        ]

        assert import_set(ledger, *changes).changed_count == 50_000
        assert available(ledger, "s999")["l49"] == 1_048
        assert len(ledger.stock(limit=10_000).records) == 10_000


class ReplayContract:
    def test_a_repeat_returns_the_first_reply(self, ledger: Ledger) -> None:
        encoded = []

        def encode(result: PutResult | ImportResult) -> bytes:
            encoded.append(result)
            return f"reply {len(encoded)}".encode()

        for _ in range(2):
            put = ledger.put_locations([location("a")], request("r1"), encode)
            done = ledger.import_stock(
                ImportMode.DELTA, [change("a", "x", 5)], request("r2"), encode
            )
            assert (put, done) == (b"reply 1", b"reply 2")

        assert encoded == [PutResult(1, 0), ImportResult(1, 0, 2)]
        assert available(ledger, "x") == {"a": 5}
        assert ledger.replay(request("r1")) == b"reply 1"
        assert ledger.replay(request("r2")) == b"reply 2"
        assert ledger.replay(request("r3")) is None

    def test_a_request_id_with_another_body_is_refused(self, ledger: Ledger) -> None:
        ledger.put_locations([location("a")], request("r1"))
        other = request("r1", b"another body")

        with pytest.raises(RequestReused):
            ledger.put_locations([location("b")], other)
        with pytest.raises(RequestReused):
            ledger.import_stock(ImportMode.SET, [change("a", "x", 1)], other)
        with pytest.raises(RequestReused):
            ledger.reserve(reservation("1", request=other))
        with pytest.raises(RequestReused):
            ledger.replay(other)
        assert len(ledger.network().locations) == 1
        assert list(records(ledger)) == []

    def test_without_an_id_a_repeat_is_a_new_call(self, ledger: Ledger) -> None:
        ledger.put_locations([location("a")])
        for _ in range(2):
            ledger.import_stock(ImportMode.DELTA, [change("a", "x", 5)])

        assert available(ledger, "x") == {"a": 10}
        assert ledger.replay(Request()) is None

    def test_a_refused_write_leaves_its_id_free(self, ledger: Ledger) -> None:
        with pytest.raises(InvalidChange):
            ledger.import_stock(ImportMode.SET, [change("a", "x", 1)], request("r1"))
        assert ledger.replay(request("r1")) is None

        ledger.put_locations([location("a")])
        ledger.import_stock(ImportMode.SET, [change("a", "x", 1)], request("r1"))
        assert available(ledger, "x") == {"a": 1}

    def test_a_reply_that_can_not_be_encoded_undoes_the_write(
        self, ledger: Ledger
    ) -> None:
        def encode(_: PutResult | ImportResult) -> bytes:
            raise RuntimeError("no reply")

        with pytest.raises(RuntimeError):
            ledger.put_locations([location("a")], encode=encode)
        assert ledger.network().locations == ()
        stocked(ledger, {("a", "x"): 1})
        with pytest.raises(RuntimeError):
            ledger.import_stock(
                ImportMode.SET, [change("a", "x", 9)], request("r1"), encode
            )
        assert ledger.replay(request("r1")) is None
        assert available(ledger, "x") == {"a": 1}
        check_grid(ledger)
