"""What every ledger promises of a reservation's life: each command, and its errors."""

from dataclasses import replace

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
    Expire,
    Extend,
    Place,
    ReservationState,
    Ship,
)
from tests.availability.ledger.world import (
    Clock,
    available,
    balances,
    cancel,
    change,
    claim,
    do,
    holding,
    import_set,
    queue,
    record_of,
    request,
    reservation,
    ship,
    state_of,
    stocked,
    swap,
)

State = ReservationState


class LifeContract:
    @pytest.fixture
    def shop(self, ledger: Ledger) -> Ledger:
        """Ten x at a, five x at b, and five y at a."""
        stocked(ledger, {("a", "x"): 10, ("b", "x"): 5, ("a", "y"): 5})
        return ledger

    def test_a_placed_order_is_allocated(self, shop: Ledger, clock: Clock) -> None:
        shop.reserve(reservation("1", ("a", "x", 4), ("b", "x", 1)))

        record = record_of(shop, "1")
        assert (record.plan_id, record.order_id) == ("plan-1", "order-1")
        assert (record.state, record.revision) == (State.PLACED, 0)
        assert (record.body, record.reply) == (b"body-1", b"reply-1")
        assert record.created_seconds == clock.now
        assert (record.hold_seconds, record.expires_seconds) == (None, None)
        assert record.work == ""
        assert record.holdings == (holding("a", "x", 4), holding("b", "x", 1))
        assert record.open_units == 5
        assert balances(shop, "a", "x") == (10, 4, 0, 0)

    def test_a_cart_is_held_for_its_time(self, shop: Ledger, clock: Clock) -> None:
        shop.reserve(reservation("1", ("a", "x", 4), hold=600))

        record = record_of(shop, "1")
        assert (record.state, record.hold_seconds) == (State.HELD, 600)
        assert record.expires_seconds == clock.now + 600
        assert balances(shop, "a", "x") == (10, 0, 4, 0)
        assert available(shop, "x") == {"a": 6, "b": 5}

    @pytest.mark.parametrize("hold", [None, 600])
    def test_what_is_promised_can_not_be_promised_again(
        self, shop: Ledger, hold: int | None
    ) -> None:
        shop.reserve(reservation("1", ("b", "x", 4), hold=hold))

        for again in (None, 600):
            with pytest.raises(StockConflict):
                shop.reserve(reservation("2", ("b", "x", 2), hold=again))
        shop.reserve(reservation("2", ("b", "x", 1), hold=600))

    def test_place_allocates_what_was_held(self, shop: Ledger, clock: Clock) -> None:
        shop.reserve(reservation("1", ("a", "x", 4), ("b", "x", 1), hold=600))

        record = do(shop, "1", Place())

        assert (record.state, record.revision) == (State.PLACED, 1)
        assert (record.hold_seconds, record.expires_seconds) == (None, None)
        assert record.holdings == (holding("a", "x", 4), holding("b", "x", 1))
        assert balances(shop, "a", "x") == (10, 4, 0, 0)
        clock.now += 601
        assert shop.sweep().expired_count == 0
        assert state_of(shop, "1") is State.PLACED

    def test_lines_are_told_apart(self, shop: Ledger) -> None:
        both = claim("a", "x", 2, "line-1"), claim("a", "x", 3, "line-2")
        shop.reserve(reservation("1", *both))

        record = do(shop, "1", ship(claim("a", "x", 3, "line-2")))

        assert record.holdings == (
            holding("a", "x", 2, line="line-1"),
            holding("a", "x", 0, line="line-2", shipped=3),
        )
        with pytest.raises(UnitsNotOpen) as caught:
            do(shop, "1", ship(claim("a", "x", 1, "line-2"), claim("a", "x", 1)))
        assert caught.value.breaches == (
            ("a", "x", "line-2", 1, 0),
            ("a", "x", "", 1, 0),
        )
        assert balances(shop, "a", "x") == (7, 2, 0, 0)

    def test_ship_all_of_it(self, shop: Ledger) -> None:
        shop.reserve(reservation("1", ("a", "x", 4), ("b", "x", 1)))

        record = do(shop, "1", Ship())

        assert record.state is State.SHIPPED
        assert record.open_units == 0
        assert record.holdings == (
            holding("a", "x", shipped=4),
            holding("b", "x", shipped=1),
        )
        assert balances(shop, "a", "x") == (6, 0, 0, 0)
        assert balances(shop, "b", "x") == (4, 0, 0, 0)
        assert available(shop, "x") == {"a": 6, "b": 4}

    def test_ship_some_of_it_and_then_the_rest(self, shop: Ledger) -> None:
        shop.reserve(reservation("1", ("a", "x", 4), ("b", "x", 1)))

        record = do(shop, "1", ship(("a", "x", 3)))

        assert (record.state, record.revision) == (State.PLACED, 1)
        assert record.holdings[0] == holding("a", "x", 1, shipped=3)
        assert balances(shop, "a", "x") == (7, 1, 0, 0)
        record = do(shop, "1", Ship())
        assert (record.state, record.revision) == (State.SHIPPED, 2)
        assert balances(shop, "a", "x") == (6, 0, 0, 0)

    def test_what_is_shipped_beyond_the_count_was_found(self, shop: Ledger) -> None:
        shop.reserve(reservation("1", ("a", "x", 8)))
        import_set(shop, change("a", "x", 3))

        do(shop, "1", Ship())

        assert balances(shop, "a", "x") == (0, 0, 0, 0)
        causes = [
            (each.movement.cause, each.movement.on_hand)
            for each in shop.movements(plan_id="plan-1")
        ]
        assert causes == [(Cause.ALLOCATED, 0), (Cause.FOUND, 5), (Cause.SHIPPED, -8)]

    def test_shipping_from_a_deficit_makes_up_for_it(self, shop: Ledger) -> None:
        shop.reserve(reservation("1", ("a", "x", 6)))
        shop.reserve(reservation("2", ("a", "x", 4)))
        import_set(shop, change("a", "x", 7))

        do(shop, "1", Ship())

        # One is there and four are promised: nothing more may be.
        assert balances(shop, "a", "x") == (1, 4, 0, 0)
        with pytest.raises(StockConflict):
            shop.reserve(reservation("3", ("a", "x", 1)))

    def test_carts_beyond_the_count_are_a_deficit_too(self, shop: Ledger) -> None:
        shop.reserve(reservation("1", ("a", "x", 6), hold=600))
        import_set(shop, change("a", "x", 2))

        do(shop, "1", cancel(("a", "x", 1)))

        assert balances(shop, "a", "x") == (2, 0, 5, 0)
        assert available(shop, "x")["a"] == 0

    @pytest.mark.parametrize("hold", [None, 600])
    def test_cancel_all_of_it(self, shop: Ledger, hold: int | None) -> None:
        job = reservation(
            "1", ("a", "x", 4), ("b", "x", 1), hold=hold, queued=[queue("web", "x", 7)]
        )
        shop.reserve(job)

        record = do(shop, "1", Cancel())

        assert record.state is State.CANCELLED
        assert record.expires_seconds is None
        assert record.holdings == (
            holding("", "x", channel="web", cancelled=7),
            holding("a", "x", cancelled=4),
            holding("b", "x", cancelled=1),
        )
        assert balances(shop, "a", "x") == (10, 0, 0, 0)
        assert available(shop, "x") == {"a": 10, "b": 5}
        assert dict(shop.queued()) == {}

    @pytest.mark.parametrize("hold", [None, 600])
    def test_cancel_some_of_it(self, shop: Ledger, hold: int | None) -> None:
        shop.reserve(reservation("1", ("a", "x", 4), hold=hold))

        record = do(shop, "1", cancel(("a", "x", 3)))

        assert record.state is (State.PLACED if hold is None else State.HELD)
        assert record.holdings == (holding("a", "x", 1, cancelled=3),)
        assert (record.body, record.reply) == (b"body-1", b"reply-1")
        assert available(shop, "x")["a"] == 9
        assert do(shop, "1", cancel(("a", "x", 1))).state is State.CANCELLED

    def test_cancel_from_a_revision_gives_a_new_body(self, shop: Ledger) -> None:
        shop.reserve(reservation("1", ("a", "x", 4)))
        wanted = replace(cancel(("a", "x", 1)), revision=0, body=b"three")

        assert do(shop, "1", wanted).body == b"three"

        with pytest.raises(PlanChanged):
            do(shop, "1", wanted)
        assert balances(shop, "a", "x") == (10, 3, 0, 0)

    def test_shipped_and_cancelled_is_shipped(self, shop: Ledger) -> None:
        shop.reserve(reservation("1", ("a", "x", 4)))
        do(shop, "1", ship(("a", "x", 1)))

        record = do(shop, "1", Cancel())

        assert record.state is State.SHIPPED
        assert record.holdings == (holding("a", "x", shipped=1, cancelled=3),)
        # What was shipped is credited to nobody.
        assert balances(shop, "a", "x") == (9, 0, 0, 0)

    @pytest.mark.parametrize(
        "command",
        [
            ship(("a", "x", 5)),
            ship(("a", "x", 3), ("a", "x", 2)),
            ship(("a", "y", 1)),
            ship(("nowhere", "x", 1)),
            ship(("a", "nothing", 1)),
            cancel(("a", "x", 5)),
            cancel(("a", "x", 1), ("b", "x", 1)),
            cancel(("nowhere", "x", 1)),
            cancel(queued=[queue("web", "x", 2)]),
            cancel(queued=[queue("pos", "x", 1)]),
            swap(0, [("a", "x", 5)]),
            swap(0, [("nowhere", "x", 1)]),
            swap(0, dequeued=[queue("web", "x", 2)], claims=[("b", "x", 2)]),
        ],
        ids=str,
    )
    def test_more_than_is_open_changes_nothing(
        self, shop: Ledger, command: Command
    ) -> None:
        shop.reserve(reservation("1", ("a", "x", 4), queued=[queue("web", "x", 1)]))
        before, version = record_of(shop, "1"), shop.version()

        with pytest.raises(UnitsNotOpen):
            do(shop, "1", command, request("r"))

        assert record_of(shop, "1") == before
        assert shop.version() == version
        assert balances(shop, "a", "x") == (10, 4, 0, 0)
        assert shop.replay(request("r")) is None

    @pytest.mark.parametrize(
        ("last", "state"),
        [
            (None, State.PLACED),
            (Ship(), State.SHIPPED),
            (Cancel(), State.CANCELLED),
            (swap(0, [("a", "x", 4)], cause=Cause.REJECTED), State.REJECTED),
        ],
    )
    def test_what_comes_too_late(
        self, shop: Ledger, last: Command | None, state: ReservationState
    ) -> None:
        shop.reserve(reservation("1", ("a", "x", 4)))
        if last is not None:
            do(shop, "1", last)
        late: list[Command] = [Place(), Extend(60)]
        if state is not State.PLACED:
            nothing = ship(), cancel(), swap(0)
            late += [Ship(), Cancel(), ship(("a", "x", 1)), *nothing]
        before, version = record_of(shop, "1"), shop.version()
        assert before.state is state

        for command in late:
            with pytest.raises(ReservationResolved) as caught:
                do(shop, "1", command)
            assert (caught.value.plan_id, caught.value.state) == ("plan-1", state)
        assert do(shop, "1", Expire()) == before

        assert record_of(shop, "1") == before
        assert shop.version() == version

    def test_a_cart_can_not_be_shipped(self, shop: Ledger) -> None:
        shop.reserve(reservation("1", ("a", "x", 4), hold=600))

        with pytest.raises(ReservationResolved, match="held"):
            do(shop, "1", Ship())
        assert balances(shop, "a", "x") == (10, 0, 4, 0)

    def test_a_plan_that_holds_nothing(self, shop: Ledger) -> None:
        shop.reserve(reservation("1", hold=600))

        record = record_of(shop, "1")
        assert (record.state, record.holdings) == (State.NONE, ())
        assert record.expires_seconds is None
        for command in (Place(), Extend(60), Ship(), Cancel(), swap(0)):
            with pytest.raises(ReservationResolved):
                do(shop, "1", command)
