"""Offers as plain values: what a table, a chart and a line of JSON are made from.

Filled from what was computed here, or from a server's reply.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from availability.model import Sku
from availability.offers.offer import Offer, max_orderable


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: of which SKUs (none: of all), and for how many units of each.

    ``steps``: and how the numbers came to be.
    """

    channel_id: str
    skus: tuple[Sku, ...] = ()
    request_units: int | None = None
    bought_units: int = 0
    steps: bool = False


@dataclass(frozen=True, slots=True)
class StepView:
    """One step: what it did, the number after it (None: unlimited), and who said so.

    ``replaces`` is True where the number before does not matter; ``level`` is None
    where the step is no setting's.
    """

    rule: str
    effect_units: int
    total_units: int | None
    level: str | None = None
    replaces: bool = False


@dataclass(frozen=True, slots=True)
class RequestView:
    """Whether so many units may be ordered, and if not, which rule says so."""

    units: int
    bought_units: int
    passes: bool
    backordered_units: int
    refused_by: str | None = None
    level: str | None = None


@dataclass(frozen=True, slots=True)
class OfferView:
    """What a channel may be promised of a SKU; fields and units as in `Offer`.

    Without ``request`` nothing was asked for. Unless ``whole``, ``net_units`` and
    ``low_stock_ids`` were not told.
    """

    channel_id: str
    sku: str
    quantity_units: int | None
    status: str
    published: bool
    known: bool
    fixed: bool
    net_units: int | None
    max_orderable_units: int | None
    single_location_units: int | None
    available_from_seconds: int | None
    backorder_notice: bool
    low_stock_ids: tuple[str, ...]
    as_of: int
    steps: tuple[StepView, ...] = ()
    request: RequestView | None = None
    whole: bool = True


def offer_view(
    offer: Offer, request_units: int | None = None, bought_units: int = 0
) -> OfferView:
    """Return an offer as plain values.

    ``bought_units`` is what the customer has in his window already.
    """
    most_units = max_orderable(offer.quantity_units, offer.settings, bought_units)
    return OfferView(
        offer.channel_id,
        offer.sku,
        offer.quantity_units,
        offer.status.value,
        offer.published,
        offer.known,
        offer.fixed,
        offer.net_units,
        most_units,
        offer.single_location_units,
        offer.available_from_seconds,
        offer.backorder_notice,
        offer.low_stock_ids,
        offer.as_of,
        steps=tuple(
            StepView(
                each.rule.value,
                each.effect_units,
                None if each.unlimited else each.total_units,
                each.level and each.level.value,
                each.replaces,
            )
            for each in offer.steps
        ),
        request=None
        if request_units is None
        else _request(offer, request_units, bought_units),
    )


def _request(offer: Offer, units: int, bought_units: int) -> RequestView:
    refusal = offer.refusal(units, bought_units)
    return RequestView(
        units,
        bought_units,
        refusal is None,
        offer.backordered(units),
        None if refusal is None else refusal.rule.value,
        None if refusal is None or refusal.level is None else refusal.level.value,
    )


def offer_json(view: OfferView, *, steps: bool) -> str:
    """Return an offer as one line of JSON: null is unlimited or none.

    What was not told is left out: null would say something else.
    """
    # asdict would copy all that is below, which for many takes most of the time.
    told = {each.name: getattr(view, each.name) for each in fields(view)}
    if not told.pop("whole"):
        del told["net_units"], told["low_stock_ids"]
    if steps:
        told["steps"] = [asdict(each) for each in view.steps]
    else:
        del told["steps"]
    if view.request is None:
        del told["request"]
    else:
        told["request"] = asdict(view.request)
    return json.dumps(told, ensure_ascii=False)


def telling(steps: Sequence[StepView]) -> list[StepView]:
    """Return the steps that changed something, or took the place of what was there."""
    told = []
    before_units: int | None = 0
    for each in steps:
        unbounded = (each.total_units is None) is not (before_units is None)
        if each.effect_units or each.replaces or unbounded:
            told.append(each)
        before_units = each.total_units
    return told
