"""Decisions made on stale stock: each case of a race, step by step."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, cast

import pytest

from availability.errors import StockConflict
from availability.ledger.memory.mirror import Mirror
from availability.ledger.open import open_ledger
from availability.ledger.protocol import Ledger
from availability.model import (
    ImportMode,
    Location,
    LocationId,
    Request,
    Sku,
    StockChange,
)
from availability.positions import Positions
from availability.reservations import Cancel, Claim, PlanRef, Reservation
from availability.setup.channels import Allocation, Channel
from availability.setup.settings import Settings
from availability.setup.setup import SetupChange
from availability.v1 import availability_service_pb2 as pb
from router.blocking_work import ReserveWork
from router.model import Order, OrderLine, RoutingPlan
from router.pipeline import RouteOptions, Router
from router.policies import DEFAULT, PRESETS
from router.rpc.background import watch
from router.rpc.background.offer_rows import OfferReader
from router.rpc.background.pulse import LedgerPulse
from router.rpc.background.watch import Watches
from router.rpc.codec.offers import decode_columns
from router.rpc.codec.watch import decode_watch
from tests.router.rpc.selling import FakeLedger, FakeSource

HAT = Sku("hat")
PLACE = LocationId("dc")
POLICY = PRESETS[DEFAULT]
END_SECONDS = 60.0
"""Longest wait for a change to be sent; a busy machine is slow."""

Opener = Callable[[], Ledger]


@pytest.fixture
def opener(request: pytest.FixtureRequest) -> Iterator[Opener]:
    """Open ledgers of one database: one of a file, several of PostgreSQL."""
    url: str = request.getfixturevalue(getattr(request, "param", "postgres"))
    with ExitStack() as stack:

        def opening() -> Ledger:
            ledger = open_ledger(url)
            stack.callback(ledger.close)
            return ledger

        yield opening


both = pytest.mark.parametrize("opener", ["sqlite", "postgres"], indirect=True)


def set_up(ledger: Ledger) -> None:
    """Count a hundred hats, thirty of them reserved for b2b; web sells the others."""
    ledger.put_locations([Location(PLACE, 1)])
    count(ledger, 100)
    kept = Allocation("kept", HAT, 30, channel_ids=frozenset({"b2b"}))
    ledger.put_setup(
        SetupChange(
            channels={each: Channel(each) for each in ("web", "b2b")},
            allocations={"kept": kept},
        )
    )


def count(ledger: Ledger, units: int) -> None:
    ledger.import_stock(ImportMode.SET, [StockChange(PLACE, HAT, units)])


def order(name: str, channel_id: str, units: int) -> Order:
    return Order(name, (OrderLine("1", HAT, units),), channel_id=channel_id)


def sell(ledger: Ledger, name: str, channel_id: str, units: int) -> RoutingPlan:
    wanted = order(name, channel_id, units)
    plan = Router(ledger).route(wanted, POLICY, RouteOptions()).plan
    assert plan is not None
    return plan


def judged(ledger: Ledger, name: str, channel_id: str, units: int) -> Reservation:
    """Return the reservation that a router is about to make."""
    steps = Router(ledger).route_steps(
        order(name, channel_id, units), POLICY, RouteOptions(), Request()
    )
    work = next(steps)
    steps.close()
    assert isinstance(work, ReserveWork)
    reservation = work.draft(b"")
    assert sum(each.quantity for each in reservation.claims) == units
    return reservation


def cancel(ledger: Ledger, plan: RoutingPlan, units: int) -> None:
    claim = Claim(PLACE, HAT, units, line_id="1")
    ledger.change(PlanRef(plan.plan_id), Cancel((claim,)))


def left(ledger: Ledger) -> int:
    return sum(each.available for each in ledger.stock([HAT]).records)


@both
def test_what_others_sold_in_between_is_not_sold_again(opener: Opener) -> None:
    ledger = opener()
    set_up(ledger)
    first, second = (judged(ledger, name, "web", 60) for name in "ab")

    ledger.reserve(first)
    with pytest.raises(StockConflict):
        ledger.reserve(second)
    assert left(ledger) == 40


@both
def test_a_count_in_between_does_not_cost_the_reserve(opener: Opener) -> None:
    ledger = opener()
    set_up(ledger)
    held = judged(ledger, "a", "web", 40)
    count(ledger, 40)

    with pytest.raises(StockConflict):
        ledger.reserve(held)


def test_a_count_of_another_process_does_not_cost_the_reserve(opener: Opener) -> None:
    first, second = opener(), opener()
    set_up(first)
    second.refresh()
    count(first, 40)

    sell(second, "a", "web", 40)

    assert left(first) >= 30


@both
def test_what_b2b_gives_back_is_b2bs(opener: Opener) -> None:
    ledger = opener()
    set_up(ledger)
    sell(ledger, "w", "web", 65)
    plan = sell(ledger, "b", "b2b", 20)
    held = judged(ledger, "c", "web", 5)
    cancel(ledger, plan, 10)

    # It was planned on the stock before; planned again, web may sell five more.
    with pytest.raises(StockConflict):
        ledger.reserve(held)
    sell(ledger, "d", "web", 10)
    assert left(ledger) == 20


def test_a_cancellation_of_another_process_does_not_cost_the_reserve(
    opener: Opener,
) -> None:
    first, second = opener(), opener()
    set_up(first)
    plan = sell(first, "a", "web", 70)
    second.refresh()
    cancel(first, plan, 10)
    # It learns that ten are back in stock, and not that web's count fell by ten.
    sell(second, "b", "b2b", 1)
    first.refresh()
    sell(first, "c", "web", 10)

    sell(second, "d", "web", 10)

    assert left(first) >= 29


def test_what_another_process_sold_is_no_contention(opener: Opener) -> None:
    first, second = opener(), opener()
    set_up(first)
    second.refresh()
    sell(first, "a", "web", 60)

    plan = sell(second, "b", "b2b", 5)

    assert sum(each.quantity for each in plan.assignments) == 5


def test_a_version_is_one_state(
    opener: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A setup and a count made in between become visible at the same version."""
    first, second = opener(), opener()
    set_up(first)
    second.refresh()
    count(first, 50)
    first.put_setup(SetupChange(settings={("", HAT): Settings(low_units=3)}))
    found: list[Positions] = []

    def spying(name: str) -> None:
        real = getattr(Mirror, name)

        def spy(mirror: Mirror, *arguments: Any, **more: Any) -> None:
            real(mirror, *arguments, **more)
            found.append(mirror.positions([HAT]))

        monkeypatch.setattr(Mirror, name, spy)

    spying("say")
    spying("set")
    second.refresh()

    states = {
        (each.version, each.setup.version, int(each.units[0, 0])) for each in found
    }
    assert len({version for version, _, _ in states}) == len(states)


