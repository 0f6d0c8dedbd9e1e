"""What every ledger promises of plans that change together, and of listing them."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from availability.errors import (
    PlanChanged,
    ReservationResolved,
    StockConflict,
    UnitsNotOpen,
)
from availability.ledger.protocol import MAX_OPEN_PLANS, MAX_TOGETHER, Ledger
from availability.model import Sku
from availability.reservations import (
    Cancel,
    Place,
    PlanRef,
    ReservationState,
    Ship,
    Swap,
)
from tests.availability.ledger.world import (
    Clock,
    available,
    claim,
    do,
    holding,
    location,
    queue,
    record_of,
    ref,
    reservation,
    stocked,
    swap,
)

State = ReservationState


def moves(*each: tuple[str, str, str], revision: int = 0) -> list[tuple[PlanRef, Swap]]:
    """One unit of x of each plan, from one location to another."""
    return [
        (ref(name), swap(revision, [(source, "x", 1)], [(target, "x", 1)]))
        for name, source, target in each
    ]


class TogetherContract:
    @pytest.fixture
    def circle(self, ledger: Ledger) -> Ledger:
        """One x at each of a, b and c, and plans 1, 2 and 3 that have them."""
        stocked(ledger, {("a", "x"): 1, ("b", "x"): 1, ("c", "x"): 1})
        for name, at in (("1", "a"), ("2", "b"), ("3", "c")):
            ledger.reserve(reservation(name, (at, "x", 1)))
        return ledger

    def test_units_change_hands_in_a_circle(self, circle: Ledger) -> None:
        with pytest.raises(StockConflict):
            circle.change(ref("1"), swap(0, [("a", "x", 1)], [("b", "x", 1)]))

        circle.swap_together(moves(("1", "a", "b"), ("2", "b", "c"), ("3", "c", "a")))

        for name, before, after in (("1", "a", "b"), ("2", "b", "c"), ("3", "c", "a")):
            record = record_of(circle, name)
            assert set(record.holdings) == {
                holding(before, "x", moved=1),
                holding(after, "x", 1),
            }
            assert (record.state, record.revision) == (State.PLACED, 1)
            assert circle.plan(f"plan-{name}") == b"reply swapped"
        assert available(circle, "x") == {"a": 0, "b": 0, "c": 0}

    @pytest.mark.parametrize(
        ("last", "error"),
        [
            (("3", swap(1, [("c", "x", 1)], [("a", "x", 1)])), PlanChanged),
            (("3", swap(0, [("c", "x", 2)], [("a", "x", 1)])), UnitsNotOpen),
            (("3", swap(0, [("c", "x", 1)], [("b", "x", 1)])), StockConflict),
            (("3", swap(0, [("c", "x", 1)], [("d", "x", 1)])), StockConflict),
        ],
    )
    def test_one_that_can_not_be_done_undoes_all(
        self, circle: Ledger, last: tuple[str, Swap], error: type[Exception]
    ) -> None:
        before = [record_of(circle, name) for name in "123"]
        version = circle.version()
        swaps = moves(("1", "a", "b"), ("2", "b", "c"))

        with pytest.raises(error):
            circle.swap_together([*swaps, (ref(last[0]), last[1])])

        assert [record_of(circle, name) for name in "123"] == before
        assert circle.version() == version

    def test_a_second_time_is_refused(self, circle: Ledger) -> None:
        swaps = moves(("1", "a", "b"), ("2", "b", "a"))
        circle.swap_together(swaps)

        with pytest.raises(PlanChanged):
            circle.swap_together(swaps)

    def test_what_was_shipped_meanwhile_stays(self, circle: Ledger) -> None:
        circle.change(ref("2"), Ship())

        with pytest.raises(ReservationResolved):
            circle.swap_together(moves(("1", "a", "b"), ("2", "b", "a")))

        assert record_of(circle, "1").holdings == (holding("a", "x", 1),)

    def test_carts_stay_carts(self, ledger: Ledger) -> None:
        stocked(ledger, {("a", "x"): 1, ("b", "x"): 1})
        ledger.reserve(reservation("1", ("a", "x", 1), hold=60))
        ledger.reserve(reservation("2", ("b", "x", 1)))

        ledger.swap_together(moves(("1", "a", "b"), ("2", "b", "a")))

        assert record_of(ledger, "1").state is State.HELD
        assert record_of(ledger, "2").state is State.PLACED

    def test_a_day_is_given_up_before_it_is_taken(self, ledger: Ledger) -> None:
        stocked(ledger, {("a", "x"): 5, ("b", "x"): 5})
        ledger.put_locations(
            [location("a", capacity_orders=1), location("b", 1, capacity_orders=1)]
        )
        ledger.reserve(reservation("1", ("a", "x", 1)))
        ledger.reserve(reservation("2", ("b", "x", 1)))

        ledger.swap_together(moves(("1", "a", "b"), ("2", "b", "a")))

        left = ledger.capacity_left()
        assert {at: each.orders for at, each in left.items()} == {"a": 0, "b": 0}

    def test_what_leaves_the_queue_may_take_what_another_gives_up(
        self, ledger: Ledger
    ) -> None:
        stocked(ledger, {("a", "x"): 1, ("b", "x"): 1})
        ledger.reserve(reservation("1", ("a", "x", 1)))
        ledger.reserve(reservation("2", queued=[queue("web", "x", 1)]))
        served = swap(0, [], [("a", "x", 1)], dequeued=[queue("web", "x", 1)])

        ledger.swap_together([*moves(("1", "a", "b")), (ref("2"), served)])

        assert not ledger.queued()
        assert record_of(ledger, "2").open_units == 1

    def test_what_can_not_be_together_is_refused(self, ledger: Ledger) -> None:
        each = swap(0)
        many = [(ref(str(n)), each) for n in range(MAX_TOGETHER + 1)]
        for wrong in (
            many,
            [(ref("1"), each), (ref("1"), each)],
            [(PlanRef(order_id="1"), each)],
        ):
            with pytest.raises(ValueError, match="swaps"):
                ledger.swap_together(wrong)
        ledger.swap_together([])

    def test_of_two_that_want_the_same_one_wins(self, ledger: Ledger) -> None:
        count = 8
        stocked(ledger, {("a", "x"): 2 * count, ("b", "x"): count})
        for n in range(2 * count):
            ledger.reserve(reservation(str(n), ("a", "x", 1)))
        gate = threading.Barrier(2 * count)

        def run(n: int) -> bool:
            gate.wait()
            try:
                ledger.swap_together(moves((str(n), "a", "b")))
            except StockConflict:
                return False
            return True

        with ThreadPoolExecutor(2 * count) as pool:
            assert sum(pool.map(run, range(2 * count))) == count
        assert available(ledger, "x") == {"a": count, "b": 0}


class OpenPlansContract:
    def names(self, ledger: Ledger, *args: object, **kwargs: object) -> list[str]:
        return [
            each.plan_id
            for each in ledger.open_plans(*args, **kwargs).records  # type: ignore[arg-type]
        ]

    def test_all_that_may_still_change(self, ledger: Ledger) -> None:
        stocked(ledger, {("a", "x"): 10})
        ledger.reserve(reservation("shipped", ("a", "x", 1)))
        do(ledger, "shipped", Ship())
        two = [claim("a", "x", 1, "1"), claim("a", "x", 2, "2")]
        ledger.reserve(reservation("placed", *two))
        ledger.reserve(reservation("held", ("a", "x", 1), hold=60))
        ledger.reserve(reservation("queued", queued=[queue("web", "x", 1)]))
        ledger.reserve(reservation("nothing"))

        page = ledger.open_plans()

        names = ["placed", "held", "queued"]
        assert page.records == tuple(record_of(ledger, name) for name in names)
        assert page.after is None

    def test_by_state(self, ledger: Ledger) -> None:
        stocked(ledger, {("a", "x"): 10})
        ledger.reserve(reservation("1", ("a", "x", 1)))
        ledger.reserve(reservation("2", ("a", "x", 1), hold=60))

        assert self.names(ledger, [State.PLACED]) == ["plan-1"]
        assert self.names(ledger, [State.HELD]) == ["plan-2"]
        assert self.names(ledger, []) == []
        do(ledger, "2", Place())
        assert self.names(ledger, [State.PLACED]) == ["plan-1", "plan-2"]
        with pytest.raises(ValueError, match="shipped"):
            ledger.open_plans([State.SHIPPED])

    def test_by_age(self, ledger: Ledger, clock: Clock) -> None:
        stocked(ledger, {("a", "x"): 10})
        made = []
        for name in "123":
            made.append(clock())
            ledger.reserve(reservation(name, ("a", "x", 1)))
            clock.now += 10

        assert self.names(ledger, created_before_seconds=made[1]) == [
            "plan-1",
            "plan-2",
        ]
        assert self.names(ledger, created_before_seconds=made[0] - 1) == []

    def test_who_waits_for_a_sku_in_the_order_of_promises(self, ledger: Ledger) -> None:
        stocked(ledger, {("a", "x"): 2})
        for name in "132":
            ledger.reserve(
                reservation(name, queued=[queue("web", "x", 1), queue("web", "y", 1)])
            )
        ledger.reserve(reservation("4", ("a", "x", 1)))
        assert ledger.waiting_plans(Sku("x")) == [ref("1"), ref("3"), ref("2")]
        assert ledger.waiting_plans(Sku("x"), 2) == [ref("1"), ref("3")]
        served = swap(0, [], [("a", "x", 1)], dequeued=[queue("web", "x", 1)])
        ledger.change(ref("3"), served)
        do(ledger, "1", Cancel())

        assert ledger.waiting_plans(Sku("x")) == [ref("2")]
        assert ledger.waiting_plans(Sku("y")) == [ref("3"), ref("2")]
        assert ledger.waiting_plans(Sku("z")) == []
        with pytest.raises(ValueError, match="limit"):
            ledger.waiting_plans(Sku("x"), 0)

    def test_page_after_page(self, ledger: Ledger) -> None:
        stocked(ledger, {("a", "x"): 10, ("a", "y"): 10})
        for n in range(5):
            ledger.reserve(reservation(str(n), ("a", "x", 1), ("a", "y", 1)))

        first = ledger.open_plans(limit=2)
        assert first.after is not None
        do(ledger, "2", Ship())
        second = ledger.open_plans(after=first.after, limit=2)
        assert second.after is not None
        third = ledger.open_plans(after=second.after, limit=2)

        found = [*first.records, *second.records, *third.records]
        assert found == [record_of(ledger, name) for name in "0134"]
        assert third.after is None
        for limit in (0, MAX_OPEN_PLANS + 1):
            with pytest.raises(ValueError, match="limit"):
                ledger.open_plans(limit=limit)
