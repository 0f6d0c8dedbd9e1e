"""Offers that say what they are told, and a ledger that is only what watches read."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from availability.errors import ChannelNotFound
from availability.ledger.memory.change_log import ChangeLog
from availability.model import Location, LocationId, Network, Sku, StockRecord
from availability.offers.bulk.arrays import NOT_GIVEN, Offers
from availability.offers.offer import Offer, Rule, Status, Step
from availability.offers.service import Answer, OfferExplanation
from availability.positions import Changes, Mark
from availability.setup.settings import Effective
from availability.setup.setup import Setup
from availability.stock_grid import StockGrid

CHANNELS = ("web", "shop")


class FakeSource:
    """Every channel may be promised what is in ``units``: -1 is unlimited."""

    def __init__(self, **units: int) -> None:
        self.units: dict[str, int] = dict(units)
        self.values: dict[str, Any] = {}
        """Columns of `Offers` in the place of what they usually are."""
        self.version = 1
        self.asked: list[list[Sku]] = []
        self.after_reading: Callable[[], object] = lambda: None
        """Called when the units are read, before they are answered."""

    def offers(self, channel_ids: Sequence[str], skus: Sequence[Sku]) -> Answer:
        for channel_id in channel_ids:
            if channel_id not in CHANNELS:
                raise ChannelNotFound(channel_id)
        self.asked.append(list(skus))
        shape = len(channel_ids), len(skus)
        quantity = np.array([[self.units.get(sku, 0) for sku in skus]], np.int64)
        self.after_reading()
        quantity = np.broadcast_to(quantity, shape)
        known = np.array([sku in self.units for sku in skus], np.bool_)
        of: dict[str, Any] = {
            "quantity_units": quantity,
            "status": np.where(
                quantity == 0, list(Status).index(Status.UNAVAILABLE), 0
            ).astype(np.int8),
            "published": np.broadcast_to(known, shape),
            "known": np.broadcast_to(known, shape),
            "fixed": np.zeros(shape, np.bool_),
            "declared": np.zeros(shape, np.bool_),
            "counted": np.ones(shape, np.bool_),
            "net_units": quantity,
            "max_orderable_units": quantity,
            "single_location_units": quantity,
            "available_from_seconds": np.full(shape, NOT_GIVEN, np.int64),
            "backorder_notice": np.zeros(shape, np.bool_),
        }
        of |= {
            name: np.broadcast_to(np.asarray(value), shape)
            for name, value in self.values.items()
        }
        return Answer(Offers(**of), known, self.version)

    def explain(self, channel_id: str, sku: Sku) -> OfferExplanation:
        if channel_id not in CHANNELS:
            raise ChannelNotFound(channel_id)
        units = self.units.get(sku, 0)
        offer = Offer(
            channel_id,
            sku,
            (Step(Rule.STOCK, units, units),),
            Status.AVAILABLE,
            published=True,
            known=True,
            fixed=False,
            declared=False,
            net_units=units,
            max_orderable_units=units,
            single_location_units=units,
            available_from_seconds=None,
            backorder_notice=False,
            low_stock_ids=(LocationId("laval"),),
            settings=Effective(max_units=3),
            as_of=self.version,
        )
        record = StockRecord(LocationId("laval"), sku, units)
        return OfferExplanation(offer, (record,), frozenset({LocationId("laval")}))

    def skus(self, channel_id: str) -> list[Sku]:
        if channel_id not in CHANNELS:
            raise ChannelNotFound(channel_id)
        return [Sku(each) for each in self.units]


class FakeLedger:
    """What watches read of a ledger; `tell` says that SKUs changed."""

    def __init__(self, *locations: Location) -> None:
        self.log = ChangeLog()
        self.said = Setup()
        self.put(*locations)

    def put(self, *locations: Location) -> None:
        self._network = Network.of(locations)
        self._grid = StockGrid(self._network)
        self.log.add_everything()

    def say(self, **items: Any) -> None:
        self.said = replace(self.said, **items)
        self.log.add_everything()

    def tell(self, *skus: str) -> None:
        self.log.add(skus)

    def changes(self, mark: Mark | None = None) -> Changes:
        return self.log.since(mark)

    def setup(self) -> Setup:
        return self.said

    def network(self) -> Network:
        return self._network

    def grid(self) -> StockGrid:
        return self._grid


class StepPulse:
    """A pulse whose time goes on only while a stream waits, by what it waits for."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.waits: list[float] = []
        self.on_wait: Callable[[], object] = lambda: None
        self._change = asyncio.Event()

    def now(self) -> float:
        return self.seconds

    def next_change(self) -> asyncio.Event:
        return self._change

    async def wait(self, change: asyncio.Event, seconds: float) -> None:
        self.waits.append(seconds)
        assert len(self.waits) < 1_000, "the stream turns in a circle"
        self.on_wait()
        if not change.is_set():
            self.seconds += seconds
        await asyncio.sleep(0)

    def tell(self) -> None:
        self._change.set()
        self._change = asyncio.Event()
