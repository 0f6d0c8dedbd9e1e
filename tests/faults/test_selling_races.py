"""Many threads and processes sell at once: nothing goes further than it may."""

import contextlib
import itertools
import random
import subprocess
import sys
import threading
import time
from collections import Counter
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
    BUY_SECONDS,
    BUYERS,
    CHANNELS,
    HOT,
    LATE,
    RARE,
    SOON,
    Buyer,
    check_sold_out,
    refreshing,
    set_up,
    sold_out,
    told_in,
)
from tests.faults.watching import (
    Following,
    Listening,
    Told,
    View,
    WitnessedLedger,
    misled,
    settle,
)

END_SECONDS = 60.0
WATCH_SECONDS = 1.5
PLACES = ("l0", "l1")
ALONE_SECONDS = 0.15
"""Longer than servers and streams take to look at what changed."""
OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1),)
ALL = [*HOT, *LATE, *SOON, *RARE]
MOST_COUNTED = 60
"""Few enough that all is sold out again and again."""


def hammer(ledger: Ledger, *, cancels: bool) -> Counter[tuple[str, str, str]]:
    """Buy with many threads; return what was told, less what was cancelled."""
    router = Router(ledger)
    end = time.monotonic() + BUY_SECONDS

    def run(n: int) -> Counter[tuple[str, str, str]]:
        buyer, rng = Buyer(ledger, router, f"t{n}"), random.Random(n)
        while time.monotonic() < end:
            buyer.buy(*buyer.some())
            if cancels and rng.random() < 0.3:
                buyer.cancel()
        return buyer.bought.units

    threads = 2 * BUYERS if cancels else BUYERS
    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(run, range(threads)), Counter())


class TestGuards:
    def test_threads_over_a_file(self, sqlite: str) -> None:
        with closing(open_ledger(sqlite)) as ledger:
            set_up(ledger)
            told = hammer(ledger, cancels=True)
            told += sold_out(ledger).units
            check_sold_out(ledger, told)

    def test_processes_with_stale_memory(self, postgres: str, tmp_path: Path) -> None:
        """Two live to the end, and one of three is killed while it buys."""
        files = [tmp_path / f"told{n}" for n in range(2)]
        with closing(open_ledger(postgres)) as ledger, refreshing([ledger], 0.25):
            set_up(ledger)
            with children(postgres, files, seconds=(0.05, 0.1)) as started:
                for each in started:
                    assert each.stdin is not None
                    each.stdin.write("go\n")
                    each.stdin.flush()
                with ThreadPoolExecutor(1) as pool:
                    here = pool.submit(hammer, ledger, cancels=False)
                    wait_until(lambda: len(told_in(files[1:])) > 5)
                    started[1].kill()
                assert started[0].wait(END_SECONDS) == 0
        told = told_in(files)
        assert all(told_in([each]) for each in files)
        assert here.result()
        told += here.result()
        with closing(open_ledger(postgres)) as fresh:
            told += sold_out(fresh).units
            check_sold_out(fresh, told)


class TestWatching:
    def test_each_version_of_a_file_is_told_as_it_was(self, tmp_path: Path) -> None:
        """Whatever anybody is told of a version is what the database held then."""
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
            with Following(watches, views) as streams:
                told = busy(ledger, offering)
                streams.calm()
                last = ledger.states[ledger.version()]

                def final(view: View) -> dict[str, int]:
                    skus = view.skus or ALL
                    return {sku: last.shown(view.channel_id, sku) for sku in skus}

                settle(views, final)
            for view in views:
                told += view.told()
                for stream in view.streams:
                    versions = [each.version for each in stream]
                    assert versions == sorted(versions)
            assert misled(ledger.states, told) == []
            # Enough happened, and enough of it was seen.
            assert len(ledger.states) > 50
            assert len({each.version for each in told}) > 50
            assert sum(len(view.streams) for view in views) > 50
            explained = explained_by(offering)
        with closing(open_ledger(str(path))) as fresh:
            assert ledger_says(fresh) == explained
        assert explained == {
            (channel_id, sku): last.shown(channel_id, sku)
            for channel_id in CHANNELS
            for sku in ALL
        }


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


