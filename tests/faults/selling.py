"""What is for sale while everybody buys: who buys, and what the journal says of it.

Run as a program it is one process that buys as fast as it can, to be killed:

    python -m tests.faults.selling DATABASE NAME REFRESH_SECONDS FILE
"""

import contextlib
import os
import random
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from availability.errors import CustomerLimitReached
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
from availability.reservations import Cancel, Movement, PlanRef
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
"""All buy the same one at the same time, then the next."""
BUYERS = 3
"""Threads of one process."""
BUY_SECONDS = 2.4
MOST_UNITS = 5
PAUSE_SECONDS = 0.005
"""After a conflict that did not go away."""
FAR_SECONDS = 4_000_000_000

KEPT, STOCK = 30, 70
"""Units reserved for b2b, of so many."""
LEAST, LATE_STOCK = -50, 10
"""How far below what is there backorders go, and what is there."""
CAP = 40
"""Most that are sold before the release."""
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
    """Say what is for sale, at two locations that feed both channels."""
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
        # Counted, and nothing is there yet.
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


class Bought:
    """Which units were promised to one buyer: (SKU, channel, customer)."""

    def __init__(self) -> None:
        self.units: Counter[tuple[str, str, str]] = Counter()
        self.contentions = 0


class Buyer:
    """Routes orders of one line, one after another."""

    def __init__(self, ledger: Ledger, router: Router, name: str) -> None:
        self._router = router
        self._ledger = ledger
        self._name = name
        self._orders = 0
        self._rng = random.Random(name)
        self._begun = time.monotonic()
        self.bought = Bought()
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
        plans: list[RoutingPlan] = []

        def encode(plan: RoutingPlan) -> bytes:
            plans.append(plan)
            return b""

        while True:
            try:
                self._router.route(order, POLICY, RouteOptions(), Request(), encode)
            except StockContention:
                # What memory learns of others it learns while nobody asks for it.
                self.bought.contentions += 1
                time.sleep(PAUSE_SECONDS)
            except CustomerLimitReached:
                return 0
            else:
                break
        plan = plans[-1]
        found = sum(each.quantity for each in plan.assignments)
        found += sum(e.quantity for e in plan.unassigned if e.reason in WAITING)
        if found:
            key = (str(sku), channel_id, customer_id)
            self.bought.units[key] += found
            if channel_id == "web":
                self._on_web.append((plan.plan_id, key, found))
        return found

    def cancel(self) -> None:
        """Give one plan of web's up again, if there is one."""
        if self._on_web:
            plan_id, key, units = self._on_web.pop()
            self._ledger.change(PlanRef(plan_id), Cancel())
            self.bought.units[key] -= units

    def some(self) -> tuple[Sku, str, str, int]:
        """Draw an order."""
        rng = self._rng
        part = (time.monotonic() - self._begun) / BUY_SECONDS
        sku = rng.choice(KINDS)[int(part * SKUS_OF_A_KIND) % SKUS_OF_A_KIND]
        units = rng.randint(1, MOST_UNITS)
        return sku, rng.choice(CHANNELS), rng.choice(CUSTOMERS), units


def sold_out(ledger: Ledger) -> Bought:
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
    return buyer.bought


@dataclass
class Sold:
    """What the journal says was promised of one SKU, so far."""

    on_hand: int = 0
    allocated: int = 0
    queued: int = 0
    channels: Counter[str] = field(default_factory=Counter)
    customers: Counter[str] = field(default_factory=Counter)

    @property
    def net(self) -> int:
        """What is there and nobody waits for."""
        return self.on_hand - self.allocated - self.queued

    @property
    def kept(self) -> int:
        """What b2b still has to come of its reserve."""
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
    """Yield what must not be, at any moment."""
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

    Who promises a SKU on these channels holds its counts when he draws the keys of
    his movements, so in the order of keys is in the order of commits.
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


def check_sold_out(ledger: Ledger, told: Counter[tuple[str, str, str]]) -> None:
    """Nothing went too far at any moment, all that may be sold is, and was told."""
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
    told_of: dict[str, Counter[str]] = defaultdict(Counter)
    for (name, channel_id, _), told_units in told.items():
        told_of[name][channel_id] += told_units
    for name, of_it in sold.items():
        found_of = counts.get(Sku(name), {})
        promised = {at: each.promised for at, each in found_of.items()}
        assert +Counter(promised) == +of_it.channels, name
        # Who was killed may not have told of his last.
        assert told_of[name] <= of_it.channels, name


@contextlib.contextmanager
def refreshing(ledgers: Sequence[Ledger], seconds: float) -> Iterator[None]:
    """Let memory learn of others every so often, as a server does."""
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


def told_in(files: Iterable[Path]) -> Counter[tuple[str, str, str]]:
    """Read what processes wrote; a last line that was cut off says nothing."""
    found: Counter[tuple[str, str, str]] = Counter()
    for file in files:
        for line in file.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                sku, channel_id, customer_id, units = line.split()
                found[sku, channel_id, customer_id.strip("-")] += int(units)
    return found


def main() -> None:
    """Buy, as one process of several; what was promised is written down at once."""
    _, url, name, seconds, file = sys.argv
    out = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with closing(open_ledger(url)) as ledger, refreshing([ledger], float(seconds)):
        router = Router(ledger)
        print("ready", flush=True)
        sys.stdin.readline()
        end = time.monotonic() + BUY_SECONDS
        buyers = [Buyer(ledger, router, f"{name}{n}") for n in range(BUYERS)]

        def run(buyer: Buyer) -> None:
            while time.monotonic() < end:
                sku, channel_id, customer_id, units = buyer.some()
                found = buyer.buy(sku, channel_id, customer_id, units)
                if found:
                    line = f"{sku} {channel_id} {customer_id} {found}\n"
                    os.write(out, line.encode())

        threads = [threading.Thread(target=run, args=(each,)) for each in buyers]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        print(sum(each.bought.contentions for each in buyers), flush=True)


if __name__ == "__main__":
    main()
