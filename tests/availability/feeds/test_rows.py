"""Wayfair's and Autodesk Fusion Operations' stock feeds (seed 004): E2, E3 and E4."""

from dataclasses import replace

import pytest

from availability.feeds.rows import (
    FeedRow,
    Numbers,
    differential,
    expected_units,
    feed_quantity,
    merged,
    snapshot,
)
from availability.model import LocationId, Sku, StockRecord
from availability.offers.explain_kit import Part, explain_kit
from availability.offers.offer import Offer
from availability.setup.channels import Allocation, Channel, FutureSupply, SupplyRule
from availability.setup.kits import Component
from availability.setup.settings import (
    Backorders,
    Effective,
    Level,
    Preorder,
    Settings,
    SettingsBook,
)
from availability.setup.setup import Setup
from tests.availability.offers.worlds import (
    NOTHING,
    NOW_SECONDS,
    SHIRT,
    allocation,
    ids,
    one,
    place,
)

HAT = Sku("hat")
SOON = NOW_SECONDS + 500


def row(
    sku: str,
    on_hand_units: int | None,
    backordered_units: int = 0,
    on_order_units: int = 0,
    next_seconds: int | None = None,
) -> FeedRow:
    found = FeedRow(Sku(sku), on_hand_units, backordered_units, on_order_units)
    return replace(found, next_available_seconds=next_seconds)


def on_hand(*offers: Offer, buffer_units: int = 0) -> int | None:
    return FeedRow.of(offers, buffer_units=buffer_units).quantity_on_hand


# --- E4: the number ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("net_units", "buffer_units", "sent"),
    [
        # Wayfair's own list.
        (5, 2, 3),
        (5, 5, 0),
        (2, 5, 0),
        (-1, 2, -1),
        # One above and one below it.
        (6, 5, 1),
        (4, 5, 0),
        (0, 0, 0),
        (1, 0, 1),
        (0, 1, 0),
        (-1, 0, -1),
    ],
)
def test_wayfair_e4_the_buffer(net_units: int, buffer_units: int, sent: int) -> None:
    """Floored at 0, and what is negative is left as it is; 0 is no buffer."""
    assert feed_quantity(net_units, buffer_units) == sent


@pytest.mark.parametrize(
    ("net_units", "sent"), [(1, 1), (0, 0), (-1, -1), (-2, -1), (-(10**12), -1)]
)
def test_wayfair_e4_nothing_below_minus_one(net_units: int, sent: int) -> None:
    """Its receiver does not understand -2; how much is short is another field."""
    assert feed_quantity(net_units) == sent


def test_wayfair_e4_what_is_not_known_is_not_sent() -> None:
    assert feed_quantity(None) is None
    assert feed_quantity(None, 3) is None


def test_a_buffer_is_not_negative() -> None:
    with pytest.raises(ValueError, match="got -1"):
        feed_quantity(5, -1)


@pytest.mark.parametrize(
    ("quantities", "sum_units"),
    [
        # Wayfair's own list.
        ((-1, 5), 5),
        ((-1, 0), -1),
        ((-1, -1), -1),
        ((5, 3), 8),
        ((None, 5), 5),
        # Its edges.
        ((-1, 1), 1),
        ((-9, 2), 2),
        ((5, -1, 3), 8),
        ((0, 0), 0),
        ((0,), 0),
        ((-7,), -1),
        ((None, 0), 0),
        ((None, -1), -1),
        ((None, None), None),
        ((), None),
    ],
)
def test_wayfair_e4_several_warehouses(
    quantities: tuple[int | None, ...], sum_units: int | None
) -> None:
    """A sum; null is left out, and what is negative never reduces what is not."""
    assert merged(quantities) == sum_units
    assert merged(reversed(quantities)) == sum_units


@pytest.mark.parametrize(("buffer_units", "sent"), [(5, 2), (6, 1), (7, 0), (8, 0)])
def test_wayfair_e4_the_buffer_comes_after_the_sum(
    buffer_units: int, sent: int
) -> None:
    """4 and 3 less 5 are 2; less 5 from each would be 0."""
    assert on_hand(one(4), one(3), buffer_units=buffer_units) == sent


# --- E3: the row ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stock", "orders", "sent", "backordered_units"),
    [
        (8, 5, 3, 0),
        (6, 5, 1, 0),
        (5, 5, 0, 0),
        (5, 6, -1, 1),
        # Available is -3 there; the receiver is told -1 and the 3 that are missing.
        (5, 8, -1, 3),
    ],
)
def test_fusion_e3_available_on_order_and_backordered(
    stock: int, orders: int, sent: int, backordered_units: int
) -> None:
    """Fusion's formula for backorders, orders - stock, has its sign inverted."""
    allocated = min(stock, orders)
    records = [StockRecord(LocationId("dc"), SHIRT, stock, allocated)]
    offer = one(records, NOTHING, queued_units={"web": orders - allocated})

    found = FeedRow.of([offer], orders)

    assert found == FeedRow(SHIRT, sent, backordered_units, orders)


