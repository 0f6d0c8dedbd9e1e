"""Offers as plain values, from files or a server, for tables, charts and JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from availability.model import Sku
from availability.offers.offer import Offer, max_orderable


@dataclass(frozen=True, slots=True)
class Question:
    """The SKUs to look up (none: all), and the units to check for each.

    With ``steps``, offers have the steps that led to them.
    """

    channel_id: str
    skus: tuple[Sku, ...] = ()
    request_units: int | None = None
    bought_units: int = 0
    steps: bool = False


@dataclass(frozen=True, slots=True)
class StepView:
    """One step: its effect, the number after it (None: unlimited), and its scope.

    ``replaces`` is True if the number before does not matter; ``level`` is None if
    the step does not come from a setting.
    """

    rule: str
    effect_units: int
    total_units: int | None
    level: str | None = None
    replaces: bool = False


@dataclass(frozen=True, slots=True)
class RequestView:
    """Whether the units can be ordered, and if not, the rule that refuses them."""

    units: int
    bought_units: int
    passes: bool
    backordered_units: int
    refused_by: str | None = None
    level: str | None = None


@dataclass(frozen=True, slots=True)
class OfferView:
    """A channel's offer of a SKU; fields and units as in `Offer`.

    ``request`` is None if no units were checked. Unless ``whole``, ``net_units`` and
    ``low_stock_ids`` are not known.
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

    ``bought_units`` were already bought within the customer's window.
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
    """Return an offer as one line of JSON; null means unlimited or none.

    Unknown fields are left out.
    """
    # asdict copies recursively, which takes most of the time for many offers.
    record = {each.name: getattr(view, each.name) for each in fields(view)}
    if not record.pop("whole"):
        del record["net_units"], record["low_stock_ids"]
    if steps:
        record["steps"] = [asdict(each) for each in view.steps]
    else:
        del record["steps"]
    if view.request is None:
        del record["request"]
    else:
        record["request"] = asdict(view.request)
    return json.dumps(record, ensure_ascii=False)


def effective_steps(steps: Sequence[StepView]) -> list[StepView]:
    """Return the steps that changed or replaced the number."""
    found = []
    before_units: int | None = 0
    for each in steps:
        unbounded = (each.total_units is None) is not (before_units is None)
        if each.effect_units or each.replaces or unbounded:
            found.append(each)
        before_units = each.total_units
    return found
