"""What every ledger promises of holds and of time."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from availability.errors import ReservationResolved
from availability.ledger.logic.lifecycle import MAX_HOLD_SECONDS
from availability.ledger.protocol import Ledger
from availability.reservations import (
    Cancel,
    Expire,
    Extend,
    Place,
    ReservationState,
    Swept,
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
    ref,
    reservation,
    state_of,
    stocked,
)

State = ReservationState


def expired(count: int, extended: int = 0) -> Swept:
    return Swept(count, extended, 0, 0)


class ExpiryContract:
    @pytest.fixture
    def cart(self, ledger: Ledger) -> Ledger:
        """Plan 1 holds four of ten x, and queues two, for a minute."""
        stocked(ledger, {("a", "x"): 10})
        ledger.reserve(
            reservation("1", ("a", "x", 4), hold=60, queued=[queue("web", "x", 2)])
        )
        return ledger

    def test_a_hold_ends_when_its_time_is_over(
        self, cart: Ledger, clock: Clock
    ) -> None:
        clock.now += 59.999
        assert cart.sweep() == expired(0)
        assert available(cart, "x") == {"a": 6}

        clock.now += 0.001
        assert cart.sweep() == expired(1)

        record = record_of(cart, "1")
        assert (record.state, record.expires_seconds) == (State.EXPIRED, None)
        assert record.hold_seconds is None
        assert record.holdings == (
            holding("", "x", channel="web", expired=2),
            holding("a", "x", expired=4),
        )
        assert available(cart, "x") == {"a": 10}
        assert dict(cart.queued()) == {}
        assert cart.sweep() == expired(0)
        for late in (Place(), Extend(60), Cancel()):
            with pytest.raises(ReservationResolved, match="expired"):
                do(cart, "1", late)

    def test_expire_before_its_time_does_nothing(
        self, cart: Ledger, clock: Clock
    ) -> None:
        before = record_of(cart, "1")
        clock.now += 59

        assert do(cart, "1", Expire()) == before

        clock.now += 1
        assert do(cart, "1", Expire()).state is State.EXPIRED

    def test_a_late_order_still_gets_what_was_not_swept(
        self, cart: Ledger, clock: Clock
    ) -> None:
        clock.now += 3_600

        assert do(cart, "1", Place()).state is State.PLACED
        assert cart.sweep() == expired(0)
        assert balances(cart, "a", "x") == (10, 4, 0, 0)

    def test_extend_counts_from_now(self, cart: Ledger, clock: Clock) -> None:
        clock.now += 50

        record = do(cart, "1", Extend(30))

        assert (record.state, record.revision) == (State.HELD, 1)
        assert record.hold_seconds == 30
        assert record.expires_seconds == clock.now + 30
        clock.now += 29
        assert cart.sweep() == expired(0)
        clock.now += 1
        assert cart.sweep() == expired(1)

    def test_work_keeps_a_hold_alive(self, cart: Ledger, clock: Clock) -> None:
        assert do(cart, "1", Extend(60, "payment 7")).work == "payment 7"

        for revision in (2, 3, 4):
            clock.now += 60
            assert cart.sweep() == expired(0, extended=1)
            record = record_of(cart, "1")
            assert (record.state, record.revision) == (State.HELD, revision)
            assert record.expires_seconds == clock.now + 60
        assert available(cart, "x") == {"a": 6}

        do(cart, "1", Extend(60))  # the work is done
        assert record_of(cart, "1").work == ""
        clock.now += 60
        assert cart.sweep() == expired(1)

    def test_no_work_keeps_a_hold_for_ever(self, cart: Ledger, clock: Clock) -> None:
        created = clock.now
        do(cart, "1", Extend(MAX_HOLD_SECONDS, "fraud check"))
        clock.now = created + MAX_HOLD_SECONDS - 10
        record = do(cart, "1", Extend(60, "fraud check"))
        assert record.expires_seconds == created + MAX_HOLD_SECONDS

        clock.now = created + MAX_HOLD_SECONDS
        assert cart.sweep() == expired(1)
        assert state_of(cart, "1") is State.EXPIRED

    def test_work_extends_at_most_to_the_oldest_age(
        self, cart: Ledger, clock: Clock
    ) -> None:
        created = clock.now
        do(cart, "1", Extend(60, "fraud check"))
        clock.now = created + MAX_HOLD_SECONDS - 1

        assert cart.sweep() == expired(0, extended=1)

        last = record_of(cart, "1").expires_seconds
        assert last == created + MAX_HOLD_SECONDS

    def test_a_placed_order_has_no_work(self, cart: Ledger) -> None:
        do(cart, "1", Extend(60, "payment 7"))

        assert do(cart, "1", Place()).work == ""

    def test_a_hold_cancelled_in_part_still_ends(
        self, cart: Ledger, clock: Clock
    ) -> None:
        do(cart, "1", cancel(("a", "x", 1)))
        clock.now += 60

        assert cart.sweep() == expired(1)

        record = record_of(cart, "1")
        assert record.open_units == 0
        assert record.holdings[1] == holding("a", "x", cancelled=1, expired=3)
        assert available(cart, "x") == {"a": 10}

    def test_a_sweep_ends_so_many_the_oldest_first(
        self, ledger: Ledger, clock: Clock
    ) -> None:
        stocked(ledger, {("a", "x"): 10})
        for name, hold in (("1", 30), ("2", 10), ("3", 20), ("4", 90)):
            ledger.reserve(reservation(name, ("a", "x", 1), hold=hold))
        clock.now += 60

        assert ledger.sweep(limit=2) == expired(2)
        states = [state_of(ledger, name) for name in "1234"]
        assert states == [State.HELD, State.EXPIRED, State.EXPIRED, State.HELD]
        assert ledger.sweep(limit=2) == expired(1)
        assert ledger.sweep(limit=2) == expired(0)
        assert state_of(ledger, "4") is State.HELD

    def test_several_may_sweep_at_once(self, ledger: Ledger, clock: Clock) -> None:
        stocked(ledger, {("a", "x"): 40})
        for n in range(40):
            ledger.reserve(reservation(str(n), ("a", "x", 1), hold=60))
        clock.now += 60

        with ThreadPoolExecutor(4) as pool:
            swept = list(pool.map(lambda _: ledger.sweep(limit=20), range(4)))

        assert sum(each.expired_count for each in swept) == 40
        assert available(ledger, "x") == {"a": 40}

    def test_the_version_grows_only_if_stock_changed(
        self, cart: Ledger, clock: Clock
    ) -> None:
        version = cart.version()
        cart.change(ref("1"), Extend(60))
        cart.sweep()
        assert cart.version() == version

        clock.now += 60
        cart.sweep()
        assert cart.version() == version + 1

    def test_times_are_whole_milliseconds(self, cart: Ledger, clock: Clock) -> None:
        """What the caller encodes is what anyone reads later (see `do`)."""
        for _ in range(20):
            clock.now += 0.000_321
            do(cart, "1", Extend(60, "payment 7"))

    @pytest.mark.parametrize("seconds", [0, -1])
    def test_a_hold_takes_time(self, seconds: int) -> None:
        with pytest.raises(ValueError, match="positive"):
            Extend(seconds)
        with pytest.raises(ValueError, match="positive"):
            reservation("1", hold=seconds)