def test_fusion_e3_a_cancelled_order_is_on_order_no_more() -> None:
    """There it counts until someone archives it; here it stops at once."""
    before = FeedRow.of([one(5, queued_units={"web": 8})], 8)
    after = FeedRow.of([one(5, queued_units={"web": 0})], 0)

    assert differential([before], [after]) == (FeedRow(SHIRT, 5),)
    assert (before.quantity_on_hand, before.quantity_backordered) == (-1, 3)


def test_several_offers_are_one_row() -> None:
    short = one(2, queued_units={"web": 5})
    records = [StockRecord(LocationId("dc"), SHIRT, 4)]

    assert FeedRow.of([short, one(records)], 9, 1) == FeedRow(SHIRT, 3, 3, 9)


def test_the_next_availability_is_the_first_receipt() -> None:
    def waiting(seconds: int) -> Offer:
        supply = FutureSupply(LocationId("dc"), SHIRT, 9, seconds)
        return one(0, supplies=[supply])

    early, late = waiting(SOON), waiting(SOON + 1)

    assert FeedRow.of([late, early, one(0)]).next_available_seconds == SOON
    assert FeedRow.of([one(0)]).next_available_seconds is None
    assert FeedRow.of([one(1)]).next_available_seconds is None


def test_what_is_there_has_no_next_availability() -> None:
    """The date of what is there moves with the clock: it is when it can leave."""
    made = replace(place("dc"), lead_time_minutes=600)
    there, waits = one({"dc": 4}, locations=[made]), one(0)
    waits = replace(waits, available_from_seconds=SOON)

    assert there.available_from_seconds == NOW_SECONDS + 36_000
    assert FeedRow.of([there]) == FeedRow(SHIRT, 4)
    assert FeedRow.of([there, waits]).next_available_seconds == SOON


def test_what_is_expected_where_the_channel_is_fed() -> None:
    """As the dates of its offers: active, in its pool, and not late."""
    places = [place("dc"), place("shop"), place("shut", active=False)]
    receipts = [
        FutureSupply(LocationId("dc"), SHIRT, 1, NOW_SECONDS + 1),
        FutureSupply(LocationId("dc"), SHIRT, 2, NOW_SECONDS),
        FutureSupply(LocationId("dc"), SHIRT, 4, SOON),
        FutureSupply(LocationId("shop"), SHIRT, 8, SOON),
        FutureSupply(LocationId("shut"), SHIRT, 16, SOON),
        FutureSupply(LocationId("gone"), SHIRT, 32, SOON),
        FutureSupply(LocationId("shop"), HAT, 64, SOON),
    ]
    rules = (SupplyRule(include_ids=ids("dc", "shut")),)
    setup = Setup(
        channels={"web": Channel("web", rules), "b2b": Channel("b2b")},
        supplies={str(n): each for n, each in enumerate(receipts)},
    )

    assert expected_units(setup, places, "web", NOW_SECONDS) == {SHIRT: 5}
    assert expected_units(setup, places, "b2b", NOW_SECONDS) == {SHIRT: 13, HAT: 64}


def test_a_row_is_of_one_sku() -> None:
    hats = replace(one(3), sku=HAT)

    for offers, count in (((one(3), hats), 2), ((), 0)):
        with pytest.raises(ValueError, match=f"got {count}"):
            FeedRow.of(offers)
    with pytest.raises(ValueError, match="got -1"):
        FeedRow.of([one(3)], -1)


# --- What an offer says of what may be sold ---------------------------------------


@pytest.mark.parametrize(
    ("sold_units", "sent", "backordered_units"),
    [
        # 25 on hand, T = -50: what the channel may sell, backorders among it.
        (0, 75, 0),
        (25, 50, 0),
        (70, 5, 45),
        (74, 1, 49),
        (75, -1, 50),
    ],
)
def test_backorders_are_sold_until_there_are_none(
    sold_units: int, sent: int, backordered_units: int
) -> None:
    terms = Settings(backorders=Backorders.ALLOW, out_of_stock_threshold_units=-50)

    found = FeedRow.of([one(25, terms, queued_units={"web": sold_units})])

    assert found == FeedRow(SHIRT, sent, backordered_units)


