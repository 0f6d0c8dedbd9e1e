"""Concurrent buyers of scarce SKUs, and the rules that the journal must obey.

Run as a program it is one process that buys round after round, to be killed:

    python -m tests.faults.selling DATABASE NAME REFRESH_SECONDS FILE

Each line on its stdin is a round: the number of the SKUs to buy, and the orders of
each buyer (0: until it is killed). It answers "met" and "done".
"""

import contextlib
import itertools
import os
import random
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from availability.errors import CustomerLimitReached
from availability.ledger.open import open_ledger
from availability.ledger.protocol import Ledger
from availability.model import (
    ImportMode,
    Location,
    LocationId,
    Sku,
    StockChange,
)
from availability.reservations import Cancel, Movement, PlanRef, Reservation
from availability.setup.channels import Allocation, Channel
from availability.setup.settings import Backorders, CustomerLimit, Preorder, Settings
from availability.setup.setup import SetupChange
from router.errors import StockContention
from router.model import WAITING, Order, OrderLine, RoutingPlan
from router.pipeline import RouteOptions, Router
from router.policies import DEFAULT, PRESETS
from tests.availability.ledger.world import all_movements

POLICY = PRESETS[DEFAULT]
CHANNELS = ("web", "b2b")
CUSTOMERS = ("ann", "bob", "cid", "dan")
SKUS_OF_A_KIND = 4
"""All buyers order one SKU of each kind in a round, then the next."""
BUYERS = 3
"""Threads of one process."""
ORDERS = 25
"""Orders of one buyer in a round: together they want more than is for sale."""
MOST_UNITS = 5
EAGER_UNITS = 15
"""Units in the first order of each buyer; three want more than web may sell."""
CANCEL_SHARE = 0.3
MAX_TRIES = 1_000
"""Times that one order is routed whose stock others took on every attempt."""
MEET_SECONDS = 60.0
"""Longest wait for other threads; a busy machine is slow."""
FAR_SECONDS = 4_000_000_000

Sales = Counter[tuple[str, str, str]]
"""{(SKU, channel, customer): units promised}."""
Report = Callable[[str, str, str, int], object]
"""Given each purchase: SKU, channel, customer, units."""

KEPT, STOCK = 30, 70
"""Units reserved for b2b, and units in stock."""
LEAST, LATE_STOCK = -50, 10
"""The net quantity at which backorders end, and units in stock."""
CAP = 40
"""Most units sold before the release."""
OF_A_CUSTOMER = 3


def names(kind: str) -> list[Sku]:
    return [Sku(f"{kind}{n}") for n in range(SKUS_OF_A_KIND)]


KINDS = HOT, LATE, SOON, RARE = (
    names("hot"),
    names("late"),
    names("soon"),
    names("rare"),
)


def set_up(ledger: Ledger) -> None:
    """Put two locations that feed both channels, and what they sell."""
    places = [LocationId("l0"), LocationId("l1")]
    ledger.put_locations([Location(each, n) for n, each in enumerate(places, start=1)])
    ledger.put_setup(
        SetupChange(
            channels={each: Channel(each) for each in CHANNELS},
            allocations={
                sku: Allocation(sku, sku, KEPT, channel_ids=frozenset({"b2b"}))
                for sku in HOT
            },
            settings={
                **{
                    ("", sku): Settings(
                        backorders=Backorders.ALLOW,
                        out_of_stock_threshold_units=LEAST,
                    )
                    for sku in LATE
                },
                **{
                    ("", sku): Settings(preorders=(Preorder(CAP, FAR_SECONDS),))
                    for sku in SOON
                },
                **{
                    ("", sku): Settings(
                        customer_limit=CustomerLimit(OF_A_CUSTOMER, 3_600)
                    )
                    for sku in RARE
                },
            },
        )
    )
    on_hand = {
        **dict.fromkeys(HOT, (40, STOCK - 40)),
        **dict.fromkeys(LATE, (6, LATE_STOCK - 6)),
        # Counted, and not in stock yet.
        **dict.fromkeys(SOON, (0, 0)),
        **dict.fromkeys(RARE, (1000, 1000)),
    }
    ledger.import_stock(
        ImportMode.SET,
        [
            StockChange(at, sku, units)
            for sku, both in on_hand.items()
            for at, units in zip(places, both, strict=True)
        ],
    )


class Meeting:
    """A ledger that holds back the first order of each thread until all are planned.

    So each was planned on stock that the others are about to take.
    """

    def __init__(self, ledger: Ledger, threads: int) -> None:
        self._ledger = ledger
        self._planned = threading.Barrier(threads, timeout=MEET_SECONDS)
        self._calls = itertools.count()

    def reserve(self, reservation: Reservation) -> bytes:
        # A thread that waits makes no other call: the first are of one thread each.
        if next(self._calls) < self._planned.parties:
            self._planned.wait()
        return self._ledger.reserve(reservation)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)


