"""Many threads and processes sell at once, and no rule is ever broken."""

import contextlib
import itertools
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import grpc
import psycopg
import pytest

from availability.ledger.open import open_ledger
from availability.ledger.protocol import Ledger
from availability.model import ImportMode, Location, LocationId, Sku, StockChange
from availability.offers.service import Offering
from availability.setup.channels import Channel
from availability.setup.settings import Settings
from availability.setup.setup import SetupChange
from availability.v1 import stock_service_pb2, stock_service_pb2_grpc
from benchmarks.faults.cluster import Cluster
from benchmarks.faults.harness import ROOT, Server, leashed, serving
from router.pipeline import Router
from router.rpc.background.offer_rows import OfferReader
from router.rpc.background.watch import Watches
from router.v1 import order_pb2, routing_service_pb2, routing_service_pb2_grpc
from tests.faults.selling import (
    BUYERS,
    CANCEL_SHARE,
    CHANNELS,
    HOT,
    LATE,
    ORDERS,
    RARE,
    SKUS_OF_A_KIND,
    SOON,
    Buyer,
    at_once,
    buyers_at,
    check_sold_out,
    meet,
    refreshing,
    reported_in,
    set_up,
    sold_out,
    total_of,
)
from tests.faults.watching import (
    Following,
    Listening,
    Reading,
    View,
    WitnessedLedger,
    contradicted,
    settle,
)

END_SECONDS = 90.0
"""Longest wait for anything; a busy machine is slow."""
LOOK_SECONDS = 0.02
PLACES = ("l0", "l1")
OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1),)
ALL = [*HOT, *LATE, *SOON, *RARE]
FEW_UNITS = 10
"""What another process sells of a SKU before a stale one plans."""
MOST_COUNTED = 60
"""Few enough that all is sold out again and again."""
ENOUGH = 50
"""Versions and streams that a race goes on for."""


class TestGuards:
    def test_threads_over_a_file(self, sqlite: str) -> None:
        with closing(open_ledger(sqlite)) as ledger:
            set_up(ledger)
            buyers = []
            for n in range(SKUS_OF_A_KIND):
                racing = buyers_at(ledger, f"t{n}", 2 * BUYERS)
                meet(racing, n)
                at_once(racing, lambda each: each.compete(n, ORDERS, CANCEL_SHARE))  # noqa: B023
                buyers += racing
            sales = total_of(buyers) + sold_out(ledger)
            check_sold_out(ledger, sales)

    def test_processes_with_stale_memory(self, postgres: str, tmp_path: Path) -> None:
        """This one and another live to the end; the third is killed while it buys."""
        files = [tmp_path / f"sales{n}" for n in range(2)]
        buyers = []
        with closing(open_ledger(postgres)) as ledger, refreshing([ledger], 0.25):
            set_up(ledger)
            with children(postgres, files, seconds=(0.05, 0.1)) as (living, killed):
                begin(killed, 0, orders=0)
                wait_until(lambda: len(reported_in(files[1:])) > 5)
                for n in range(SKUS_OF_A_KIND):
                    racing = buyers_at(ledger, f"here{n}", BUYERS)
                    first = Buyer(ledger, Router(ledger), f"first{n}")
                    first.buy(HOT[n], "web", "", FEW_UNITS)
                    begin(living, n, ORDERS)
                    # Now it has planned on stock without what was just sold.
                    expect(living, "met")
                    meet(racing, n)
                    at_once(racing, lambda each: each.compete(n, ORDERS))  # noqa: B023
                    if n == 0:
                        killed.kill()
                    expect(living, "done")
                    buyers += [first, *racing]
        sales = total_of(buyers) + reported_in(files)
        assert total_of(buyers)
        assert all(reported_in([each]) for each in files)
        with closing(open_ledger(postgres)) as fresh:
            sales += sold_out(fresh)
            check_sold_out(fresh, sales)


