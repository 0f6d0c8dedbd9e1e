"""What is done again when others came in between, and how often."""

from collections.abc import Callable
from typing import Any

import pytest

from availability.errors import (
    AvailabilityError,
    PlanChanged,
    ReservationResolved,
    StockConflict,
    StoreUnavailable,
    UnitsNotOpen,
)
from availability.model import LocationId, Request
from availability.reservations import (
    Cancel,
    PlanRef,
    ReservationRecord,
    ReservationState,
    Ship,
    Swap,
)
from router.amending.amender import Amender, Amending
from router.amending.rejection import Rejection, RejectionReason
from router.blocking_work import (
    ChangeWork,
    ReadWork,
    ReplayWork,
    at_once,
    drive,
)
from router.errors import InvalidOrder, NotReroutable, StockContention
from router.line_units import LineUnits
from router.model import Order, RoutingPlan
from router.optimize.limits import SolveLimits
from router.pipeline import Router
from router.policies import DEFAULT, PRESETS
from router.stored_plans import PlanInputs
from tests.builders import order, stock
from tests.router.held import held, planned, record

PLAN = PlanRef(plan_id="p1")
LAVAL = LocationId("laval")
HATS = (held("hat:3 at laval"),)


class Stored:
    """Keeps an order beside the bytes that stand for it."""

    def __init__(self, wanted: Order) -> None:
        self.order = wanted
        self.stored: list[Order] = []

    def wanted(self, body: bytes) -> PlanInputs:
        assert body == b"body"
        return PlanInputs(self.order, PRESETS[DEFAULT])

    def body(self, before: bytes, order: Order) -> bytes:
        assert before == b"body"
        self.stored.append(order)
        return b"body anew"

    def plan(self, reply: bytes) -> RoutingPlan:
        assert reply == b"reply"
        return planned("hat:3 at laval")

    def reply(self, plan: RoutingPlan) -> bytes:
        return plan.plan_id.encode()


class Ledger:
    """Answers what steps ask for; ``met`` are the errors that changes meet."""

    def __init__(self, read: ReservationRecord, *met: AvailabilityError) -> None:
        self.read = read
        self.met = list(met)
        self.reads = 0
        self.commands: list[Any] = []
        self.replies: dict[str, bytes] = {}
        self.requests: list[Request] = []

    def replay(self, request: Request) -> bytes | None:
        return self.replies.get(request.request_id)

    def run(self, steps: Amending) -> bytes:
        async def do(work: Any) -> object:
            if isinstance(work, ReadWork):
                self.reads += 1
                return self.read
            if isinstance(work, ReplayWork):
                return work.run(self)
            if not isinstance(work, ChangeWork):
                return work.run()
            self.commands.append(work.command)
            self.requests.append(work.request)
            if self.met:
                raise self.met.pop(0)
            return work.encode(self.read)

        return at_once(drive(steps, do))


def encode(read: ReservationRecord) -> bytes:
    return f"now {read.revision}".encode()


def amender(stored: Stored, shelf: Any = None) -> Amender:
    shelf = shelf or stock({"laval": {"hat": 0}, "montreal": {"hat": 9}})
    return Amender(Router(shelf), stored, max_attempts=3)


def cancelling(of: Amender, request: Request = Request()) -> Amending:
    return of.cancel_steps(PLAN, {"hat": 1}, request, encode)


def shipping(of: Amender, request: Request = Request()) -> Amending:
    return of.ship_steps(PLAN, (LineUnits("hat", LAVAL, 1),), request, encode)


def rejecting(of: Amender, request: Request = Request()) -> Amending:
    rejection = Rejection(LAVAL, RejectionReason.NOT_IN_STOCK)
    limits = SolveLimits(wall_seconds=5.0)
    return of.reject_steps(PLAN, rejection, limits, request, encode)


STEPS = [cancelling, shipping, rejecting]
Steps = Callable[..., Amending]


@pytest.mark.parametrize("steps", STEPS)
def test_what_is_read_is_changed(steps: Steps) -> None:
    ledger = Ledger(record(*HATS))

    reply = ledger.run(steps(amender(Stored(order("hat:3")))))

    assert reply == b"now 3"
    (command,) = ledger.commands
    match command:
        case Cancel() | Swap():
            # Made from what was read, and void if it is not so any more.
            assert command.revision == 3
            assert command.body == b"body anew"
        case Ship():
            assert [each.quantity for each in command.units or ()] == [1]


@pytest.mark.parametrize("steps", STEPS)
def test_a_repeat_reads_nothing(steps: Steps) -> None:
    ledger = Ledger(record(*HATS))
    ledger.replies["r-1"] = b"first"

    reply = ledger.run(steps(amender(Stored(order("hat:3"))), Request("r-1")))

    assert reply == b"first"
    assert (ledger.reads, ledger.commands) == (0, [])


