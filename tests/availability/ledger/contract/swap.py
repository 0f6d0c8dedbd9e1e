"""What every ledger promises of units that change their place, and of races."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from availability.errors import (
    PlanChanged,
    ReservationResolved,
    StockConflict,
    UnitsNotOpen,
)
from availability.ledger.protocol import Ledger
from availability.reservations import (
    Cancel,
    Cause,
    Command,
    Place,
    ReservationState,
    Ship,
    Swap,
)
from tests.availability.ledger.world import (
    available,
    balances,
    change,
    claim,
    correction,
    do,
    holding,
    import_set,
    location,
    queue,
    record_of,
    ref,
    request,
    reservation,
    ship,
    state_of,
    stocked,
    swap,
)

State = ReservationState


def race_to_change(ledger: Ledger, name: str, commands: list[Command]) -> list[str]:
    """Do all at the same moment; return what became of each."""
    gate = threading.Barrier(len(commands))

    def run(command: Command) -> str:
        gate.wait()
        try:
            ledger.change(ref(name), command)
        except (PlanChanged, ReservationResolved, UnitsNotOpen) as error:
            return type(error).__name__
        return "done"

    with ThreadPoolExecutor(len(commands)) as pool:
        return list(pool.map(run, commands))


class SwapContract:
    @pytest.fixture
    def moving(self, ledger: Ledger) -> Ledger:
        """Plan 1 has four of ten x at a; five more are at b, none at c."""
        stocked(ledger, {("a", "x"): 10, ("b", "x"): 5, ("c", "x"): 0})
        ledger.reserve(reservation("1", ("a", "x", 4), request=request("first")))
        return ledger

    def test_units_move_to_another_location(self, moving: Ledger) -> None:
        record = do(moving, "1", swap(0, [("a", "x", 3)], [("b", "x", 3)]))

        assert (record.state, record.revision) == (State.PLACED, 1)
        assert record.holdings == (holding("a", "x", 1, moved=3), holding("b", "x", 3))
        assert available(moving, "x") == {"a": 9, "b": 2, "c": 0}
        # The plan is a new one; the request's answer stays the first.
        assert (record.reply, record.body) == (b"reply swapped", b"body swapped")
        assert moving.plan("plan-1") == b"reply swapped"
        assert moving.replay(request("first")) == b"reply-1"

    def test_a_held_cart_stays_held(self, ledger: Ledger) -> None:
        stocked(ledger, {("a", "x"): 10, ("b", "x"): 5})
        ledger.reserve(reservation("1", ("a", "x", 4), hold=60))

        record = do(ledger, "1", swap(0, [("a", "x", 4)], [("b", "x", 4)]))

        assert (record.state, record.hold_seconds) == (State.HELD, 60)
        assert balances(ledger, "b", "x") == (5, 0, 4, 0)
        assert balances(ledger, "a", "x") == (10, 0, 0, 0)

    def test_a_rejection_corrects_and_claims_elsewhere(self, moving: Ledger) -> None:
        command = swap(
            0,
            [("a", "x", 4)],
            [("b", "x", 4)],
            cause=Cause.REJECTED,
            corrections=[correction("a", "x", 6, withdrawn=1)],
        )

        record = do(moving, "1", command)

        assert record.holdings == (
            holding("a", "x", rejected=4),
            holding("b", "x", 4),
        )
        assert balances(moving, "a", "x") == (4, 0, 0, 1)
        assert available(moving, "x") == {"a": 3, "b": 1, "c": 0}
        (withdrawn,) = moving.withdrawals()
        assert (withdrawn.location_id, withdrawn.sku) == ("a", "x")
        assert (withdrawn.quantity, withdrawn.reason) == (1, "broken")
        assert (withdrawn.starts_seconds, withdrawn.ends_seconds) == (None, None)

    @pytest.mark.parametrize(("said", "left"), [(None, 0), (0, 10), (3, 7), (11, 0)])
    def test_a_correction_never_counts_below_zero(
        self, moving: Ledger, said: int | None, left: int
    ) -> None:
        off = correction("a", "x", said)
        do(
            moving,
            "1",
            swap(0, [("a", "x", 4)], cause=Cause.REJECTED, corrections=[off]),
        )

        assert balances(moving, "a", "x") == (left, 0, 0, 0)
        assert state_of(moving, "1") is State.REJECTED
        causes = [each.movement.cause for each in moving.movements(plan_id="plan-1")]
        expected = [Cause.ALLOCATED, Cause.REJECTED, Cause.CORRECTED]
        assert causes == expected[: 3 if said != 0 else 2]

    def test_a_correction_may_leave_others_without(self, moving: Ledger) -> None:
        """What is promised to others beyond the count is a deficit."""
        moving.reserve(reservation("2", ("a", "x", 6)))
        off = correction("a", "x", None)

        do(
            moving,
            "1",
            swap(0, [("a", "x", 4)], cause=Cause.REJECTED, corrections=[off]),
        )

        assert balances(moving, "a", "x") == (0, 6, 0, 0)
        import_set(moving, change("a", "x", 6))
        with pytest.raises(StockConflict):
            moving.reserve(reservation("3", ("a", "x", 1)))

    def test_two_rejections_give_two_withdrawals(self, moving: Ledger) -> None:
        broken = [correction("a", "x", 0, withdrawn=1)] * 2
        do(moving, "1", swap(0, [("a", "x", 1)], corrections=broken))
        do(moving, "1", swap(1, [("a", "x", 1)], corrections=broken[:1]))

        assert [each.quantity for each in moving.withdrawals()] == [1, 1, 1]
        assert len({each.withdrawal_id for each in moving.withdrawals()}) == 3
        assert balances(moving, "a", "x") == (10, 2, 0, 3)

    def test_what_was_released_can_be_claimed(self, moving: Ledger) -> None:
        """A plan made anew may keep a location that has nothing else left."""
        moving.reserve(reservation("2", ("a", "x", 6)))
        line = claim("a", "x", 4, "line-2")

        record = do(moving, "1", swap(0, [("a", "x", 4)], [line]))

        assert record.holdings == (
            holding("a", "x", moved=4),
            holding("a", "x", 4, line="line-2"),
        )

    @pytest.mark.parametrize(
        "command",
        [
            swap(0, [("a", "x", 4)], [("b", "x", 6)]),
            swap(0, [("a", "x", 4)], [("a", "x", 11)]),
            swap(0, [("a", "x", 4)], [("b", "x", 3), ("c", "x", 1)]),
            swap(0, [("a", "x", 4)], [("b", "x", 3), ("b", "x", 3)]),
            swap(0, [("a", "x", 4)], [("b", "nothing", 1)]),
            swap(0, [("a", "x", 4)], [("nowhere", "x", 1)]),
            swap(0, [("a", "x", 4)], corrections=[correction("nowhere", "x")]),
            swap(0, [("a", "x", 4)], [("off", "x", 1)]),
            swap(0, [("a", "x", 4)], [("safe", "x", 1)]),
            swap(
                0,
                [("a", "x", 4)],
                [("a", "x", 4)],
                corrections=[correction("a", "x", 7, 2)],
                queued=[queue("web", "x", 1)],
            ),
        ],
    )
    def test_a_conflict_leaves_everything_as_it_was(
        self, moving: Ledger, command: Swap
    ) -> None:
        moving.put_locations([location("off", 4, active=False), location("safe", 5)])
        import_set(moving, change("off", "x", 9), change("safe", "x", 9, 9))
        before, version = record_of(moving, "1"), moving.version()
        grid = available(moving, "x")

        with pytest.raises(StockConflict):
            do(moving, "1", command, request("r"))

        assert record_of(moving, "1") == before
        assert (moving.version(), available(moving, "x")) == (version, grid)
        assert moving.withdrawals() == []
        assert dict(moving.queued()) == {}
        assert moving.replay(request("r")) is None

    def test_an_inactive_location_can_still_be_left(self, moving: Ledger) -> None:
        moving.put_locations([location("a", 1, active=False)])

        do(moving, "1", swap(0, [("a", "x", 4)], [("b", "x", 4)]))

        assert available(moving, "x") == {"a": 0, "b": 1, "c": 0}

    def test_another_revision(self, moving: Ledger) -> None:
        do(moving, "1", ship(("a", "x", 1)))
        before = record_of(moving, "1")

        for revision in (0, 2):
            with pytest.raises(PlanChanged):
                do(moving, "1", swap(revision, [("a", "x", 1)], [("b", "x", 1)]))

        assert record_of(moving, "1") == before

    def test_what_nobody_has_is_rejected(self, moving: Ledger) -> None:
        record = do(moving, "1", swap(0, [("a", "x", 4)], cause=Cause.REJECTED))

        assert (record.state, record.open_units) == (State.REJECTED, 0)
        assert available(moving, "x")["a"] == 10

    @pytest.mark.parametrize(
        "command", [Ship(), Cancel(), swap(0, [("a", "x", 4)], [("b", "x", 4)])]
    )
    def test_eight_threads_and_one_of_them_does_it(
        self, moving: Ledger, command: Command
    ) -> None:
        found = race_to_change(moving, "1", [command] * 8)

        late = "PlanChanged" if isinstance(command, Swap) else "ReservationResolved"
        assert sorted(found) == sorted(["done", *[late] * 7])
        assert record_of(moving, "1").revision == 1

    def test_ship_or_cancel_never_both(self, ledger: Ledger) -> None:
        """A unit ends once: committed, released or expired, never two of them."""
        stocked(ledger, {("a", "x"): 100, ("b", "x"): 100})
        for n in range(10):
            ledger.reserve(reservation(str(n), ("a", "x", 4)))
            move = swap(0, [("a", "x", 4)], [("b", "x", 4)])

            race_to_change(ledger, str(n), [Ship(), Cancel(), move, Ship()])

            record = record_of(ledger, str(n))
            assert record.open_units == 0
            ends = [each.shipped + each.cancelled for each in record.holdings]
            assert sum(ends) == 4

    def test_four_units_and_eight_who_ship_one(self, moving: Ledger) -> None:
        found = race_to_change(moving, "1", [ship(("a", "x", 1))] * 8)

        assert found.count("done") == 4
        assert balances(moving, "a", "x") == (6, 0, 0, 0)

    def test_placed_or_expired(
        self, ledger: Ledger, clock: Callable[[], float]
    ) -> None:
        stocked(ledger, {("a", "x"): 100})
        with ThreadPoolExecutor(2) as pool:
            for n in range(10):
                ledger.reserve(reservation(str(n), ("a", "x", 4), hold=1))
                clock.now += 1  # type: ignore[attr-defined]
                swept = pool.submit(ledger.sweep)
                (outcome,) = race_to_change(ledger, str(n), [Place()])

                placed = outcome == "done"
                assert swept.result().expired_count == (not placed)
                end = State.PLACED if placed else State.EXPIRED
                assert state_of(ledger, str(n)) is end