@both
def test_a_version_of_locations_is_one_state(
    opener: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = opener()
    set_up(ledger)
    found: list[Positions] = []
    real = Mirror.say

    def spy(mirror: Mirror, *arguments: Any) -> None:
        found.append(mirror.positions([HAT]))
        real(mirror, *arguments)

    monkeypatch.setattr(Mirror, "say", spy)
    changed = SetupChange(settings={("", HAT): Settings(low_units=3)})
    ledger.put_setup(changed, [Location(PLACE, 1, workload_minutes=7)])

    now = ledger.positions([HAT])
    assert all(each.setup is now.setup for each in found if each.version == now.version)


def test_a_token_of_a_process_that_is_gone_is_no_token(opener: Opener) -> None:
    """Its place is in the list of another process, however long ours is by now."""
    first, gone = opener(), opener()
    set_up(first)
    gone.refresh()
    mark = gone.changes().mark
    gone.close()
    count(first, 50)
    other = StockChange(PLACE, Sku("other"), 1)
    second = opener()
    while second.changes().mark.place <= mark.place:
        second.import_stock(ImportMode.DELTA, [other])

    assert second.changes(mark).everything


def test_a_stream_that_begins_as_the_last_one_ends_is_sent_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The end of the last stream stops the look at changes; the next one needs it."""
    # Else a heartbeat would send what was missed.
    monkeypatch.setattr(watch, "HEARTBEAT_SECONDS", 3_600.0)
    waits = 0
    wait = LedgerPulse.wait

    async def counting(pulse: LedgerPulse, *arguments: Any) -> None:
        nonlocal waits
        waits += 1
        await wait(pulse, *arguments)

    monkeypatch.setattr(LedgerPulse, "wait", counting)

    async def until_waiting(count: int) -> None:
        while waits < count:
            await asyncio.sleep(0.001)

    async def play() -> bytes:
        source, ledger = FakeSource(hat=3), FakeLedger()
        reader = OfferReader(source)
        watches = Watches(reader, cast(Any, ledger), time.time)
        wire = pb.WatchAvailabilityRequest(channel_id="web", skus=["hat"])
        last, following = (watches.batches(decode_watch(wire)) for _ in "12")
        await anext(last)
        waiting = asyncio.ensure_future(anext(last))
        await until_waiting(1)

        waiting.cancel()
        await asyncio.ensure_future(anext(following))
        waiting = asyncio.ensure_future(anext(following))
        await until_waiting(waits + 1)
        source.units["hat"] = 1
        ledger.tell("hat")
        async with asyncio.timeout(END_SECONDS):
            sent = await waiting
        await following.aclose()
        await watches.close()
        return sent

    batch = pb.WatchAvailabilityResponse.FromString(asyncio.run(play()))
    assert decode_columns(batch.columns).quantity_units.tolist() == [1]
