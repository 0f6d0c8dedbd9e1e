"""One offer with its steps, and what becomes of an order: ExplainAvailability."""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from availability.model import LocationId, StockRecord
from availability.offers.offer import Offer, Refusal, Step
from availability.setup.settings import Level
from availability.v1 import availability_service_pb2
from router.rpc.codec.enums import LEVEL_TO_WIRE, OFFER_STATUS_TO_WIRE, RULE_TO_WIRE


class RequestedUnits(NamedTuple):
    """An order to be judged: units, and those its customer has bought already."""

    request_units: int | None = None
    bought_units: int = 0


def encode_explanation(
    offer: Offer,
    records: Iterable[StockRecord],
    stale_ids: Collection[LocationId],
    known_sku: bool,
    max_orderable_units: int | None,
    asked: RequestedUnits,
) -> availability_service_pb2.ExplainAvailabilityResponse:
    """Write how a number came to be, and what becomes of an order.

    ``max_orderable_units`` is for the customer who asks.
    """
    wire = availability_service_pb2.ExplainAvailabilityResponse(
        availability=_encode_offer(offer, known_sku, max_orderable_units),
        steps=map(_encode_step, offer.steps),
        records=[
            availability_service_pb2.PoolRecord(
                location_id=each.location_id,
                available_units=each.available,
                on_hand_units=each.on_hand,
                stale=each.location_id in stale_ids,
            )
            for each in records
        ],
        low_stock_location_ids=offer.low_stock_ids,
        net_units=offer.net_units,
    )
    if asked.request_units is not None:
        wire.backordered_units = offer.backordered(asked.request_units)
        refusal = offer.refusal(asked.request_units, asked.bought_units)
        if refusal is not None:
            wire.refusal.CopyFrom(_encode_refusal(refusal))
    return wire


def _encode_offer(
    offer: Offer, known_sku: bool, max_orderable_units: int | None
) -> availability_service_pb2.Availability:
    wire = availability_service_pb2.Availability(
        channel_id=offer.channel_id,
        sku=offer.sku,
        quantity_units=offer.quantity_units,
        unlimited=offer.quantity_units is None,
        status=OFFER_STATUS_TO_WIRE[offer.status],
        published=offer.published,
        known=offer.known,
        fixed=offer.fixed,
        max_orderable_units=max_orderable_units,
        single_location_units=offer.single_location_units,
        backorder_notice=offer.backorder_notice,
        no_such_sku=not known_sku,
        stock_version=offer.as_of,
    )
    if offer.available_from_seconds is not None:
        wire.available_from_time.FromSeconds(offer.available_from_seconds)
    return wire


def _encode_step(step: Step) -> availability_service_pb2.AvailabilityStep:
    return availability_service_pb2.AvailabilityStep(
        rule=RULE_TO_WIRE[step.rule],
        effect_units=step.effect_units,
        total_units=step.total_units,
        unlimited=step.unlimited,
        level=_encode_level(step.level),
        replaces=step.replaces,
    )


def _encode_refusal(refusal: Refusal) -> availability_service_pb2.AvailabilityRefusal:
    return availability_service_pb2.AvailabilityRefusal(
        rule=RULE_TO_WIRE[refusal.rule], level=_encode_level(refusal.level)
    )


def _encode_level(
    level: Level | None,
) -> availability_service_pb2.SettingsLevel.ValueType:
    if level is None:
        return availability_service_pb2.SETTINGS_LEVEL_UNSPECIFIED
    return LEVEL_TO_WIRE[level]
