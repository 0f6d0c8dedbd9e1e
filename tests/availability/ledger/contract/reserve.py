"""What every ledger promises of reservations."""

import pytest

from availability.errors import (
    OrderAlreadyRouted,
    PlanNotFound,
    RequestReused,
    StockConflict,
)
from availability.ledger.protocol import GROUP_LIMIT, Ledger
from availability.model import LocationId, Sku
from availability.reservations import Claim, Reservation
from tests.availability.ledger.world import (
    allocated,
    available,
    check_grid,
    request,
    reservation,
    stocked,
)


class ReserveContract:
    def test_reserve_allocates_and_stores_the_plan(self, ledger: Ledger) -> None:
        stocked(ledger, {("a", "x"): 5, ("a", "y"): 3, ("b", "x"): 1})
        version = ledger.version()
        job = reservation("1", ("a", "x", 2), ("b", "x", 1), request=request("r1"))

        assert ledger.reserve(job) == b"reply-1"

        assert allocated(ledger) == {("a", "x"): 2, ("b", "x"): 1}
        assert available(ledger, "x") == {"a": 3, "b": 0}
        assert ledger.version() == version + 1
        assert ledger.plan("plan-1") == b"reply-1"
        assert ledger.replay(request("r1")) == b"reply-1"
        check_grid(ledger)

    def test_no_plan_has_this_id(self, ledger: Ledger) -> None:
        with pytest.raises(PlanNotFound):
            ledger.plan("plan-1")

    def test_one_claim_too_many_and_nothing_is_held(self, ledger: Ledger) -> None:
        stocked(ledger, {("a", "x"): 5, ("b", "x"): 1})
        version = ledger.version()

        with pytest.raises(StockConflict):
            ledger.reserve(
                reservation("1", ("a", "x", 5), ("b", "x", 2), request=request("r1"))
            )

        assert allocated(ledger) == {}
        assert ledger.version() == version
        assert ledger.replay(request("r1")) is None
        with pytest.raises(PlanNotFound):
            ledger.plan("plan-1")
        check_grid(ledger)
        # The id, the plan and the order are free for the next attempt.
        ledger.reserve(
            reservation("1", ("a", "x", 5), ("b", "x", 1), request=request("r1"))
        )

    @pytest.mark.parametrize("claim", [("a", "y", 1), ("nowhere", "x", 1)])
    def test_what_is_not_there_is_a_conflict(
        self, ledger: Ledger, claim: tuple[str, str, int]
    ) -> None:
        stocked(ledger, {("a", "x"): 5})

        with pytest.raises(StockConflict):
            ledger.reserve(reservation("1", ("a", "x", 1), claim))
        assert allocated(ledger) == {}

    def test_one_sku_twice_in_one_call(self, ledger: Ledger) -> None:
        """Medusa's second disaster: each entry fits, both together do not.

        A reservation has each (location, SKU) once, so the two can not be checked
        apart; and two reservations in one commit see each other.
        """
        stocked(ledger, {("a", "x"): 3})
        entry = Claim(LocationId("a"), Sku("x"), 2)
        with pytest.raises(ValueError, match="each once"):
            Reservation("p", "o", (entry, entry), b"")

        first, second = ledger.reserve_many(
            [reservation("1", ("a", "x", 2)), reservation("2", ("a", "x", 2))]
        )

        assert first == b"reply-1"
        assert isinstance(second, StockConflict)
        assert allocated(ledger) == {("a", "x"): 2}
        check_grid(ledger)

    def test_an_order_with_a_live_plan_is_not_routed_again(
        self, ledger: Ledger
    ) -> None:
        stocked(ledger, {("a", "x"): 5})
        ledger.reserve(reservation("1", ("a", "x", 1), order="o"))

        for again in (
            reservation("2", ("a", "x", 1), order="o"),
            reservation("3", order="o"),
        ):
            with pytest.raises(OrderAlreadyRouted) as caught:
                ledger.reserve(again)
            assert (caught.value.order_id, caught.value.plan_id) == ("o", "plan-1")
        assert allocated(ledger) == {("a", "x"): 1}

    def test_an_order_with_nothing_assigned_stays_free(self, ledger: Ledger) -> None:
        stocked(ledger, {("a", "x"): 5})
        version = ledger.version()

        assert ledger.reserve(reservation("1", order="o", request=request("r1")))

        assert ledger.version() == version
        assert ledger.plan("plan-1") == ledger.replay(request("r1")) == b"reply-1"
        ledger.reserve(reservation("2", order="o"))
        ledger.reserve(reservation("3", ("a", "x", 1), order="o"))
        assert ledger.plan("plan-1") == b"reply-1"

    def test_a_repeat_allocates_nothing(self, ledger: Ledger) -> None:
        stocked(ledger, {("a", "x"): 5})
        first = reservation("1", ("a", "x", 2), request=request("r1"))
        # A retry has planned anew, and differently; the first reply counts.
        retry = reservation("2", ("a", "x", 1), request=request("r1"))

        assert ledger.reserve(first) == ledger.reserve(retry) == b"reply-1"

        assert allocated(ledger) == {("a", "x"): 2}
        with pytest.raises(PlanNotFound):
            ledger.plan("plan-2")

    def test_an_empty_reply_is_a_reply(self, ledger: Ledger) -> None:
        first = Reservation("p1", "o1", (), b"", request("r1"))

        assert ledger.reserve(first) == b""
        assert ledger.replay(request("r1")) == b""
        assert ledger.reserve(Reservation("p2", "o1", (), b"x", request("r1"))) == b""

    def test_a_group_gives_each_its_own_outcome(self, ledger: Ledger) -> None:
        stocked(ledger, {("a", "x"): 4})
        ledger.reserve(reservation("0", ("a", "x", 1), request=request("r0")))

        outcomes = ledger.reserve_many(
            [
                reservation("1", ("a", "x", 1), request=request("r1")),
                reservation("2", ("a", "x", 9)),
                reservation("3", ("a", "x", 1), order="order-1"),
                reservation("4", ("a", "x", 1), request=request("r1")),
                reservation("5", request=request("r0", b"another body")),
                reservation("6", request=request("r0")),
                reservation("7", ("a", "x", 2)),
            ]
        )

        kinds = [each if isinstance(each, bytes) else type(each) for each in outcomes]
        assert kinds == [
            b"reply-1",
            StockConflict,
            OrderAlreadyRouted,
            b"reply-1",  # the id was used a moment before, in the same commit
            RequestReused,
            b"reply-0",
            b"reply-7",
        ]
        assert allocated(ledger) == {("a", "x"): 4}
        check_grid(ledger)

    def test_a_plan_id_that_is_taken_fails_alone(self, ledger: Ledger) -> None:
        stocked(ledger, {("a", "x"): 4})

        outcomes = ledger.reserve_many(
            [
                reservation("1", ("a", "x", 1)),
                reservation("1", ("a", "x", 1), order="other"),
                reservation("2", ("a", "x", 1)),
            ]
        )

        assert [isinstance(each, bytes) for each in outcomes] == [True, False, True]
        assert allocated(ledger) == {("a", "x"): 2}
        check_grid(ledger)

    def test_a_name_that_can_not_be_stored_fails_alone(self, ledger: Ledger) -> None:
        with pytest.raises(ValueError, match="surrogates"):
            ledger.reserve(reservation("1", order="\ud800"))
        assert ledger.reserve(reservation("2")) == b"reply-2"

    def test_many_reservations(self, ledger: Ledger) -> None:
        count = 3 * GROUP_LIMIT + 1
        stocked(ledger, {("a", "x"): count - 2})

        outcomes = ledger.reserve_many(
            [reservation(str(n), ("a", "x", 1)) for n in range(count)]
        )

        assert outcomes[: count - 2] == [
            f"reply-{n}".encode() for n in range(count - 2)
        ]
        assert [type(each) for each in outcomes[-2:]] == [StockConflict] * 2
        assert ledger.reserve_many([]) == []
        check_grid(ledger)