def test_two_servers_tell_only_what_was(servers: list[Server]) -> None:
    """Numbers that only fall never rise, others come as the ledger had them.

    Their memory is never quite the same, and one of them is killed meanwhile: its
    streams go on at the other.
    """
    url = servers[0].database
    falls, turns = ([Sku(f"{name}{n}") for n in range(5)] for name in ("fall", "turn"))
    first = {**dict.fromkeys(falls, 120), **dict.fromkeys(turns, 20)}
    views = watching(list(first))
    over = threading.Event()
    with closing(open_ledger(url)) as ledger, refreshing([ledger], 0.1):
        count_all(ledger, falls, 60, PLACES)
        count_all(ledger, turns, 20, PLACES[:1])
        until_told(servers, first)
        jobs = [
            *(partial(order_some, servers[n], falls, n) for n in range(2)),
            *(partial(order_some, servers[n], turns, n) for n in range(2)),
            *(partial(lower, servers[n], falls, n) for n in range(2)),
            *(partial(recount, servers[n], turns, n) for n in range(2)),
        ]
        offering = Offering(ledger, time.time)
        with Listening(at(servers), views) as streams:
            with ThreadPoolExecutor(len(jobs) + 1) as pool:
                asking = pool.submit(ask, offering, falls, over)
                running = [pool.submit(job, over) for job in jobs]
                time.sleep(WATCH_SECONDS)
                servers[1].kill()
                servers[1].start()
                time.sleep(WATCH_SECONDS)
                over.set()
                for each in running:
                    each.result()
            streams.calm()
            for sku in first:
                # Each by itself: nothing that follows tells what was missed.
                count_all(ledger, [sku], 0, PLACES[:1])
                time.sleep(ALONE_SECONDS)
            last = read_anew(url, list(first))
            settle(views, lambda _: last)
    told = [stream for view in views for stream in view.streams]
    held = totals(url, turns)
    for stream in [*told, asking.result()]:
        versions = [each.version for each in stream]
        assert versions == sorted(versions)
        for sku in falls:
            units = [each.units for each in stream if each.sku == sku]
            assert units == sorted(units, reverse=True), (sku, units)
            assert all(last[sku] <= each <= first[sku] for each in units)
        for sku in turns:
            units = [each.units for each in stream if each.sku == sku]
            assert is_within(units, held[sku]), (sku, units, held[sku])
    # Enough happened, and enough of it was seen.
    assert all(last[sku] < first[sku] for sku in falls)
    assert all(held[sku][-1] == last[sku] for sku in turns)
    assert sum(map(len, held.values())) > 10 * len(turns)
    assert sum(map(len, told)) > 20 * len(first)
    assert len(told) > 2 * len(views)


def at(servers: list[Server]) -> list[str]:
    return [each.address for each in servers]


def until_told(servers: list[Server], units: dict[Sku, int]) -> None:
    """Wait until every server has heard of what was counted."""
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


def order_some(server: Server, skus: list[Sku], n: int, over: threading.Event) -> None:
    """Order on web over a connection; nobody minds what could not be had."""
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
    """Count less and less at one location, which nobody else counts."""
    rng = random.Random(n)
    units = dict.fromkeys(skus, 60)
    while not over.wait(rng.uniform(0, 0.05)):
        sku = rng.choice(skus)
        units[sku] = max(0, units[sku] - rng.randint(0, 2))
        import_one(server, PLACES[n], sku, units[sku])


def recount(server: Server, skus: list[Sku], n: int, over: threading.Event) -> None:
    """Count more and less, as it comes."""
    rng = random.Random(n)
    while not over.wait(rng.uniform(0, 0.02)):
        import_one(server, PLACES[0], rng.choice(skus), rng.randint(0, 40))


def import_one(server: Server, place: str, sku: str, units: int) -> None:
    """Count one record; a server that is not there is left alone."""
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


def ask(offering: Offering, skus: list[Sku], over: threading.Event) -> list[Told]:
    """Return what a third process is told."""
    told: list[Told] = []
    while not over.wait(0.02):
        told += shown(offering, skus, ("web",))
    return told


