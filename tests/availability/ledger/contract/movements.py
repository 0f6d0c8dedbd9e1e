"""What every ledger promises of movements: balances add up, nothing is rewritten."""

from collections.abc import Callable

import pytest

from availability.ledger.protocol import Ledger
from availability.model import ImportMode, LocationId, Sku, Zone
from availability.reservations import Cancel, Cause, Movement, Place, Ship
from tests.availability.ledger.world import (
    Clock,
    all_movements,
    balances,
    cancel,
    change,
    check_books,
    claim,
    correction,
    do,
    import_set,
    location,
    queue,
    request,
    reservation,
    ship,
    stocked,
    swap,
    withdrawal,
    withdrawals,
)

X, A = "x", "a"


class MovementContract:
    def moved(self, ledger: Ledger, act: Callable[[], object]) -> list[Movement]:
        """What an operation leaves, and nothing but that."""
        before = list(all_movements(ledger))
        act()
        after = list(all_movements(ledger))
        assert after[: len(before)] == before
        check_books(ledger)
        return [each.movement for each in after[len(before) :]]

    def test_each_operation_leaves_its_movements(self, ledger: Ledger) -> None:
        ledger.put_locations([location("a", zones=(Zone("p"),)), location("b")])
        steps: list[tuple[Callable[[], object], list[Movement]]] = [
            (
                lambda: import_set(
                    ledger, change("a", "x", 10, 1), change("a", "x", 5, zone="p")
                ),
                [
                    Movement(Cause.IMPORTED, X, A, on_hand=10),
                    Movement(Cause.IMPORTED, X, A, "p", on_hand=5, zone_units=5),
                    Movement(Cause.IMPORTED, X, A, safety_stock=1),
                ],
            ),
            (
                lambda: ledger.reserve(
                    reservation(
                        "1",
                        claim("a", "x", 3, "l"),
                        hold=60,
                        queued=[queue("web", "x", 2, "l")],
                    )
                ),
                [
                    Movement(Cause.HELD, X, A, line_id="l", held=3),
                    Movement(Cause.QUEUED, X, channel_id="web", line_id="l", queued=2),
                ],
            ),
            (
                lambda: do(ledger, "1", Place()),
                [Movement(Cause.PLACED, X, A, line_id="l", held=-3, allocated=3)],
            ),
            (
                lambda: do(ledger, "1", ship(claim("a", "x", 1, "l"))),
                [Movement(Cause.SHIPPED, X, A, line_id="l", on_hand=-1, allocated=-1)],
            ),
            (
                lambda: do(ledger, "1", Cancel()),
                [
                    Movement(Cause.CANCELLED, X, A, line_id="l", allocated=-2),
                    Movement(
                        Cause.CANCELLED, X, channel_id="web", line_id="l", queued=-2
                    ),
                ],
            ),
            (
                lambda: ledger.reserve(reservation("2", ("a", "x", 2))),
                [Movement(Cause.ALLOCATED, X, A, allocated=2)],
            ),
            (
                lambda: do(
                    ledger,
                    "2",
                    swap(
                        0,
                        [("a", "x", 1)],
                        cause=Cause.REJECTED,
                        corrections=[correction("a", "x", 2, withdrawn=1)],
                        queued=[queue("web", "x", 1)],
                    ),
                ),
                [
                    Movement(Cause.REJECTED, X, A, allocated=-1),
                    Movement(Cause.CORRECTED, X, A, on_hand=-2),
                    Movement(Cause.WITHDRAWN, X, A, withdrawn=1),
                    Movement(Cause.QUEUED, X, channel_id="web", queued=1),
                ],
            ),
            (
                lambda: ledger.put_withdrawals([withdrawals("a", "x")]),
                [Movement(Cause.RETURNED, X, A, withdrawn=-1)],
            ),
            (
                lambda: ledger.put_locations(
                    [location("a", zones=(Zone("p", available=False),))]
                ),
                [Movement(Cause.ZONED, X, A, "p", on_hand=-5)],
            ),
            (
                lambda: ledger.import_stock(
                    ImportMode.SNAPSHOT, [change("a", "y", 0)], request("r")
                ),
                [
                    Movement(Cause.IMPORTED, X, A, on_hand=-7),
                    Movement(Cause.IMPORTED, X, A, "p", zone_units=-5),
                ],
            ),
            (
                lambda: do(ledger, "2", Ship()),
                [
                    Movement(Cause.FOUND, X, A, on_hand=1),
                    Movement(Cause.SHIPPED, X, A, on_hand=-1, allocated=-1),
                ],
            ),
            (lambda: ledger.audit(repair=True), []),
            (lambda: ledger.put_locations([location("a")]), []),
        ]
        for n, (act, expected) in enumerate(steps):
            assert sorted(self.moved(ledger, act)) == sorted(expected), n

    def test_what_moved_is_told_with_its_cause(
        self, ledger: Ledger, clock: Clock
    ) -> None:
        ledger.put_locations([location("a")])
        ledger.import_stock(ImportMode.SET, [change("a", "x", 9)], request("import 7"))
        clock.now += 1.25
        ledger.reserve(reservation("1", ("a", "x", 1)))
        away = withdrawal("w", "a", "x", 1)
        ledger.put_withdrawals([withdrawals("a", "x", away)], request("ignored"))

        found = [
            (each.at_seconds - clock.now, each.plan_id, each.reference)
            for each in ledger.movements()
        ]

        assert found == [(-1.25, "", "import 7"), (0, "plan-1", ""), (0, "", "w")]

    def test_pages_of_movements(self, ledger: Ledger) -> None:
        stocked(ledger, {("a", f"s{n}"): 1 for n in range(7)})
        all_of_them = ledger.movements()
        keys = [each.movement_key for each in all_of_them]

        assert len(keys) == 7
        assert keys == sorted(set(keys))
        assert ledger.movements(limit=3) == all_of_them[:3]
        assert ledger.movements(after=keys[2], limit=3) == all_of_them[3:6]
        assert ledger.movements(after=keys[5], limit=3) == all_of_them[6:]
        assert ledger.movements(after=keys[6]) == []

    def test_filters_of_movements(self, ledger: Ledger) -> None:
        stocked(ledger, {("a", "x"): 9, ("b", "x"): 9, ("a", "y"): 9})
        ledger.reserve(
            reservation(
                "1", ("a", "x", 1), ("a", "y", 2), queued=[queue("web", "x", 3)]
            )
        )
        ledger.reserve(reservation("2", ("b", "x", 4)))

        def found(
            sku: str | None = None, at: str | None = None, plan: str | None = None
        ) -> list[tuple[str, str, int]]:
            page = ledger.movements(
                None if sku is None else Sku(sku),
                None if at is None else LocationId(at),
                plan,
            )
            return [
                (each.location_id, each.sku, each.allocated + each.queued)
                for each in (row.movement for row in page)
                if each.cause is not Cause.IMPORTED
            ]

        assert found(plan="plan-1") == [("a", "x", 1), ("a", "y", 2), ("", "x", 3)]
        assert found(sku="x") == [("a", "x", 1), ("", "x", 3), ("b", "x", 4)]
        assert found(at="a") == [("a", "x", 1), ("a", "y", 2)]
        assert found("x", "a") == [("a", "x", 1)]
        assert found("x", None, "plan-1") == [("a", "x", 1), ("", "x", 3)]
        assert found(None, "a", "plan-1") == [("a", "x", 1), ("a", "y", 2)]
        assert found("y", "a", "plan-1") == [("a", "y", 2)]
        assert found("y", "b") == found(plan="plan-3") == found(sku="z") == []
        assert found(at="nowhere") == []

    @pytest.mark.parametrize("limit", [0, -1, 10_001])
    def test_a_page_of_movements_has_a_limit(self, ledger: Ledger, limit: int) -> None:
        with pytest.raises(ValueError, match="limit"):
            ledger.movements(limit=limit)

    def test_a_done_order_adds_up_to_nothing(self, ledger: Ledger) -> None:
        """Adobe's own example: 25 promised, 5 cancelled, 20 shipped."""
        stocked(ledger, {("a", "x"): 25})
        ledger.reserve(reservation("1", ("a", "x", 25)))
        do(ledger, "1", cancel(("a", "x", 5)))
        do(ledger, "1", Ship())

        moved = [each.movement for each in ledger.movements(plan_id="plan-1")]

        assert [each.allocated for each in moved] == [25, -5, -20]
        # Only what was shipped is gone; the cancelled are credited to nobody.
        assert [each.on_hand for each in moved] == [0, 0, -20]
        assert balances(ledger, "a", "x") == (5, 0, 0, 0)

    def test_the_ledger_of_8_5_units(self, ledger: Ledger) -> None:
        """Adobe: 5.5 + 3 in stock, 10 at a disabled source; reserve 5, cancel 1.5.

        In tenths, as the smallest unit is.
        """
        stocked(ledger, {("a", "x"): 55, ("b", "x"): 30, ("off", "x"): 100})
        ledger.put_locations([location("off", 3, active=False)])

        def total() -> int:
            return int(ledger.grid().read([0]).sum())

        assert total() == 85
        ledger.reserve(reservation("1", ("a", "x", 50)))
        do(ledger, "1", cancel(("a", "x", 15)))
        assert total() == 50
