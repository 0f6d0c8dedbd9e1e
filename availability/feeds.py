"""What a supplier's stock feed is sent: numbers of another system's making.

The rules are Wayfair's, and what Autodesk Fusion Operations sends it (E2 to E4);
docs/availability.md has them. A feed is computed from offers: what is sent is what
the channel may be promised.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from availability.model import Sku
from availability.offer import Offer, Rule
from availability.settings import Level

SHORT_UNITS = -1
"""More was sold than there is: the receiver knows no number below it."""


@dataclass(frozen=True, slots=True)
class FeedRow:
    """One SKU as a feed says it, in units; values are absolute, never differences.

    ``quantity_on_hand`` is what the receiver may sell, `SHORT_UNITS` where more was
    sold than there is; None: it is not known, and not sent. ``quantity_backordered``
    is what open orders miss, ``quantity_on_order`` what they have not been shipped
    yet. ``next_available_seconds`` since the epoch is when more is there (None:
    nobody knows).
    """

    sku: Sku
    quantity_on_hand: int | None
    quantity_backordered: int = 0
    quantity_on_order: int = 0
    next_available_seconds: int | None = None

    @classmethod
    def of(
        cls, offers: Sequence[Offer], on_order_units: int = 0, buffer_units: int = 0
    ) -> "FeedRow":
        """Return the row of one SKU for one supplier id.

        Parameters
        ----------
        offers
            Mostly one. Several, of channels that share no pool, are added up: units
            that two channels share would be sent twice.
        on_order_units
            What open orders have not been shipped yet. A cancelled order is not open,
            archived or not.
        buffer_units
            Kept back from the sum. What a channel's own settings keep back is gone
            from its offer already.

        Raises
        ------
        ValueError
            There is no offer, they are of several SKUs, or a number is below 0.
        """
        skus = {offer.sku for offer in offers}
        if len(skus) != 1:
            raise ValueError(f"a row has one SKU, got {len(skus)}")
        if on_order_units < 0:
            raise ValueError(f"on_order_units is not negative, got {on_order_units}")
        dates = [
            offer.available_from_seconds
            for offer in offers
            if offer.available_from_seconds is not None
        ]
        return cls(
            skus.pop(),
            feed_quantity(merged(map(_sellable_units, offers)), buffer_units),
            sum(max(0, -(offer.net_units or 0)) for offer in offers),
            on_order_units,
            min(dates, default=None),
        )


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


def _sellable_units(offer: Offer) -> int | None:
    """Return what may be sold; below 0 where nothing may, and more was sold.

    Where no bound is (backorders, E3's formula), what is there counts: stock less
    what is on order. None where nobody knows: nothing is counted or needs to be, or
    the count is stale and no floor was declared.
    """
    if _unknown(offer):
        return None
    units, net_units = offer.quantity_units, offer.net_units
    if units is None:
        return net_units
    return min(0, net_units or 0) if units == 0 else units


def _unknown(offer: Offer) -> bool:
    """Tell whether the number stands for stock that nobody knows.

    A floor that was declared is a number, and so is a quantity that does not come
    from stock: fixed, pre-ordered, set apart whatever the stock, stopped.
    """
    if offer.known:
        return False
    if all(step.rule is not Rule.UNKNOWN for step in offer.steps):
        # A kit: its components' offers say no more than that one is not known.
        return True
    # The last that took no heed of the number before it. Only the floor has a value
    # that nobody gave.
    source = next((step for step in reversed(offer.steps) if step.replaces), None)
    return source is not None and source.level is Level.DEFAULT


def _by_sku(rows: Iterable[FeedRow]) -> dict[Sku, FeedRow]:
    """Return the rows by SKU, in the order of the SKUs."""
    found: dict[Sku, FeedRow] = {}
    for row in rows:
        if row.sku in found:
            raise ValueError(f"{row.sku!r} comes twice")
        found[row.sku] = row
    return dict(sorted(found.items()))