def read_anew(url: str, skus: list[Sku]) -> dict[str, int]:
    """Return what a ledger that was just opened says, and explains."""
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

    Who writes a movement holds its stock row, so keys are in the order of commits;
    a transaction's movements were seen together.
    """
    signed: dict[str, int] = dict.fromkeys(skus, 0)
    found: dict[str, list[int]] = {sku: [] for sku in skus}
    with psycopg.connect(url) as db:
        for sku, _, moved in db.execute(_TOTALS, [list(skus)]):
            signed[sku] += moved
            found[sku].append(max(0, signed[sku]))
    return found


def is_within(told: Sequence[int], held: Sequence[int]) -> bool:
    """Tell whether all that was told was so, one after another."""
    place = 0
    for units in told:
        while place < len(held) and held[place] != units:
            place += 1
        if place == len(held):
            return False
    return True


def busy(ledger: Ledger, offering: Offering) -> list[Told]:
    """Sell, cancel, count and set up at once; return what was asked meanwhile."""
    router = Router(ledger)
    end = time.monotonic() + BUY_SECONDS

    def buy(n: int) -> list[Told]:
        buyer, rng = Buyer(ledger, router, f"t{n}"), random.Random(n)
        while time.monotonic() < end:
            buyer.buy(*buyer.some())
            # Orders of no channel are in no count, and take from all the same.
            buyer.buy(rng.choice(RARE), "", "", rng.randint(1, 3))
            if rng.random() < 0.3:
                buyer.cancel()
        return []

    def count(n: int) -> list[Told]:
        rng = random.Random(n)
        while time.monotonic() < end:
            mode = rng.choice([*ImportMode])
            ledger.import_stock(mode, counted(rng, mode))
            time.sleep(rng.uniform(0, 0.01))
        return []

    def manage(n: int) -> list[Told]:
        rng = random.Random(n)
        while time.monotonic() < end:
            place = Location(LocationId("l1"), 2, active=rng.random() < 0.7)
            if rng.random() < 0.5:
                ledger.put_locations([place])
            else:
                said = Settings(low_units=rng.randint(0, 5))
                ledger.put_setup(SetupChange(settings={("web", ""): said}))
            time.sleep(rng.uniform(0, 0.1))
        return []

    def ask_anything(n: int) -> list[Told]:
        rng, told = random.Random(n), []
        while time.monotonic() < end:
            # Few are computed one by one, many at once.
            skus = rng.sample(ALL, rng.choice([1, 3, len(ALL)]))
            told += shown(offering, skus)
            time.sleep(rng.uniform(0, 0.01))
        return told

    jobs = [buy, buy, buy, count, manage, ask_anything, ask_anything]
    with ThreadPoolExecutor(len(jobs)) as pool:
        each = [pool.submit(job, n) for n, job in enumerate(jobs)]
        return [told for future in each for told in future.result()]


def counted(rng: random.Random, mode: ImportMode) -> list[StockChange]:
    """Count some SKUs at a location: what an import of this kind may say."""
    at = LocationId(rng.choice(["l0", "l1"]))
    # A snapshot names them all, or all others have gone.
    skus = ALL if mode is ImportMode.SNAPSHOT else rng.sample(ALL, 3)
    units = 0 if mode is ImportMode.DELETE else MOST_COUNTED
    return [StockChange(at, Sku(sku), rng.randint(0, units)) for sku in skus]


def shown(
    offering: Offering, skus: list[Sku], channel_ids: Sequence[str] = CHANNELS
) -> list[Told]:
    answer = offering.offers(channel_ids, skus)
    units = answer.offers.quantity_units
    return [
        Told(answer.version, channel_id, sku, int(units[row, column]))
        for row, channel_id in enumerate(channel_ids)
        for column, sku in enumerate(skus)
    ]


def ledger_says(ledger: Ledger) -> dict[tuple[str, str], int]:
    told = shown(Offering(ledger, time.time), ALL)
    return {(each.channel_id, each.sku): each.units for each in told}


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
    """Start processes that buy when they are told to; none is left."""
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
            assert each.stdout is not None
            assert each.stdout.readline() == "ready\n"
        yield started
    finally:
        for each in started:
            each.kill()
            each.wait()
            assert each.stdin is not None
            assert each.stdout is not None
            each.stdin.close()
            each.stdout.close()


def wait_until(true: Callable[[], bool], seconds: float = END_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)
