"""Offers of a channel as the rows that are sent."""

from collections.abc import Sequence
from typing import Protocol

from availability.model import Sku
from availability.offers.offer import max_orderable
from availability.offers.service import Answer, OfferExplanation
from availability.v1 import availability_service_pb2
from router.rpc.codec.explanation import RequestedUnits, encode_explanation
from router.rpc.codec.offers import Rows, rows_of


class OfferSource(Protocol):
    """What computes offers; each method raises ChannelNotFound."""

    def offers(self, channel_ids: Sequence[str], skus: Sequence[Sku]) -> Answer:
        """Return offers; an unknown SKU has one too."""
        ...

    def explain(self, channel_id: str, sku: Sku) -> OfferExplanation:
        """Return one offer with its steps."""
        ...

    def skus(self, channel_id: str) -> list[Sku]:
        """Return all SKUs that the channel may offer, kits among them."""
        ...


class OfferReader:
    """Offers as they are sent."""

    def __init__(self, source: OfferSource) -> None:
        self._source = source

    def rows(self, channel_id: str, skus: Sequence[Sku]) -> tuple[Rows, int]:
        """Return the rows of some SKUs, in their order, and the stock's version.

        Raises
        ------
        ChannelNotFound
            No channel has this id.
        """
        answer = self._source.offers((channel_id,), skus)
        return rows_of(answer.offers, 0, answer.known_skus), answer.version

    def skus(self, channel_id: str) -> list[Sku]:
        """Return all SKUs that a channel may offer; raises ChannelNotFound."""
        return self._source.skus(channel_id)

    def explanation(
        self, channel_id: str, sku: Sku, asked: RequestedUnits
    ) -> availability_service_pb2.ExplainAvailabilityResponse:
        """Return an offer with its steps; reads the store; raises ChannelNotFound."""
        found = self._source.explain(channel_id, sku)
        known = bool(self._source.offers((channel_id,), (sku,)).known_skus[0])
        offer = found.offer
        most_units = max_orderable(
            offer.quantity_units, offer.settings, asked.bought_units
        )
        return encode_explanation(
            offer, found.records, found.stale_ids, known, most_units, asked
        )
