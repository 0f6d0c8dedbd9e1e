"""Reading what channels may be promised, as the rows that are sent."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np

from availability.ledger.protocol import Ledger
from availability.model import BoolArray, Sku
from availability.offers.offer import max_orderable
from availability.offers.service import Answer, OfferExplanation
from availability.setup.channels import Allocation
from availability.setup.settings import Settings
from availability.setup.setup import Setup
from availability.v1 import availability_service_pb2
from router.rpc.codec.offers import RequestedUnits, Rows, encode_explanation, rows_of


class OfferSource(Protocol):
    """What computes offers; each method raises ChannelNotFound."""

    def offers(self, channel_ids: Sequence[str], skus: Sequence[Sku]) -> Answer:
        """Return offers; a SKU that nobody knows has one too."""
        ...

    def explain(self, channel_id: str, sku: Sku) -> OfferExplanation:
        """Return one offer with its steps."""
        ...

    def skus(self, channel_id: str) -> list[Sku]:
        """Return all SKUs that the channel may offer, kits among them."""
        ...


class OfferReader:
    """Offers as they are sent."""

    def __init__(self, source: OfferSource, ledger: Ledger) -> None:
        self._source = source
        self._ledger = ledger
        self._fixed = FixedSkus(Setup())

    def rows(self, channel_id: str, skus: Sequence[Sku]) -> tuple[Rows, int]:
        """Return the rows of some SKUs, in their order, and the stock's version.

        Raises
        ------
        ChannelNotFound
            No channel has this id.
        """
        answer = self._source.offers((channel_id,), skus)
        setup = self._ledger.setup()
        if self._fixed.setup is not setup:
            self._fixed = FixedSkus(setup)
        fixed = self._fixed.rows(channel_id, skus)
        rows = rows_of(answer.offers, 0, answer.known_skus, fixed)
        return rows, answer.version

    def skus(self, channel_id: str) -> list[Sku]:
        """Return all SKUs that a channel may offer; raises ChannelNotFound."""
        return self._source.skus(channel_id)

    def explanation(
        self, channel_id: str, sku: Sku, asked: RequestedUnits
    ) -> availability_service_pb2.ExplainAvailabilityResponse:
        """Return how a number came to be; reads the store; raises ChannelNotFound."""
        found = self._source.explain(channel_id, sku)
        known = bool(self._source.offers((channel_id,), (sku,)).known_skus[0])
        offer = found.offer
        most_units = max_orderable(
            offer.quantity_units, offer.settings, asked.bought_units
        )
        return encode_explanation(
            offer, found.records, found.stale_ids, known, most_units, asked
        )


class FixedSkus:
    """For which SKUs a quantity that was given from outside is sent.

    As `Offer.fixed`: the most specific place that says something counts, a stop-sell
    lifts it, and a kit is fixed if a component is.
    """

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        book = setup.book
        self._everywhere = _is_said(book.everything)
        self._channels = {at for at, each in book.channels.items() if _is_said(each)}
        self._skus = {at for at, each in book.skus.items() if _is_said(each)}
        self._places = {at for at, each in book.channel_skus.items() if _is_said(each)}
        self._any = bool(
            self._everywhere or self._channels or self._skus or self._places
        )
        self._stopped = _stopped(setup.allocations) if self._any else frozenset()

    def rows(self, channel_id: str, skus: Sequence[Sku]) -> BoolArray:
        """Return for which SKUs it is so: (S,)."""
        if not self._any:
            return np.zeros(len(skus), np.bool_)
        wide = self._everywhere or channel_id in self._channels
        return np.fromiter(
            (self._is_fixed(channel_id, sku, wide) for sku in skus), np.bool_, len(skus)
        )

    def _is_fixed(self, channel_id: str, sku: Sku, wide: bool) -> bool:
        kit = self.setup.kits.get(sku)
        if kit is not None:
            return any(self._is_fixed(channel_id, each.sku, wide) for each in kit)
        place = (channel_id, sku)
        said = wide or sku in self._skus or place in self._places
        return said and place not in self._stopped


def _is_said(settings: Settings) -> bool:
    return settings.fixed_units is not None


def _stopped(allocations: Mapping[str, Allocation]) -> frozenset[tuple[str, Sku]]:
    """Return the (channel, SKU) whose sale is stopped by what speaks for them."""
    first: dict[tuple[str, Sku], Allocation] = {}
    for each in _in_precedence(allocations.values()):
        for channel_id in each.channel_ids:
            first.setdefault((channel_id, each.sku), each)
    return frozenset(place for place, each in first.items() if each.stops)


def _in_precedence(allocations: Iterable[Allocation]) -> list[Allocation]:
    return sorted(allocations, key=lambda each: each.precedence)
