"""What a channel may be promised of a kit that leaves from one location."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from availability.model import LocationId, Sku
from availability.offers.explain import Waterfall
from availability.offers.offer import Offer, Rule, Status, max_orderable
from availability.setup.channels import FULL_PERMILLE
from availability.setup.kits import Kit, kit_quantity, kits_by_location, required
from availability.setup.settings import Backorders, Effective, Level

_OWN = (Level.SKU, Level.CHANNEL_SKU)


@dataclass(frozen=True, slots=True)
class Part:
    """A component: its offer, and where its units lie.

    ``located_units`` is what the channel's rules let through of each location's
    stock (`explain.located_units`), None for what needs no stock.
    """

    offer: Offer
    located_units: Mapping[LocationId, int] | None = None

    @property
    def tied(self) -> Mapping[LocationId, int] | None:
        """Where it must be taken from, None: it is wherever it is needed.

        What is not known is known nowhere: then its declared floor alone counts.
        """
        return self.located_units if self.offer.known else None


def explain_kit(
    sku: Sku, kit: Kit, parts: Mapping[Sku, Part], settings: Effective, as_of: int = 0
) -> Offer:
    """Return what a channel may be promised of a kit.

    As many as its components' offers allow, and no more than the locations can put
    together, each by itself. Then the share and the buffer of the kit itself: those of
    the channel have been taken from its components. Thresholds and limits are of kits.
    A kit can leave when the last of its components can; a date for more kits is not
    computed.

    Parameters
    ----------
    sku, kit
        The kit's own SKU, and what is in one of it.
    parts
        By the SKU of each component, all of one channel.
    settings
        What counts for the kit on that channel.
    as_of
        The version of the stock.
    """
    settings = _own(settings)
    offers = {each: parts[each].offer for each in required(kit)}
    located = {sku: parts[sku].tied for sku in offers}
    places = kits_by_location(
        kit, {sku: units for sku, units in located.items() if units is not None}
    )
    there = kit_quantity(
        kit, {key: each.quantity_units for key, each in offers.items()}
    )
    waterfall = Waterfall(settings)
    waterfall.to(
        Rule.STOCK,
        least(there, None if places is None else sum(places.values())) or 0,
        unlimited=there is None and places is None,
    )
    if waterfall.unlimited and settings.share_permille > 0:
        waterfall.keep(Rule.SHARE)
    else:
        share_units = waterfall.units * settings.share_permille // FULL_PERMILLE
        waterfall.to(Rule.SHARE, share_units, "share_permille")
    left_units = max(0, waterfall.units - settings.buffer_units)
    waterfall.keep(
        Rule.BUFFER, None if waterfall.unlimited else left_units, "buffer_units"
    )
    shown_units = waterfall.reach_units
    threshold_units = settings.availability_threshold_units
    below = shown_units is not None and shown_units < threshold_units
    waterfall.keep(
        Rule.AVAILABILITY_THRESHOLD,
        0 if below else None,
        "availability_threshold_units",
    )
    quantity_units = waterfall.reach_units
    net_units = _net_units(kit, offers, places)
    known = all(each.known for each in offers.values())
    return Offer(
        next(iter(offers.values())).channel_id,
        sku,
        tuple(waterfall.steps),
        status=_status(quantity_units, net_units, settings),
        published=known
        and (
            shown_units is None or shown_units >= settings.publication_threshold_units
        ),
        known=known,
        fixed=any(each.fixed for each in offers.values()),
        # Offers of components do not add up to a number if one is unknown.
        declared=False,
        net_units=net_units,
        max_orderable_units=max_orderable(quantity_units, settings),
        single_location_units=least(
            quantity_units,
            None if places is None else max(places.values(), default=0),
        ),
        available_from_seconds=_leaves_from(offers.values(), net_units),
        backorder_notice=net_units is not None
        and (quantity_units is None or quantity_units > max(0, net_units))
        and any(
            each.settings.backorders is Backorders.ALLOW_AND_NOTIFY
            for each in offers.values()
        ),
        low_stock_ids=(),
        settings=settings,
        as_of=as_of,
    )


def least(first: int | None, second: int | None) -> int | None:
    """Return the smaller of two numbers, None being no bound."""
    if first is None or second is None:
        return second if first is None else first
    return min(first, second)


def _own(settings: Effective) -> Effective:
    """Return the settings without a share and a buffer that are not the kit's own."""
    if settings.level("share_permille") not in _OWN:
        settings = replace(settings, share_permille=FULL_PERMILLE)
    if settings.level("buffer_units") not in _OWN:
        settings = replace(settings, buffer_units=0)
    return settings


def _net_units(
    kit: Kit,
    offers: Mapping[Sku, Offer],
    places: Mapping[LocationId, int] | None,
) -> int | None:
    """Return how many kits are there, below 0 if more was sold; None: not of stock."""
    units = required(kit)
    there = None if places is None else sum(places.values())
    for sku, offer in offers.items():
        if offer.net_units is not None:
            there = least(there, offer.net_units // units[sku])
    return there


def _leaves_from(offers: Iterable[Offer], net_units: int | None) -> int | None:
    """Return the latest date by which a component that is there can leave.

    None if some component is not there, or all of them can leave at once.
    """
    if net_units is None or net_units <= 0:
        return None
    dates = []
    for each in offers:
        seconds = each.available_from_seconds
        # The date of what is not counted is its release: it is not there before.
        released = each.net_units is None and seconds is not None
        if released or not each.known or each.quantity_units == 0:
            return None
        if seconds is not None:
            dates.append(seconds)
    return max(dates, default=None)


def _status(
    quantity_units: int | None, net_units: int | None, settings: Effective
) -> Status:
    if quantity_units == 0:
        return Status.UNAVAILABLE
    if net_units is not None and net_units <= 0:
        return Status.BACKORDER
    if quantity_units is not None and quantity_units <= settings.low_units:
        return Status.LOW
    return Status.AVAILABLE
