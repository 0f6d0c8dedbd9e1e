"""The flow: what is read, solved, stored, repeated, and in which order."""

import dataclasses
import itertools
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from availability.errors import (
    AvailabilityError,
    OrderAlreadyRouted,
    RequestReused,
    StockConflict,
    StoreUnavailable,
)
from availability.memory_stock import MemoryStock
from availability.model import Location, LocationId, Request, Sku, StockRecord
from availability.reservations import Claim, Queued, Reservation
from router.blocking_work import ExplainWork, ReserveWork, Solved, SolveWork
from router.errors import InvalidOrder, SolverError, StockContention
from router.model import (
    Counterfactuals,
    Incomplete,
    Order,
    OrderLine,
    PlanStatus,
    RoutingPlan,
    RoutingPolicy,
    SplitRung,
)
from router.optimize.limits import SolveLimits
from router.optimize.problem import Piece, Solution, SourcingProblem
from router.pipeline import RouteOptions, Router
from router.policies import DEFAULT, PRESETS
from router.stored_plans import OwnStock
from tests.builders import (
    PARIS,
    SEED,
    kit,
    line,
    only,
    order,
    picked,
    policy,
    stock,
    try_all,
)

OPTIONS = RouteOptions(SolveLimits(wall_seconds=20.0))
WITH_COUNTERFACTUALS = dataclasses.replace(OPTIONS, counterfactuals=True)


PIPELINE = "router.pipeline"
PLANNER = "router.planner"
WORK = "router.blocking_work"


def no_engine(*_: object) -> Solution:
    raise AssertionError("no engine should have been asked")


class Ledger(MemoryStock):
    """Stock that notes what is asked of it; ``errors`` meet the reservations."""

    def __init__(self, *errors: Callable[["Ledger"], AvailabilityError]) -> None:
        seed = stock(SEED)
        super().__init__(seed.network().locations, [])
        for sku in ("shirt", "hat", "shoes"):
            for column, units_of in enumerate(SEED.values()):
                self.grid().set(sku, column, units_of[sku])
        self._errors = list(errors)
        self.asked: list[str] = []
        self.reservations: list[Reservation] = []

    def reserve(self, reservation: Reservation) -> bytes:
        self.asked.append("reserve")
        self.reservations.append(reservation)
        if self._errors:
            raise self._errors.pop(0)(self)
        return super().reserve(reservation)

    def replay(self, request: Request) -> bytes | None:
        self.asked.append("replay")
        return super().replay(request)

    def on_hand(self, sku: str) -> list[int]:
        row: list[int] = self.grid().read([self.grid().rows[sku]])[0].tolist()
        return row


def conflict(_: Ledger) -> AvailabilityError:
    return StockConflict("gone")


def taken(location: int, sku: str) -> Callable[[Ledger], AvailabilityError]:
    """Return a conflict because others took all of an SKU at a location."""

    def take(ledger: Ledger) -> AvailabilityError:
        ledger.grid().set(sku, location, 0)
        return StockConflict("gone")

    return take


def route(
    ledger: Ledger,
    wanted: Any,
    by: RoutingPolicy = PRESETS[DEFAULT],
    request: Request = Request(),
    encode: Callable[[RoutingPlan], bytes] = lambda plan: repr(plan).encode(),
    **fields: Any,
) -> bytes:
    routed = Router(ledger, **fields).route(wanted, by, OPTIONS, request, encode)
    return routed.reply


def places(plan: RoutingPlan) -> list[tuple[str, str, int]]:
    return [(each.line_id, each.location_id, each.quantity)
            for each in plan.assignments]  # fmt: skip


# --- Evaluate -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        # The seed's worked table, rows that one location or two can do.
        (order("shirt", "hat", "shoes"), [("shirt", "montreal", 1),
                                          ("hat", "montreal", 1),
                                          ("shoes", "montreal", 1)]),
        (order("shirt", "hat:4", "shoes:2"), [("shirt", "laval", 1),
                                              ("hat", "laval", 4),
                                              ("shoes", "laval", 2)]),
        (order("shirt", "hat:12", "shoes:2"), [("shirt", "laval", 1),
                                               ("hat", "laval", 10),
                                               ("shoes", "laval", 2),
                                               ("hat", "montreal", 2)]),
    ],
)  # fmt: skip
def test_evaluate_plans(wanted: Any, expected: list[tuple[str, str, int]]) -> None:
    plan = Router(Ledger()).evaluate(wanted)

    assert places(plan) == expected
    assert plan.proven
    assert plan.status is PlanStatus.FULL