@pytest.mark.parametrize("steps", STEPS)
def test_a_plan_that_was_changed_is_read_again(steps: Steps) -> None:
    ledger = Ledger(record(*HATS), PlanChanged("p1"), StockConflict("gone"))
    request = Request("r-1", b"digest")

    ledger.run(steps(amender(Stored(order("hat:3"))), request))

    assert ledger.reads == len(ledger.commands) == 3
    assert set(ledger.requests) == {request}


@pytest.mark.parametrize(
    ("met", "raised"),
    [(PlanChanged("p1"), PlanChanged), (StockConflict("gone"), StockContention)],
)
@pytest.mark.parametrize("steps", STEPS)
def test_it_is_not_tried_for_ever(
    steps: Steps, met: AvailabilityError, raised: type[Exception]
) -> None:
    ledger = Ledger(record(*HATS), *[met] * 99)

    with pytest.raises(raised):
        ledger.run(steps(amender(Stored(order("hat:3")))))

    assert ledger.reads == 3


@pytest.mark.parametrize("steps", STEPS)
def test_what_else_the_ledger_says_is_passed_on(steps: Steps) -> None:
    ledger = Ledger(record(*HATS), StoreUnavailable("gone"))

    with pytest.raises(StoreUnavailable):
        ledger.run(steps(amender(Stored(order("hat:3")))))

    assert ledger.reads == 1


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("state", [ReservationState.SHIPPED, ReservationState.NONE])
def test_what_is_over_is_not_planned_anew(
    steps: Steps, state: ReservationState
) -> None:
    ledger = Ledger(record(*HATS, state=state))

    with pytest.raises(ReservationResolved) as caught:
        ledger.run(steps(amender(Stored(order("hat:3")))))

    assert caught.value.state == state.value
    assert ledger.commands == []


@pytest.mark.parametrize("steps", STEPS)
def test_without_the_order_lines_mean_nothing(steps: Steps) -> None:
    ledger = Ledger(record(*HATS, body=b""))

    with pytest.raises(NotReroutable):
        ledger.run(steps(amender(Stored(order("hat:3")))))


@pytest.mark.parametrize("steps", [cancelling, shipping])
def test_a_line_that_never_was(steps: Steps) -> None:
    ledger = Ledger(record(held("cap:3 at laval")))

    with pytest.raises(InvalidOrder) as caught:
        ledger.run(steps(amender(Stored(order("cap:3")))))

    assert [each.reason for each in caught.value.violations] == ["UNKNOWN_LINE"]


@pytest.mark.parametrize("steps", [cancelling, shipping])
def test_a_line_that_was_given_up_whole_has_nothing_open(steps: Steps) -> None:
    ledger = Ledger(record(held("cap:3 at laval"), held("hat:0 at laval", cancelled=1)))

    with pytest.raises(UnitsNotOpen) as caught:
        ledger.run(steps(amender(Stored(order("cap:3")))))

    ((_, _, line_id, asked, left),) = caught.value.breaches
    assert (line_id, asked, left) == ("hat", 1, 0)


def test_what_is_planned_anew_is_told_to_who_counts_plans() -> None:
    ledger = Ledger(record(*HATS), StockConflict("gone"))
    stored = Stored(order("hat:3"))
    plans: list[RoutingPlan] = []
    rejection = Rejection(LAVAL, RejectionReason.CLOSED)
    limits = SolveLimits(wall_seconds=5.0)

    ledger.run(
        amender(stored).reject_steps(
            PLAN, rejection, limits, Request(), encode, plans.append
        )
    )

    assert [each.conflict_count for each in plans] == [0, 1]
    assert {each.plan_id for each in plans} == {"p1"}
    assert stored.stored[-1].rejected == {("hat", "laval")}


def test_units_taken_by_others_in_between_are_not_planned_twice() -> None:
    """Montréal's hats go while it is planned; the next plan goes further."""
    shelf = stock({"laval": {"hat": 0}, "montreal": {"hat": 3}, "far": {"hat": 3}})

    ledger = Ledger(record(*HATS))
    steps = rejecting(amender(Stored(order("hat:3")), shelf))
    assert isinstance(next(steps), ReplayWork)
    assert isinstance(steps.send(None), ReadWork)
    first = steps.send(ledger.read)
    assert isinstance(first, ChangeWork)
    assert isinstance(first.command, Swap)
    assert [each.location_id for each in first.command.claims] == ["montreal"]

    shelf.grid().set("hat", 1, 0)
    steps.throw(StockConflict("gone"))
    second = steps.send(ledger.read)

    assert isinstance(second, ChangeWork)
    assert isinstance(second.command, Swap)
    assert [each.location_id for each in second.command.claims] == ["far"]