@pytest.mark.parametrize(
    ("queued_units", "sent"), [(24, 1), (25, 0), (26, -1), (30, -1)]
)
def test_without_a_bound_what_is_there_counts(queued_units: int, sent: int) -> None:
    """No number says unlimited; Fusion's is stock less orders."""
    unlimited = Settings(backorders=Backorders.ALLOW)

    assert on_hand(one(25, unlimited, queued_units={"web": queued_units})) == sent


def test_what_is_not_managed_has_no_number() -> None:
    assert on_hand(one(25, Settings(managed=False))) is None


@pytest.mark.parametrize("stock", [0, 3, 100])
def test_fusion_e2_a_fixed_number_is_sent_as_it_is(stock: int) -> None:
    """SET EXTERNAL STOCK: the dummy true-up."""
    offer = one(stock, Settings(fixed_units=7), queued_units={"web": 50})

    assert FeedRow.of([offer]) == FeedRow(SHIRT, 7)


@pytest.mark.parametrize(
    ("stock", "threshold_units", "sent"), [(5, 5, 5), (4, 5, 0), (6, 5, 6)]
)
def test_what_the_channel_is_not_shown_is_not_sold(
    stock: int, threshold_units: int, sent: int
) -> None:
    hidden = Settings(
        availability_threshold_units=threshold_units,
        publication_threshold_units=threshold_units,
    )

    assert on_hand(one(stock, hidden)) == sent


def test_what_is_unknown_is_not_sent_unless_a_floor_was_declared() -> None:
    """Unknown is not zero; a floor of 0 that somebody declared is."""
    assert on_hand(one({"dc": 9}, stale_ids=["dc"])) is None
    for units in (0, 1, 4):
        floor = Settings(floor_units=units)
        assert on_hand(one({"dc": 9}, floor, stale_ids=["dc"])) == units


def test_an_unknown_warehouse_does_not_silence_the_others() -> None:
    assert on_hand(one({"dc": 9}, stale_ids=["dc"]), one(4)) == 4


@pytest.mark.parametrize("threshold_units", [0, 5])
@pytest.mark.parametrize("follow", [True, False])
def test_a_stop_sell_is_sent_as_0_even_if_nothing_is_known(
    follow: bool, threshold_units: int
) -> None:
    """Not to send it would leave it on sale."""
    settings = Settings(
        availability_threshold_units=threshold_units,
        publication_threshold_units=threshold_units,
    )
    stop = allocation("stop", 0, "web", follow=follow)

    assert on_hand(one({"dc": 9}, settings, stop, stale_ids=["dc"])) == 0


def test_what_does_not_come_from_stock_is_sent_though_nothing_is_known() -> None:
    preorder = Settings(preorders=(Preorder(10, SOON),))
    follow = allocation("f", 6, "web", follow=True)
    nowhere = [place("dc")]

    fixed = one([], Settings(fixed_units=7), locations=nowhere)
    assert on_hand(fixed) == 7
    assert FeedRow.of([one([], preorder, locations=nowhere)]) == FeedRow(
        SHIRT, 10, next_available_seconds=SOON
    )
    assert on_hand(one([], NOTHING, follow, locations=nowhere)) == 6


@pytest.mark.parametrize(("stale", "sent"), [((), 4), (("dc",), None)])
def test_a_kit_of_unknown_parts_is_unknown(
    stale: tuple[str, ...], sent: int | None
) -> None:
    part = Part(one({"dc": 9}, stale_ids=stale), {LocationId("dc"): 9})

    kit = explain_kit(HAT, (Component(SHIRT, 2),), {SHIRT: part}, Effective())

    assert on_hand(kit) == sent


FOLLOWS, APART = allocation("f", 6, "web", follow=True), allocation("a", 6, "web")
STOP = allocation("s", 0, "web")