def test_evaluate_writes_nothing() -> None:
    ledger = Ledger()

    plan = Router(ledger).evaluate(order("hat:2"), PRESETS[DEFAULT], OPTIONS)

    assert plan.plan_id == ""
    assert ledger.asked == []
    assert ledger.on_hand("hat") == [3, 10, 10]


def test_evaluate_and_route_make_the_same_plan() -> None:
    plans: list[RoutingPlan] = []
    wanted, by = order("hat:20", "shirt:12"), policy(max_shipments=2)

    def keep(plan: RoutingPlan) -> bytes:
        plans.append(plan)
        return b""

    evaluated = Router(Ledger()).evaluate(wanted, by, OPTIONS)
    route(Ledger(), wanted, by, encode=keep)

    (routed,) = plans
    micros = evaluated.solve_micros
    routed = dataclasses.replace(routed, plan_id="", solve_micros=micros)
    assert routed == evaluated


def test_every_breach_is_listed_and_nothing_reserved() -> None:
    ledger = Ledger()

    with pytest.raises(InvalidOrder) as caught:
        route(ledger, order("cap", "tie"))

    assert len(caught.value.violations) == 2
    assert ledger.asked == []


def test_nobody_eligible_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{WORK}.solve_excluding", no_engine)
    rule = only(groups=frozenset(["none"]))

    plan = Router(Ledger()).evaluate(order("hat"), rule, WITH_COUNTERFACTUALS)

    assert plan.status is PlanStatus.NONE
    assert [each.reason.value for each in plan.unassigned] == ["locations_eliminated"]
    assert {each.value for each in plan.eliminated.values()} == {"group"}
    assert plan.proven
    assert plan.counterfactuals == Counterfactuals()


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("priority", [("hat", "montreal", 3), ("hat", "sherbrooke", 2)]),
        # Sherbrooke and Laval have as many useful hats: the first in rank.
        ("highest-stock", [("hat", "sherbrooke", 5)]),
        # Nobody has coordinates: all are as far, and the rank decides.
        ("nearest", [("hat", "montreal", 3), ("hat", "sherbrooke", 2)]),
    ],
)
def test_walks_walk(preset: str, expected: list[tuple[str, str, int]]) -> None:
    wanted = order("hat:5", destination=PARIS)

    plan = Router(Ledger()).evaluate(wanted, PRESETS[preset])

    assert plan.engine == "walk"
    assert sorted(places(plan), key=lambda each: -each[2]) == expected


# --- What is handed to the driver -----------------------------------------------


def test_a_quick_proof_yields_no_work() -> None:
    steps = Router(Ledger()).evaluate_steps(order("hat"), PRESETS[DEFAULT], OPTIONS)

    with pytest.raises(StopIteration) as end:
        next(steps)

    assert places(end.value.value) == [("hat", "montreal", 1)]


def test_what_no_proof_answers_is_handed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{PLANNER}.solve_fast", lambda _: None)
    limits = SolveLimits(wall_seconds=3.0, nodes=7)
    steps = Router(Ledger()).evaluate_steps(
        order("hat"), PRESETS[DEFAULT], RouteOptions(limits)
    )

    work = next(steps)

    assert isinstance(work, SolveWork)
    assert work.walk_order is None
    assert work.limits.nodes == 7
    assert 2.0 < work.limits.wall_seconds <= 3.0
    with pytest.raises(StopIteration) as end:
        steps.send(Solved(Solution((Piece(1, 0, 1),), "cp-sat", {}), 1234))
    plan = end.value.value
    assert places(plan) == [("hat", "sherbrooke", 1)]
    assert (plan.engine, plan.solve_micros, plan.proven) == ("cp-sat", 1234, False)


def test_the_synchronous_driver_does_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{PLANNER}.solve_fast", lambda _: None)
    monkeypatch.setattr(f"{WORK}.solve", try_all)

    plan = Router(Ledger()).evaluate(order("hat:4"))

    assert plan.engine == "brute force"
    assert places(plan) == [("hat", "sherbrooke", 4)]


def test_a_walk_is_never_asked_of_the_proofs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{PLANNER}.solve_fast", no_engine)
    steps = Router(Ledger()).evaluate_steps(
        order("hat"), PRESETS["priority"], RouteOptions()
    )

    work = next(steps)

    assert isinstance(work, SolveWork)
    assert work.walk_order is not None
    assert work.walk_order.tolist() == [0, 1, 2]


