"""What a channel may be promised of one SKU, and the steps that led to it."""

import enum
from dataclasses import dataclass

from availability.model import LocationId, Sku
from availability.setup.settings import Effective, Level


class Status(enum.StrEnum):
    """What a customer is shown."""

    AVAILABLE = "available"
    """Some of it is there."""
    LOW = "low"
    """As AVAILABLE, and only few are left."""
    BACKORDER = "backorder"
    """None is there; what is sold is waited for."""
    PREORDER = "preorder"
    """Sold before its release."""
    UNAVAILABLE = "unavailable"
    """None may be sold."""


class Rule(enum.StrEnum):
    """The steps, in their order, and the limits of an order: each can refuse one."""

    STOCK = "stock"
    """Available at the locations of the pool, each floored at 0."""
    RULE_BOUNDS = "rule_bounds"
    """Stocks outside a supply rule's minimum and maximum are dropped."""
    RULE_SHARE = "rule_share"
    """A supply rule offers a share of each stock, rounded down."""
    RULE_THRESHOLD = "rule_threshold"
    """The sum of a rule's stocks misses its threshold."""
    RULE_LOCATIONS = "rule_locations"
    """Too few locations are left of a rule's."""
    QUEUED = "queued"
    """Promised from this pool, not assigned to a location yet."""
    RESERVES = "reserves"
    """What is set apart for other channels, or for manual orders."""
    ALLOCATION = "allocation"
    """What is set apart for this channel is all that it is shown."""
    OUT_OF_STOCK_THRESHOLD = "out_of_stock_threshold"
    """Kept back, or sold beyond what is there."""
    DEFICIT = "deficit"
    """What is missing is not sold: never less than 0."""
    UNKNOWN = "unknown"
    """A record is missing or stale: the declared floor."""
    PREORDER = "preorder"
    """Before the release, what is left of the cap."""
    FIXED = "fixed"
    """A fixed quantity, given from outside, replaces the number."""
    SHARE = "share"
    """The channel is sent a share, rounded down."""
    BUFFER = "buffer"
    """Kept back from the channel."""
    AVAILABILITY_THRESHOLD = "availability_threshold"
    """Less than the threshold is not sold at all."""
    MIN = "min"
    """Fewer than the least per order."""
    MAX = "max"
    """More than the most per order."""
    MULTIPLE = "multiple"
    """Not a multiple of what is sold together."""
    CUSTOMER_MAX = "customer_max"
    """More than one customer may have in the window."""


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the waterfall: what a rule did to the number.

    ``total_units`` is the number after it, and not the limit where ``unlimited``;
    ``level`` is where the rule's value came from, None if it is no setting.
    ``replaces`` is True where the number before does not matter.
    """

    rule: Rule
    effect_units: int
    total_units: int
    unlimited: bool = False
    level: Level | None = None
    replaces: bool = False

    def reaches(self, units: int) -> bool:
        """Tell whether so many could be sold after this step."""
        return self.unlimited or units <= self.total_units


@dataclass(frozen=True, slots=True)
class Refusal:
    """The rule that refuses a quantity, and where its value came from."""

    rule: Rule
    level: Level | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """What one channel may be promised of one SKU at one instant.

    ``quantity_units`` None is unlimited, as for ``max_orderable_units`` (the most
    that one order may name, 0 if no number passes) and
    ``single_location_units`` (the most that one location can ship).
    ``declared`` is whether the number stands although the stock is not known: the
    setup gives one for that case (fixed, a pre-order, an allocation that is followed
    or stops the sale, a floor). ``net_units`` is what the channel has in stock, below
    0 if more was sold: units beyond it are backordered. ``available_from_seconds``
    since the epoch is the release, or the date of the receipt that brings some, or the
    end of the lead time of what is in stock; None: at once, or unknown. ``as_of`` is
    the version of the stock.
    """

    channel_id: str
    sku: Sku
    steps: tuple[Step, ...]
    status: Status
    published: bool
    known: bool
    fixed: bool
    declared: bool
    net_units: int | None
    max_orderable_units: int | None
    single_location_units: int | None
    available_from_seconds: int | None
    backorder_notice: bool
    low_stock_ids: tuple[LocationId, ...]
    settings: Effective
    as_of: int = 0

    @property
    def quantity_units(self) -> int | None:
        """The number after all steps: their effects add up to it."""
        last = self.steps[-1]
        return None if last.unlimited else last.total_units

    def backordered(self, units: int) -> int:
        """Return how many of so many would be backordered: clamp(n - net, 0, n).

        One formula for Adobe's (D3) and Wayfair's (E3, whose text has the sign
        inverted). A pre-order waits for its release, and is no backorder.
        """
        if self.net_units is None:
            return 0
        return min(max(0, units - self.net_units), max(0, units))

    def refusal(self, units: int, bought_units: int = 0) -> Refusal | None:
        """Return what refuses an order of so many, None if it passes.

        ``bought_units`` is what the customer has in non-cancelled orders of the
        window. The limits are asked in Adobe's order (D3), then the waterfall: the
        rule that refuses is the last that took the number below what is asked, or
        put one there that is.
        """
        limit = self._limit(units, bought_units)
        if limit is not None:
            return Refusal(limit, self.settings.level(LIMIT_FIELDS[limit]))
        if self.steps[-1].reaches(units):
            return None
        refusing = self.steps[0]
        for before, after in zip(self.steps, self.steps[1:], strict=False):
            if (before.reaches(units) or after.replaces) and not after.reaches(units):
                refusing = after
        return Refusal(refusing.rule, refusing.level)

    def _limit(self, units: int, bought_units: int) -> Rule | None:
        limit = order_limit(self.settings, units)
        customer = self.settings.customer_limit
        if limit is None and customer is not None:
            most_units = customer.max_units - bought_units
            return Rule.CUSTOMER_MAX if units > most_units else None
        return limit


def order_limit(settings: Effective, units: int) -> Rule | None:
    """Return the limit that an order of so many breaks, for any customer."""
    if units < settings.min_units:
        return Rule.MIN
    if 0 < settings.max_units < units:
        return Rule.MAX
    if units % settings.multiple_units:
        return Rule.MULTIPLE
    return None


LIMIT_FIELDS = {
    Rule.MIN: "min_units",
    Rule.MAX: "max_units",
    Rule.MULTIPLE: "multiple_units",
    Rule.CUSTOMER_MAX: "customer_limit",
}
"""The setting behind each limit."""


def max_orderable(
    quantity_units: int | None, settings: Effective, bought_units: int = 0
) -> int | None:
    """Return the most that one order may name, 0 if nothing passes, None: any number.

    The largest that is within the quantity, the order's and the customer's maximum,
    a multiple, and not below the minimum.
    """
    bounds = [] if quantity_units is None else [quantity_units]
    if settings.max_units > 0:
        bounds.append(settings.max_units)
    if settings.customer_limit is not None:
        bounds.append(max(0, settings.customer_limit.max_units - bought_units))
    if not bounds:
        return None
    units = min(bounds)
    units -= units % settings.multiple_units
    return units if units >= settings.min_units else 0
