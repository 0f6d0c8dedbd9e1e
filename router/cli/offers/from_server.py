"""Offers from a server or a database."""

import enum
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from availability.model import Sku
from availability.offers.bulk.arrays import UNLIMITED
from availability.v1 import availability_service_pb2
from router.cli.offers.view import OfferView, Question, RequestView, StepView
from router.cli.remote.open import Target
from router.rpc.codec.enums import (
    LEVEL_FROM_WIRE,
    OFFER_STATUS_FROM_WIRE,
    RULE_FROM_WIRE,
)
from router.rpc.codec.offers import (
    BACKORDER_NOTICE,
    FIXED,
    HIDDEN,
    UNKNOWN,
    decode_columns,
)

CHUNK_SKUS = 5_000
"""SKUs of one call: with the longest ids, still within the message limit."""


def served_offers(target: Target, question: Question) -> Iterator[OfferView]:
    """Yield the offers of the question's SKUs, in order, or of all, sorted.

    Steps and checks of units take one call per SKU. Without them, one call returns
    many offers, which lack ``net_units`` and ``low_stock_ids``.

    Raises
    ------
    CallFailed
        The target refused, perhaps because the channel does not exist, or was lost.
    """
    skus = question.skus or target.skus(question.channel_id)
    if question.steps or question.request_units is not None or question.bought_units:
        for sku in skus:
            reply = target.explain(
                question.channel_id, sku, question.request_units, question.bought_units
            )
            yield explained_view(reply, question.request_units, question.bought_units)
        return
    for start in range(0, len(skus), CHUNK_SKUS):
        chunk = skus[start : start + CHUNK_SKUS]
        rest = iter(chunk)
        for each in target.offers(question.channel_id, chunk):
            names = [next(rest) for _ in range(each.columns.row_count)]
            yield from column_views(question.channel_id, names, each)


def column_views(
    channel_id: str,
    skus: Sequence[Sku],
    reply: availability_service_pb2.BatchGetAvailabilityResponse,
) -> Iterator[OfferView]:
    """Yield the rows of a message about ``skus``."""
    rows = decode_columns(reply.columns)
    columns = [each.tolist() for each in rows]
    for sku, *cells in zip(skus, *columns, strict=True):
        quantity, status, flags, most, single, from_seconds, _ = cells
        yield OfferView(
            channel_id,
            sku,
            _units(quantity),
            _word(OFFER_STATUS_FROM_WIRE, status),
            published=not flags & HIDDEN,
            known=not flags & UNKNOWN,
            fixed=bool(flags & FIXED),
            net_units=None,
            max_orderable_units=_units(most),
            single_location_units=_units(single),
            available_from_seconds=from_seconds or None,
            backorder_notice=bool(flags & BACKORDER_NOTICE),
            low_stock_ids=(),
            as_of=reply.stock_version,
            whole=False,
        )


def explained_view(
    reply: availability_service_pb2.ExplainAvailabilityResponse,
    request_units: int | None = None,
    bought_units: int = 0,
) -> OfferView:
    """Return an explanation of the units that were requested."""
    offer = reply.availability
    most, single = offer.max_orderable_units, offer.single_location_units
    dated = offer.HasField("available_from_time")
    request = None
    if request_units is not None:
        request = _request(reply, request_units, bought_units)
    return OfferView(
        offer.channel_id,
        offer.sku,
        None if offer.unlimited else offer.quantity_units,
        _word(OFFER_STATUS_FROM_WIRE, offer.status),
        offer.published,
        offer.known,
        offer.fixed,
        reply.net_units if reply.HasField("net_units") else None,
        most if offer.HasField("max_orderable_units") else None,
        single if offer.HasField("single_location_units") else None,
        offer.available_from_time.ToSeconds() if dated else None,
        offer.backorder_notice,
        tuple(reply.low_stock_location_ids),
        offer.stock_version,
        steps=tuple(
            StepView(
                _word(RULE_FROM_WIRE, each.rule),
                each.effect_units,
                None if each.unlimited else each.total_units,
                _level(each.level),
                each.replaces,
            )
            for each in reply.steps
        ),
        request=request,
    )


def _request(
    reply: availability_service_pb2.ExplainAvailabilityResponse,
    units: int,
    bought_units: int,
) -> RequestView:
    refused, refusal = reply.HasField("refusal"), reply.refusal
    return RequestView(
        units,
        bought_units,
        not refused,
        reply.backordered_units,
        _word(RULE_FROM_WIRE, refusal.rule) if refused else None,
        _level(refusal.level) if refused else None,
    )


def _units(units: int) -> int | None:
    return None if units == UNLIMITED else units


def _level(number: int) -> str | None:
    return _word(LEVEL_FROM_WIRE, number) if number else None


def _word(words: Mapping[Any, enum.Enum], number: int) -> str:
    """Return the name of an enum value; a newer server may have unknown ones."""
    found = words.get(number)
    return f"number {number}" if found is None else str(found.value)
