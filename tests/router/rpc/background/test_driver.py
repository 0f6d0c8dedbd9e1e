"""Work handed out and taken back: grouping, cancelling, failing, ending."""

import asyncio
import functools
import threading
import time
from collections.abc import Callable, Coroutine, Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import pytest

from availability.errors import (
    AvailabilityError,
    StockConflict,
    StoreUnavailable,
)
from availability.ledger.protocol import GROUP_LIMIT, Ledger
from availability.model import Request
from availability.reservations import Place, PlanRef, Reservation
from router.blocking_work import (
    ChangeWork,
    ReadWork,
    Reserved,
    ReserveWork,
    SolveWork,
    drive,
)
from router.model import PlanStatus, RoutingPlan
from router.optimize.limits import SolveLimits
from router.rpc.background.driver import LEAST_SOLVE_SECONDS, Driver
from router.rpc.codec.plan import encode_reply

T = TypeVar("T")

PLAN = RoutingPlan("o", PlanStatus.NONE, (), (), (), (), {}, 1, "exact", 2, "p")


class FakeLedger:
    """Answers with the plan's id; holds a commit until `gate` is open."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.begun = threading.Event()
        self.fail: Callable[[str], AvailabilityError | None] = lambda _: None
        self.reply_of: Callable[[Reservation], bytes] = lambda e: e.plan_id.encode()

    def reserve_many(
        self, reservations: Sequence[Reservation]
    ) -> list[bytes | AvailabilityError]:
        self.groups.append([each.plan_id for each in reservations])
        self.begun.set()
        assert self.gate.wait(10)
        return [self.fail(each.plan_id) or self.reply_of(each) for each in reservations]


def work(plan_id: str) -> ReserveWork:
    draft = functools.partial(Reservation, plan_id, f"order of {plan_id}", ())
    return ReserveWork(PLAN, draft)


def reserving(plan_id: str) -> Generator[ReserveWork, Any, bytes]:
    done: Reserved = yield work(plan_id)
    return done.reply


def with_driver(
    play: Callable[[Driver, FakeLedger], Coroutine[Any, Any, T]], **options: Any
) -> T:
    async def playing() -> T:
        ledger = FakeLedger()
        driver = Driver(cast(Ledger, ledger), **options)
        try:
            return await asyncio.wait_for(play(driver, ledger), 20)
        finally:
            ledger.gate.set()
            await driver.close()

    return asyncio.run(playing())


def test_while_one_group_is_committed_the_next_gathers() -> None:
    async def play(driver: Driver, ledger: FakeLedger) -> None:
        ledger.gate.clear()
        calls = [
            asyncio.create_task(drive(reserving(f"{n}"), driver.do))
            for n in range(2 * GROUP_LIMIT + 1)
        ]
        await asyncio.sleep(0.05)
        ledger.gate.set()
        replies = await asyncio.gather(*calls)

        assert replies == [f"{n}".encode() for n in range(2 * GROUP_LIMIT + 1)]
        assert [len(group) for group in ledger.groups] == [1, GROUP_LIMIT, GROUP_LIMIT]

    with_driver(play)


def test_each_reservation_has_its_own_outcome() -> None:
    async def play(driver: Driver, ledger: FakeLedger) -> None:
        ledger.fail = lambda plan_id: StockConflict("gone") if plan_id == "1" else None
        replies = await asyncio.gather(
            *[drive(reserving(f"{n}"), driver.do) for n in range(3)],
            return_exceptions=True,
        )

        assert [replies[0], replies[2]] == [b"0", b"2"]
        assert isinstance(replies[1], StockConflict)

    with_driver(play)


def test_a_conflict_is_thrown_in_and_may_be_answered() -> None:
    def stubborn() -> Generator[ReserveWork, Any, bytes]:
        for attempt in range(3):
            try:
                done: Reserved = yield work(f"{attempt}")
            except StockConflict:
                continue
            return done.reply
        raise AssertionError

    async def play(driver: Driver, ledger: FakeLedger) -> None:
        ledger.fail = lambda plan_id: StockConflict("gone") if plan_id < "2" else None

        assert await drive(stubborn(), driver.do) == b"2"
        assert ledger.groups == [["0"], ["1"], ["2"]]

    with_driver(play)


def test_a_commit_that_breaks_is_everyones_error_and_the_next_goes_on() -> None:
    async def play(driver: Driver, ledger: FakeLedger) -> None:
        broken = ledger.reserve_many

        def breaking(
            reservations: Sequence[Reservation],
        ) -> list[bytes | AvailabilityError]:
            if reservations[0].plan_id == "bad":
                raise StoreUnavailable("no disk")
            return broken(reservations)

        ledger.reserve_many = breaking  # type: ignore[method-assign]
        with pytest.raises(StoreUnavailable):
            await drive(reserving("bad"), driver.do)
        assert await drive(reserving("good"), driver.do) == b"good"

    with_driver(play)


def test_cancelled_while_it_waits_it_reserves_nothing() -> None:
    async def play(driver: Driver, ledger: FakeLedger) -> None:
        ledger.gate.clear()
        first = asyncio.create_task(drive(reserving("first"), driver.do))
        await asyncio.to_thread(ledger.begun.wait, 10)
        gone = asyncio.create_task(drive(reserving("gone"), driver.do))
        last = asyncio.create_task(drive(reserving("last"), driver.do))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        ledger.gate.set()

        assert list(await asyncio.gather(first, last)) == [b"first", b"last"]
        assert ledger.groups == [["first"], ["last"]]

    with_driver(play)


def test_cancelled_while_it_is_committed_it_is_committed() -> None:
    async def play(driver: Driver, ledger: FakeLedger) -> None:
        ledger.gate.clear()
        call = asyncio.create_task(drive(reserving("1"), driver.do))
        await asyncio.to_thread(ledger.begun.wait, 10)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        ledger.gate.set()

        assert await drive(reserving("2"), driver.do) == b"2"
        assert ledger.groups == [["1"], ["2"]]

    with_driver(play)


def test_a_repeat_is_told_from_a_plan_of_its_own() -> None:
    def route() -> Generator[ReserveWork, Any, Reserved]:
        done: Reserved = yield work("1")
        return done

    async def play(driver: Driver, ledger: FakeLedger) -> None:
        assert await drive(route(), driver.do) == (b"1", True)

        ledger.reply_of = lambda each: each.reply
        assert await drive(route(), driver.do) == (encode_reply(PLAN), False)

    with_driver(play)


def test_a_route_that_is_left_is_closed() -> None:
    closed = threading.Event()

    def route() -> Generator[ReserveWork, Any, bytes]:
        try:
            yield work("1")
        finally:
            closed.set()
        return b""

    async def play(driver: Driver, ledger: FakeLedger) -> None:
        ledger.gate.clear()
        call = asyncio.create_task(drive(route(), driver.do))
        await asyncio.to_thread(ledger.begun.wait, 10)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

        assert closed.is_set()

    with_driver(play)


def test_a_route_that_needs_nothing_returns() -> None:
    def route(wanted: tuple[SolveWork, ...] = ()) -> Generator[SolveWork, Any, str]:
        yield from wanted
        return "at once"

    async def play(driver: Driver, _: FakeLedger) -> str:
        return await drive(route(), driver.do)

    assert with_driver(play) == "at once"


@dataclass(frozen=True)
class TimedWork:
    """Remembers the time it was given, and takes all of it."""

    limits: SolveLimits

    def run(self) -> str:
        SEEN.append(self.limits.wall_seconds)
        time.sleep(self.limits.wall_seconds)
        return threading.current_thread().name


SEEN: list[float] = []


def solving(seconds: float) -> Generator[Any, Any, str]:
    thread: str = yield TimedWork(SolveLimits(wall_seconds=seconds))
    return thread


def test_searches_run_in_threads_of_their_own() -> None:
    async def play(driver: Driver, _: FakeLedger) -> set[str]:
        return set(
            await asyncio.gather(*[drive(solving(0.05), driver.do) for _ in range(2)])
        )

    assert with_driver(play, solver_threads=2) == {"solver_0", "solver_1"}


def test_what_a_search_waits_is_taken_off_its_time() -> None:
    SEEN.clear()

    async def play(driver: Driver, _: FakeLedger) -> None:
        await asyncio.gather(
            drive(solving(0.2), driver.do),
            drive(solving(0.3), driver.do),
            drive(solving(0.1), driver.do),
        )

    with_driver(play, solver_threads=1)
    first, second, third = SEEN
    assert first == pytest.approx(0.2, abs=0.05)
    assert second == pytest.approx(0.1, abs=0.09)
    assert third == LEAST_SOLVE_SECONDS


def test_closing_waits_for_the_commit() -> None:
    ledger = FakeLedger()

    async def play() -> None:
        driver = Driver(cast(Ledger, ledger))
        ledger.gate.clear()
        call = asyncio.create_task(drive(reserving("1"), driver.do))
        await asyncio.to_thread(ledger.begun.wait, 10)
        closing = asyncio.create_task(driver.close())
        await asyncio.sleep(0.05)
        assert not closing.done()
        ledger.gate.set()
        await closing
        assert await call == b"1"

    asyncio.run(play())


def test_writes_and_bulk_work_have_threads_of_their_own() -> None:
    def name() -> str:
        return threading.current_thread().name

    async def play(driver: Driver, _: FakeLedger) -> tuple[str, str]:
        return await driver.write(name), await driver.bulk(name)

    assert with_driver(play) == ("writer_0", "bulk_0")


def test_plans_are_read_beside_and_changed_where_everything_is_written() -> None:
    class Reservations(FakeLedger):
        def reservation(self, plan: PlanRef) -> str:
            return f"{plan.plan_id} read in {_thread()}"

        def change(self, plan: PlanRef, *_: object) -> bytes:
            return f"{plan.plan_id} changed in {_thread()}".encode()

    def amending() -> Generator[Any, Any, tuple[str, bytes]]:
        plan = PlanRef(plan_id="p")
        read = yield ReadWork(plan)
        changed = yield ChangeWork(plan, Place(), Request(), lambda _: b"")
        return read, changed

    async def play() -> tuple[str, bytes]:
        driver = Driver(cast(Ledger, Reservations()))
        try:
            return await drive(amending(), driver.do)
        finally:
            await driver.close()

    assert asyncio.run(play()) == ("p read in bulk", b"p changed in writer")


def _thread() -> str:
    return threading.current_thread().name.split("_")[0]
