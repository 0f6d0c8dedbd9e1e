"""What every ledger promises of orders and their plans, and of repeated commands."""

import pytest

from availability.errors import OrderAlreadyRouted, PlanNotFound, RequestReused
from availability.ledger.protocol import Ledger
from availability.model import Request
from availability.reservations import (
    Cancel,
    Cause,
    PlanRef,
    ReservationState,
    Ship,
)
from tests.availability.ledger.world import (
    Clock,
    balances,
    do,
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


class OrderContract:
    @pytest.fixture
    def market(self, ledger: Ledger) -> Ledger:
        """Ten x at a."""
        stocked(ledger, {("a", "x"): 10})
        return ledger

    def test_no_such_plan(self, market: Ledger) -> None:
        for missing in (PlanRef("plan-1"), PlanRef(order_id="order-1")):
            for call in (
                lambda ref=missing: market.reservation(ref),
                lambda ref=missing: market.change(ref, Cancel(), request("r")),
            ):
                with pytest.raises(PlanNotFound) as caught:
                    call()
                found = caught.value.plan_id, caught.value.order_id
                assert found == (missing.plan_id, missing.order_id)
        assert market.replay(request("r")) is None

    def test_an_orders_latest_plan_is_meant(self, market: Ledger) -> None:
        order = PlanRef(order_id="o")
        market.reserve(reservation("2", ("a", "x", 2), order="o"))
        do(market, "2", Cancel())
        market.reserve(reservation("1", ("a", "x", 1), order="o"))

        assert market.reservation(order).plan_id == "plan-1"
        market.change(order, Ship())
        assert state_of(market, "1") is State.SHIPPED
        assert state_of(market, "2") is State.CANCELLED

    def test_a_shipped_order_is_not_routed_again(self, market: Ledger) -> None:
        market.reserve(reservation("1", ("a", "x", 2), order="o"))
        do(market, "1", ship(("a", "x", 1)))
        do(market, "1", Cancel())

        with pytest.raises(OrderAlreadyRouted):
            market.reserve(reservation("2", ("a", "x", 1), order="o"))

    def test_a_held_order_is_not_routed_again(self, market: Ledger) -> None:
        market.reserve(reservation("1", ("a", "x", 2), order="o", hold=60))

        with pytest.raises(OrderAlreadyRouted):
            market.reserve(reservation("2", ("a", "x", 1), order="o"))

    @pytest.mark.parametrize("how", ["cancelled", "rejected", "expired"])
    def test_an_order_without_its_units_is_routed_again(
        self, market: Ledger, clock: Clock, how: str
    ) -> None:
        market.reserve(reservation("1", ("a", "x", 2), order="o", hold=60))
        if how == "cancelled":
            do(market, "1", Cancel())
        elif how == "rejected":
            do(market, "1", swap(0, [("a", "x", 2)], cause=Cause.REJECTED))
        else:
            clock.now += 60
            market.sweep()

        assert state_of(market, "1").value == how
        market.reserve(reservation("2", ("a", "x", 1), order="o"))
        assert state_of(market, "2") is State.PLACED

    def test_a_repeat_returns_the_first_bytes_and_does_nothing(
        self, market: Ledger
    ) -> None:
        market.reserve(reservation("1", ("a", "x", 4)))
        once = ship(("a", "x", 1))

        first = market.change(ref("1"), once, request("r"), lambda _: b"first")
        again = market.change(ref("1"), once, request("r"), lambda _: b"again")

        assert first == again == market.replay(request("r")) == b"first"
        assert balances(market, "a", "x") == (9, 3, 0, 0)
        assert record_of(market, "1").revision == 1
        # Even once the same would be refused.
        do(market, "1", Cancel())
        assert market.change(ref("1"), once, request("r")) == b"first"

    def test_a_request_id_used_for_something_else(self, market: Ledger) -> None:
        market.reserve(reservation("1", ("a", "x", 4), request=request("r1")))
        market.change(ref("1"), ship(("a", "x", 1)), request("r2"))

        for other in (Request("r1", b"other"), Request("r2", b"other")):
            with pytest.raises(RequestReused):
                market.change(ref("1"), Cancel(), other)
            with pytest.raises(RequestReused):
                market.put_withdrawals([], other)
        assert balances(market, "a", "x") == (9, 3, 0, 0)

    def test_a_reply_that_can_not_be_made_undoes_the_change(
        self, market: Ledger
    ) -> None:
        def fail(_: object) -> bytes:
            raise RuntimeError("no reply")

        market.reserve(reservation("1", ("a", "x", 4)))
        with pytest.raises(RuntimeError):
            market.change(ref("1"), Ship(), request("r"), fail)

        assert market.replay(request("r")) is None
        assert balances(market, "a", "x") == (10, 4, 0, 0)
        assert state_of(market, "1") is State.PLACED