class Buyer:
    """Routes orders of one line, one after another."""

    def __init__(
        self,
        ledger: Ledger,
        router: Router,
        name: str,
        report: Report = lambda *_: None,
    ) -> None:
        self._router = router
        self._ledger = ledger
        self._name = name
        self._report = report
        self._orders = 0
        self._rng = random.Random(name)
        self.sales: Sales = Counter()
        self._on_web: list[tuple[str, tuple[str, str, str], int]] = []

    def buy(self, sku: Sku, channel_id: str, customer_id: str, units: int) -> int:
        """Return how many units were promised."""
        self._orders += 1
        order = Order(
            f"{self._name}/{self._orders}/{customer_id}",
            (OrderLine("1", sku, units),),
            channel_id=channel_id,
            customer_id=customer_id,
        )
        try:
            plan = self._routed(order)
        except CustomerLimitReached:
            return 0
        found = sum(each.quantity for each in plan.assignments)
        found += sum(e.quantity for e in plan.unassigned if e.reason in WAITING)
        if found:
            key = (str(sku), channel_id, customer_id)
            self.sales[key] += found
            self._report(*key, found)
            if channel_id == "web":
                self._on_web.append((plan.plan_id, key, found))
        return found

    def _routed(self, order: Order) -> RoutingPlan:
        for _ in range(MAX_TRIES):
            try:
                plan = self._router.route(order, POLICY, RouteOptions()).plan
            except StockContention:
                # Memory learns of other processes between calls only.
                self._ledger.refresh()
            else:
                assert plan is not None
                return plan
        raise AssertionError(f"{order.order_id}: others were faster every time")

    def cancel(self) -> None:
        """Cancel the last open plan on web, if any."""
        if self._on_web:
            plan_id, key, units = self._on_web.pop()
            self._ledger.change(PlanRef(plan_id), Cancel())
            self.sales[key] -= units

    def draw(self, n: int) -> tuple[Sku, str, str, int]:
        """Draw an order of the n-th SKU of a kind."""
        rng = self._rng
        sku, units = rng.choice(KINDS)[n], rng.randint(1, MOST_UNITS)
        return sku, rng.choice(CHANNELS), rng.choice(CUSTOMERS), units

    def compete(self, n: int, orders: int, cancel_share: float = 0.0) -> None:
        """Place so many orders of the n-th SKUs; 0: without end."""
        for _ in range(orders) if orders else itertools.count():
            self.buy(*self.draw(n))
            if self._rng.random() < cancel_share:
                self.cancel()


def buyers_at(
    ledger: Ledger, name: str, count: int, report: Report = lambda *_: None
) -> list[Buyer]:
    """Return buyers whose first orders are all planned before any is reserved."""
    router = Router(cast(Any, Meeting(ledger, count)))
    return [Buyer(ledger, router, f"{name}-{n}", report) for n in range(count)]


def at_once(buyers: Sequence[Buyer], act: Callable[[Buyer], object]) -> None:
    """Let every buyer act, each in a thread."""
    with ThreadPoolExecutor(len(buyers)) as pool:
        list(pool.map(act, buyers))


def meet(buyers: Sequence[Buyer], n: int) -> None:
    """Order more of a SKU than web may sell, all at once."""
    at_once(buyers, lambda each: each.buy(HOT[n], "web", "", EAGER_UNITS))


def total_of(buyers: Iterable[Buyer]) -> Sales:
    """Return what was promised to all, less what they cancelled."""
    total: Sales = Counter()
    for each in buyers:
        total.update(each.sales)
    return total


def sold_out(ledger: Ledger) -> Sales:
    """Buy all that is left: afterwards there is exactly what must not be sold."""
    buyer = Buyer(ledger, Router(ledger), "last")
    for sku in (*HOT, *LATE, *SOON):
        for channel_id in CHANNELS:
            while buyer.buy(sku, channel_id, "", MOST_UNITS):
                pass
    for sku in RARE:
        for customer_id in CUSTOMERS:
            while buyer.buy(sku, "web", customer_id, 1):
                pass
    return buyer.sales


@dataclass
class Sold:
    """What was promised of one SKU so far, by the journal."""

    on_hand: int = 0
    allocated: int = 0
    queued: int = 0
    channels: Counter[str] = field(default_factory=Counter)
    customers: Counter[str] = field(default_factory=Counter)

    @property
    def net(self) -> int:
        """Units in stock, less all that is promised."""
        return self.on_hand - self.allocated - self.queued

    @property
    def kept(self) -> int:
        """What is left of b2b's reserve."""
        return max(0, KEPT - self.channels["b2b"])

    def add(self, moved: Movement, customer_id: str) -> None:
        self.on_hand += moved.on_hand
        self.allocated += moved.allocated
        self.queued += moved.queued
        if moved.channel_id:
            promised = moved.allocated + moved.queued
            self.channels[moved.channel_id] += promised
            self.customers[customer_id] += promised