class TestWatching:
    def test_each_version_of_a_file_is_sent_as_it_was(self, tmp_path: Path) -> None:
        """Every number sent for a version is what the database held then."""
        path = tmp_path / "stock.db"
        with closing(WitnessedLedger(path, time.time)) as ledger:
            set_up(ledger)
            offering = Offering(ledger, time.time)
            watches = Watches(OfferReader(offering), ledger, time.time)
            views = [
                View(channel_id, skus, drops)
                for channel_id in CHANNELS
                for skus in ((), tuple(ALL[::2]))
                for drops in (False, True, True)
            ]

            def enough() -> bool:
                sent = {each.version for view in views for each in view.readings()}
                streams = sum(len(view.streams) for view in views)
                return min(len(sent), streams) > ENOUGH

            def final(view: View) -> dict[str, int]:
                last = ledger.states[ledger.version()]
                skus = view.skus or ALL
                return {sku: last.shown(view.channel_id, sku) for sku in skus}

            with Following(watches, views) as streams:
                readings = busy(ledger, offering, enough)
                streams.calm()
                for _ in lose_and_find(ledger):
                    settle(views, final)
                    readings += shown(offering, ALL)
            for view in views:
                readings += view.readings()
                for stream in view.streams:
                    versions = [each.version for each in stream]
                    assert versions == sorted(versions)
            assert contradicted(ledger.states, readings) == []
            last = ledger.states[ledger.version()]
            explained = explained_by(offering)
        with closing(open_ledger(str(path))) as fresh:
            assert ledger_says(fresh) == explained
        assert explained == {
            (channel_id, sku): last.shown(channel_id, sku)
            for channel_id in CHANNELS
            for sku in ALL
        }


def lose_and_find(ledger: Ledger) -> Iterator[None]:
    """Take the stock through every way of not being known, a step at a time."""
    yield
    ledger.put_locations([Location(LocationId("l1"), 2, active=False)])
    count_all(ledger, LATE, 1)
    yield
    # A record at an inactive location is known.
    delete_all(ledger, LATE, PLACES[:1])
    yield
    delete_all(ledger, ALL)
    yield
    count_all(ledger, ALL, 0, PLACES[1:])
    yield
    ledger.put_locations([Location(LocationId("l1"), 2)])
    count_all(ledger, ALL, MOST_COUNTED)
    yield


@pytest.fixture(scope="module")
def servers(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Server]]:
    url = cluster.database("servers")
    with closing(open_ledger(url)) as ledger:
        ledger.put_locations([Location(LocationId(each), 1) for each in PLACES])
        ledger.put_setup(SetupChange(channels={"web": Channel("web")}))
    with serving(url, tmp_path_factory.mktemp("servers"), count=2) as servers:
        yield servers