def test_a_wrong_engine_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Solution((Piece(0, 0, 9),), "exact")
    monkeypatch.setattr(f"{PLANNER}.solve_fast", lambda _: wrong)
    ledger = Ledger()

    with pytest.raises(SolverError, match="exact: 2: location 0 ships 9"):
        route(ledger, order("hat:9"))

    assert ledger.asked == []


def test_reasons_that_take_solving_are_handed_out_once() -> None:
    # Two limits, so that neither is known to be the reason without solving.
    by = policy(max_shipments=1, incomplete=Incomplete.DROP_LINE)
    steps = Router(Ledger()).evaluate_steps(order("hat:12"), by, OPTIONS)
    works: list[Any] = []
    sent: Any = None
    try:
        while True:
            works.append(steps.send(sent))
            sent = works[-1].run()
    except StopIteration as end:
        plan = end.value

    assert [type(each) for each in works[-1:]] == [ExplainWork]
    assert sum(isinstance(each, ExplainWork) for each in works) == 1
    assert works[-1].counterfactuals is False
    assert [each.reason.value for each in plan.unassigned] == ["split_limit"]


def test_explaining_has_what_time_is_left_and_at_least_a_tenth(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It begins at 100 and may take 20; a look at the clock takes 7."""
    monkeypatch.setattr(f"{PLANNER}.solve_fast", try_all)
    ticks = itertools.count(100.0, 7.0)
    clock = SimpleNamespace(
        monotonic=lambda: next(ticks), perf_counter_ns=time.perf_counter_ns
    )
    monkeypatch.setattr(f"{PIPELINE}.time", clock)
    monkeypatch.setattr(f"{PLANNER}.time", clock)
    seconds: list[float] = []

    def note(_: SourcingProblem, __: frozenset[int], limits: SolveLimits) -> None:
        seconds.append(limits.wall_seconds)

    monkeypatch.setattr(f"{WORK}.solve_excluding", note)
    monkeypatch.setattr(f"{WORK}.time", clock)
    steps = Router(Ledger()).evaluate_steps(
        order("hat"), PRESETS[DEFAULT], WITH_COUNTERFACTUALS
    )

    work = next(steps)

    assert isinstance(work, ExplainWork)
    # Asked at 107: 13 are left. Begun at 114, looked at again at 121: 6 of them.
    assert work.limits.wall_seconds == 13.0
    work.run()
    assert seconds == [6.0]

    short = RouteOptions(SolveLimits(wall_seconds=5.0), counterfactuals=True)
    work = next(Router(Ledger()).evaluate_steps(order("hat"), PRESETS[DEFAULT], short))
    # Seven of five seconds are gone.
    assert isinstance(work, ExplainWork)
    assert work.limits.wall_seconds == 0.5


def test_says_how_long_the_engine_took(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(problem: SourcingProblem) -> Solution:
        time.sleep(0.01)
        return try_all(problem)

    monkeypatch.setattr(f"{PLANNER}.solve_fast", slow)

    plan = Router(Ledger()).evaluate(order("hat"))

    assert 10_000 <= plan.solve_micros < 5_000_000


def test_plain_reasons_take_no_work() -> None:
    by = policy(split_rung=SplitRung.NO_SPLIT)
    router = Router(Ledger())

    plan = router.evaluate(order("hat:99"), by)

    assert [each.reason.value for each in plan.unassigned] == ["insufficient_stock"]


def test_counterfactuals_come_only_when_asked_for() -> None:
    router = Router(Ledger())

    without = router.evaluate(order("hat:12"), PRESETS[DEFAULT], OPTIONS)
    plan = router.evaluate(order("hat:12"), PRESETS[DEFAULT], WITH_COUNTERFACTUALS)

    assert without.counterfactuals is None
    assert plan.counterfactuals is not None
    assert plan.counterfactuals.next_best is not None
    assert plan.counterfactuals.next_best.lost_at == "rank"
    assert plan.counterfactuals.one_shipment is not None
    assert plan.counterfactuals.one_shipment.missing == {"hat": 2}


# --- Route ----------------------------------------------------------------------


def test_route_holds_the_stock_with_the_reply() -> None:
    ledger = Ledger()
    wanted = order("hat:2", kit("set:1", hat=1, shoes=2))

    reply = route(ledger, wanted, encode=lambda plan: plan.plan_id.encode())

    (reservation,) = ledger.reservations
    assert reservation.order_id == "o1"
    assert reservation.claims == (
        Claim(LocationId("montreal"), Sku("hat"), line_id="hat", quantity=2),
        Claim(LocationId("montreal"), Sku("hat"), line_id="set", quantity=1),
        Claim(LocationId("montreal"), Sku("shoes"), line_id="set", quantity=2),
    )
    assert reservation.reply == reply == reservation.plan_id.encode()
    assert len(reservation.plan_id) == 32
    assert ledger.on_hand("hat") == [0, 10, 10]
    assert ledger.plan(reservation.plan_id) == reply


def test_a_cart_is_held_and_what_it_was_made_from_is_kept() -> None:
    ledger = Ledger()
    options = dataclasses.replace(OPTIONS, hold_seconds=60)

    Router(ledger).route(
        order("hat"), PRESETS[DEFAULT], options, Request(), lambda _: b"", b"body"
    )

    (reservation,) = ledger.reservations
    assert (reservation.hold_seconds, reservation.body) == (60, b"body")


@pytest.mark.parametrize(
    ("queue", "queued"),
    [(False, ()), (True, (Queued("web", Sku("hat"), "hat", 2),))],
)
def test_what_nobody_ships_is_queued_only_when_asked(
    queue: bool, queued: tuple[Queued, ...]
) -> None:
    ledger = Ledger()
    options = dataclasses.replace(OPTIONS, queue_unassigned=queue)
    wanted = order("hat:25", channel_id="web")

    Router(ledger).route(wanted, PRESETS[DEFAULT], options, Request(), lambda _: b"")

    (reservation,) = ledger.reservations
    assert reservation.queued == queued
    assert sum(claim.quantity for claim in reservation.claims) == 23


def test_planned_anew_an_order_is_not_judged_again() -> None:
    """It has more refusals than a caller may send, all of them its own."""
    pairs = frozenset(("hat", f"gone-{n}") for n in range(10_001))
    wanted = order("hat:4", frozen=(picked("hat", "laval", 3),), rejected=pairs)
    own = OwnStock({(LocationId("laval"), Sku("hat")): 3})
    steps = Router(Ledger()).replan_steps(
        wanted, PRESETS[DEFAULT], OPTIONS, "p", own, 2
    )

    plan = Router(Ledger())._do_all(steps)

    assert places(plan) == [("hat", "laval", 4)]
    assert (plan.plan_id, plan.conflict_count) == ("p", 2)


def test_a_plan_that_ships_nothing_is_stored_with_no_claims() -> None:
    ledger = Ledger()

    route(ledger, order("hat:99"), policy(incomplete=Incomplete.REJECT_ORDER))

    (reservation,) = ledger.reservations
    assert reservation.claims == ()
    # It is no live plan: the order may be routed again.
    route(ledger, order("hat:1"))
    assert len(ledger.reservations) == 2


@pytest.mark.parametrize("conflicts", [1, 2, 4])
def test_a_conflict_is_planned_again(conflicts: int) -> None:
    ledger = Ledger(*[conflict] * conflicts)
    plans: list[RoutingPlan] = []

    def keep(plan: RoutingPlan) -> bytes:
        plans.append(plan)
        return b"%d" % plan.conflict_count

    reply = route(ledger, order("hat"), encode=keep)

    assert reply == b"%d" % conflicts
    assert [each.conflict_count for each in plans] == list(range(conflicts + 1))
    assert len({each.plan_id for each in plans}) == 1
    assert ledger.asked == ["reserve"] * (conflicts + 1)
    assert ledger.on_hand("hat") == [2, 10, 10]


def test_a_conflict_reads_the_stock_again() -> None:
    # Others take Montréal's hats, then Sherbrooke's.
    ledger = Ledger(taken(0, "hat"), taken(1, "hat"))

    route(ledger, order("hat:2"))

    sources = [each.claims[0].location_id for each in ledger.reservations]
    assert sources == ["montreal", "sherbrooke", "laval"]


def test_endless_conflicts_end() -> None:
    ledger = Ledger(*[conflict] * 99)

    with pytest.raises(StockContention) as caught:
        route(ledger, order("hat"), max_attempts=3)

    assert caught.value.attempts == 3
    assert ledger.asked == ["reserve"] * 3
    assert ledger.on_hand("hat") == [3, 10, 10]


def test_all_attempts_share_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{PLANNER}.solve_fast", lambda _: None)
    ticks = itertools.count(100.0, 4.0)
    clock = SimpleNamespace(
        monotonic=lambda: next(ticks), perf_counter_ns=time.perf_counter_ns
    )
    monkeypatch.setattr(f"{PIPELINE}.time", clock)
    monkeypatch.setattr(f"{PLANNER}.time", clock)
    options = RouteOptions(SolveLimits(wall_seconds=10.0))
    steps = Router(Ledger()).route_steps(
        order("hat"), PRESETS[DEFAULT], options, Request()
    )

    seconds = []
    work = next(steps)
    for _ in range(3):
        assert isinstance(work, SolveWork)
        seconds.append(work.limits.wall_seconds)
        reserve = steps.send(Solved(Solution((Piece(0, 0, 1),), "cp-sat", {}), 1))
        assert isinstance(reserve, ReserveWork)
        work = steps.throw(StockConflict("gone"))

    # It ends at 110; asked at 104, 108 and 112: a millisecond is always left.
    assert seconds == [6.0, 2.0, 0.001]


@pytest.mark.parametrize(
    "error", [OrderAlreadyRouted("o1", "p0"), StoreUnavailable("disk")]
)
def test_other_refusals_are_the_caller_s(error: AvailabilityError) -> None:
    ledger = Ledger(lambda _: error)

    with pytest.raises(type(error)) as caught:
        route(ledger, order("hat"))

    assert caught.value is error
    assert ledger.asked == ["reserve"]


def test_an_order_has_one_live_plan() -> None:
    ledger = Ledger()
    route(ledger, order("hat"))

    with pytest.raises(OrderAlreadyRouted):
        route(ledger, order("hat"))


def test_a_repeat_gets_the_first_reply_before_anything_is_judged() -> None:
    ledger = Ledger()
    request = Request("r1", b"body")
    first = route(ledger, order("hat"), request=request)
    ledger.asked.clear()

    # Whatever the order is: the digest is what tells bodies apart.
    again = route(ledger, order(line("cap:0")), request=request)

    assert again == first
    assert ledger.asked == ["replay"]
    assert len(ledger.reservations) == 1


def test_the_same_id_with_another_body_is_refused() -> None:
    ledger = Ledger()
    route(ledger, order("hat"), request=Request("r1", b"body"))

    with pytest.raises(RequestReused):
        route(ledger, order("hat"), request=Request("r1", b"other"))


def test_without_an_id_nothing_is_looked_up() -> None:
    ledger = Ledger()

    route(ledger, order("hat"))

    assert ledger.asked == ["reserve"]


def test_a_reply_that_came_in_between_wins() -> None:
    """Two repeats at once: both plan, the ledger answers both with one reply."""

    class Raced(Ledger):
        def reserve(self, reservation: Reservation) -> bytes:
            super().reserve(reservation)
            return b"first"

    assert route(Raced(), order("hat"), request=Request("r1")) == b"first"


def test_needs_at_least_one_attempt() -> None:
    with pytest.raises(ValueError, match="max_attempts"):
        Router(Ledger(), max_attempts=0)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_an_order_without_coordinates_is_routed_by_what_is_known(preset: str) -> None:
    """`fewest-shipments` ends with a distance, `nearest` walks by it."""
    stock = MemoryStock(
        [Location(LocationId("a"), rank=1), Location(LocationId("b"), rank=2)],
        [StockRecord(LocationId(at), Sku("hat"), 5) for at in "ab"],
    )
    plan = Router(stock).evaluate(
        Order("1", (OrderLine("1", Sku("hat"), 2),)), PRESETS[preset]
    )
    assert [each.location_id for each in plan.assignments] == ["a"]
    assert "distance_meters" not in [each.name for each in plan.objectives]


def test_a_repeat_without_an_encoder_has_no_plan_of_its_own() -> None:
    """The second plan was never stored: its id would lead nowhere."""
    ledger = stock(SEED)
    router, request = Router(ledger), Request("r", b"d" * 32)

    first = router.route(order("hat:1"), PRESETS[DEFAULT], OPTIONS, request)
    again = router.route(order("hat:1"), PRESETS[DEFAULT], OPTIONS, request)

    assert first.plan is not None
    assert first.reply == again.reply == first.plan.plan_id.encode()
    assert again.plan is None