def breaches(sku: str, sold: Sold) -> Iterator[str]:
    """Yield the rules that are broken; none may be, at any moment."""
    if sku in HOT and sold.net < sold.kept:
        yield f"{sku}: {sold.net} are left of a reserve of {sold.kept}"
    if sku in HOT and sold.channels["b2b"] > KEPT:
        yield f"{sku}: b2b was promised {sold.channels['b2b']} of {KEPT}"
    if sku in LATE and sold.net < LEAST:
        yield f"{sku}: {sold.net}, which is below {LEAST}"
    if sku in SOON and sold.queued > CAP:
        yield f"{sku}: {sold.queued} wait, of at most {CAP}"
    if sku in RARE:
        for customer_id, units in sold.customers.items():
            if customer_id and units > OF_A_CUSTOMER:
                yield f"{sku}: {customer_id} has {units} of {OF_A_CUSTOMER}"


def judged(ledger: Ledger) -> tuple[dict[str, Sold], list[str]]:
    """Go through the journal; return where it ends, and all breaches on the way.

    A promise of a SKU on these channels locks its counts before it draws the keys of
    its movements, so keys are in the order of commits.
    """
    sold: dict[str, Sold] = defaultdict(Sold)
    found: list[str] = []
    customers: dict[str, str] = {"": ""}
    before: tuple[str, str] | None = None
    for each in all_movements(ledger):
        moved = each.movement
        if each.plan_id not in customers:
            record = ledger.reservation(PlanRef(each.plan_id))
            customers[each.plan_id] = record.order_id.rpartition("/")[2]
        if before is not None and before != (each.plan_id, moved.sku):
            found += breaches(before[1], sold[before[1]])
        # A plan's movements are of one commit; imports come first, before there is
        # anything to be judged.
        before = (each.plan_id, moved.sku) if each.plan_id else None
        sold[moved.sku].add(moved, customers[each.plan_id])
    if before is not None:
        found += breaches(before[1], sold[before[1]])
    return sold, found


def check_sold_out(ledger: Ledger, sales: Sales) -> None:
    """No rule was broken at any moment; all that may be sold is, and was reported."""
    sold, found = judged(ledger)
    assert found == []
    for sku in HOT:
        channels = sold[sku].channels
        assert (channels["web"], channels["b2b"]) == (STOCK - KEPT, KEPT), sku
    for sku in LATE:
        assert sold[sku].net == LEAST, sku
    for sku in SOON:
        assert (sold[sku].queued, sold[sku].allocated) == (CAP, 0), sku
    for sku in RARE:
        units = {each: sold[sku].customers[each] for each in CUSTOMERS}
        assert units == dict.fromkeys(CUSTOMERS, OF_A_CUSTOMER), sku
    counts = ledger.positions([Sku(name) for name in sold]).counts
    reported: dict[str, Counter[str]] = defaultdict(Counter)
    for (name, channel_id, _), promised_units in sales.items():
        reported[name][channel_id] += promised_units
    for name, by_journal in sold.items():
        by_count = counts.get(Sku(name), {})
        promised = {at: each.promised for at, each in by_count.items()}
        assert +Counter(promised) == +by_journal.channels, name
        # A process that was killed may not have reported its last purchases.
        assert reported[name] <= by_journal.channels, name


@contextlib.contextmanager
def refreshing(ledgers: Sequence[Ledger], seconds: float) -> Iterator[None]:
    """Refresh memory every so often, as a server does."""
    end = threading.Event()

    def go() -> None:
        while not end.wait(seconds):
            for each in ledgers:
                each.refresh()

    thread = threading.Thread(target=go)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def reported_in(files: Iterable[Path]) -> Sales:
    """Read what processes wrote; a last line that was cut off does not count."""
    found: Sales = Counter()
    for file in files:
        for line in file.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                sku, channel_id, customer_id, units = line.split()
                found[sku, channel_id, customer_id.strip("-")] += int(units)
    return found


def main() -> None:
    """Buy, as one process of several; each purchase is written down at once.

    Its memory is refreshed only after the first orders of a round, so these are
    planned on what others have changed since the round before.
    """
    _, url, name, seconds, file = sys.argv
    out = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def report(sku: str, channel_id: str, customer_id: str, units: int) -> None:
        os.write(out, f"{sku} {channel_id} {customer_id or '-'} {units}\n".encode())

    with closing(open_ledger(url)) as ledger:
        print("ready", flush=True)
        for line in sys.stdin:
            n, orders = map(int, line.split())
            buyers = buyers_at(ledger, f"{name}{n}", BUYERS, report)
            meet(buyers, n)
            print("met", flush=True)
            with refreshing([ledger], float(seconds)):
                at_once(buyers, lambda each: each.compete(n, orders))  # noqa: B023
            print("done", flush=True)


if __name__ == "__main__":
    main()