def test_two_servers_send_only_what_was(servers: list[Server]) -> None:
    """Numbers that only fall never rise; others come in the order of the ledger.

    The memories of the servers are never quite the same, and one server is killed
    meanwhile: its streams go on at the other.
    """
    url = servers[0].database
    falls, turns = ([Sku(f"{name}{n}") for n in range(5)] for name in ("fall", "turn"))
    first = {**dict.fromkeys(falls, 120), **dict.fromkeys(turns, 20)}
    views = watching(list(first))
    over = threading.Event()

    def enough(each_view: int, each_turn: int) -> bool:
        """Every client was sent so much, every fall has begun, enough was counted."""
        return (
            all(len(view.readings()) > each_view for view in views)
            and all(view.shown[sku] < first[sku] for view in views for sku in falls)
            and all(len(held) > each_turn for held in totals(url, turns).values())
        )

    with closing(open_ledger(url)) as ledger, refreshing([ledger], 0.1):
        count_all(ledger, falls, 60, PLACES)
        count_all(ledger, turns, 20, PLACES[:1])
        until_shown(servers, first)
        jobs = [
            *(partial(order_some, servers[n], falls, n) for n in range(2)),
            *(partial(order_some, servers[n], turns, n) for n in range(2)),
            *(partial(lower, servers[n], falls, n) for n in range(2)),
            *(partial(recount, servers[n], turns, n) for n in range(2)),
        ]
        offering = Offering(ledger, time.time)
        with Listening(at(servers), views) as streams:
            with ThreadPoolExecutor(len(jobs) + 1) as pool, setting(over):
                asking = pool.submit(ask, offering, falls, over)
                running = [pool.submit(job, over) for job in jobs]
                wait_until(lambda: enough(each_view=30, each_turn=5))
                servers[1].kill()
                servers[1].start()
                wait_until(lambda: enough(each_view=100, each_turn=15))
                wait_until(lambda: sum(len(v.streams) for v in views) > 2 * len(views))
            for each in running:
                each.result()
            streams.calm()
            for sku in first:
                # Each alone, until it is shown: no later change can make up for it.
                count_all(ledger, [sku], 0, PLACES[:1])
                last = read_afresh(url, [sku])
                settle(views, lambda _: last)  # noqa: B023
            last = read_afresh(url, list(first))
            settle(views, lambda _: last)
    sent = [stream for view in views for stream in view.streams]
    held = totals(url, turns)
    for stream in [*sent, asking.result()]:
        versions = [each.version for each in stream]
        assert versions == sorted(versions)
        for sku in falls:
            units = [each.units for each in stream if each.sku == sku]
            assert units == sorted(units, reverse=True), (sku, units)
            assert all(last[sku] <= each <= first[sku] for each in units)
        for sku in turns:
            units = [each.units for each in stream if each.sku == sku]
            assert is_within(units, held[sku]), (sku, units, held[sku])
    assert all(held[sku][-1] == last[sku] for sku in turns)


@contextmanager
def setting(over: threading.Event) -> Iterator[None]:
    """Set an event at the end of the block, whatever happens in it."""
    try:
        yield
    finally:
        over.set()


def at(servers: list[Server]) -> list[str]:
    return [each.address for each in servers]


def until_shown(servers: list[Server], units: dict[Sku, int]) -> None:
    """Wait until every server sends what was counted."""
    views = [View("web", tuple(units)) for _ in servers]
    with Listening(at(servers), views):
        settle(views, lambda _: {str(sku): each for sku, each in units.items()})


def watching(skus: list[Sku]) -> list[View]:
    """Two at each server that stay, and two that come and go."""
    return [View("web", tuple(skus), drops) for drops in (False, True) for _ in "1234"]


def count_all(
    ledger: Ledger, skus: list[Sku], units: int, places: Sequence[str] = PLACES
) -> None:
    changes = [StockChange(LocationId(each), sku, units)
               for sku in skus for each in places]  # fmt: skip
    ledger.import_stock(ImportMode.SET, changes)


def delete_all(ledger: Ledger, skus: list[Sku], places: Sequence[str] = PLACES) -> None:
    changes = [StockChange(LocationId(each), sku, 0)
               for sku in skus for each in places]  # fmt: skip
    ledger.import_stock(ImportMode.DELETE, changes)


def order_some(server: Server, skus: list[Sku], n: int, over: threading.Event) -> None:
    """Order on web over a connection; what is not for sale is left out."""
    rng = random.Random(n)
    with grpc.insecure_channel(server.address, OWN_CONNECTION) as channel:
        stub = routing_service_pb2_grpc.RoutingServiceStub(channel)
        for number in itertools.count():
            if over.wait(rng.uniform(0, 0.02)):
                return
            wire = order_pb2.Order(
                order_id=f"{skus[0]}/{n}/{number}",
                channel_id="web",
                lines=[
                    order_pb2.OrderLine(line_id=sku, sku=sku, quantity=1)
                    for sku in rng.sample(skus, 2)
                ],
            )
            request = routing_service_pb2.RouteOrderRequest(order=wire)
            with contextlib.suppress(grpc.RpcError):
                stub.RouteOrder(request, timeout=END_SECONDS)


def lower(server: Server, skus: list[Sku], n: int, over: threading.Event) -> None:
    """Count less and less at one location that no other job counts."""
    rng = random.Random(n)
    units = dict.fromkeys(skus, 60)
    while not over.wait(rng.uniform(0, 0.05)):
        sku = rng.choice(skus)
        units[sku] = max(0, units[sku] - rng.randint(0, 2))
        import_one(server, PLACES[n], sku, units[sku])


