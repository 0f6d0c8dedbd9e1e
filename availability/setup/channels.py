"""Channels and what feeds them: supply rules, the pool, and stock set apart.

Sources are the seeds' sections: A4 means seed 000, part 4 of our notes on it;
docs/availability.md has every formula.
"""

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from availability.model import UNRANKED, Location, LocationId, LocationKind, Sku

FULL_PERMILLE = 1000
"""All of it."""
UNDECLARED = "*"
"""Where orders count that name no channel, or one that is not declared."""


@dataclass(frozen=True, slots=True)
class SupplyRule:
    """Which locations feed a channel, and how much of each (A6).

    Empty collections restrict nothing. What is given must all match; a location's
    zones of stores and its chains are both ``groups``. ``min_units`` and
    ``max_units`` (None: none) drop a location's stock below the one or above the
    other: ``max_units`` excludes, it is no cap. ``share_permille`` of each
    location's stock is offered, rounded down; 0 discards the locations. The SKU is
    kept only if what then remains reaches ``threshold_units`` in sum and lies at
    ``min_locations`` or more.
    """

    rank: int = UNRANKED
    kinds: frozenset[LocationKind] = frozenset()
    groups: frozenset[str] = frozenset()
    include_ids: frozenset[LocationId] = frozenset()
    exclude_ids: frozenset[LocationId] = frozenset()
    min_units: int = 0
    max_units: int | None = None
    share_permille: int = FULL_PERMILLE
    threshold_units: int = 0
    min_locations: int = 0

    def matches(self, location: Location) -> bool:
        """Tell whether the location is this rule's, if no earlier rule took it."""
        return (
            (not self.kinds or location.kind in self.kinds)
            and (not self.groups or not self.groups.isdisjoint(location.groups))
            and (not self.include_ids or location.location_id in self.include_ids)
            and location.location_id not in self.exclude_ids
        )

    @property
    def passes_all(self) -> bool:
        """Whether all stock of its locations is for sale: it only chooses them.

        A rule that shares nothing takes its locations out of the pool.
        """
        return self.share_permille == 0 or self == SupplyRule(
            self.rank,
            self.kinds,
            self.groups,
            self.include_ids,
            self.exclude_ids,
        )


@dataclass(frozen=True, slots=True)
class Channel:
    """A place to sell, and the rules that choose the stock that feeds it.

    Without rules every location feeds it whole: the simple case. A tick-box list of
    locations is one rule with ``include_ids`` (C1).
    """

    channel_id: str
    rules: tuple[SupplyRule, ...] = ()

    def __post_init__(self) -> None:
        if not self.channel_id:
            raise ValueError("channel_id must not be empty")

    @property
    def ranked_rules(self) -> tuple[SupplyRule, ...]:
        """The rules in rank order, ties as given; without any, one for everything."""
        # No field: it would be stored and compared with what a file says.
        ranked = sorted(self.rules, key=lambda rule: rule.rank)
        return tuple(ranked) or (SupplyRule(),)


def owners(channel: Channel, locations: Iterable[Location]) -> dict[LocationId, int]:
    """Return which of ``ranked_rules`` owns each location that feeds the channel.

    The first rule that matches owns the location (A6). Not among them: a location
    that is tied to other channels, that no rule matches, or whose rule shares 0.
    Inactive locations are among them: they are known to hold nothing for sale.
    """
    rules = channel.ranked_rules
    found: dict[LocationId, int] = {}
    for location in locations:
        if location.channel_ids and channel.channel_id not in location.channel_ids:
            continue
        for index, rule in enumerate(rules):
            if rule.matches(location):
                if rule.share_permille > 0:
                    found[location.location_id] = index
                break
    return found


class Purpose(enum.StrEnum):
    """What an allocation does to the channels that it does not name (B1)."""

    RESERVE = "reserve"
    """Its units are taken from what every other channel sees."""
    PRESELL = "presell"
    """No effect on others."""


@dataclass(frozen=True, slots=True)
class Allocation:
    """Units of one SKU set apart for channels, whatever is in stock (B1).

    The channels share one quantity and what they ``consumed`` of it. Those in
    ``following`` are shown what is left of it whatever the stock; the others are
    shown no more than there is, and more again when stock comes back. Without
    channels it is a buffer for manual orders, and only a reserve makes sense.
    A quantity of 0 stops the sale. ``rank``, then ``created_number``, decides where
    allocations compete: which reserve is served first, and which of two
    allocations governs a channel; they are never added up.
    """

    allocation_id: str
    sku: Sku
    quantity_units: int
    purpose: Purpose = Purpose.RESERVE
    channel_ids: frozenset[str] = frozenset()
    following: frozenset[str] = frozenset()
    consumed_units: int = 0
    rank: int = UNRANKED
    created_number: int = 0

    @property
    def remaining_units(self) -> int:
        """What its channels have not consumed yet."""
        return max(0, self.quantity_units - self.consumed_units)

    @property
    def stops(self) -> bool:
        """Whether it stops the sale on its channels."""
        return self.quantity_units == 0

    @property
    def precedence(self) -> tuple[int, int, str]:
        """What decides between allocations that compete: the least goes first."""
        return self.rank, self.created_number, self.allocation_id


def governing_allocation(
    allocations: Iterable[Allocation], channel_id: str
) -> Allocation | None:
    """Return the allocation that governs a channel: the first in precedence."""
    mine = [each for each in allocations if channel_id in each.channel_ids]
    return min(mine, key=lambda each: each.precedence, default=None)


class SupplySource(enum.StrEnum):
    """Where an expected receipt comes from."""

    PURCHASE_ORDER = "purchase_order"
    """Ordered from a supplier, bound for one of our locations."""
    MANUFACTURING = "manufacturing"
    """Being made."""
    SUPPLIER = "supplier"
    """Announced by a supplier who ships it himself."""


@dataclass(frozen=True, slots=True)
class FutureSupply:
    """Units expected at a location, at an instant in seconds since the epoch."""

    location_id: LocationId
    sku: Sku
    quantity_units: int
    available_from_seconds: int
    source: SupplySource = SupplySource.PURCHASE_ORDER
    supply_id: str = ""

    def __post_init__(self) -> None:
        if self.quantity_units <= 0:
            raise ValueError(f"quantity must be positive, got {self.quantity_units}")
