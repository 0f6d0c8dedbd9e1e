"""Clients that watch availability, and what the ledger held at every version."""

import asyncio
import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import grpc

from availability.ledger.sqlite.session import Cursor
from availability.ledger.sqlite.store import SqliteStore
from availability.ledger.store import Write
from availability.ledger.stored_ledger import StoredLedger
from availability.model import Clock, Sku
from availability.v1 import availability_service_pb2 as pb
from availability.v1 import availability_service_pb2_grpc
from router.rpc.background.watch import Watches
from router.rpc.codec.offers import decode_columns
from router.rpc.codec.watch import decode_watch
from tests.faults.selling import CAP, KEPT, LEAST

SETTLE_SECONDS = 60.0
"""Longest wait until every stream has sent the final values; a busy machine is slow."""
LOOK_SECONDS = 0.02


class Reading(NamedTuple):
    """A number that a client was sent."""

    version: int
    channel_id: str
    sku: str
    units: int


@dataclass
class View:
    """What one client was sent, stream by stream, and the values it shows now."""

    channel_id: str
    skus: tuple[str, ...] = ()
    drops: bool = False
    token: str = ""
    shown: dict[str, int] = field(default_factory=dict)
    streams: list[list[Reading]] = field(default_factory=list)

    def request(self) -> pb.WatchAvailabilityRequest:
        """Return a request that resumes where the last stream ended."""
        self.streams.append([])
        return pb.WatchAvailabilityRequest(
            channel_id=self.channel_id, skus=self.skus, resume_token=self.token
        )

    def take(self, batch: pb.WatchAvailabilityResponse) -> None:
        units = decode_columns(batch.columns).quantity_units.tolist()
        for sku, each in zip(batch.skus, units, strict=True):
            reading = Reading(batch.stock_version, self.channel_id, sku, each)
            self.streams[-1].append(reading)
            self.shown[sku] = each
        # Only the last message of a batch has a new token.
        self.token = batch.resume_token or self.token

    def readings(self) -> list[Reading]:
        return [each for stream in self.streams for each in stream]


class Following:
    """Streams of one process, without a connection, while the block lasts.

    Those that drop end at any moment and resume with their token, until `calm`.
    """

    def __init__(self, watches: Watches, views: Sequence[View]) -> None:
        self._watches = watches
        self._views = views
        self._calm = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._tasks: list[asyncio.Task[None]] = []
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Following":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end)
        self._thread.join()
        self._loop.close()
        for each in self._tasks:
            if not each.cancelled() and each.exception() is not None:
                raise RuntimeError("a stream failed") from each.exception()

    def calm(self) -> None:
        """Let no stream drop from now on."""
        self._calm.set()

    def _run(self) -> None:
        self._tasks = [
            self._loop.create_task(self._follow(n, view))
            for n, view in enumerate(self._views)
        ]
        self._loop.run_until_complete(asyncio.wait(self._tasks))
        self._loop.run_until_complete(self._watches.close())

    def _end(self) -> None:
        for each in self._tasks:
            each.cancel()

    async def _follow(self, n: int, view: View) -> None:
        rng = random.Random(n)
        while True:
            drops = view.drops and not self._calm.is_set()
            patience = rng.uniform(0.0, 0.3) if drops else None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._one(view)

    async def _one(self, view: View) -> None:
        wanted = decode_watch(view.request())
        async with aclosing(self._watches.batches(wanted)) as batches:
            async for each in batches:
                view.take(pb.WatchAvailabilityResponse.FromString(each))


class Listening:
    """Streams over connections, a thread each; one that drops resumes at any server."""

    def __init__(self, addresses: Sequence[str], views: Sequence[View]) -> None:
        self._addresses = addresses
        self._calm, self._over = threading.Event(), threading.Event()
        self._calls: dict[int, Any] = {}
        self.unexpected: list[str] = []
        self._threads = [
            threading.Thread(target=self._listen, args=(n, view))
            for n, view in enumerate(views)
        ]

    def __enter__(self) -> "Listening":
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for each in self._threads:
            while each.is_alive():
                for call in list(self._calls.values()):
                    call.cancel()
                each.join(0.05)
        assert self.unexpected == []

    def calm(self) -> None:
        """Let no stream drop from now on."""
        self._calm.set()

    def _listen(self, n: int, view: View) -> None:
        rng = random.Random(n)
        at = n % len(self._addresses)
        options = [
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.max_reconnect_backoff_ms", 200),
        ]
        channels = [grpc.insecure_channel(each, options) for each in self._addresses]
        stubs = [
            availability_service_pb2_grpc.AvailabilityServiceStub(each)
            for each in channels
        ]
        while not self._over.is_set():
            drops = view.drops and not self._calm.is_set()
            seconds = rng.uniform(0.01, 0.4) if drops else None
            call = stubs[at].WatchAvailability(view.request(), timeout=seconds)
            self._calls[n] = call
            try:
                for batch in call:
                    view.take(batch)
            except grpc.RpcError as error:
                code = error.code()
                if code is grpc.StatusCode.UNAVAILABLE:
                    at = (at + 1) % len(stubs)
                    time.sleep(0.05)
                elif code is grpc.StatusCode.DEADLINE_EXCEEDED:
                    at = rng.choice([at, at, rng.randrange(len(stubs))])
                elif code is not grpc.StatusCode.CANCELLED:
                    self.unexpected.append(str(error))
                    return
        for each in channels:
            each.close()