def recount(server: Server, skus: list[Sku], n: int, over: threading.Event) -> None:
    """Count at random, more and less."""
    rng = random.Random(n)
    while not over.wait(rng.uniform(0, 0.02)):
        import_one(server, PLACES[0], rng.choice(skus), rng.randint(0, 40))


def import_one(server: Server, place: str, sku: str, units: int) -> None:
    """Count one record, unless the server is down."""
    request = stock_service_pb2.ImportStockRequest(
        mode=stock_service_pb2.IMPORT_MODE_SET,
        changes=[
            stock_service_pb2.StockChange(
                location_id=place, sku=sku, on_hand_units=units
            )
        ],
    )
    with (
        grpc.insecure_channel(server.address, OWN_CONNECTION) as channel,
        contextlib.suppress(grpc.RpcError),
    ):
        stub = stock_service_pb2_grpc.StockServiceStub(channel)
        stub.ImportStock(request, timeout=END_SECONDS)


def ask(offering: Offering, skus: list[Sku], over: threading.Event) -> list[Reading]:
    """Return what a third process shows."""
    readings: list[Reading] = []
    while not over.wait(LOOK_SECONDS):
        readings += shown(offering, skus, ("web",))
    return readings


def read_afresh(url: str, skus: list[Sku]) -> dict[str, int]:
    """Return what a ledger that was just opened shows, and explains."""
    with closing(open_ledger(url)) as ledger:
        offering = Offering(ledger, time.time)
        found: dict[str, int] = {
            each.sku: each.units for each in shown(offering, skus, ("web",))
        }
        for sku in skus:
            assert offering.explain("web", sku).offer.quantity_units == found[sku]
    return found


_TOTALS = """
SELECT sku, xid, sum(on_hand - allocated - held - withdrawn - safety_stock)::bigint
FROM movement WHERE sku = ANY (%s) GROUP BY sku, xid ORDER BY min(movement_key)
"""


def totals(url: str, skus: list[Sku]) -> dict[str, list[int]]:
    """Return every total that the ledger ever held of SKUs at one location, in order.

    A movement is written under the lock of its stock row, so keys are in the order
    of commits; a transaction's movements become visible together.
    """
    signed: dict[str, int] = dict.fromkeys(skus, 0)
    found: dict[str, list[int]] = {sku: [] for sku in skus}
    with psycopg.connect(url) as db:
        for sku, _, moved in db.execute(_TOTALS, [list(skus)]):
            signed[sku] += moved
            found[sku].append(max(0, signed[sku]))
    return found


def is_within(sent: Sequence[int], held: Sequence[int]) -> bool:
    """Return whether all that was sent was held, in this order."""
    place = 0
    for units in sent:
        while place < len(held) and held[place] != units:
            place += 1
        if place == len(held):
            return False
    return True


