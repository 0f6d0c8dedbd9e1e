"""Rows of a supplier's stock feed, by the rules of the systems that receive them.

The rules are Wayfair's, and what Autodesk Fusion Operations sends it (E2 to E4);
docs/availability.md has them. A feed is computed from offers: what is sent is what
the channel may be promised.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from availability.model import Location, Sku
from availability.offers.market import expected_receipts
from availability.offers.offer import Offer
from availability.setup.channels import owners
from availability.setup.setup import Setup

SHORT_UNITS = -1
"""More was sold than there is: the receiver knows no number below it."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers of an offer that a row is made of.

    ``quantity_units`` and ``net_units`` are those of `Offer`: None is unlimited, or a
    number that does not come from stock. Unless ``known``, the stock is unknown and no
    number was declared for it. ``available_from_seconds`` as in `Offer`.
    """

    sku: Sku
    quantity_units: int | None
    net_units: int | None
    known: bool = True
    available_from_seconds: int | None = None

    @classmethod
    def of(cls, offer: Offer) -> "Numbers":
        """Return those of an offer."""
        return cls(
            offer.sku,
            offer.quantity_units,
            offer.net_units,
            offer.known or offer.declared,
            offer.available_from_seconds,
        )

    @property
    def sellable_units(self) -> int | None:
        """What may be sold; below 0 where nothing may, and more was sold.

        Where no bound is (backorders, E3's formula), what is there counts: stock less
        what is on order. None where it is unknown: nothing is counted or needs to be,
        or the count is stale and no floor was declared.
        """
        if not self.known:
            return None
        if self.quantity_units is None:
            return self.net_units
        return self.quantity_units or min(0, self.net_units or 0)

    @property
    def next_seconds(self) -> int | None:
        """When more arrives, where there is none now.

        The date of units in stock is when they can leave: it moves with the clock, and
        is no date of more units.
        """
        there = self.net_units is not None and self.net_units > 0
        return None if there else self.available_from_seconds


@dataclass(frozen=True, slots=True)
class FeedRow:
    """One SKU of a feed, in units; values are absolute, never differences.

    ``quantity_on_hand`` is what the receiver may sell, `SHORT_UNITS` where more was
    sold than there is; None: it is not known, and not sent. ``quantity_backordered``
    is what open orders miss, ``quantity_on_order`` the units on order that the caller
    gave.
    ``next_available_seconds`` since the epoch is when there is more, where nothing is
    there now (None: unknown).
    """

    sku: Sku
    quantity_on_hand: int | None
    quantity_backordered: int = 0
    quantity_on_order: int = 0
    next_available_seconds: int | None = None

    @classmethod
    def of(
        cls,
        offers: Sequence[Offer | Numbers],
        on_order_units: int = 0,
        buffer_units: int = 0,
    ) -> "FeedRow":
        """Return the row of one SKU for one supplier id.

        Parameters
        ----------
        offers
            Mostly one. Several, of channels that share no pool, are added up: units
            that two channels share would be sent twice.
        on_order_units
            What the receiver takes for it: receipts that are expected
            (`expected_units`), or, as Fusion sends it, what open orders have not been
            shipped yet (a cancelled order is not open, archived or not).
        buffer_units
            Kept back from the sum. What a channel's own settings keep back is gone
            from its offer already.

        Raises
        ------
        ValueError
            There is no offer, they are of several SKUs, or a number is below 0.
        """
        numbers = [
            Numbers.of(each) if isinstance(each, Offer) else each for each in offers
        ]
        skus = {each.sku for each in numbers}
        if len(skus) != 1:
            raise ValueError(f"a row has one SKU, got {len(skus)}")
        if on_order_units < 0:
            raise ValueError(f"on_order_units is not negative, got {on_order_units}")
        dates = [each.next_seconds for each in numbers if each.next_seconds is not None]
        sellable = merged(each.sellable_units for each in numbers)
        return cls(
            skus.pop(),
            feed_quantity(sellable, buffer_units),
            sum(max(0, -(each.net_units or 0)) for each in numbers),
            on_order_units,
            min(dates, default=None),
        )


def expected_units(
    setup: Setup, locations: Iterable[Location], channel_id: str, now_seconds: int
) -> Mapping[Sku, int]:
    """Return how many units of each SKU are expected where they feed a channel.

    The receipts that the dates of its offers are made from: to active locations of its
    pool, and not late.

    Raises
    ------
    KeyError
        No channel has this id.
    """
    active = [each for each in locations if each.active]
    pool = owners(setup.channels[channel_id], active)
    found: dict[Sku, int] = {}
    for each in expected_receipts(setup.supplies.values(), pool, now_seconds):
        found[each.sku] = found.get(each.sku, 0) + each.quantity_units
    return found


def feed_quantity(net_units: int | None, buffer_units: int = 0) -> int | None:
    """Return the number to send: after the buffer, and no lower than `SHORT_UNITS`.

    None, what is not known, is not sent. What is below 0 is left as it is: the buffer
    takes from units that are there, and leaves 0 (E4: 5 - 2 = 3, 2 - 5 = 0, and -1
    stays -1).

    Raises
    ------
    ValueError
        The buffer is below 0.
    """
    if buffer_units < 0:
        raise ValueError(f"buffer_units is not negative, got {buffer_units}")
    if net_units is None:
        return None
    return SHORT_UNITS if net_units < 0 else max(0, net_units - buffer_units)


def merged(quantities: Iterable[int | None]) -> int | None:
    """Return the sum of what several warehouses have under one supplier id.

    What is not known (None) is left out; None if nothing is. What one of them is
    short of never reduces what another has (E4: -1 and 5 are 5; -1 and 0 are -1, and
    so are -1 and -1).
    """
    known = [units for units in quantities if units is not None]
    if not known:
        return None
    there_units = sum(max(0, units) for units in known)
    return SHORT_UNITS if there_units == 0 and min(known) < 0 else there_units


def snapshot(rows: Iterable[FeedRow]) -> tuple[FeedRow, ...]:
    """Return what a true-up sends, by SKU: every row whose quantity is known.

    Raises
    ------
    ValueError
        A SKU comes twice.
    """
    return tuple(
        row for row in _by_sku(rows).values() if row.quantity_on_hand is not None
    )


def differential(
    before: Iterable[FeedRow], after: Iterable[FeedRow]
) -> tuple[FeedRow, ...]:
    """Return the rows that are not what they were, by SKU, whole as they are now.

    A SKU that is not in ``after`` is not sold there any more: it is sent as 0, as a
    receiver may keep what a feed does not name. One that is in it without a quantity
    is not sent: what is not known is not 0.

    Raises
    ------
    ValueError
        A SKU comes twice in one of them.
    """
    was, now = _by_sku(before), _by_sku(after)
    gone = (FeedRow(sku, 0) for sku in was if sku not in now)
    return snapshot(row for row in (*now.values(), *gone) if row != was.get(row.sku))


def _by_sku(rows: Iterable[FeedRow]) -> dict[Sku, FeedRow]:
    """Return the rows by SKU, in the order of the SKUs."""
    found: dict[Sku, FeedRow] = {}
    for row in rows:
        if row.sku in found:
            raise ValueError(f"{row.sku!r} comes twice")
        found[row.sku] = row
    return dict(sorted(found.items()))
