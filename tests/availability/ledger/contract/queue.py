"""What every ledger promises of demand that no location was given yet."""

import pytest

from availability.errors import OrderAlreadyRouted, StockConflict, UnitsNotOpen
from availability.ledger.protocol import Ledger
from availability.reservations import (
    Cancel,
    Cause,
    Place,
    ReservationState,
    Ship,
)
from tests.availability.ledger.world import (
    Clock,
    available,
    balances,
    cancel,
    do,
    holding,
    queue,
    record_of,
    reservation,
    ship,
    state_of,
    stocked,
    swap,
)

State = ReservationState


class QueueContract:
    @pytest.fixture
    def waiting(self, ledger: Ledger) -> Ledger:
        """Two x at a; plan 1 has one of them, and three queued on two channels."""
        stocked(ledger, {("a", "x"): 2, ("b", "x"): 5})
        ledger.reserve(
            reservation(
                "1",
                ("a", "x", 1),
                queued=[queue("web", "x", 2, "line-1"), queue("pos", "y", 1)],
            )
        )
        return ledger

    def test_queued_demand_is_counted_by_channel(self, waiting: Ledger) -> None:
        more = [queue("web", "x", 3, "line-1"), queue("web", "x", 4, "line-2")]
        waiting.reserve(reservation("2", queued=more))

        assert dict(waiting.queued()) == {("web", "x"): 9, ("pos", "y"): 1}
        assert record_of(waiting, "2").holdings == (
            holding("", "x", 3, channel="web", line="line-1"),
            holding("", "x", 4, channel="web", line="line-2"),
        )
        # Nobody's stock is touched: not even of a SKU that nobody ever counted.
        assert available(waiting, "x") == {"a": 1, "b": 5}

    def test_a_conflict_queues_nothing(self, waiting: Ledger) -> None:
        version = waiting.version()

        with pytest.raises(StockConflict):
            waiting.reserve(
                reservation("2", ("a", "x", 2), queued=[queue("web", "x", 5)])
            )

        assert dict(waiting.queued()) == {("web", "x"): 2, ("pos", "y"): 1}
        assert waiting.version() == version

    def test_a_plan_that_only_queues_binds_its_order(self, ledger: Ledger) -> None:
        job = reservation("1", order="o", queued=[queue("web", "x", 2)])
        version = ledger.version()

        ledger.reserve(job)

        assert ledger.version() == version + 1
        assert state_of(ledger, "1") is State.PLACED
        with pytest.raises(OrderAlreadyRouted):
            ledger.reserve(reservation("2", order="o", queued=[queue("web", "x", 2)]))
        assert dict(ledger.queued()) == {("web", "x"): 2}

    def test_a_cart_queues_too(self, ledger: Ledger, clock: Clock) -> None:
        ledger.reserve(reservation("1", hold=60, queued=[queue("web", "x", 2)]))
        assert state_of(ledger, "1") is State.HELD
        assert dict(ledger.queued()) == {("web", "x"): 2}

        do(ledger, "1", Place())
        clock.now += 60
        ledger.sweep()

        assert state_of(ledger, "1") is State.PLACED
        assert dict(ledger.queued()) == {("web", "x"): 2}

    def test_ship_leaves_the_queue(self, waiting: Ledger) -> None:
        record = do(waiting, "1", Ship())

        assert (record.state, record.open_units) == (State.PLACED, 3)
        assert dict(waiting.queued()) == {("web", "x"): 2, ("pos", "y"): 1}

    def test_cancel_a_part_of_the_queue(self, waiting: Ledger) -> None:
        record = do(waiting, "1", cancel(queued=[queue("web", "x", 1, "line-1")]))

        assert dict(waiting.queued()) == {("web", "x"): 1, ("pos", "y"): 1}
        assert record.holdings[0] == holding(
            "", "x", 1, channel="web", line="line-1", cancelled=1
        )
        assert balances(waiting, "a", "x") == (2, 1, 0, 0)

    @pytest.mark.parametrize(
        "wrong",
        [
            queue("web", "x", 3, "line-1"),
            queue("web", "x", 1),
            queue("pos", "x", 1, "line-1"),
        ],
    )
    def test_more_than_is_queued(self, waiting: Ledger, wrong: object) -> None:
        with pytest.raises(UnitsNotOpen) as caught:
            do(waiting, "1", cancel(queued=[wrong]))  # type: ignore[list-item]

        assert [each[0] for each in caught.value.breaches] == [""]
        assert dict(waiting.queued()) == {("web", "x"): 2, ("pos", "y"): 1}

    def test_what_was_queued_is_given_a_location(self, waiting: Ledger) -> None:
        command = swap(
            0, claims=[("b", "x", 2)], dequeued=[queue("web", "x", 2, "line-1")]
        )

        record = do(waiting, "1", command)

        assert record.holdings == (
            holding("", "x", channel="web", line="line-1", moved=2),
            holding("a", "x", 1),
            holding("b", "x", 2),
            holding("", "y", 1, channel="pos"),
        )
        assert dict(waiting.queued()) == {("pos", "y"): 1}
        assert available(waiting, "x") == {"a": 1, "b": 3}

    def test_what_a_location_refused_is_queued(self, waiting: Ledger) -> None:
        command = swap(
            0, [("a", "x", 1)], cause=Cause.REJECTED, queued=[queue("web", "x", 1)]
        )

        record = do(waiting, "1", command)

        assert record.state is State.PLACED
        assert dict(waiting.queued()) == {("web", "x"): 3, ("pos", "y"): 1}
        assert available(waiting, "x")["a"] == 2

    def test_the_last_of_the_queue_ends_the_order(self, waiting: Ledger) -> None:
        do(waiting, "1", ship(("a", "x", 1)))

        record = do(waiting, "1", Cancel())

        assert (record.state, record.open_units) == (State.SHIPPED, 0)
        assert dict(waiting.queued()) == {}

    def test_the_map_is_a_snapshot(self, waiting: Ledger) -> None:
        before = waiting.queued()

        do(waiting, "1", Cancel())

        assert dict(before) == {("web", "x"): 2, ("pos", "y"): 1}
        assert dict(waiting.queued()) == {}
