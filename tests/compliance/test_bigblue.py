"""Bigblue (seed 001): stock set apart for channels; sections B1, B2, B5."""

import pytest

from availability.model import Network
from availability.offers.explain import explain
from availability.offers.market import Market, SkuStock
from availability.offers.offer import Rule, Status
from availability.setup.channels import Allocation, Channel, Purpose
from availability.setup.settings import Backorders, Preorder, Settings
from tests.availability.offers.worlds import (
    NOTHING,
    NOW_SECONDS,
    SHIRT,
    allocation,
    effects,
    one,
    place,
    record,
)

PRESELL = Purpose.PRESELL


def short(stock: int, *reserves: Allocation, queued_units: int = 0) -> dict[str, int]:
    """Return by how many units each reserve is short, from the offers of channels.

    A reserve of one channel has what the channel is shown. A buffer has no channel: it
    has what is neither shown to one with a reserve nor left for one without.
    """
    market = Market(
        Network.of([place("dc")]), tuple(map(Channel, ("web", "b2b", "other")))
    )
    records = (record("dc", stock),)
    known = SkuStock(
        SHIRT, records, queued_units={"other": queued_units}, allocations=reserves
    )
    units = {
        each.channel_id: explain(
            market, known, each.channel_id, NOW_SECONDS
        ).quantity_units
        or 0
        for each in market.channels
    }
    named = {each.allocation_id: each for each in reserves if each.channel_ids}
    shown = {name: units[min(each.channel_ids)] for name, each in named.items()}
    left = stock - sum(shown.values()) - units["other"]
    return {
        each.allocation_id: each.quantity_units - shown.get(each.allocation_id, left)
        for each in reserves
    }


@pytest.mark.parametrize(
    ("stock", "follow", "b2b_units", "web_units"),
    [
        (100, True, 30, 70),
        (100, False, 30, 70),
        (31, False, 30, 1),
        (30, False, 30, 0),
        (29, False, 29, 0),
        (20, True, 30, 0),
        (20, False, 20, 0),
        (0, True, 30, 0),
        (0, False, 0, 0),
    ],
)
def test_b2_reserve_of_30(
    stock: int, follow: bool, b2b_units: int, web_units: int
) -> None:
    """`use_available` remembers the 30: with 100 again it is 30 again."""
    reserve = allocation("r", 30, "b2b", follow=follow)

    assert one(stock, NOTHING, reserve, channel_id="b2b").quantity_units == b2b_units
    assert one(stock, NOTHING, reserve).quantity_units == web_units


def test_b2_what_follow_sells_beyond_the_stock_is_backordered() -> None:
    reserve = allocation("r", 30, "b2b", follow=True)

    offer = one(20, NOTHING, reserve, channel_id="b2b")

    assert [offer.backordered(units) for units in (19, 20, 21, 30)] == [0, 0, 1, 10]


@pytest.mark.parametrize(
    ("consumed_units", "b2b_units", "web_units"),
    [(0, 30, 70), (29, 1, 70), (30, 0, 70), (31, 0, 69)],
)
def test_a_reserve_holds_back_what_was_not_consumed(
    consumed_units: int, b2b_units: int, web_units: int
) -> None:
    """100 were there; what was consumed is no longer."""
    reserve = allocation("r", 30, "b2b", consumed_units=consumed_units)
    left = 100 - consumed_units

    assert one(left, NOTHING, reserve, channel_id="b2b").quantity_units == b2b_units
    assert one(left, NOTHING, reserve).quantity_units == web_units


def test_b5_110_of_100_is_legal_and_says_who_is_short() -> None:
    b2b = allocation("b2b", 30, "b2b", rank=1)
    b2c = allocation("b2c", 50, "web", rank=1, created_number=1)
    buffer = allocation("buffer", 30, rank=2)

    assert short(100, buffer, b2c, b2b) == {"b2b": 0, "b2c": 0, "buffer": 10}
    assert short(110, buffer, b2c, b2b) == {"b2b": 0, "b2c": 0, "buffer": 0}
    # Three more are queued than there are.
    assert short(0, buffer, queued_units=3) == {"buffer": 30}
    for channel_id, units in (("b2b", 30), ("web", 50)):
        offer = one(100, NOTHING, b2b, b2c, buffer, channel_id=channel_id)
        assert offer.quantity_units == units


@pytest.mark.parametrize(
    ("stock", "b2b", "b2c", "buffer"),
    [
        # 110 of 100, and both sides of every unit that someone is short of.
        (111, 0, 0, 0),
        (110, 0, 0, 0),
        (109, 0, 0, 1),
        (100, 0, 0, 10),
        (81, 0, 0, 29),
        (80, 0, 0, 30),
        (79, 0, 1, 30),
        (30, 0, 50, 30),
        (29, 1, 50, 30),
        (0, 30, 50, 30),
    ],
)
def test_b5_who_is_short_at_the_edges(
    stock: int, b2b: int, b2c: int, buffer: int
) -> None:
    """The vendor gives no order: rank, then creation."""
    reserves = [
        allocation("buffer", 30, rank=2),
        allocation("b2c", 50, "web", rank=1, created_number=1),
        allocation("b2b", 30, "b2b", rank=1),
    ]

    missing = {"b2b": b2b, "b2c": b2c, "buffer": buffer}
    assert short(stock, *reserves) == missing
    for channel_id, name, units in (("b2b", "b2b", 30), ("web", "b2c", 50)):
        offer = one(stock, NOTHING, *reserves, channel_id=channel_id)
        assert offer.quantity_units == units - missing[name]