def busy(
    ledger: Ledger, offering: Offering, enough: Callable[[], bool]
) -> list[Reading]:
    """Sell, cancel, count and set up at once, until it is enough.

    Returns what was shown meanwhile.
    """
    router, over = Router(ledger), threading.Event()

    def buy(job: int) -> list[Reading]:
        buyer, rng = Buyer(ledger, router, f"t{job}"), random.Random(job)
        for n in itertools.cycle(range(SKUS_OF_A_KIND)):
            buyer.compete(n, MOST_COUNTED // 10, CANCEL_SHARE)
            # Orders of no channel are in no count, and reduce stock like any other.
            buyer.buy(rng.choice(RARE), "", "", rng.randint(1, 3))
            if over.is_set():
                break
        return []

    def count(job: int) -> list[Reading]:
        rng = random.Random(job)
        while not over.wait(rng.uniform(0, 0.01)):
            mode = rng.choice([*ImportMode])
            ledger.import_stock(mode, counted(rng, mode))
        return []

    def manage(job: int) -> list[Reading]:
        rng = random.Random(job)
        while not over.wait(rng.uniform(0, 0.1)):
            place = Location(LocationId("l1"), 2, active=rng.random() < 0.7)
            if rng.random() < 0.5:
                ledger.put_locations([place])
            else:
                settings = Settings(low_units=rng.randint(0, 5))
                ledger.put_setup(SetupChange(settings={("web", ""): settings}))
        return []

    def ask_anything(job: int) -> list[Reading]:
        rng = random.Random(job)
        readings: list[Reading] = []
        while not over.wait(rng.uniform(0, 0.01)):
            # Few are computed one by one, many at once.
            skus = rng.sample(ALL, rng.choice([1, 3, len(ALL)]))
            readings += shown(offering, skus)
        return readings

    jobs = [buy, buy, buy, count, manage, ask_anything, ask_anything]
    with ThreadPoolExecutor(len(jobs)) as pool:
        each = [pool.submit(job, n) for n, job in enumerate(jobs)]
        with setting(over):
            wait_until(lambda: enough() or any(future.done() for future in each))
        return [reading for future in each for reading in future.result()]


def counted(rng: random.Random, mode: ImportMode) -> list[StockChange]:
    """Draw an import of this kind: some SKUs at one location."""
    at = LocationId(rng.choice(["l0", "l1"]))
    # A snapshot names all SKUs: those left out would be set to 0.
    skus = ALL if mode is ImportMode.SNAPSHOT else rng.sample(ALL, 3)
    units = 0 if mode is ImportMode.DELETE else MOST_COUNTED
    return [StockChange(at, Sku(sku), rng.randint(0, units)) for sku in skus]


def shown(
    offering: Offering, skus: list[Sku], channel_ids: Sequence[str] = CHANNELS
) -> list[Reading]:
    answer = offering.offers(channel_ids, skus)
    units = answer.offers.quantity_units
    return [
        Reading(answer.version, channel_id, sku, int(units[row, column]))
        for row, channel_id in enumerate(channel_ids)
        for column, sku in enumerate(skus)
    ]


def ledger_says(ledger: Ledger) -> dict[tuple[str, str], int]:
    readings = shown(Offering(ledger, time.time), ALL)
    return {(each.channel_id, each.sku): each.units for each in readings}


def explained_by(offering: Offering) -> dict[tuple[str, str], int]:
    return {
        (channel_id, sku): offering.explain(channel_id, sku).offer.quantity_units or 0
        for channel_id in CHANNELS
        for sku in ALL
    }


@contextmanager
def children(
    url: str, files: list[Path], seconds: tuple[float, ...]
) -> Iterator[list["subprocess.Popen[str]"]]:
    """Run processes that buy on command; none outlives the block."""
    command = [sys.executable, "-m", "tests.faults.selling", url]
    started = [
        subprocess.Popen(
            leashed([*command, f"p{n}-", str(every), str(file)]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for n, (file, every) in enumerate(zip(files, seconds, strict=True))
    ]
    try:
        for each in started:
            expect(each, "ready")
        yield started
    finally:
        for each in started:
            each.kill()
            each.wait()
            assert each.stdin is not None
            assert each.stdout is not None
            # The pipe may hold a command that was never read.
            with contextlib.suppress(BrokenPipeError):
                each.stdin.close()
            each.stdout.close()


def begin(child: "subprocess.Popen[str]", n: int, orders: int) -> None:
    """Let a child buy the n-th SKUs."""
    assert child.stdin is not None
    child.stdin.write(f"{n} {orders}\n")
    child.stdin.flush()


def expect(child: "subprocess.Popen[str]", word: str) -> None:
    """Wait for a child's answer."""
    assert child.stdout is not None
    assert child.stdout.readline() == f"{word}\n"


def wait_until(true: Callable[[], bool]) -> None:
    give_up = time.monotonic() + END_SECONDS
    while not true():
        assert time.monotonic() < give_up
        time.sleep(LOOK_SECONDS)