def settle(views: Sequence[View], final: Callable[[View], Mapping[str, int]]) -> None:
    """Wait until every client shows the final values of these SKUs."""
    give_up = time.monotonic() + SETTLE_SECONDS
    while wrong := [
        (n, sku, each.shown.get(sku), units)
        for n, each in enumerate(views)
        for sku, units in final(each).items()
        if each.shown.get(sku) != units
    ]:
        assert time.monotonic() < give_up, wrong
        time.sleep(LOOK_SECONDS)


class State(NamedTuple):
    """What the database held after one commit, by SKU."""

    available: Mapping[str, int]
    queued: Mapping[str, int]
    of_b2b: Mapping[str, int]
    known: frozenset[str]
    """SKUs with a record that was counted, at an active location or not."""

    def shown(self, channel_id: str, sku: str) -> int:
        """Return what a channel may be promised: worked out by hand.

        This is all of docs/availability.md that `set_up` and `busy` reach: every
        location feeds both channels, no record is ever stale, and no floor, fixed
        quantity, share, buffer or threshold of the channel is set.
        """
        net = self.available.get(sku, 0) - self.queued.get(sku, 0)
        if sku.startswith("soon"):
            # A pre-order need not be known, and does not come from stock.
            return max(0, CAP - self.queued.get(sku, 0))
        if sku not in self.known:
            return 0
        if sku.startswith("hot"):
            left = max(0, net)
            kept = min(left, max(0, KEPT - self.of_b2b.get(sku, 0)))
            return kept if channel_id == "b2b" else left - kept
        return max(0, net - LEAST) if sku.startswith("late") else max(0, net)


_AVAILABLE = """
SELECT sku, sum(max(0, on_hand - allocated - held - withdrawn - safety_stock))
FROM stock JOIN location USING (location_key)
WHERE coalesce(json_extract(body, '$.active'), 1) GROUP BY sku
"""
_QUEUED = "SELECT sku, sum(queued) FROM queue GROUP BY sku"
_OF_B2B = "SELECT sku, promised FROM queue WHERE channel_id = 'b2b'"
_KNOWN = "SELECT DISTINCT sku FROM stock WHERE counted_ms > 0"


class WitnessedStore(SqliteStore):
    """Records what the database holds at each version, before memory follows.

    It reads within the writer's lock, between the commit and the change of memory:
    so no version is missed, and none can be sent before it is recorded.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self.states: dict[int, State] = {0: State({}, {}, {}, frozenset())}
        super().__init__(path, clock)

    @contextlib.contextmanager
    def writing(self) -> Iterator[tuple[Cursor, Write]]:
        with super().writing() as (db, tx):
            yield db, tx
            follow = tx.follow

            def witnessed() -> None:
                self._witness()
                if follow is not None:
                    follow()

            tx.follow = witnessed

    def _witness(self) -> None:
        with self.database.snapshot() as db:
            (version,) = db.execute("SELECT version FROM ledger").fetchone()
            state = State(
                dict(db.execute(_AVAILABLE).fetchall()),
                dict(db.execute(_QUEUED).fetchall()),
                dict(db.execute(_OF_B2B).fetchall()),
                frozenset(sku for (sku,) in db.execute(_KNOWN)),
            )
        # A version is one state, whatever was committed without it.
        assert self.states.setdefault(version, state) == state


class WitnessedLedger(StoredLedger):
    """A ledger whose store writes down each version's ``states``."""

    def __init__(self, path: Path, clock: Clock) -> None:
        store = WitnessedStore(path, clock)
        super().__init__(store)
        self.states = store.states


def contradicted(
    states: Mapping[int, State], readings: Sequence[Reading]
) -> list[Reading]:
    """Return the readings that were not so at their version."""
    return [
        each
        for each in readings
        if states[each.version].shown(each.channel_id, Sku(each.sku)) != each.units
    ]