@pytest.mark.parametrize(
    ("stock", "others_units"), [(100, 0), (109, 0), (110, 0), (111, 1), (112, 2)]
)
def test_b5_who_has_no_allocation_sees_the_rest_and_never_less_than_0(
    stock: int, others_units: int
) -> None:
    """That 100 - 110 is shown as 0 is not said there."""
    reserves = [allocation("r", 80, "b2b"), allocation("buffer", 30)]

    offer = one(stock, NOTHING, *reserves)

    assert offer.quantity_units == others_units
    assert offer.net_units == others_units


@pytest.mark.parametrize(
    ("b2b_rank", "b2b_number", "b2b_units", "web_units"),
    [(1, 0, 30, 10), (3, 0, 0, 40), (2, 0, 30, 10), (2, 2, 0, 40)],
)
def test_reserves_that_compete_go_by_rank_then_by_creation(
    b2b_rank: int, b2b_number: int, b2b_units: int, web_units: int
) -> None:
    """40 are there for 30 and 50: the vendor gives no order."""
    b2b = allocation("x", 30, "b2b", rank=b2b_rank, created_number=b2b_number)
    web = allocation("y", 50, "web", rank=2, created_number=1)

    assert one(40, NOTHING, b2b, web, channel_id="b2b").quantity_units == b2b_units
    assert one(40, NOTHING, b2b, web).quantity_units == web_units


def test_b1_a_buffer_is_kept_from_every_channel() -> None:
    buffer = allocation("buffer", 30)

    assert one(100, NOTHING, buffer).quantity_units == 70
    assert one(100, NOTHING, buffer, channel_id="b2b").quantity_units == 70


@pytest.mark.parametrize(
    ("stock", "follow", "b2b_units"),
    [
        (100, True, 30),
        (20, True, 30),
        (100, False, 30),
        (31, False, 30),
        (30, False, 30),
        (29, False, 29),
        (20, False, 20),
        (0, False, 0),
    ],
)
def test_b2_a_presell_takes_nothing_from_others(
    stock: int, follow: bool, b2b_units: int
) -> None:
    """When a pre-sell is adjusted is cut off in the vendor's text ("when available
    inve..."): as a reserve is, downwards. It never rises to what is there.
    """
    presell = allocation("p", 30, "b2b", follow=follow, purpose=PRESELL)

    assert one(stock, NOTHING, presell, channel_id="b2b").quantity_units == b2b_units
    assert one(stock, NOTHING, presell).quantity_units == stock


def test_a_presell_waits_for_every_reserve() -> None:
    presell = allocation("p", 30, "b2b", purpose=PRESELL, rank=1)
    reserve = allocation("r", 80, "web", rank=2)

    offer = one(100, NOTHING, presell, reserve, channel_id="b2b")

    assert effects(offer) == {"stock": 100, "reserves": -80}
    assert offer.quantity_units == 20


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        Settings(backorders=Backorders.ALLOW),
        Settings(backorders=Backorders.ALLOW, out_of_stock_threshold_units=-50),
        Settings(managed=False),
        Settings(fixed_units=7),
        Settings(preorders=(Preorder(5, 10**6),)),
    ],
)
@pytest.mark.parametrize("follow", [True, False])
def test_b2_stop_sell_stops_whatever_else_is_said(
    settings: Settings, follow: bool
) -> None:
    stop = allocation("stop", 0, "web", follow=follow, rank=0)
    reserve = allocation("r", 30, "web", rank=1)

    offer = one(100, settings, reserve, stop)

    assert (offer.quantity_units, offer.status) == (0, Status.UNAVAILABLE)
    refusal = offer.refusal(1)
    assert refusal is not None
    assert refusal.rule is Rule.ALLOCATION


@pytest.mark.parametrize(
    ("threshold", "backorders", "quantity_units"),
    [
        # 40 are there, 30 are set apart.
        (9, Backorders.NONE, 30),
        (10, Backorders.NONE, 30),
        (11, Backorders.NONE, 29),
        (-50, Backorders.ALLOW, 30),
        (0, Backorders.ALLOW, 30),
    ],
)
def test_an_allocation_is_all_that_its_channel_is_shown(
    threshold: int, backorders: Backorders, quantity_units: int
) -> None:
    """Backorders do not widen it, units kept back cut it when needed for it."""
    settings = Settings(out_of_stock_threshold_units=threshold, backorders=backorders)

    offer = one(40, settings, allocation("r", 30, "web"))

    assert offer.quantity_units == quantity_units


def test_two_allocations_of_a_channel_are_not_added_up() -> None:
    first = allocation("a", 10, "web", rank=1)
    second = allocation("b", 30, "web", rank=2, purpose=PRESELL)

    assert one(100, NOTHING, first, second).quantity_units == 10


def test_a_reserve_of_another_pool_holds_nothing_back() -> None:
    locations = [place("dc", channel_ids=["web"]), place("depot", channel_ids=["b2b"])]
    reserve = allocation("r", 30, "b2b")

    offer = one({"dc": 40, "depot": 40}, NOTHING, reserve, locations=locations)

    assert offer.quantity_units == 40