@pytest.mark.parametrize("stale", [(), ("dc",)])
@pytest.mark.parametrize(
    "allocations",
    [
        (),
        (STOP,),
        (FOLLOWS,),
        (APART,),
        (allocation("b", 6, "b2b", follow=True),),
        (replace(FOLLOWS, consumed_units=6),),
        # The first in rank speaks for the channel.
        (replace(STOP, rank=1), APART),
        (STOP, replace(APART, rank=1)),
        (replace(FOLLOWS, rank=1), APART),
        (FOLLOWS, replace(APART, rank=1)),
    ],
)
@pytest.mark.parametrize(
    "book",
    [
        SettingsBook(),
        SettingsBook(Settings(floor_units=0)),
        SettingsBook(Settings(floor_units=3, buffer_units=9)),
        SettingsBook(skus={SHIRT: Settings(floor_units=0)}),
        SettingsBook(channels={"b2b": Settings(floor_units=3)}),
        SettingsBook(Settings(managed=False)),
        SettingsBook(Settings(fixed_units=0)),
        SettingsBook(Settings(backorders=Backorders.ALLOW)),
        SettingsBook(Settings(preorders=(Preorder(10, SOON),))),
        SettingsBook(Settings(preorders=(Preorder(10, NOW_SECONDS - 1),))),
    ],
)  # fmt: skip
def test_a_number_is_known_or_declared_as_its_steps_say(
    book: SettingsBook, allocations: tuple[Allocation, ...], stale: tuple[str, ...]
) -> None:
    """The last step that took no heed of the number before it has a value, or a level
    that gave one: only the default floor is nobody's.
    """
    offer = one({"dc": 9}, NOTHING, *allocations, book=book, stale_ids=stale)

    source = next((step for step in reversed(offer.steps) if step.replaces), None)
    given = source is None or source.level is not Level.DEFAULT
    assert Numbers.of(offer).known is (offer.known or given)
    assert offer.declared is (given and not offer.known)


@pytest.mark.parametrize("managed", [True, False])
@pytest.mark.parametrize("stale", [(), ("dc",)])
def test_a_kits_number_is_known_if_its_parts_are(
    stale: tuple[str, ...], managed: bool
) -> None:
    floor = Settings(floor_units=4, managed=managed)
    part = Part(one({"dc": 9}, floor, stale_ids=stale), {LocationId("dc"): 9})

    offer = explain_kit(HAT, (Component(SHIRT, 2),), {SHIRT: part}, Effective())

    assert Numbers.of(offer).known is (not stale or not managed)
    assert not offer.declared


# --- E2: the feeds ----------------------------------------------------------------


def test_fusion_e2_a_true_up_has_everything_that_is_known() -> None:
    rows = [row("c", 0), row("a", 5), row("d", None, 2), row("b", -1, 3, 8)]

    assert snapshot(rows) == (row("a", 5), row("b", -1, 3, 8), row("c", 0))


BEFORE = (row("gone", 5), row("less", 5), row("new", None), row("same", 5, 1, 2, 9))


def test_fusion_e2_a_differential_has_what_changed_with_absolute_values() -> None:
    after = (row("less", 4), row("more", 1), row("new", 7), row("same", 5, 1, 2, 9))

    assert differential(BEFORE, after) == (
        row("gone", 0),
        row("less", 4),
        row("more", 1),
        row("new", 7),
    )


@pytest.mark.parametrize(
    "changed",
    [row("a", 6, 1, 2, 9), row("a", 4, 1, 2, 9), row("a", 5, 0, 2, 9),
     row("a", 5, 1, 3, 9), row("a", 5, 1, 2, 8), row("a", 5, 1, 2)],
)  # fmt: skip
def test_a_change_of_any_field_sends_the_row(changed: FeedRow) -> None:
    before = row("a", 5, 1, 2, 9)

    assert differential([before], [changed]) == (changed,)
    assert differential([before], [replace(before)]) == ()


def test_what_became_unknown_is_not_sent_as_0() -> None:
    """Only what is not sold there any more is; it is sent once."""
    assert differential([row("a", 5)], [row("a", None)]) == ()
    assert differential([row("a", 5)], []) == (row("a", 0),)
    assert differential([row("a", 0)], []) == ()
    # It was known once, perhaps: what it was told last is not in the rows.
    assert differential([row("a", None)], []) == (row("a", 0),)


def test_a_differential_leads_from_one_true_up_to_the_next() -> None:
    """Whoever merges it into what he had has what a true-up would have sent."""
    quantities = (None, -1, 0, 1)
    for was in quantities:
        for now in quantities[1:]:
            for before in ((), (row("a", was), row("b", 3))):
                for after in ((), (row("a", now),), (row("a", now), row("c", 1))):
                    told = kept(snapshot(before))
                    told.update(kept(differential(before, after)))
                    assert {sku: n for sku, n in told.items() if n} == {
                        sku: n for sku, n in kept(snapshot(after)).items() if n
                    }


def kept(rows: tuple[FeedRow, ...]) -> dict[Sku, int | None]:
    return {each.sku: each.quantity_on_hand for each in rows}


def test_a_sku_comes_once() -> None:
    twice = [row("a", 5), row("a", 5)]

    with pytest.raises(ValueError, match="'a' comes twice"):
        snapshot(twice)
    for before, after in ((twice, []), ([], twice)):
        with pytest.raises(ValueError, match="'a' comes twice"):
            differential(before, after)
